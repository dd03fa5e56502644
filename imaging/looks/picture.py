"""One picture of a region: three planes through its largest sections with its outline; for PET the maximum projection too."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array

SIDE = 176
"""Pixels along each side of a panel."""

MARGIN = 25.0
"""How many mm around the region a panel shows."""

OUTLINE = (255, 210, 0)


@dataclass(frozen=True)
class Window:
    """Intensities that are shown from black to white; from white to black when `inverted`."""

    low: float
    high: float
    inverted: bool = False

    def grey(self, values: Array) -> Array:
        """Return intensities, of any shape, as grey values (uint8); what is no number is black.

        >>> Window(0, 100).grey(np.array([0.0, 50.0, 100.0])).tolist()
        [0, 128, 255]
        """
        share = np.clip((np.nan_to_num(values, nan=self.low) - self.low) / max(self.high - self.low, 1e-9), 0, 1)
        grey: Array = np.round(255 * (1 - share if self.inverted else share)).astype(np.uint8)
        return grey


def window_of(volume: Volume, region: Boxed) -> Window:
    """Return the window in which a region of a `volume` is seen.

    CT: soft tissue (-160 to 240 HU), or lung (-1350 to 150 HU) where half of the region is below -300 HU. PET: from 0 to what
    99 % of the region stay below, at least 5, dark on white. Others: from the 1st to the 99th percentile of the surroundings.
    """
    inside = region.values(volume.array)
    if volume.modality == "CT":
        return Window(-1350, 150) if float(np.median(inside)) < -300 else Window(-160, 240)
    if volume.modality == "PT":
        top = float(np.nanpercentile(inside, 99))
        return Window(0, max(top, 5.0) if volume.unit == "SUVbw" else top, inverted=True)
    around = volume.array[region.grown([int(MARGIN / step) + 1 for step in _spacing(volume)])]
    low, high = np.nanpercentile(around, (1, 99))
    return Window(float(low), float(high))


def picture_of(volume: Volume, region: Boxed) -> bytes:
    """Return a PNG of a region on its image; equal input gives equal bytes.

    Args:
        volume: The image.
        region: A region that is not empty.
    """
    from PIL import Image

    spacing = _spacing(volume)
    window = window_of(volume, region)
    extent = max(n * step for n, step in zip(region.array.shape, spacing, strict=True)) + 2 * MARGIN
    panels = [_panel(volume, region, axis, extent, window) for axis in range(3)]
    if volume.modality == "PT":
        panels.append(_projection(volume, region, extent, window))
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(panels, axis=1)).save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def _spacing(volume: Volume) -> tuple[float, float, float]:
    return volume.grid.spacing[2], volume.grid.spacing[1], volume.grid.spacing[0]


def _panel(volume: Volume, region: Boxed, axis: int, extent: float, window: Window) -> Array:
    """Return the plane across an axis (z, y, x) that holds the most of the region, as a square of `extent` mm (SIDE, SIDE, 3)."""
    others = tuple(other for other in range(3) if other != axis)
    index = int(region.array.sum(axis=others).argmax())
    plane = volume.array.take(region.start[axis] + index, axis=axis)
    inside = np.zeros(plane.shape, dtype=bool)
    inside[tuple(region.box[other] for other in others)] = region.array.take(index, axis=axis)
    rows, columns = (_places(region, volume, other, extent) for other in others)
    return _drawn(plane, inside, rows, columns, window)


def _projection(volume: Volume, region: Boxed, extent: float, window: Window) -> Array:
    """Return the largest intensities seen from the front, with the outline of the region's shadow."""
    rows, columns = (_places(region, volume, other, extent) for other in (0, 2))
    seen = tuple(slice(max(int(places.min()), 0), max(int(places.max()) + 1, 0)) for places in (rows, columns))
    plane = np.full((volume.array.shape[0], volume.array.shape[2]), np.nan)
    plane[seen] = volume.array[seen[0], :, seen[1]].max(axis=1)
    inside = np.zeros(plane.shape, dtype=bool)
    inside[region.box[0], region.box[2]] = region.array.any(axis=1)
    return _drawn(plane, inside, rows, columns, window)


def _places(region: Boxed, volume: Volume, axis: int, extent: float) -> Array:
    """Return the voxel of each pixel along an axis; the head is up, whichever way the slices run."""
    middle = region.start[axis] + (region.array.shape[axis] - 1) / 2
    offsets = (np.arange(SIDE) + 0.5) / SIDE * extent - extent / 2
    if axis == 0 and volume.grid.matrix[2, 2] > 0:
        offsets = -offsets
    places: Array = np.rint(middle + offsets / _spacing(volume)[axis]).astype(np.int64)
    return places


def _drawn(plane: Array, inside: Array, rows: Array, columns: Array, window: Window) -> Array:
    """Return a plane at the given rows and columns in grey, with the outline of the region in colour."""
    fits = ((rows >= 0) & (rows < plane.shape[0]))[:, np.newaxis] & ((columns >= 0) & (columns < plane.shape[1]))[np.newaxis, :]
    at = np.ix_(np.clip(rows, 0, plane.shape[0] - 1), np.clip(columns, 0, plane.shape[1] - 1))
    grey = np.where(fits, window.grey(plane[at]), 0).astype(np.uint8)
    marked = inside[at] & fits
    padded = np.pad(marked, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    result = np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    result[marked & ~core] = OUTLINE
    return result
