"""Variance stabilising transformation of counts.

Sources: Anders and Huber, Genome Biology 2010, 11:R106 (the transformation); Love, Huber and Anders, Genome Biology
2014, 15:550 (gene-wise dispersions by Cox-Reid adjusted profile likelihood, the parametric trend). Blind: all samples
are taken as replicates. Oracle: DESeq2 1.38.3 `varianceStabilizingTransformation` (full) and `vst` (1,000 genes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundwork.problems import Unusable
from omics import factors
from omics.kernels import AnyArray, FloatArray
from omics.special import digamma

MIN_DISPERSION = 1e-8
FAST_GENES = 1000
FAST_MEAN = 5.0
_TOLERANCE = 1e-6
_MAX_ITERATIONS = 100
_ARMIJO = 1e-4


@dataclass(frozen=True)
class DispersionTrend:
    """Dispersion as a function of the mean count: asymptotic + extra_poisson / mean."""

    asymptotic: float
    extra_poisson: float

    def describe(self) -> dict[str, Any]:
        """Return the coefficients as a JSON value."""
        return {"asymptotic_dispersion": self.asymptotic, "extra_poisson": self.extra_poisson}

    def at(self, mean: FloatArray) -> FloatArray:
        """Dispersion at mean counts."""
        return np.asarray(self.asymptotic + self.extra_poisson / mean)

    def transform(self, normalised: FloatArray) -> FloatArray:
        """log2-like values of counts divided by size factors, in closed form."""
        a, e = self.asymptotic, self.extra_poisson
        root = np.sqrt(a * normalised * (1 + e + a * normalised))
        return np.asarray(np.log((1 + e + 2 * a * normalised + 2 * root) / (4 * a)) / math.log(2))


@dataclass(frozen=True)
class Stabilised:
    """Samples x genes values with what they were computed from."""

    values: FloatArray
    size_factors: FloatArray
    trend: DispersionTrend


def variance_stabilise(counts: AnyArray, *, fast: bool = False) -> Stabilised:
    """Transform samples x genes counts.

    Args:
        counts: Whole counts.
        fast: Fit the trend on 1,000 genes evenly spread over the means above 5, in place of all genes.

    Raises:
        Unusable: `too-few-samples`, `too-few-genes`, `no-common-gene`, `no-dispersion-trend`.
    """
    size_factors = factors.median_of_ratios(counts)
    trend = fit_trend(counts, size_factors, fast=fast)
    return Stabilised(trend.transform(np.asarray(counts, np.float64) / size_factors[:, None]), size_factors, trend)


def fit_trend(counts: AnyArray, size_factors: FloatArray, *, fast: bool = False) -> DispersionTrend:
    """Estimate gene-wise dispersions and fit their trend over the mean."""
    if counts.shape[0] < 2:
        raise Unusable("too-few-samples", "A dispersion needs at least two samples.", "Give more samples, or a frozen model.")
    normalised = np.asarray(counts, dtype=np.float64) / size_factors[:, None]
    means = normalised.mean(axis=0)
    genes = fast_genes(means) if fast else np.flatnonzero(means > 0)
    dispersions = gene_dispersions(np.ascontiguousarray(counts[:, genes].T, dtype=np.float64), size_factors)
    return parametric_trend(means[genes], dispersions)


def fast_genes(means: FloatArray) -> NDArray[np.int64]:
    """Indices of the genes that the fast fit looks at: spread evenly over the ranks of the means above 5."""
    above = np.flatnonzero(means > FAST_MEAN)
    if above.size < FAST_GENES:
        raise Unusable(
            "too-few-genes",
            f"Only {above.size} genes have a mean above 5; the fast fit takes {FAST_GENES}.",
            "Use the full fit: vst.",
        )
    order = np.argsort(means[above], kind="stable")
    steps = 1 + np.arange(FAST_GENES) * ((above.size - 1) / (FAST_GENES - 1))
    return np.asarray(above[order[np.rint(steps).astype(np.int64) - 1]])


def gene_dispersions(counts: FloatArray, size_factors: FloatArray) -> FloatArray:
    """Gene-wise dispersions under a common mean per gene.

    Args:
        counts: Genes x samples, none of them zero throughout.
        size_factors: One per sample.
    """
    return np.asarray(_dispersions(counts, size_factors, float(np.mean(1.0 / size_factors))))


def parametric_trend(means: FloatArray, dispersions: FloatArray) -> DispersionTrend:
    """Fit dispersion = a + e / mean by a gamma regression with identity link, leaving out far residuals.

    Raises:
        Unusable: `no-dispersion-trend` when the regression does not settle or a coefficient is not positive.
    """
    failed = Unusable(
        "no-dispersion-trend",
        "The dispersions do not follow a + b / mean, so the parametric trend cannot be fitted.",
        "Filter genes of low counts first, or use tmm.",
    )
    used = dispersions > 100 * MIN_DISPERSION
    x, y = 1.0 / means[used], dispersions[used]
    if not used.any():
        raise failed
    coefficients = np.array([0.1, 1.0])
    for _ in range(11):
        residual = y / (coefficients[0] + coefficients[1] * x)
        good = (residual > 1e-4) & (residual < 15)
        if good.sum() < 3:
            raise failed
        before = coefficients
        coefficients, settled = _gamma_identity(x[good], y[good], before)
        if not (coefficients > 0).all():
            raise failed
        if settled and (np.log(coefficients / before) ** 2).sum() < 1e-6:
            return DispersionTrend(float(coefficients[0]), float(coefficients[1]))
    raise failed


def _gamma_identity(x: FloatArray, y: FloatArray, start: FloatArray) -> tuple[FloatArray, bool]:
    """Gamma regression y ~ 1 + x with identity link by iteratively reweighted least squares with step halving."""

    def deviance(mean: FloatArray) -> float:
        if not (np.isfinite(mean) & (mean > 0)).all():
            return math.inf
        return float(-2 * (np.log(y / mean) - (y - mean) / mean).sum())

    design = np.column_stack([np.ones_like(x), x])
    coefficients = start
    mean = design @ coefficients
    old = deviance(mean)
    for _ in range(25):
        weight = 1.0 / mean
        q, r = np.linalg.qr(design * weight[:, None])
        new = np.linalg.solve(r, q.T @ (y * weight))
        mean = design @ new
        value = deviance(mean)
        halvings = 0
        while not math.isfinite(value) and halvings < 25:
            new = (new + coefficients) / 2
            mean = design @ new
            value = deviance(mean)
            halvings += 1
        coefficients = new
        if not math.isfinite(value):
            return coefficients, False
        if abs(value - old) / (abs(value) + 0.1) < 1e-8:
            return coefficients, True
        old = value
    return coefficients, False


@njit(cache=True, nogil=True)
def _log_likelihood(log_alpha, y, mean):  # type: ignore[no-untyped-def]
    """Cox-Reid adjusted profile log likelihood of one gene, up to a constant."""
    alpha = math.exp(log_alpha)
    inverse = 1.0 / alpha
    total = 0.0
    information = 0.0
    base = math.lgamma(inverse)
    for j in range(y.size):
        information += 1.0 / (1.0 / mean[j] + alpha)
        total += (
            math.lgamma(y[j] + inverse) - base - y[j] * math.log(mean[j] + inverse) - inverse * math.log(1.0 + mean[j] * alpha)
        )
    return total - 0.5 * math.log(information)


@njit(cache=True, nogil=True)
def _slope(log_alpha, y, mean):  # type: ignore[no-untyped-def]
    """Its derivative by the logarithm of the dispersion."""
    alpha = math.exp(log_alpha)
    inverse = 1.0 / alpha
    total = 0.0
    information = 0.0
    change = 0.0
    base = digamma(inverse)
    for j in range(y.size):
        m = mean[j]
        weight = 1.0 / (1.0 / m + alpha)
        information += weight
        change -= weight * weight
        total += base + math.log(1.0 + m * alpha) - m * alpha / (1.0 + m * alpha) - digamma(y[j] + inverse) + y[j] / (m + inverse)
    return (inverse * inverse * total - 0.5 * change / information) * alpha


@njit(cache=True, nogil=True)
def _climb(start, y, mean):  # type: ignore[no-untyped-def]
    """Gradient ascent with Armijo's rule; return (log dispersion, first and last likelihood, iterations)."""
    a = start
    value = _log_likelihood(a, y, mean)
    first = value
    slope = _slope(a, y, mean)
    step = 1.0
    accepted = 0
    iterations = 0
    for _ in range(_MAX_ITERATIONS):
        iterations += 1
        proposal = a + step * slope
        if proposal < -30.0:
            step = (-30.0 - a) / slope
        if proposal > 10.0:
            step = (10.0 - a) / slope
        proposed = _log_likelihood(a + step * slope, y, mean)
        if -proposed <= -value - step * _ARMIJO * slope * slope:
            accepted += 1
            a += step * slope
            change = proposed - value
            value = proposed
            if change < _TOLERANCE:
                break
            if a < math.log(MIN_DISPERSION / 10):
                break
            slope = _slope(a, y, mean)
            step = min(step * 1.1, 1.0)
            if accepted % 5 == 0:
                step /= 2.0
        else:
            step /= 2.0
    return a, first, value, iterations


@njit(cache=True, nogil=True)
def _search_grid(y, mean, highest):  # type: ignore[no-untyped-def]
    low, high = math.log(MIN_DISPERSION), math.log(highest)
    best = low
    for _ in range(2):
        step = (high - low) / 19.0
        top = -np.inf
        for k in range(20):
            at = low + k * step
            value = _log_likelihood(at, y, mean)
            if value > top:
                top = value
                best = at
        low, high = best - step, best + step
    return best


@njit(cache=True, nogil=True)
def _dispersions(counts, size_factors, mean_inverse):  # type: ignore[no-untyped-def]
    genes, n = counts.shape
    out = np.empty(genes)
    highest = max(10.0, float(n))
    normalised = np.empty(n)
    mean = np.empty(n)
    for g in range(genes):
        y = counts[g]
        level = 0.0
        for j in range(n):
            normalised[j] = y[j] / size_factors[j]
            level += normalised[j]
        level /= n
        squares = 0.0
        rough = 0.0
        floored = max(1.0, level)
        for j in range(n):
            squares += (normalised[j] - level) ** 2
            rough += ((normalised[j] - floored) ** 2 - floored) / (floored * floored)
            mean[j] = max(level * size_factors[j], 0.5)
        rough = max(rough / (n - 1), 0.0)
        moments = (squares / (n - 1) - mean_inverse * level) / (level * level)
        start = min(max(MIN_DISPERSION, min(rough, moments)), highest)
        a, first, last, iterations = _climb(math.log(start), y, mean)
        value = min(math.exp(a), highest)
        if last < first + abs(first) / 1e6:
            value = start
        converged = iterations < _MAX_ITERATIONS and iterations != 1
        if not converged and value > MIN_DISPERSION * 10:
            value = math.exp(_search_grid(y, mean, highest))
        out[g] = min(max(value, MIN_DISPERSION), highest)
    return out
