"""Habitats: the parts of a region that its intensities tell apart."""

from __future__ import annotations

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.grid import Array

LEVELS = 1024
"""Most intensities that are told apart when the cuts are sought; more are put into as many bins of equal width."""


def habitat_name(target: str, number: int, count: int) -> str:
    """Return the name of the habitat `number` of `count` of a `target`; 1 has the lowest intensities.

    >>> habitat_name("GTV", 1, 3)
    'GTV habitat 1 of 3'
    """
    return f"{target} habitat {number} of {count}"


def habitat(array: Array, region: Boxed, number: int, count: int) -> Boxed:
    """Return the voxels of a region that belong to one of its habitats.

    The intensities of the region are cut where the sum of squared distances from the means of the parts is least (the
    multi-level threshold of Otsu 1979, which is one-dimensional k-means at its optimum, Fisher 1958). No start value
    and no random number is involved.

    Args:
        array: The image, z, y, x.
        region: The region.
        number: Which habitat, from 1, in the order of intensities.
        count: How many there are.

    Raises:
        Unusable: `too-few-intensities` when the region has fewer intensities than habitats; `not-finite-in-region`.
    """
    values = region.values(array)
    if not np.isfinite(values).all():
        message = "The image holds values that are no number inside the region."
        raise Unusable(reasons.NOT_FINITE_IN_REGION, message, "Cut them out of the region, or repair the image.")
    cuts = thresholds(values, count)
    part = np.zeros(region.array.shape, dtype=bool)
    part[region.array] = np.searchsorted(cuts, values, side="right") == number - 1
    return Boxed.of(part, region.start, region.shape)


def thresholds(values: Array, count: int) -> Array:
    """Return the `count - 1` smallest intensities of all parts of `values` (voxels,) but the lowest, increasing.

    Raises:
        Unusable: `too-few-intensities`.
    """
    levels, sizes = np.unique(values, return_counts=True)
    if len(levels) > LEVELS:
        edges = np.linspace(levels[0], levels[-1], LEVELS + 1)
        bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, LEVELS - 1)
        sizes = np.bincount(bins, minlength=LEVELS)
        sums = np.bincount(bins, weights=values - values.mean(), minlength=LEVELS)
        starts, sizes, sums = edges[:-1][sizes > 0], sizes[sizes > 0], sums[sizes > 0]
    else:
        starts, sums = levels, (levels - values.mean()) * sizes
    if len(starts) < count:
        message = f"The region has fewer different intensities than the {count} habitats asked for."
        raise Unusable(reasons.TOO_FEW_INTENSITIES, message, "Ask for fewer habitats, or leave the region out.")
    # What is left of the spread when levels i to j make one part is a constant minus its squared sum over its size.
    total = np.concatenate([[0.0], np.cumsum(sums)])
    number = np.concatenate([[0.0], np.cumsum(sizes, dtype=np.float64)])
    n = len(starts)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = (total[np.newaxis, :] - total[:, np.newaxis]) ** 2 / (number[np.newaxis, :] - number[:, np.newaxis])
    gain[np.tri(n + 1, dtype=bool)] = -np.inf
    best, chosen = gain[0], []
    for _ in range(count - 1):
        joined = best[:, np.newaxis] + gain
        chosen.append(joined.argmax(axis=0))
        best = joined.max(axis=0)
    end, cuts = n, []
    for step in reversed(chosen):
        end = int(step[end])
        cuts.append(starts[end])
    return np.array(cuts[::-1])
