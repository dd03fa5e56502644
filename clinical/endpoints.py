"""Time-to-event endpoints in ADaM ADTTE columns, with the bounds that partial dates leave.

`AVAL` follows ADaM: days from the start to the event or censoring, the first day counted (`ADT - STARTDT + 1`; admiral's
`derive_vars_duration` does the same). When a date is partial, `AVAL` is null and `AVAL_MIN`, `AVAL_MAX` bound it.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from clinical.concepts import Concepts
from groundwork.tables import TIMESTAMP

ADTTE = pl.Schema(
    {
        "subject_id": pl.Int64,
        "PARAMCD": pl.String,
        "PARAM": pl.String,
        "STARTDT": pl.Date,
        "STARTDT_MIN": pl.Date,
        "STARTDT_MAX": pl.Date,
        "ADT": pl.Date,
        "ADT_MIN": pl.Date,
        "ADT_MAX": pl.Date,
        "AVAL": pl.Int64,
        "AVAL_MIN": pl.Int64,
        "AVAL_MAX": pl.Int64,
        "AVALU": pl.String,
        "CNSR": pl.Int64,
        "EVNTDESC": pl.String,
        "CNSDTDSC": pl.String,
        "SRCDOM": pl.String,
        "SRCSEQ": pl.Int64,
        "problem": pl.String,
    }
)
"""One row per subject and endpoint. CNSR is 0 for an event, 1 for censoring (ADaM); `problem` says what contradicts it."""

_DAY = timedelta(days=1)


def overall_survival(events: pl.DataFrame, index: pl.DataFrame, concepts: Concepts | None = None) -> pl.DataFrame:
    """Return overall survival from the index date: death of any cause, else the last day known to be alive.

    Args:
        events: EVENTS of any number of subjects.
        index: One row per subject: `subject_id` and `index_time` (or `time`); bounds of a partial index date in
            `index_time_min`, `index_time_max` (or `time_min`, `time_max`).
        concepts: Says what `death` and `last_contact` are; the packaged ones by default.

    Returns:
        ADTTE, one row per row of `index`, by subject. Death before the index leaves AVAL null and is named in `problem`, and
        so is a sign of life after death, which does not change the result: death wins. Of several dates of death the
        narrowest counts when they can be the same, else the earliest, and `problem` says so.
    """
    concepts = concepts or Concepts.default()
    start = index_bounds(index)
    death = _death(concepts.select(events, "death"))
    alive = _last_alive(concepts.select(events, "last_contact"))
    frame = start.join(death, on="subject_id", how="left").join(alive, on="subject_id", how="left")
    died = pl.col("death_min").is_not_null()
    # The index itself is a sign of life.
    alive_min = pl.max_horizontal("alive_min", "start_min")
    alive_max = pl.max_horizontal("alive_max", "start_max")
    from_index = pl.col("alive_min").is_null() | (pl.col("alive_min") < pl.col("start_min"))
    frame = frame.with_columns(
        pl.when(died).then("death_min").otherwise(alive_min).alias("adt_min"),
        pl.when(died).then("death_max").otherwise(alive_max).alias("adt_max"),
        (1 - died.cast(pl.Int64)).alias("CNSR"),
        pl.when(died).then(pl.lit("DEATH")).alias("EVNTDESC"),
        pl.when(~died)
        .then(pl.when(from_index).then(pl.lit("INDEX DATE")).otherwise(pl.lit("LAST KNOWN ALIVE")))
        .alias("CNSDTDSC"),
        pl.when(died).then("death_source").when(~from_index).then("alive_source").alias("SRCDOM"),
        pl.when(died).then("death_row").when(~from_index).then("alive_row").alias("SRCSEQ"),
        pl.when(died & (pl.col("death_max") < pl.col("start_min")))
        .then(pl.lit("death-before-index"))
        .when(pl.col("death_conflict"))
        .then(pl.lit("two-death-dates"))
        .when(died & (pl.col("alive_min") > pl.col("death_max") + _DAY))
        .then(pl.lit("alive-after-death"))
        .alias("problem"),
    )
    return time_to_event(frame, "OS", "Overall Survival")


def time_to_event(frame: pl.DataFrame, code: str, text: str) -> pl.DataFrame:
    """Return ADTTE from `subject_id`, the bounds `start_min/max` and `adt_min/max`, CNSR, descriptions and sources."""
    days = {name: pl.col(name).dt.date() for name in ("start_min", "start_max", "adt_min", "adt_max")}
    frame = frame.with_columns(
        pl.lit(code).alias("PARAMCD"),
        pl.lit(text).alias("PARAM"),
        pl.lit("DAYS").alias("AVALU"),
        days["start_min"].alias("STARTDT_MIN"),
        days["start_max"].alias("STARTDT_MAX"),
        days["adt_min"].alias("ADT_MIN"),
        days["adt_max"].alias("ADT_MAX"),
    ).with_columns(
        pl.when(pl.col("STARTDT_MIN") == pl.col("STARTDT_MAX")).then("STARTDT_MIN").alias("STARTDT"),
        pl.when(pl.col("ADT_MIN") == pl.col("ADT_MAX")).then("ADT_MIN").alias("ADT"),
        _length("STARTDT_MAX", "ADT_MIN").alias("low"),
        _length("STARTDT_MIN", "ADT_MAX").alias("high"),
    )
    possible = pl.col("high") >= 1
    frame = frame.with_columns(
        # Of dates that overlap, the event is taken not to lie before the start.
        pl.when(possible).then(pl.max_horizontal("low", pl.lit(1))).alias("AVAL_MIN"),
        pl.when(possible).then("high").alias("AVAL_MAX"),
    )
    exact = pl.col("AVAL_MIN") == pl.col("AVAL_MAX")
    frame = frame.with_columns(pl.when(exact).then("AVAL_MIN").alias("AVAL"))
    return frame.select(pl.col(name).cast(dtype) for name, dtype in ADTTE.items()).sort("subject_id", maintain_order=True)


def index_bounds(index: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, start_min, start_max` of an index frame; an index without bounds is exact to the day."""
    time = "index_time" if "index_time" in index.columns else "time"
    low, high = (next((n for n in (f"index_{name}", name) if n in index.columns), time) for name in ("time_min", "time_max"))
    return index.select(
        "subject_id",
        pl.coalesce(time, low).cast(TIMESTAMP).alias("start_min"),
        pl.coalesce(time, high).cast(TIMESTAMP).alias("start_max"),
    ).unique("subject_id", keep="first", maintain_order=True)


def _length(start: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_days() + 1


def _death(deaths: pl.DataFrame) -> pl.DataFrame:
    """Return the bounds of each subject's date of death, its source, and whether two dates exclude one another."""
    narrow = (pl.col("time_max") - pl.col("time_min")).alias("width")
    ordered = deaths.filter(pl.col("time_min").is_not_null()).with_columns(narrow)
    # All dates can be one when the latest earliest instant is not after the earliest latest instant, by day.
    apart = pl.col("time_min").max().dt.date() > pl.col("time_max").min().dt.date()
    conflict = ordered.group_by("subject_id").agg(apart.alias("death_conflict"))
    ordered = ordered.join(conflict, on="subject_id").sort(
        "subject_id", pl.when("death_conflict").then("time_max"), "width", "time_max", "source", "source_row", nulls_last=True
    )
    return ordered.group_by("subject_id", maintain_order=True).agg(
        pl.col("time_min").first().alias("death_min"),
        pl.col("time_max").first().alias("death_max"),
        pl.col("source").first().alias("death_source"),
        pl.col("source_row").first().alias("death_row"),
        pl.col("death_conflict").first(),
    )


def _last_alive(signs: pl.DataFrame) -> pl.DataFrame:
    """Return the bounds of the last day known to be alive: at least the latest earliest instant of all signs of life."""
    ends = signs.filter(pl.col("time_min").is_not_null()).with_columns(
        pl.max_horizontal("time_min", "end_time").alias("low"), pl.max_horizontal("time_max", "end_time").alias("high")
    )
    return (
        ends.sort("subject_id", "low", "high", "source", "source_row")
        .group_by("subject_id", maintain_order=True)
        .agg(
            pl.col("low").last().alias("alive_min"),
            pl.col("high").max().alias("alive_max"),
            pl.col("source").last().alias("alive_source"),
            pl.col("source_row").last().alias("alive_row"),
        )
    )
