"""Features in PyRadiomics' definitions and names (PyRadiomics 3; the oracle of the tests is pyradiomics-cuda 1.0.4).

Where PyRadiomics adds a small constant inside logarithms, removes absent grey levels or empty directions, this does so
too; sums that can cancel are taken over arrays of the same layout, so that rounding is the same.
"""

from __future__ import annotations

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.engine import intensity, texture
from unibase.imaging.engine.compiled import texture_counts, value_sums
from unibase.imaging.engine.maximal_correlation import EPSILON, maximal_correlation
from unibase.imaging.engine.options import Values
from unibase.imaging.engine.setting import Setting

Array = np.ndarray

DEPRECATED = {
    "firstorder": ("StandardDeviation",),
    "shape": ("Compactness1", "Compactness2", "SphericalDisproportion"),
    "shape2D": ("SphericalDisproportion",),
}
"""Features that are computed only when asked for by name."""

_RUN = (
    "ShortRunEmphasis", "LongRunEmphasis", "LowGrayLevelRunEmphasis", "HighGrayLevelRunEmphasis",
    "ShortRunLowGrayLevelEmphasis", "ShortRunHighGrayLevelEmphasis", "LongRunLowGrayLevelEmphasis",
    "LongRunHighGrayLevelEmphasis", "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "RunLengthNonUniformity",
    "RunLengthNonUniformityNormalized", "RunPercentage", "GrayLevelVariance", "RunVariance", "RunEntropy",
)  # fmt: skip
_ZONE = (
    "SmallAreaEmphasis", "LargeAreaEmphasis", "LowGrayLevelZoneEmphasis", "HighGrayLevelZoneEmphasis",
    "SmallAreaLowGrayLevelEmphasis", "SmallAreaHighGrayLevelEmphasis", "LargeAreaLowGrayLevelEmphasis",
    "LargeAreaHighGrayLevelEmphasis", "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized", "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized", "ZonePercentage", "GrayLevelVariance", "ZoneVariance", "ZoneEntropy",
)  # fmt: skip
_DEPENDENCE = (
    "SmallDependenceEmphasis", "LargeDependenceEmphasis", "LowGrayLevelEmphasis", "HighGrayLevelEmphasis",
    "SmallDependenceLowGrayLevelEmphasis", "SmallDependenceHighGrayLevelEmphasis", "LargeDependenceLowGrayLevelEmphasis",
    "LargeDependenceHighGrayLevelEmphasis", "GrayLevelNonUniformity", None, "DependenceNonUniformity",
    "DependenceNonUniformityNormalized", None, "GrayLevelVariance", "DependenceVariance", "DependenceEntropy",
)  # fmt: skip
_TONE = ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")


def angles(shape: tuple[int, ...], distances: list[int], planar: bool) -> Array:
    """Steps (z, y, x) of PyRadiomics at `distances`: one of each opposite pair, no longer than the box of this `shape`.

    `planar`: none along axis 0.

    >>> len(angles((5, 5, 5), [1], planar=False)), len(angles((5, 5, 5), [1], planar=True))
    (13, 4)
    """
    reach = max(distances)
    span = range(reach, -reach - 1, -1)
    steps = [
        (z, y, x)
        for z in ((0,) if planar else range(reach, -1, -1))
        for y in span
        for x in span
        if (z, y, x) > (0, 0, 0)
        and max(abs(z), abs(y), abs(x)) in distances
        and abs(z) < shape[0]
        and abs(y) < shape[1]
        and abs(x) < shape[2]
    ]
    return np.array(steps, dtype=np.int64).reshape(-1, 3)


def _bin_edges(values: Array, settings: Setting) -> Array:
    """Edges of the bins, in the number type of the values, as PyRadiomics has it."""
    width, count = settings.get("binWidth", 25), settings.get("binCount")
    if count is not None:
        try:
            edges = np.histogram_bin_edges(values, count)
        except ValueError:
            # Intensities that differ by rounding only, as a filter leaves them in a constant region; PyRadiomics stops too.
            raise Unusable(
                reasons.RANGE_TOO_NARROW_FOR_BINS,
                "The intensities of an image type differ by rounding errors only, and binCount cannot divide their range.",
                "Use binWidth, or leave that image type out.",
            ) from None
        edges[-1] += 1
        return edges
    low, high = values.min(), values.max()
    if values.dtype.kind in "iu":
        # PyRadiomics adds two bins in the number type of the image: under NumPy 2 an 8-bit image turns round at 255.
        low, high = int(low), int(high)
    edges = np.arange(low - low % width, high + 2 * width, width)
    return np.array([edges[0] - 0.5, edges[0] + 0.5]) if len(edges) == 1 else edges


def grey_levels(values: Array, settings: Setting) -> tuple[Array, Array]:
    """Levels from 1 (uint16) of `values` (voxels,), and how often each level occurs (int64, from level 0), by `settings`."""
    edges = _bin_edges(values, settings)
    levels, counts = value_sums.digitise(values.astype(np.float64), edges.astype(np.float64))
    return levels, counts


def first_order(values: Array, occurrences: Array, spacing: Array, settings: Setting) -> Values:
    """First-order features of `values` (voxels,); `occurrences` of levels give entropy and uniformity.

    `spacing` is (z, y, x) in mm; `settings` are those in force for the image type.
    """
    x = values.astype(np.float64)
    n = float(len(x))
    p = occurrences[occurrences > 0] / n
    shifted = x + settings.get("voxelArrayShift", 0)
    energy = np.sum(shifted**2)
    p10, p25, median, p75, p90 = intensity.quantiles(x, (0.1, 0.25, 0.5, 0.75, 0.9))
    low, high = x.min(), x.max()
    # NumPy's sum, whose rounding decides whether equal intensities differ from their mean.
    mean = np.sum(x) / n
    absolute, m2, m3, m4 = value_sums.central_sums(x, mean) / n
    flat = m2 == 0
    features = {
        "Energy": energy,
        "TotalEnergy": energy * np.multiply.reduce(spacing[::-1]),
        "Entropy": -np.sum(p * np.log2(p + EPSILON)),
        "Minimum": low,
        "10Percentile": p10,
        "90Percentile": p90,
        "Maximum": high,
        "Mean": mean,
        "Median": median,
        "InterquartileRange": p75 - p25,
        "Range": high - low,
        "MeanAbsoluteDeviation": absolute,
        "RobustMeanAbsoluteDeviation": value_sums.deviation_within(x, p10, p90),
        "RootMeanSquared": np.sqrt(energy / n),
        "StandardDeviation": np.sqrt(m2),
        "Skewness": 0.0 if flat else m3 / m2**1.5,
        "Kurtosis": 0.0 if flat else m4 / m2**2.0,
        "Variance": m2,
        "Uniformity": np.sum(p**2),
    }
    return {name: float(value) for name, value in features.items()}


def grey_level_co_occurrence(counts: Array, present: Array, steps: Array, spacing: Array, settings: Setting) -> Values:
    """GLCM features, the mean over directions that hold a pair.

    Args:
        counts: Pairs (directions, n, n) of level and level one step further, among the n grey levels present.
        present: The grey levels present, ascending.
        steps: Directions (z, y, x).
        spacing: Voxel spacing in the order of their axes.
        settings: Global settings.
    """
    n = len(present)
    p = counts.transpose(1, 2, 0).astype(np.float64, order="C")
    # PyRadiomics picks levels from axis 0, then 1; the strides that leaves decide how sums round.
    p = p[None, np.arange(n), :, :][:, :, np.arange(n), :][0]
    if settings.get("symmetricalGLCM", True):
        p = p + p.transpose(1, 0, 2)
    norm = settings.get("weightingNorm")
    if norm is not None:
        size = np.abs(steps) * spacing
        weights = {
            "infinity": np.exp(-(size.max(axis=1) ** 2)) if len(steps) else np.ones(0),
            "euclidean": np.exp(-(size**2).sum(axis=1)),
            "manhattan": np.exp(-(size.sum(axis=1) ** 2)),
        }.get(norm, np.ones(len(steps)))
        p = np.sum(p * weights, axis=2, keepdims=True)
    total = p.sum(axis=(0, 1))
    if not total.any():
        # No two voxels are neighbours. PyRadiomics answers 1 for the correlation of one grey level before it looks.
        return dict.fromkeys(_GLCM, float("nan")) | ({"MCC": 1.0} if n == 1 and p.shape[2] != 1 else {})
    if not total.all():
        p, total = p[:, :, total > 0], total[total > 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        p = p / total
        return _glcm_values(p[None], present)


_GLCM = (
    "Autocorrelation", "JointAverage", "ClusterProminence", "ClusterShade", "ClusterTendency", "Contrast", "Correlation",
    "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance", "JointEnergy", "JointEntropy", "Imc1", "Imc2", "Idm",
    "MCC", "Idmn", "Id", "Idn", "InverseVariance", "MaximumProbability", "SumAverage", "SumEntropy", "SumSquares",
)  # fmt: skip


def _glcm_values(p: Array, present: Array) -> Values:
    """Features of matrices p (1, n, n, directions), each normalised to 1."""
    levels = int(present[-1])
    i = present.astype(float)[:, None]
    j = i.T
    directions = p.shape[3]
    flat = p[0].reshape(-1, directions)
    difference = value_sums.sum_by_group(np.abs(i - j).astype(np.int64).ravel(), flat, levels)
    total = value_sums.sum_by_group((i + j).astype(np.int64).ravel() - 2, flat, 2 * levels - 1)
    k = np.arange(levels, dtype=float)[:, None]
    s = np.arange(2, 2 * levels + 1, dtype=float)[:, None]
    px, py = p.sum(2, keepdims=True), p.sum(1, keepdims=True)
    hxy, imc1, imc2 = _information(p, px, py)
    ux = np.sum(i[None, :, :, None] * p, (1, 2), keepdims=True)
    uy = np.sum(j[None, :, :, None] * p, (1, 2), keepdims=True)
    centred = (i + j)[None, :, :, None] - ux - uy
    di, dj = i[None, :, :, None] - ux, j[None, :, :, None] - uy
    # What can cancel is summed in PyRadiomics' order, the rest in one pass.
    product, tendency, prominence, contrast, energy, spread_x, spread_y, largest = value_sums.pair_sums(
        np.ascontiguousarray(p[0]), present.astype(float), ux[0, 0, 0], uy[0, 0, 0]
    )
    sigma = spread_x**0.5 * spread_y**0.5
    correlation = np.sum(p * di * dj, (1, 2))[0] / (sigma + EPSILON)
    correlation[sigma == 0] = 1
    difference_average = np.sum(k * difference, 0)

    values = {
        "Autocorrelation": product,
        "JointAverage": ux,
        "ClusterProminence": prominence,
        "ClusterShade": np.sum(p * centred**2 * centred, (1, 2)),
        "ClusterTendency": tendency,
        "Contrast": contrast,
        "Correlation": correlation,
        "DifferenceAverage": difference_average,
        "DifferenceEntropy": -np.sum(difference * np.log2(difference + EPSILON), 0),
        "DifferenceVariance": np.sum(difference * (k - difference_average) ** 2, 0),
        "JointEnergy": energy,
        "JointEntropy": hxy,
        "Imc1": imc1,
        "Imc2": imc2,
        "Idm": np.sum(difference / (1 + k**2), 0),
        "MCC": maximal_correlation(p[0], px[0, :, 0], py[0, 0]),
        "Idmn": np.sum(difference / (1 + k**2 / levels**2), 0),
        "Id": np.sum(difference / (1 + k), 0),
        "Idn": np.sum(difference / (1 + k / levels), 0),
        "InverseVariance": np.sum(difference[1:] / k[1:] ** 2, 0),
        "MaximumProbability": largest,
        "SumAverage": np.sum(s * total, 0),
        "SumEntropy": -np.sum(total * np.log2(total + EPSILON), 0),
        "SumSquares": spread_x,
    }
    return {name: _nan_mean(np.asarray(value)) for name, value in values.items()}


def _information(p: Array, px: Array, py: Array) -> tuple[Array, Array, Array]:
    """Joint entropy and both informational measures of correlation of matrices p (1, n, n, directions) with their margins."""
    hxy = -1 * np.sum(p * np.log2(p + EPSILON), (1, 2))
    hx = -1 * np.sum(px * np.log2(px + EPSILON), (1, 2))
    hy = -1 * np.sum(py * np.log2(py + EPSILON), (1, 2))
    product = px * py
    logarithm = np.log2(product + EPSILON)
    hxy1 = -1 * np.sum(p * logarithm, (1, 2))
    hxy2 = -1 * np.sum(product * logarithm, (1, 2))
    widest = np.fmax(hx, hy)
    imc1 = hxy - hxy1
    imc1[widest != 0] /= widest[widest != 0]
    imc1[widest == 0] = 0
    imc2 = (1 - np.e ** (-2 * (hxy2 - hxy))) ** 0.5
    imc2[hxy2 == hxy] = 0
    return hxy, imc1, imc2


def _nan_mean(values: Array) -> float:
    values = values.ravel()
    values = values[~np.isnan(values)]
    return float(np.mean(values)) if len(values) else float("nan")


def without_short_lines(counts: Array, pairs: Array, levels: Array, steps: Array) -> Array:
    """Return the runs without those of directions in which no line holds two voxels.

    Args:
        counts: Runs (directions, n, lengths) of the n grey levels present; changed.
        pairs: Pairs of neighbours (directions, n, n).
        levels: uint16, padded by one.
        steps: Directions of distance 1.
    """
    for k in np.nonzero(~pairs.any(axis=(1, 2)))[0]:
        if not _two_on_a_line(levels, steps[k]):
            counts[k, :, 0] = 0
    return counts


def line_weights(steps: Array, spacing: Array, norm: object) -> Array | None:
    """Return what each direction weighs by `weightingNorm`, or None where directions are not weighed.

    Args:
        steps: Directions (n, 3) of distance 1.
        spacing: Voxel spacing in the order of the axes.
        norm: The setting: `infinity`, `euclidean`, `manhattan`; other words weigh all alike, as in PyRadiomics.
    """
    if norm is None:
        return None
    size: Array = np.abs(steps) * spacing
    weights: Array = np.ones(len(steps))
    if norm == "infinity":
        weights = size.max(axis=1, initial=0)
    elif norm == "euclidean":
        weights = np.sqrt((size**2).sum(axis=1))
    elif norm == "manhattan":
        weights = size.sum(axis=1)
    return weights


def grey_level_run_length(counts: Array, present: Array, weights: Array | None) -> Values:
    """GLRLM features, the mean over directions.

    Args:
        counts: Runs (directions, n, lengths) of the n grey levels present, see `without_short_lines`.
        present: The grey levels present.
        weights: Of each direction, see `line_weights`.
    """
    tables = [table for table in counts if table.any()] if weights is None else [np.einsum("k,kij->ij", weights, counts)]
    rows = []
    for table in tables:
        i, j, number = texture.nonzero_counts(table)
        if len(number) == 0:
            continue
        i = present[i.astype(np.int64) - 1].astype(float)
        rows.append(texture.emphasis(i, j, number, (number * j).sum(), EPSILON))
    if not rows:
        return dict.fromkeys(_RUN, float("nan"))
    return {name: float(value) for name, value in zip(_RUN, np.mean(rows, axis=0), strict=True)}


def _two_on_a_line(levels: Array, step: Array) -> bool:
    """Whether two voxels of the region lie on one line of a direction, with whatever between them."""
    where = np.argwhere(levels)
    axis = int(np.nonzero(step)[0][0])
    along = where[:, axis] * step[axis]
    lines = where - along[:, None] * step
    return len(np.unique(lines, axis=0)) < len(where)


def grey_level_size_zone(levels: Array, extents: Array, present: Array, planar: bool) -> Values:
    """GLSZM features; `levels` uint16 (z, y, x), padded by one, dense, with `extents` of its rows.

    `present` are the grey levels that occur; `planar` counts zones slice by slice.
    """
    level, size, _, _ = texture_counts.zones(levels, extents, planar)
    i, j, counts = texture.grouped_counts(level, size)
    i = present[i.astype(np.int64) - 1].astype(float)
    values = texture.emphasis(i, j, counts, size.sum(), EPSILON)
    return {name: float(value) for name, value in zip(_ZONE, values, strict=True)}


def neighbourhood(levels: Array, extents: Array, present: Array, steps: Array, alpha: int, reach: int) -> tuple[Values, Values]:
    """GLDM and NGTDM features, from one pass.

    Arrays of levels are (z, y, x), steps (n, 3).

    Args:
        levels: uint16, padded by `reach`: true grey levels, so that differences mean something.
        extents: Where its rows begin and end.
        present: The grey levels present.
        steps: Directions, one of each opposite pair.
        alpha: Largest difference of dependent levels.
        reach: Largest distance.
    """
    both = np.concatenate([steps, -steps])
    _, differences, dependence = texture_counts.neighbourhoods(levels, extents, both, reach, alpha, int(present[-1]), False)
    i, j, counts = texture.nonzero_counts(dependence[0])
    values = texture.emphasis(i, j, counts, counts.sum(), EPSILON)
    dependent = {name: float(value) for name, value in zip(_DEPENDENCE, values, strict=True) if name is not None}
    # PyRadiomics counts voxels without neighbours too, at no difference.
    tones = texture.ngtdm(dependence[0].sum(axis=1), differences[0])
    return dependent, {name: float(value) for name, value in zip(_TONE, tones, strict=True)}
