"""One index event per subject: the instant from which every window is counted."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.linking.conditions import ConceptCodes, is_concept
from unibase.linking.options import IndexRule
from unibase.linking.tables import INDEX
from unibase.linking.windows import ORDER, earliest, latest


def index_events(events: pl.DataFrame | pl.LazyFrame | Path | str, concepts: ConceptCodes, rule: IndexRule) -> pl.DataFrame:
    """Return the index of every subject that has one, sorted by subject.

    An event whose day is not known (a partial date) cannot be an index; if the partial date could be the one
    that counts (it can lie before the first full date, or after the last), the subject has no index at all: a
    guess here would move every window. Rule `same_day` sets what of the index day counts (see `IndexRule`).

    Args:
        events: EVENTS, as a frame or Parquet path.
        concepts: Code prefixes by concept.
        rule: Which event is the index.

    Returns:
        Columns of `tables.INDEX`.

    Raises:
        UserError: If the concept is unknown.
    """
    scan = scan_table(events)
    found = scan.filter(is_concept(concepts, rule.concept, "index.concept")).filter(
        pl.col("time").is_not_null() | pl.col("time_min").is_not_null()
    )
    frame = found.collect().with_columns(earliest().alias("time_min"), latest().alias("time_max"))
    frame = frame.with_columns(((pl.col("time_max") - pl.col("time_min")) < pl.duration(days=1)).alias("_day"))
    index = _certain(frame, first=rule.which == "first")
    day = pl.col("time").dt.truncate("1d")
    if rule.same_day == "include":
        lower, upper = day, day + pl.duration(days=1) - pl.duration(microseconds=1)
    else:
        # Of an index known to the day, the earliest instant counts: what came later that day may have come after it.
        lower = upper = pl.col("time_min")
    return (
        index.with_columns(lower.alias("lower"), upper.alias("upper"), pl.col("time").alias("index_time"))
        .select([pl.col(name).cast(dtype) for name, dtype in INDEX.schema().items()])
        .sort("subject_id")
    )


def _certain(frame: pl.DataFrame, *, first: bool) -> pl.DataFrame:
    """Return the first (or last) event of each subject whose day is known, unless a partial date could come before (after) it."""
    known = frame.filter(pl.col("_day") & pl.col("time").is_not_null()).sort(
        ["subject_id", "time", *ORDER], descending=[False, not first, *[False] * len(ORDER)], nulls_last=True
    )
    index = known.unique("subject_id", keep="first", maintain_order=True)
    vague = frame.filter(~pl.col("_day") | pl.col("time").is_null()).join(
        index.select("subject_id", pl.col("time").alias("_index")), on="subject_id"
    )
    doubtful = vague.filter(pl.col("time_min") < pl.col("_index") if first else pl.col("time_max") > pl.col("_index"))
    return index.join(doubtful.select("subject_id").unique(), on="subject_id", how="anti")


def scan_table(table: pl.DataFrame | pl.LazyFrame | Path | str) -> pl.LazyFrame:
    """Return a lazy view of a frame, a Parquet file or a folder of Parquet files.

    Args:
        table: A frame, lazy or not, or a path.
    """
    if isinstance(table, pl.LazyFrame):
        return table
    if isinstance(table, pl.DataFrame):
        return table.lazy()
    path = Path(table)
    return pl.scan_parquet(path / "**" / "*.parquet" if path.is_dir() else path)
