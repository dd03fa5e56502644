"""Slices put on a right-angled, even grid on request: a tilt taken out, single missing slices interpolated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.spacing import Placement
from unibase.imaging.grid import Array, Grid

TILT_RESAMPLED, SLICES_FILLED = "tilt-resampled", "slices-filled"
"""Notes of a volume: its slices were shifted in their planes; slices that were missing were interpolated."""


@dataclass(frozen=True)
class Seen:
    """What of a resampled volume was scanned.

    Attributes:
        windows: Per slice the first and last row and the first and last column that lie within the scanned plane; empty
            when all do.
        filled: Numbers of the slices that were interpolated.
    """

    windows: tuple[tuple[int, int, int, int], ...] = ()
    filled: tuple[int, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """Return the notes of the volume."""
        return (*((SLICES_FILLED,) if self.filled else ()), *((TILT_RESAMPLED,) if self.windows else ()))

    def notes_of(self, region: Boxed) -> tuple[str, ...]:
        """Return what is to be known of a region: that it lies on filled slices, or beyond what was scanned.

        Args:
            region: A region of the volume that is not empty.

        Example:
            >>> import numpy as np
            >>> region = Boxed.of(np.ones((1, 2, 2), dtype=bool), (4, 0, 0), (6, 9, 9))
            >>> Seen(filled=(4,)).notes_of(region), Seen(filled=(5,)).notes_of(region)
            (('filled-slices-in-region',), ())
        """
        notes = []
        start, stop = region.start[0], region.start[0] + region.array.shape[0]
        if any(start <= number < stop and region.array[number - start].any() for number in self.filled):
            notes.append("filled-slices-in-region")
        if self.windows and any(not _within(region, number, self.windows[number]) for number in range(start, stop)):
            notes.append("not-scanned-in-region")
        return tuple(notes)


WHOLE = Seen()
"""A volume as it was scanned."""


def _within(region: Boxed, number: int, window: tuple[int, int, int, int]) -> bool:
    rows, columns = np.nonzero(region.array[number - region.start[0]])
    if not rows.size:
        return True
    rows, columns = rows + region.start[1], columns + region.start[2]
    top, bottom, left, right = window
    return bool(rows.min() >= top and rows.max() <= bottom and columns.min() >= left and columns.max() <= right)


@dataclass(frozen=True, eq=False)
class Shear:
    """Shifts of slices in their planes, and the plane that holds all of them.

    Attributes:
        rows, columns: Shift (n,) of each slice of the grid in voxels.
        shape: Rows and columns of a slice as it was scanned.
    """

    rows: Array
    columns: Array
    shape: tuple[int, int]

    @property
    def first(self) -> tuple[int, int]:
        """Row and column of the first voxel of the wide plane, in voxels of the first slice."""
        return math.floor(self.rows.min()), math.floor(self.columns.min())

    @property
    def wide(self) -> tuple[int, int]:
        """Rows and columns of the wide plane."""
        (top, left), (rows, columns) = self.first, self.shape
        return rows + math.ceil(self.rows.max()) - top, columns + math.ceil(self.columns.max()) - left

    def windows(self) -> tuple[tuple[int, int, int, int], ...]:
        """Return the window of each slice, as `Seen.windows`."""
        (top, left), (rows, columns) = self.first, self.shape
        return tuple(
            (*_inner(float(y) - top, rows), *_inner(float(x) - left, columns))
            for y, x in zip(self.rows, self.columns, strict=True)
        )


def _inner(moved: float, size: int) -> tuple[int, int]:
    """Return the first and last voxel that lie on a line of so many voxels moved by so much; rounding is no shift."""
    return math.ceil(moved - 1e-6), math.floor(moved + size - 1 + 1e-6)


def shear_of(placement: Placement, shape: tuple[int, int], spacing: Sequence[float]) -> Shear | None:
    """Return the shifts of all slices of the grid, those to fill included; None without a tilt.

    Args:
        placement: Where the slices lie.
        shape: Rows and columns of a slice.
        spacing: Distance of the columns, then of the rows, in mm.
    """
    if placement.drift is None:
        return None
    every = np.arange(placement.count)
    along_rows, along_columns = (np.interp(every, placement.places, placement.drift[:, axis]) for axis in (0, 1))
    # A shift along the rows moves columns.
    return Shear(along_columns / spacing[1], along_rows / spacing[0], shape)


def sheared_grid(grid: Grid, shear: Shear) -> Grid:
    """Return the grid that holds all slices of a tilted series at their own places.

    Args:
        grid: Grid of the slices as if they were not shifted.
        shear: Their shifts.
    """
    top, left = shear.first
    rows, columns = shear.wide
    axes = grid.matrix
    origin = np.array(grid.origin) + left * grid.spacing[0] * axes[:, 0] + top * grid.spacing[1] * axes[:, 1]
    x, y, z = (float(item) for item in origin)
    return replace(grid, size=(columns, rows, grid.size[2]), origin=(x, y, z))


def with_filled(array: Array, placement: Placement) -> Array:
    """Return a volume with its missing slices, each interpolated linearly between the slices beside it.

    Args:
        array: Slices (n, y, x) as they were scanned.
        placement: Where they lie.

    Returns:
        Slices (count, y, x) of the grid.

    Example:
        >>> import numpy as np
        >>> slices = np.array([0.0, 1.0, 4.0]).reshape(3, 1, 1)
        >>> with_filled(slices, Placement(2.0, (0, 1, 4))).ravel().tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    whole = np.empty((placement.count, *array.shape[1:]))
    whole[list(placement.places)] = array
    for number in placement.missing:
        after = next(index for index, place in enumerate(placement.places) if place > number)
        low, high = placement.places[after - 1], placement.places[after]
        part = (number - low) / (high - low)
        whole[number] = (1 - part) * array[after - 1] + part * array[after]
    return whole


def straightened(array: Array, shear: Shear) -> Array:
    """Return a volume with each slice moved to its own place in the wide plane, interpolated linearly in its plane.

    Voxels beyond what was scanned take the lowest value of the volume.

    Args:
        array: Slices (n, y, x).
        shear: Their shifts.

    Returns:
        Slices (n, rows, columns) of the wide plane.
    """
    # A heavy library that a series without a tilt does not need.
    from scipy.ndimage import shift

    (top, left), (rows, columns) = shear.first, shear.shape
    lowest = float(array.min())
    whole = np.full((len(array), *shear.wide), lowest)
    for number, plane in enumerate(array):
        whole[number, :rows, :columns] = plane
        moved = (shear.rows[number] - top, shear.columns[number] - left)
        whole[number] = shift(whole[number], moved, order=1, mode="constant", cval=lowest)
    return whole
