"""Cubic splines whose ends follow the cubic through the four outer points.

Source: Forsythe, Malcolm and Moler, Computer Methods for Mathematical Computations, 1977. Oracle: R's `splinefun`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from unibase.methods.compiled.exact import FloatArray


@njit(cache=True, nogil=True)
def coefficients(x, y, b, c, d):  # type: ignore[no-untyped-def]
    """Fill b, c, d so that the spline is y + b t + c t^2 + d t^3 after each knot, t the distance from it.

    `x` (ascending) and `y` have at least four values. The last knot gets the coefficients of the curve's going on.
    """
    n = x.size
    for i in range(n - 1):
        d[i] = x[i + 1] - x[i]
    for i in range(1, n - 1):
        b[i] = 2.0 * (d[i - 1] + d[i])
        c[i] = (y[i + 1] - y[i]) / d[i] - (y[i] - y[i - 1]) / d[i - 1]
    b[0] = -d[0]
    b[n - 1] = -d[n - 2]
    c[0] = c[2] / (x[3] - x[1]) - c[1] / (x[2] - x[0])
    c[n - 1] = c[n - 2] / (x[n - 1] - x[n - 3]) - c[n - 3] / (x[n - 2] - x[n - 4])
    c[0] = c[0] * d[0] ** 2 / (x[3] - x[0])
    c[n - 1] = -c[n - 1] * d[n - 2] ** 2 / (x[n - 1] - x[n - 4])
    for i in range(1, n):
        ratio = d[i - 1] / b[i - 1]
        b[i] -= ratio * d[i - 1]
        c[i] -= ratio * c[i - 1]
    c[n - 1] /= b[n - 1]
    for i in range(n - 2, -1, -1):
        c[i] = (c[i] - d[i] * c[i + 1]) / b[i]
    last = d[n - 2]
    b[n - 1] = (y[n - 1] - y[n - 2]) / last + last * (c[n - 2] + 2.0 * c[n - 1])
    for i in range(n - 1):
        b[i] = (y[i + 1] - y[i]) / d[i] - d[i] * (c[i + 1] + 2.0 * c[i])
        d[i] = (c[i + 1] - c[i]) / d[i]
        c[i] = 3.0 * c[i]
    c[n - 1] = 3.0 * c[n - 1]
    d[n - 1] = d[n - 2]


def curve(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return knots `x`, values `y` and coefficients of their spline as an array of shape (5, knots), for `evaluate`."""
    out = np.zeros((5, x.size))
    out[0], out[1] = x, y
    coefficients(out[0], out[1], out[2], out[3], out[4])
    return out


def evaluate(spline: FloatArray, at: FloatArray) -> FloatArray:
    """Return a `spline`, which `curve` made, where `at` says; beyond its knots the outer cubic goes on.

    >>> knots = np.array([0.0, 1.0, 2.0, 3.0])
    >>> evaluate(curve(knots, knots**3), np.array([0.5, 4.0])).round(6).tolist()
    [0.125, 64.0]
    """
    before = np.searchsorted(spline[0], at, side="right") - 1
    place = np.clip(before, 0, spline.shape[1] - 1)
    knot, value, b, c, d = spline[:, place]
    t = at - knot
    return np.asarray(value + t * (b + t * (c + t * d)))
