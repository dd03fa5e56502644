"""A region as the box that holds it: what a mask costs is what the region is, not what the image is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unibase.imaging.grid import Array

Box = tuple[slice, ...]


def bounding_box(mask: Array) -> Box:
    """Return the smallest box that holds all voxels of a mask that is not empty.

    >>> mask = np.zeros((2, 3, 3), bool)
    >>> mask[1, 1, 1:] = True
    >>> bounding_box(mask)
    (slice(1, 2, None), slice(1, 2, None), slice(1, 3, None))
    """
    box = []
    part = mask
    for axis in range(mask.ndim):
        line = np.flatnonzero(part.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(line[0]), int(line[-1]) + 1))
        # What is cut off on one axis need not be looked at on the next.
        part = part[tuple(box[axis] if other == axis else slice(None) for other in range(mask.ndim))]
    return tuple(box)


def label_boxes(labels: Array) -> dict[int, Box]:
    """Return the smallest box of every label above 0, by label in rising order, in one pass slice by slice.

    Only the ends of runs along x are looked at, which are few: equal to `scipy.ndimage.find_objects`, whose import alone
    costs more than the labels of a usual mask.

    Args:
        labels: Whole numbers (z, y, x).

    >>> label_boxes(np.array([[[0, 7, 7], [0, 0, 2]]]))
    {2: (slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)), 7: (slice(0, 1, None), slice(0, 1, None), slice(1, 3, None))}
    """
    ends = [_merged(_runs(plane, z)) for z, plane in enumerate(labels)]
    rows = _merged(np.concatenate([np.zeros((0, 7), np.int64), *ends])).tolist()
    return {row[0]: tuple(slice(*both) for both in zip(row[1:4], row[4:], strict=True)) for row in rows}


def _runs(plane: Array, z: int) -> Array:
    """Return label, first (z, y, x) and one past the last (z, y, x) of the runs of equal labels above 0 along the rows of a slice."""
    begins = np.ones(plane.shape, dtype=bool)
    np.not_equal(plane[:, 1:], plane[:, :-1], out=begins[:, 1:])
    first = np.flatnonzero(begins)
    end = np.append(first[1:], plane.size)
    value = plane.reshape(-1)[first]
    marked = value > 0
    first, end = first[marked], end[marked]
    y, x = np.divmod(first, plane.shape[1])
    level = np.full_like(first, z)
    return np.column_stack([value[marked].astype(np.int64), level, y, x, level + 1, y + 1, x + end - first])


def _merged(rows: Array) -> Array:
    """Return one row of each label: the smallest of where it begins, and the largest of where it ends."""
    if not len(rows):
        return rows
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=0))
    low, high = np.minimum.reduceat(rows[:, 1:4], starts), np.maximum.reduceat(rows[:, 4:], starts)
    return np.hstack([rows[starts, :1], low, high])


@dataclass(frozen=True)
class Boxed:
    """Voxels of an image, held as the box around them.

    Attributes:
        array: Boolean, the box (z, y, x); of size 0 when no voxel belongs to the region.
        start: Index (z, y, x) of the first voxel of the box in the image.
        shape: Shape (z, y, x) of the image.
    """

    array: Array
    start: tuple[int, int, int]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, mask: Array, start: Sequence[int] = (0, 0, 0), shape: Sequence[int] | None = None) -> Boxed:
        """Return the region that a mask marks, in the smallest box.

        Args:
            mask: Boolean (z, y, x), of the whole image or of a box of it.
            start: Index of its first voxel in the image.
            shape: Shape of the image; that of the mask by default.

        Example:
            >>> import numpy as np
            >>> mask = np.zeros((4, 5, 6), dtype=bool)
            >>> mask[1:3, 2, 3:5] = True
            >>> Boxed.of(mask).array.shape, Boxed.of(mask).start
            ((2, 1, 2), (1, 2, 3))
        """
        whole = mask.shape if shape is None else shape
        size = int(whole[0]), int(whole[1]), int(whole[2])
        if not mask.any():
            return cls(np.zeros((0, 0, 0), dtype=bool), (0, 0, 0), size)
        box = bounding_box(mask)
        first = [int(begin) + part.start for begin, part in zip(start, box, strict=True)]
        return cls(np.ascontiguousarray(mask[box], dtype=bool), (first[0], first[1], first[2]), size)

    @property
    def box(self) -> Box:
        """The box in indices of the image.

        >>> Boxed.of(np.array([[[False, True, False]]])).box
        (slice(0, 1, None), slice(0, 1, None), slice(1, 2, None))
        """
        return tuple(slice(begin, begin + n) for begin, n in zip(self.start, self.array.shape, strict=True))

    @property
    def voxels(self) -> int:
        """How many voxels belong to the region.

        >>> Boxed.of(np.array([[[True, False, True]]])).voxels
        2
        """
        return int(np.count_nonzero(self.array))

    @property
    def empty(self) -> bool:
        """Whether no voxel belongs to the region.

        >>> Boxed.of(np.zeros((1, 2, 2), bool)).empty
        True
        """
        return self.array.size == 0

    def full(self) -> Array:
        """Return the mask of the whole image, boolean (z, y, x)."""
        mask = np.zeros(self.shape, dtype=bool)
        mask[self.box] = self.array
        return mask

    def part(self, box: Box) -> Array:
        """Return the mask of any box of the image."""
        mask = np.zeros(tuple(part.stop - part.start for part in box), dtype=bool)
        both = [(max(own.start, part.start), min(own.stop, part.stop)) for own, part in zip(self.box, box, strict=True)]
        if not self.empty and all(low < high for low, high in both):
            here = tuple(slice(low - part.start, high - part.start) for (low, high), part in zip(both, box, strict=True))
            there = tuple(slice(low - own, high - own) for (low, high), own in zip(both, self.start, strict=True))
            mask[here] = self.array[there]
        return mask

    def grown(self, margin: Sequence[int]) -> Box:
        """Return the box widened by a margin (z, y, x) as far as the image reaches.

        >>> Boxed.of(np.array([[[False, True, False]]])).grown((0, 0, 1))
        (slice(0, 1, None), slice(0, 1, None), slice(0, 3, None))
        """
        return tuple(
            slice(max(0, own.start - more), min(n, own.stop + more))
            for own, more, n in zip(self.box, margin, self.shape, strict=True)
        )

    def values(self, image: Array) -> Array:
        """Return the intensities of the region, in the order of its voxels.

        Args:
            image: The image (z, y, x) that the region lies in.

        >>> Boxed.of(np.array([[[True, False]]])).values(np.array([[[7.0, 8.0]]])).tolist()
        [7.0]
        """
        inside: Array = image[self.box][self.array]
        return inside

    def edges(self) -> tuple[str, ...]:
        """Return the axes on which the region reaches the first or last voxel of the image; an axis of one voxel does not count."""
        return tuple(
            name
            for name, own, n in zip("zyx", self.box, self.shape, strict=True)
            if n > 1 and not self.empty and (own.start == 0 or own.stop == n)
        )

    def __or__(self, other: Boxed) -> Boxed:
        """Return the union of two regions of one image."""
        if self.empty or other.empty:
            return other if self.empty else self
        box = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(self.box, other.box, strict=True))
        return Boxed.of(self.part(box) | other.part(box), [part.start for part in box], self.shape)

    def __and__(self, other: Boxed) -> Boxed:
        """Return the voxels that two regions of one image share."""
        if self.empty or other.empty:
            return self if self.empty else other
        box = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(self.box, other.box, strict=True))
        return Boxed.of(self.part(box) & other.part(box), [part.start for part in box], self.shape)
