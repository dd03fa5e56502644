"""Variance stabilising transformation of counts.

Sources: Anders and Huber, Genome Biology 2010, 11:R106 (the transformation, and the local trend); Love, Huber and Anders,
Genome Biology 2014, 15:550 (gene-wise dispersions by Cox-Reid adjusted profile likelihood, the parametric trend). Blind:
all samples are taken as replicates. Oracle: DESeq2 1.38.3 `varianceStabilizingTransformation` (full) and `vst` (1,000
genes), with `fitType` parametric, local and mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable
from unibase.methods import factors, local_regression, splines
from unibase.methods.compiled.exact import AnyArray, FloatArray
from unibase.methods.compiled.gene_dispersions import MIN_DISPERSION, dispersion_of_genes
from unibase.methods.reasons import NO_DISPERSION_TREND, TOO_FEW_GENES, TOO_FEW_SAMPLES

TrendKind = Literal["parametric", "local", "mean"]
FAST_GENES = 1000
FAST_MEAN = 5.0
GRID_POINTS = 1000
_LOG2 = math.log(2)


@dataclass(frozen=True)
class ParametricTrend:
    """Dispersion as a function of the mean count: asymptotic + extra_poisson / mean."""

    asymptotic: float
    extra_poisson: float

    def describe(self) -> dict[str, object]:
        """Return the coefficients as a JSON value."""
        return {"trend": "parametric", "asymptotic_dispersion": self.asymptotic, "extra_poisson": self.extra_poisson}

    def transform(self, normalised: FloatArray) -> FloatArray:
        """log2-like values of samples x genes counts divided by size factors, `normalised`, in closed form."""
        a, e = self.asymptotic, self.extra_poisson
        root = np.sqrt(a * normalised * (1 + e + a * normalised))
        return np.asarray(np.log((1 + e + 2 * a * normalised + 2 * root) / (4 * a)) / _LOG2)


@dataclass(frozen=True)
class MeanTrend:
    """One dispersion for all genes."""

    dispersion: float

    def describe(self) -> dict[str, object]:
        """Return the dispersion as a JSON value.

        >>> MeanTrend(0.1).describe()
        {'trend': 'mean', 'dispersion': 0.1}
        """
        return {"trend": "mean", "dispersion": self.dispersion}

    def transform(self, normalised: FloatArray) -> FloatArray:
        """log2-like values of samples x genes counts divided by size factors, `normalised`, in closed form.

        >>> MeanTrend(0.1).transform(np.array([[0.0, 10.0, 1000.0]])).round(3).tolist()
        [[1.322, 3.865, 9.973]]
        """
        a = self.dispersion
        return np.asarray((2 * np.arcsinh(np.sqrt(a * normalised)) - math.log(a) - math.log(4)) / _LOG2)


@dataclass(frozen=True)
class LocalTrend:
    """The transformation that a local regression of the dispersions gives, as a spline over asinh(count).

    Attributes:
        scale, offset: Bring the spline to log2 at the 95 % and 99.9 % quantiles of the gene means.
        top: Largest normalised count of the fit. Above it the curve, in asinh(count), goes on in a straight line.
        spline: `splines.curve`: 5 x knots.
    """

    scale: float
    offset: float
    top: float
    spline: FloatArray

    def describe(self) -> dict[str, object]:
        """Return the numbers as a JSON value."""
        return {"trend": "local", "scale": self.scale, "offset": self.offset, "largest_count": self.top}

    def transform(self, normalised: FloatArray) -> FloatArray:
        """log2-like values of samples x genes counts divided by size factors, `normalised`."""
        at, end = np.arcsinh(normalised), math.asinh(self.top)
        inside = splines.evaluate(self.spline, np.minimum(at, end))
        t = end - self.spline[0, -1]
        slope = self.spline[2, -1] + t * (2 * self.spline[3, -1] + 3 * t * self.spline[4, -1])
        return np.asarray(self.scale * (inside + np.maximum(at - end, 0) * slope) + self.offset)


type Trend = ParametricTrend | MeanTrend | LocalTrend


@dataclass(frozen=True)
class Stabilised:
    """Samples x genes values with what they were computed from."""

    values: FloatArray
    size_factors: FloatArray
    trend: Trend


def variance_stabilise(
    counts: AnyArray,
    *,
    fast: bool = False,
    trend: TrendKind = "parametric",
    size_factors: FloatArray | None = None,
    subset: int = FAST_GENES,
) -> Stabilised:
    """Transform samples x genes counts.

    Args:
        counts: Whole counts.
        fast: Fit the trend on `subset` genes evenly spread over the means above 5, in place of all genes.
        trend: As in `fit_trend`.
        size_factors: One per sample; the median of ratios by default.
        subset: How many genes the fast fit takes.

    Raises:
        Unusable: `too-few-samples`, `too-few-genes`, `no-common-gene`, `no-dispersion-trend`.
    """
    sizes = factors.median_of_ratios(counts) if size_factors is None else np.asarray(size_factors, dtype=np.float64)
    fitted = fit_trend(counts, sizes, fast=fast, trend=trend, subset=subset)
    return Stabilised(fitted.transform(np.asarray(counts, np.float64) / sizes[:, None]), sizes, fitted)


def fit_trend(
    counts: AnyArray,
    size_factors: FloatArray,
    *,
    fast: bool = False,
    trend: TrendKind = "parametric",
    subset: int = FAST_GENES,
) -> Trend:
    """Estimate gene-wise dispersions and fit their trend over the mean.

    Args:
        counts: Samples x genes.
        size_factors: One per sample.
        fast: Look at `subset` genes only.
        trend: `parametric` (a + b / mean), `local` (a local regression) or `mean` (one for all). Where the parametric one
            does not fit the dispersions, the local one takes its place, as in DESeq2; `describe` tells.
        subset: How many genes the fast fit takes.

    Raises:
        Unusable: `too-few-samples`, `too-few-genes`; `no-dispersion-trend` when no gene varies more than a Poisson count.
    """
    whole = slice(0, counts.shape[1])
    return fit_trend_by_genes(lambda: [(whole, counts)], size_factors, fast=fast, trend=trend, subset=subset)


type GeneBlocks = Callable[[], Iterable[tuple[slice, AnyArray]]]
"""Goes over a cohort, all samples of some genes at a time: which genes, and their counts, samples x these genes."""


def fit_trend_by_genes(
    blocks: GeneBlocks,
    size_factors: FloatArray,
    *,
    fast: bool = False,
    trend: TrendKind = "parametric",
    subset: int = FAST_GENES,
) -> Trend:
    """Fit the trend as `fit_trend`, on counts of which some genes are in memory at a time; it goes over them twice.

    Args:
        blocks: The counts, genes in order; the samples of every block are in one order.
        size_factors: One per sample.
        fast, trend, subset: As `fit_trend` takes them.

    Raises:
        Unusable: As `fit_trend`.
    """
    if len(size_factors) < 2:
        raise Unusable(TOO_FEW_SAMPLES, "A dispersion needs at least two samples.", "Give more samples, or a frozen model.")
    levels = _Levels.of(blocks, size_factors)
    genes = _fast_genes(levels.means, subset) if fast else np.flatnonzero(levels.means > 0)
    dispersions = _dispersions(blocks, genes, levels.means.size, size_factors)
    used = dispersions > 100 * MIN_DISPERSION
    if not used.any():
        raise Unusable(
            NO_DISPERSION_TREND,
            "No gene varies more than counting alone makes it vary, so there is no trend to fit.",
            "Use tmm or median-of-ratios.",
        )
    if trend == "parametric":
        found = _parametric_trend(levels.means[genes][used], dispersions[used])
        if found is not None:
            return found
    if trend == "mean":
        return MeanTrend(_trimmed_mean(dispersions[dispersions > 10 * MIN_DISPERSION]))
    return _local_trend(levels.means[genes][used], dispersions[used], levels, size_factors)


@dataclass(frozen=True)
class _Levels:
    """What a fit knows of counts divided by size factors: means of each gene, and the largest of all.

    Attributes:
        means: In extended precision, rounded once: genes with the same counts in other samples have equal means, as they have in R.
        plain_means: In double precision.
        top: The largest.
    """

    means: FloatArray
    plain_means: FloatArray
    top: float

    @classmethod
    def of(cls, blocks: GeneBlocks, size_factors: FloatArray) -> _Levels:
        """Return what the counts of all blocks say."""
        means, plain, tops = [], [], []
        for _, counts in blocks():
            normalised = np.asarray(counts, dtype=np.float64) / size_factors[:, None]
            means.append(normalised.mean(axis=0, dtype=np.longdouble).astype(np.float64))
            plain.append(normalised.mean(axis=0))
            tops.append(float(normalised.max()))
        return cls(np.concatenate(means), np.concatenate(plain), max(tops))


def _dispersions(blocks: GeneBlocks, genes: NDArray[np.int64], width: int, size_factors: FloatArray) -> FloatArray:
    """Return the dispersions of chosen genes, in their order, of `width` genes in all."""
    chosen = np.zeros(width, dtype=bool)
    chosen[genes] = True
    found = np.full(width, np.nan)
    for columns, counts in blocks():
        mine = np.flatnonzero(chosen[columns])
        if mine.size:
            block = np.ascontiguousarray(counts[:, mine].T, dtype=np.float64)
            found[columns.start + mine] = gene_dispersions(block, size_factors)
    return found[genes]


def _trimmed_mean(values: FloatArray, trim: float = 0.001) -> float:
    cut = int(values.size * trim)
    return float(np.sort(values)[cut : values.size - cut].mean())


def _fast_genes(means: FloatArray, subset: int = FAST_GENES) -> NDArray[np.int64]:
    """Indices of the genes that the fast fit looks at: spread evenly over the ranks of the means above 5."""
    above = np.flatnonzero(means > FAST_MEAN)
    if above.size < subset:
        raise Unusable(
            TOO_FEW_GENES,
            f"Only {above.size} genes have a mean above 5; the fast fit takes {subset}.",
            "Use the full fit: vst.",
        )
    order = np.argsort(means[above], kind="stable")
    steps = 1 + np.arange(subset) * ((above.size - 1) / (subset - 1))
    return np.asarray(above[order[np.rint(steps).astype(np.int64) - 1]])


def gene_dispersions(counts: FloatArray, size_factors: FloatArray) -> FloatArray:
    """Gene-wise dispersions under a common mean per gene.

    Args:
        counts: Genes x samples, none of them zero throughout.
        size_factors: One per sample.
    """
    return np.asarray(dispersion_of_genes(counts, size_factors, float(np.mean(1.0 / size_factors))))


def _parametric_trend(means: FloatArray, dispersions: FloatArray) -> ParametricTrend | None:
    """Fit dispersion = a + e / mean by a gamma regression with identity link, leaving out far residuals.

    Returns:
        The trend; None when the regression does not settle or a coefficient is not positive.
    """
    x, y = 1.0 / means, dispersions
    coefficients = np.array([0.1, 1.0])
    for _ in range(11):
        residual = y / (coefficients[0] + coefficients[1] * x)
        good = (residual > 1e-4) & (residual < 15)
        if good.sum() < 3:
            return None
        before = coefficients
        coefficients, settled = _gamma_identity(x[good], y[good], before)
        if not (coefficients > 0).all():
            return None
        if settled and (np.log(coefficients / before) ** 2).sum() < 1e-6:
            return ParametricTrend(float(coefficients[0]), float(coefficients[1]))
    return None


def _local_trend(means: FloatArray, dispersions: FloatArray, levels: _Levels, size_factors: FloatArray) -> LocalTrend:
    """Fit log dispersion over log mean locally, and integrate the inverse standard deviation it implies.

    Args:
        means, dispersions: Of the genes that are looked at.
        levels: Of all genes: their largest value and their means set range and scale.
        size_factors: One per sample.

    Raises:
        Unusable: `too-few-genes`; `no-dispersion-trend` when the scale cannot be set.
    """
    fitted = local_regression.fit(np.log(means), np.log(dispersions), means)
    top = levels.top
    grid = np.sinh(np.arange(GRID_POINTS) * (math.asinh(top) / (GRID_POINTS - 1)))[1:]
    variance = np.exp(fitted.at(np.log(grid))) * grid**2 + (1.0 / size_factors).mean() * grid
    density = 1.0 / np.sqrt(variance)
    area = np.cumsum((grid[1:] - grid[:-1]) * (density[1:] + density[:-1]) / 2)
    spline = splines.curve(np.arcsinh((grid[1:] + grid[:-1]) / 2), area)
    low, high = np.quantile(levels.plain_means, [0.95, 0.999])
    if not 0 < low < high:
        raise Unusable(NO_DISPERSION_TREND, "The means of the genes do not set a scale.", "Use tmm or median-of-ratios.")
    at_low, at_high = splines.evaluate(spline, np.arcsinh(np.array([low, high])))
    scale = (math.log2(high) - math.log2(low)) / (at_high - at_low)
    return LocalTrend(float(scale), float(math.log2(low) - scale * at_low), top, spline)


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
