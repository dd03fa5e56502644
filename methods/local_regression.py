"""Local quadratic regression on one variable, interpolated between the vertices of a growing tree.

Source: Loader, Local Regression and Likelihood, Springer 1999 (nearest neighbours, tricube weights; chapter 12 on the
vertices and the cubic blending of values and slopes between them). Oracle: locfit 1.5-9.7 with its default settings, as
DESeq2 uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.methods.compiled.exact import FloatArray
from unibase.methods.reasons import TOO_FEW_GENES

NEIGHBOURS = 0.7
"""Share of the points that a local fit looks at."""
CUT = 0.8
"""A cell longer than this share of the narrower bandwidth at its ends is halved."""
FEWEST = 6
"""With fewer points a local parabola is not determined."""


@dataclass(frozen=True)
class LocalRegression:
    """A fitted curve: a parabola over all points, and what the local fits at the vertices add to it.

    Attributes:
        parabola: Centre, constant, slope and curvature of the weighted fit of all points.
        vertices: Where the local fits are, ascending.
        excess: What the local fits have above the parabola at the vertices.
        slope: The derivative of that.
    """

    parabola: tuple[float, float, float, float]
    vertices: FloatArray
    excess: FloatArray
    slope: FloatArray

    def at(self, x: FloatArray) -> FloatArray:
        """Return the curve at `x`; beyond the outer vertices what is added goes on in a straight line."""
        left = np.clip(np.searchsorted(self.vertices, x, side="right") - 1, 0, self.vertices.size - 2)
        width = self.vertices[left + 1] - self.vertices[left]
        u = (x - self.vertices[left]) / width
        rise = u * u * (3 - 2 * u)
        start, end = self.excess[left], self.excess[left + 1]
        inside = start * (1 - rise) + end * rise
        inside += width * (self.slope[left] * u * (1 - u) ** 2 + self.slope[left + 1] * u * u * (u - 1))
        before = start + self.slope[left] * width * u
        after = end + self.slope[left + 1] * width * (u - 1)
        return np.asarray(_parabola(self.parabola, x) + np.where(u < 0, before, np.where(u > 1, after, inside)))


def fit(x: FloatArray, y: FloatArray, weights: FloatArray) -> LocalRegression:
    """Fit y over x, both of shape (points,), each point with its own of the `weights`.

    Raises:
        Unusable: `too-few-genes` with fewer than six points, or all at one place.

    >>> line = np.arange(8.0)
    >>> fit(line, 2 * line + 1, np.ones(8)).at(np.array([2.5])).round(6).tolist()
    [6.0]
    """
    if x.size < FEWEST or x.min() == x.max():
        raise Unusable(TOO_FEW_GENES, f"A local regression needs {FEWEST} different points.", "Give more genes.")
    neighbours = int(NEIGHBOURS * x.size + 1e-9)
    fitted: dict[float, tuple[float, float, float]] = {}

    def vertex(at: float) -> tuple[float, float, float]:
        if at not in fitted:
            distance = np.abs(x - at)
            bandwidth = float(np.partition(distance, neighbours - 1)[neighbours - 1])
            closeness = (1 - np.minimum(distance / bandwidth, 1) ** 3) ** 3 if bandwidth > 0 else (distance == 0).astype(float)
            value, slope, _ = _least_squares(x - at, y, closeness * weights)
            fitted[at] = value, slope, bandwidth
        return fitted[at]

    cells = [(float(x.min()), float(x.max()))]
    while cells:
        left, right = cells.pop()
        narrower = min(vertex(left)[2], vertex(right)[2])
        if narrower > 0 and right - left > CUT * narrower:
            middle = (left + right) / 2
            cells += [(left, middle), (middle, right)]
    centre = float((weights * x).sum() / weights.sum())
    whole = (centre, *_least_squares(x - centre, y, weights))
    vertices = np.array(sorted(fitted))
    values, slopes, _ = np.array([fitted[float(at)] for at in vertices]).T
    excess = values - _parabola(whole, vertices)
    return LocalRegression(whole, vertices, excess, slopes - whole[2] - 2 * whole[3] * (vertices - centre))


def _least_squares(t: FloatArray, y: FloatArray, weights: FloatArray) -> tuple[float, float, float]:
    root = np.sqrt(weights)
    design = np.column_stack([np.ones_like(t), t, t * t]) * root[:, None]
    # Columns of one length: the solution's rounding does not depend on the unit of x.
    length = np.sqrt((design**2).sum(axis=0))
    length[length == 0] = 1.0
    found = np.linalg.lstsq(design / length, y * root, rcond=None)[0] / length
    return float(found[0]), float(found[1]), float(found[2])


def _parabola(numbers: tuple[float, float, float, float], x: FloatArray) -> FloatArray:
    centre, constant, slope, curvature = numbers
    t = x - centre
    return np.asarray(constant + t * (slope + t * curvature))
