"""What cannot be true of one person: a death before the birth, or one that later acts outvote."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from unibase.clinical.reasons import IMPOSSIBLE_DATE
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.words.acts import REFUTED
from unibase.clinical.words.concepts import Concepts
from unibase.clinical.words.partial_dates import UNKNOWN_MIN
from unibase.groundwork.tables import TIMESTAMP

GRACE = timedelta(days=30)
"""Records this long after a death may still be paper work: late results, letters, corrections."""

DAYS_SEEN = 2
"""On so many further days a person must have been seen for a date of death to be refuted."""

_KEYS = ["subject_id", "code", "source", "source_row"]


def refuted_deaths(events: pl.DataFrame, concepts: Concepts | None = None) -> pl.DataFrame:
    """Return `subject_id, code, source, source_row, unborn` of deaths that cannot be true.

    The rule: a date of death is refused when it lies before the birth (`unborn`); the death then stays, of an unknown day. A death is
    refuted when the person did what only the living do (concept `living_act`: visits, drugs given, examinations) on at least two
    different days more than 30 days after it. Results, letters and codes that come late outvote no death.

    `events` are EVENTS; `concepts` say what a living act is, the packaged ones by default.
    """
    deaths = events.filter((pl.col("code") == "MEDS_DEATH") & pl.col("time_max").is_not_null())
    if deaths.is_empty():
        return deaths.select(*_KEYS, pl.lit(True).alias("unborn"))
    concepts = concepts or Concepts.default()
    of_dead = events.join(deaths.select("subject_id").unique(), on="subject_id", how="semi")
    seen = concepts.select(of_dead, "living_act").filter(pl.col("time_min").is_not_null())
    days = seen.select("subject_id", pl.col("time_min").dt.date().alias("day")).unique()
    late = deaths.join(days, on="subject_id").filter(pl.col("day") > (pl.col("time_max") + GRACE).dt.date())
    late = late.group_by(_KEYS).agg(pl.col("day").n_unique().alias("days")).filter(pl.col("days") >= DAYS_SEEN)
    births = of_dead.filter(pl.col("code") == "MEDS_BIRTH").group_by("subject_id").agg(pl.col("time_min").min().alias("born"))
    unborn = deaths.join(births, on="subject_id").filter(pl.col("time_max") < pl.col("born"))
    found = [unborn.select(*_KEYS, pl.lit(True).alias("unborn")), late.select(*_KEYS, pl.lit(False).alias("unborn"))]
    # A death before the birth says nothing that later acts could refute.
    return pl.concat(found).unique(_KEYS, keep="first", maintain_order=True).sort(_KEYS)


def settle(events: pl.DataFrame, refuted: pl.DataFrame, latest: pl.DataFrame) -> pl.DataFrame:
    """Return events in which refuted deaths are marked, and those before the birth have no date.

    Args:
        events: EVENTS.
        refuted: Of `refuted_deaths`.
        latest: `subject_id, latest`: until when a death of an unknown day can have been.
    """
    columns = events.columns
    events = events.join(refuted, on=_KEYS, how="left", maintain_order="left", nulls_equal=True)
    events = events.join(latest, on="subject_id", how="left", maintain_order="left")
    unborn = pl.col("unborn").fill_null(False)
    return events.with_columns(
        pl.when(pl.col("unborn").eq(False)).then(pl.lit(REFUTED)).otherwise("code").alias("code"),
        pl.when(~unborn).then("time").alias("time"),
        pl.when(unborn).then(pl.lit(UNKNOWN_MIN, dtype=TIMESTAMP)).otherwise("time_min").alias("time_min"),
        pl.when(unborn).then("latest").otherwise("time_max").alias("time_max"),
    ).select(columns)


def refuted_problem(row: int, unborn: bool) -> RowProblem:
    """Return what is told of a death in a `row` that cannot be true, and whether as it lies before the birth (`unborn`).

    >>> refuted_problem(3, unborn=True).reason
    'impossible-date'
    """
    early = "The date of death lies before the birth: the day of death is not known."
    late = "The person was seen alive on later days: the death does not count."
    message = early if unborn else late
    return RowProblem(row, IMPOSSIBLE_DATE, message, "death", refused=False)
