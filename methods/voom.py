"""Log counts per million with a precision weight each, for linear models.

Source: Law, Chen, Shi and Smyth, Genome Biology 2014, 15:R29; the smoother is Cleveland's lowess (Journal of the
American Statistical Association 1979, 74:829) with three robustness iterations. Oracle: limma 3.54.1 `voom`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable
from unibase.methods.compiled.exact import AnyArray, FloatArray, exact_mean
from unibase.methods.compiled.lowess import lowess_at
from unibase.methods.reasons import SINGULAR_DESIGN, TOO_FEW_SAMPLES

SPAN = 0.5


@dataclass(frozen=True)
class Voom:
    """Samples x genes: log2 CPM and precision weights; `trend` holds the (log2 count, root SD) points of the curve."""

    expression: FloatArray
    weights: FloatArray
    trend: tuple[FloatArray, FloatArray]


def voom_expression(counts: AnyArray, library_size: FloatArray) -> FloatArray:
    """log2((count + 0.5) / (library size + 1) * 1e6) of samples x genes `counts`; `library_size` has one value for each sample.

    >>> voom_expression(np.array([[0, 999_999]]), np.array([999_999.0])).round(4).tolist()
    [[-1.0, 19.9316]]
    """
    half_more = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(np.log2(half_more / (library_size[:, None] + 1.0) * 1e6))


def voom(counts: AnyArray, library_size: FloatArray, design: FloatArray | None = None, span: float = SPAN) -> Voom:
    """Compute values and weights.

    Args:
        counts: Samples x genes.
        library_size: Effective library sizes.
        design: Samples x coefficients; a single mean by default.
        span: Share of genes that the smoother looks at.

    Raises:
        Unusable: `too-few-samples` when the design leaves no degree of freedom.
    """
    q = _design_space(counts.shape[0], design)
    y = voom_expression(counts, library_size)
    fitted = q @ (q.T @ y)
    curve = voom_curve([_moments(counts, y, fitted, len(y) - q.shape[1])], library_size, span)
    return Voom(y, precision_weights(fitted, library_size, curve), curve)


class GeneMoments(NamedTuple):
    """What voom's curve is drawn through: one value for each gene.

    Attributes:
        levels: Mean log2 CPM.
        deviations: Residual standard deviation.
        seen: Whether a sample has a count.
    """

    levels: FloatArray
    deviations: FloatArray
    seen: NDArray[np.bool_]


def gene_moments(counts: AnyArray, library_size: FloatArray) -> GeneMoments:
    """Return what the curve needs of some genes, of samples that are all replicates.

    Args:
        counts: Samples x some genes.
        library_size: Effective library sizes, of shape (samples,).

    Raises:
        Unusable: `too-few-samples`.
    """
    if len(counts) < 2:
        raise _no_freedom()
    y = voom_expression(counts, library_size)
    return _moments(counts, y, y.mean(axis=0), len(y) - 1)


def _moments(counts: AnyArray, y: FloatArray, fitted: FloatArray, freedom: int) -> GeneMoments:
    deviations = np.sqrt(((y - fitted) ** 2).sum(axis=0) / freedom)
    seen: NDArray[np.bool_] = np.asarray(np.greater(counts, 0).any(axis=0))
    return GeneMoments(y.mean(axis=0), deviations, seen)


def _no_freedom() -> Unusable:
    return Unusable(TOO_FEW_SAMPLES, "The design leaves no degree of freedom for the variance.", "Give more samples.")


def _design_space(samples: int, design: FloatArray | None) -> FloatArray:
    """Return an orthonormal basis of a design; without one, of a single mean.

    Raises:
        Unusable: `singular-design`, `too-few-samples`.
    """
    if design is None:
        design = np.ones((samples, 1))
    q, r = np.linalg.qr(np.asarray(design, dtype=np.float64))
    rank = int((np.abs(np.diag(r)) > 1e-7 * np.abs(r).max()).sum())
    if rank < design.shape[1]:
        raise Unusable(SINGULAR_DESIGN, "A coefficient of the design cannot be told from the others.", "Leave it out.")
    if samples - rank < 1:
        raise _no_freedom()
    return np.asarray(q)


def voom_curve(parts: Sequence[GeneMoments], library_size: FloatArray, span: float = SPAN) -> tuple[FloatArray, FloatArray]:
    """Return places and values of the curve of the root of the standard deviation over the mean log2 count.

    Args:
        parts: Moments of all genes, in parts.
        library_size: Effective library sizes, of shape (samples,).
        span: Share of genes that the smoother looks at.
    """
    levels, deviations, seen = (np.concatenate(column) for column in zip(*parts, strict=True))
    shift = exact_mean(np.log2(library_size + 1.0)) - math.log2(1e6)
    x, root = levels[seen] + shift, np.sqrt(deviations[seen])
    order = np.argsort(x, kind="stable")
    x, root = x[order], root[order]
    smooth = _lowess(x, root, span)
    knots, first = np.unique(x, return_index=True)
    return knots, np.add.reduceat(smooth, first) / np.diff(np.append(first, x.size))


def precision_weights(fitted: FloatArray, library_size: FloatArray, trend: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Weights of samples x genes from `fitted` log2 CPM (one row for all samples will do), effective libraries and the curve.

    `library_size` has one value for each sample, `trend` the places and values of the curve (Law et al. 2014).
    """
    fitted_count = 1e-6 * 2.0**fitted * (library_size[:, None] + 1.0)
    return np.asarray(1.0 / np.interp(np.log2(fitted_count), *trend) ** 4)


def _lowess(x: FloatArray, y: FloatArray, span: float, iterations: int = 3) -> FloatArray:
    """Cleveland's robust local linear smoother at the points of `x`, which is sorted.

    As his program does, the fit is computed at points at least a hundredth of the range apart and interpolated
    between them.
    """
    return np.asarray(lowess_at(x, y, span, iterations, 0.01 * float(x[-1] - x[0])))
