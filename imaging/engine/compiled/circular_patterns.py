"""Compiled local binary patterns on a circle around each pixel (Ojala 2002), with the definitions of scikit-image."""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine.compiled.machine_code import compiled

UNIFORM, DEFAULT, LEAST_ROTATION, VARIANCE = range(4)
"""What is made of the signs on the circle: their sum where they change twice at most; their bits; these turned to the least
number; or the variance of the samples."""


@compiled
def patterns(image: np.ndarray, first: np.ndarray, box: np.ndarray, circle: np.ndarray, method: int) -> np.ndarray:
    """Pattern of each pixel of a box of a plane; beyond the plane is 0.

    Args:
        image: float64 (rows, columns), a part of the plane that holds what the circles of the box reach, or to its edge.
        first: Row and column in the plane of the first pixel of that part: places are rounded as in the whole plane.
        box: First row, first column, and one past the last of each, in that part: int64 (4,).
        circle: Rows and columns of the samples from the pixel, float64 (samples, 2).
        method: One of the numbers above.

    Returns:
        float64 of the shape of the box; NaN where samples do not vary and the variance is asked for.
    """
    samples = len(circle)
    out = np.empty((box[2] - box[0], box[3] - box[1]))
    around = np.empty(samples)
    for r in range(box[0], box[2]):
        for c in range(box[1], box[3]):
            for k in range(samples):
                row, column = (first[0] + r) + circle[k, 0], (first[1] + c) + circle[k, 1]
                around[k] = _between(image, row, column, first)
            out[r - box[0], c - box[1]] = _variance(around) if method == 3 else _code(around, image[r, c], method)
    return out


@compiled
def _between(image: np.ndarray, row: float, column: float, first: np.ndarray) -> float:
    """Value between four pixels, linear; rows and columns count from the plane's first, `first` is that of the image."""
    top, left = int(np.floor(row)), int(np.floor(column))
    bottom, right = int(np.ceil(row)), int(np.ceil(column))
    down, across = row - top, column - left
    above = (1 - across) * _pixel(image, top - first[0], left - first[1]) + across * _pixel(
        image, top - first[0], right - first[1]
    )
    below = (1 - across) * _pixel(image, bottom - first[0], left - first[1]) + across * _pixel(
        image, bottom - first[0], right - first[1]
    )
    found: float = (1 - down) * above + down * below
    return found


@compiled
def _pixel(image: np.ndarray, row: int, column: int) -> float:
    if row < 0 or row >= image.shape[0] or column < 0 or column >= image.shape[1]:
        return 0.0
    found: float = image[row, column]
    return found


@compiled
def _variance(around: np.ndarray) -> float:
    total, squares = 0.0, 0.0
    for value in around:
        total += value
        squares += value * value
    variance: float = (squares - (total * total) / len(around)) / len(around)
    return variance if variance != 0 else np.nan


@compiled
def _code(around: np.ndarray, centre: float, method: int) -> float:
    """Number of the signs of `around` (samples,) less `centre`, by the `method`."""
    n, ones, changes, bits = len(around), 0, 0, 0
    before = False
    for k in range(n):
        above = around[k] - centre >= 0
        ones += above
        bits |= int(above) << k
        changes += k > 0 and above != before
        before = above
    if method == 0:
        return float(ones if changes <= 2 else n + 1)
    if method == 1:
        return float(bits)
    least = bits
    for _ in range(n - 1):
        bits = bits >> 1 | (bits & 1) << (n - 1)
        least = min(least, bits)
    return float(least)
