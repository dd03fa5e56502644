"""Counts of a characteristic by its values and by centre, as a table of characteristics draws them (Table 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unibase.releases.disclosure.cohort_counts import Cell, CohortCounts
from unibase.releases.disclosure.small_counts import Statistic, is_small, protect
from unibase.releases.disclosure.two_versions import moved, pairs

MISSING = ""
"""The level of who has no value."""
EVERYWHERE = ""
"""In place of a centre: all subjects."""


@dataclass(frozen=True)
class LevelCounts:
    """Subjects by centre, or `EVERYWHERE`, and level; None is hidden.

    Attributes:
        levels: In order; `MISSING` last where somebody has no value.
        counts: `(centre, level)` to subjects.
    """

    levels: tuple[str, ...]
    counts: Mapping[tuple[str, str], int | None]


Kind = tuple[str, str]
"""Centre and level of a person."""


@dataclass(frozen=True)
class LevelsBefore:
    """What is known of a characteristic in the version before.

    Attributes:
        of: Person to centre and level.
        shown: `(centre, level)`, with `EVERYWHERE` for all, of the counts that it shows; None shows all that are not small.
        centres: Centres whose size it shows; None shows all that are not small.
    """

    of: Mapping[int, Kind]
    shown: frozenset[Kind] | None = None
    centres: frozenset[str] | None = None


def weigh(level_of: Sequence[str], cohort: CohortCounts, min_cell: int, before: LevelsBefore | None = None) -> LevelCounts:
    """Decide which counts by level and centre may be shown together, beside the sizes of the centres and the version before.

    Args:
        level_of: Level of each subject, in order of subject.
        cohort: The counts of the cohort, weighed.
        min_cell: Smallest count that may be shown.
        before: The same characteristic in the version before, or None.
    """
    persons = sorted(cohort.people.of)
    now = {i: (cohort.people.of[i].centre, level) for i, level in zip(persons, level_of, strict=True)}
    groups = pairs(now, before.of if before else None)
    sizes, atoms = list(groups.values()), _Atoms([kind for _, kind in groups])
    levels = tuple(sorted(set(level_of), key=lambda level: (level == MISSING, level)))
    places = [EVERYWHERE, *(cohort.centres if len(cohort.centres) > 1 else [])]
    drawn = [(place, level) for place in places for level in levels]
    rows = [Statistic(atoms.at(place, level), priority=4 if place == EVERYWHERE else 2) for place, level in drawn]
    rows += _sizes(cohort, atoms, sizes, min_cell)
    rows += [Statistic(atoms.at(place, MISSING, other=True), shown=False) for place in places]
    if before:
        old = _Atoms([kind for kind, _ in groups])
        rows += [*_rows_before(before, old, sizes, min_cell), *moved(list(groups), cohort.added, cohort.removed)]
    shown = protect(sizes, rows, min_cell)
    found = {of: sum(sizes[i] for i in row.members) if show else None for of, row, show in zip(drawn, rows, shown, strict=False)}
    return LevelCounts(levels, found)


@dataclass(frozen=True)
class _Atoms:
    """The base groups, each by its centre and level in one version; None for who is not in it."""

    kinds: Sequence[Kind | None]

    def at(self, centre: str, level: str | None, other: bool = False) -> tuple[int, ...]:
        """Return the groups of a centre, or of all, that have a level, any level, or any other."""
        return tuple(
            i
            for i, kind in enumerate(self.kinds)
            if kind is not None
            and centre in (EVERYWHERE, kind[0])
            and (level is None or (kind[1] != level if other else kind[1] == level))
        )


def _sizes(cohort: CohortCounts, atoms: _Atoms, sizes: Sequence[int], min_cell: int) -> list[Statistic]:
    """Return the sizes of the cohort and its centres: those that are shown elsewhere are known, small ones stay hidden."""
    rows = [Statistic(atoms.at(EVERYWHERE, None), known=True)]
    for centre in cohort.centres:
        members = atoms.at(centre, None)
        if cohort.counts[Cell(centre=centre)] is not None:
            rows.append(Statistic(members, known=True))
        elif is_small(sum(sizes[i] for i in members), min_cell):
            rows.append(Statistic(members, shown=False))
    return rows


def _rows_before(before: LevelsBefore, atoms: _Atoms, sizes: Sequence[int], min_cell: int) -> list[Statistic]:
    """Return the numbers of the version before: those it shows are known, its small ones must stay hidden."""
    centres, levels = (sorted({kind[place] for kind in before.of.values()}) for place in (0, 1))
    places = [EVERYWHERE, *(centres if len(centres) > 1 else [])]

    def told(members: tuple[int, ...], is_shown: bool | None) -> list[Statistic]:
        small = is_small(sum(sizes[i] for i in members), min_cell)
        if not small if is_shown is None else is_shown:
            return [Statistic(members, known=True)]
        return [Statistic(members, shown=False)] if small else []

    rows = [Statistic(atoms.at(EVERYWHERE, None), known=True)]
    for centre in centres:
        rows += told(atoms.at(centre, None), None if before.centres is None else centre in before.centres)
    for place in places:
        for level in levels:
            rows += told(atoms.at(place, level), None if before.shown is None else (place, level) in before.shown)
    return rows
