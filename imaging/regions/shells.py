"""Peritumoral shells: what surrounds a region between two distances."""

from __future__ import annotations

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.grid import Grid


def shell_name(target: str, inner: float, outer: float) -> str:
    """Return the name of the shell of a `target` from `inner` to `outer` mm.

    >>> shell_name("GTV", 0.0, 5.0)
    'GTV shell 0-5 mm'
    """
    return f"{target} shell {inner:g}-{outer:g} mm"


def shell(region: Boxed, grid: Grid, inner: float, outer: float, within: Boxed | None = None) -> tuple[Boxed, tuple[str, ...]]:
    """Return the voxels outside a region whose centre lies more than `inner` and at most `outer` mm from it.

    The distance is that of voxel centres to the nearest voxel centre of the region (exact Euclidean distance
    transform with the spacing of the grid). Holes inside the region belong to the shell, as they are not the region.

    Args:
        region: The region.
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
    # One voxel of reach beyond `outer` is margin, so the shell itself is cut off only when more is missing.
    cut = any(
        own.start - more + 1 < 0 or own.stop + more - 1 > n for own, more, n in zip(region.box, reach, region.shape, strict=True)
    )
    # Only the box around the region can hold the shell: the transform never sees the rest of the volume.
    box = region.grown(reach)
    mask = region.part(box)
    distance = distance_transform_edt(~mask, sampling=spacing)
    # Distances are roots: a shell must not lose a voxel that lies on its border by a rounding.
    ring = (distance > inner * (1 + 1e-12)) & (distance <= outer * (1 + 1e-12)) & ~mask
    result = Boxed.of(ring, [part.start for part in box], region.shape)
    if within is not None:
        result = result & within
    if result.empty:
        raise Unusable(reasons.EMPTY_REGION, "No voxel lies in the shell.", "Widen the shell, or check the region.")
    return result, ("cut-off-at-edge",) if cut else ()
