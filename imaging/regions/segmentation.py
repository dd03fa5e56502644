"""DICOM SEG (binary, fractional, labelmap, overlapping segments) to masks, read through highdicom."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.regions.masks import Mask, Roi, checked, place, wrong_grid


def open_segmentation(dataset: Any, volume: Volume, *, resample: bool, threshold: float) -> list[Roi]:
    """Open the segments of a SEG object; arguments as `masks.open_masks`."""
    import highdicom as hd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            segmentation = hd.seg.Segmentation.from_dataset(dataset, copy=False)
            # In a labelmap the number 0 describes the background.
            numbers = [int(number) for number in segmentation.segment_numbers if int(number) > 0]
        except Exception:
            raise Unusable("unreadable-mask", "The SEG object is not as the standard asks.", "Write it again.") from None
    rois = []
    for number in numbers:
        name = str(segmentation.get_segment_description(number).segment_label).strip() or f"segment {number}"
        rois.append(Roi(name, number, _Segment(name, number, segmentation, volume, resample, threshold)))
    return rois


@dataclass(frozen=True)
class _Segment:
    name: str
    number: int
    segmentation: Any
    volume: Volume
    resample: bool
    threshold: float

    def __call__(self) -> Mask:
        frame = str(self.segmentation.get("FrameOfReferenceUID", ""))
        if frame and self.volume.frame_of_reference_uid and frame != self.volume.frame_of_reference_uid:
            message = "The segment lies in another frame of reference than the image's."
            raise Unusable("frame-of-reference", message, "Give the segmentation of this image, or register the two.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                # Frames without a marked voxel may be left out of a SEG: missing positions are empty, not an error.
                fractional = str(self.segmentation.SegmentationType) == "FRACTIONAL"
                stored = self.segmentation.get_volume(
                    segment_numbers=[self.number],
                    combine_segments=False,
                    allow_missing_positions=True,
                    dtype=np.float64 if fractional else np.uint8,
                )
            except Exception:
                message = "The frames of the SEG object form no regular volume."
                raise Unusable("mask-geometry", message, "Write the segmentation on the grid of the image.") from None
        fraction, grid = _plain(stored)
        marked = fraction >= self.threshold if fractional else fraction > 0
        return self._on_grid(marked, grid)

    def _on_grid(self, marked: Array, grid: Grid) -> Mask:
        target = self.volume.grid
        pasted = paste(marked, grid, target)
        if pasted is not None:
            array, outside = pasted
            if outside and not array.any():
                message = "The segment lies outside the image."
                raise Unusable("region-outside-image", message, "Give the image it was drawn on.")
            notes = ("cut-off-at-edge",) if outside else ()
            return checked(self.name, array, self.number, notes)
        if not self.resample:
            raise wrong_grid("spacing, direction or position within the voxel")
        return checked(self.name, place(marked, grid, self.volume, True), self.number, ("resampled",))


def _plain(stored: Any) -> tuple[Array, Grid]:
    """Return the array (z, y, x) and grid of a highdicom volume of one segment (axes: slice, row, column)."""
    array = np.asarray(stored.array)
    if array.ndim == 4:
        array = array[..., 0]
    affine = np.asarray(stored.affine, dtype=np.float64)
    # highdicom's axes are (slice, row, column); ours for the grid are (column, row, slice).
    columns = affine[:3, [2, 1, 0]]
    spacing = np.linalg.norm(columns, axis=0)
    size = array.shape[2], array.shape[1], array.shape[0]
    origin = affine[:3, 3]
    return array, Grid(
        size,
        (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        tuple(float(item) for item in (columns / spacing).ravel()),
    )


def paste(marked: Array, grid: Grid, target: Grid) -> tuple[Array, bool] | None:
    """Return the mask on `target` and whether marked voxels fell outside; None when the two grids do not line up.

    The grids line up when one maps onto the other by whole voxels: flipped, shifted, cropped or padded. A single
    slice has no distance of its own, so it takes the target's.
    """
    index_from = np.linalg.inv(target.matrix * np.array(target.spacing))
    step = index_from @ (grid.matrix * np.array(grid.spacing))
    if grid.size[2] == 1:
        step[:, 2] = np.round(step[:, 2] / max(np.abs(step[:, 2]).max(), 1e-12))
    start = index_from @ (np.array(grid.origin) - np.array(target.origin))
    whole_step, whole_start = np.round(step), np.round(start)
    reach = np.abs(step - whole_step) @ np.maximum(np.array(grid.size) - 1, 1) + np.abs(start - whole_start)
    if reach.max() > 0.01 or (np.abs(whole_step).sum(axis=0) == 0).any():
        return None
    z, y, x = np.nonzero(marked)
    moved = (whole_start[:, np.newaxis] + whole_step @ np.stack([x, y, z])).astype(np.int64)
    if (np.abs(whole_step).sum(axis=0) != 1).any() and not _slices_only(whole_step):
        return None
    limits = np.array(target.size)[:, np.newaxis]
    inside = ((moved >= 0) & (moved < limits)).all(axis=0)
    array = np.zeros(target.shape, dtype=bool)
    array[moved[2, inside], moved[1, inside], moved[0, inside]] = True
    return array, bool((~inside).any())


def _slices_only(step: Array) -> bool:
    """Whether only the slice distance is a multiple (every second slice was stored), which leaves no voxel unsaid."""
    in_plane = np.abs(step[:, :2])
    return bool((in_plane.sum(axis=0) == 1).all() and (in_plane.max(axis=0) == 1).all() and (np.abs(step[:, 2]) > 0).sum() == 1)
