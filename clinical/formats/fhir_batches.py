"""FHIR bulk NDJSON to be read in batches: see `clinical.timelines.batched`.

The first reading takes Patients, Encounters and Medications out of the files, and parses no other line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unibase.clinical.formats import fhir
from unibase.clinical.formats.fhir import Resource
from unibase.clinical.sources import records
from unibase.clinical.sources.events import Identifier, Plan, TableEvents
from unibase.clinical.sources.records import Stretch
from unibase.clinical.sources.references import References
from unibase.groundwork.cluster import each

if TYPE_CHECKING:
    from distributed import Client

_OF_USE = fhir.lines_of("Patient", "Encounter", "Medication")

_PLACES = 1 << 40
"""More lines than a file has."""


@dataclass(frozen=True)
class _Part:
    """A stretch of one file; `number` counts the parts."""

    file: int
    path: Path
    stretch: Stretch
    number: int


@dataclass(frozen=True)
class _Looked:
    """What a first look at a part found: lines, the type of its first resource, its persons, rows of Encounters and Medications."""

    lines: int
    kind: str | None
    persons: dict[str, list[Identifier]]


@dataclass(frozen=True)
class _Reader:
    """Reads parts of files, named as `fhir.table_names` does, with the lines before each part."""

    names: Sequence[str]
    offsets: Sequence[int]
    references: References
    texts: frozenset[str]

    def __call__(self, part: _Part) -> Iterator[TableEvents]:
        at = self.offsets[part.number]
        for block in records.blocks(part.path, part.stretch, None):
            lines = block.split(b"\n")
            resources = [(number, fhir.parse_line(line)) for number, line in enumerate(lines, start=at + 1) if line.strip()]
            at += block.count(b"\n")
            context = self._context([resource for _, resource in resources if resource is not None])
            yield fhir.read_resources(resources, self.names[part.file], context, self.texts)

    def _context(self, resources: Sequence[Resource]) -> fhir.Context:
        asked = [fhir.references(resource) for resource in resources]
        periods = self.references.find("encounter", {encounter for encounter, _ in asked if encounter})
        drugs = self.references.find("medication", {drug for _, drug in asked if drug})
        return fhir.Context({one: str(code) for one, (code, _) in drugs.items()}, periods)


def open_fhir(source: Path, texts: frozenset[str], folder: Path, client: Client | None) -> Plan:
    """Open a bulk export.

    Args:
        source: Its folder.
        texts: Further texts that count as controlled.
        folder: Where to keep what resources refer to.
        client: A Dask client; None works in this process.

    Raises:
        UserError: If there is no NDJSON file.
    """
    paths = fhir.find_files(source)
    places = [(file, path, stretch) for file, path in enumerate(paths) for stretch in records.line_stretches(path)]
    parts = [_Part(*place, number) for number, place in enumerate(places)]
    references = References(folder)
    persons: dict[str, list[Identifier]] = {}
    kinds: list[str | None] = [None] * len(paths)
    lines = [0] * len(paths)
    offsets: list[int] = []
    for part, looked in zip(parts, each(client, _look, references, parts), strict=True):
        persons |= looked.persons
        kinds[part.file] = looked.kind if kinds[part.file] is None else kinds[part.file]
        offsets.append(lines[part.file])
        lines[part.file] += looked.lines
    names = fhir.table_names(kinds)
    # Files without resources have an account, too.
    ready = [fhir.read_resources([], name, fhir.Context(), texts) for name in names]
    read = _Reader(names, offsets, references, texts)
    return Plan(persons, parts, read, ready, lambda name, row, count: fhir.told_extension(name, (row, count)))


def _look(references: References, part: _Part) -> _Looked:
    kind: str | None = None
    persons: dict[str, list[Identifier]] = {}
    at = 0
    for block_number, block in enumerate(records.blocks(part.path, part.stretch, None)):
        periods: list[tuple[str, int, str | None, str | None]] = []
        drugs: list[tuple[str, int, str | None, str | None]] = []
        for number, line in enumerate(block.split(b"\n"), start=at):
            if kind is not None and not _OF_USE.search(line):
                continue
            resource = fhir.parse_line(line) if line.strip() else None
            if resource is None:
                continue
            kind = str(resource["resourceType"]) if kind is None else kind
            found = fhir.referred(resource)
            place = part.number * _PLACES + number
            if isinstance(found, fhir.Person):
                persons[found.id] = found.identifiers
            elif isinstance(found, fhir.Period):
                periods.append((found.id, place, found.start, found.end))
            elif isinstance(found, fhir.Drug):
                drugs.append((found.id, place, found.code, None))
        references.keep("encounter", f"{part.number:06d}-{block_number:06d}", periods)
        references.keep("medication", f"{part.number:06d}-{block_number:06d}", drugs)
        at += block.count(b"\n")
    return _Looked(at, kind, persons)
