"""Is a sample the person it is said to be? Sex from expression or methylation.

`duplicates` finds one sample under two persons' names, `genotypes` reads what somalier found. Findings are tables with one
row per sample or pair: `check`, `sample`, `other`, `expected`, `observed`, `finding`, `value`. They say what does not fit,
and change no data. A tumour may lose its Y chromosome or wake its silent X: what is not
clear is `indeterminate`, and no finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.omics.reasons import SEX_DISCORDANT, SEX_MIXED, TOO_FEW_PROBES
from unibase.omics.tables import SAMPLE_FINDINGS

if TYPE_CHECKING:
    from anndata import AnnData

Sex = Literal["F", "M", "both", "indeterminate", "not-measured"]

XIST = "ENSG00000229807"
Y_GENES = {
    "ENSG00000129824": "RPS4Y1",
    "ENSG00000067048": "DDX3Y",
    "ENSG00000012817": "KDM5D",
    "ENSG00000183878": "UTY",
    "ENSG00000198692": "EIF1AY",
    "ENSG00000114374": "USP9Y",
    "ENSG00000067646": "ZFY",
}
"""Genes of the male-specific region of Y that are expressed in nearly every tissue."""
EXPRESSED_CPM = 1.0
MIN_Y_GENES = 3
MALE_SHARE = 0.6
FEMALE_SHARE = 0.2
DOMINANCE = 32.0
"""When XIST and the mean Y gene differ this many times, the smaller is spill-over, however many of its reads there are: on a
panel of few genes, counts per million of a trace exceed any fixed bound."""
MIN_X_PROBES = 100


def sex_from_expression(adata: AnnData) -> pl.DataFrame:
    """Tell sex from XIST against the Y genes.

    Args:
        adata: Samples x Ensembl genes; counts in `layers["counts"]`, else in X.

    Returns:
        One row per sample: sample, sex, xist_cpm, y_genes (expressed), y_genes_measured.
    """
    counts = np.asarray(adata.layers.get("counts", adata.X))
    names = [str(gene) for gene in adata.var_names]
    where = {gene: i for i, gene in enumerate(names)}
    sizes = counts.sum(axis=1, dtype=np.float64)
    sizes[sizes == 0] = np.nan
    y = [where[gene] for gene in Y_GENES if gene in where]
    measured = XIST in where and len(y) >= MIN_Y_GENES
    xist = counts[:, where[XIST]] / sizes * 1e6 if XIST in where else np.full(len(sizes), np.nan)
    y_cpm = counts[:, y] / sizes[:, None] * 1e6
    expressed = (y_cpm >= EXPRESSED_CPM).sum(axis=1) if y else np.zeros(len(sizes), dtype=int)
    calls = [
        _call(float(x), int(k), len(y), float(level)) if measured and np.isfinite(x) else "not-measured"
        for x, k, level in zip(xist, expressed, y_cpm.mean(axis=1) if y else expressed, strict=True)
    ]
    return pl.DataFrame(
        {
            "sample": [str(name) for name in adata.obs_names],
            "sex": calls,
            "xist_cpm": xist.astype(float),
            "y_genes": [int(k) for k in expressed],
            "y_genes_measured": [len(y)] * len(calls),
        }
    )


def _call(xist: float, expressed: int, measured: int, y_level: float) -> Sex:
    share = expressed / measured
    has_x, has_y = xist >= EXPRESSED_CPM, share >= MALE_SHARE
    if has_x and xist >= DOMINANCE * y_level:
        return "F"
    if has_y and y_level >= DOMINANCE * xist:
        return "M"
    if has_x and has_y:
        return "both"
    if has_y:
        return "M"
    return "F" if has_x and share <= FEMALE_SHARE else "indeterminate"


def sex_from_methylation(adata: AnnData) -> pl.DataFrame:
    """Tell sex from beta values on X: a silent second X makes many of its probes half methylated.

    Args:
        adata: Samples x probes of beta values; `var["chromosome"]` names the chromosome of each probe (`X`, `chrX`, ...).

    Returns:
        sample, sex, x_half_methylated (share of X probes between 0.25 and 0.75).

    Raises:
        Unusable: `too-few-probes` with fewer than 100 probes on X.
    """
    on_x = np.array([str(name).removeprefix("chr") == "X" for name in adata.var["chromosome"]])
    if on_x.sum() < MIN_X_PROBES:
        raise Unusable(
            TOO_FEW_PROBES,
            f"Only {int(on_x.sum())} probes lie on X; {MIN_X_PROBES} are needed.",
            "Give the whole array, its X probes not masked.",
        )
    x = np.asarray(adata[:, on_x].X, dtype=np.float64)
    known = np.isfinite(x)
    half = np.where(known, (x > 0.25) & (x < 0.75), 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    measured = known.sum(axis=1) >= MIN_X_PROBES
    sexes = [
        "not-measured" if not enough else "F" if share > 0.45 else "M" if share < 0.25 else "indeterminate"
        for share, enough in zip(half, measured, strict=True)
    ]
    return pl.DataFrame({"sample": [str(name) for name in adata.obs_names], "sex": sexes, "x_half_methylated": half})


def told_sex(assay: str, adata: AnnData) -> tuple[pl.DataFrame | None, str]:
    """Return the sex that each sample of `adata`, of an `assay`, tells (`sample`, `sex`, ...), or None and why not."""
    if assay == "rna":
        return sex_from_expression(adata), ""
    if assay != "methylation":
        return None, ""
    if "chromosome" not in adata.var:
        return None, "sex is not told from methylation: name the table of probes and their chromosomes (`probes`)"
    try:
        return sex_from_methylation(adata), ""
    except Unusable as problem:
        return None, f"sex is not told from methylation. {problem.message} {problem.remedy}"


def sex_findings(calls: pl.DataFrame, declared: Mapping[str, str | None]) -> pl.DataFrame:
    """Compare `calls` of sex (columns sample, sex) with `declared` (`M`, `F` or None); return the samples that do not fit.

    A sample called the other sex is `sex-discordant`; one with signs of both is `sex-mixed` (two persons' material, or
    more than two sex chromosomes). When exactly two samples are discordant, one of each sex, each names the other as
    what it may have been swapped with.

    >>> calls = pl.DataFrame({"sample": ["S1", "S2"], "sex": ["F", "M"]})
    >>> sex_findings(calls, {"S1": "F", "S2": "F"}).select("sample", "finding").rows()
    [('S2', 'sex-discordant')]
    """
    rows = []
    for row in calls.iter_rows(named=True):
        expected = declared.get(row["sample"])
        if row["sex"] == "both":
            rows.append(("sex", row["sample"], None, expected, "both", SEX_MIXED, None))
        elif expected in ("M", "F") and row["sex"] in ("M", "F") and row["sex"] != expected:
            rows.append(("sex", row["sample"], None, expected, row["sex"], SEX_DISCORDANT, None))
    wrong = [row for row in rows if row[5] == SEX_DISCORDANT]
    if len(wrong) == 2 and wrong[0][4] != wrong[1][4]:
        pairs = {wrong[0][1]: wrong[1][1], wrong[1][1]: wrong[0][1]}
        rows = [(*row[:2], pairs.get(row[1]), *row[3:]) for row in rows]
    return pl.DataFrame(sorted(rows, key=lambda row: str(row[1])), schema=SAMPLE_FINDINGS.schema(), orient="row")
