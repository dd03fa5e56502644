"""Compiled loops over the values of a region: bins, moments, buckets and sums by group.

Compiled once per machine and kept on disk; see `imaging.engine.compiled.machine_code`.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine.compiled.machine_code import compiled

LANES = 512
"""Sums over many values are kept in so many parts: one vector instruction adds to several, and rounding errors stay small."""


@compiled
def total(values: np.ndarray) -> float:
    """Sum of `values` (n,), one after the other. NumPy's own `sum` takes ten times as long to compile."""
    found = 0.0
    for k in range(len(values)):
        found += values[k]
    return found


@compiled
def row_totals(parts: np.ndarray) -> np.ndarray:
    """Sum of each row of `parts` (n, m), shape (n,); see `total`."""
    out = np.empty(len(parts))
    for row in range(len(parts)):
        out[row] = total(parts[row])
    return out


@compiled
def digitise(values: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of edges not above each value, as `numpy.digitize`: a guess from the mean width, corrected at the edges.

    Returns:
        uint16 of the length of the values, and how often each number occurs (int64, one more than edges).
    """
    out = np.empty(len(values), dtype=np.uint16)
    n = len(edges)
    counts = np.zeros(n + 1, dtype=np.int64)
    scale = (n - 1) / (edges[n - 1] - edges[0])
    for k in range(len(values)):
        v = values[k]
        i = int((v - edges[0]) * scale)
        i = min(max(i, 0), n - 1)
        while i + 1 < n and edges[i + 1] <= v:
            i += 1
        while i >= 0 and edges[i] > v:
            i -= 1
        out[k] = i + 1
        counts[i + 1] += 1
    return out, counts


@compiled
def bin_levels(values: np.ndarray, low: float, factor: float, divisor: float, top: int) -> np.ndarray:
    """Grey level (int64) of `values` (n,): 1 and the whole part of `factor` times the distance to `low` over `divisor`.

    It is at least 1, at most `top`.
    """
    out = np.empty(len(values), dtype=np.int64)
    for k in range(len(values)):
        level = int(np.floor(factor * (values[k] - low) / divisor)) + 1
        out[k] = min(max(level, 1), top)
    return out


@compiled
def central_sums(values: np.ndarray, mean: float) -> np.ndarray:
    """Sums over `values` (n,) of the absolute difference to `mean`, and of its second, third and fourth power."""
    parts = np.zeros((4, LANES))
    first, second, third, fourth = parts[0], parts[1], parts[2], parts[3]
    for start in range(0, len(values), LANES):
        row = values[start : start + LANES]
        for k in range(len(row)):
            d = row[k] - mean
            square = d * d
            first[k] += abs(d)
            second[k] += square
            third[k] += square * d
            fourth[k] += square * square
    found: np.ndarray = row_totals(parts)
    return found


@compiled
def deviation_within(values: np.ndarray, low: float, high: float) -> float:
    """Mean absolute deviation from their mean of the `values` (n,) from `low` to `high`; NaN when there are none."""
    sums, counts = np.zeros(LANES), np.zeros(LANES)
    for start in range(0, len(values), LANES):
        row = values[start : start + LANES]
        for k in range(len(row)):
            inside = low <= row[k] <= high
            sums[k] += row[k] if inside else 0.0
            counts[k] += 1.0 if inside else 0.0
    number = total(counts)
    if number == 0:
        return np.nan
    mean = total(sums) / number
    sums[:] = 0
    for start in range(0, len(values), LANES):
        row = values[start : start + LANES]
        for k in range(len(row)):
            sums[k] += abs(row[k] - mean) if low <= row[k] <= high else 0.0
    found: float = total(sums) / number
    return found


@compiled
def bucket_counts(values: np.ndarray, low: float, scale: float, n_buckets: int) -> np.ndarray:
    """Number of `values` (n,) in each of `n_buckets`; a value's bucket is its whole distance to `low`, times `scale`."""
    counts = np.zeros(n_buckets, dtype=np.int64)
    for k in range(len(values)):
        counts[min(int((values[k] - low) * scale), n_buckets - 1)] += 1
    return counts


@compiled
def in_buckets(values: np.ndarray, low: float, scale: float, wanted: np.ndarray, number: int) -> np.ndarray:
    """The `values` (n,), `number` of them, whose bucket (by `low` and `scale`, see `bucket_counts`) is `wanted` (bool)."""
    out = np.empty(number + 1)
    n = 0
    for k in range(len(values)):
        out[n] = values[k]
        n += 1 if wanted[min(int((values[k] - low) * scale), len(wanted) - 1)] else 0
    return out[:number]


@compiled
def sum_by_group(group: np.ndarray, rows: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum of the rows (n, d) of each group (n,), shape (n_groups, d)."""
    out = np.zeros((n_groups, rows.shape[1]))
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            out[group[r], c] += rows[r, c]
    return out


@compiled
def emphasis_sums(i: np.ndarray, j: np.ndarray, counts: np.ndarray, n: float, constant: float) -> tuple[np.ndarray, np.ndarray]:
    """What the features of emphasis sum over entries: level `i`, length `j` and occurrences, each float64 (entries,).

    `n` is the sum of `counts`; `constant` is added inside the logarithm.

    Returns:
        The sums of counts times 1/j2, j2, 1/i2, i2, 1/(i2 j2), i2/j2, j2/i2 and i2 j2 (8,); and the variance of levels, that
        of lengths, and the entropy (3,).
    """
    sums = np.zeros(8)
    mean_i, mean_j = 0.0, 0.0
    for k in range(len(i)):
        a, b, c = i[k] * i[k], j[k] * j[k], counts[k]
        sums[0] += c / b
        sums[1] += c * b
        sums[2] += c / a
        sums[3] += c * a
        sums[4] += c / (a * b)
        sums[5] += c * a / b
        sums[6] += c * b / a
        sums[7] += c * (a * b)
        mean_i += c * i[k]
        mean_j += c * j[k]
    mean_i /= n
    mean_j /= n
    spread = np.zeros(3)
    for k in range(len(i)):
        p = counts[k] / n
        spread[0] += p * (i[k] - mean_i) ** 2
        spread[1] += p * (j[k] - mean_j) ** 2
        spread[2] -= p * np.log2(p + constant)
    return sums, spread


@compiled
def pair_sums(p: np.ndarray, levels: np.ndarray, ux: np.ndarray, uy: np.ndarray) -> np.ndarray:
    """What co-occurrence features sum without terms that cancel, in one pass; zeros are passed over.

    Args:
        p: Probabilities of pairs (n, n, directions).
        levels: float64 (n,).
        ux, uy: Means of the first and of the second level, per direction.

    Returns:
        float64 (8, directions): sums of p times i j, (i + j - ux - uy)^2 and ^4, (i - j)^2, p, (i - ux)^2 and (j - uy)^2; and
        the largest p.
    """
    n, _, directions = p.shape
    out = np.zeros((8, directions))
    for a in range(n):
        for b in range(n):
            i, j = levels[a], levels[b]
            row = p[a, b]
            product, contrast = i * j, (i - j) * (i - j)
            for d in range(directions):
                q = row[d]
                if q == 0:
                    continue
                di, dj = i - ux[d], j - uy[d]
                square = (di + dj) * (di + dj)
                out[0, d] += q * product
                out[1, d] += q * square
                out[2, d] += q * square * square
                out[3, d] += q * contrast
                out[4, d] += q * q
                out[5, d] += q * di * di
                out[6, d] += q * dj * dj
                out[7, d] = max(out[7, d], q)
    return out
