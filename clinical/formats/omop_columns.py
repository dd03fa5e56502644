"""Columns of OMOP tables as expressions: texts, days, codes; null where a table lacks them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.clinical.reasons import NUMBER_AS_FLOAT
from unibase.clinical.sources.events import SOURCE_EVENTS, tally_key
from unibase.clinical.sources.problem_rows import on_their_clocks
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
    dtype = frame.schema.get(moment)
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    frame = on_their_clocks(frame)
    if zoned and frame.schema.get(day) == pl.Date:
        # In UTC a moment soon after midnight stands on the day before; the column of the day says which it was.
        frame = frame.with_columns(pl.when(pl.col(moment).dt.date() == pl.col(day)).then(moment).alias(moment))
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


_AS_FLOAT = r"^(-?\d+)\.0+$"
"""A whole number that a program wrote as a floating-point one."""


def person_number(column: str) -> pl.Expr:
    """Return the numbers of persons in a `column` as text: `1.0`, which programs write for 1, is 1; `00123` and `123` are two persons.

    >>> pl.DataFrame({"a": ["1.0", "00123", "1.5"]}).select(person_number("a"))["a"].to_list()
    ['1', '00123', '1.5']
    """
    return text_of(column).str.replace(_AS_FLOAT, "${1}")


def as_float(column: str) -> pl.Expr:
    """Return which rows have a number in a `column` that was written as a floating-point one.

    >>> pl.DataFrame({"a": ["1.0", "1"]}).select(as_float("a"))["a"].to_list()
    [True, False]
    """
    return text_of(column).str.contains(_AS_FLOAT).fill_null(False)


def told_floats(frame: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Return the tally of person_id in a `frame` written as floating-point numbers; nothing where none is."""
    rows = frame.filter(as_float("person_id"))["source_row"] if "person_id" in frame.columns else pl.Series([])
    return {tally_key(NUMBER_AS_FLOAT, "person_id"): (int(rows[0]), len(rows))} if len(rows) else {}


def complete(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of source events of a `frame`, null where it has none."""
    have = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in have else pl.lit(None)).cast(dtype).alias(name) for name, dtype in SOURCE_EVENTS.items()
    )
