"""Ranks and percentiles, which have lost the scale of what was ranked: a straight line over the order of a sample's own values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 20
"""Fewest different values of a sample by which ranks are told from a few classes."""
_OFF = 0.006
"""How far from the line a value may lie, as a share of the range: percentiles rounded to whole numbers."""
SAID = "each value says its place among the sample's own"
"""The evidence, in words."""
REMEDY = "Give the values that were ranked: the ranks do not tell them."


def are_ranks(values: NDArray[np.float64]) -> bool:
    """Whether every sample holds ranks of its values, or a multiple of them; ties may have their mean, first or last place.

    Args:
        values: Samples x features; missing is NaN.

    >>> are_ranks(np.arange(1.0, 41.0).reshape(1, 40)), are_ranks(2.0 ** np.arange(40.0).reshape(1, 40))
    (True, False)
    """
    rows = [row[np.isfinite(row)] for row in values if np.isfinite(row).any()]
    return bool(rows) and all(_is_ranked(row) for row in rows)


def _is_ranked(row: NDArray[np.float64]) -> bool:
    distinct, counts = np.unique(row, return_counts=True)
    if len(distinct) < _LEAST or distinct[0] < 0:
        return False
    last = np.cumsum(counts)
    first = last - counts + 1
    spread = distinct[-1] - distinct[0]
    for place in (first, (first + last) / 2, last):
        line = distinct[0] + (place - place[0]) * spread / max(float(place[-1] - place[0]), 1.0)
        # Half of the values at one place, such as genes without a read, leave a line of which little is seen.
        if np.abs(line - distinct).max() <= _OFF * spread:
            return True
    return False
