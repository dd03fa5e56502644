"""Quantile normalisation: every sample gets the same distribution.

Source: Bolstad et al., Bioinformatics 2003, 19:185. Ties get the value at their average rank, interpolated between the
two quantiles around it. Oracle: limma 3.54.1 `normalizeQuantiles(ties=TRUE)`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from groundwork.problems import Unusable
from omics.kernels import FloatArray


def target_quantiles(values: FloatArray) -> FloatArray:
    """Mean over samples of their sorted values: the common distribution, one value per rank."""
    if not np.isfinite(values).all():
        raise Unusable("missing-values", "Quantile normalisation needs every value.", "Leave out features or samples with gaps.")
    ordered = np.sort(values, axis=1)
    # fsum: the same bits whatever the order of the samples.
    return np.array([math.fsum(column) for column in ordered.T]) / values.shape[0]


def map_to_quantiles(values: FloatArray, target: FloatArray) -> FloatArray:
    """Give each sample the target's value at the average rank of each of its values.

    A sample is mapped from its own ranks alone, so later samples change no earlier row.
    """
    return np.asarray(_map_rows(np.ascontiguousarray(values, dtype=np.float64), target))


def quantile_normalise(values: FloatArray) -> FloatArray:
    """Quantile-normalise samples x features."""
    return map_to_quantiles(values, target_quantiles(values))


@njit(cache=True, nogil=True)
def _map_rows(values, target):  # type: ignore[no-untyped-def]
    n, features = values.shape
    out = np.empty_like(values)
    for i in range(n):
        order = np.argsort(values[i], kind="mergesort")
        first = 0
        while first < features:
            last = first
            level = values[i, order[first]]
            while last + 1 < features and values[i, order[last + 1]] == level:
                last += 1
            position = (first + last) / 2.0
            low = math.floor(position)
            share = position - low
            value = target[low] if share == 0.0 else target[low] + (target[low + 1] - target[low]) * share
            for k in range(first, last + 1):
                out[i, order[k]] = value
            first = last + 1
    return out
