"""Kernels of the dispersion of each gene: likelihood, its slope, line search and grid."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from unibase.methods.compiled.special_functions import digamma

MIN_DISPERSION = 1e-8
_TOLERANCE = 1e-6
_MAX_ITERATIONS = 100
_ARMIJO = 1e-4


@njit(cache=True, nogil=True)
def _log_likelihood(log_alpha, y, mean):  # type: ignore[no-untyped-def]
    """Cox-Reid adjusted profile log likelihood of one gene, up to a constant."""
    alpha = math.exp(log_alpha)
    inverse = 1.0 / alpha
    total = 0.0
    information = 0.0
    base = math.lgamma(inverse)
    for j in range(y.size):
        information += 1.0 / (1.0 / mean[j] + alpha)
        total += (
            math.lgamma(y[j] + inverse) - base - y[j] * math.log(mean[j] + inverse) - inverse * math.log(1.0 + mean[j] * alpha)
        )
    return total - 0.5 * math.log(information)


@njit(cache=True, nogil=True)
def _slope(log_alpha, y, mean):  # type: ignore[no-untyped-def]
    """Its derivative by the logarithm of the dispersion."""
    alpha = math.exp(log_alpha)
    inverse = 1.0 / alpha
    total = 0.0
    information = 0.0
    change = 0.0
    base = digamma(inverse)
    for j in range(y.size):
        m = mean[j]
        weight = 1.0 / (1.0 / m + alpha)
        information += weight
        change -= weight * weight
        total += base + math.log(1.0 + m * alpha) - m * alpha / (1.0 + m * alpha) - digamma(y[j] + inverse) + y[j] / (m + inverse)
    return (inverse * inverse * total - 0.5 * change / information) * alpha


@njit(cache=True, nogil=True)
def _climb(start, y, mean):  # type: ignore[no-untyped-def]
    """Gradient ascent with Armijo's rule; return (log dispersion, first and last likelihood, iterations)."""
    a = start
    value = _log_likelihood(a, y, mean)
    first = value
    slope = _slope(a, y, mean)
    step = 1.0
    accepted = 0
    iterations = 0
    for _ in range(_MAX_ITERATIONS):
        iterations += 1
        proposal = a + step * slope
        if proposal < -30.0:
            step = (-30.0 - a) / slope
        if proposal > 10.0:
            step = (10.0 - a) / slope
        proposed = _log_likelihood(a + step * slope, y, mean)
        if -proposed <= -value - step * _ARMIJO * slope * slope:
            accepted += 1
            a += step * slope
            change = proposed - value
            value = proposed
            if change < _TOLERANCE:
                break
            if a < math.log(MIN_DISPERSION / 10):
                break
            slope = _slope(a, y, mean)
            step = min(step * 1.1, 1.0)
            if accepted % 5 == 0:
                step /= 2.0
        else:
            step /= 2.0
    return a, first, value, iterations


@njit(cache=True, nogil=True)
def _search_grid(y, mean, highest):  # type: ignore[no-untyped-def]
    low, high = math.log(MIN_DISPERSION), math.log(highest)
    best = low
    for _ in range(2):
        step = (high - low) / 19.0
        top = -np.inf
        for k in range(20):
            at = low + k * step
            value = _log_likelihood(at, y, mean)
            if value > top:
                top = value
                best = at
        low, high = best - step, best + step
    return best


@njit(cache=True, nogil=True)
def dispersion_of_genes(counts, size_factors, mean_inverse):  # type: ignore[no-untyped-def]
    """Return the dispersion of each gene by line search on its adjusted profile likelihood, on a grid where that fails.

    Args:
        counts: Genes x samples.
        size_factors: One for each sample.
        mean_inverse: Mean of the inverse size factors.
    """
    genes, n = counts.shape
    out = np.empty(genes)
    highest = max(10.0, float(n))
    normalised = np.empty(n)
    mean = np.empty(n)
    for g in range(genes):
        y = counts[g]
        level = 0.0
        for j in range(n):
            normalised[j] = y[j] / size_factors[j]
            level += normalised[j]
        level /= n
        squares = 0.0
        rough = 0.0
        floored = max(1.0, level)
        for j in range(n):
            squares += (normalised[j] - level) ** 2
            rough += ((normalised[j] - floored) ** 2 - floored) / (floored * floored)
            mean[j] = max(level * size_factors[j], 0.5)
        rough = max(rough / (n - 1), 0.0)
        moments = (squares / (n - 1) - mean_inverse * level) / (level * level)
        start = min(max(MIN_DISPERSION, min(rough, moments)), highest)
        a, first, last, iterations = _climb(math.log(start), y, mean)
        value = min(math.exp(a), highest)
        if last < first + abs(first) / 1e6:
            value = start
        converged = iterations < _MAX_ITERATIONS and iterations != 1
        if not converged and value > MIN_DISPERSION * 10:
            value = math.exp(_search_grid(y, mean, highest))
        out[g] = min(max(value, MIN_DISPERSION), highest)
    return out
