"""A FHIR export to be read in batches: see `clinical.timelines.batched`.

The first reading takes Patients, Encounters and Medications out of the files, and parses no other line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.clinical.formats import fhir, fhir_versions
from unibase.clinical.formats.fhir_fields import Context, Resource
from unibase.clinical.formats.fhir_looks import lines_of
from unibase.clinical.formats.fhir_versions import Hashes, Version, met_twice, older
from unibase.clinical.reasons import MISSING_PAGE, OLDER_VERSION
from unibase.clinical.sources import record_bounds
from unibase.clinical.sources.events import Identifier, Plan, TableEvents, tally_key
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.record_bounds import Stretch
from unibase.clinical.sources.references import References
from unibase.groundwork.cluster import each

if TYPE_CHECKING:
    from distributed import Client

_OF_USE = lines_of("Patient", "Encounter", "Medication")

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
    birth_years: Counter[int]
    hashes: Hashes


@dataclass(frozen=True)
class _Reader:
    """Reads parts of files, named as `fhir.table_names` does, with the lines before each part."""

    names: Sequence[str]
    offsets: Sequence[int]
    references: References
    texts: frozenset[str]
    older: frozenset[tuple[int, int]]

    def __call__(self, part: _Part) -> Iterator[TableEvents]:
        first = at = self.offsets[part.number]
        if fhir.is_whole(part.path):
            whole = list(enumerate(fhir.documents(part.path), start=1))
            yield self._read(part, 1, whole)
            return
        for block in record_bounds.blocks(part.path, part.stretch, None):
            lines = block.split(b"\n")
            resources = [(number, fhir.parse_line(line)) for number, line in enumerate(lines, start=at + 1) if line.strip()]
            at += block.count(b"\n")
            yield self._read(part, first + 1, resources)

    def _read(self, part: _Part, first: int, lines: Sequence[tuple[int, list[Resource] | None]]) -> TableEvents:
        """Return what some lines say; of older versions of a resource nothing but their number. `first` is the part's first line."""
        newest = [(number, found) for number, found in lines if (part.number, number - first) not in self.older]
        context = self._context(_all(newest))
        table = fhir.read_resources(newest, self.names[part.file], context, self.texts)
        table.rows = len(lines)
        gone = [number for number, _ in lines if (part.number, number - first) in self.older]
        if gone:
            table.tally[tally_key(OLDER_VERSION)] = (gone[0], len(gone))
        return table

    def _context(self, resources: Sequence[Resource]) -> Context:
        asked = [fhir.references(resource) for resource in resources]
        periods = self.references.find("encounter", {encounter for encounter, _ in asked if encounter})
        drugs = self.references.find("medication", {drug for _, drug in asked if drug})
        return Context({one: str(code) for one, (code, _) in drugs.items()}, periods)


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
    places = [(file, path, stretch) for file, path in enumerate(paths) for stretch in _stretches(path)]
    parts = [_Part(*place, number) for number, place in enumerate(places)]
    references = References(folder)
    persons: dict[str, list[Identifier]] = {}
    birth_years: Counter[int] = Counter()
    kinds: list[str | None] = [None] * len(paths)
    lines = [0] * len(paths)
    offsets: list[int] = []
    hashes: list[Hashes] = []
    for part, looked in zip(parts, each(client, _look, references, parts), strict=True):
        persons |= looked.persons
        birth_years += looked.birth_years
        kinds[part.file] = looked.kind if kinds[part.file] is None else kinds[part.file]
        offsets.append(lines[part.file])
        lines[part.file] += looked.lines
        hashes.append(looked.hashes)
    older_lines = _older(parts, met_twice(hashes), hashes, persons, client)
    names = fhir.table_names(kinds)
    # Files without resources have an account, too.
    ready = [fhir.read_resources([], name, Context(), texts) for name in names]
    told = RowProblem(0, MISSING_PAGE, "The Bundle names a next page that is not there.", refused=False)
    for path in fhir.lacking_pages(paths):
        ready[paths.index(path)].problems.append(told)
    read = _Reader(names, offsets, references, texts, older_lines)
    return Plan(persons, parts, read, ready, birth_years)


@dataclass(frozen=True)
class _Doubled:
    """What was found of resources that stand several times: hash, version, and who a Patient is."""

    hash: int
    version: Version
    person: fhir.Person | None


def _older(
    parts: Sequence[_Part],
    twice: frozenset[int],
    hashes: Sequence[Hashes],
    persons: dict[str, list[Identifier]],
    client: Client | None,
) -> frozenset[tuple[int, int]]:
    """Return the lines of older versions; the identifiers of persons become those of their newest version."""
    if not twice:
        return frozenset()
    wanted = np.array(sorted(twice), dtype=np.uint64)
    asked = [part for part, own in zip(parts, hashes, strict=True) if np.isin(own, wanted).any()]
    found = [one for more in each(client, _doubled, twice, asked) for one in more]
    lines = older((one.hash, one.version) for one in found)
    for one in found:
        if one.person is not None and (one.version.part, one.version.line) not in lines:
            persons[one.person.id] = one.person.identifiers
    return lines


def _doubled(twice: frozenset[int], part: _Part) -> list[_Doubled]:
    out: list[_Doubled] = []
    for line, resources in _lines(part, twice):
        # A Bundle in one line is one export of its own.
        if resources and len(resources) == 1 and (known := fhir_versions.hash_of_resource(resources[0])) in twice:
            person = fhir.referred(resources[0])
            version = Version.of(resources[0], part.number, line)
            out.append(_Doubled(known, version, person if isinstance(person, fhir.Person) else None))
    return out


def _lines(part: _Part, twice: frozenset[int]) -> Iterator[tuple[int, list[Resource] | None]]:
    """Yield number (from 0) and resources of the lines of a part that may hold a resource met twice."""
    if fhir.is_whole(part.path):
        yield from enumerate(fhir.documents(part.path))
        return
    at = 0
    for block in record_bounds.blocks(part.path, part.stretch, None):
        for number, line in enumerate(block.split(b"\n"), start=at):
            if line.strip() and fhir_versions.hash_of_line(line) in twice:
                yield number, fhir.parse_line(line)
        at += block.count(b"\n")


def _all(lines: Sequence[tuple[int, list[Resource] | None]]) -> list[Resource]:
    return [resource for _, resources in lines for resource in resources or []]


def _stretches(path: Path) -> list[Stretch]:
    """Return the stretches of a file; a JSON document is one."""
    return [Stretch(0, path.stat().st_size)] if fhir.is_whole(path) else record_bounds.line_stretches(path)


def _look(references: References, part: _Part) -> _Looked:
    found = _Found(part.number * _PLACES)
    if fhir.is_whole(part.path):
        whole = fhir.documents(part.path)
        for number, resources in enumerate(whole):
            found.take(number, resources)
        found.keep(references, f"{part.number:06d}-{0:06d}")
        known = [fhir_versions.hash_of_resource(one) for resources in whole for one in (resources or [])[:1]]
        return _Looked(len(whole), found.kind, found.persons, found.birth_years, np.array(known, dtype=np.uint64))
    at = 0
    hashes: list[int] = []
    for block_number, block in enumerate(record_bounds.blocks(part.path, part.stretch, None)):
        for number, line in enumerate(block.split(b"\n"), start=at):
            if not line.strip():
                continue
            hashes.append(fhir_versions.hash_of_line(line))
            if found.kind is None or _OF_USE(line):
                found.take(number, fhir.parse_line(line))
        found.keep(references, f"{part.number:06d}-{block_number:06d}")
        at += block.count(b"\n")
    return _Looked(at, found.kind, found.persons, found.birth_years, np.array(hashes, dtype=np.uint64))


@dataclass
class _Found:
    """What was met so far in a part whose places begin at `base`."""

    base: int
    kind: str | None = None
    persons: dict[str, list[Identifier]] = field(default_factory=dict)
    birth_years: Counter[int] = field(default_factory=Counter)
    periods: list[tuple[str, int, str | None, str | None]] = field(default_factory=list)
    drugs: list[tuple[str, int, str | None, str | None]] = field(default_factory=list)

    def take(self, number: int, resources: list[Resource] | None) -> None:
        """Take up what other resources may ask of those of a line."""
        for resource in resources or []:
            self.kind = str(resource["resourceType"]) if self.kind is None else self.kind
            found = fhir.referred(resource)
            if isinstance(found, fhir.Person):
                self.persons[found.id] = found.identifiers
                self.birth_years.update(found.birth_years)
            elif isinstance(found, fhir.Period):
                self.periods.append((found.id, self.base + number, found.start, found.end))
            elif isinstance(found, fhir.Drug):
                self.drugs.append((found.id, self.base + number, found.code, None))

    def keep(self, references: References, name: str) -> None:
        """Put periods and drugs into files of their own, and forget them."""
        references.keep("encounter", name, self.periods)
        references.keep("medication", name, self.drugs)
        self.periods, self.drugs = [], []
