"""One orientation for all volumes: axes turned and flipped to the patient's, and no voxel changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from unibase.imaging.boxed import Boxed
from unibase.imaging.grid import Array, Grid


@dataclass(frozen=True)
class Turn:
    """How the axes of a volume are exchanged and flipped, so that x grows to the left, y to the back, z to the head (LPS).

    Attributes:
        grid: The grid after the turn.
        axes: For each axis (z, y, x) after the turn, the axis before it.
        flipped: For each axis (z, y, x) after the turn, whether its order is reversed.
    """

    grid: Grid
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def array(self, array: Array) -> Array:
        """Return an array of the volume, or a box of it, turned.

        Args:
            array: Shape (z, y, x) before the turn.
        """
        turned = array.transpose(self.axes)[tuple(slice(None, None, -1 if one else 1) for one in self.flipped)]
        return np.ascontiguousarray(turned)

    def region(self, region: Boxed) -> Boxed:
        """Return a region of the volume, turned. `region`: before the turn."""
        shape = tuple(region.shape[axis] for axis in self.axes)
        start = [region.start[axis] for axis in self.axes]
        array = self.array(region.array)
        ends = zip(start, array.shape, shape, self.flipped, strict=True)
        first = [whole - begin - size if flip else begin for begin, size, whole, flip in ends]
        return Boxed.of(array, first, shape)


def turn_of(grid: Grid) -> Turn:
    """Return the turn that brings a volume nearest to the patient's axes. Oblique volumes stay oblique: nothing is resampled.

    Args:
        grid: Grid of the volume, in LPS; its slices lie at one distance.

    Example:
        >>> sagittal = Grid((3, 4, 5), (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), (0, 0, 1, 1, 0, 0, 0, -1, 0))
        >>> turn_of(sagittal).grid.size, turn_of(sagittal).grid.direction
        ((5, 3, 4), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    """
    # Of the six ways to give patient axes to image axes, the one whose axes point along them most.
    order = max(permutations(range(3)), key=lambda axes: sum(abs(grid.matrix[n, axis]) for n, axis in enumerate(axes)))
    backwards = [bool(grid.matrix[n, axis] < 0) for n, axis in enumerate(order)]
    columns = [grid.matrix[:, axis] * (-1 if flip else 1) for axis, flip in zip(order, backwards, strict=True)]
    origin = np.array(grid.origin)
    for axis, flip in zip(order, backwards, strict=True):
        if flip:
            origin = origin + grid.matrix[:, axis] * grid.spacing[axis] * (grid.size[axis] - 1)
    turned = replace(
        grid,
        size=_three(grid.size[axis] for axis in order),
        spacing=_three(grid.spacing[axis] for axis in order),
        origin=_three(float(value) for value in origin),
        # A minus zero would be another text for the same direction.
        direction=tuple(float(value) + 0.0 for value in np.column_stack(columns).ravel()),
    )
    # Arrays are z, y, x: the last axis of an array is the first of a grid.
    return Turn(turned, _three(2 - order[n] for n in (2, 1, 0)), _three(backwards[n] for n in (2, 1, 0)))


def _three[T](values: Iterable[T]) -> tuple[T, T, T]:
    one, two, three = values
    return one, two, three
