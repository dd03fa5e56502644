"""Negative binomial regression of counts, gene by gene, and its dispersion by adjusted profile likelihood.

Sources: McCarthy, Chen and Smyth, Nucleic Acids Research 2012, 40:4288 (Cox-Reid adjusted profile likelihood, dispersion
per gene by interpolation over a grid). Oracle: edgeR 3.40.2 `glmFit`, `estimateGLMCommonDisp`, `estimateGLMTagwiseDisp`.

Counts are genes x samples here, for the kernels go gene by gene.
"""

from __future__ import annotations

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.methods.compiled.exact import FloatArray
from unibase.methods.compiled.negative_binomial_fits import adjusted_likelihoods, fit_each_gene, fit_each_group, maxima_of_splines
from unibase.methods.reasons import TOO_FEW_COUNTS

MIN_ROW_SUM = 5
GRID = np.linspace(-6.0, 6.0, 11)
"""Powers of two around the common dispersion at which the likelihood of a gene is looked at."""


def _fit(counts: FloatArray, design: FloatArray, offset: FloatArray, dispersion: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Maximum likelihood coefficients (natural log) and fitted means.

    Args:
        counts: Genes x samples; need not be whole.
        design: Samples x coefficients, of full rank.
        offset: Genes x samples or one row: natural log of what the means are proportional to.
        dispersion: Genes x samples, or one per gene.

    Returns:
        Genes x coefficients, and genes x samples.
    """
    y = np.ascontiguousarray(counts, dtype=np.float64)
    off = np.ascontiguousarray(np.broadcast_to(offset, y.shape))
    phi = np.asarray(dispersion, dtype=np.float64)
    phi = np.ascontiguousarray(np.broadcast_to(phi[:, None] if phi.ndim == 1 else phi, y.shape))
    x = np.asarray(design, dtype=np.float64)
    rows, level = np.unique(x, axis=0, return_inverse=True)
    if rows.shape[0] == x.shape[1]:
        # One mean per group of equal rows: solved group by group, where a group without a count has a mean of zero.
        group = np.column_stack([level.ravel() == k for k in range(rows.shape[0])]).astype(np.float64)
        log_means, mean = fit_each_group(y, level.ravel().astype(np.int64), rows.shape[0], off, phi)
        if np.array_equal(rows, np.eye(rows.shape[0])) or (group.shape[1] == 1 and rows[0, 0] == 1):
            return log_means, mean
        return np.asarray(np.linalg.solve(rows, log_means.T).T), mean
    return tuple(fit_each_gene(y, x, off, phi))


def fit_with_prior(
    counts: FloatArray, design: FloatArray, offset: FloatArray, dispersion: FloatArray, prior_count: float
) -> tuple[FloatArray, FloatArray]:
    """Coefficients shrunk by a prior count in proportion to the library, and the fitted means without it.

    Args:
        counts, offset, dispersion: Genes x samples; `offset` is the log of the library.
        design: Samples x coefficients.
        prior_count: Added to each count, on average over the samples.
    """
    _, mean = _fit(counts, design, offset, dispersion)
    library = np.exp(np.broadcast_to(offset, counts.shape))
    prior = prior_count * library / library.mean(axis=1, keepdims=True)
    coefficients, _ = _fit(counts + prior, design, np.log(library + 2 * prior), dispersion)
    return coefficients, mean


def _adjusted_profile_likelihood(
    counts: FloatArray, design: FloatArray, offset: FloatArray, dispersion: FloatArray
) -> FloatArray:
    """Cox-Reid adjusted profile log likelihood per gene, at one dispersion per gene."""
    _, mean = _fit(counts, design, offset, dispersion)
    whole = np.ascontiguousarray(counts, dtype=np.float64)
    columns = np.asarray(design, np.float64)
    return np.asarray(adjusted_likelihoods(whole, mean, columns, dispersion))


def common_dispersion(counts: FloatArray, design: FloatArray) -> float:
    """The one dispersion of genes x samples `counts` under a `design` with the largest sum of adjusted likelihoods.

    It is looked for between 0 and 4 (Brent), over genes of `MIN_ROW_SUM` counts or more.

    Raises:
        Unusable: `too-few-counts` when no gene has so many.
    """
    from scipy.optimize import minimize_scalar

    offset = np.log(counts.sum(axis=0))
    y = counts[counts.sum(axis=1) >= MIN_ROW_SUM]
    if not len(y):
        raise Unusable(TOO_FEW_COUNTS, f"No gene has {MIN_ROW_SUM} counts in a batch.", "Leave that batch out.")

    def loss(root: float) -> float:
        return -float(_adjusted_profile_likelihood(y, design, offset, np.full(len(y), root**4)).sum())

    found = minimize_scalar(loss, bounds=(0.0, 4.0**0.25), method="bounded", options={"xatol": 1e-5})
    return float(found.x**4)


def genewise_dispersion(counts: FloatArray, design: FloatArray, common: float) -> FloatArray:
    """Dispersion of each gene of `counts` (genes x samples): the maximum of a spline through its likelihood on `GRID`.

    `design` is samples x coefficients. Below 5 counts it is the `common` one.
    """
    offset = np.log(counts.sum(axis=0))
    out = np.full(len(counts), common)
    enough = counts.sum(axis=1) >= MIN_ROW_SUM
    y = counts[enough]
    if len(y):
        likelihood = np.column_stack(
            [_adjusted_profile_likelihood(y, design, offset, np.full(len(y), common * 2.0**power)) for power in GRID]
        )
        out[enough] = common * 2.0 ** maxima_of_splines(GRID, likelihood)
    return out
