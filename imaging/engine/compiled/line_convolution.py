"""Convolution of a volume along one axis: many lines side by side, only at the places asked for.

The same sums as SciPy's `convolve1d` with zeros beyond the ends, in one order for every voxel: the kernel's last weight, which
meets the first voxel in reach, comes first. A response so depends on the voxels in reach alone, not on the box around them.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine.compiled.machine_code import compiled

Array = np.ndarray

_TOGETHER = 4
"""Weights that one pass over a row of sums takes: the loops below are written out for as many."""


def convolve_lines(data: Array, kernel: Array, axis: int, lost: int) -> Array:
    """Convolve along an axis, zeros beyond its ends; an even kernel has its centre at half its length.

    Args:
        data: float64 (z, y, x).
        kernel: float64 (n,), the weights.
        axis: Which axis.
        lost: How many places at both ends of the axis are not wanted.

    Returns:
        float64 (z, y, x), shorter by twice `lost` on the axis.

    >>> convolve_lines(np.array([[[0.0, 1.0, 0.0]]]), np.array([1.0, 2.0, 3.0]), axis=2, lost=0).tolist()
    [[[1.0, 2.0, 3.0]]]
    """
    n, reach = data.shape[axis], len(kernel)
    weights = np.zeros(-(-reach // _TOGETHER) * _TOGETHER)
    weights[:reach] = kernel[::-1]
    # Where the first weight meets the line, counted from the place of the result.
    first = reach // 2 - reach + 1
    outer, inner = int(np.prod(data.shape[:axis])), int(np.prod(data.shape[axis + 1 :]))
    kept = n - 2 * lost
    result = np.empty(tuple(kept if a == axis else size for a, size in enumerate(data.shape)))
    lines = np.ascontiguousarray(data)
    if axis == 2:
        _along_rows(lines.reshape(outer, n), weights, first, lost, result.reshape(outer, kept))
    else:
        _across_rows(lines.reshape(outer, n, inner), weights, first, lost, result.reshape(outer, kept, inner))
    return result


@compiled
def _add_four(sums: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, weights: np.ndarray) -> None:
    """Add four weighted rows to a row of sums, one after the other."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for j in range(len(sums)):
        sums[j] = sums[j] + w0 * a[j] + w1 * b[j] + w2 * c[j] + w3 * d[j]


@compiled
def _across_rows(data: np.ndarray, weights: np.ndarray, first: int, lost: int, result: np.ndarray) -> None:
    """Convolve the middle axis of (outer, n, inner)."""
    n_outer, n, n_inner = data.shape
    tile = 512
    nothing = np.zeros(tile)
    for outer in range(n_outer):
        for begin in range(0, n_inner, tile):
            end = min(n_inner, begin + tile)
            empty = nothing[: end - begin]
            for i in range(result.shape[1]):
                sums = result[outer, i, begin:end]
                for j in range(end - begin):
                    sums[j] = 0.0
                for k in range(0, len(weights), 4):
                    at = i + lost + first + k
                    if at + 3 < 0 or at >= n:
                        continue
                    a = data[outer, at, begin:end] if 0 <= at < n else empty
                    b = data[outer, at + 1, begin:end] if 0 <= at + 1 < n else empty
                    c = data[outer, at + 2, begin:end] if 0 <= at + 2 < n else empty
                    d = data[outer, at + 3, begin:end] if 0 <= at + 3 < n else empty
                    _add_four(sums, a, b, c, d, weights[k : k + 4])


@compiled
def _along_rows(data: np.ndarray, weights: np.ndarray, first: int, lost: int, result: np.ndarray) -> None:
    """Convolve the last axis of (rows, n); a row is read with zeros at both ends."""
    n_rows, n = data.shape
    reach, kept = len(weights), result.shape[1]
    wide = np.zeros(n + 2 * reach)
    for r in range(n_rows):
        for j in range(n):
            wide[reach + j] = data[r, j]
        sums = result[r]
        for j in range(kept):
            sums[j] = 0.0
        for k in range(0, reach, 4):
            at = reach + lost + first + k
            _add_four(
                sums,
                wide[at : at + kept],
                wide[at + 1 : at + 1 + kept],
                wide[at + 2 : at + 2 + kept],
                wide[at + 3 : at + 3 + kept],
                weights[k : k + 4],
            )
