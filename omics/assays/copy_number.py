"""Copy number: segments to arm and gene level, and the fraction of the genome that is altered.

Values are log2 ratios of tumour to normal, as SEG files hold them. A level is the mean over the part that segments
cover, weighted by length; what no segment covers is missing, never zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.genome import ARMS, Build
from unibase.omics.readers.segments import LOWEST_COPIES
from unibase.omics.readers.tabular import read_table

if TYPE_CHECKING:
    from anndata import AnnData

ALTERED = 0.2
"""Absolute log2 ratio from which a segment counts as altered (the definition cBioPortal uses)."""
MIN_COVERED = 0.5
"""An arm of which segments cover less than this has no value."""

_ACROCENTRIC = {"13", "14", "15", "21", "22"}


def arm_levels(segments: pl.DataFrame, build: Build = "hg19") -> AnnData:
    """Samples x arms: mean log2 ratio; NaN where segments cover less than half. Short arms of acrocentrics are left out.

    Args:
        segments: Rows of `SEGMENTS`: sample, chromosome, start, end, level (log2 ratio).
        build: Which genome the positions are of.
    """
    rows = []
    for chromosome, (middle, length) in ARMS[build].items():
        if chromosome not in _ACROCENTRIC:
            rows.append((f"{chromosome}p", chromosome, 1, middle))
        rows.append((f"{chromosome}q", chromosome, middle + 1, length))
    arms = pl.DataFrame(rows, schema=["region", "chromosome", "start", "end"], orient="row")
    return _levels(segments, arms, MIN_COVERED)


def gene_levels(segments: pl.DataFrame, genes: pl.DataFrame) -> AnnData:
    """Samples x genes: mean log2 ratio over the gene.

    Args:
        segments: As `read_segments` gives them.
        genes: Columns region (gene), chromosome, start, end of the same build.
    """
    return _levels(segments, genes, 0.0)


def read_genes(path: Path | str) -> pl.DataFrame:
    """Read positions of genes: a table (CSV, TSV; gzip) with the columns gene, chromosome, start, end, from 1, both ends included.

    Returns:
        region, chromosome, start, end; in order of name.

    Raises:
        UserError: If there is nothing at `path`, a column is missing, a row has no place, or a gene is listed twice.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of genes at {path}. Check the path in the study file.")
    try:
        table = read_table(path)
    except Unusable:
        raise UserError(f"The table of genes {path} cannot be read. Give CSV or TSV.") from None
    frame = pl.DataFrame({title: table.texts(i) for i, title in enumerate(table.titles) if title}).with_columns(
        pl.when(pl.all() != "").then(pl.all())
    )
    missing = [name for name in ("gene", "chromosome", "start", "end") if name not in frame.columns]
    if missing:
        raise UserError(f"The table of genes {path} lacks {', '.join(missing)}. It needs gene, chromosome, start, end.")
    genes = frame.with_row_index("row", offset=1).select(
        "row",
        pl.col("gene").alias("region"),
        pl.col("chromosome").str.replace("^chr", ""),
        *[pl.col(name).cast(pl.Int64(), strict=False) for name in ("start", "end")],
    )
    bad = genes.filter(pl.any_horizontal(pl.all().is_null()) | (pl.col("end") < pl.col("start")))
    if bad.height:
        raise UserError(f"Row {bad['row'][0]} of {path} has no gene or no place, or ends before it starts. Mend it.")
    twice = genes.filter(~pl.col("region").is_first_distinct())
    if twice.height:
        raise UserError(f"Row {twice['row'][0]} of {path} lists a gene a second time. Keep one row per gene.")
    return genes.drop("row").sort("region")


def beside(arms: AnnData, genes: AnnData) -> AnnData:
    """Return both levels of the same samples, `arms` and `genes`, as the features of one matrix."""
    import anndata

    joined = anndata.concat([arms, genes], axis="var")
    joined.obs = arms.obs
    return joined


def _levels(segments: pl.DataFrame, regions: pl.DataFrame, min_covered: float) -> AnnData:
    import anndata

    samples = sorted(segments["sample"].unique().to_list())
    names = regions["region"].to_list()
    values = np.full((len(samples), len(names)), np.nan)
    row_of = {name: i for i, name in enumerate(samples)}
    by_chromosome = {key[0]: part for key, part in segments.group_by("chromosome")}
    for j, (chromosome, start, end) in enumerate(regions.select("chromosome", "start", "end").iter_rows()):
        part = by_chromosome.get(str(chromosome).removeprefix("chr"))
        if part is None:
            continue
        hit = (
            part.filter((pl.col("start") <= end) & (pl.col("end") >= start))
            .with_columns((pl.min_horizontal("end", pl.lit(end)) - pl.max_horizontal("start", pl.lit(start)) + 1).alias("bases"))
            .sort("sample", "start", "end", "log2")
            .group_by("sample", maintain_order=True)
            .agg((pl.col("log2") * pl.col("bases")).sum().alias("weighted"), pl.col("bases").sum())
        )
        for sample, weighted, bases in hit.iter_rows():
            if bases >= min_covered * (end - start + 1):
                values[row_of[sample], j] = weighted / bases
    return anndata.AnnData(
        X=values,
        obs=pd.DataFrame({"sample": samples}, index=pd.Index(samples, dtype=object)),
        var=pd.DataFrame(index=pd.Index(names, dtype=object)),
    )


def fraction_altered(segments: pl.DataFrame, threshold: float = ALTERED) -> pl.DataFrame:
    """Per sample: share of the profiled autosomal bases in segments with |log2| at or above `threshold`."""
    autosomes = segments.filter(~pl.col("chromosome").is_in(["X", "Y"])).with_columns(
        (pl.col("end") - pl.col("start") + 1).alias("bases")
    )
    return (
        autosomes.group_by("sample")
        .agg(
            (pl.col("bases").filter(pl.col("log2").abs() >= threshold).sum() / pl.col("bases").sum()).alias("fraction_altered"),
            pl.len().alias("segments"),
        )
        .sort("sample")
    )


def alleles(segments: pl.DataFrame) -> pl.DataFrame:
    """Return what copies and alleles tell of each sample, over the autosomal bases that its segments cover.

    Args:
        segments: As `read_segments` gives them, with `total` copies and, where alleles are told apart, `minor`.

    Returns:
        sample, ploidy (mean copies, weighted by bases), and loh: the share of the bases of which one allele alone is left (no copy of
        the other, and at least one of it). Both are missing where the segments do not say them.
    """
    if "total" not in segments.columns:
        return pl.DataFrame(schema={"sample": pl.String()})
    autosomes = segments.filter(~pl.col("chromosome").is_in(["X", "Y"])).with_columns(
        (pl.col("end") - pl.col("start") + 1).alias("bases")
    )
    mean = (pl.col("total") * pl.col("bases")).sum() / pl.col("bases").sum()
    told = [mean.alias("ploidy")]
    if "minor" in segments.columns:
        known = pl.col("bases").filter(pl.col("minor").is_not_null()).sum()
        lost = pl.col("bases").filter((pl.col("minor") == 0) & (pl.col("total") > 0)).sum()
        told.append(pl.when(known > 0).then(lost / known).alias("loh"))
    return autosomes.group_by("sample").agg(told).sort("sample")


def against_ploidy(segments: pl.DataFrame) -> pl.DataFrame:
    """Return segments of absolute copies with log2 of their ratio to the sample's ploidy; others as they are.

    `segments`: as `read_segments` gives them.
    """
    if "total" not in segments.columns:
        return segments
    copies = pl.max_horizontal("total", pl.lit(LOWEST_COPIES))
    found = segments.join(alleles(segments), on="sample", maintain_order="left")
    return found.select(*segments.drop("log2").columns, (copies / pl.col("ploidy")).log(2).alias("log2"))


def levels_are(segments: pl.DataFrame, relative_to: Literal["diploid", "ploidy"]) -> tuple[str, ...]:
    """Return a sentence that says what the levels are ratios to, where the study asked for ploidy.

    Args:
        segments: As `read_segments` gives them.
        relative_to: What the study says.
    """
    asked = relative_to == "ploidy"
    return (_OF_COPIES if "total" in segments.columns else _OF_RATIOS,) if asked else ()


_OF_COPIES = "unit: log2 of copies over each sample's ploidy"
_OF_RATIOS = "unit: log2 ratios as the caller centred them; no copies are given"
