"""The grid of a volume: where its voxel centres lie in the patient, in the terms of SimpleITK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import SimpleITK

Array = np.ndarray


@dataclass(frozen=True)
class Grid:
    """Voxel centres of a volume: `centre(i, j, k) = origin + direction @ (spacing * (i, j, k))`, in mm (LPS).

    Attributes:
        size: Number of voxels along x, y, z.
        spacing: Distance of neighbouring centres along x, y, z in mm.
        origin: Position of the first voxel's centre in mm.
        direction: 3 x 3 cosines, row by row; column n is the direction of axis n, as SimpleITK writes it.
        slice_offsets: Offsets of the slices along the normal from the first one in mm, when they are uneven; else
            empty. Only the rasteriser of contours takes uneven slices; features refuse them.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    slice_offsets: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the array: z, y, x."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def matrix(self) -> Array:
        """Direction as a 3 x 3 array whose columns are the axes."""
        return np.array(self.direction, dtype=np.float64).reshape(3, 3)

    @property
    def even(self) -> bool:
        """Whether all slices lie at one distance."""
        return not self.slice_offsets

    def offsets(self) -> Array:
        """Return the offset of every slice along the normal from the first slice, in mm."""
        if self.slice_offsets:
            return np.array(self.slice_offsets)
        return np.arange(self.size[2]) * self.spacing[2]

    def in_plane(self, points: Array) -> Array:
        """Return, for `points` (n, 3) in mm, continuous column and row and the offset along the normal in mm (n, 3)."""
        along = (points - np.array(self.origin)) @ self.matrix
        along[:, 0] /= self.spacing[0]
        along[:, 1] /= self.spacing[1]
        found: Array = along
        return found

    def difference(self, other: Grid) -> str:
        """Say in which property `other` is another grid, or return an empty text when both are the same.

        Two grids are one when corners agree within a thousandth of the smallest spacing: far below what moves a
        voxel, far above what formats round (NIfTI stores float32).
        """
        if self.size != other.size:
            return "size"
        tolerance = 1e-3 * min(self.spacing)
        corners = np.array([[0, 0, 0], *np.diag(np.array(self.size) - 1)], dtype=np.float64)
        mine = self.centres(corners)
        theirs = other.centres(corners)
        if np.abs(mine[0] - theirs[0]).max() > tolerance:
            return "origin"
        if np.abs(np.array(self.spacing) - np.array(other.spacing)).max() > tolerance:
            return "spacing"
        # Corner to corner, so that a small turn of a long axis counts as far as it moves the last voxel.
        return "direction" if np.abs(mine - theirs).max() > 20 * tolerance else ""

    def centres(self, index: Array) -> Array:
        """Return the centres of voxels in mm (n, 3).

        Args:
            index: Their indices x, y, z (n, 3).

        Example:
            >>> grid = Grid((4, 4, 4), (1.0, 1.0, 2.5), (10.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
            >>> grid.centres(np.array([[1, 0, 2]])).tolist()
            [[11.0, 0.0, 5.0]]
        """
        found: Array = np.array(self.origin) + (index * np.array(self.spacing)) @ self.matrix.T
        return found

    def to_sitk(self, array: Array) -> SimpleITK.Image:
        """Return `array` (z, y, x) as a SimpleITK image on this grid."""
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    @staticmethod
    def of(image: SimpleITK.Image) -> Grid:
        """Return the grid of a three-dimensional SimpleITK image."""
        return Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
