"""RTSTRUCT: outlines in the patient's coordinates to masks on the slices of an image (PS3.3 C.8.8.6).

A contour belongs to the slice whose centre is nearest, by its coordinates; ContourImageSequence is not needed and
not trusted for that. It is asked only which volume of a series a contour was drawn on, when there are several. When several contour planes fall on one slice (contours drawn on a finer grid), the nearest plane is
taken whole: planes are never mixed by exclusive-or.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import PlaneKey, Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.options import Gaps
from unibase.imaging.regions.about import About, about_structure_set, made_by, notes_of_reference
from unibase.imaging.regions.contour_items import contours_by_number, points_of, without_copies
from unibase.imaging.regions.drawn_on import drawn_here, named_planes, references_of_set
from unibase.imaging.regions.mask import Mask, Roi, checked
from unibase.imaging.regions.rasterise import fill

if TYPE_CHECKING:
    from pydicom import Dataset

PLANE_TOLERANCE = 0.25
"""How far the points of one contour may leave its plane, as a fraction of the slice distance."""

SAME_PLANE = 0.01
"""Contours nearer to one another than this fraction of the slice distance lie in one plane."""

COPY = 0.9
"""Two outlines that cross and share this part of their voxels are two versions of one."""

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "INTERPOLATED_PLANAR", "")
"""Kinds of contour that enclose an area (PS3.3 C.8.8.6.3); a planar one that was interpolated between drawn ones does too."""


def open_rtstruct(dataset: Dataset, volume: Volume, gaps: Gaps = "keep") -> list[Roi]:
    """Open the regions of a structure set.

    Args:
        dataset: The RTSTRUCT.
        volume: The image on whose slices the masks are made.
        gaps: What to do with slices between contours that carry none.

    Raises:
        Unusable: `truncated-file`, `empty-region`.
    """
    absent = "StructureSetROISequence" not in dataset
    if absent or (dataset.StructureSetROISequence and "ROIContourSequence" not in dataset):
        message = f"The structure set ends before {'its regions' if absent else 'the contours of its regions'}."
        raise Unusable(TRUNCATED_FILE, message, "Copy or export the structure set again.")
    listed = list(dataset.get("StructureSetROISequence") or [])
    twice = {number for number, times in Counter(int(item.ROINumber) for item in listed).items() if times > 1}
    contours = contours_by_number(dataset)
    about = about_structure_set(dataset)
    of_set = frozenset(references_of_set(dataset)) if volume.others else frozenset()
    rois = []
    for item in listed:
        number = int(item.ROINumber)
        name = str(item.get("ROIName", "") or f"ROI {number}").strip()
        frame = str(item.get("ReferencedFrameOfReferenceUID", "") or _only_frame(dataset))
        contoured = _Contoured(name, number, frame, contours[number], about, volume, gaps, of_set)
        here = contoured.drawn_here() if volume.others else None
        told = made_by(about, item, "ROIGenerationAlgorithm", "ROIGenerationDescription")
        rois.append(Roi(name, number, partial(_refuse_number, number) if number in twice else contoured, told, drawn_here=here))
    if not rois:
        raise Unusable(
            reasons.EMPTY_REGION, "The structure set names no region.", "Check that the right structure set was exported."
        )
    return rois


def _refuse_number(number: int) -> Mask:
    """Refuse a region whose number another has too: nothing says whose the contours are (PS3.3 C.8.8.5: it is unique)."""
    message = f"Several regions of the structure set have the ROI Number {number}, so nothing says whose its contours are."
    raise Unusable(reasons.AMBIGUOUS_REGION, message, "Export the structure set again with a number for each region.")


def _only_frame(dataset: Dataset) -> str:
    frames = {str(item.get("FrameOfReferenceUID", "")) for item in dataset.get("ReferencedFrameOfReferenceSequence") or []}
    return frames.pop() if len(frames) == 1 else ""


@dataclass(frozen=True)
class _Contoured:
    name: str
    number: int
    frame: str
    contours: list[Dataset]
    about: About
    volume: Volume
    gaps: Gaps
    of_set: frozenset[PlaneKey]

    def drawn_here(self) -> bool | None:
        """Whether it was drawn on this volume of its series; None when the structure set does not say it."""
        said = {self._item_here(item) for item in self.contours}
        return True if True in said else None if None in said else False if said else None

    def _item_here(self, item: Dataset) -> bool | None:
        named = named_planes(item.get("ContourImageSequence") or [])
        return drawn_here(named or self.of_set, self.volume)

    def _of_this_volume(self) -> tuple[list[Dataset], set[str]]:
        """Return the contours of this volume: those drawn on it, else all, which is noted when they are another's."""
        items = self.contours
        if not self.volume.others:
            return items, set()
        said = [self._item_here(item) for item in items]
        if True in said or None in said:
            kept = [one for one, here in zip(items, said, strict=True) if here is not False]
            return kept, set()
        return items, {"drawn-on-another-volume"} if items else set()

    def __call__(self) -> Mask:
        outlines: list[Array] = []
        items, notes = self._of_this_volume()
        notes |= set(notes_of_reference(self.about, self.volume, self.frame))
        open_ones = False
        for item in items:
            points = points_of(item)
            if str(item.get("ContourGeometricType", "") or "") not in _CLOSED or len(points) < 3:
                open_ones = True
                continue
            outlines.append(points)
        if not outlines:
            reason, message = (reasons.NO_CLOSED_CONTOUR, "The region has no closed contour, only points or open lines.")
            if not open_ones:
                reason, message = (reasons.EMPTY_REGION, "The region has no contour.")
            raise Unusable(reason, message, "Contour it, or leave it out of the regions asked for.")
        alone = without_copies(outlines)
        notes |= {"copied-contour"} if len(alone) < len(outlines) else set()
        drawn = _rasterise(alone, self.volume.grid)
        notes |= drawn.notes | ({"open-contour-ignored"} if open_ones else set())
        region = drawn.region
        if reasons.GAP_BETWEEN_CONTOURS in notes and self.gaps != "keep":
            if self.gaps == "refuse":
                message = "Slices between the contours of the region carry none."
                raise Unusable(reasons.GAP_BETWEEN_CONTOURS, message, "Contour every slice, or ask to fill gaps or to keep them.")
            region = _fill_gaps(region, self.volume.grid)
            notes = notes - {reasons.GAP_BETWEEN_CONTOURS} | {"gaps-filled"}
        return checked(Mask(self.name, region, self.number, tuple(sorted(notes)), drawn.coverage))


@dataclass(frozen=True)
class Drawn:
    """Outlines as voxels.

    Attributes:
        region: The voxels.
        notes: What a user should know, as short codes.
        coverage: Share of the voxels within the outlines, on the image's lattice continued beyond its edge, that the image has.
    """

    region: Boxed
    notes: set[str]
    coverage: float


@dataclass(frozen=True)
class _Plane:
    """Outlines that lie in one plane: continuous columns and rows (n, 2) of each, and the height of the plane in mm."""

    outlines: list[Array]
    height: float

    def part(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the first voxel and the shape (rows, columns) of the box around the outlines, at most one image beyond its edge."""
        points = np.concatenate(self.outlines)[:, ::-1]
        far = np.array(size)
        low = np.clip(np.floor(points.min(axis=0)), -far, 2 * far).astype(int)
        high = np.clip(np.ceil(points.max(axis=0)) + 1, low, 2 * far).astype(int)
        return (int(low[0]), int(low[1])), (int(high[0] - low[0]), int(high[1] - low[1]))


def _rasterise(outlines: list[Array], grid: Grid) -> Drawn:
    """Return the voxels of closed outlines given in mm.

    Raises:
        Unusable: `contour-not-in-slice-plane`, `region-outside-image`.
    """
    distance = grid.spacing[2]
    planes = _planes([grid.in_plane(outline) for outline in outlines], distance)
    chosen, outside, notes = _slices_of(planes, grid.offsets(), distance)
    if not chosen:
        message = "All contours lie outside the slices of the image."
        raise Unusable(reasons.REGION_OUTSIDE_IMAGE, message, "Give the image it was drawn on.")
    rows, columns = grid.size[1], grid.size[0]
    used = sorted(chosen)
    pieces, total = [], 0
    for index in used:
        plane = chosen[index]
        start, shape = plane.part((rows, columns))
        kept, said = _sorted_out(plane.outlines, shape, start)
        notes |= said
        inside = fill(kept, shape, start)
        total += int(np.count_nonzero(inside))
        points = np.concatenate(plane.outlines)
        if points.min() < -0.5 or points[:, 0].max() > columns - 0.5 or points[:, 1].max() > rows - 0.5:
            notes.add("cut-off-at-edge")
        pieces.append(_clipped(inside, start, (rows, columns), index, grid.shape))
    for plane in outside:
        start, shape = plane.part((rows, columns))
        total += int(np.count_nonzero(fill(plane.outlines, shape, start)))
    if used[-1] - used[0] + 1 != len(used):
        notes.add(reasons.GAP_BETWEEN_CONTOURS)
    region = _stacked(pieces, grid.shape)
    return Drawn(region, notes, region.voxels / total if total else 1.0)


def _planes(placed: list[Array], distance: float) -> list[_Plane]:
    """Return outlines (column, row, height) by the plane in which they lie, from the lowest."""
    for outline in placed:
        if np.ptp(outline[:, 2]) > PLANE_TOLERANCE * distance:
            message = "A contour does not lie in the plane of a slice."
            raise Unusable(
                reasons.CONTOUR_NOT_IN_SLICE_PLANE, message, "Draw the region on this series, or export it resampled to it."
            )
    heights = np.array([outline[:, 2].mean() for outline in placed])
    groups: list[list[int]] = []
    for index in np.argsort(heights, kind="stable"):
        if groups and heights[index] - heights[groups[-1][0]] <= SAME_PLANE * distance:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
    return [_Plane([placed[index][:, :2] for index in members], float(heights[members].mean())) for members in groups]


def _slices_of(planes: list[_Plane], offsets: Array, distance: float) -> tuple[dict[int, _Plane], list[_Plane], set[str]]:
    """Return the plane of each slice that has one, the planes beyond all slices, and notes."""
    heights = np.array([plane.height for plane in planes])
    nearest = np.abs(offsets[np.newaxis, :] - heights[:, np.newaxis]).argmin(axis=1)
    away = np.abs(offsets[nearest] - heights)
    chosen: dict[int, int] = {}
    outside: list[_Plane] = []
    notes: set[str] = set()
    for number, plane in enumerate(planes):
        index = int(nearest[number])
        if away[number] > _reach(offsets, index, plane.height, distance):
            notes.add("contour-outside-slices")
            outside.append(plane)
        elif index not in chosen:
            chosen[index] = number
        else:
            notes.add("finer-contours-than-slices")
            if away[number] < away[chosen[index]]:
                chosen[index] = number
    if any(away[number] > PLANE_TOLERANCE * distance for number in chosen.values()):
        notes.add("contours-between-slices")
    return {index: planes[number] for index, number in chosen.items()}, outside, notes


def _sorted_out(outlines: list[Array], shape: tuple[int, int], start: tuple[int, int]) -> tuple[list[Array], set[str]]:
    """Return the outlines of a plane without further copies of one, and notes of what the others do to one another.

    Even-odd takes out what two outlines share: right for a hole, and not what anybody means by two versions of one outline.
    """
    boxes = [(outline.min(axis=0), outline.max(axis=0)) for outline in outlines]
    alone: dict[int, Array] = {}
    copies: set[int] = set()
    notes: set[str] = set()
    for one in range(len(outlines)):
        for other in range(one):
            apart = (boxes[one][0] > boxes[other][1]).any() or (boxes[other][0] > boxes[one][1]).any()
            if apart or other in copies:
                continue
            for index in (one, other):
                if index not in alone:
                    alone[index] = fill([outlines[index]], shape, start)
            first, second = alone[one], alone[other]
            shared, either = int((first & second).sum()), int((first | second).sum())
            if not shared:
                continue
            if shared == either or (shared >= COPY * either and _cross(outlines[one], outlines[other])):
                copies.add(one)
                notes.add("copied-contour")
                break
            notes.add("contours-overlap" if (first & ~second).any() and (second & ~first).any() else "contour-within-contour")
    return [outline for index, outline in enumerate(outlines) if index not in copies], notes


def _cross(one: Array, other: Array) -> bool:
    """Whether an outline (n, 2) has points on both sides of another (m, 2): it is no hole in it."""
    begin, end = other, np.roll(other, -1, axis=0)
    x, y = one[:, 0][:, np.newaxis], one[:, 1][:, np.newaxis]
    spans = (begin[:, 1] > y) != (end[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = begin[:, 0] + (y - begin[:, 1]) / (end[:, 1] - begin[:, 1]) * (end[:, 0] - begin[:, 0])
    inside = (spans & (x < crossing)).sum(axis=1) % 2 == 1
    return bool(inside.any() and not inside.all())


def _clipped(
    inside: Array, start: tuple[int, int], size: tuple[int, int], index: int, shape: tuple[int, int, int]
) -> tuple[int, int, int, Array]:
    """Return slice, first row, first column and voxels of what of a plane lies within the image."""
    low = [max(0, -begin) for begin in start]
    high = [max(less, min(n, whole - begin)) for n, whole, begin, less in zip(inside.shape, size, start, low, strict=True)]
    return index, start[0] + low[0], start[1] + low[1], inside[low[0] : high[0], low[1] : high[1]]


def _stacked(pieces: list[tuple[int, int, int, Array]], shape: tuple[int, int, int]) -> Boxed:
    """Return planes (slice, first row, first column, voxels) as one region."""
    filled = [piece for piece in pieces if piece[3].size]
    if not filled:
        return Boxed.of(np.zeros((0, 0, 0), dtype=bool), shape=shape)
    slices, rows, columns, planes = zip(*filled, strict=True)
    first = min(slices), min(rows), min(columns)
    past = [
        max(slices) + 1,
        *(max(b + p.shape[a] for b, p in zip(begin, planes, strict=True)) for a, begin in enumerate((rows, columns))),
    ]
    array = np.zeros(tuple(end - begin for begin, end in zip(first, past, strict=True)), dtype=bool)
    for index, row, column, plane in filled:
        array[index - first[0], row - first[1] : row - first[1] + plane.shape[0], column - first[2] :][:, : plane.shape[1]] |= (
            plane
        )
    return Boxed.of(array, first, shape)


def _fill_gaps(region: Boxed, grid: Grid) -> Boxed:
    """Return a region with empty slices between filled ones interpolated by shape.

    The signed distance to the outline within each contoured slice is interpolated linearly along the normal (Raya and
    Udupa 1990); a voxel is inside where it is not positive.
    """
    from scipy.ndimage import distance_transform_edt

    spacing = (grid.spacing[1], grid.spacing[0])
    offsets = grid.offsets()[region.box[0]]
    # What is interpolated lies within the box; one voxel more shows where the region ends.
    box = region.grown((0, 1, 1))
    array = region.part(box)
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
    return Boxed.of(result, [part.start for part in box], region.shape)


def _reach(offsets: Array, index: int, height: float, distance: float) -> float:
    """Return how far from a slice a contour may lie: half the way to the next slice on that side."""
    neighbour = index + (1 if height > offsets[index] else -1)
    if 0 <= neighbour < len(offsets):
        return float(abs(offsets[neighbour] - offsets[index])) / 2 * (1 + 1e-9)
    return distance / 2 * (1 + 1e-9)
