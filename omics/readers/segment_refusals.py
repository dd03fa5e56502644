"""Tables that have the columns of segments and hold none: windows of coverage, genes, two tables of a sample, kilobases."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.omics.reasons import NOT_A_SEG
from unibase.omics.recognise.names import look

_MANY, _SHORT = 500, 5000


def _refuse_bins(frame: pl.DataFrame) -> None:
    """Refuse windows in which coverage was counted (CNVkit's .cnr, QDNAseq): their noise would pass for altered segments.

    Raises:
        Unusable: `not-a-seg`.
    """
    lengths = frame.select("sample", (pl.col("end") - pl.col("start")).alias("bases"))
    told = lengths.group_by("sample").agg(
        pl.len(),
        pl.col("bases").median().alias("middle"),
        pl.col("bases").value_counts(sort=True).struct.field("count").first().alias("alike"),
    )
    bins = told.filter((pl.col("len") >= _MANY) & ((pl.col("middle") < _SHORT) | (pl.col("alike") * 2 >= pl.col("len"))))
    if bins.height:
        raise Unusable(
            NOT_A_SEG,
            f"{bins.height} samples have hundreds of short or equally long pieces: windows of coverage, or genes, not segments.",
            "Give the segments that were made of them (CNVkit's .cns, the caller's .seg).",
        )


_OVERLAP = 0.1


def _refuse_overlaps(frame: pl.DataFrame) -> None:
    """Refuse segments of a sample that lie on one another: two tables of it would pass for their mean.

    Raises:
        Unusable: `not-a-seg`.
    """
    ordered = frame.select("sample", "chromosome", "start", "end").sort("sample", "chromosome", "start", "end")
    reached = pl.col("end").cum_max().shift(1).over("sample", "chromosome").fill_null(-1)
    over = (pl.min_horizontal(reached, "end") - pl.col("start") + 1).clip(lower_bound=0)
    told = ordered.with_columns(over.alias("over"), (pl.col("end") - pl.col("start") + 1).alias("bases"))
    sums = told.group_by("sample").agg(pl.col("over").sum(), pl.col("bases").sum())
    twice = sums.filter(pl.col("over") > _OVERLAP * pl.col("bases"))
    if twice.height:
        raise Unusable(
            NOT_A_SEG,
            f"{twice.height} samples have segments that lie on one another: two tables of one sample, or windows that overlap.",
            "Keep one table of segments a sample.",
        )


def refuse_what_is_no_segment(frame: pl.DataFrame, genes: Sequence[str]) -> None:
    """Refuse rows that are no segments.

    Args:
        frame: Sample, chromosome, start and end of each row.
        genes: What each row says of genes, where the table has such a column.

    Raises:
        Unusable: `not-a-seg`.
    """
    _refuse_genes(frame, genes)
    _refuse_bins(frame)
    _refuse_overlaps(frame)
    if frame["chromosome"].n_unique() > 1 and (frame["end"] < _BASES).all():
        raise Unusable(
            NOT_A_SEG,
            "No segment of any chromosome reaches its millionth base: positions are in kilobases or megabases.",
            "Write them in bases.",
        )


_BASES = 1_000_000
_FEWEST_GENES = 20


def _refuse_genes(frame: pl.DataFrame, genes: Sequence[str]) -> None:
    """Refuse a row a gene (PureCN's _genes.csv, CNVkit's genemetrics): genes cover no arm, and the altered part would be theirs."""
    if len(genes) < _FEWEST_GENES or look(genes, "gene").share < 0.8:
        return
    if len(set(zip(frame["sample"], genes, strict=True))) >= 0.9 * len(genes):
        raise Unusable(
            NOT_A_SEG,
            "The table has a row a gene, not a segment.",
            "Give the caller's segments (PureCN's _dnacopy.seg, CNVkit's .cns), or genes by samples as one matrix.",
        )
