"""Numerical kernels shared by the methods: selection, quantiles, exact sums.

All are compiled on first use and work on plain arrays. Each gives one answer whatever the order in which samples
are visited, because sums over samples are exact (`exact_mean`) or run over genes, whose order is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
AnyArray = np.ndarray


def exact_mean(values: Iterable[float]) -> float:
    """Arithmetic mean whose sum is correctly rounded (Shewchuk), so the order of the values does not matter.

    >>> exact_mean([1e16, 1.0, -1e16])
    0.3333333333333333
    """
    listed = [float(value) for value in values]
    return math.fsum(listed) / len(listed)


def geometric_mean(values: Iterable[float]) -> float:
    """Geometric mean of positive values; the order of the values does not matter.

    >>> round(geometric_mean([1.0, 10.0, 100.0]), 9)
    10.0
    """
    return math.exp(exact_mean(math.log(value) for value in values))


@njit(cache=True, nogil=True)
def select(values: FloatArray, n: int, position: int) -> float:
    """Return the `position`-th smallest (from 0) of the first `n` values, in linear time; reorders `values`.

    Hoare's selection with a median-of-three pivot.
    """
    low, high = 0, n - 1
    while low < high:
        middle = (low + high) // 2
        a, b, c = values[low], values[middle], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if position <= j:
            high = j
        elif position >= i:
            low = i
        else:
            break
    found: float = values[position]
    return found


@njit(cache=True, nogil=True)
def median_inplace(values: FloatArray, n: int) -> float:
    """Median of the first `n` values (mean of the two middle ones when `n` is even); reorders them; NaN when empty."""
    if n == 0:
        return np.nan
    upper = select(values, n, n // 2)
    if n % 2 == 1:
        return upper
    lower = values[0]
    for i in range(1, n // 2):
        lower = max(lower, values[i])
    found: float = (lower + upper) / 2.0
    return found
