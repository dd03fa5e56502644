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
    empty = _empty_cells(groups, columns)
    statistics = [
        *(_statistic(one, _places(groups, one.where)) for one in asked),
        *(Statistic(_places(groups, where), priority=1) for _, where in empty),
        *(Statistic(_places(groups, where), shown=False) for where in _never_shown(groups, keys[0], columns, asked)),
        *(Statistic(_places(groups, pl.col(keys[0]) == value), known=True) for value in groups[keys[0]].unique().sort()),
    ]
    shown = protect(sizes, statistics, min_cell)
    totals = [sum(sizes[i] for i in statistic.members) for statistic in statistics]
    found = [total if show else None for total, show in zip(totals, shown, strict=True)]
    cells = dict(zip((name for name, _ in empty), found[len(asked) :], strict=False))
    return RowCounts(
        {one.name: count for one, count in zip(asked, found, strict=False)},
        {c: tuple((r, n) for (column, r), n in cells.items() if column == c and r is not None) for c in columns},
        {c: cells[(c, None)] for c in columns},
    )


def _empty_cells(groups: pl.DataFrame, columns: Sequence[str]) -> list[tuple[tuple[str, str | None], pl.Expr]]:
    """Return the counts that a dictionary draws of each column: its empty cells by reason, and all of them (no reason)."""
    found: list[tuple[tuple[str, str | None], pl.Expr]] = []
    for column in columns:
        cell = pl.col(REASON + column)
        found += [((column, reason), cell == reason) for reason in groups[REASON + column].drop_nulls().unique().sort()]
        found.append(((column, None), cell.is_not_null()))
    return found


def _never_shown(groups: pl.DataFrame, parameter: str, columns: Sequence[str], asked: Sequence[Count]) -> list[pl.Expr]:
    """Return what is drawn nowhere and must not be computable: the filled cells, and who is not in a count of a parameter."""
    filled = [pl.col(REASON + column).is_null() for column in columns]
    return filled + [(pl.col(parameter) == value) & ~one.where for one in asked for value in _parameter(groups, one, parameter)]


def _places(groups: pl.DataFrame, where: pl.Expr) -> tuple[int, ...]:
    return tuple(groups.select(where.fill_null(False).arg_true()).to_series().to_list()) if groups.height else ()


def _parameter(groups: pl.DataFrame, one: Count, key: str) -> list[str]:
    """Return the parameter that a count is of."""
    return groups.filter(one.where.fill_null(False))[key].unique().sort().to_list()


def _statistic(one: Count, place: tuple[int, ...]) -> Statistic:
    if one.decided is None:
        return Statistic(place, one.priority, shown=one.drawn)
    return Statistic(place, known=True) if one.decided else Statistic(place, shown=False)
