"""Is a sample the person it is said to be? Sex from expression or methylation, duplicated samples, somalier's tables.

Findings are tables with one row per sample or pair: `check`, `sample`, `other`, `expected`, `observed`, `finding`.
They say what does not fit, and change no data. A tumour may lose its Y chromosome or wake its silent X: what is not
clear is `indeterminate`, and no finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from groundwork.problems import Unusable
from omics.kernels import FloatArray

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
DUPLICATE_CORRELATION = 0.985
"""Different persons' samples of one tissue stay below 0.97; two sequencings of one sample lie above 0.99."""
VARIABLE_GENES = 2000

FINDINGS = {
    "check": pl.String(),
    "sample": pl.String(),
    "other": pl.String(),
    "expected": pl.String(),
    "observed": pl.String(),
    "finding": pl.String(),
    "value": pl.Float64(),
}


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


def sex_from_methylation(beta: FloatArray, chromosomes: Sequence[str], samples: Sequence[str]) -> pl.DataFrame:
    """Tell sex from beta values on X: a silent second X makes many of its probes half methylated.

    Args:
        beta: Samples x probes.
        chromosomes: Chromosome of each probe (`X`, `chrX`, ...).
        samples: Names.

    Returns:
        sample, sex, x_half_methylated (share of X probes between 0.25 and 0.75).

    Raises:
        Unusable: `too-few-probes` with fewer than 100 probes on X.
    """
    on_x = np.array([name.removeprefix("chr") == "X" for name in chromosomes])
    if on_x.sum() < 100:
        raise Unusable("too-few-probes", f"Only {int(on_x.sum())} probes lie on X; 100 are needed.", "Give the whole array.")
    x = np.asarray(beta, dtype=np.float64)[:, on_x]
    with np.errstate(invalid="ignore"):
        half = np.nanmean(np.where(np.isnan(x), np.nan, (x > 0.25) & (x < 0.75)), axis=1)
    sexes = ["F" if share > 0.45 else "M" if share < 0.25 else "indeterminate" for share in half]
    return pl.DataFrame({"sample": list(samples), "sex": sexes, "x_half_methylated": half})


def sex_findings(calls: pl.DataFrame, declared: Mapping[str, str | None]) -> pl.DataFrame:
    """Compare called with declared sex (`M`, `F` or None); return the samples that do not fit.

    A sample called the other sex is `sex-discordant`; one with signs of both is `sex-mixed` (two persons' material, or
    more than two sex chromosomes). When exactly two samples are discordant, one of each sex, each names the other as
    what it may have been swapped with.
    """
    rows = []
    for row in calls.iter_rows(named=True):
        expected = declared.get(row["sample"])
        if row["sex"] == "both":
            rows.append(("sex", row["sample"], None, expected, "both", "sex-mixed", None))
        elif expected in ("M", "F") and row["sex"] in ("M", "F") and row["sex"] != expected:
            rows.append(("sex", row["sample"], None, expected, row["sex"], "sex-discordant", None))
    wrong = [row for row in rows if row[5] == "sex-discordant"]
    if len(wrong) == 2 and wrong[0][4] != wrong[1][4]:
        pairs = {wrong[0][1]: wrong[1][1], wrong[1][1]: wrong[0][1]}
        rows = [(*row[:2], pairs.get(row[1]), *row[3:]) for row in rows]
    return pl.DataFrame(sorted(rows, key=lambda row: str(row[1])), schema=FINDINGS, orient="row")


def duplicate_findings(
    values: FloatArray,
    samples: Sequence[str],
    patients: Mapping[str, object] | None = None,
    threshold: float = DUPLICATE_CORRELATION,
) -> pl.DataFrame:
    """Find pairs of samples that are too alike to be two persons'.

    Args:
        values: Samples x genes of log values.
        samples: Names.
        patients: Patient of each sample; pairs of one patient are no finding.
        threshold: Correlation over the 2,000 most variable genes from which a pair is reported.
    """
    x = np.asarray(values, dtype=np.float64)
    variable = np.sort(np.argsort(-x.var(axis=0), kind="stable")[:VARIABLE_GENES])
    z = x[:, variable]
    z = z - z.mean(axis=1, keepdims=True)
    norm = np.sqrt((z**2).sum(axis=1, keepdims=True))
    z = np.divide(z, norm, out=np.zeros_like(z), where=norm > 0)
    rows = []
    for first, second, r in _pairs_above(z, threshold):
        a, b = sorted((str(samples[first]), str(samples[second])))
        if patients is not None and patients.get(a) is not None and patients.get(a) == patients.get(b):
            continue
        rows.append(("duplicate", a, b, "two persons", "one sample", "duplicate-suspected", float(r)))
    return pl.DataFrame(sorted(rows), schema=FINDINGS, orient="row")


def _pairs_above(z: FloatArray, threshold: float) -> list[tuple[int, int, float]]:
    out = []
    block = 512
    for start in range(0, len(z), block):
        products: NDArray[np.float64] = z[start : start + block] @ z[start:].T
        for i, j in zip(*np.nonzero(products >= threshold), strict=True):
            if j > i:
                out.append((start + int(i), start + int(j), float(products[i, j])))
    return out


def somalier_findings(
    pairs: Path | str, patients: Mapping[str, object], same: float = 0.8, different: float = 0.5
) -> pl.DataFrame:
    """Read somalier's `*.pairs.tsv` and compare relatedness with who the samples are said to be.

    Args:
        pairs: Table with the columns sample_a, sample_b, relatedness.
        patients: Patient of each sample; pairs with an unlisted sample are left aside.
        same: Two samples of one person are at least this related.
        different: Two persons are less related than this, twins apart.

    Raises:
        Unusable: `not-somalier`.
    """
    path = Path(pairs)
    frame = pl.read_csv(path, separator="\t", infer_schema_length=0)
    frame = frame.rename({name: name.lstrip("#") for name in frame.columns})
    missing = [name for name in ("sample_a", "sample_b", "relatedness") if name not in frame.columns]
    if missing:
        raise Unusable(
            "not-somalier", f"The table lacks {', '.join(missing)}.", "Give the pairs.tsv that `somalier relate` writes."
        )
    rows = []
    for a, b, text in frame.select("sample_a", "sample_b", "relatedness").iter_rows():
        if a not in patients or b not in patients:
            continue
        first, second = sorted((a, b))
        r = float(text)
        if patients[a] == patients[b] and r < same:
            rows.append(("genotype", first, second, "one person", "two persons", "swap-suspected", r))
        elif patients[a] != patients[b] and r >= different:
            rows.append(("genotype", first, second, "two persons", "one person", "duplicate-suspected", r))
    return pl.DataFrame(sorted(rows), schema=FINDINGS, orient="row")
