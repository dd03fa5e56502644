"""The safe cube of a release: what its persons are told apart by, from what the disclosure program shows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from unibase.groundwork.tables import write_parquet
from unibase.releases.content.staging_words import ORDER, rank
from unibase.releases.content.weighing import Characteristic, Weighed, read_people
from unibase.releases.disclosure import safe_cube
from unibase.releases.disclosure.cohort_counts import Cell, CohortCounts, People, patterns
from unibase.releases.disclosure.decisions import Decision
from unibase.releases.disclosure.level_counts import EVERYWHERE, MISSING
from unibase.releases.disclosure.safe_cube import WHOLE, Dimension, Margin, SafeCube

MODALITIES, CENTRE = "modalities", "centre"
NONE = "none"
OTHERS = "(others)"
"""All combinations of modalities that the page hides."""
UNKNOWN = "not known"
MOST_DIMENSIONS = 8
OUTPUT = "cube"
_YEARS = 10
OLDEST = 199
"""Last year of the open band of ages."""
_RULE = "blocks of persons"
_WHY = "Every block has enough persons, and tells levels apart only where the page shows the count of each."


@dataclass(frozen=True)
class Ground:
    """What a cube is made from.

    Attributes:
        subjects: Table of subjects.
        weighed: What the page shows of them.
        min_cell: Smallest count that may be shown.
        version: The version at hand.
        subjects_before: Table of subjects of the version that the cube before was drawn from; None where there is none.
        people_before: Its persons, with their modalities.
    """

    subjects: pl.DataFrame
    weighed: Weighed
    min_cell: int
    version: str
    subjects_before: pl.DataFrame | None = None
    people_before: People | None = None

    @property
    def cohort(self) -> CohortCounts:
        """Counts of the cohort, weighed."""
        return self.weighed.cohort


def write(folder: Path, weighed: Weighed, min_cell: int, version: str, previous: Path | None = None) -> None:
    """Write the cube of the release in `folder`; nothing where the cohort is too small for one.

    Args:
        folder: Folder of the release, its tables written.
        weighed: What the page shows.
        min_cell: Smallest count that may be shown.
        version: The version at hand.
        previous: Folder of the version before, or None.
    """
    subjects = pl.read_parquet(folder / "tables" / "subjects.parquet")
    drawn, before = _before_of(previous)
    ground = Ground(subjects, weighed, min_cell, version)
    if drawn is not None:
        old = pl.read_parquet(drawn / "tables" / "subjects.parquet")
        ground = replace(ground, subjects_before=old, people_before=read_people(drawn))
    cube = build(ground, before)
    if cube is not None:
        write_parquet(safe_cube.frame(cube), folder / safe_cube.FILE)


def level_of_modalities(has: Sequence[bool], names: Sequence[str]) -> str:
    """Return how the cube names a combination of modalities.

    Args:
        has: Which of them there are.
        names: All of them.

    >>> level_of_modalities([True, False, True], ["rna", "mutations", "CT"])
    'rna + CT'
    """
    return " + ".join(name for name, on in zip(names, has, strict=True) if on) or NONE


def build(ground: Ground, before: SafeCube | None = None) -> SafeCube | None:
    """Return the cube of a release; the one before where too few changed since, None where the cohort is too small.

    Args:
        ground: What it is made from.
        before: The cube of the version before, or None.
    """
    if ground.cohort.counts[Cell()] is None:
        return None
    dimensions = _dimensions(ground)
    old = None if ground.people_before is None else sorted(ground.people_before.of)
    blocks = safe_cube.blocks_of(dimensions, sorted(ground.cohort.people.of), ground.min_cell, old)
    if blocks is None:
        return before
    return SafeCube(blocks, tuple(_margins(ground, dimensions)), ground.version)


def decisions(cube: SafeCube | None) -> list[Decision]:
    """Return the record of the blocks of a `cube`, for a privacy officer."""
    if cube is None:
        return []
    return [Decision(OUTPUT, _words(block), _RULE, True, _WHY, block.persons) for block in cube.blocks]


def _words(block: safe_cube.Block) -> str:
    return "; ".join(f"{name} {', '.join(levels)}" for name, levels in block.levels.items()) or "all subjects"


def _dimensions(ground: Ground) -> list[Dimension]:
    found = [one for one in (_characteristic(each, ground) for each in ground.weighed.characteristics) if one is not None]
    return [*found[:MOST_DIMENSIONS], *_modalities(ground)]


def _characteristic(one: Characteristic, ground: Ground) -> Dimension | None:
    """Return a characteristic as a dimension; a number that is no age, or of which nothing may be told apart, is none."""
    if one.numeric and one.column != "AGE":
        return None
    bands = age_bands(ground.subjects[one.column].drop_nulls().to_list(), ground.min_cell) if one.numeric else []
    of = _levels(ground.subjects, one, bands)
    before = {} if ground.subjects_before is None else _levels(ground.subjects_before, one, bands)
    levels = sorted(set(of.values()), key=lambda level: (level == UNKNOWN, *_place(one, level)))
    if one.numeric:
        told = one.counts.counts.get((EVERYWHERE, MISSING), 0) is not None
        groups: tuple[tuple[str, ...], ...] = tuple((level,) for level in levels) if told else (tuple(levels),)
    else:
        counts = one.counts.counts
        groups = safe_cube.groups_of(levels, lambda level: counts[EVERYWHERE, _page_level(level)] is not None)
    return Dimension(one.column, tuple(levels), groups, of, before) if len(groups) > 1 else None


def _place(one: Characteristic, level: str) -> tuple[int, str]:
    if level == UNKNOWN:
        return 0, level
    if one.numeric:
        return int(level.split("–")[0]), level
    return rank(one.column, level) if one.column in ORDER else (0, level)


def _page_level(level: str) -> str:
    return MISSING if level == UNKNOWN else level


def _levels(subjects: pl.DataFrame, one: Characteristic, bands: Sequence[tuple[int, int]]) -> dict[int, str]:
    if one.column not in subjects.columns:
        return {}
    column = subjects[one.column]
    texts = [UNKNOWN if value is None else _band(value, bands) if one.numeric else str(value) for value in column.to_list()]
    return dict(zip(subjects["subject_id"].to_list(), texts, strict=True))


def age_bands(ages: Sequence[float], min_cell: int) -> list[tuple[int, int]]:
    """Return bands of tens of years, first and last year, of at least `min_cell` persons each; the outer ones are open.

    A band of a few would say that somebody is so old, or so young.

    Args:
        ages: Of all persons.
        min_cell: Fewest persons of a band.

    >>> age_bands([31, *[55] * 9, *[62] * 9, *[74] * 9, 91], 5)
    [(0, 59), (60, 69), (70, 199)]
    """
    counted = sorted(Counter(int(age // _YEARS) * _YEARS for age in ages).items())
    found: list[list[int]] = []
    size = min_cell
    for decade, count in counted:
        if size >= min_cell:
            found.append([decade, decade])
            size = 0
        found[-1][1] = decade + _YEARS - 1
        size += count
    if len(found) > 1 and size < min_cell:
        last = found.pop()
        found[-1][1] = last[1]
    if found:
        found[0][0], found[-1][1] = 0, OLDEST
    # Nobody between two bands is no reason to have a gap there.
    return [(first, found[n + 1][0] - 1 if n + 1 < len(found) else last) for n, (first, last) in enumerate(found)]


def _band(age: float, bands: Sequence[tuple[int, int]]) -> str:
    first, last = next((one for one in bands if age < one[1] + 1), bands[-1])
    return f"{first}–{last}"


def _modalities(ground: Ground) -> list[Dimension]:
    """Return the combinations of modalities as a dimension; which ones the page hides is not said: they are `OTHERS`."""
    people, old = ground.cohort.people, ground.people_before
    shown = [has for has in patterns(people) if ground.cohort.counts[Cell(only=has)] is not None]
    named = {level_of_modalities(has, people.modalities): has for has in shown}

    def levels(of: People | None) -> dict[int, str]:
        told = {} if of is None else {i: level_of_modalities(one.has, of.modalities) for i, one in of.of.items()}
        return {person: level if level in named else OTHERS for person, level in told.items()}

    of = levels(people)
    every = (*named, *((OTHERS,) if OTHERS in of.values() else ()))
    parts = tuple(frozenset(level for level, has in named.items() if has[place]) for place in range(len(people.modalities)))
    alone = frozenset((OTHERS,))
    groups = tuple((level,) for level in every)
    return [Dimension(MODALITIES, every, groups, of, levels(old), (*parts, alone))] if len(groups) > 1 else []


def _margins(ground: Ground, dimensions: Sequence[Dimension]) -> list[Margin]:
    """Return the counts that the page shows: of all persons and of each centre, by level of a dimension, and by modality."""
    counts, people = ground.cohort.counts, ground.cohort.people
    found = [Margin(None, WHOLE, "", counts[Cell()] or 0)]
    centres = ground.cohort.centres if len(ground.cohort.centres) > 1 else []
    found += [Margin(c, WHOLE, "", n) for c in centres if (n := counts[Cell(centre=c)]) is not None]
    described: Mapping[str, Characteristic] = {one.column: one for one in ground.weighed.characteristics if not one.numeric}
    for one in dimensions:
        for place in [None, *centres]:
            for level in one.levels if one.name in described else ():
                key = (EVERYWHERE if place is None else place, _page_level(level))
                count = described[one.name].counts.counts.get(key, 0)
                found += [] if count is None else [Margin(place, one.name, level, count)]
    for has in patterns(people) if any(one.name == MODALITIES for one in dimensions) else ():
        count = counts[Cell(only=has)]
        found += [] if count is None else [Margin(None, MODALITIES, level_of_modalities(has, people.modalities), count)]
    return found


def _before_of(previous: Path | None) -> tuple[Path | None, SafeCube | None]:
    """Return the version that the cube before was drawn from, and that cube; the version before where it has none."""
    if previous is None:
        return None, None
    cube = safe_cube.read(previous)
    drawn = previous.parent / cube.version if cube is not None else previous
    return (drawn if (drawn / "tables" / "subjects.parquet").is_file() else previous), cube
