"""RTSTRUCT: outlines in the patient's coordinates to masks on the slices of an image (PS3.3 C.8.8.6).

A contour belongs to the slice whose centre is nearest, by its coordinates; ContourImageSequence is not needed and
not trusted. When several contour planes fall on one slice (contours drawn on a finer grid), the nearest plane is
taken whole: planes are never mixed by exclusive-or.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array
from unibase.imaging.regions.masks import Mask, Roi, checked
from unibase.imaging.regions.rasterise import fill

PLANE_TOLERANCE = 0.25
"""How far the points of one contour may leave its plane, as a fraction of the slice distance."""

SAME_PLANE = 0.01
"""Contours nearer to one another than this fraction of the slice distance lie in one plane."""

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "")


def _crossing(outlines: list[Array], shape: tuple[int, int]) -> bool:
    """Whether two outlines of a plane overlap in part: then even-odd takes out what they share, which few have meant."""
    boxes = [(outline.min(axis=0), outline.max(axis=0)) for outline in outlines]
    alone: dict[int, Array] = {}
    for one in range(len(outlines)):
        for other in range(one):
            if (boxes[one][0] > boxes[other][1]).any() or (boxes[other][0] > boxes[one][1]).any():
                continue
            for index in (one, other):
                if index not in alone:
                    alone[index] = fill([outlines[index]], shape)
            first, second = alone[one], alone[other]
            if (first & second).any() and (first & ~second).any() and (second & ~first).any():
                return True
    return False


Gaps = Literal["keep", "fill", "refuse"]
"""What to do with slices between contours that carry none: leave them empty, interpolate the shape, or refuse."""


def open_rtstruct(dataset: Any, volume: Volume, gaps: Gaps = "keep") -> list[Roi]:
    """Open the regions of a structure set.

    Args:
        dataset: The RTSTRUCT.
        volume: The image on whose slices the masks are made.
        gaps: What to do with slices between contours that carry none.
    """
    contours = {int(item.ReferencedROINumber): item for item in dataset.get("ROIContourSequence") or []}
    rois = []
    for item in dataset.get("StructureSetROISequence") or []:
        number = int(item.ROINumber)
        name = str(item.get("ROIName", "") or f"ROI {number}").strip()
        frame = str(item.get("ReferencedFrameOfReferenceUID", "") or _only_frame(dataset))
        rois.append(Roi(name, number, _Contoured(name, number, frame, contours.get(number), dataset, volume, gaps)))
    if not rois:
        raise Unusable("empty-region", "The structure set names no region.", "Check that the right structure set was exported.")
    return rois


def _only_frame(dataset: Any) -> str:
    frames = {str(item.get("FrameOfReferenceUID", "")) for item in dataset.get("ReferencedFrameOfReferenceSequence") or []}
    return frames.pop() if len(frames) == 1 else ""


def referenced_series(dataset: Any) -> list[str]:
    """Return the SeriesInstanceUIDs that a structure set says it was drawn on, sorted."""
    found = set()
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for series in study.get("RTReferencedSeriesSequence") or []:
                found.add(str(series.get("SeriesInstanceUID", "")))
    return sorted(found - {""})


def _points(item: Any) -> Array:
    """Return Contour Data as an array (n, 3) in mm."""
    # The bytes as they are in the file: pydicom makes an object of every number, which is ten times slower. Beyond
    # 64 KiB explicit transfer syntaxes cannot hold a DS at all and it is written as UN (PS3.5 6.2.2), with the same bytes.
    element = item.get_item("ContourData")
    data = element.value if element is not None else None
    if isinstance(data, bytes):
        data = data.decode("ascii", "replace").strip(" \0").split("\\")
    try:
        values = np.array(data if data not in (None, [""]) else [], dtype=np.float64)
    except ValueError:
        values = np.array([np.nan])
    if len(values) % 3 or not np.isfinite(values).all():
        raise Unusable("broken-contour", "Contour Data (3006,0050) is not made of points.", "Export the structure set again.")
    return values.reshape(-1, 3)


@dataclass(frozen=True)
class _Contoured:
    name: str
    number: int
    frame: str
    contour: Any
    dataset: Any
    volume: Volume
    gaps: Gaps

    def __call__(self) -> Mask:
        self._check_frame()
        outlines: list[Array] = []
        notes: set[str] = set()
        for item in (self.contour.get("ContourSequence") if self.contour is not None else None) or []:
            points = _points(item)
            if str(item.get("ContourGeometricType", "") or "") not in _CLOSED or len(points) < 3:
                notes.add("open-contour-ignored")
                continue
            outlines.append(points)
        if not outlines:
            reason, message = ("no-closed-contour", "The region has no closed contour, only points or open lines.")
            if not notes:
                reason, message = ("empty-region", "The region has no contour.")
            raise Unusable(reason, message, "Contour it, or leave it out of the regions asked for.")
        array, more = rasterise(outlines, self.volume)
        if "gap-between-contours" in more and self.gaps != "keep":
            if self.gaps == "refuse":
                message = "Slices between the contours of the region carry none."
                raise Unusable("gap-between-contours", message, "Contour every slice, or ask to fill gaps or to keep them.")
            array = fill_gaps(array, self.volume)
            more = more - {"gap-between-contours"} | {"gaps-filled"}
        return checked(self.name, array, self.number, tuple(sorted(notes | more)))

    def _check_frame(self) -> None:
        mine = self.volume.frame_of_reference_uid
        if self.frame and self.frame == mine:
            return
        # An image or a structure set without a frame says by its reference which image the points belong to.
        if not (self.frame and mine) and self.volume.series_uid in referenced_series(self.dataset):
            return
        message = "The region is drawn in another frame of reference than the image's."
        raise Unusable("frame-of-reference", message, "Give the structure set of this image, or register the two.")


def rasterise(outlines: list[Array], volume: Volume) -> tuple[Array, set[str]]:
    """Return the mask (z, y, x) of closed outlines given in mm, and notes on what a user should know.

    Raises:
        Unusable: `contour-not-in-slice-plane`, `region-outside-image`.
    """
    grid = volume.grid
    offsets = grid.offsets()
    distance = grid.spacing[2]
    placed = [grid.in_plane(outline) for outline in outlines]
    for outline in placed:
        if np.ptp(outline[:, 2]) > PLANE_TOLERANCE * distance:
            message = "A contour does not lie in the plane of a slice."
            raise Unusable("contour-not-in-slice-plane", message, "Draw the region on this series, or export it resampled to it.")
    heights = np.array([outline[:, 2].mean() for outline in placed])
    order = np.argsort(heights, kind="stable")
    planes: list[list[int]] = []
    for index in order:
        if planes and heights[index] - heights[planes[-1][0]] <= SAME_PLANE * distance:
            planes[-1].append(int(index))
        else:
            planes.append([int(index)])
    plane_heights = np.array([heights[members].mean() for members in planes])
    nearest_slice = np.abs(offsets[np.newaxis, :] - plane_heights[:, np.newaxis]).argmin(axis=1)
    away = np.abs(offsets[nearest_slice] - plane_heights)
    notes: set[str] = set()
    chosen: dict[int, int] = {}
    for plane in range(len(planes)):
        slice_index = int(nearest_slice[plane])
        if away[plane] > _reach(offsets, slice_index, plane_heights[plane], distance):
            notes.add("contour-outside-slices")
        elif slice_index not in chosen:
            chosen[slice_index] = plane
        else:
            notes.add("finer-contours-than-slices")
            if away[plane] < away[chosen[slice_index]]:
                chosen[slice_index] = plane
    if not chosen:
        raise Unusable(
            "region-outside-image", "All contours lie outside the slices of the image.", "Give the image it was drawn on."
        )
    array = np.zeros(grid.shape, dtype=bool)
    rows, columns = grid.size[1], grid.size[0]
    for slice_index, plane in chosen.items():
        members = [placed[index][:, :2] for index in planes[plane]]
        array[slice_index] = fill(members, (rows, columns))
        if _crossing(members, (rows, columns)):
            notes.add("contours-overlap")
        points = np.concatenate(members)
        if points.min() < -0.5 or points[:, 0].max() > columns - 0.5 or points[:, 1].max() > rows - 0.5:
            notes.add("cut-off-at-edge")
    used = sorted(chosen)
    if used[-1] - used[0] + 1 != len(used):
        notes.add("gap-between-contours")
    return array, notes


def fill_gaps(array: Array, volume: Volume) -> Array:
    """Return the mask with empty slices between filled ones interpolated by shape.

    The signed distance to the outline within each contoured slice is interpolated linearly along the normal (Raya and
    Udupa 1990); a voxel is inside where it is not positive.
    """
    from scipy.ndimage import distance_transform_edt

    spacing = (volume.grid.spacing[1], volume.grid.spacing[0])
    offsets = volume.grid.offsets()
    filled: list[int] = np.flatnonzero(array.any(axis=(1, 2))).tolist()
    result = array.copy()

    def distance(index: int) -> Array:
        plane = array[index]
        outside: Array = distance_transform_edt(~plane, sampling=spacing)
        return np.where(plane, -distance_transform_edt(plane, sampling=spacing), outside)

    for low, high in pairwise(filled):
        if high - low > 1:
            below, above = distance(low), distance(high)
            for index in range(low + 1, high):
                share = (offsets[index] - offsets[low]) / (offsets[high] - offsets[low])
                result[index] = (1 - share) * below + share * above <= 0
    return result


def _reach(offsets: Array, index: int, height: float, distance: float) -> float:
    """Return how far from a slice a contour may lie: half the way to the next slice on that side."""
    neighbour = index + (1 if height > offsets[index] else -1)
    if 0 <= neighbour < len(offsets):
        return float(abs(offsets[neighbour] - offsets[index])) / 2 * (1 + 1e-9)
    return distance / 2 * (1 + 1e-9)
