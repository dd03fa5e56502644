"""The index of each subject of a release, and whole days from it: only where the release tells it to the day."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

HOLDERS = (("analysis", "index_time"), ("subjects", "INDEXDT"), ("subjects", "index_time"), ("adtte", "STARTDT"))
"""Tables and columns that hold the index, the best first."""
INDEX = "index_day"


def index_days(release: Path, about: Mapping[str, Any]) -> pl.DataFrame:
    """Return the index of each subject, from the first table that tells it to the day.

    A column that the disclosure policy made coarser tells the first day of a month or a year: no day is counted from it.

    Args:
        release: Folder of the release.
        about: Its manifest.

    Returns:
        `subject_id` and `index_day` (Date) of the subjects with an index; no row where no table tells it to the day.

    Raises:
        OSError: If a table is not there.
    """
    coarse = about.get("coarsened", {})
    for table, column in HOLDERS:
        path = release / "tables" / f"{table}.parquet"
        schema = pl.read_parquet_schema(path)
        if column in schema and column not in coarse and schema[column].is_temporal():
            found = pl.read_parquet(path, columns=["subject_id", column]).drop_nulls()
            found = found.select("subject_id", pl.col(column).cast(pl.Date).alias(INDEX))
            return found.unique("subject_id", keep="first", maintain_order=True)
    return pl.DataFrame(schema={"subject_id": pl.Int64, INDEX: pl.Date})


def days_from_index(column: str) -> pl.Expr:
    """Return whole days from the index, by calendar: the evening of the day before it is day -1, not 0.

    Args:
        column: Name of a date or datetime column, beside `index_day`.

    >>> from datetime import date, datetime
    >>> row = pl.DataFrame({"time": [datetime(2020, 5, 3, 22)], "index_day": [date(2020, 5, 4)]})
    >>> row.select(days_from_index("time")).item()
    -1
    """
    return (pl.col(column).cast(pl.Date) - pl.col(INDEX)).dt.total_days()
