"""Regions of an image: RTSTRUCT, DICOM SEG, NIfTI and NRRD to masks on exactly the image's grid.

A mask on another grid is refused, or resampled (nearest neighbour) when that is asked for; it is never bent in
silence. Regions are opened first and read one by one, so that one bad region does not take the others with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume, read_sitk
from unibase.imaging.grid import Array, Grid

if TYPE_CHECKING:
    from unibase.imaging.regions.rtstruct import Gaps


@dataclass(frozen=True)
class Mask:
    """One region on the grid of a volume.

    Attributes:
        roi_name: Name of the region in its file.
        array: Boolean, z, y, x.
        number: ROI Number, Segment Number or label value.
        notes: What a user should know of how it was made, as short codes, such as `gap-between-contours`.
    """

    roi_name: str
    array: Array
    number: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roi:
    """A region that can be read: its name and number, known without the cost of making the mask."""

    roi_name: str
    number: int
    read: Callable[[], Mask]


def read_masks(
    path: Path | str, volume: Volume, *, resample: bool = False, threshold: float = 0.5, gaps: Gaps = "keep"
) -> list[Mask]:
    """Read all regions of a file on the grid of `volume`.

    Args:
        path: RTSTRUCT, SEG, NIfTI or NRRD file.
        volume: The image that the regions belong to.
        resample: Resample masks that lie on another grid; False refuses them.
        threshold: Least fraction (fractional SEG) at which a voxel is inside.
        gaps: What to do with slices between contours (RTSTRUCT) that carry none: `keep` them empty, as drawn, `fill` them
            by interpolating the shape, or `refuse` the region.

    Raises:
        Unusable: As `open_masks`, and for the first region that cannot be read.
    """
    return [roi.read() for roi in open_masks(path, volume, resample=resample, threshold=threshold, gaps=gaps)]


def open_masks(
    path: Path | str, volume: Volume, *, resample: bool = False, threshold: float = 0.5, gaps: Gaps = "keep"
) -> list[Roi]:
    """Open the regions of a file, to be read one by one; arguments as `read_masks`.

    Raises:
        Unusable: `unreadable-mask` when the file is neither DICOM nor an image, `not-a-mask` when it is another kind
            of DICOM object. Reading a region may raise `mask-geometry`, `frame-of-reference`, `empty-region`,
            `region-outside-image`, `no-closed-contour`, `contour-not-in-slice-plane`.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    path = Path(path)
    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError:
        return _open_image(path, volume, resample)
    except OSError:
        raise Unusable("unreadable-mask", "The mask file is absent or cannot be opened.", "Check the path.") from None
    except Exception:
        raise Unusable("unreadable-mask", "The mask is DICOM that cannot be parsed.", "Export it again.") from None
    modality = str(dataset.get("Modality", ""))
    if modality == "RTSTRUCT":
        from unibase.imaging.regions.rtstruct import open_rtstruct

        return open_rtstruct(dataset, volume, gaps)
    if modality == "SEG":
        from unibase.imaging.regions.segmentation import open_segmentation

        return open_segmentation(dataset, volume, resample=resample, threshold=threshold)
    raise Unusable("not-a-mask", "The DICOM file is neither RTSTRUCT nor SEG.", "Name the file that holds the regions.")


def checked(roi_name: str, array: Array, number: int, notes: tuple[str, ...] = ()) -> Mask:
    """Return the mask; refuse it when no voxel is inside."""
    if not array.any():
        raise Unusable("empty-region", "No voxel centre lies inside the region.", "The region is smaller than a voxel, or empty.")
    return Mask(roi_name, np.ascontiguousarray(array, dtype=bool), number, notes)


def wrong_grid(what: str) -> Unusable:
    """Return the refusal of a mask whose grid differs from the image's in `what`."""
    message = f"The mask lies on another grid than the image: {what} differs."
    return Unusable("mask-geometry", message, "Draw the mask on this image, or ask for resampling (correctMask: true).")


def place(array: Array, grid: Grid, volume: Volume, resample: bool) -> Array:
    """Return a boolean mask on the grid of the volume: as it is, or resampled, or refused."""
    difference = volume.grid.difference(grid)
    if not difference:
        return array
    if not resample:
        raise wrong_grid(difference)
    import SimpleITK as sitk

    moved = sitk.Resample(
        grid.to_sitk(array.astype(np.uint8)),
        volume.grid.to_sitk(np.zeros(volume.grid.shape, dtype=np.uint8)),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        0.0,
    )
    resampled: Array = sitk.GetArrayFromImage(moved).astype(bool)
    return resampled


def _open_image(path: Path, volume: Volume, resample: bool) -> list[Roi]:
    import SimpleITK as sitk

    image = read_sitk(path)
    grid = Grid.of(image)
    layers = sitk.GetArrayFromImage(image)
    if layers.ndim == 3:
        layers = layers[..., np.newaxis]
    names = _slicer_names(image)
    stem = path.name.split(".")[0]
    rois = []
    for layer in range(layers.shape[3]):
        labels = layers[..., layer]
        if not np.isfinite(labels).all():
            raise Unusable("unreadable-mask", "The mask holds values that are no number.", "Write labels as whole numbers.")
        for value in np.unique(labels[labels != 0]):
            if value != np.round(value):
                raise Unusable("unreadable-mask", "The mask holds values that are no labels.", "Write labels as whole numbers.")
            number = int(value)
            fallback = f"{stem}:{number}" if layers.shape[3] == 1 else f"{stem}:{layer}:{number}"
            name = names.get((layer, number), fallback)
            rois.append(Roi(name, number, _ImageRoi(name, number, labels, grid, volume, resample)))
    if not rois:
        raise Unusable("empty-region", "The mask marks no voxel.", "Check that the right mask was written.")
    return rois


@dataclass(frozen=True)
class _ImageRoi:
    name: str
    number: int
    labels: Array
    grid: Grid
    volume: Volume
    resample: bool

    def __call__(self) -> Mask:
        array = place(self.labels == self.number, self.grid, self.volume, self.resample)
        notes = ("resampled",) if self.volume.grid.difference(self.grid) else ()
        return checked(self.name, array, self.number, notes)


def _slicer_names(image: Any) -> dict[tuple[int, int], str]:
    """Return `{(layer, label): name}` from the header of a `.seg.nrrd` file of 3D Slicer."""
    names = {}
    keys = set(image.GetMetaDataKeys())
    for key in keys:
        if key.startswith("Segment") and key.endswith("_LabelValue"):
            stem = key.removesuffix("_LabelValue")
            if f"{stem}_Name" in keys:
                layer = int(image.GetMetaData(f"{stem}_Layer")) if f"{stem}_Layer" in keys else 0
                names[layer, int(image.GetMetaData(key))] = image.GetMetaData(f"{stem}_Name")
    return names
