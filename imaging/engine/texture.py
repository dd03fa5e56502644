"""Texture features from matrices of counts, after the IBSI reference manual (v11, chapters 3.6 to 3.11).

Matrices come as counts. The formulas of PyRadiomics that differ (a small constant inside logarithms, other normalisers)
are in `pyradiomics_features`.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine.compiled import value_sums

Array = np.ndarray

EMPHASIS = (
    "short", "long", "low", "high", "short_low", "short_high", "long_low", "long_high",
    "level_nonuniformity", "level_nonuniformity_normalised", "length_nonuniformity", "length_nonuniformity_normalised",
    "percentage", "level_variance", "length_variance", "entropy",
)  # fmt: skip
"""The sixteen features that run length, size zone, distance zone and dependence matrices share, in order."""


def steps_between(dimensions: int, distance: int = 1) -> Array:
    """Half of the steps (z, y, x) of one Chebyshev `distance`, one of each opposite pair: 13 in 3 `dimensions`, 4 in a slice.

    >>> len(steps_between(3)), len(steps_between(2))
    (13, 4)
    """
    reach = range(-distance, distance + 1)
    steps = [
        (z, y, x)
        for z in (reach if dimensions == 3 else (0,))
        for y in reach
        for x in reach
        if max(abs(z), abs(y), abs(x)) == distance and (z, y, x) > (0, 0, 0)
    ]
    return np.array(steps, dtype=np.int64)


def padded(levels: Array, width: int = 1) -> Array:
    """Return grey levels (z, y, x) as uint16 with zeros, `width` of them, around them.

    >>> padded(np.ones((1, 1, 1))).shape
    (3, 3, 3)
    """
    out = np.zeros(tuple(n + 2 * width for n in levels.shape), dtype=np.uint16)
    out[width:-width, width:-width, width:-width] = levels
    return out


def nonzero_counts(table: Array, second: Array | None = None) -> tuple[Array, Array, Array]:
    """Levels, lengths and counts of the non-zero entries of a table whose indices start from level 1 and length 1.

    `second` are the lengths of the columns, where they are not 1, 2, 3, ...

    >>> [part.tolist() for part in nonzero_counts(np.array([[0, 2], [1, 0]]))]
    [[1.0, 2.0], [2.0, 1.0], [2.0, 1.0]]
    """
    i, j = np.nonzero(table)
    lengths = (j + 1.0) if second is None else second[j]
    return i + 1.0, lengths, table[i, j].astype(float)


_SHORT = 64
_LONG = 4096
"""Up to this length or size entries are summed in a table, beyond it they are sorted."""


def grouped_counts(i: Array, j: Array) -> tuple[Array, Array, Array]:
    """Distinct pairs (i, j) of integers from 0, in order, with their numbers of occurrence.

    Most zones are small: those are counted in a table, and only the others are sorted.

    >>> [part.tolist() for part in grouped_counts(np.array([1, 1, 2]), np.array([0, 0, 3]))]
    [[1.0, 2.0], [0.0, 3.0], [2.0, 1.0]]
    """
    base = max(int(j.max()) + 1, _SHORT)
    short = j < _SHORT
    table = np.bincount(i[short] * _SHORT + j[short])
    place = np.nonzero(table)[0]
    pairs, counts = np.unique(i[~short] * base + j[~short], return_counts=True)
    pairs = np.concatenate([place // _SHORT * base + place % _SHORT, pairs])
    counts = np.concatenate([table[place], counts])
    order = np.argsort(pairs)
    pairs, counts = pairs[order], counts[order]
    return (pairs // base).astype(float), (pairs % base).astype(float), counts.astype(float)


def emphasis(i: Array, j: Array, counts: Array, voxels: float, constant: float = 0.0) -> Array:
    """The sixteen features named in `EMPHASIS`.

    Args:
        i: Grey level of each entry.
        j: Length, size, distance or number of dependences of each entry.
        counts: Occurrences of each entry, positive.
        voxels: What the percentage is relative to.
        constant: Added inside the logarithm (PyRadiomics).

    Returns:
        Sixteen values; NaN when there is no entry.
    """
    n = counts.sum()
    if n == 0:
        return np.full(len(EMPHASIS), np.nan)
    by_level = np.bincount(i.astype(np.int64), counts)
    if j.max() <= _LONG:
        by_length = np.bincount(j.astype(np.int64), counts)
    else:
        by_length = np.bincount(np.unique(j, return_inverse=True)[1], counts)
    levels, lengths = float(by_level @ by_level), float(by_length @ by_length)
    sums, spread = value_sums.emphasis_sums(i, j, counts, n, constant)
    middle = np.array([levels, levels / n, lengths, lengths / n, n * n / voxels])
    return np.concatenate([np.concatenate([sums, middle]) / n, spread])


GLCM = (
    "joint_max", "joint_avg", "joint_var", "joint_entr", "diff_avg", "diff_var", "diff_entr", "sum_avg", "sum_var",
    "sum_entr", "energy", "contrast", "dissimilarity", "inv_diff", "inv_diff_norm", "inv_diff_mom", "inv_diff_mom_norm",
    "inv_var", "corr", "auto_corr", "clust_tend", "clust_shade", "clust_prom", "info_corr1", "info_corr2",
)  # fmt: skip
"""Co-occurrence features, in order; a column is `cm_<name>_<aggregation>`."""


def glcm(counts: Array, n_levels: int) -> Array:
    """Features of one symmetric co-occurrence matrix.

    Args:
        counts: (n, n) counts in one direction; made symmetric here.
        n_levels: Number of grey levels of the region, for the normalised inverse differences.

    Returns:
        Values in the order of `GLCM`; NaN when the matrix is empty.
    """
    n = counts.sum()
    if n == 0:
        return np.full(len(GLCM), np.nan)
    i, j = np.nonzero(counts + counts.T)
    p = (counts + counts.T)[i, j] / (2.0 * n)
    a, b = i + 1.0, j + 1.0
    marginal = np.bincount(i, p, minlength=len(counts))
    difference = np.bincount(np.abs(i - j), p)
    total = np.bincount(i + j, p)
    k = np.arange(len(difference), dtype=float)
    s = np.arange(len(total)) + 2.0
    mean = (p * a).sum()
    variance = (p * (a - mean) ** 2).sum()
    diff_avg, sum_avg = (k * difference).sum(), (s * total).sum()
    hxy = _entropy(p)
    hx = _entropy(marginal)
    product = marginal[i] * marginal[j]
    hxy1 = -(p * np.log2(product)).sum()
    # Entropy of the product of two equal marginals is twice theirs.
    hxy2 = 2 * hx
    centred = a + b - 2 * mean
    return np.array(
        [
            p.max(),
            mean,
            variance,
            hxy,
            diff_avg,
            ((k - diff_avg) ** 2 * difference).sum(),
            _entropy(difference),
            sum_avg,
            ((s - sum_avg) ** 2 * total).sum(),
            _entropy(total),
            (p * p).sum(),
            (k**2 * difference).sum(),
            diff_avg,
            (difference / (1 + k)).sum(),
            (difference / (1 + k / n_levels)).sum(),
            (difference / (1 + k**2)).sum(),
            (difference / (1 + k**2 / n_levels**2)).sum(),
            (difference[1:] / k[1:] ** 2).sum(),
            ((a - mean) * (b - mean) * p).sum() / variance if variance > 0 else 1.0,
            (a * b * p).sum(),
            (centred**2 * p).sum(),
            (centred**3 * p).sum(),
            (centred**4 * p).sum(),
            (hxy - hxy1) / hx if hx > 0 else 0.0,
            np.sqrt(max(0.0, 1 - np.exp(-2 * (hxy2 - hxy)))),
        ]
    )


def _entropy(p: Array) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


NGTDM = ("coarseness", "contrast", "busyness", "complexity", "strength")
"""Features of the neighbourhood grey tone difference matrix, in order."""


def ngtdm(voxels: Array, differences: Array) -> Array:
    """Features of one neighbourhood grey tone difference matrix.

    Args:
        voxels: Number of voxels of each level that have a neighbour, from level 1.
        differences: Sum of absolute differences of each level.
    """
    present = np.nonzero(voxels)[0]
    n = voxels.sum()
    if n == 0:
        return np.full(len(NGTDM), np.nan)
    i = present + 1.0
    p = voxels[present] / n
    s = differences[present].astype(float)
    ps = (p * s).sum()
    gap = i[:, None] - i[None, :]
    levels = len(i)
    spread = np.abs((i * p)[:, None] - (i * p)[None, :]).sum()
    weighted = (p * s)[:, None] + (p * s)[None, :]
    either = p[:, None] + p[None, :]
    return np.array(
        [
            1 / ps if ps > 0 else 1e6,
            (p[:, None] * p[None, :] * gap**2).sum() / (levels * (levels - 1)) * s.sum() / n if levels > 1 else 0.0,
            ps / spread if spread > 0 else 0.0,
            (np.abs(gap) * weighted / either).sum() / n,
            (either * gap**2).sum() / s.sum() if s.sum() > 0 else 0.0,
        ]
    )
