"""What cannot be true of one person: a death that later records refute."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from unibase.clinical.words.concepts import Concepts

GRACE = timedelta(days=30)
"""Records this long after a death may still be paper work: late results, letters, corrections."""

DAYS_SEEN = 2
"""On so many further days a person must have been seen for a date of death to be refuted."""


def refuted_deaths(events: pl.DataFrame, concepts: Concepts | None = None) -> pl.DataFrame:
    """Return `subject_id, code, source, source_row` of deaths that cannot be true.

    The rule: a date of death is refuted when it lies before the birth, or when the person was seen (concept
    `last_contact`: visits, results, drugs) on at least two different days more than 30 days after it. One late record
    alone does not outweigh a death; `endpoints.overall_survival` then keeps the death and names the contradiction.
    """
    keys = ["subject_id", "code", "source", "source_row"]
    deaths = events.filter((pl.col("code") == "MEDS_DEATH") & pl.col("time_max").is_not_null())
    if deaths.is_empty():
        return deaths.select(keys)
    concepts = concepts or Concepts.default()
    of_dead = events.join(deaths.select("subject_id").unique(), on="subject_id", how="semi")
    seen = concepts.select(of_dead, "last_contact").filter(pl.col("time_min").is_not_null())
    days = seen.select("subject_id", pl.col("time_min").dt.date().alias("day")).unique()
    late = deaths.join(days, on="subject_id").filter(pl.col("day") > (pl.col("time_max") + GRACE).dt.date())
    late = late.group_by(keys).agg(pl.col("day").n_unique().alias("days")).filter(pl.col("days") >= DAYS_SEEN)
    births = of_dead.filter(pl.col("code") == "MEDS_BIRTH").group_by("subject_id").agg(pl.col("time_min").min().alias("born"))
    unborn = deaths.join(births, on="subject_id").filter(pl.col("time_max") < pl.col("born"))
    return pl.concat([late.select(keys), unborn.select(keys)]).unique(maintain_order=True).sort(keys)
