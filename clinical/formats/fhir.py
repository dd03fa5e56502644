"""FHIR R4 bulk NDJSON to source events: mCODE, OSIRIS and FR Core profiles are read as the R4 resources they are.

Files are told apart by `resourceType`, not by name. Birth, sex and death come from Patient; the code of an event is the
first coding with a known vocabulary. Times keep the local clock of the source: an offset from UTC is dropped. A
Condition that says neither onset nor record date takes the interval of its encounter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from unibase.clinical.sources.reading import RowProblem
from unibase.clinical.sources.records import open_binary
from unibase.clinical.timelines.door import SOURCE_EVENTS, Identifier, TableEvents
from unibase.clinical.words import partial_dates
from unibase.clinical.words.controlled import is_controlled
from unibase.clinical.words.units import convert_expressions
from unibase.clinical.words.vocabularies import SYSTEMS, vocabulary_name
from unibase.groundwork.problems import UserError

Resource = dict[str, Any]
Raw = tuple[str, str, str | None, str | None, str | None, float | None, str | None, str | None, bool]
"""person, code, start, end, recorded, number, text, unit, whether the text is a coding."""

NOT_EVENTS: dict[str, str] = {
    "Organization": "about places and staff, not persons",
    "Location": "about places and staff, not persons",
    "Practitioner": "about places and staff, not persons",
    "PractitionerRole": "about places and staff, not persons",
    "Medication": "read where a MedicationRequest or MedicationAdministration names it",
    "Consent": "says who objects, which is obeyed and never an event",
    "DocumentReference": "free text",
    "Provenance": "about records",
    "Group": "about records",
    "Bundle": "bulk export holds resources one by one",
}
"""Resource types that hold no event of a person, and why."""

HISTOLOGY = "mcode-histology-morphology-behavior"
"""Extension of mCODE's primary cancer condition, whose code may say the site only."""

_READ_EXTENSIONS = {HISTOLOGY, "patient-birthPlace", "birthPlace", "data-absent-reason"}

_WITHDRAWN = {"entered-in-error", "not-done", "cancelled"}

_REFERRING = {"Condition", "MedicationRequest", "MedicationAdministration", "MedicationDispense", "MedicationStatement"}
"""Types of resources whose events may need another resource."""

_MALFORMED = (AttributeError, TypeError, KeyError, IndexError, ValueError)
"""What reading a field raises that is a text where FHIR has an object, and the like."""


@dataclass
class Context:
    """What resources refer to: codes of Medications, periods of Encounters."""

    medications: dict[str, str] = field(default_factory=dict)
    periods: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    row: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    extensions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By name, the first line that carries one and how many resources do."""

    def report(self, reason: str, message: str, column: str = "", refused: bool = True) -> None:
        """Keep a problem of the row that is being read."""
        self.problems.append(RowProblem(self.row, reason, message, column, refused))


def find_files(folder: Path) -> list[Path]:
    """Return the NDJSON files of a folder, plain or gzip.

    Raises:
        UserError: If there is none.
    """
    paths = sorted(p for p in folder.rglob("*") if p.name.lower().endswith((".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")))
    if not paths:
        raise UserError(f"There is no .ndjson file in {folder}. Name the folder of a FHIR bulk export.")
    return paths


def read_lines(path: Path) -> Iterator[tuple[int, Resource | None]]:
    """Yield the line number (from 1) and the resource of every line that is not blank; None for a malformed one."""
    with open_binary(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            yield number, parse_line(line)


def parse_line(line: bytes) -> Resource | None:
    """Return the resource of a line, None for a malformed one."""
    try:
        resource = json.loads(line)
    except (ValueError, RecursionError):  # the latter for a line nested without end
        return None
    return resource if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str) else None


def read_fhir(folder: Path, texts: frozenset[str] = frozenset()) -> tuple[list[TableEvents], dict[str, list[Identifier]]]:
    """Return the source events of every file, and the persons of its Patients."""
    paths = find_files(folder)
    context = Context()
    persons: dict[str, list[Identifier]] = {}
    for path in paths:
        for _, resource in read_lines(path):
            found = None if resource is None else referred(resource)
            if isinstance(found, Person):
                persons[found.id] = found.identifiers
            elif isinstance(found, Period):
                context.periods[found.id] = (found.start, found.end)
            elif isinstance(found, Drug):
                context.medications[found.id] = found.code
    kinds = [next((str(one["resourceType"]) for _, one in read_lines(path) if one is not None), None) for path in paths]
    out: list[TableEvents] = []
    for path, name in zip(paths, table_names(kinds), strict=True):
        table = read_resources(read_lines(path), name, context, texts)
        table.problems += [told_extension(*extension) for extension in table.tally.items()]
        out.append(table)
    return out, persons


def table_names(kinds: Iterable[str | None]) -> list[str]:
    """Return a name per file from the type of its first resource, numbered from the second file on (file names may tell a person)."""
    seen: dict[str, int] = {}
    out: list[str] = []
    for found in kinds:
        kind = found if found in READERS or found in NOT_EVENTS else "unread"
        seen[kind] = seen.get(kind, 0) + 1
        out.append(kind if seen[kind] == 1 else f"{kind}-{seen[kind]}")
    return out


def told_extension(extension: str, met: tuple[int, int]) -> RowProblem:
    """Return the problem of an extension, told once in a file: exports carry the same few extensions in every resource."""
    message = f"The extension {extension} is not read; {met[1]} resources of the file carry it."
    return RowProblem(met[0], "unknown-extension", message, extension, refused=False)


def patient_identifiers(patient: Resource) -> list[Identifier]:
    """Return the identifiers of a Patient: its id (`fhir`), hospital numbers (`ipp`), INS (`ins`); others are left out.

    INS is told by its OID (1.2.250.1.213.1.4.8 for NIR, .9 for NIA; .10 and .11 in tests); of the rest, an identifier
    typed `PI` or `MR`, or without a type, is a hospital number.
    """
    out = [Identifier("fhir", str(patient.get("id", "")).strip())] if patient.get("id") else []
    for one in patient.get("identifier") or []:
        value = str(one.get("value") or "").strip()
        if not value or one.get("use") == "old":
            continue
        if _is_ins(one):
            out.append(Identifier("ins", value))
            continue
        types = {coding.get("code") for coding in (one.get("type") or {}).get("coding") or []}
        if not types or types & {"PI", "MR", "IPP", "PT"}:
            out.append(Identifier("ipp", value))
    return out


INS_OIDS = ("1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9", "1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11")
"""OIDs of the identité nationale de santé: NIR and NIA, and those of the test environments."""


def _is_ins(identifier: Resource) -> bool:
    return str(identifier.get("system", "")).removeprefix("urn:oid:") in INS_OIDS


class Person(NamedTuple):
    """A Patient: its id and identifiers."""

    id: str
    identifiers: list[Identifier]


class Period(NamedTuple):
    """When an Encounter was."""

    id: str
    start: str | None
    end: str | None


class Drug(NamedTuple):
    """What a Medication is."""

    id: str
    code: str


def referred(resource: Resource) -> Person | Period | Drug | None:
    """Return what other resources may ask of this one by its id."""
    kind, identifier = resource["resourceType"], resource.get("id")
    if not identifier or not isinstance(identifier, str):
        return None
    try:
        _check_text(identifier)
        if kind == "Patient":
            return Person(identifier, patient_identifiers(resource))
        if kind == "Encounter":
            period = resource.get("period") or {}
            return Period(identifier, _text_or_none(period.get("start")), _text_or_none(period.get("end")))
        if kind == "Medication":
            code = _code(resource.get("code"))
            if code is None:
                values = [one.get("value") for one in resource.get("identifier") or []]
                code = f"LOCAL//{_slug(values[0])}" if values else None
            return Drug(identifier, code) if code else None
    except _MALFORMED:
        # Told when its own events are read.
        return None
    return None


def references(resource: Resource) -> tuple[str | None, str | None]:
    """Return the ids of the Encounter and of the Medication without which the events of a resource have no date and no code."""
    if resource["resourceType"] not in _REFERRING:
        return None, None
    try:
        encounter = None if _condition_date(resource) or _drug_date(resource) else _encounter_id(resource)
        drug = None if _code(resource.get("medicationCodeableConcept")) else _reference(resource.get("medicationReference"))
    except _MALFORMED:
        return None, None
    return encounter, drug


def read_resources(
    lines: Iterable[tuple[int, Resource | None]], name: str, context: Context, texts: frozenset[str]
) -> TableEvents:
    """Return the source events of a file, or of some lines of it.

    Args:
        lines: Number and resource of every line that is not blank; None for a malformed one.
        name: Name of the file's table.
        context: What the resources refer to.
        texts: Further texts that count as controlled.
    """
    context.problems, context.extensions = [], {}
    raw: list[tuple[int, Raw]] = []
    rows = 0
    for number, resource in lines:
        rows += 1
        context.row = number
        if resource is None:
            context.report("malformed-json", "The line is not a FHIR resource in JSON.")
            continue
        before = len(context.problems)
        try:
            raw += [(number, one) for one in _events_of(resource, context)]
        except _MALFORMED:
            del context.problems[before:]
            context.report("malformed-resource", "A field of the resource is not shaped as FHIR R4 says.")
    return TableEvents(name, rows, _frame(raw, context, texts), context.problems, context.extensions)


def _events_of(resource: Resource, context: Context) -> list[Raw]:
    kind = resource["resourceType"]
    reader = READERS.get(kind)
    if reader is None:
        if kind not in NOT_EVENTS:
            context.report("unknown-resource", f"Resources of type {_slug(kind)} are not read.")
        return []
    if resource.get("status") in _WITHDRAWN or "entered-in-error" in _codes(resource.get("verificationStatus")):
        context.report("entered-in-error", "The resource is marked as withdrawn or not done.", "status")
        return []
    found = list(reader(resource, context))
    for extension in resource.get("extension") or []:
        if (named := _extension_name(extension)) not in _READ_EXTENSIONS:
            first, count = context.extensions.get(named, (context.row, 0))
            context.extensions[named] = (first, count + 1)
    return found


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _frame(raw: list[tuple[int, Raw]], context: Context, texts: frozenset[str]) -> pl.DataFrame:
    schema = {
        "source_row": pl.Int64, "person": pl.String, "code": pl.String, "start": pl.String, "end": pl.String, "recorded": pl.String,
        "numeric_value": pl.Float64, "text_value": pl.String, "unit": pl.String, "coded": pl.Boolean,
    }  # fmt: skip
    frame = pl.DataFrame([(row, *values) for row, values in raw], schema=schema, orient="row")
    # The offset from UTC is dropped here: times are local times of the subject.
    for column, prefix in (("start", ""), ("end", "end_"), ("recorded", "recorded_")):
        local = pl.col(column).str.replace(r"(T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:Z|[+-]\d{2}:\d{2})$", "${1}")
        frame = partial_dates.add_dates(frame, local, prefix=prefix)
    bad = frame.filter(pl.col("problem").is_not_null())
    for row, problem in bad.select("source_row", "problem").iter_rows():
        message = "There is no such date." if problem == "impossible-date" else "The text is not a date."
        context.problems.append(RowProblem(row, problem, message, "date"))
    frame = frame.filter(pl.col("problem").is_null())
    early = (pl.col("end_time_max") < pl.col("time_min")).fill_null(False)
    for row in frame.filter(early)["source_row"].unique(maintain_order=True):
        context.problems.append(RowProblem(row, "end-before-start", "The interval ends before it starts.", "end", refused=False))
    for row in frame.filter(pl.col("end_problem").is_not_null())["source_row"]:
        context.problems.append(RowProblem(row, "impossible-date", "The end is not a date.", "end", refused=False))
    allowed = pl.col("coded") | is_controlled(pl.col("text_value"), texts)
    for row in frame.filter(pl.col("text_value").is_not_null() & ~allowed)["source_row"].unique(maintain_order=True):
        context.problems.append(RowProblem(row, "text-withheld", "The text is not a controlled one.", "value", refused=False))
    frame = frame.with_columns(
        pl.when(~early).then(pl.col("end_time")).alias("end_time"),
        pl.when(allowed).then(pl.col("text_value")).alias("text_value"),
    )
    frame = convert_expressions(frame, context.problems)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SOURCE_EVENTS.items())


def _patient(resource: Resource, context: Context) -> Iterator[Raw]:
    person = resource.get("id")
    if not person:
        context.report("missing-person", "The Patient has no id.")
        return
    if resource.get("birthDate"):
        yield _raw(person, "MEDS_BIRTH", resource["birthDate"])
    sex = {"male": "M", "female": "F"}.get(str(resource.get("gender")))
    if sex:
        yield _raw(person, f"SEX//{sex}")
    else:
        context.report("unknown-value", "Sex is neither male nor female.", "gender", refused=False)
    if resource.get("deceasedDateTime"):
        yield _raw(person, "MEDS_DEATH", resource["deceasedDateTime"])
    elif resource.get("deceasedBoolean"):
        context.report("missing-date", "The person died, and no date says when.", "deceased", refused=False)
        yield _raw(person, "MEDS_DEATH", "UN")


def _condition(resource: Resource, context: Context) -> Iterator[Raw]:
    person, code = _subject(resource, context), _code(resource.get("code"))
    if person is None or not _has(code, context):
        return
    start, end = _when(resource, "onset")
    _, abated = _when(resource, "abatement")
    abated = abated or _when(resource, "abatement")[0]
    yield _raw(
        person,
        str(code),
        start or resource.get("recordedDate"),
        end or abated,
        resource.get("recordedDate"),
        encounter=_encounter(resource, context) if not start and not resource.get("recordedDate") else None,
    )
    for extension in resource.get("extension") or []:
        histology = _code(extension.get("valueCodeableConcept")) if _extension_name(extension) == HISTOLOGY else None
        if histology:
            yield _raw(person, histology, start or resource.get("recordedDate"), end or abated, resource.get("recordedDate"))
    for stage in resource.get("stage") or []:
        text = _answer(stage.get("summary"))
        if text and not stage.get("assessment"):
            yield _raw(person, "LOINC//21908-9", start or resource.get("recordedDate"), text=text, coded=True)


def _observation(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is None:
        return
    start, end = _when(resource, "effective")
    start = start or resource.get("issued")
    recorded = resource.get("issued")
    code = _code(resource.get("code"))
    components = resource.get("component") or []
    if not _has(code, context):
        return
    number, text, unit, coded = _value(resource, context)
    if not components or number is not None or text is not None:
        yield _raw(person, str(code), start, end, recorded, number, text, unit, coded)
    for part in components:
        inner = _code(part.get("code"))
        if inner:
            number, text, unit, coded = _value(part, context)
            yield _raw(person, inner, start, end, recorded, number, text, unit, coded)


def _procedure(resource: Resource, context: Context) -> Iterator[Raw]:
    person, code = _subject(resource, context), _code(resource.get("code"))
    if person is not None and _has(code, context):
        start, end = _when(resource, "performed")
        yield _raw(person, str(code), start, end)


def _medication(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    code = _code(resource.get("medicationCodeableConcept"))
    reference = _reference(resource.get("medicationReference"))
    if code is None and reference:
        code = context.medications.get(reference)
        if code is None:
            context.report("unknown-reference", "The Medication that is referred to is not in the export.", refused=False)
    if person is None or not _has(code, context):
        return
    start, end = _when(resource, "effective")
    given = _given(resource)
    dose = ((resource.get("dosage") or {}).get("dose") if isinstance(resource.get("dosage"), dict) else None) or {}
    unit = dose.get("code") or dose.get("unit")
    prefix = {"MedicationRequest": "PRESCRIBED//", "MedicationDispense": "DISPENSED//", "MedicationStatement": "STATED//"}
    code = prefix.get(resource["resourceType"], "") + str(code)
    encounter = _encounter(resource, context) if not (start or given) else None
    yield _raw(person, code, start or given, end, None, _number(dose.get("value")), None, unit, encounter=encounter)


def _encounter_event(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is not None:
        period = resource.get("period") or {}
        kind = (resource.get("class") or {}).get("code") or "UNKNOWN"
        yield _raw(person, f"VISIT//{_slug(kind)}", period.get("start"), period.get("end"))


def _imaging_study(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is None:
        return
    kinds = {one.get("code") for one in resource.get("modality") or []}
    kinds |= {(one.get("modality") or {}).get("code") for one in resource.get("series") or []}
    for kind in sorted(kind for kind in kinds if kind):
        # IMAGING//CT is what the image itself says; this is what the record says.
        yield _raw(person, f"IMAGING_RECORD//{_slug(kind)}", resource.get("started"))


def _specimen(resource: Resource, context: Context) -> Iterator[Raw]:
    person = _subject(resource, context)
    if person is not None:
        start, end = _when(resource.get("collection") or {}, "collected")
        code = _code(resource.get("type")) or "UNKNOWN"
        yield _raw(person, f"SPECIMEN//{code}", start or resource.get("receivedTime"), end)


def _report(resource: Resource, context: Context) -> Iterator[Raw]:
    person, code = _subject(resource, context), _code(resource.get("code"))
    if person is not None and _has(code, context):
        start, end = _when(resource, "effective")
        yield _raw(person, f"REPORT//{code}", start or resource.get("issued"), end, resource.get("issued"))


def _immunization(resource: Resource, context: Context) -> Iterator[Raw]:
    person, code = _subject(resource, context), _code(resource.get("vaccineCode"))
    if person is not None and _has(code, context):
        yield _raw(person, str(code), resource.get("occurrenceDateTime"))


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


def _raw(
    person: str, code: str, start: str | None = None, end: str | None = None, recorded: str | None = None,
    number: float | None = None, text: str | None = None, unit: str | None = None, coded: bool = False,
    encounter: tuple[str | None, str | None] | None = None,
) -> Raw:  # fmt: skip
    if start is None and encounter is not None:
        start, end = encounter
    for one in (person, code, start, end, recorded, text, unit):
        _check_text(one)
    return person, code, start, end, recorded, number, text, unit, coded


def _check_text(value: Any) -> None:
    """Raise where a field is no text that a table can hold; half of a surrogate pair is none."""
    if value is not None and not (isinstance(value, str) and (value.isascii() or value.encode())):
        raise TypeError("not a text")


def _subject(resource: Resource, context: Context) -> str | None:
    person = _reference(resource.get("subject") or resource.get("patient"))
    if person is None:
        context.report("missing-person", "The resource does not say whom it is about.", "subject")
    return person


def _reference(reference: Resource | None) -> str | None:
    text = (reference or {}).get("reference")
    return str(text).rsplit("/", 1)[-1].removeprefix("urn:uuid:") if text else None


def _condition_date(resource: Resource) -> Any:
    return resource["resourceType"] == "Condition" and (_when(resource, "onset")[0] or resource.get("recordedDate"))


def _drug_date(resource: Resource) -> Any:
    return resource["resourceType"] != "Condition" and (_when(resource, "effective")[0] or _given(resource))


def _given(resource: Resource) -> Any:
    return resource.get("whenHandedOver") or resource.get("authoredOn") or resource.get("dateAsserted")


def _encounter_id(resource: Resource) -> str | None:
    return _reference(resource.get("encounter") or resource.get("context"))


def _encounter(resource: Resource, context: Context) -> tuple[str | None, str | None] | None:
    reference = _encounter_id(resource)
    return context.periods.get(reference) if reference else None


def _has(code: str | None, context: Context) -> bool:
    if code is None:
        context.report("missing-code", "The resource has no coding.", "code")
    return code is not None


def _code(concept: Resource | None) -> str | None:
    """Return `VOCABULARY//code` of the first coding with a known code system, else of the first coding."""
    codings = [one for one in (concept or {}).get("coding") or [] if one.get("code")]
    if not codings:
        return None
    known = [one for one in codings if str(one.get("system", "")).strip().lower().rstrip("/") in SYSTEMS]
    best = (known or codings)[0]
    return f"{vocabulary_name(best.get('system'))}//{str(best['code']).strip()}"


def _answer(concept: Resource | None) -> str | None:
    """Return a coded answer: the bare code for answers of staging systems, else `VOCABULARY//code`."""
    code = _code(concept)
    if code is None:
        return None
    return code.removeprefix("AJCC//") if code.startswith("AJCC//") else code


def _extension_name(extension: Resource) -> str:
    """Return the last part of an extension's address: the name of its definition."""
    return _slug(str(extension.get("url", "")).rstrip("/").rsplit("/", 1)[-1])


def _codes(concept: Any) -> set[str]:
    return {one.get("code", "") for one in concept.get("coding") or []} if isinstance(concept, dict) else set()


def _when(resource: Resource, stem: str) -> tuple[str | None, str | None]:
    for suffix in ("DateTime", "Date", "Instant"):
        if resource.get(stem + suffix):
            return resource[stem + suffix], None
    period = resource.get(stem + "Period") or {}
    return period.get("start") or period.get("end"), period.get("end")


def _value(resource: Resource, context: Context) -> tuple[float | None, str | None, str | None, bool]:
    quantity = resource.get("valueQuantity")
    if quantity:
        return _number(quantity.get("value")), quantity.get("comparator"), quantity.get("code") or quantity.get("unit"), True
    if resource.get("valueCodeableConcept"):
        answer = _answer(resource["valueCodeableConcept"])
        return None, answer or resource["valueCodeableConcept"].get("text"), None, answer is not None
    for name in ("valueInteger", "valueDecimal"):
        if resource.get(name) is not None:
            return _number(resource[name]), None, None, False
    if resource.get("valueBoolean") is not None:
        return None, "true" if resource["valueBoolean"] else "false", None, True
    if resource.get("valueString") is not None:
        text = str(resource["valueString"]).strip()
        try:
            return float(text), None, None, False
        except ValueError:
            return None, text or None, None, False
    if resource.get("dataAbsentReason"):
        context.report("not-collected", "The resource says that there is no value.", "dataAbsentReason", refused=False)
    return None, None, None, False


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _slug(text: Any) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in str(text).strip())[:64]


def resource_files(paths: Sequence[Path], kind: str) -> Iterator[tuple[Path, int, Resource]]:
    """Yield file, line number and resource of every resource of one type."""
    wanted = lines_of(kind)
    for path in paths:
        with open_binary(path) as file:
            for number, line in enumerate(file, start=1):
                resource = parse_line(line) if wanted.search(line) else None
                if resource is not None and resource["resourceType"] == kind:
                    yield path, number, resource


def lines_of(*kinds: str) -> re.Pattern[bytes]:
    """Return what every line has that holds a resource of some types, so that others need not be parsed."""
    # A character that is written as an escape may be a letter of these words.
    return re.compile(rb'"resourceType"\s*:\s*"(?:' + "|".join(kinds).encode() + rb')"|\\u00[0-7]')
