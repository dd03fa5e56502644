"""Counts of best tumour responses that may be shown together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from unibase.releases.disclosure.small_counts import Statistic, protect

ORDER = ("CR", "iCR", "PR", "iPR", "SD", "iSD", "NON-CR/NON-PD", "NON-iCR/NON-iUPD", "PD", "iUPD", "iCPD", "NE", "ND", "MISSING")
OBJECTIVE = ("CR", "iCR", "PR", "iPR")
NONE = "none"
"""Who cannot be assessed: the table adrs says why."""


@dataclass(frozen=True)
class ResponseCounts:
    """The best responses of one parameter; None is hidden.

    Attributes:
        code: PARAMCD.
        name: Parameter in words.
        values: Response to subjects, from best to worst.
        objective: Subjects with a complete or partial response.
        subjects: All subjects.
    """

    code: str
    name: str
    values: tuple[tuple[str, int | None], ...]
    objective: int | None
    subjects: int


def weigh(adrs: pl.DataFrame, codes: Sequence[str], min_cell: int) -> list[ResponseCounts]:
    """Decide which counts of responses may be shown together.

    All parameters are of the same subjects: counts are hidden so that none of fewer than `min_cell` persons can be computed
    from those of another parameter.

    Args:
        adrs: `subject_id`, `PARAMCD`, `PARAM`, `AVALC`.
        codes: The best responses, by PARAMCD.
        min_cell: Smallest count that may be shown.
    """
    rows = adrs.filter(pl.col("PARAMCD").is_in(codes)).with_columns(pl.col("AVALC").fill_null(NONE))
    names = dict(rows.select("PARAMCD", "PARAM").unique().iter_rows())
    wide = rows.pivot("PARAMCD", index="subject_id", values="AVALC").select("subject_id", *codes)
    groups = wide.group_by(codes).len().sort(codes)
    counts = groups["len"].to_list()
    asked = [(code, values) for code in codes for values in _categories(groups[code])]
    places = [tuple(n for n, value in enumerate(groups[code]) if value in values) for code, values in asked]
    visible = protect(counts, _statistics([values for _, values in asked], places, len(counts)), min_cell)
    found = [
        (code, values, sum(counts[n] for n in place) if show else None)
        for (code, values), place, show in zip(asked, places, visible, strict=False)
    ]
    return [
        ResponseCounts(
            code,
            names[code],
            tuple((values[0], n) for of, values, n in found if of == code and len(values) == 1),
            next((n for of, values, n in found if of == code and len(values) > 1), None),
            sum(counts),
        )
        for code in codes
    ]


def _statistics(asked: Sequence[tuple[str, ...]], places: Sequence[tuple[int, ...]], groups: int) -> list[Statistic]:
    """Return what is drawn, and what must not be computable from it.

    The size of the cohort is shown elsewhere, so a rate tells of those without an objective response, too; and two
    parameters tell of those whose responses differ.
    """
    everybody = range(groups)
    drawn = [Statistic(place, priority=int(len(values) > 1)) for place, values in zip(places, asked, strict=True)]
    rates = [set(place) for place, values in zip(places, asked, strict=True) if len(values) > 1]
    unshown = [tuple(sorted(set(everybody) - rate)) for rate in rates] + [(n,) for n in everybody]
    return [*drawn, *(Statistic(place, shown=False) for place in unshown), Statistic(tuple(everybody), fixed=True)]


def _categories(found: pl.Series) -> list[tuple[str, ...]]:
    """Return the responses that occur, from best to worst, each alone; and the objective ones together."""
    known = set(found)
    return [*((value,) for value in (*ORDER, NONE) if value in known), OBJECTIVE]
