"""FHIR R4 exports to source events: bulk NDJSON, and Bundles or single resources in JSON; plain or gzip.

Files are told apart by `resourceType`, not by name; the entries of a Bundle count as resources of the line it stands in. Times keep
the local clock of the source: an offset from UTC is dropped. What a resource says is in `clinical.formats.fhir_resources`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from unibase.clinical.formats.fhir_fields import Resource, check_text, code_of, reference_id, slug, text_or_none
from unibase.clinical.formats.fhir_looks import lines_of
from unibase.clinical.formats.fhir_read_fields import NOT_EVENTS
from unibase.clinical.formats.fhir_resources import BETWEEN, READERS, condition_date, drug_date, drugs_of, encounter_id
from unibase.clinical.sources.events import Identifier
from unibase.clinical.sources.record_bounds import open_binary
from unibase.groundwork.problems import UserError

LINE_SUFFIXES = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")
WHOLE_SUFFIXES = (".json", ".json.gz")
MOST_BYTES = 256 << 20
"""Bytes of a JSON file that is read whole: an export of that size comes as NDJSON."""

_REFERRING = {"Condition", "MedicationRequest", "MedicationAdministration", "MedicationDispense", "MedicationStatement"}
"""Types of resources whose events may need another resource."""

MALFORMED = (AttributeError, TypeError, KeyError, IndexError, ValueError)
"""What reading a field raises that is a text where FHIR has an object, and the like."""


def find_files(folder: Path) -> list[Path]:
    """Return the files of a FHIR export in a folder: lines of resources, and JSON documents.

    Raises:
        UserError: If there is none.
    """
    suffixes = (*LINE_SUFFIXES, *WHOLE_SUFFIXES)
    paths = sorted(p for p in folder.rglob("*") if p.name.lower().endswith(suffixes) and p.is_file())
    if not paths:
        raise UserError(f"There is no .ndjson or .json file in {folder}. Name the folder of a FHIR export.")
    return paths


def is_whole(path: Path) -> bool:
    """Tell whether the file at `path` is one JSON document rather than lines of resources.

    >>> is_whole(Path("Bundle.json")), is_whole(Path("Patient.ndjson"))
    (True, False)
    """
    return path.name.lower().endswith(WHOLE_SUFFIXES)


def documents(path: Path) -> list[list[Resource] | None]:
    """Return the resources of the JSON document at `path`, each as a line of its own; None for one that is malformed.

    Raises:
        UserError: If the file is larger than `MOST_BYTES`.
    """
    with open_binary(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"{path} holds more than {MOST_BYTES >> 20} MB of JSON in one document. Export it as NDJSON.")
    try:
        loaded = json.loads(content)
    except (ValueError, RecursionError):
        return [None]
    out: list[list[Resource] | None] = []
    for one in loaded if isinstance(loaded, list) else [loaded]:
        found = _resources(one)
        out += [None] if found is None else [[resource] for resource in found]
    return out


_LINK = re.compile(
    rb'"relation"\s*:\s*"(next|self)"\s*,\s*"url"\s*:\s*"([^"]+)"|"url"\s*:\s*"([^"]+)"\s*,\s*"relation"\s*:\s*"(next|self)"'
)


def lacking_pages(paths: Iterable[Path]) -> list[Path]:
    """Return the JSON documents that name a next page which none of them is.

    Pages are compared by the addresses that they give themselves; where they give none that the others name, a page is only known to
    be lacking when no document is a last page.

    Args:
        paths: Files of an export; those of lines hold no pages.
    """
    nexts: dict[Path, bytes] = {}
    selves: set[bytes] = set()
    pages = 0
    for path in (path for path in paths if is_whole(path)):
        with open_binary(path) as file:
            content = file.read(MOST_BYTES)
        found = [(one[0] or one[3], one[1] or one[2]) for one in _LINK.findall(content)]
        pages += b'"Bundle"' in content
        selves |= {url for relation, url in found if relation == b"self"}
        if address := dict(found).get(b"next"):
            nexts[path] = address
    open_ends = [path for path, url in nexts.items() if url not in selves]
    comparable = len(open_ends) < len(nexts)
    if comparable:
        return open_ends
    return open_ends[-1:] if len(nexts) == pages else []


def parse_line(line: bytes) -> list[Resource] | None:
    """Return the resources of a line, None for a malformed one.

    >>> [one["id"] for one in parse_line(b'{"resourceType": "Patient", "id": "p1"}')]
    ['p1']
    """
    try:
        return _resources(orjson.loads(line))
    except (ValueError, RecursionError):  # the latter for a line nested without end
        return _parsed_otherwise(line)


def _parsed_otherwise(line: bytes) -> list[Resource] | None:
    """Return the resources of a line that the quick parser refuses: half of a surrogate pair, a number of very many digits."""
    try:
        return _resources(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _resources(loaded: object) -> list[Resource] | None:
    """Return a resource, or those of a Bundle; None for what is neither."""
    if not isinstance(loaded, dict) or not isinstance(loaded.get("resourceType"), str):
        return None
    if loaded["resourceType"] != "Bundle":
        return [loaded]
    entries = [one for one in loaded.get("entry") or [] if isinstance(one, dict) and isinstance(one.get("resource"), dict)]
    names: dict[str, str] = {}
    for entry in entries:
        resource, address = entry["resource"], str(entry.get("fullUrl") or "")
        local = address.removeprefix("urn:uuid:")
        if local and "id" not in resource:
            resource["id"] = local.rsplit("/", 1)[-1]
        if address.startswith("urn:uuid:") and resource.get("id") != local:
            names[address] = f"{resource.get('resourceType')}/{resource.get('id')}"
    inner = [resource for entry in entries for resource in _resources(_renamed(entry["resource"], names)) or []]
    return [*inner, *_deletions(loaded)]


def _deletions(bundle: Resource) -> list[Resource]:
    """Return what stands for the resources that a history says were deleted: their newest version."""
    out: list[Resource] = []
    for entry in bundle.get("entry") or []:
        request = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(request, dict) or request.get("method") != "DELETE":
            continue
        kind, _, identifier = str(request.get("url") or "").strip("/").partition("/")
        when = str((entry.get("response") or {}).get("lastModified") or "9999")
        out.append({"resourceType": kind, "id": identifier, "meta": {"lastUpdated": when}, "deleted": True})
    return out


def _renamed(content: object, names: dict[str, str]) -> object:
    """Return a resource whose references by the address of an entry are by the id of its resource."""
    if not names:
        return content
    if isinstance(content, dict):
        return {
            key: names.get(one, one) if key == "reference" and isinstance(one, str) else _renamed(one, names)
            for key, one in content.items()
        }
    return [_renamed(one, names) for one in content] if isinstance(content, list) else content


def table_names(kinds: Iterable[str | None]) -> list[str]:
    """Return a name per file from the type (`kinds`) of its first resource; the file's own name may tell a person.

    Further files of one type are numbered from the second on.
    """
    seen: dict[str, int] = {}
    out: list[str] = []
    for found in kinds:
        kind = found if found in READERS or found in NOT_EVENTS else "unread"
        seen[kind] = seen.get(kind, 0) + 1
        out.append(kind if seen[kind] == 1 else f"{kind}-{seen[kind]}")
    return out


def patient_identifiers(patient: Resource) -> list[Identifier]:
    """Return the identifiers of a `patient`: its id (`fhir`), hospital numbers (`ipp`), INS (`ins`); others are left out.

    INS is told by its OID (1.2.250.1.213.1.4.8 for NIR, .9 for NIA; .10 and .11 in tests); of the rest, an identifier
    typed `PI` or `MR`, or without a type, is a hospital number.

    >>> patient_identifiers({"resourceType": "Patient", "id": "p1", "identifier": [{"value": "12"}]})
    [Identifier(system='fhir', value='p1'), Identifier(system='ipp', value='12')]
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
    """A Patient: its id and identifiers, and the year of birth where one is written."""

    id: str
    identifiers: list[Identifier]
    birth_years: tuple[int, ...] = ()


class Period(NamedTuple):
    """When an Encounter was."""

    id: str
    start: str | None
    end: str | None


class Drug(NamedTuple):
    """What a Medication is: its codes, `BETWEEN` them."""

    id: str
    code: str


def referred(resource: Resource) -> Person | Period | Drug | None:
    """Return what other resources may ask of a `resource` by its id."""
    kind, identifier = resource["resourceType"], resource.get("id")
    if not identifier or not isinstance(identifier, str):
        return None
    try:
        check_text(identifier)
        if kind == "Patient":
            year = str(resource.get("birthDate"))[:4]
            return Person(identifier, patient_identifiers(resource), (int(year),) if year.isdecimal() else ())
        if kind == "Encounter":
            period = resource.get("period") or {}
            return Period(identifier, text_or_none(period.get("start")), text_or_none(period.get("end")))
        if kind == "Medication":
            codes = drugs_of(resource)
            values = [one.get("value") for one in resource.get("identifier") or []]
            codes = codes or [f"LOCAL//{slug(value)}" for value in values[:1]]
            return Drug(identifier, BETWEEN.join(codes)) if codes else None
    except MALFORMED:
        # Told when its own events are read.
        return None
    return None


def references(resource: Resource) -> tuple[str | None, str | None]:
    """Return the ids of the Encounter and of the Medication without which the events of a resource have no date and no code."""
    if resource["resourceType"] not in _REFERRING:
        return None, None
    try:
        encounter = None if condition_date(resource) or drug_date(resource) else encounter_id(resource)
        drug = None if code_of(resource.get("medicationCodeableConcept")) else reference_id(resource.get("medicationReference"))
    except MALFORMED:
        return None, None
    return encounter, drug


def resource_files(paths: Sequence[Path], kind: str) -> Iterator[tuple[Path, int, Resource]]:
    """Yield file, line number and resource of every resource of one type, `kind`, in the files at `paths`."""
    wanted = lines_of(kind)
    for path in paths:
        if is_whole(path):
            yield from _of_kind(path, enumerate(documents(path), start=1), kind)
            continue
        with open_binary(path) as file:
            lines = ((number, parse_line(line)) for number, line in enumerate(file, start=1) if wanted(line))
            yield from _of_kind(path, lines, kind)


def _of_kind(path: Path, lines: Iterable[tuple[int, list[Resource] | None]], kind: str) -> Iterator[tuple[Path, int, Resource]]:
    for number, resources in lines:
        for resource in resources or []:
            if resource.get("resourceType") == kind:
                yield path, number, resource
