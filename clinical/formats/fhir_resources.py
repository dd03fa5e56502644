"""FHIR R4 resources to source events: mCODE, MII, OSIRIS and FR Core profiles are read as the R4 resources they are.

Birth, sex and death come from Patient. Every coding of a resource makes an event, one a vocabulary. What the status says of
the act is in `clinical.words.acts`. A Condition that says neither onset nor record date takes the interval of its encounter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from unibase.clinical.formats.fhir_deaths import DEATH, ended_with_death, implied_death, is_deceased, says_death
from unibase.clinical.formats.fhir_fields import (
    UNKNOWN,
    Context,
    Resource,
    check_text,
    codings,
    extension_name,
    is_about,
    is_about_others,
    number_of,
    reference_id,
    says_begin,
    slug,
    value_of,
    when,
    words_of,
)
from unibase.clinical.formats.fhir_read_fields import NOT_EVENTS, unread_fields
from unibase.clinical.formats.fhir_sites import TNM_EDITION, edition_of, sites_of
from unibase.clinical.formats.fhir_stages import stages_of
from unibase.clinical.reasons import (
    ABOUT_ANOTHER,
    DELETED,
    ENTERED_IN_ERROR,
    MISSING_CODE,
    MISSING_DATE,
    MISSING_PERSON,
    NOT_DONE,
    REPLACED_PERSON,
    SERVER_ERROR,
    UNKNOWN_EXTENSION,
    UNKNOWN_MODIFIER,
    UNKNOWN_REFERENCE,
    UNKNOWN_RESOURCE,
    UNKNOWN_STATUS,
    UNKNOWN_VALUE,
    UNREAD_FIELD,
)
from unibase.clinical.words.acts import FHIR_INTENT, FHIR_STATUS, FHIR_VERIFICATION, PREFIX, Modality, fhir_status, least
from unibase.clinical.words.cancers import is_cancer

HISTOLOGIES = {"mcode-histology-morphology-behavior", "mii-ex-onko-histology-morphology-behavior-icdo3"}
"""Extensions of the primary cancer of mCODE and of MII Onkologie, whose code may say the site only."""

_READ_EXTENSIONS = {*HISTOLOGIES, "patient-birthPlace", "birthPlace", "data-absent-reason"}
_CANCER_PROFILE = "mcode-(?:primary|secondary)-cancer-condition|mii-pr-onko-diagnose"
_PREFIX = {"MedicationRequest": "PRESCRIBED//", "MedicationDispense": "DISPENSED//", "MedicationStatement": "STATED//"}
BETWEEN = "\n"
"""Between the codes of one Medication, where they are kept for the resources that refer to it."""
_PERSONS = frozenset({"Patient"})


class Raw(NamedTuple):
    """An event as FHIR writes it; `coded`: the text is a coding; `within`: it was between `start` and `end`, and has no end."""

    person: str
    code: str
    start: str | None = None
    end: str | None = None
    recorded: str | None = None
    number: float | None = None
    text: str | None = None
    unit: str | None = None
    coded: bool = False
    within: bool = False


def events_of(resource: Resource, context: Context) -> list[Raw]:
    """Return the events of a resource, and tell the context what is not read of it."""
    kind = resource["resourceType"]
    reader = READERS.get(kind)
    if reader is None:
        _tell_unread(resource, context)
        return []
    if resource.get("deleted"):
        context.report(DELETED, "The resource was deleted.")
        return []
    if resource.get("modifierExtension"):
        context.report(UNKNOWN_MODIFIER, "The resource has a modifierExtension, which is not read.", "modifierExtension")
        return []
    said = modality(resource)
    status = resource.get("status")
    if kind in FHIR_STATUS and status is not None and status not in FHIR_STATUS[kind]:
        context.count(UNKNOWN_STATUS, slug(status))
    if said == "withdrawn":
        context.report(ENTERED_IN_ERROR, "The resource is marked as withdrawn.", "status")
        return []
    if said == "not-done":
        context.report(NOT_DONE, "The resource is marked as not done, or refuted.", "status")
        return []
    found = list(reader(resource, context))
    if said != "done":
        found = [one._replace(code=PREFIX[said] + one.code) for one in found]
    for one in found:
        for field in (one.person, one.code, one.start, one.end, one.recorded, one.text, one.unit):
            check_text(field)
    if kind != "Patient" and found and found[0].start is None:
        context.report(MISSING_DATE, "The resource has no date.", "date", refused=False)
    undated = bool(found) and found[0].start is None
    for field in unread_fields(resource, dates=not undated):
        context.count(UNREAD_FIELD, f"{kind}.{slug(field)}")
    for extension in resource.get("extension") or []:
        if (named := extension_name(extension)) not in _READ_EXTENSIONS:
            context.count(UNKNOWN_EXTENSION, named)
    return found


def _tell_unread(resource: Resource, context: Context) -> None:
    kind = resource["resourceType"]
    if kind == "OperationOutcome" and any(one.get("severity") in ("error", "fatal") for one in resource.get("issue") or []):
        context.report(SERVER_ERROR, "The server says that something failed.", refused=False)
    if kind == "FamilyMemberHistory":
        context.report(ABOUT_ANOTHER, "The resource is about a relative of its patient.")
    elif kind not in NOT_EVENTS:
        context.report(UNKNOWN_RESOURCE, f"Resources of type {slug(kind)} are not read.")


_NO_MODALITY = frozenset({"verificationStatus", "intent", "doNotPerform", "dataAbsentReason"})
"""Fields beside the status that may say that an act was not done."""


def modality(resource: Resource) -> Modality:
    """Return what the status, the intent and the verification of a resource say of the act."""
    kind = resource["resourceType"]
    said: list[Modality] = [fhir_status(kind, str(resource.get("status")))]
    if said == ["done"] and _NO_MODALITY.isdisjoint(resource):
        return "done"
    said += [FHIR_VERIFICATION[word] for word in words_of(resource.get("verificationStatus")) if word in FHIR_VERIFICATION]
    if kind == "MedicationRequest":
        said.append(FHIR_INTENT.get(str(resource.get("intent")), "done"))
    if resource.get("doNotPerform") is True or "not-performed" in words_of(resource.get("dataAbsentReason")):
        said.append("not-done")
    return least(*said)


def _drug_codes(resource: Resource, context: Context) -> list[str]:
    """Return the codes of a drug: its own, those of the Medication it contains, or of the one it refers to."""
    found = codings(resource.get("medicationCodeableConcept"), context)
    reference = reference_id(resource.get("medicationReference"))
    if found or not reference:
        return found
    if reference.startswith("#"):
        inside = (one for one in resource.get("contained") or [] if f"#{one.get('id')}" == reference)
        found = [code for one in inside for code in drugs_of(one, context)]
    elif reference in context.medications:
        found = context.medications[reference].split(BETWEEN)
    if not found:
        context.report(UNKNOWN_REFERENCE, "The Medication that is referred to is not in the export.", refused=False)
    return found


def drugs_of(medication: Resource, context: Context | None = None) -> list[str]:
    """Return the codes of a Medication; of one that has none those of its active ingredients.

    Args:
        medication: The resource.
        context: As for `codings`.
    """
    inside = [one for one in medication.get("ingredient") or [] if one.get("isActive") is not False]
    molecules = [code for one in inside for code in codings(one.get("itemCodeableConcept"), context)]
    return codings(medication.get("code"), context) or list(dict.fromkeys(molecules))


def condition_date(resource: Resource) -> object:
    """Return the date that a Condition, `resource`, itself says.

    >>> condition_date({"resourceType": "Condition", "onsetDateTime": "2024-03-01"})
    '2024-03-01'
    """
    return resource["resourceType"] == "Condition" and (when(resource, "onset")[0] or resource.get("recordedDate"))


def drug_date(resource: Resource) -> object:
    """Return the date that a resource about a drug itself says."""
    return resource["resourceType"] != "Condition" and (when(resource, "effective")[0] or _given(resource))


def encounter_id(resource: Resource) -> str | None:
    """Return the id of the Encounter that a resource belongs to.

    >>> encounter_id({"encounter": {"reference": "Encounter/e1"}})
    'e1'
    """
    return reference_id(resource.get("encounter") or resource.get("context"))


def _given(resource: Resource) -> Any:
    return resource.get("whenHandedOver") or resource.get("authoredOn") or resource.get("dateAsserted")


def _encounter(resource: Resource, context: Context) -> tuple[str | None, str | None]:
    reference = encounter_id(resource)
    return context.periods.get(reference, (None, None)) if reference else (None, None)


def _subject(resource: Resource, context: Context) -> str | None:
    said = resource.get("subject") or resource.get("patient")
    person = reference_id(said)
    if person is None:
        context.report(MISSING_PERSON, "The resource does not say whom it is about.", "subject")
    elif not is_about(said, _PERSONS) or is_about_others(resource, person):
        context.report(ABOUT_ANOTHER, "The resource is about something other than its patient.", "subject")
        return None
    return person


def _coded(resource: Resource, context: Context, field: str = "code") -> list[str]:
    found = codings(resource.get(field), context)
    if not found:
        context.report(MISSING_CODE, "The resource has no coding.", "code")
    return found


def _patient(resource: Resource, context: Context) -> Iterator[Raw]:
    person = resource.get("id")
    if not person:
        context.report(MISSING_PERSON, "The Patient has no id.")
        return
    if any(one.get("type") == "replaced-by" for one in resource.get("link") or []):
        context.report(REPLACED_PERSON, "The Patient was replaced by another.", "link", refused=False)
    if resource.get("birthDate"):
        yield Raw(person, "MEDS_BIRTH", resource["birthDate"])
    sex = {"male": "M", "female": "F"}.get(str(resource.get("gender")))
    if sex:
        yield Raw(person, f"SEX//{sex}")
    else:
        context.report(UNKNOWN_VALUE, "Sex is neither male nor female.", "gender", refused=False)
    if resource.get("deceasedDateTime"):
        yield Raw(person, "MEDS_DEATH", resource["deceasedDateTime"])
    elif is_deceased(resource):
        context.report(MISSING_DATE, "The person died, and no date says when.", "deceased", refused=False)
        yield Raw(person, "MEDS_DEATH", UNKNOWN)


def _condition(resource: Resource, context: Context) -> Iterator[Raw]:
    person, codes = _subject(resource, context), _coded(resource, context)
    if person is None or not codes:
        return
    start, end = when(resource, "onset")
    within, recorded = end is not None, resource.get("recordedDate")
    abated, until = when(resource, "abatement")
    end = end or until or abated
    if not start and not recorded:
        start, end = _encounter(resource, context)
    for code in codes:
        yield Raw(person, code, start or recorded, end, recorded, within=within)
    if says_death(codes) and modality(resource) == "done":
        yield Raw(person, DEATH, start or recorded or UNKNOWN)
    histologies = [
        code
        for extension in resource.get("extension") or []
        if extension_name(extension) in HISTOLOGIES
        for code in codings(extension.get("valueCodeableConcept"), context)
    ]
    for code in histologies:
        yield Raw(person, code, start or recorded, end, recorded, within=within)
    profiled = any(re.search(_CANCER_PROFILE, str(one)) for one in (resource.get("meta") or {}).get("profile") or [])
    known = bool(is_cancer(codes) or histologies or profiled)
    for text in stages_of(resource, known, context):
        yield Raw(person, "LOINC//21908-9", start or recorded, text=text, coded=True)
    for code, said in sites_of(resource, codes, context):
        yield Raw(person, code, start or recorded, text=said, coded=True)


def _observation(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is None:
        return
    start, end = when(resource, "effective")
    recorded = resource.get("issued")
    start = start or recorded
    codes = _coded(resource, context)
    components = resource.get("component") or []
    if not codes:
        return
    number, text, unit, coded = value_of(resource, context)
    if not components or number is not None or text is not None:
        for code in codes:
            yield Raw(person, code, start, end, recorded, number, text, unit, coded)
    implied, day = implied_death(resource, codes)
    if (implied or says_death(codes, number, text)) and modality(resource) == "done":
        yield Raw(person, DEATH, day or (not implied and start) or UNKNOWN)
    for part in components:
        inner = codings(part.get("code"), context)
        if inner:
            number, text, unit, coded = value_of(part, context)
            for code in inner:
                yield Raw(person, code, start, end, recorded, number, text, unit, coded)
    for code, text in sites_of(resource, codes, context):
        yield Raw(person, code, start, text=text, coded=True)
    edition = edition_of(resource, context)
    if edition:
        yield Raw(person, TNM_EDITION, start, text=edition, coded=True)


def _procedure(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is not None:
        start, end = when(resource, "performed")
        codes = _coded(resource, context)
        for code in codes:
            yield Raw(person, code, start, end)
        for code, text in sites_of(resource, codes, context) if codes else ():
            yield Raw(person, code, start, text=text, coded=True)


def _medication(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    codes = _drug_codes(resource, context)
    if not codes:
        context.report(MISSING_CODE, "The resource has no coding.", "code")
    if person is None or not codes:
        return
    start, end = when(resource, "effective")
    start = start or _given(resource)
    dose = ((resource.get("dosage") or {}).get("dose") if isinstance(resource.get("dosage"), dict) else None) or {}
    unit = dose.get("code") or dose.get("unit")
    if not start:
        start, end = _encounter(resource, context)
    prefix = _PREFIX.get(resource["resourceType"], "")
    # The day of a statement that does not say from when a drug was taken begins no treatment.
    prefix = "ASSERTED//" if prefix == "STATED//" and not says_begin(resource, "effective") else prefix
    for code in codes:
        yield Raw(person, prefix + code, start, end, None, number_of(dose.get("value")), None, unit)


def _encounter_event(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is not None:
        period = resource.get("period") or {}
        kind = (resource.get("class") or {}).get("code") or "UNKNOWN"
        yield Raw(person, f"VISIT//{slug(kind)}", period.get("start"), period.get("end"))
        if ended_with_death(resource):
            # The frame of events bounds the day by the stay (`fhir_deaths.within_stays`).
            start, end = period.get("start"), period.get("end")
            yield Raw(person, DEATH, start if end else UNKNOWN, end)


def _imaging_study(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is None:
        return
    kinds = {one.get("code") for one in resource.get("modality") or []}
    kinds |= {(one.get("modality") or {}).get("code") for one in resource.get("series") or []}
    for kind in sorted(kind for kind in kinds if kind):
        # IMAGING//CT is what the image itself says; this is what the record says.
        yield Raw(person, f"IMAGING_RECORD//{slug(kind)}", resource.get("started"))


def _specimen(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is not None:
        start, end = when(resource.get("collection") or {}, "collected")
        for code in codings(resource.get("type"), context) or ["UNKNOWN"]:
            yield Raw(person, f"SPECIMEN//{code}", start or resource.get("receivedTime"), end)


def _report(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is not None:
        start, end = when(resource, "effective")
        for code in _coded(resource, context):
            yield Raw(person, f"REPORT//{code}", start or resource.get("issued"), end, resource.get("issued"))


def _immunization(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is not None:
        for code in _coded(resource, context, "vaccineCode"):
            yield Raw(person, code, resource.get("occurrenceDateTime"))


READERS: dict[str, Callable[[Resource, Context], Iterator[Raw]]] = {
    "Patient": _patient,
    "Condition": _condition,
    "Observation": _observation,
    "Procedure": _procedure,
    "MedicationRequest": _medication,
    "MedicationAdministration": _medication,
    "MedicationDispense": _medication,
    "MedicationStatement": _medication,
    "Encounter": _encounter_event,
    "ImagingStudy": _imaging_study,
    "Specimen": _specimen,
    "DiagnosticReport": _report,
    "Immunization": _immunization,
}
