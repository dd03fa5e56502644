"""Closed outlines to voxels: a voxel is inside when its centre is, by the even-odd rule over all outlines of a plane.

Even-odd over a whole plane makes a ring of two outlines, an island in a hole, and a key-hole outline (one line that
runs in, around the hole and out again on the same path) all come out as they were drawn. Centres that lie exactly on
an outline are decided by one half-open rule, so two regions that share an edge share no voxel and leave no gap:
an edge that bounds the region from the left or from above is inside, one from the right or below is outside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unibase.imaging.grid import Array

SNAP = 2.0**-20
"""Outline points are rounded to about a millionth of a pixel, so that what is on a centre in the file's decimal
numbers is on it here too, whatever the direction of the grid."""


def fill(outlines: Sequence[Array], shape: tuple[int, int], start: tuple[int, int] = (0, 0)) -> Array:
    """Return the voxels inside the outlines of one plane, shape (rows, columns), boolean.

    Args:
        outlines: Each an array (n, 2) of continuous column and row; voxel centres are at whole numbers. Closed from
            the last point to the first.
        shape: Rows and columns of the part of the plane that is returned; what lies beyond is cut off.
        start: Row and column of its first voxel.

    One pass over all edges: an edge flips every centre to its right in the rows it spans, and a running exclusive-or
    along each row then says how often each centre was flipped. The cost is the number of crossed rows, not of voxels.

    >>> square = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])
    >>> fill([square], (4, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    rows, columns = shape
    starts, ends = [], []
    for outline in outlines:
        points = np.round(np.asarray(outline, dtype=np.float64) / SNAP) * SNAP
        starts.append(points)
        ends.append(np.roll(points, -1, axis=0))
    flips = np.zeros((rows, columns + 1), dtype=np.uint8)
    if starts:
        begin, end = np.concatenate(starts), np.concatenate(ends)
        # Each edge from its lower to its higher row: the two ways along a key-hole give the same crossing to the bit.
        swap = begin[:, 1] > end[:, 1]
        begin[swap], end[swap] = end[swap], begin[swap]
        first = np.maximum(np.ceil(begin[:, 1]), start[0]).astype(np.int64)
        last = np.minimum(np.ceil(end[:, 1]), start[0] + rows).astype(np.int64)
        count = np.maximum(last - first, 0)
        edge = np.repeat(np.arange(len(begin)), count)
        row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        share = (row - begin[edge, 1]) / (end[edge, 1] - begin[edge, 1])
        crossing = begin[edge, 0] + share * (end[edge, 0] - begin[edge, 0])
        # In whole numbers from here on: a part of the plane has the same voxels as the whole.
        column = np.clip(np.ceil(np.round(crossing / SNAP) * SNAP) - start[1], 0, columns).astype(np.int64)
        np.bitwise_xor.at(flips, (row - start[0], column), 1)
    inside: Array = np.bitwise_xor.accumulate(flips[:, :columns], axis=1).astype(bool)
    return inside
