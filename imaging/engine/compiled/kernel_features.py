"""Compiled features of the small region around each voxel, in PyRadiomics' definitions (`pyradiomics_features`).

A kernel holds a few voxels and fewer grey levels, so every matrix is as small as what the kernel holds: levels are ranks in the
kernel, and what the whole region decides (how many levels there are) comes as a number.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine.compiled.machine_code import compiled

_EPSILON = float(np.spacing(1))
_DEPENDENCE = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15])
"""Which of the sixteen features of `emphasis` GLDM has."""


@compiled
def describe(
    values: np.ndarray, levels: np.ndarray, where: np.ndarray, reach: np.ndarray, steps: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    """Features of the kernel around each voxel.

    Args:
        values: float64 (z, y, x), padded by the reach.
        levels: uint16 of the same shape, 0 where no voxel counts.
        where: int64 (n, 3), the voxels in these arrays.
        reach: int64 (3,), voxels on each side of the kernel.
        steps: int64 (k, 3), directions of distance 1, one of each opposite pair.
        numbers: float64 (5,): grey levels of the whole region (the highest), distinct ones, `gldm_a`, `voxelArrayShift`, and
            1 for symmetrical co-occurrence.

    Returns:
        float64 (n, 93); NaN where a feature has no value in a kernel.
    """
    out = np.full((len(where), 93), np.nan)
    depth, height, width = 2 * reach[0] + 1, 2 * reach[1] + 1, 2 * reach[2] + 1
    ranks = np.zeros((depth + 2, height + 2, width + 2), dtype=np.int64)
    for v in range(len(where)):
        z, y, x = where[v, 0] - reach[0], where[v, 1] - reach[1], where[v, 2] - reach[2]
        kernel = levels[z : z + depth, y : y + height, x : x + width]
        present = _ranked(kernel, ranks)
        inside = _inside(values[z : z + depth, y : y + height, x : x + width], kernel)
        _first_order(inside, ranks, len(present), numbers[3], out[v])
        _co_occurrence(ranks, present, steps, numbers, out[v])
        _runs(ranks, present, steps, out[v])
        _zones(ranks, present, steps, out[v])
        _neighbours(ranks, present, steps, numbers[2], out[v])
    return out


@compiled
def _ranked(kernel: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Levels present in a kernel, ascending; their ranks from 1 go into `ranks`, which is one wider on each side."""
    present = np.unique(kernel)
    present = present[present > 0].astype(np.float64)
    for z in range(kernel.shape[0]):
        for y in range(kernel.shape[1]):
            for x in range(kernel.shape[2]):
                level = kernel[z, y, x]
                ranks[z + 1, y + 1, x + 1] = np.searchsorted(present, level) + 1 if level else 0
    return present


@compiled
def _inside(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    out = np.empty(kernel.size)
    n = 0
    for z in range(kernel.shape[0]):
        for y in range(kernel.shape[1]):
            for x in range(kernel.shape[2]):
                if kernel[z, y, x]:
                    out[n] = values[z, y, x]
                    n += 1
    return out[:n]


@compiled
def _percentile(ordered: np.ndarray, share: float) -> float:
    """Linear percentile of ascending values, as NumPy rounds it."""
    place = (len(ordered) - 1) * share
    low = int(np.floor(place))
    high = min(low + 1, len(ordered) - 1)
    part, step = place - low, ordered[high] - ordered[low]
    found: float = ordered[high] - step * (1 - part) if part >= 0.5 else ordered[low] + step * part
    return found


@compiled
def _first_order(values: np.ndarray, ranks: np.ndarray, distinct: int, shift: float, out: np.ndarray) -> None:
    """The eighteen first-order features of `values` (n,), in the order of their columns; TotalEnergy lacks the voxel's volume."""
    n = len(values)
    counts = np.zeros(distinct + 1)
    for rank in ranks.ravel():
        counts[rank] += 1
    entropy, uniformity = 0.0, 0.0
    for rank in range(1, distinct + 1):
        p = counts[rank] / n
        entropy -= p * np.log2(p + _EPSILON)
        uniformity += p * p
    ordered = np.sort(values)
    p10, p90 = _percentile(ordered, 0.1), _percentile(ordered, 0.9)
    energy = ((values + shift) ** 2).sum()
    mean = values.mean()
    away = values - mean
    m2, m3, m4 = (away**2).mean(), (away**3).mean(), (away**4).mean()
    out[0], out[1], out[2], out[3], out[4], out[5] = energy, energy, entropy, ordered[0], p10, p90
    out[6], out[7], out[8] = ordered[n - 1], mean, _percentile(ordered, 0.5)
    out[9], out[10] = _percentile(ordered, 0.75) - _percentile(ordered, 0.25), ordered[n - 1] - ordered[0]
    out[11] = np.abs(away).mean()
    robust = values[(values >= p10) & (values <= p90)]
    out[12] = np.abs(robust - robust.mean()).mean() if len(robust) else np.nan
    out[13] = np.sqrt(energy / n)
    out[14] = 0.0 if m2 == 0 else m3 / m2**1.5
    out[15] = 0.0 if m2 == 0 else m4 / m2**2
    out[16], out[17] = m2, uniformity


@compiled
def _co_occurrence(ranks: np.ndarray, present: np.ndarray, steps: np.ndarray, numbers: np.ndarray, out: np.ndarray) -> None:
    """The 24 GLCM features, the mean over the directions that hold a pair and give a value."""
    sums, counted, one = np.zeros(24), np.zeros(24), np.empty(24)
    for k in range(len(steps)):
        p = _pairs(ranks, steps[k], len(present))
        if numbers[4] == 1:
            p = p + p.T
        total = p.sum()
        if total == 0:
            continue
        _of_pairs(p / total, present, int(numbers[0]), one)
        one[15] = _maximal_correlation(p / total, numbers[4] == 1) if numbers[1] > 1 else 1.0
        for f in range(24):
            if not np.isnan(one[f]):
                sums[f] += one[f]
                counted[f] += 1
    for f in range(24):
        out[18 + f] = sums[f] / counted[f] if counted[f] else np.nan
    if numbers[1] == 1:
        out[18 + 15] = 1.0


@compiled
def _pairs(ranks: np.ndarray, step: np.ndarray, distinct: int) -> np.ndarray:
    """Pairs of rank and rank one step further, float64 (distinct, distinct)."""
    p = np.zeros((distinct, distinct))
    for z in range(1, ranks.shape[0] - 1):
        for y in range(1, ranks.shape[1] - 1):
            for x in range(1, ranks.shape[2] - 1):
                a, b = ranks[z, y, x], ranks[z + step[0], y + step[1], x + step[2]]
                if a and b:
                    p[a - 1, b - 1] += 1
    return p


@compiled
def _of_pairs(p: np.ndarray, present: np.ndarray, levels: int, out: np.ndarray) -> None:
    """GLCM features but MCC of a matrix p (n, n) that adds up to 1, among levels up to `levels`."""
    n = len(present)
    px, py = p.sum(axis=1), p.sum(axis=0)
    ux, uy = (px * present).sum(), (py * present).sum()
    difference = np.zeros(int(present[-1] - present[0]) + 1)
    total = np.zeros(int(2 * (present[-1] - present[0])) + 1)
    out[:] = 0.0
    hxy, hxy1, hxy2, variance_y, covariance = 0.0, 0.0, 0.0, 0.0, 0.0
    for a in range(n):
        for b in range(n):
            product = px[a] * py[b]
            logarithm = np.log2(product + _EPSILON)
            hxy2 -= product * logarithm
            if p[a, b] == 0:
                continue
            q, i, j = p[a, b], present[a], present[b]
            hxy1 -= q * logarithm
            hxy -= q * np.log2(q + _EPSILON)
            difference[int(abs(i - j))] += q
            total[int(i + j - 2 * present[0])] += q
            centred = i + j - ux - uy
            out[0] += q * i * j
            out[2] += q * centred**4
            out[3] += q * centred**3
            out[4] += q * centred**2
            out[5] += q * (i - j) ** 2
            out[10] += q * q
            out[20] = max(out[20], q)
            out[23] += q * (i - ux) ** 2
            variance_y += q * (j - uy) ** 2
            covariance += q * (i - ux) * (j - uy)
    out[1] = ux
    spread = np.sqrt(out[23]) * np.sqrt(variance_y)
    out[6] = 1.0 if spread == 0 else covariance / (spread + _EPSILON)
    out[11] = hxy
    hx, hy = -(px * np.log2(px + _EPSILON)).sum(), -(py * np.log2(py + _EPSILON)).sum()
    widest = max(hx, hy)
    out[12] = 0.0 if widest == 0 else (hxy - hxy1) / widest
    rest = 1 - np.e ** (-2 * (hxy2 - hxy))
    out[13] = 0.0 if hxy2 == hxy else (np.sqrt(rest) if rest >= 0 else np.nan)
    _of_differences(difference, levels, out)
    for s in range(len(total)):
        out[21] += (s + 2 * present[0]) * total[s]
        out[22] -= total[s] * np.log2(total[s] + _EPSILON)


@compiled
def _of_differences(difference: np.ndarray, levels: int, out: np.ndarray) -> None:
    """GLCM features of the differences of two levels (k,), from 0."""
    for k in range(len(difference)):
        q = difference[k]
        out[7] += k * q
        out[8] -= q * np.log2(q + _EPSILON)
        out[14] += q / (1 + k**2)
        out[16] += q / (1 + k**2 / levels**2)
        out[17] += q / (1 + k)
        out[18] += q / (1 + k / levels)
        out[19] += q / k**2 if k else 0.0
    for k in range(len(difference)):
        out[9] += difference[k] * (k - out[7]) ** 2


@compiled
def _maximal_correlation(p: np.ndarray, symmetrical: bool) -> float:
    """Second largest singular value of p over the roots of its margins: the root of the second eigenvalue of Q."""
    rows, columns = np.nonzero(p.sum(axis=1))[0], np.nonzero(p.sum(axis=0))[0]
    if len(rows) < 2 or len(columns) < 2:
        return 0.0
    scaled = np.empty((len(rows), len(columns)))
    px, py = p.sum(axis=1), p.sum(axis=0)
    for a in range(len(rows)):
        for b in range(len(columns)):
            scaled[a, b] = p[rows[a], columns[b]] / np.sqrt(px[rows[a]] * py[columns[b]])
    found = np.sort(np.abs(np.linalg.eigvalsh(scaled))) if symmetrical else np.sort(np.linalg.svd(scaled)[1])
    second: float = found[-2]
    return second


@compiled
def _emphasis(table: np.ndarray, present: np.ndarray, voxels: float, out: np.ndarray) -> None:
    """The sixteen features of `texture.emphasis` of counts (levels, lengths from 1)."""
    total = table.sum()
    out[:] = 0.0
    mean_i, mean_j = 0.0, 0.0
    for a in range(table.shape[0]):
        for b in range(table.shape[1]):
            c = table[a, b]
            if c == 0:
                continue
            i2, j2 = present[a] ** 2, float(b + 1) ** 2
            out[0] += c / j2
            out[1] += c * j2
            out[2] += c / i2
            out[3] += c * i2
            out[4] += c / (i2 * j2)
            out[5] += c * i2 / j2
            out[6] += c * j2 / i2
            out[7] += c * i2 * j2
            mean_i += c * present[a] / total
            mean_j += c * (b + 1) / total
            out[15] -= c / total * np.log2(c / total + _EPSILON)
    for f in range(8):
        out[f] /= total
    by_level, by_length = (table.sum(axis=1) ** 2).sum(), (table.sum(axis=0) ** 2).sum()
    out[8], out[9], out[10], out[11] = by_level / total, by_level / total**2, by_length / total, by_length / total**2
    out[12] = total / voxels
    for a in range(table.shape[0]):
        for b in range(table.shape[1]):
            out[13] += table[a, b] / total * (present[a] - mean_i) ** 2
            out[14] += table[a, b] / total * (b + 1 - mean_j) ** 2


@compiled
def _runs(ranks: np.ndarray, present: np.ndarray, steps: np.ndarray, out: np.ndarray) -> None:
    """The sixteen GLRLM features, the mean over directions in which a line holds two voxels."""
    one, sums, directions = np.empty(16), np.zeros(16), 0
    table = np.zeros((len(present), max(ranks.shape)))
    for k in range(len(steps)):
        table[:] = 0
        voxels, together = _runs_along(ranks, steps[k], table)
        if not together:
            continue
        _emphasis(table, present, voxels, one)
        sums += one
        directions += 1
    if directions:
        out[56:72] = sums / directions


@compiled
def _runs_along(ranks: np.ndarray, step: np.ndarray, table: np.ndarray) -> tuple[int, bool]:
    """Count runs along the lines of a step into `table`; return how many voxels there are, and whether a line holds two."""
    voxels, together = 0, False
    nz, ny, nx = ranks.shape
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                if 0 < z - step[0] < nz - 1 and 0 < y - step[1] < ny - 1 and 0 < x - step[2] < nx - 1:
                    continue  # Not the first place of its line.
                c, b, a, length, before, on_line = z, y, x, 0, 0, 0
                while 0 < c < nz - 1 and 0 < b < ny - 1 and 0 < a < nx - 1:
                    rank = ranks[c, b, a]
                    if rank != before and before:
                        table[before - 1, length - 1] += 1
                    length = length + 1 if rank == before else 1
                    on_line += rank > 0
                    before = rank
                    c, b, a = c + step[0], b + step[1], a + step[2]
                if before:
                    table[before - 1, length - 1] += 1
                voxels += on_line
                together = together or on_line > 1
    return voxels, together


@compiled
def _zones(ranks: np.ndarray, present: np.ndarray, steps: np.ndarray, out: np.ndarray) -> None:
    """The sixteen GLSZM features: zones of one level, connected along the steps."""
    left = ranks.copy()
    table = np.zeros((len(present), ranks.size))
    stack = np.empty((ranks.size, 3), dtype=np.int64)
    voxels, largest = 0, 1
    for z in range(1, ranks.shape[0] - 1):
        for y in range(1, ranks.shape[1] - 1):
            for x in range(1, ranks.shape[2] - 1):
                rank = left[z, y, x]
                if not rank:
                    continue
                size = _zone_from(left, steps, stack, z, y, x)
                table[rank - 1, size - 1] += 1
                voxels += size
                largest = max(largest, size)
    _emphasis(table[:, :largest], present, voxels, out[72:88])


@compiled
def _zone_from(left: np.ndarray, steps: np.ndarray, stack: np.ndarray, z: int, y: int, x: int) -> int:
    """Take the zone of a voxel out of `left`; return how many voxels it has."""
    rank, waiting, size = left[z, y, x], 1, 0
    stack[0, 0], stack[0, 1], stack[0, 2] = z, y, x
    left[z, y, x] = 0
    while waiting:
        waiting -= 1
        c, b, a = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2]
        size += 1
        for k in range(2 * len(steps)):
            sign = 1 if k < len(steps) else -1
            step = steps[k % len(steps)]
            dc, db, da = c + sign * step[0], b + sign * step[1], a + sign * step[2]
            if left[dc, db, da] == rank:
                left[dc, db, da] = 0
                stack[waiting, 0], stack[waiting, 1], stack[waiting, 2] = dc, db, da
                waiting += 1
    return size


@compiled
def _neighbours(ranks: np.ndarray, present: np.ndarray, steps: np.ndarray, alpha: float, out: np.ndarray) -> None:
    """GLDM and NGTDM: each voxel of the kernel beside its neighbours in the kernel."""
    table = np.zeros((len(present), 2 * len(steps) + 1))
    counts, differences = np.zeros(len(present)), np.zeros(len(present))
    for z in range(1, ranks.shape[0] - 1):
        for y in range(1, ranks.shape[1] - 1):
            for x in range(1, ranks.shape[2] - 1):
                rank = ranks[z, y, x]
                if not rank:
                    continue
                level, total, near, dependent = present[rank - 1], 0.0, 0, 0
                for k in range(2 * len(steps)):
                    sign = 1 if k < len(steps) else -1
                    step = steps[k % len(steps)]
                    other = ranks[z + sign * step[0], y + sign * step[1], x + sign * step[2]]
                    if other:
                        total += present[other - 1]
                        near += 1
                        dependent += abs(present[other - 1] - level) <= alpha
                table[rank - 1, dependent] += 1
                counts[rank - 1] += 1
                differences[rank - 1] += abs(level - total / near) if near else 0.0
    sixteen = np.empty(16)
    _emphasis(table, present, 1.0, sixteen)
    out[42:56] = sixteen[_DEPENDENCE]
    _tones(counts, differences, present, out[88:93])


@compiled
def _tones(counts: np.ndarray, s: np.ndarray, present: np.ndarray, out: np.ndarray) -> None:
    """The five NGTDM features of counts and sums of differences (levels,)."""
    n, levels = counts.sum(), len(present)
    p = counts / n
    ps, total = (p * s).sum(), s.sum()
    contrast, spread, complexity, strength = 0.0, 0.0, 0.0, 0.0
    for a in range(levels):
        for b in range(levels):
            gap = present[a] - present[b]
            contrast += p[a] * p[b] * gap**2
            spread += abs(present[a] * p[a] - present[b] * p[b])
            complexity += abs(gap) * (p[a] * s[a] + p[b] * s[b]) / (p[a] + p[b])
            strength += (p[a] + p[b]) * gap**2
    out[0] = 1 / ps if ps > 0 else 1e6
    out[1] = contrast / (levels * (levels - 1)) * total / n if levels > 1 else 0.0
    out[2] = ps / spread if spread > 0 else 0.0
    out[3] = complexity / n
    out[4] = strength / total if total > 0 else 0.0
