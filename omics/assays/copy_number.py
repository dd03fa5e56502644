"""Copy number: segments to arm and gene level, and the fraction of the genome that is altered.

Values are log2 ratios of tumour to normal, as SEG files hold them. A level is the mean over the part that segments
cover, weighted by length; what no segment covers is missing, never zero.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable, UserError

if TYPE_CHECKING:
    from anndata import AnnData

Build = Literal["hg19", "hg38"]
ALTERED = 0.2
"""Absolute log2 ratio from which a segment counts as altered (the definition cBioPortal uses)."""
MIN_COVERED = 0.5
"""An arm of which segments cover less than this has no value."""

ARMS: dict[Build, dict[str, tuple[int, int]]] = {
    "hg19": {
        "1": (125_000_000, 249_250_621), "2": (93_300_000, 243_199_373), "3": (91_000_000, 198_022_430), "4": (50_400_000, 191_154_276),
        "5": (48_400_000, 180_915_260), "6": (61_000_000, 171_115_067), "7": (59_900_000, 159_138_663), "8": (45_600_000, 146_364_022),
        "9": (49_000_000, 141_213_431), "10": (40_200_000, 135_534_747), "11": (53_700_000, 135_006_516), "12": (35_800_000, 133_851_895),
        "13": (17_900_000, 115_169_878), "14": (17_600_000, 107_349_540), "15": (19_000_000, 102_531_392), "16": (36_600_000, 90_354_753),
        "17": (24_000_000, 81_195_210), "18": (17_200_000, 78_077_248), "19": (26_500_000, 59_128_983), "20": (27_500_000, 63_025_520),
        "21": (13_200_000, 48_129_895), "22": (14_700_000, 51_304_566), "X": (60_600_000, 155_270_560),
    },
    "hg38": {
        "1": (123_400_000, 248_956_422), "2": (93_900_000, 242_193_529), "3": (90_900_000, 198_295_559), "4": (50_000_000, 190_214_555),
        "5": (48_800_000, 181_538_259), "6": (59_800_000, 170_805_979), "7": (60_100_000, 159_345_973), "8": (45_200_000, 145_138_636),
        "9": (43_000_000, 138_394_717), "10": (39_800_000, 133_797_422), "11": (53_400_000, 135_086_622), "12": (35_500_000, 133_275_309),
        "13": (17_700_000, 114_364_328), "14": (17_200_000, 107_043_718), "15": (19_000_000, 101_991_189), "16": (36_800_000, 90_338_345),
        "17": (25_100_000, 83_257_441), "18": (18_500_000, 80_373_285), "19": (26_200_000, 58_617_616), "20": (28_100_000, 64_444_167),
        "21": (12_000_000, 46_709_983), "22": (15_000_000, 50_818_468), "X": (61_000_000, 156_040_895),
    },
}  # fmt: skip
"""Boundary of the arms and length of each chromosome (UCSC cytoBand tables of the two builds)."""

_ACROCENTRIC = {"13", "14", "15", "21", "22"}
_TITLES = {
    "sample": ("sample", "id", "tumor_sample_barcode", "sampleid"),
    "chromosome": ("chromosome", "chrom", "chr"),
    "start": ("start", "loc.start", "start.bp", "start_position"),
    "end": ("end", "loc.end", "end.bp", "end_position"),
    "log2": ("segment_mean", "seg.mean", "seg.cn", "log2", "mean"),
}


def read_segments(path: Path | str) -> pl.DataFrame:
    """Read a SEG file (tab-separated; gzip).

    Returns:
        Columns sample, chromosome (1 to 22, X, Y), start, end, log2, source_row.

    Raises:
        Unusable: `not-a-seg` (a column is missing, a segment ends before it starts), `truncated-file`.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no segment file at {path}. Check the path in the study file.")
    try:
        frame = pl.read_csv(path, separator="\t", infer_schema_length=0, null_values=["NA", ""], comment_prefix="#")
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise Unusable(
            "truncated-file", f"The segments cannot be read to their end ({type(error).__name__}).", "Copy the file again."
        ) from None
    by_title = {name.lower(): name for name in frame.columns}
    found = {key: next((by_title[t] for t in titles if t in by_title), None) for key, titles in _TITLES.items()}
    missing = [key for key, name in found.items() if name is None]
    if missing:
        raise Unusable(
            "not-a-seg",
            f"The file has no column for {', '.join(missing)}.",
            "Give a SEG file: sample, chromosome, start, end, mean.",
        )
    out = frame.with_row_index("source_row", offset=1).select(
        pl.col(str(found["sample"])).str.strip_chars().alias("sample"),
        pl.col(str(found["chromosome"]))
        .str.strip_chars()
        .str.replace("^chr", "")
        .replace({"23": "X", "24": "Y"})
        .alias("chromosome"),
        *[
            pl.col(str(found[key])).str.strip_chars().cast(pl.Float64(), strict=False).cast(pl.Int64()).alias(key)
            for key in ("start", "end")
        ],
        pl.col(str(found["log2"])).str.strip_chars().cast(pl.Float64(), strict=False).alias("log2"),
        pl.col("source_row").cast(pl.Int64()),
    )
    bad = out.filter(pl.any_horizontal(pl.col("sample", "start", "end", "log2").is_null()) | (pl.col("end") < pl.col("start")))
    if bad.height:
        raise Unusable(
            "not-a-seg",
            f"Row {bad['source_row'][0]} has no number, or ends before it starts ({bad.height} such rows).",
            "Correct them.",
        )
    return out


def arm_levels(segments: pl.DataFrame, build: Build = "hg19") -> AnnData:
    """Samples x arms: mean log2 ratio; NaN where segments cover less than half. Short arms of acrocentrics are left out."""
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
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        frame = pl.read_csv(path, separator=max("\t,;", key=header.count), infer_schema_length=0)
    except (OSError, EOFError, UnicodeDecodeError, pl.exceptions.PolarsError):
        raise UserError(f"The table of genes {path} cannot be read. Give CSV or TSV.") from None
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
    """Return both levels of the same samples as the features of one matrix."""
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
