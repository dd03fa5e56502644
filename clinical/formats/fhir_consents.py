"""Whom a FHIR Consent denies the use of records for research.

Read are R4 (`provision`, `policyRule`), R5 (`decision`, of which provisions are the exceptions) and STU3 (`except`). What
cannot be told is a denial: a doubt is no consent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from unibase.clinical.formats import fhir
from unibase.clinical.formats.declaration import Asked, Objecting
from unibase.clinical.formats.fhir_fields import Resource, reference_id
from unibase.privacy.custody.objections import ANY_SYSTEM

_RESEARCH = frozenset(
    {"research", "patient-privacy", "rsreid", "rsdid", "hresch", "research-project", "infa", "59284-0", "59284-6"}
)
"""Codes of scope and category (HL7 consentscope, consentcategorycodes, v3-ActCode, LOINC) of consents to research or privacy."""


_OTHER_SCOPES = frozenset({"treatment", "adr", "acd", "dnr", "polst", "emrgonly", "hcd", "npp", "hipaa-npp", "rsdid-c"})
"""Scopes and categories of consents to care and of advance directives: they say nothing of research."""

_NOT_IN_FORCE = frozenset({"entered-in-error", "draft", "proposed"})
_REFUSED = frozenset({"rejected", "not-done"})
_FRAME = frozenset({"type", "purpose", "period", "id", "extension", "provision"})
"""Fields of a provision that say of what it is, not of which part of the records or of whom."""


def objecting_by_consent(asked: Asked) -> Iterator[Objecting]:
    """Yield whom a Consent in force denies research for, and whose consent to it was ended with no other in its place.

    A denial that names nobody is yielded under the number of its resource, so that it is counted as nobody's.

    Args:
        asked: The export.

    Raises:
        UserError: If there is no file of FHIR.
    """
    ended: set[Objecting] = set()
    permitted: set[Objecting] = set()
    for _, _, consent in fhir.resource_files(fhir.find_files(asked.folder), "Consent"):
        status, said = _status(consent), _denies(consent)
        if said is None or status in _NOT_IN_FORCE:
            continue
        persons = list(_persons(consent))
        if status == "inactive":
            # A denial that ended is none any more; a consent that ended was withdrawn, or another stands in its place.
            ended.update([] if said else persons)
        elif said:
            yield from persons
        else:
            permitted.update(persons)
    yield from sorted(ended - permitted)


def _status(consent: Resource) -> str:
    return str(consent.get("status") or "").strip().lower()


def _denies(consent: Resource) -> bool | None:
    """Return whether a Consent denies research, permits it, or says nothing of it (None)."""
    codes = {code.lower() for concept in [consent.get("scope"), *_list(consent.get("category"))] for code in _codes(concept)}
    exceptions = [one for name in ("provision", "except") for one in _list(consent.get(name)) if isinstance(one, dict)]
    if codes & _OTHER_SCOPES and not codes & _RESEARCH and not any(_names_research(one) for one in exceptions):
        return None
    if _status(consent) in _REFUSED:
        return True
    decision = str(consent.get("decision") or "").strip().lower()
    opted_out = any("optout" in re.sub("[^a-z]", "", rule.lower()) for rule in _policies(consent))
    if not decision and not opted_out:
        # R4: the first provision says what the others are exceptions of.
        found = {_provision(one, nested=False, above=None) for one in exceptions}
        return True if True in found else None if found == {None} else False
    denied = opted_out or decision == "deny"
    inner = {_provision(one, nested=True, above=denied if decision else None) for one in exceptions}
    return _together(denied, inner)


def _policies(consent: Resource) -> Iterator[str]:
    """Yield what names the rule that a Consent starts from: codes in R4, an address in STU3. `policy` is the law it is under."""
    rule = consent.get("policyRule")
    yield from [rule] if isinstance(rule, str) else _codes(rule)


def _provision(one: Resource, *, nested: bool, above: bool | None) -> bool | None:
    """Return what a provision says of research; one that names a part of the records, or a purpose beside it, permits nothing.

    `above`: what the exceptions of R5, which have no type, are exceptions of.
    """
    kind = str(one.get("type") or "").strip().lower()
    if not kind and above is not None and not one.keys() <= {"period", "id", "extension", "provision"}:
        kind = "permit" if above else "deny"
    whole = not nested or (_names_research(one, deep=False) and one.keys() <= _FRAME)
    own = None if not _of_research(one) else True if kind == "deny" else False if kind == "permit" and whole else None
    below = None if above is None else not above
    found = {_provision(inner, nested=True, above=below) for inner in _list(one.get("provision")) if isinstance(inner, dict)}
    return _together(own, found)


def _together(own: bool | None, inner: set[bool | None]) -> bool | None:
    """Return what a rule and its exceptions say together: an exception that denies denies; one that permits lifts a denial."""
    if True in inner:
        return True
    return False if False in inner else own


def _purposes(provision: Resource) -> set[str]:
    """Return the codes of purpose, which are codings in R4, and concepts in some exports."""
    codings = [one for one in _list(provision.get("purpose")) if isinstance(one, dict)]
    return {str(one["code"]).upper() for one in codings if one.get("code")} | {
        code.upper() for one in codings for code in _codes(one)
    }


def _of_research(provision: Resource) -> bool:
    """Return whether a provision is about research: by its purpose, or because it names none."""
    return not _purposes(provision) or _names_research(provision, deep=False)


def _names_research(provision: Resource, *, deep: bool = True) -> bool:
    mine = any("RESCH" in code or "RESEARCH" in code for code in _purposes(provision))
    inner = (one for one in _list(provision.get("provision")) if isinstance(one, dict))
    return mine or (deep and any(_names_research(one) for one in inner))


def _persons(consent: Resource) -> Iterator[Objecting]:
    """Yield the numbers of whom a Consent is about: of the Patient that it names, holds within it, or asks for."""
    about = consent.get("patient") or consent.get("subject") or {}
    about = about if isinstance(about, dict) else {}
    number = reference_id(about) or ""
    found: list[Objecting] = []
    if number.startswith("#"):
        held = (one for one in _list(consent.get("contained")) if isinstance(one, dict))
        patients = [one for one in held if str(one.get("id")) == number[1:] or f"#{one.get('id')}" == number]
        found += [
            _by_number(one.value) for patient in patients for one in fhir.patient_identifiers(patient) if one.system != "fhir"
        ]
    elif "identifier=" in number:
        asked = re.search(r"identifier=([^&]+)", str(about["reference"]))
        found += [_by_number(unquote(asked[1]).rsplit("|", 1)[-1])] if asked else []
    elif number:
        found.append(Objecting("fhir", number, "fhir-consent"))
    identifier = about.get("identifier")
    if isinstance(identifier, dict) and identifier.get("value"):
        found.append(_by_number(str(identifier["value"])))
    yield from found or [Objecting("fhir", f"Consent/{consent.get('id', '')}", "fhir-consent")]


def _by_number(number: str) -> Objecting:
    """Return who has a number that may be of any kind: of the hospital, or the INS."""
    return Objecting(ANY_SYSTEM, number, "fhir-consent")


def _codes(concept: object) -> set[str]:
    coding = _list(concept.get("coding")) if isinstance(concept, dict) else []
    return {str(one.get("code")) for one in coding if isinstance(one, dict) and one.get("code")}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
