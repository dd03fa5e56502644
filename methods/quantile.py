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

    >>> target_quantiles(np.array([[5.0, 2.0, 3.0], [4.0, 1.0, 9.0]])).tolist()
    [1.5, 3.5, 7.0]
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

    >>> map_to_quantiles(np.array([[7.0, np.nan, 1.0]]), np.array([1.5, 3.5, 7.0])).tolist()
    [[7.0, nan, 1.5]]
    """
    return np.asarray(map_ranks(np.ascontiguousarray(values, dtype=np.float64), target))


def quantile_normalise(values: FloatArray) -> FloatArray:
    """Quantile-normalise `values`, samples x features (Bolstad et al. 2003).

    >>> quantile_normalise(np.array([[5.0, 2.0, 3.0], [4.0, 1.0, 9.0]])).tolist()
    [[7.0, 1.5, 3.5], [3.5, 1.5, 7.0]]
    """
    return map_to_quantiles(values, target_quantiles(values))


class RankSums:
    """Sums over samples of the values at each rank, exact, so that chunks and orders of samples give the same bits.

    Values are logarithms of whole counts plus one: below 64, and whole multiples of 2^-52. Each is a whole number of those, split
    into two that are added up as integers.

    >>> sums = RankSums(3)
    >>> sums.add(np.array([[0.0, 1.0, 2.0]])), sums.add(np.array([[4.0, 3.0, 0.0]]))
    (None, None)
    >>> sums.target().tolist()
    [0.0, 2.0, 3.0]
    """

    def __init__(self, features: int) -> None:
        self.samples = 0
        self._high = np.zeros(features, np.int64)
        self._low = np.zeros(features, np.int64)

    def add(self, values: FloatArray) -> None:
        """Take in samples x features logarithms of counts plus one, without gaps.

        Args:
            values: 0, or from 1 to below 64.

        Raises:
            ValueError: When a value is none of these.
        """
        if not ((values == 0) | ((values >= 1) & (values < 64))).all():
            raise ValueError("values must be log2(count + 1) of whole counts")
        units = (np.sort(values, axis=1) * 2.0**52).astype(np.int64)
        self.samples += len(values)
        self._high += (units >> 26).sum(axis=0)
        self._low += (units & (2**26 - 1)).sum(axis=0)

    def merge(self, other: RankSums) -> None:
        """Take in what another chunk summed up.

        Args:
            other: Sums over the same number of features.
        """
        self.samples += other.samples
        self._high += other._high
        self._low += other._low

    def target(self) -> FloatArray:
        """Return the mean value at each rank, as `target_quantiles` gives it."""
        # Division of whole numbers is rounded once, as fsum rounds.
        sums = [((high << 26) + low) / 2**52 for high, low in zip(self._high.tolist(), self._low.tolist(), strict=True)]
        return np.array(sums) / self.samples
