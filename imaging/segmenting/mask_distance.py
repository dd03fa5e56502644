"""How far two masks of one grid agree: the Dice coefficient, and distances of their surfaces.

Dice, Ecology 1945;26:297. Surface distances as Nikolov et al., J Med Internet Res 2021;23:e26151 discuss them, of voxel
centres: a voxel of a mask is on its surface when one of its six neighbours is not in the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unibase.imaging.boxed import Boxed
from unibase.imaging.grid import Array


@dataclass(frozen=True)
class Agreement:
    """How far two masks agree.

    Attributes:
        dice: Twice the common voxels over all voxels, 0 to 1.
        mean_distance: Mean, over the surface voxels of both, of the distance to the other's surface, in mm; None where a
            mask is empty.
        hausdorff_95: The greater of the two 95th percentiles of these distances, in mm.
        hausdorff: The greatest of these distances, in mm.
    """

    dice: float
    mean_distance: float | None = None
    hausdorff_95: float | None = None
    hausdorff: float | None = None


def agreement(one: Boxed, other: Boxed, spacing: Sequence[float]) -> Agreement:
    """Return how far two masks agree.

    Args:
        one, other: Masks on one grid; not both empty.
        spacing: Distance of voxels along z, y, x, in mm.

    Example:
        >>> flat = np.zeros((1, 4, 6), dtype=bool)
        >>> flat[0, 1:3, 1:3] = True
        >>> agreement(Boxed.of(flat), Boxed.of(np.roll(flat, 1, axis=2)), (3.0, 1.0, 1.0))
        Agreement(dice=0.5, mean_distance=0.5, hausdorff_95=1.0, hausdorff=1.0)
    """
    total = one.voxels + other.voxels
    dice = 2 * (one & other).voxels / total
    if one.empty or other.empty:
        return Agreement(dice)
    box = (one | other).grown((1, 1, 1))
    first, second = one.part(box), other.part(box)
    ways = [_distances(first, second, spacing), _distances(second, first, spacing)]
    mean = float(np.concatenate(ways).mean())
    greatest = (max(float(np.percentile(way, share)) for way in ways) for share in (95, 100))
    return Agreement(dice, mean, *greatest)


def _distances(mask: Array, other: Array, spacing: Sequence[float]) -> Array:
    """Return the distance of each surface voxel of a mask to the nearest one of another."""
    from scipy.ndimage import distance_transform_edt  # slow to import

    return np.asarray(distance_transform_edt(~_surface(other), sampling=spacing)[_surface(mask)])


def _surface(mask: Array) -> Array:
    """Return the voxels of a mask with a neighbour outside; what lies beyond the array is outside."""
    from scipy.ndimage import binary_erosion  # slow to import

    return np.asarray(mask & ~binary_erosion(mask, border_value=0))
