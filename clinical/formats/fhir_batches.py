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

from unibase.clinical.formats import fhir, fhir_blocks, fhir_shapes, fhir_source_events, fhir_versions
from unibase.clinical.formats.fhir_fields import Context, Resource
from unibase.clinical.formats.fhir_looks import numbers_of
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

_OF_USE = ("Patient", "Encounter", "Medication")

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
        if fhir.is_whole(part.path):
            yield self._read_whole(part)
            return
        before = 0
        for block in record_bounds.blocks(part.path, part.stretch, None):
            yield self._read(part, block, before)
            before += block.count(b"\n")

    def _read_whole(self, part: _Part) -> TableEvents:
        lines = list(enumerate(fhir.documents(part.path), start=1))
        newest = [(number, found) for number, found in lines if (part.number, number - 1) not in self.older]
        table = fhir_source_events.read_resources(newest, self.names[part.file], self._known(_all(newest)), self.texts)
        return self._with_older(table, [number for number, _ in lines if (part.number, number - 1) in self.older], len(lines))

    def _read(self, part: _Part, block: bytes, before: int) -> TableEvents:
        """Return what a block says: of older versions of a resource nothing but their number. `before` are lines of the part."""
        rows = self.offsets[part.number] + before
        starts = fhir_shapes.starts_of_lines(block)
        asked = fhir_shapes.filled_lines(block, starts)
        gone = (
            [line for line in np.flatnonzero(asked).tolist() if (part.number, before + line) in self.older] if self.older else []
        )
        total = int(asked.sum())
        asked[gone] = False
        found = fhir_blocks.read_block(fhir_blocks.Block(block, starts, asked, rows), self._known_of)
        context = Context(problems=found.problems, tally=found.tally)
        table = fhir_source_events.table_of(found.frame, TableEvents(self.names[part.file], 0, found.frame), context, self.texts)
        return self._with_older(table, [rows + line + 1 for line in gone], total)

    def _with_older(self, table: TableEvents, gone: Sequence[int], rows: int) -> TableEvents:
        """Return a table of so many `rows`, which tells of the older versions on some lines."""
        table.rows = rows
        if gone:
            table.tally[tally_key(OLDER_VERSION)] = (gone[0], len(gone))
        return table

    def _known(self, resources: Sequence[Resource]) -> Context:
        asked = [fhir.references(resource) for resource in resources]
        return self._known_of({one for one, _ in asked if one}, {one for _, one in asked if one})

    def _known_of(self, encounters: set[str], medications: set[str]) -> Context:
        drugs = self.references.find("medication", medications)
        return Context({one: str(code) for one, (code, _) in drugs.items()}, self.references.find("encounter", encounters))


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
    ready = [fhir_source_events.read_resources([], name, Context(), texts) for name in names]
    told = RowProblem(0, MISSING_PAGE, "The Bundle names a next page that is not there.", refused=False)
    for path in fhir.lacking_pages(paths):
        ready[paths.index(path)].problems.append(told)
    read = _Reader(names, offsets, references, texts, older_lines)
    return Plan(persons, parts, read, ready, birth_years)


@dataclass(frozen=True)
class _Doubled:
    """What was found of resources that stand several times: name, version, and who a Patient is."""

    name: str
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
    lines = older((one.name, one.version) for one in found)
    for one in found:
        if one.person is not None and (one.version.part, one.version.line) not in lines:
            persons[one.person.id] = one.person.identifiers
    return lines


def _doubled(twice: frozenset[int], part: _Part) -> list[_Doubled]:
    out: list[_Doubled] = []
    # A Bundle in one line is one export of its own.
    alone = [(line, resources[0]) for line, resources in _lines(part, twice) if resources and len(resources) == 1]
    hashes = fhir_versions.hashes_of([resource for _, resource in alone]).tolist()
    for (line, resource), known in zip(alone, hashes, strict=True):
        name = fhir_versions.name_of(resource)
        if known in twice and name is not None:
            person = fhir.referred(resource)
            version = Version.of(resource, part.number, line)
            out.append(_Doubled(name, version, person if isinstance(person, fhir.Person) else None))
    return out


def _lines(part: _Part, twice: frozenset[int]) -> Iterator[tuple[int, list[Resource] | None]]:
    """Yield number (from 0) and resources of the lines of a part that may hold a resource met twice."""
    if fhir.is_whole(part.path):
        yield from enumerate(fhir.documents(part.path))
        return
    at = 0
    wanted = np.array(sorted(twice), dtype=np.uint64)
    for block in record_bounds.blocks(part.path, part.stretch, None):
        starts = fhir_shapes.starts_of_lines(block)
        hashes = fhir_versions.hashes_of_lines(fhir_shapes.lines_of_block(block, starts))
        for number in np.flatnonzero(np.isin(hashes, wanted)).tolist():
            yield at + number, fhir.parse_line(block[starts[number] : starts[number + 1]])
        at += len(starts) - 1


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
        known = fhir_versions.hashes_of([one for resources in whole for one in (resources or [])[:1]])
        return _Looked(len(whole), found.kind, found.persons, found.birth_years, known)
    at = 0
    hashes: list[Hashes] = [np.empty(0, dtype=np.uint64)]
    for number, block in enumerate(record_bounds.blocks(part.path, part.stretch, None)):
        hashes.append(_look_at_block(found, block, at))
        found.keep(references, f"{part.number:06d}-{number:06d}")
        at += block.count(b"\n")
    return _Looked(at, found.kind, found.persons, found.birth_years, np.concatenate(hashes))


def _look_at_block(found: _Found, block: bytes, before: int) -> Hashes:
    """Take up what others may ask of the lines of a block, and return their hashes; `before` are lines of the part."""
    starts = fhir_shapes.starts_of_lines(block)
    lines = fhir_shapes.lines_of_block(block, starts)
    for line in np.flatnonzero(fhir_shapes.filled_lines(block, starts)).tolist() if found.kind is None else []:
        found.take_kind(fhir.parse_line(block[starts[line] : starts[line + 1]]))
        if found.kind is not None:
            break
    for line in numbers_of(lines, *_OF_USE):
        found.take(before + line, fhir.parse_line(block[starts[line] : starts[line + 1]]))
    return fhir_versions.hashes_of_lines(lines)


@dataclass
class _Found:
    """What was met so far in a part whose places begin at `base`."""

    base: int
    kind: str | None = None
    persons: dict[str, list[Identifier]] = field(default_factory=dict)
    birth_years: Counter[int] = field(default_factory=Counter)
    periods: list[tuple[str, int, str | None, str | None]] = field(default_factory=list)
    drugs: list[tuple[str, int, str | None, str | None]] = field(default_factory=list)

    def take_kind(self, resources: list[Resource] | None) -> None:
        """Take up the type of the first resource of all."""
        if self.kind is None and resources:
            self.kind = str(resources[0]["resourceType"])

    def take(self, number: int, resources: list[Resource] | None) -> None:
        """Take up what other resources may ask of those of a line."""
        self.take_kind(resources)
        for resource in resources or []:
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
