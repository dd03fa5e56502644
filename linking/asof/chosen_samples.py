"""Samples in the join: which sample of an assay stands for each subject."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.linking.options import SampleWindow
from unibase.linking.windows import choose, earliest, in_window, latest


def sample_cells(
    samples: pl.DataFrame | None, bounds: pl.DataFrame, assay: str, window: SampleWindow
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (`subject_id` and `<assay>_sample`, trace rows): which sample of the assay is taken.

    Args:
        samples: SAMPLE_MAP, or None where the study has no sample.
        bounds: `subject_id`, `lower`, `upper` of the index.
        assay: Name of the assay in the sample map.
        window: Which samples count, and in which order their types are preferred.

    Raises:
        UserError: If the sample map has no such assay.
    """
    column = f"{assay}_sample"
    known = sorted(samples["assay"].unique()) if samples is not None else []
    if samples is None or assay not in known:
        raise UserError(f"windows.{assay}: no such assay in the sample map. Known: {', '.join(known) or 'none'}.")
    ranks = {kind: rank for rank, kind in enumerate(window.sample_types)}
    rows = (
        samples.filter((pl.col("assay") == assay) & (pl.col("status") == "used"))
        .rename({"primary": "subject_id"})
        .join(bounds, on="subject_id", how="inner")
        .with_columns(
            earliest("sample_time", "sample_time_min").alias("t_min"),
            latest("sample_time", "sample_time_max").alias("t_max"),
            pl.col("sample_type").fill_null("unknown").replace_strict(ranks, default=None, return_dtype=pl.Int64).alias("_rank"),
        )
        .filter(pl.col("_rank").is_not_null() & in_window(window))
    )
    rows = rows.filter(pl.col("_rank") == pl.col("_rank").min().over("subject_id"))
    chosen = choose(rows, window, ["subject_id"], ["colname"])
    cells = chosen.select("subject_id", pl.col("colname").alias(column))
    trace = chosen.select(
        "subject_id",
        pl.lit(column).alias("variable"),
        pl.lit("sample").alias("kind"),
        pl.concat_str(pl.col("centre").fill_null(""), pl.lit("/"), pl.col("assay")).alias("source"),
        pl.col("colname").alias("sample"),
        pl.col("sample_time").alias("time"),
        pl.col("t_min").alias("time_min"),
        pl.col("t_max").alias("time_max"),
        "t_min",
        "upper",
    )
    return cells, trace
