"""Maximal correlation coefficient of co-occurrence matrices: the second eigenvalue of PyRadiomics' matrix Q, at a third of the cost.

Q is not symmetric, and its eigenvalues by the general method are most of what the class of co-occurrence costs. Where the
matrix P of pairs is symmetric, Q is similar to the square of a symmetric one but for the epsilon in its denominators. So the
symmetric eigenvalues (LAPACK syevd) say where to look, and inverse iteration with a Rayleigh quotient (Golub and Van Loan,
Matrix Computations, 7.6 and 8.2) finds the eigenvalue of Q itself. What is not certain so is left to the general method.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

EPSILON = float(np.spacing(1))
"""What PyRadiomics adds to denominators."""

_SMALL = 24
"""Matrices of so many levels can have a second eigenvalue of exactly zero: the sum is taken in PyRadiomics' order."""

_APART = 1e-4
"""How far the second eigenvalue stands from its neighbours, and from 0, where the short way is taken."""

_LEFT_OVER = 1e-10
"""The largest residual with which an eigenvalue of the short way counts. The error of a Rayleigh quotient is of the order of
the residual times how far Q is from symmetric, over the distance to the next eigenvalue."""


def maximal_correlation(p: Array, px: Array, py: Array) -> Array:
    """Return the square root of the second largest eigenvalue of Q per direction.

    Args:
        p: Matrices (n, n, directions), each normalised to 1.
        px: Sums of their rows (n, directions).
        py: Sums of their columns (n, directions).

    Returns:
        float64 (directions,), without those whose eigenvalue has no real root.

    >>> pairs = np.array([[0.4, 0.1], [0.1, 0.4]])[:, :, None]
    >>> maximal_correlation(pairs, pairs.sum(1), pairs.sum(0)).round(6).tolist()
    [0.6]
    """
    n = p.shape[0]
    if n < 2:
        return np.ones(1)
    if n <= _SMALL:
        q = p[:, None, 0, :] * p[None, :, 0, :] / (px[:, None, :] * py[None, None, 0, :] + EPSILON)
        for g in range(1, n):
            q += p[:, None, g, :] * p[None, :, g, :] / (px[:, None, :] * py[None, None, g, :] + EPSILON)
        second = _by_the_general_method(q.transpose(2, 0, 1))
    else:
        scaled = p / (px[:, None, :] * py[None, :, :] + EPSILON)
        matrices = np.ascontiguousarray(p.transpose(2, 0, 1))
        q = np.matmul(scaled.transpose(2, 0, 1), matrices.transpose(0, 2, 1))
        second = _second_eigenvalues(q, matrices, px.T)
    with np.errstate(invalid="ignore"):
        root = np.sqrt(second)
    return np.asarray(root[~np.isnan(root)].real if np.iscomplexobj(root) else root)


def _by_the_general_method(q: Array) -> Array:
    eigenvalues = np.linalg.eigvals(q)
    eigenvalues.sort()
    return np.asarray(eigenvalues[:, -2])


def _second_eigenvalues(q: Array, p: Array, px: Array) -> Array:
    """Second largest eigenvalue of each Q (directions, n, n), of its pairs p and their margins px (directions, n)."""
    if not np.array_equal(p, p.transpose(0, 2, 1)):
        return _by_the_general_method(q)
    scale = np.sqrt(px)
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = np.where(p > 0, p / (scale[:, :, None] * scale[:, None, :]), 0.0)
    squares = np.sort(np.linalg.eigvalsh(alike) ** 2, axis=1)
    first, guess, third = squares[:, -1], squares[:, -2], squares[:, -3]
    sure = (first - guess > _APART) & (guess - third > _APART) & (guess > _APART)
    value = np.zeros(len(q))
    value[sure], residual = _refined(q[sure], px[sure], guess[sure])
    # Written so that a residual that is no number is not sure either.
    sure[sure] = residual < _LEFT_OVER
    if sure.all():
        return value
    general = _by_the_general_method(q[~sure])
    second = value.astype(general.dtype)
    second[~sure] = general
    return second


def _refined(q: Array, px: Array, guess: Array) -> tuple[Array, Array]:
    """Eigenvalue of each Q next to a guess, and its residual, in the inner product in which Q is all but symmetric."""
    n = q.shape[1]
    # A guess that is exact makes the equations singular; a little beside it they are not.
    shifted = q - (guess * (1 + 1e-12))[:, None, None] * np.eye(n)
    x = np.broadcast_to(np.cos(np.arange(n))[None, :, None], (len(q), n, 1))
    weights = px[:, :, None]
    for _ in range(3):
        x = np.linalg.solve(shifted, x)
        x = x / np.sqrt(np.sum(weights * x * x, axis=1, keepdims=True))
        image = q @ x
        value = np.sum(weights * x * image, axis=1)
        residual = np.sqrt(np.sum(weights * (image - value[:, :, None] * x) ** 2, axis=1))
        # Once is enough, but where Q moves the eigenvalue away from the guess.
        if (residual < _LEFT_OVER).all():
            break
    return value[:, 0], residual[:, 0]
