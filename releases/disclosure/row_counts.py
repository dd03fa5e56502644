"""Counts of rows of a table with several rows a person: endpoints and tumour responses, and the empty cells of their columns.

One endpoint has one row a person, so its rows are persons, and the empty cells of a column are sums over endpoints: an
event of PFS that is hidden must not be what is left of a column's count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from unibase.releases.disclosure.small_counts import Statistic, protect

REASON = "reason of "


@dataclass(frozen=True)
class Count:
    """A count that a page draws of some rows: who they are as values of the keys, and whether it was decided elsewhere."""

    name: str
    where: pl.Expr
    priority: int = 2
    decided: bool | None = None
    drawn: bool = True


@dataclass(frozen=True)
class RowCounts:
    """What may be shown of the rows; None is hidden.

    Attributes:
        counts: Name of a count to its value.
        reasons: Column to its empty cells by reason.
        missing: Column to its empty cells.
    """

    counts: Mapping[str, int | None]
    reasons: Mapping[str, tuple[tuple[str, int | None], ...]]
    missing: Mapping[str, int | None]


def weigh(rows: pl.DataFrame, why: pl.DataFrame, keys: Sequence[str], asked: Sequence[Count], min_cell: int) -> RowCounts:
    """Decide which counts of rows may be shown together.

    Args:
        rows: The keys of each row.
        why: Beside it, for each column with empty cells, the reason of an empty cell, and null where there is a value.
        keys: Columns of `rows` that tell rows apart; the first of them names the parameter, whose rows everybody can count.
        asked: What is drawn.
        min_cell: Smallest count that may be shown.
    """
    columns = why.columns
    wide = pl.concat([rows.select(keys), why.rename({c: REASON + c for c in columns})], how="horizontal")
    groups = wide.group_by([*keys, *(REASON + c for c in columns)]).len().sort(pl.all())
    sizes = groups["len"].to_list()
    places = [_places(groups, one.where) for one in asked]
    statistics = [_statistic(one, place) for one, place in zip(asked, places, strict=True)]
    named: list[tuple[str, str | None]] = []
    for column in columns:
        cell = pl.col(REASON + column)
        for reason in groups[REASON + column].drop_nulls().unique().sort():
            named.append((column, reason))
            statistics.append(Statistic(_places(groups, cell == reason), priority=1))
        named.append((column, None))
        statistics.append(Statistic(_places(groups, cell.is_not_null()), priority=1))
    hidden = [_places(groups, pl.col(REASON + column).is_null()) for column in columns]
    hidden += [
        _places(groups, (pl.col(keys[0]) == value) & ~one.where) for one in asked for value in _parameter(groups, one, keys[0])
    ]
    statistics += [Statistic(place, shown=False) for place in hidden]
    statistics += [Statistic(_places(groups, pl.col(keys[0]) == value), known=True) for value in groups[keys[0]].unique().sort()]
    shown = protect(sizes, statistics, min_cell)
    totals = [sum(sizes[i] for i in statistic.members) for statistic in statistics]
    found = [total if show else None for total, show in zip(totals, shown, strict=True)]
    cells = dict(zip(named, found[len(asked) :], strict=False))
    return RowCounts(
        {one.name: count for one, count in zip(asked, found, strict=False)},
        {c: tuple((r, n) for (column, r), n in cells.items() if column == c and r is not None) for c in columns},
        {c: cells[(c, None)] for c in columns},
    )


def _places(groups: pl.DataFrame, where: pl.Expr) -> tuple[int, ...]:
    return tuple(groups.select(where.fill_null(False).arg_true()).to_series().to_list()) if groups.height else ()


def _parameter(groups: pl.DataFrame, one: Count, key: str) -> list[str]:
    """Return the parameter that a count is of."""
    return groups.filter(one.where.fill_null(False))[key].unique().sort().to_list()


def _statistic(one: Count, place: tuple[int, ...]) -> Statistic:
    if one.decided is None:
        return Statistic(place, one.priority, shown=one.drawn)
    return Statistic(place, known=True) if one.decided else Statistic(place, shown=False)
