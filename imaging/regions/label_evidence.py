"""Whether a map of labels is one: in a map neighbours share their label, in an image or a map of probabilities they seldom do.

A whole body has about 117 labels and a FreeSurfer parcellation about 190, and each is a body of its own. A CT taken for a
map has thousands, each strewn over the image.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.grid import Array

FEW = 20
"""A file of so many labels or fewer is taken at its word."""

_LEAST = 0.15
_PLANES = 16


def shared_by_neighbours(labels: Array) -> float:
    """Return the median over labels of how often a neighbour that has a label has the same one.

    A label without a neighbour that has one counts as 1. Pairs within at most 16 planes are looked at, evenly spread.

    Args:
        labels: Whole numbers (z, y, x); 0 and less is background.

    >>> shared_by_neighbours(np.array([[[1, 1, 1, 2, 2, 2]]]))
    0.6666666666666666
    """
    planes = labels[np.unique(np.linspace(0, len(labels) - 1, _PLANES).astype(int))]
    pairs = [(planes[:, :, 1:], planes[:, :, :-1]), (planes[:, 1:], planes[:, :-1])]
    firsts, seconds = zip(*((a[both], b[both]) for a, b in pairs for both in [(a > 0) & (b > 0)]), strict=True)
    first, second = (np.concatenate(part).astype(np.int64) for part in (firsts, seconds))
    if not first.size:
        return 1.0
    same = np.bincount(first[first == second], minlength=int(max(first.max(), second.max())) + 1)
    other = np.bincount(first[first != second], minlength=same.size) + np.bincount(second[first != second], minlength=same.size)
    met = same + other > 0
    return float(np.median(same[met] / (same + other)[met]))


def is_no_map(labels: Array, count: int) -> bool:
    """Return whether labels are those of an image or of a map of probabilities.

    Args:
        labels: Whole numbers (z, y, x).
        count: How many labels there are.
    """
    return count > FEW and shared_by_neighbours(labels) < _LEAST
