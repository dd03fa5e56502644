"""Counts of a characteristic by its values and by centre, as a table of characteristics draws them (Table 1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unibase.releases.disclosure.cohort_counts import Cell, CohortCounts
from unibase.releases.disclosure.small_counts import Statistic, is_small, protect

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


def weigh(level_of: Sequence[str], cohort: CohortCounts, min_cell: int) -> LevelCounts:
    """Decide which counts by level and centre may be shown together, beside the sizes of the centres.

    Args:
        level_of: Level of each subject, in order of subject.
        cohort: The counts of the cohort, weighed.
        min_cell: Smallest count that may be shown.
    """
    centre_of = [cohort.people.of[i].centre for i in sorted(cohort.people.of)]
    levels = tuple(sorted(set(level_of), key=lambda level: (level == MISSING, level)))
    groups = [(centre, level) for centre in cohort.centres for level in levels]
    tally = Counter(zip(centre_of, level_of, strict=True))
    sizes = [tally[group] for group in groups]

    def at(centre: str, level: str | None, other: bool = False) -> tuple[int, ...]:
        return tuple(
            i
            for i, (c, v) in enumerate(groups)
            if centre in (EVERYWHERE, c) and (level is None or (v != level if other else v == level))
        )

    places = [EVERYWHERE, *(cohort.centres if len(cohort.centres) > 1 else [])]
    drawn = [(place, level) for place in places for level in levels]
    rows = [Statistic(at(place, level), priority=4 if place == EVERYWHERE else 2) for place, level in drawn]
    rows.append(Statistic(at(EVERYWHERE, None), known=True))
    for centre in cohort.centres:
        if cohort.counts[Cell(centre=centre)] is not None:
            rows.append(Statistic(at(centre, None), known=True))
        elif is_small(sum(sizes[i] for i in at(centre, None)), min_cell):
            rows.append(Statistic(at(centre, None), shown=False))
    rows += [Statistic(at(place, MISSING, other=True), shown=False) for place in places]
    shown = protect(sizes, rows, min_cell)
    found = {of: sum(sizes[i] for i in row.members) if show else None for of, row, show in zip(drawn, rows, shown, strict=False)}
    return LevelCounts(levels, found)
