"""Peritumoral shells: what surrounds a region between two distances."""

from __future__ import annotations

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.grid import Array, Grid


def shell_name(target: str, inner: float, outer: float) -> str:
    """Return the name of a shell's region, such as `GTV shell 0-5 mm`."""
    return f"{target} shell {inner:g}-{outer:g} mm"


def shell(mask: Array, grid: Grid, inner: float, outer: float, within: Array | None = None) -> tuple[Array, tuple[str, ...]]:
    """Return the voxels outside a region whose centre lies more than `inner` and at most `outer` mm from it.

    The distance is that of voxel centres to the nearest voxel centre of the region (exact Euclidean distance
    transform with the spacing of the grid). Holes inside the region belong to the shell, as they are not the region.

    Args:
        mask: The region, boolean, z, y, x.
        grid: Its grid.
        inner: Lower end in mm, exclusive; 0 starts at the region's border.
        outer: Upper end in mm, inclusive.
        within: Where the shell may lie (an organ), or None.

    Returns:
        The shell, and notes: `cut-off-at-edge` when it would reach beyond the image.

    Raises:
        Unusable: `empty-region` when no voxel is left.
    """
    from scipy.ndimage import distance_transform_edt

    spacing = (grid.spacing[2], grid.spacing[1], grid.spacing[0])
    reach = [int(np.floor(outer / step)) + 1 for step in spacing]
    box, cut = [], False
    for axis in range(3):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        low, high = int(filled[0]) - reach[axis], int(filled[-1]) + reach[axis] + 1
        # One voxel of reach beyond `outer` is margin, so the shell itself is cut off only when more is missing.
        cut = cut or low + 1 < 0 or high - 1 > mask.shape[axis]
        box.append(slice(max(low, 0), min(high, mask.shape[axis])))
    part = tuple(box)
    # Only the box around the region can hold the shell: the transform never sees the rest of the volume.
    distance = distance_transform_edt(~mask[part], sampling=spacing)
    # Distances are roots: a shell must not lose a voxel that lies on its border by a rounding.
    ring = (distance > inner * (1 + 1e-12)) & (distance <= outer * (1 + 1e-12)) & ~mask[part]
    result = np.zeros(mask.shape, dtype=bool)
    result[part] = ring
    if within is not None:
        result &= within
    if not result.any():
        raise Unusable("empty-region", "No voxel lies in the shell.", "Widen the shell, or check the region.")
    return result, ("cut-off-at-edge",) if cut else ()
