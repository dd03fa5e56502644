"""DICOM SEG (binary, fractional, labelmap, overlapping segments) to masks, read through highdicom."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.regions.about import About, about_segmentation, made_by, notes_of_reference
from unibase.imaging.regions.drawn_on import drawn_here, references_of_segments
from unibase.imaging.regions.lattice import place
from unibase.imaging.regions.mask import Mask, MaskRules, Roi, checked

if TYPE_CHECKING:
    from pydicom import Dataset


def open_segmentation(dataset: Dataset, volume: Volume, rules: MaskRules) -> list[Roi]:
    """Open the segments of a SEG, `dataset`, on a `volume`; `rules` and the rest as of `masks.open_masks`.

    Raises:
        Unusable: `truncated-file`, `unreadable-mask`.
    """
    import highdicom as hd

    _check_pixels(dataset)
    about = about_segmentation(dataset)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            segmentation = hd.seg.Segmentation.from_dataset(dataset, copy=False)
            # In a labelmap the number 0 describes the background.
            numbers = [int(number) for number in segmentation.segment_numbers if int(number) > 0]
        except Exception:
            raise Unusable(reasons.UNREADABLE_MASK, "The SEG object is not as the standard asks.", "Write it again.") from None
    rois = []
    here = drawn_here(references_of_segments(dataset), volume)
    for number in numbers:
        described = segmentation.get_segment_description(number)
        name = str(described.segment_label).strip() or f"segment {number}"
        told = made_by(about, described, "SegmentAlgorithmType", "SegmentAlgorithmName")
        rois.append(Roi(name, number, _Segment(name, number, segmentation, about, volume, rules), told, drawn_here=here))
    if not rois:
        raise Unusable(reasons.EMPTY_REGION, "The SEG object describes no segment.", "Check that the right one was exported.")
    return rois


def _check_pixels(dataset: Dataset) -> None:
    """Refuse a SEG whose frames end early: its pixel data is the last element, and may be absent altogether."""
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    needed = int(dataset.get("NumberOfFrames", 1) or 1) * int(dataset.get("Rows", 0)) * int(dataset.get("Columns", 0))
    needed = (needed * int(dataset.get("BitsAllocated", 1)) + 7) // 8
    whole = "PixelData" in dataset and (syntax is None or syntax.is_compressed or len(dataset.PixelData) >= needed)
    if not whole:
        raise Unusable(TRUNCATED_FILE, "The pixel data of the SEG object ends too early.", "Copy or export the file again.")


@dataclass(frozen=True)
class _Segment:
    name: str
    number: int
    segmentation: Dataset
    about: About
    volume: Volume
    rules: MaskRules

    def __call__(self) -> Mask:
        notes = notes_of_reference(self.about, self.volume, str(self.segmentation.get("FrameOfReferenceUID", "") or ""))
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
                raise Unusable(reasons.MASK_GEOMETRY, message, "Write the segmentation on the grid of the image.") from None
        fraction, grid = _plain(stored)
        marked = fraction >= self.rules.threshold if fractional else fraction > 0
        region = Boxed.of(marked)
        placed = place(region, grid, self.volume.grid, self.rules.grid, sparse=True)
        said = {*notes, *placed.notes} | ({"thresholded-fraction"} if fractional else set())
        mask = Mask(self.name, placed.region, self.number, tuple(sorted(said)), placed.coverage)
        return checked(mask)


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
