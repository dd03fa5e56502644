"""Counts of rows of a table with several rows a person: endpoints and tumour responses, and the empty cells of their columns.

One endpoint has one row a person, so its rows are persons, and the empty cells of a column are sums over endpoints: an
event of PFS that is hidden must not be what is left of a column's count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from unibase.releases.disclosure.small_counts import Statistic, is_small, protect

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


@dataclass(frozen=True)
class Rows:
    """The rows of a table in one version.

    Attributes:
        frame: `subject_id` and the keys of each row; a subject has one row of a parameter.
        why: Beside it, for each column with empty cells, the reason of an empty cell, and null where there is a value.
        keys: Columns that tell rows apart; the first of them names the parameter, whose rows everybody can count.
    """

    frame: pl.DataFrame
    why: pl.DataFrame
    keys: Sequence[str]

    def wide(self, mark: str = "") -> pl.DataFrame:
        """Return subject, parameter and, with a mark before their names, the keys and the reasons of each row."""
        named = self.why.rename({c: mark + REASON + c for c in self.why.columns})
        keys = self.frame.select(pl.col(self.keys).name.prefix(mark))
        who = self.frame.select(pl.col("subject_id").alias(WHO), pl.col(self.keys[0]).alias(OF))
        return pl.concat([who, keys, named], how="horizontal")


@dataclass(frozen=True)
class RowsBefore:
    """The same table in the version before.

    Attributes:
        rows: Its rows.
        asked: What its page draws, as for this version.
        shown: Names of the counts that it shows, and `(column, reason)` of the empty cells, all of a column with no reason.
        added: Persons that it did not have, where the page tells how many.
        removed: Persons that it alone has, where the page tells how many.
    """

    rows: Rows
    asked: Sequence[Count]
    shown: frozenset[str | tuple[str, str | None]]
    added: int | None = None
    removed: int | None = None


WHO, OF, BEFORE = "whose row", "parameter of the row", "before: "


def weigh(rows: Rows, asked: Sequence[Count], min_cell: int, before: RowsBefore | None = None) -> RowCounts:
    """Decide which counts of rows may be shown together, and beside those of the version before.

    Args:
        rows: The rows.
        asked: What is drawn.
        min_cell: Smallest count that may be shown.
        before: The version before, or None.
    """
    columns = rows.why.columns
    groups = _groups(rows, before)
    sizes = groups["len"].to_list()
    empty = _empty_cells(groups, columns)
    statistics = [
        *(_statistic(one, _places(groups, one.where)) for one in asked),
        *(Statistic(_places(groups, where), priority=1) for _, where in empty),
        *(Statistic(_places(groups, where), shown=False) for where in _never_shown(groups, rows.keys[0], columns, asked)),
        *_parameters(groups, rows.keys[0]),
        *(_rows_before(groups, before, min_cell) if before else []),
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


def _groups(rows: Rows, before: RowsBefore | None) -> pl.DataFrame:
    """Return the rows alike in all that is counted, in both versions, with their number as `len`.

    Rows of a kind may also have come or gone where none did: with 0 of them (see `two_versions.pairs`).
    """
    wide = rows.wide()
    if before is None:
        kinds = wide.drop(WHO, OF)
        return kinds.group_by(kinds.columns).len().sort(pl.all())
    both = wide.join(before.rows.wide(BEFORE), on=[WHO, OF], how="full", coalesce=True).drop(WHO, OF)
    counted = both.group_by(both.columns).len()
    now, then = ([c for c in both.columns if c.startswith(BEFORE) == old] for old in (False, True))
    alone = [counted.select(side).unique().filter(pl.col(side[0]).is_not_null()) for side in (now, then)]
    possible = [one.with_columns(pl.lit(0, dtype=pl.get_index_type()).alias("len")) for one in alone]
    every = pl.concat([counted, *possible], how="diagonal")
    return every.group_by(both.columns).agg(pl.col("len").sum()).sort(pl.all())


def _parameters(groups: pl.DataFrame, key: str) -> list[Statistic]:
    values = groups[key].drop_nulls().unique().sort()
    return [Statistic(_places(groups, pl.col(key) == value), known=True) for value in values]


def _empty_cells(groups: pl.DataFrame, columns: Sequence[str], mark: str = "") -> list[tuple[tuple[str, str | None], pl.Expr]]:
    """Return the counts that a dictionary draws of each column: its empty cells by reason, and all of them (no reason)."""
    found: list[tuple[tuple[str, str | None], pl.Expr]] = []
    for column in columns:
        cell = pl.col(mark + REASON + column)
        reasons = groups[mark + REASON + column].drop_nulls().unique().sort()
        found += [((column, reason), cell == reason) for reason in reasons]
        found.append(((column, None), cell.is_not_null()))
    return found


def _never_shown(groups: pl.DataFrame, parameter: str, columns: Sequence[str], asked: Sequence[Count]) -> list[pl.Expr]:
    """Return what is drawn nowhere and must not be computable: the filled cells, and who is not in a count of a parameter."""
    there = pl.col(parameter).is_not_null()
    filled = [there & pl.col(REASON + column).is_null() for column in columns]
    return filled + [(pl.col(parameter) == value) & ~one.where for one in asked for value in _parameter(groups, one, parameter)]


def _rows_before(groups: pl.DataFrame, before: RowsBefore, min_cell: int) -> list[Statistic]:
    """Return the numbers of the version before: those it shows are known, its small ones must stay hidden."""
    key = before.rows.keys[0]
    old = groups.select(pl.col(BEFORE + name).alias(name) for name in before.rows.keys)
    drawn: list[tuple[str | tuple[str, str | None], tuple[int, ...]]] = [
        (one.name, _places(old, one.where)) for one in before.asked
    ]
    drawn += [(name, _places(groups, where)) for name, where in _empty_cells(groups, before.rows.why.columns, BEFORE)]
    rows = _parameters(groups, BEFORE + key)
    for value in groups.select(pl.coalesce(key, BEFORE + key)).to_series().unique().sort():
        is_of = pl.coalesce(key, BEFORE + key) == value
        for absent, told in ((BEFORE + key, before.added), (key, before.removed)):
            rows += [] if told is None else [Statistic(_places(groups, is_of & pl.col(absent).is_null()), known=True)]
    for name, members in drawn:
        if name in before.shown:
            rows.append(Statistic(members, known=True))
        elif is_small(sum(groups["len"][i] for i in members), min_cell):
            rows.append(Statistic(members, shown=False))
    return rows


def _places(groups: pl.DataFrame, where: pl.Expr) -> tuple[int, ...]:
    return tuple(groups.select(where.fill_null(False).arg_true()).to_series().to_list()) if groups.height else ()


def _parameter(groups: pl.DataFrame, one: Count, key: str) -> list[str]:
    """Return the parameter that a count is of."""
    return groups.filter(one.where.fill_null(False))[key].unique().sort().to_list()


def _statistic(one: Count, place: tuple[int, ...]) -> Statistic:
    if one.decided is None:
        return Statistic(place, one.priority, shown=one.drawn)
    return Statistic(place, known=True) if one.decided else Statistic(place, shown=False)
