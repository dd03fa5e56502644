"""Laplacian of Gaussian by recursive filters, equal to ITK's `LaplacianRecursiveGaussianImageFilter` to the last bit of an image.

The Gaussian and its second derivative are sums of two damped oscillations (Deriche, INRIA report 1893, 1993; normalised after
Farnebäck and Westin, J. Math. Imaging Vision 26, 2006): a causal and an anticausal recursion of order four on each line.
Along one axis after the other, the second derivative first, every axis's result rounded to 32 bits, as ITK has it: features
such as a minimum show that rounding. Only what the box needs is computed: after an axis the lines are cut to it.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine.compiled.machine_code import compiled

Array = np.ndarray
Box = tuple[slice, ...]

SUPPORT = 24
"""Widths of the Gaussian kept around the box: the recursions fall by exp(-1.37) per width, to 1e-14, less than rounding shows."""

_WAVE = np.array([0.6681, 2.0787])
_DECAY = np.array([-1.3932, -1.3732])
_SMOOTH = (np.array([1.3530, -0.3531]), np.array([1.8151, 0.0902]))
_SECOND = (np.array([-1.3563, 0.3446]), np.array([5.2318, -2.2355]))
"""Amplitudes of cosines and sines, and their frequencies and decays, all per width: ITK's constants."""


def _poles(width: float) -> tuple[Array, tuple[float, float, float]]:
    """Recursion coefficients of the four delays, and the value and moments at frequency 0 of their polynomial."""
    c1, c2 = np.cos(_WAVE / width)
    e1, e2 = np.exp(_DECAY / width)
    d = np.array(
        [
            -2 * (e2 * c2 + e1 * c1),
            4 * c2 * c1 * e1 * e2 + (e1 * e1 + e2 * e2),
            -2 * c1 * e1 * e2 * e2 + -2 * c2 * e2 * e1 * e1,
            e1 * e1 * e2 * e2,
        ]
    )
    return d, (1.0 + d[0] + d[1] + d[2] + d[3], d[0] + 2 * d[1] + 3 * d[2] + 4 * d[3], d[0] + 4 * d[1] + 9 * d[2] + 16 * d[3])


def _zeros(width: float, amplitudes: tuple[Array, Array]) -> tuple[Array, tuple[float, float, float]]:
    """Weights of a voxel and the three before it, and the value and moments at frequency 0 of their polynomial."""
    (a1, a2), (b1, b2) = amplitudes
    (s1, s2), (c1, c2) = np.sin(_WAVE / width), np.cos(_WAVE / width)
    e1, e2 = np.exp(_DECAY / width)
    n = np.array(
        [
            a1 + a2,
            e2 * (b2 * s2 - (a2 + 2 * a1) * c2) + e1 * (b1 * s1 - (a1 + 2 * a2) * c1),
            ((a1 + a2) * c2 * c1 - (b1 * c2 * s1 + b2 * c1 * s2)) * (2 * e1 * e2) + (a2 * e1 * e1 + a1 * e2 * e2),
            e2 * e1 * e1 * (b2 * s2 - a2 * c2) + e1 * e2 * e2 * (b1 * s1 - a1 * c1),
        ]
    )
    return n, (n[0] + n[1] + n[2] + n[3], n[1] + 2 * n[2] + 3 * n[3], n[1] + 4 * n[2] + 9 * n[3])


def coefficients(width: float, second: bool, factor: float = 1.0) -> Array:
    """Coefficients of the recursions of one axis, float64 (5, 4).

    Args:
        width: Standard deviation in voxels.
        second: The second derivative instead of the Gaussian.
        factor: What to multiply with.

    Returns:
        Rows: causal weights of a voxel and the three before it; anticausal weights of the four after it; feedback of the
        four results before; the same where the line begins, and where it ends (it goes on with its last value).

    >>> coefficients(2.0, second=True).shape
    (5, 4)
    """
    d, (sd, dd, ed) = _poles(width)
    n, (sn, dn, en) = _zeros(width, _SMOOTH)
    if second:
        other, (sn2, dn2, en2) = _zeros(width, _SECOND)
        # So much of the Gaussian that a constant gives 0.
        beta = -(2 * sn2 - sd * other[0]) / (2 * sn - sd * n[0])
        n, sn, dn, en = other + beta * n, sn2 + beta * sn, dn2 + beta * dn, en2 + beta * en
        unit = (en * sd * sd - ed * sn * sd - 2 * dn * dd * sd + 2 * dd * dd * sn) / (sd * sd * sd)
    else:
        unit = 2 * sn / sd - n[0]
    n = n * (factor / unit)
    m = np.array([n[1] - d[0] * n[0], n[2] - d[1] * n[0], n[3] - d[2] * n[0], -d[3] * n[0]])
    return np.array([n, m, d, d * (n[0] + n[1] + n[2] + n[3]) / sd, d * (m[0] + m[1] + m[2] + m[3]) / sd])


def laplacian(image: Array, box: Box, spacing: Array, sigma: float) -> Array:
    """Laplacian of Gaussian in a box of the image, times sigma squared (normalised across scales).

    Args:
        image: (z, y, x), at least four voxels on each axis.
        box: Where the response is wanted.
        spacing: Voxel spacing (z, y, x) in mm.
        sigma: Standard deviation of the Gaussian in mm.

    Returns:
        float32 array of the shape of the box.
    """
    margin = [int(np.ceil(SUPPORT * sigma / s)) + 2 for s in spacing]
    crop = tuple(slice(max(0, b.start - m), min(n, b.stop + m)) for b, m, n in zip(box, margin, image.shape, strict=True))
    inner = [(b.start - c.start, b.stop - c.start) for b, c in zip(box, crop, strict=True)]
    # Whole numbers of 16 bits are exact in 32-bit floating point, and half as much to read.
    small = image.dtype.kind in "iub" and image.dtype.itemsize <= 2
    source = np.ascontiguousarray(image[crop], dtype=np.float32 if small else np.float64)
    total = np.zeros(tuple(b - a for a, b in inner), dtype=np.float32)
    # x, y, z: the order in which ITK takes them.
    for derived in (2, 1, 0):
        term = source
        for axis in (derived, *(a for a in (2, 1, 0) if a != derived)):
            width = sigma / spacing[axis]
            rows = coefficients(width, axis == derived, sigma * sigma if axis == derived else 1.0)
            low, high = inner[axis]
            out = np.empty(tuple(high - low if a == axis else n for a, n in enumerate(term.shape)), dtype=np.float32)
            _recur(term, rows, axis, low, out)
            term = out
        total = (total + term * (1.0 / (spacing[derived] * spacing[derived]))).astype(np.float32)
    return total


@compiled
def _recur(data: np.ndarray, rows: np.ndarray, axis: int, low: int, out: np.ndarray) -> None:
    """Run both recursions along an axis; `out` takes the results from place `low` of each line.

    Many lines side by side, so that each step of the recursion is one operation on all of them.
    """
    n, kept = data.shape[axis], out.shape[axis]
    n_outer = data.shape[1] if axis == 0 else data.shape[0]
    n_inner = data.shape[1] if axis == 2 else data.shape[2]
    tile = 64
    # Rows a little wider than the tile: at a power of two apart they would push one another out of the cache when turned.
    pitch = tile + 8
    # Four places before and after each line hold the value with which it goes on.
    line = np.zeros((n + 8, pitch))
    causal = np.empty((n, pitch))
    anticausal = np.empty((n, pitch))
    edge = np.empty(4)
    for outer in range(n_outer):
        for start in range(0, n_inner, tile):
            width = min(tile, n_inner - start)
            if axis == 2:
                # Turned in blocks of eight, the voxels of a line of the cache.
                for first in range(0, n, 8):
                    end = min(n, first + 8)
                    for j in range(width):
                        for i in range(first, end):
                            line[4 + i, j] = data[outer, start + j, i]
            else:
                for i in range(n):
                    row = line[4 + i]
                    part = data[i, outer, start : start + width] if axis == 0 else data[outer, i, start : start + width]
                    for j in range(width):
                        row[j] = part[j]
            for k in range(4):
                line[k] = line[4]
                line[4 + n + k] = line[3 + n]
            n0, n1, n2, n3 = rows[0]
            for i in range(low + kept):
                now = causal[i]
                x0, x1, x2, x3 = line[4 + i], line[3 + i], line[2 + i], line[1 + i]
                # Where the line begins, the results before are those of its first value for ever.
                for k in range(4):
                    edge[k] = rows[2, k] if i > k else rows[3, k]
                d1, d2, d3, d4 = edge
                y1 = causal[i - 1] if i > 0 else line[0]
                y2 = causal[i - 2] if i > 1 else line[0]
                y3 = causal[i - 3] if i > 2 else line[0]
                y4 = causal[i - 4] if i > 3 else line[0]
                for j in range(tile):
                    now[j] = (x0[j] * n0 + x1[j] * n1 + x2[j] * n2 + x3[j] * n3) - (
                        y1[j] * d1 + y2[j] * d2 + y3[j] * d3 + y4[j] * d4
                    )
            m1, m2, m3, m4 = rows[1]
            last = line[4 + n]
            for i in range(n - 1, low - 1, -1):
                now = anticausal[i]
                x1, x2, x3, x4 = line[5 + i], line[6 + i], line[7 + i], line[8 + i]
                for k in range(4):
                    edge[k] = rows[2, k] if i + 1 + k < n else rows[4, k]
                d1, d2, d3, d4 = edge
                y1 = anticausal[i + 1] if i + 1 < n else last
                y2 = anticausal[i + 2] if i + 2 < n else last
                y3 = anticausal[i + 3] if i + 3 < n else last
                y4 = anticausal[i + 4] if i + 4 < n else last
                for j in range(tile):
                    now[j] = (x1[j] * m1 + x2[j] * m2 + x3[j] * m3 + x4[j] * m4) - (
                        y1[j] * d1 + y2[j] * d2 + y3[j] * d3 + y4[j] * d4
                    )
            if axis == 2:
                for first in range(0, kept, 8):
                    end = min(kept, first + 8)
                    for j in range(width):
                        for i in range(first, end):
                            out[outer, start + j, i] = causal[low + i, j] + anticausal[low + i, j]
            else:
                for i in range(kept):
                    one, other = causal[low + i], anticausal[low + i]
                    part = out[i, outer, start : start + width] if axis == 0 else out[outer, i, start : start + width]
                    for j in range(width):
                        part[j] = one[j] + other[j]
