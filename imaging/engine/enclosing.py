"""The ellipsoid of least volume around points: an interior-point method on a few of them at a time.

The ellipsoid is the dual of a D-optimal design: weights on the points, of least -log det of their second moments (Titterington
1975). A point is inside when its leverage is at most the dimension of the lifted points.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

TOLERANCE = 1e-10
"""Excess of a leverage, relative, up to which a point counts as inside; the volume is as exact."""


def enclosing_axes(points: Array) -> Array:
    """Semi-axes, longest first, of the ellipsoid of least volume around points (n, 3) that span a volume.

    A few points hold it; the rest only has to lie inside. So it is found around some points, those farthest outside join
    them and those it does not touch leave, until none lies outside.
    """
    centre, scale = points.mean(axis=0), np.ptp(points, axis=0).max()
    inner = (points - centre) / scale
    lifted = np.column_stack([inner, np.ones(len(inner))])
    chosen = _spanning(inner)
    while True:
        weights = _optimal_weights(lifted[chosen])
        moment = (lifted[chosen] * weights[:, None]).T @ lifted[chosen]
        excess = _leverages(lifted, moment) / lifted.shape[1] - 1
        farthest = np.argsort(-excess, kind="stable")[:16]
        farthest = farthest[excess[farthest] > TOLERANCE]
        if np.isin(farthest, chosen).all():
            break
        chosen = np.union1d(chosen[weights > 1e-9], farthest)
    middle = moment[3, :3]
    spread = (moment[:3, :3] - np.outer(middle, middle)) * 3
    # Widened so that the farthest point lies on it.
    distances = _leverages(inner - middle, spread)
    return np.asarray(np.sqrt(np.linalg.eigvalsh(spread)[::-1] * distances.max()) * scale)


def _leverages(rows: Array, moment: Array) -> Array:
    """Quadratic form of each row (n, d) under the inverse of a matrix (d, d)."""
    return np.asarray(np.einsum("ij,ji->i", rows, np.linalg.solve(moment, rows.T)))


def _spanning(points: Array) -> Array:
    """Indices of four to six of the points (n, 3) that span a volume: outermost ones, each pair across those before."""
    chosen: list[int] = []
    steps = np.zeros((3, 3))
    for found in range(3):
        across = points @ np.linalg.svd(steps)[2][-1]
        ends = int(across.argmin()), int(across.argmax())
        chosen.extend(ends)
        steps[found] = points[ends[1]] - points[ends[0]]
    return np.unique(chosen)


def _optimal_weights(rows: Array) -> Array:
    """Weights (n,) of rows (n, d), adding up to 1, of least -log det of the weighted second moments.

    Newton's method on the conditions of optimality, with every product of a weight and its slack (dimension minus
    leverage) led towards 0. Work grows with the third power of the number of rows.
    """
    n, d = rows.shape
    weights = np.full(n, 1.0 / n)
    slacks = np.ones(n)
    for _ in range(200):
        kernel = rows @ np.linalg.solve((rows * weights[:, None]).T @ rows, rows.T)
        residual = d - np.diag(kernel) - slacks
        gap = float(weights @ slacks)
        if gap < 1e-13 and np.abs(residual).max() < 1e-11:
            break
        target = 0.1 * gap / n
        step = np.linalg.solve(kernel**2 + np.diag(slacks / weights), target / weights - slacks - residual)
        change = (target - slacks * (weights + step)) / weights
        length = min(1.0, 0.95 * _reach(weights, step), 0.95 * _reach(slacks, change))
        weights = weights + length * step
        slacks = slacks + length * change
    return np.asarray(weights / weights.sum())


def _reach(values: Array, step: Array) -> float:
    """How many times a step can be taken until one of the positive values is 0."""
    return float(np.min(np.where(step < 0, -values / np.where(step < 0, step, -1.0), np.inf)))
