"""Where in the body a region lies, as shares of the body, so that persons of every size compare."""

from __future__ import annotations

import numpy as np

from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array

AIR = -500.0
"""HU below which a voxel of a CT is air or lung."""

_FEWEST = 10
"""A body of fewer voxels across is not seen."""

Place = tuple[float | None, float | None, float | None]


def placed_in_body(volume: Volume, index: Array) -> Place:
    """Return where a point lies: to the left and the back of the body's middle, and above the foot end of the image.

    The body is what is above -500 HU in the axial plane of the point; in other images than CT what is above that plane's median.
    The first two numbers are shares of its width and depth, from -0.5 to 0.5. The third is a share of the image's height.

    Args:
        volume: The image.
        index: The point in voxels (z, y, x).
    """
    axes = np.abs(volume.grid.matrix).argmax(axis=1)
    if sorted(axes.tolist()) != [0, 1, 2]:
        return None, None, None
    x, y, z = (2 - int(axis) for axis in axes)
    plane = np.take(volume.array, round(float(index[z])), axis=z)
    body = plane > (AIR if volume.modality == "CT" else float(np.nanmedian(plane)))
    # Of the two axes that are left, `y` comes first where it stands first in the array.
    order = (0, 1) if x < y else (1, 0)
    across = _share(body.any(axis=order[1]), float(index[x]), volume.grid.matrix[0, axes[0]])
    depth = _share(body.any(axis=order[0]), float(index[y]), volume.grid.matrix[1, axes[1]])
    size = volume.array.shape[z]
    height = float(index[z]) / (size - 1) if size > 1 else None
    upward = volume.grid.matrix[2, axes[2]] > 0
    return across, depth, height if height is None or upward else 1 - height


def _share(filled: Array, place: float, direction: float) -> float | None:
    """Return how far a place lies from the middle of what is filled, in its widths, along a direction."""
    found = np.flatnonzero(filled)
    if found.size < _FEWEST:
        return None
    return float((place - (found[0] + found[-1]) / 2) / (found[-1] - found[0] + 1) * np.sign(direction))
