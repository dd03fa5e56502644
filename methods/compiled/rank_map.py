"""Kernel that maps the ranks of each sample to a target distribution."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def map_ranks(values, target):  # type: ignore[no-untyped-def]
    """Give each of `values` (samples x features) the `target` of its rank in its row; ties get the mean of theirs."""
    n, features = values.shape
    out = np.empty_like(values)
    for i in range(n):
        order = np.argsort(values[i], kind="mergesort")  # gaps end up last
        held = features
        while held > 0 and np.isnan(values[i, order[held - 1]]):
            held -= 1
            out[i, order[held]] = np.nan
        first = 0
        while first < held:
            last = first
            level = values[i, order[first]]
            while last + 1 < held and values[i, order[last + 1]] == level:
                last += 1
            position = (first + last) / 2.0
            if held < features and held > 1:
                position *= (features - 1) / (held - 1)
            low = math.floor(position)
            share = position - low
            value = target[low] if share == 0.0 or low + 1 >= features else target[low] + (target[low + 1] - target[low]) * share
            for k in range(first, last + 1):
                out[i, order[k]] = value
            first = last + 1
    return out
