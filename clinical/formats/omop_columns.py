"""Columns of OMOP tables as expressions: texts, days, codes; null where a table lacks them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.clinical.sources.events import SOURCE_EVENTS
from unibase.clinical.words import partial_dates
from unibase.groundwork.tables import TIMESTAMP


def add_moments(frame: pl.DataFrame, day: str, moment: str, prefix: str = "") -> pl.DataFrame:
    """Add the date columns for a day and, where it has one, a date-time, be they text or dates already.

    Args:
        frame: Rows of a table.
        day: Column of the date.
        moment: Column of the date-time; empty where the table has none. It counts before `day`.
        prefix: What the new columns (`time`, `time_min`, `time_max`, `problem`) begin with.
    """
    schema = frame.schema
    present = [name for name in (moment, day) if name and name in schema]
    if not present:
        empty = [pl.lit(None, dtype=TIMESTAMP).alias(prefix + name) for name in ("time", "time_min", "time_max")]
        return frame.with_columns(*empty, pl.lit(None, dtype=pl.String).alias(prefix + "problem"))
    if all(schema[name].is_temporal() or schema[name] == pl.Null for name in present):
        column = day if day in schema else moment
        return frame.with_columns(partial_dates.from_days(column, moment if moment in schema else None, prefix))
    return partial_dates.add_dates(frame, pl.coalesce(*(text_of(name) for name in present)), prefix=prefix)


def with_columns(frame: pl.DataFrame, wanted: Sequence[str], needed: Sequence[str]) -> pl.DataFrame:
    """Return `source_row` and those of the columns that the frame has.

    Args:
        frame: Rows of a table, with `source_row`.
        wanted: Columns to keep where they are there.
        needed: Columns that are null where the frame lacks them.
    """
    return frame.select("source_row", *(name for name in dict.fromkeys(wanted) if name in frame.columns)).with_columns(
        *(pl.lit(None, dtype=pl.String).alias(name) for name in needed if name not in frame.columns)
    )


def text_of(column: str) -> pl.Expr:
    """Return a `column` as text without blanks around it, null where nothing is left.

    >>> pl.DataFrame({"a": [" 12 ", " "]}).select(text_of("a"))["a"].to_list()
    ['12', None]
    """
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(column)


def complete(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of source events of a `frame`, null where it has none."""
    have = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in have else pl.lit(None)).cast(dtype).alias(name) for name, dtype in SOURCE_EVENTS.items()
    )
