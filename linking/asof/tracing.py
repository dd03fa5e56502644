"""The trace of the join: which source row stands behind each cell, in one form for events, samples and images."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.analysis_tables import TRACE

_ORDER = [
    "variable",
    "subject_id",
    "time_min",
    "time_max",
    "source",
    "source_row",
    "SeriesInstanceUID",
    "roi_name",
    "sample",
    "code",
]


def conform_trace(trace: pl.DataFrame) -> pl.DataFrame:
    """Return one variable's trace in the columns of `TRACE`, in order of subject and time.

    Args:
        trace: Some columns of `TRACE`; with `t_min` and `upper`, the days from the index are counted.
    """
    return trace_columns(trace).sort(_ORDER)


def trace_columns(trace: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in the columns of `TRACE`, in the order in which they are; what is not there is null.

    Args:
        trace: As in `conform_trace`.
    """
    if "t_min" in trace.columns:
        days = (pl.col("t_min") - pl.col("upper")).dt.total_microseconds() / 86_400_000_000
        trace = trace.with_columns(days.alias("days_from_index"))
    have = set(trace.columns)
    columns = [
        pl.col(name).cast(dtype) if name in have else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in TRACE.schema().items()
    ]
    return trace.select(columns)
