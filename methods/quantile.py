"""Quantile normalisation: every sample gets the same distribution.

Source: Bolstad et al., Bioinformatics 2003, 19:185. Ties get the value at their average rank, interpolated between the
two quantiles around it. Oracle: limma 3.54.1 `normalizeQuantiles(ties=TRUE)`.
"""

from __future__ import annotations

import math

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import MISSING_VALUES
from unibase.methods.compiled.exact import FloatArray
from unibase.methods.compiled.rank_map import map_ranks


def target_quantiles(values: FloatArray) -> FloatArray:
    """Mean over samples of their sorted values: the common distribution, one value per rank.

    The values of a sample with gaps (NaN) are spread evenly over all ranks, by linear interpolation.

    Raises:
        Unusable: `missing-values` when a sample has fewer than two values.
    """
    present = (~np.isnan(values)).sum(axis=1)
    if np.isinf(values).any() or (present < min(2, values.shape[1])).any():
        raise Unusable(
            MISSING_VALUES,
            f"{int((present < 2).sum())} samples have fewer than two values, or a value is infinite.",
            "Leave these samples out.",
        )
    ordered = np.sort(values, axis=1)
    ranks = np.arange(values.shape[1])
    for i in np.flatnonzero(present < values.shape[1]):
        held = present[i]
        ordered[i] = np.interp(ranks * ((held - 1) / (ranks.size - 1)), np.arange(held), ordered[i, :held])
    # fsum: the same bits whatever the order of the samples.
    found: FloatArray = np.array([math.fsum(column) for column in ordered.T]) / values.shape[0]
    return found


def map_to_quantiles(values: FloatArray, target: FloatArray) -> FloatArray:
    """Give each sample the target's value at the average rank of each of its values; a gap (NaN) stays one.

    A sample is mapped from its own ranks alone, so later samples change no earlier row.
    """
    return np.asarray(map_ranks(np.ascontiguousarray(values, dtype=np.float64), target))


def quantile_normalise(values: FloatArray) -> FloatArray:
    """Quantile-normalise samples x features."""
    return map_to_quantiles(values, target_quantiles(values))
