"""Intensity statistics, histograms and peaks after the IBSI reference manual (v11, chapters 3.2 to 3.5), and binning (2.7)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unibase.imaging.engine.compiled import value_sums
from unibase.imaging.engine.options import Values

Array = np.ndarray

STATISTICS = (
    "mean", "var", "skew", "kurt", "median", "min", "p10", "p90", "max", "iqr", "range", "mad", "rmad", "medad",
    "cov", "qcod", "energy", "rms",
)  # fmt: skip


def quantiles(values: Array, fractions: tuple[float, ...]) -> Array:
    """Quantiles at `fractions` of a vector of float64, between order statistics as NumPy's default (linear) takes them.

    Only the values near them are sorted: a first pass counts values in buckets, a second keeps those of the few needed.
    """
    return _between(len(values), fractions, lambda ranks: _order_statistics(values, ranks))


def _between(n: int, fractions: tuple[float, ...], order: Callable[[Array], Array]) -> Array:
    """Quantiles of n values, given a function from ranks (from 0) to order statistics."""
    position = (n - 1) * np.array(fractions)
    below = np.floor(position).astype(np.int64)
    t = position - below
    a, b = order(np.stack([below, np.minimum(below + 1, n - 1)]))
    # From the nearer end, as NumPy does, so that rounding is the same.
    found: Array = np.where(t < 0.5, a + (b - a) * t, b - (b - a) * (1 - t))
    return found


_SORTED, _BUCKETS = 8192, 4096
"""Vectors up to this length are sorted; longer ones are divided into so many buckets."""


def _order_statistics(values: Array, ranks: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    with np.errstate(divide="ignore", over="ignore"):
        scale = float((_BUCKETS - 1) / np.float64(high - low))
    if len(values) <= _SORTED or not np.isfinite(scale):
        return np.asarray(np.sort(values)[ranks])
    counts = value_sums.bucket_counts(values, low, scale, _BUCKETS)
    ends = np.cumsum(counts)
    bucket = np.searchsorted(ends, ranks, side="right")
    wanted = np.zeros(_BUCKETS, dtype=bool)
    wanted[bucket] = True
    kept = np.sort(value_sums.in_buckets(values, low, scale, wanted, int(counts[wanted].sum())))
    return np.asarray(kept[ranks - np.cumsum(np.where(wanted, 0, counts))[bucket]])


_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def statistics(values: Array) -> Values:
    """The eighteen statistics of `STATISTICS` of a vector, `values`, with at least one.

    Of one single intensity skewness and excess kurtosis are 0, as IBSI sets them; ratios to a zero are NaN.
    """
    n = len(values)
    mean = float(values.mean())
    levels = quantiles(values, _QUANTILES)
    features = _described(n, mean, value_sums.central_sums(values, mean), levels, (float(values.min()), float(values.max())))
    features["rmad"] = float(value_sums.deviation_within(values, levels[0], levels[-1]))
    features["medad"] = float(value_sums.central_sums(values, levels[2])[0] / n)
    features["energy"] = float(values @ values)
    features["rms"] = float(np.sqrt(features["energy"] / n))
    return features


def _described(n: int, mean: float, sums: Array, levels: Array, ends: tuple[float, float]) -> Values:
    """What follows from the mean, the central sums (see `value_sums.central_sums`), the quantiles and the ends of n values."""
    absolute, second, third, fourth = sums
    variance = second / n
    p10, p25, median, p75, p90 = levels
    low, high = ends
    flat = low == high
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "mean": mean,
            "var": 0.0 if flat else float(variance),
            "skew": 0.0 if flat else float(third / n / variance**1.5),
            "kurt": 0.0 if flat else float(fourth / n / variance**2 - 3),
            "median": float(median),
            "min": low,
            "p10": float(p10),
            "p90": float(p90),
            "max": high,
            "iqr": float(p75 - p25),
            "range": float(high - low),
            "mad": float(absolute / n),
            "cov": float(np.sqrt(variance) / mean) if mean != 0 else float("nan"),
            "qcod": float((p75 - p25) / (p75 + p25)) if p75 + p25 != 0 else float("nan"),
        }


def _counted_statistics(counts: Array) -> Values:
    """The statistics, but for energy and root mean square, of levels from 1 that occur so often."""
    level = np.nonzero(counts)[0] + 1.0
    number = counts[counts > 0]
    n = int(number.sum())
    mean = float(number @ level / n)
    distance = level - mean
    sums = np.array([number @ power for power in (np.abs(distance), distance**2, distance**3, distance**4)])
    ends = np.cumsum(number)
    quantile = _between(n, _QUANTILES, lambda ranks: level[np.searchsorted(ends, ranks, side="right")])
    features = _described(n, mean, sums, quantile, (float(level[0]), float(level[-1])))
    inside = (level >= quantile[0]) & (level <= quantile[-1])
    kept, often = level[inside], number[inside]
    total = often.sum()
    centre = often @ kept / total if total else float("nan")
    features["rmad"] = float(often @ np.abs(kept - centre) / total) if total else float("nan")
    features["medad"] = float(number @ np.abs(level - quantile[2]) / n)
    return features


def histogram_features(levels: Array, n_levels: int) -> Values:
    """Features of the discretised intensities, `levels` of shape (voxels,): whole numbers from 1 to `n_levels`.

    >>> histogram_features(np.array([1, 1, 2, 3]), 3)["mode"]
    1.0
    """
    counts = np.bincount(levels, minlength=n_levels + 1)[1:].astype(float)
    p = counts[counts > 0] / len(levels)
    features = _counted_statistics(counts)
    # Of equally frequent levels IBSI takes the one nearest to the mean, the lower one of two.
    modes = np.nonzero(counts == counts.max())[0] + 1
    features["mode"] = float(modes[np.argmin(np.abs(modes - features["mean"]))])
    features["entropy"] = float(-(p * np.log2(p)).sum()) + 0.0
    features["uniformity"] = float((p * p).sum())
    gradient = np.gradient(counts) if n_levels > 1 else np.zeros(1)
    features["max_grad"] = float(gradient.max())
    features["max_grad_g"] = float(np.argmax(gradient) + 1)
    features["min_grad"] = float(gradient.min())
    features["min_grad_g"] = float(np.argmin(gradient) + 1)
    return features


def volume_histogram_features(intensities: Array, first: float, last: float, step: float) -> Values:
    """Features of the intensity-volume histogram.

    Args:
        intensities: Intensities, already discretised where asked for.
        first: Lowest intensity of the axis.
        last: Highest.
        step: Distance of intensities on the axis.
    """
    n_steps = max(round((last - first) / step), 0)
    # Last place of the axis that each intensity reaches; a millionth of a step guards against rounding.
    reached = np.clip(np.floor((intensities - first) / step + 1e-6).astype(np.int64), -1, n_steps)
    return volume_features_of_counts(np.bincount(reached + 1, minlength=n_steps + 2)[1:], len(intensities), first, step)


def volume_features_of_counts(counts: Array, n: int, first: float, step: float) -> Values:
    """The same from the `counts` of voxels at each place of the axis (from `first` on, `step` apart), of n voxels in all."""
    axis = first + step * np.arange(len(counts))
    # Volume fraction with at least this intensity.
    fraction = np.cumsum(counts[::-1])[::-1] / n
    gamma = (axis - axis[0]) / (axis[-1] - axis[0]) if len(axis) > 1 else np.zeros(1)

    def volume_at(x: float) -> float:
        reached = np.nonzero(gamma >= x - 1e-12)[0]
        return float(fraction[reached[0]]) if len(reached) else 0.0

    def intensity_at(x: float) -> float:
        reached = np.nonzero(fraction <= x + 1e-12)[0]
        return float(axis[reached[0]]) if len(reached) else float(axis[-1] + step)

    v10, v90, i10, i90 = volume_at(0.1), volume_at(0.9), intensity_at(0.1), intensity_at(0.9)
    return {"v10": v10, "v90": v90, "i10": i10, "i90": i90, "diff_v10_v90": v10 - v90, "diff_i10_i90": i10 - i90}


def discretise(values: Array, method: str, bins: int, bin_size: float, lower: float | None) -> tuple[Array, int]:
    """Grey levels from 1, and the highest level.

    The values and the levels have the shape (voxels,).

    Args:
        values: Intensities in the region.
        method: `fbn`, `fbs` or `none`.
        bins: Number of bins for `fbn`; they span minimum to maximum.
        bin_size: Width for `fbs`.
        lower: Lower bound of the first bin for `fbs`; the minimum when None.

    Raises:
        ValueError: With `none`, if an intensity is not whole.

    >>> levels, highest = discretise(np.array([0.0, 24.0, 25.0, 60.0]), "fbs", 0, 25.0, 0.0)
    >>> levels.tolist(), highest
    ([1, 1, 2, 3], 3)
    """
    if method == "fbn":
        low, high = values.min(), values.max()
        if low == high:
            return np.ones(len(values), dtype=np.int64), 1
        return value_sums.bin_levels(values, low, float(bins), high - low, bins), bins
    if method == "fbs":
        low = values.min() if lower is None else lower
        levels = value_sums.bin_levels(values, float(low), 1.0, float(bin_size), np.iinfo(np.int64).max)
        return levels, int(levels.max())
    levels = np.round(values).astype(np.int64)
    if not np.array_equal(levels, values):
        raise ValueError("discretisation none needs whole-numbered intensities; choose fbn or fbs")
    if levels.min() < 1:
        levels = levels - levels.min() + 1
    return levels, int(levels.max())


def sphere_rows(spacing: Array, radius: float) -> Array:
    """Half width along x, in voxels, of a sphere of `radius` mm for each offset (z, y); -1 where it does not reach.

    `spacing` is (z, y, x) in mm.

    >>> sphere_rows(np.array([1.0, 1.0, 1.0]), 1.0).tolist()
    [[-1, 0, -1], [0, 1, 0], [-1, 0, -1]]
    """
    reach = [int(np.floor(radius / s + 1e-9)) for s in spacing]
    z = np.arange(-reach[0], reach[0] + 1) * spacing[0]
    y = np.arange(-reach[1], reach[1] + 1) * spacing[1]
    left = radius**2 - z[:, None] ** 2 - y[None, :] ** 2
    return np.where(left >= -1e-9, np.floor(np.sqrt(np.maximum(left, 0)) / spacing[2] + 1e-9), -1).astype(np.int64)
