"""What can be told of a mask on its image by numbers: a right one has an edge where the image has one, and no air in a tumour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array
from unibase.imaging.looks.body_place import AIR, placed_in_body
from unibase.imaging.regions.mask import Mask

AROUND = 4
"""Voxels around the region that are looked at."""

_LEAST_STEP = 0.5
"""A border tells of one end of a region where it stands out by so many standard deviations of the region."""


@dataclass(frozen=True)
class Marks:
    """Numbers that tell a right mask from a wrong one.

    Attributes:
        volume_ml: Volume of the voxels in ml.
        median: Median intensity.
        contrast: Median inside less the median two to four voxels outside, in standard deviations of both.
        local_contrast: Contrast of the weaker parts of the border, in standard deviations inside; see `_local_contrast`.
        edge: Mean gradient across the border over the mean gradient around it; about 1 where the mask follows no edge.
        air_share: Share of voxels below -500 HU; null for other modalities than CT.
        floor_share: Share of voxels that hold the image's lowest value: what lies outside the scan.
        components: Connected parts.
        flat_face: Largest share of the region's largest section that one of its ends has, less where the image has an edge there
            as it has around the region: near 1 where it was cut straight; see `_flat_face`.
        slices: Slices in which it lies.
        edges: Axes on which it reaches the end of the image.
        x, y, z: Centre in mm (LPS).
        across, depth, height: Where the centre lies: from the middle of the body to its left and its back, in widths and depths
            of the body in that plane, and from the foot end of the image, in its heights; null where no body is seen.
        side: L or R of the middle of the body, where it lies clear of it; else empty.
        coverage: Share of what was drawn that the image holds.
    """

    volume_ml: float
    median: float
    contrast: float
    local_contrast: float | None
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
    across: float | None
    depth: float | None
    height: float | None
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
    across, depth, height = placed_in_body(volume, index)
    return Marks(
        float(region.voxels * np.prod(spacing) / 1000),
        float(np.median(values)),
        float(np.median(values) - np.median(outside)) / spread if outside.size else 0.0,
        _local_contrast(image, inside, near & ~inside),
        _edge(image, border, ring, spacing),
        float((values < AIR).mean()) if volume.modality == "CT" else None,
        float((values <= floor).mean()),
        int(label(region.array, faces)[1]),
        _flat_face(image, inside, near & ~inside),
        int(region.array.any(axis=(1, 2)).sum()),
        "".join(region.edges()),
        float(centre[0]),
        float(centre[1]),
        float(centre[2]),
        across,
        depth,
        height,
        _side(across),
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


def _local_contrast(image: Array, inside: Array, outside: Array) -> float | None:
    """Return how far the outermost layer of a region stands out from what touches it, where it does so least.

    The border is cut into eight parts by the planes through the centre. In each, the mean of the outermost layer less that of
    the two voxels around it counts, whatever its sign; of the eight the 20th percentile is taken, over the standard deviation
    inside. A right mask has an edge nearly everywhere; one that was moved has none on some parts.

    Args:
        image, inside, outside: Intensities, the region and the two voxels around it, in one box.
    """
    from scipy.ndimage import binary_erosion

    spread = float(image[inside].std())
    layer = inside & ~binary_erosion(inside)
    middle = np.argwhere(inside).mean(axis=0)
    means = []
    for part in (layer, outside):
        octant = (np.argwhere(part) > middle) @ np.array([4, 2, 1])
        count = np.bincount(octant, minlength=8)
        means.append(np.bincount(octant, image[part], minlength=8) / np.where(count, count, np.nan))
    apart = np.abs(means[0] - means[1])
    known = apart[np.isfinite(apart)]
    return float(np.quantile(known, 0.2)) / spread if spread > 0 and known.size else None


def _flat_face(image: Array, inside: Array, outside: Array) -> float:
    """Return the largest end of the region over its largest section across that axis, less where the image has an edge there.

    A region that ends flat and right has the edge at its end that it has elsewhere; one that was cut goes on beyond the cut.
    An end counts in full where the image beyond is as the image within, and not at all where they are as far apart as the
    outermost layer and what touches it are all around. An axis of few slices says nothing, nor does the end of the image.

    Args:
        image, inside, outside: Intensities, the region and the two voxels around it, in one box.
    """
    from scipy.ndimage import binary_erosion

    layer = inside & ~binary_erosion(inside)
    around = abs(float(image[layer].mean() - image[outside].mean())) if outside.any() else 0.0
    # Too little contrast all around tells nothing of one end: its shape alone counts.
    tells = around > _LEAST_STEP * float(image[inside].std())
    found = 0.0
    for axis in range(3):
        areas = inside.sum(axis=tuple(other for other in range(3) if other != axis))
        line = np.flatnonzero(areas)
        if len(line) < 4:
            continue
        for end, way in ((int(line[0]), -1), (int(line[-1]), 1)):
            share, beyond = float(areas[end] / areas.max()), end + 2 * way
            if tells and 0 <= beyond < inside.shape[axis]:
                face = inside.take(end, axis)
                step = abs(float(image.take(end - way, axis)[face].mean() - image.take(beyond, axis)[face].mean()))
                share *= 1 - min(step / around, 1.0)
            found = max(found, share)
    return found


def _side(across: float | None) -> str:
    """Return the side of the body on which a region lies: L or R, or empty within a tenth of the body's width of its middle."""
    return "" if across is None or abs(across) < 0.1 else "L" if across > 0 else "R"
