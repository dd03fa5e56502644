"""What is told of a row, a field or a file of a source."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from unibase.clinical.reasons import UNREAD_COLUMN, ZONED_TIME

_LISTED = 20
"""Columns that are named; of more the number is told."""


@dataclass(frozen=True)
class RowProblem:
    """One row, or one field of it, that was not understood. `row` counts from 1 without the header; 0 is the file."""

    row: int
    reason: str
    message: str
    column: str = ""
    refused: bool = True


def unread_columns(columns: Sequence[str], read: Collection[str], by: str = "no rule") -> list[RowProblem]:
    """Return what is to be told of the columns of a table that nothing reads.

    Args:
        columns: Its columns, in lower case.
        read: Those that are read, or named as left out.
        by: What reads none of the others.

    Example:
        >>> [one.message for one in unread_columns(["ipp", "poids"], {"ipp"})]
        ['1 columns are read by no rule: poids.']
    """
    left = [name for name in columns if name != "source_row" and name not in read]
    if not left:
        return []
    listed = ", ".join(left[:_LISTED]) + (f" and {len(left) - _LISTED} more" if len(left) > _LISTED else "")
    return [RowProblem(0, UNREAD_COLUMN, f"{len(left)} columns are read by {by}: {listed}.", refused=False)]


def zoned_columns(schema: Mapping[str, pl.DataType]) -> list[RowProblem]:
    """Return what is to be told of the columns of a `schema` whose times have a zone.

    >>> [one.column for one in zoned_columns(pl.Schema({"Day": pl.Date(), "At": pl.Datetime("us", "UTC")}))]
    ['at']
    """
    zones = {
        name.strip().lower(): dtype.time_zone
        for name, dtype in schema.items()
        if isinstance(dtype, pl.Datetime) and dtype.time_zone
    }
    return [
        RowProblem(0, ZONED_TIME, f"The times of this column are those of the zone {zone}.", name, False)
        for name, zone in zones.items()
    ]


def on_their_clocks(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a `frame` whose times are those of the clock on the wall of their zone: midnight in Paris is a day, in UTC an hour before.

    >>> paris = pl.DataFrame({"at": pl.Series(["2020-07-04"]).str.to_datetime().dt.replace_time_zone("Europe/Paris")})
    >>> str(on_their_clocks(paris)["at"][0])
    '2020-07-04 00:00:00'
    """
    zoned = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime) and dtype.time_zone]
    return frame.with_columns(pl.col(name).dt.replace_time_zone(None) for name in zoned)
