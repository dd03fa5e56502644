"""When a subject could first be in a cohort that asks for an image or a sample: the start of the time at risk."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def entries(include: Sequence[str], series: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, time` of the first image and sample of each kind that the cohort asks for.

    A cohort that asks for an image or a sample is left-truncated: nobody in it can have died before having it.

    Args:
        include: Rules of the cohort (`CohortRules.include`); others than images and assays ask for nothing here.
        series: SERIES frame.
        samples: SAMPLE_MAP frame; samples that are not used do not count.

    Returns:
        At most a row per subject and rule; no row when the rules ask for no image and no sample.
    """
    found = [pl.DataFrame(schema={"subject_id": pl.Int64, "time": pl.Datetime("us")})]
    for rule in include:
        kind, _, modality = rule.partition(":")
        if kind in ("imaging", "features"):
            own = series.filter(pl.col("Modality") == modality) if modality else series
            found.append(own.group_by("subject_id").agg(pl.col("series_time").min().alias("time")))
        elif kind in samples["assay"]:
            own = samples.filter((pl.col("assay") == kind) & (pl.col("status") == "used"))
            first = pl.col("sample_time_max").min().alias("time")
            found.append(own.group_by(pl.col("primary").alias("subject_id")).agg(first))
    return pl.concat(found)
