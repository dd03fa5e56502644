"""Why a cell of the analysis table is empty, as far as the sources tell.

Five reasons, the first that holds: `withheld` (a sample exists and was refused), `not known` (a record lies in the
window, or may, and gives no value), `not yet` (recorded only after the index), and, for what no row of the result
says, `not done`. `not applicable` is for the tables to say (a censored subject has no event).
"""

from __future__ import annotations

import polars as pl

from unibase.groundwork.analysis_tables import MISSING
from unibase.linking.conditions import ConceptCodes, is_concept
from unibase.linking.options import Window, Windows
from unibase.linking.windows import earliest, latest


def why_missing(
    events: pl.DataFrame,
    series: pl.DataFrame,
    samples: pl.DataFrame,
    index: pl.DataFrame,
    windows: Windows,
    concepts: ConceptCodes,
) -> pl.DataFrame:
    """Return a reason for each subject and variable that the sources know something of, whether the cell is empty or not.

    Args:
        events: EVENTS frame.
        series: SERIES frame.
        samples: SAMPLE_MAP frame.
        index: From `index.index_events`: `subject_id`, `index_time`.
        windows: Of the study file.
        concepts: Names of concepts to codes.

    Returns:
        `subject_id`, `variable` (a name that ends in `*` stands for all columns that begin so), `reason`; one row each.
    """
    found = [MISSING.empty()]
    for name, clinical in windows.clinical.items():
        rows = events.filter(is_concept(concepts, clinical.concept, f"windows.clinical.{name}"))
        found.append(_by_time(_spans(rows), index, clinical, name))
    for assay, window in windows.assays.items():
        mine = samples.filter(pl.col("assay") == assay).rename({"primary": "subject_id"})
        spans = _spans(mine, "sample_time", "sample_time_min", "sample_time_max")
        refused = mine.filter(pl.col("status") != "used")["subject_id"].unique().implode()
        known = _by_time(spans, index, window, f"{assay}_*")
        told = pl.when(pl.col("subject_id").is_in(refused)).then(pl.lit("withheld")).otherwise("reason")
        found.append(known.with_columns(told.alias("reason")))
    if windows.imaging is not None:
        delta = "delta_" if windows.imaging.choose == "delta" else ""
        for modality in sorted(series["Modality"].drop_nulls().unique()):
            spans = _spans(series.filter(pl.col("Modality") == modality), "series_time")
            found.append(_by_time(spans, index, windows.imaging, f"{delta}{modality}_*"))
    return pl.concat(found).sort("subject_id", "variable")


def _spans(rows: pl.DataFrame, time: str = "time", low: str = "time_min", high: str = "time_max") -> pl.DataFrame:
    absent = [pl.lit(None, dtype=pl.Datetime("us")).alias(name) for name in (low, high) if name not in rows.columns]
    return rows.with_columns(absent).select("subject_id", earliest(time, low).alias("t_min"), latest(time, high).alias("t_max"))


def _by_time(spans: pl.DataFrame, index: pl.DataFrame, window: Window, variable: str) -> pl.DataFrame:
    start = pl.col("index_time") + pl.duration(seconds=round((window.from_days or 0) * 86_400))
    may_lie_in = (pl.col("t_min") <= pl.col("index_time")).fill_null(True)
    if window.from_days is not None:
        may_lie_in &= (pl.col("t_max") >= start).fill_null(True)
    return (
        spans.join(index.select("subject_id", "index_time"), on="subject_id", how="inner")
        .group_by("subject_id")
        .agg(may_lie_in.any().alias("in"), (pl.col("t_min") > pl.col("index_time")).any().alias("later"))
        .filter(pl.col("in") | pl.col("later"))
        .select(
            "subject_id",
            pl.lit(variable).alias("variable"),
            pl.when("in").then(pl.lit("not known")).otherwise(pl.lit("not yet")).alias("reason"),
        )
    )
