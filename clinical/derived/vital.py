"""Whether a subject is dead is one fact, the day another: bounds of the day, narrowed by what else is known."""

from __future__ import annotations

import polars as pl

from unibase.clinical.words.acts import REFUTED
from unibase.clinical.words.partial_dates import UNKNOWN_MIN
from unibase.groundwork.tables import TIMESTAMP


def death_of(deaths: pl.DataFrame) -> pl.DataFrame:
    """Return the bounds of each subject's date of death out of its `deaths` (EVENTS), its source, and what is doubtful of it.

    `death_conflict`: two dates exclude one another; `death_undated`: none is known.
    """
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
        (pl.col("time_min").first() == pl.lit(UNKNOWN_MIN, dtype=TIMESTAMP)).alias("death_undated"),
    )


def narrowed(death: pl.DataFrame, alive: pl.DataFrame) -> pl.DataFrame:
    """Return dates of death that begin no earlier than the last day on which the subject was seen alive.

    Args:
        death: Of `death_of`.
        alive: `subject_id, alive`: the last instant at which the subject certainly lived. One after the death narrows nothing.
    """
    later = (pl.col("alive") > pl.col("death_min")) & (pl.col("alive").dt.date() <= pl.col("death_max").dt.date())
    wide = pl.col("death_min").dt.date() < pl.col("death_max").dt.date()
    joined = death.join(alive, on="subject_id", how="left", maintain_order="left")
    return joined.with_columns(
        pl.when(later & wide).then(pl.col("alive").dt.truncate("1d")).otherwise("death_min").alias("death_min")
    ).drop("alive")


def refuted_of(events: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, death_refuted` of the subjects of `events` whose death later acts outvoted."""
    return events.filter(pl.col("code") == REFUTED).select("subject_id", pl.lit(True).alias("death_refuted")).unique()
