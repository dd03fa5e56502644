"""Products of matrices in which every value is summed in one order, whatever stands beside it.

A library for linear algebra sums in another order where a matrix is narrow, or by the processor: the last bit of a feature
would depend on how many others its block has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def product(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the product of two matrices with few columns and rows between them, summed from the first to the last.

    Args:
        left: (n, k).
        right: (k, m).

    Returns:
        (n, m).

    >>> product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])).tolist()
    [[11.0]]
    """
    total = np.zeros((len(left), right.shape[1]))
    for k in range(left.shape[1]):
        total += left[:, k, None] * right[k]
    return total


def projections(rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Return the sum of each row times each column: rows of any number, of one length.

    Args:
        rows: (m, n).
        columns: (n, k).

    Returns:
        (m, k).

    >>> projections(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])).tolist()
    [[11.0]]
    """
    rows = np.ascontiguousarray(rows)
    found = [(rows * columns[:, k]).sum(axis=1) for k in range(columns.shape[1])]
    return np.stack(found, axis=1) if found else np.zeros((len(rows), 0))
