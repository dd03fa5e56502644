"""Intensity statistics, histograms and peaks after the IBSI reference manual (v11, chapters 3.2 to 3.5), and binning (2.7)."""

from __future__ import annotations

import numpy as np

from imaging.engine import kernels

Array = np.ndarray

STATISTICS = (
    "mean", "var", "skew", "kurt", "median", "min", "p10", "p90", "max", "iqr", "range", "mad", "rmad", "medad",
    "cov", "qcod", "energy", "rms",
)  # fmt: skip


def quantiles(values: Array, fractions: tuple[float, ...]) -> Array:
    """Quantiles of a vector of float64, between order statistics as NumPy's default (linear) takes them.

    Only the values near them are sorted: a first pass counts values in buckets, a second keeps those of the few needed.
    """
    position = (len(values) - 1) * np.array(fractions)
    below = np.floor(position).astype(np.int64)
    t = position - below
    a, b = _order_statistics(values, np.stack([below, np.minimum(below + 1, len(values) - 1)]))
    # From the nearer end, as NumPy does, so that rounding is the same.
    return np.where(t < 0.5, a + (b - a) * t, b - (b - a) * (1 - t))


_SORTED, _BUCKETS = 8192, 4096
"""Vectors up to this length are sorted; longer ones are divided into so many buckets."""


def _order_statistics(values: Array, ranks: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    with np.errstate(divide="ignore", over="ignore"):
        scale = float((_BUCKETS - 1) / np.float64(high - low))
    if len(values) <= _SORTED or not np.isfinite(scale):
        return np.asarray(np.sort(values)[ranks])
    counts = kernels.bucket_counts(values, low, scale, _BUCKETS)
    ends = np.cumsum(counts)
    bucket = np.searchsorted(ends, ranks, side="right")
    wanted = np.zeros(_BUCKETS, dtype=bool)
    wanted[bucket] = True
    kept = np.sort(kernels.in_buckets(values, low, scale, wanted, int(counts[wanted].sum())))
    return np.asarray(kept[ranks - np.cumsum(np.where(wanted, 0, counts))[bucket]])


def statistics(values: Array) -> dict[str, float]:
    """The eighteen statistics of `STATISTICS` of a vector with at least one value.

    Of one single intensity skewness and excess kurtosis are 0, as IBSI sets them; ratios to a zero are NaN.
    """
    n = len(values)
    mean = values.mean()
    absolute, second, third, fourth = kernels.central_sums(values, mean)
    variance = second / n
    p10, p25, median, p75, p90 = quantiles(values, (0.1, 0.25, 0.5, 0.75, 0.9))
    low, high = values.min(), values.max()
    flat = low == high
    energy = float(values @ values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "mean": float(mean),
            "var": 0.0 if flat else float(variance),
            "skew": 0.0 if flat else float(third / n / variance**1.5),
            "kurt": 0.0 if flat else float(fourth / n / variance**2 - 3),
            "median": float(median),
            "min": float(low),
            "p10": float(p10),
            "p90": float(p90),
            "max": float(high),
            "iqr": float(p75 - p25),
            "range": float(high - low),
            "mad": float(absolute / n),
            "rmad": float(kernels.deviation_within(values, p10, p90)),
            "medad": float(kernels.central_sums(values, median)[0] / n),
            "cov": float(np.sqrt(variance) / mean) if mean != 0 else float("nan"),
            "qcod": float((p75 - p25) / (p75 + p25)) if p75 + p25 != 0 else float("nan"),
            "energy": energy,
            "rms": float(np.sqrt(energy / n)),
        }


def histogram_features(levels: Array, n_levels: int) -> dict[str, float]:
    """Features of the discretised intensities (whole numbers from 1 to `n_levels`)."""
    counts = np.bincount(levels, minlength=n_levels + 1)[1:].astype(float)
    p = counts[counts > 0] / len(levels)
    basic = statistics(levels.astype(float))
    features = {name: basic[name] for name in STATISTICS if name not in ("energy", "rms")}
    # Of equally frequent levels IBSI takes the one nearest to the mean, the lower one of two.
    modes = np.nonzero(counts == counts.max())[0] + 1
    features["mode"] = float(modes[np.argmin(np.abs(modes - basic["mean"]))])
    features["entropy"] = float(-(p * np.log2(p)).sum()) + 0.0
    features["uniformity"] = float((p * p).sum())
    gradient = np.gradient(counts) if n_levels > 1 else np.zeros(1)
    features["max_grad"] = float(gradient.max())
    features["max_grad_g"] = float(np.argmax(gradient) + 1)
    features["min_grad"] = float(gradient.min())
    features["min_grad_g"] = float(np.argmin(gradient) + 1)
    return features


def volume_histogram_features(intensities: Array, first: float, last: float, step: float) -> dict[str, float]:
    """Features of the intensity-volume histogram.

    Args:
        intensities: Intensities, already discretised where asked for.
        first: Lowest intensity of the axis.
        last: Highest.
        step: Distance of intensities on the axis.
    """
    n_steps = max(round((last - first) / step), 0)
    axis = first + step * np.arange(n_steps + 1)
    # Last place of the axis that each intensity reaches; a millionth of a step guards against rounding.
    reached = np.clip(np.floor((intensities - first) / step + 1e-6).astype(np.int64), -1, n_steps)
    # Volume fraction with at least this intensity.
    fraction = np.cumsum(np.bincount(reached + 1, minlength=n_steps + 2)[:0:-1])[::-1] / len(intensities)
    gamma = (axis - axis[0]) / (axis[-1] - axis[0]) if n_steps else np.zeros(1)

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

    Args:
        values: Intensities in the region.
        method: `fbn`, `fbs` or `none`.
        bins: Number of bins for `fbn`; they span minimum to maximum.
        bin_size: Width for `fbs`.
        lower: Lower bound of the first bin for `fbs`; the minimum when None.
    """
    if method == "fbn":
        low, high = values.min(), values.max()
        if low == high:
            return np.ones(len(values), dtype=np.int64), 1
        levels = np.minimum(np.floor(bins * (values - low) / (high - low)).astype(np.int64) + 1, bins)
        return levels, bins
    if method == "fbs":
        low = values.min() if lower is None else lower
        levels = np.maximum(np.floor((values - low) / bin_size).astype(np.int64) + 1, 1)
        return levels, int(levels.max())
    levels = np.round(values).astype(np.int64)
    if not np.array_equal(levels, values):
        raise ValueError("discretisation none needs whole-numbered intensities; choose fbn or fbs")
    if levels.min() < 1:
        levels = levels - levels.min() + 1
    return levels, int(levels.max())


def sphere_rows(spacing: Array, radius: float) -> Array:
    """Half width along x, in voxels, of a sphere for each offset (z, y); -1 where the sphere does not reach."""
    reach = [int(np.floor(radius / s + 1e-9)) for s in spacing]
    z = np.arange(-reach[0], reach[0] + 1) * spacing[0]
    y = np.arange(-reach[1], reach[1] + 1) * spacing[1]
    left = radius**2 - z[:, None] ** 2 - y[None, :] ** 2
    return np.where(left >= -1e-9, np.floor(np.sqrt(np.maximum(left, 0)) / spacing[2] + 1e-9), -1).astype(np.int64)
