"""What can be told of a mask on its image by numbers: a right one has an edge where the image has one, and no air in a tumour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array
from unibase.imaging.regions.mask import Mask

AIR = -500.0
"""HU below which a voxel of a CT is air or lung."""

AROUND = 4
"""Voxels around the region that are looked at."""


@dataclass(frozen=True)
class Marks:
    """Numbers that tell a right mask from a wrong one.

    Attributes:
        volume_ml: Volume of the voxels in ml.
        median: Median intensity.
        contrast: Median inside less the median two to four voxels outside, in standard deviations of both.
        edge: Mean gradient across the border over the mean gradient around it; about 1 where the mask follows no edge.
        air_share: Share of voxels below -500 HU; null for other modalities than CT.
        floor_share: Share of voxels that hold the image's lowest value: what lies outside the scan.
        components: Connected parts.
        flat_face: Largest share of the region's largest section that one of its ends has: near 1 where it was cut straight.
        slices: Slices in which it lies.
        edges: Axes on which it reaches the end of the image.
        x, y, z: Centre in mm (LPS).
        side: L or R of the middle of the body, where it lies clear of it; else empty.
        coverage: Share of what was drawn that the image holds.
    """

    volume_ml: float
    median: float
    contrast: float
    edge: float
    air_share: float | None
    floor_share: float
    components: int
    flat_face: float
    slices: int
    edges: str
    x: float
    y: float
    z: float
    side: str
    coverage: float


def marks_of(volume: Volume, mask: Mask, floor: float) -> Marks:
    """Return the marks of a region.

    Args:
        volume: The image.
        mask: The region; not empty.
        floor: The lowest value of the image.
    """
    from scipy.ndimage import binary_dilation, binary_erosion, label

    region = mask.region
    box = region.grown([AROUND + 1] * 3)
    image, inside = volume.array[box], region.part(box)
    values = region.values(volume.array)
    faces = np.ones((3, 3, 3), dtype=bool)
    border = (inside & ~binary_erosion(inside)) | (binary_dilation(inside) & ~inside)
    near = binary_dilation(inside, faces, iterations=2)
    ring = binary_dilation(near, faces, iterations=AROUND - 2) & ~near
    outside = image[ring]
    spread = float(np.sqrt((values.var() + (outside.var() if outside.size else 0)) / 2)) or 1.0
    index = np.argwhere(region.array).mean(axis=0) + np.array(region.start)
    centre = volume.grid.centres(index[np.newaxis, ::-1])[0]
    spacing = volume.grid.spacing
    return Marks(
        float(region.voxels * np.prod(spacing) / 1000),
        float(np.median(values)),
        float(np.median(values) - np.median(outside)) / spread if outside.size else 0.0,
        _edge(image, border, ring, spacing),
        float((values < AIR).mean()) if volume.modality == "CT" else None,
        float((values <= floor).mean()),
        int(label(region.array, faces)[1]),
        _flat_face(region.array, volume.grid.shape),
        int(region.array.any(axis=(1, 2)).sum()),
        "".join(region.edges()),
        float(centre[0]),
        float(centre[1]),
        float(centre[2]),
        _side(volume, region, index),
        mask.coverage,
    )


def _edge(image: Array, border: Array, ring: Array, spacing: tuple[float, float, float]) -> float:
    steps = (spacing[2], spacing[1], spacing[0])
    squared = np.zeros(image.shape)
    for axis, step in enumerate(steps):
        if image.shape[axis] > 1:
            squared += np.gradient(image, step, axis=axis) ** 2
    gradient = np.sqrt(squared)
    around = float(gradient[ring].mean()) if ring.any() else 0.0
    return float(gradient[border].mean()) / around if around > 0 else 1.0


def _flat_face(array: Array, shape: tuple[int, int, int]) -> float:
    """Return the largest end of the region over its largest section across that axis; an axis of few slices says nothing."""
    found = [0.0]
    for axis in range(3):
        areas = array.sum(axis=tuple(other for other in range(3) if other != axis))
        if len(areas) >= 4 and shape[axis] > 1:
            found.append(float(max(areas[0], areas[-1]) / areas.max()))
    return max(found)


def _side(volume: Volume, region: Boxed, index: Array) -> str:
    """Return the side of the body on which a region lies: L or R, or empty within a tenth of the body's width of its middle."""
    across = np.abs(volume.grid.matrix[0]).argmax()
    if across == 2:
        return ""  # Sagittal slices: the plane through the region does not show the width.
    plane = volume.array[round(float(index[0]))]
    level = AIR if volume.modality == "CT" else float(np.median(plane))
    filled = np.flatnonzero((plane > level).any(axis=0 if across == 0 else 1))
    if filled.size < 10:
        return ""
    middle, width = (filled[0] + filled[-1]) / 2, filled[-1] - filled[0] + 1
    away = (index[2 - across] - middle) / width * np.sign(volume.grid.matrix[0, across])
    # In LPS x grows to the left of the patient.
    return "" if abs(away) < 0.1 else "L" if away > 0 else "R"
