"""Values of the samples that the join chose, as columns of the analysis table."""

from __future__ import annotations

import polars as pl


def with_sample_values(
    analysis: pl.DataFrame, trace: pl.DataFrame, assay: str, values: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return analysis and trace with the values of each subject's chosen sample of an assay.

    Args:
        analysis: From `join.join`, with the column `<assay>_sample`.
        trace: From `join.join`. The rows of `<assay>_sample` come to stand for `<assay>_*` too: a value has the source of its sample.
        assay: Name of the assay.
        values: `colname`, and a column per value.
    """
    column = f"{assay}_sample"
    analysis = analysis.join(values.rename({"colname": column}), on=column, how="left", maintain_order="left")
    mine = trace.filter(pl.col("variable") == column).with_columns(pl.lit(f"{assay}_*").alias("variable"))
    return analysis, pl.concat([trace.filter(pl.col("variable") != column), mine])
