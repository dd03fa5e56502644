"""From the grid of a mask to the grid of an image: pasted voxel by voxel where both are one lattice, else refused or resampled.

Two grids are one lattice when whole steps along the axes of the one are whole steps along axes of the other: cropped, padded,
flipped, with axes in another order, or written in another convention of axes (RAS, LPS). Then no voxel is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.grid import Array, Grid

DRIFT = 0.1
"""How far a voxel of the mask may lie from its voxel of the image, in voxels, at the far end: headers round."""

TOLD_DRIFT = 0.01
"""Drift from which a note says so."""


@dataclass(frozen=True)
class GridRule:
    """What holds for masks on other grids than the image's.

    Attributes:
        resample: Resample what lies on another lattice (nearest neighbour); False refuses it.
        tolerance: PyRadiomics' `geometryTolerance`, when it is given: how far origin and spacing may differ, as a part of the
            first spacing, and direction cosines. It then stands for `DRIFT`.
    """

    resample: bool = False
    tolerance: float | None = None


REFUSING = GridRule()
"""What lies on another lattice is refused."""


@dataclass(frozen=True)
class Placed:
    """A region on the grid of an image.

    Attributes:
        region: Its voxels.
        notes: What a user should know, as short codes.
        coverage: Share of the voxels of the mask that lie within the image.
    """

    region: Boxed
    notes: tuple[str, ...]
    coverage: float


@dataclass(frozen=True)
class Alignment:
    """How the voxels of one grid fall on those of another: `new = start + steps @ old`, both in the order x, y, z.

    Attributes:
        steps: 3 x 3, whole numbers.
        start: Where the first voxel falls.
        drift: Largest distance of a voxel from the place that it falls on, in voxels of the image.
    """

    steps: Array
    start: Array
    drift: float


def place(region: Boxed, grid: Grid, target: Grid, rule: GridRule, sparse: bool = False) -> Placed:
    """Return a region given on `grid` on the grid of an image.

    Args:
        region: Voxels on `grid`.
        grid: The grid of the mask.
        target: The grid of the image.
        rule: What holds for other grids.
        sparse: Slices between those of the mask may be absent (a SEG that stores every second slice).

    Raises:
        Unusable: `mask-geometry` when the two are no one lattice and resampling is not asked for; `region-outside-image`.
    """
    if rule.tolerance is not None and grid.size == target.size and _within(grid, target, rule.tolerance):
        return Placed(region, ("within-geometry-tolerance",) if target.difference(grid) else (), 1.0)
    aligned = align(grid, target, DRIFT if rule.tolerance is None else min(rule.tolerance, 0.49), sparse)
    if aligned is not None:
        pasted = _paste(region, aligned, target)
        notes = ["grid-drift"] if aligned.drift > TOLD_DRIFT else []
        coverage = pasted.voxels / region.voxels if region.voxels else 1.0
    elif rule.resample:
        pasted, coverage, notes = _resampled(region, grid, target), 1.0, ["resampled"]
    else:
        raise _wrong_grid(target.difference(grid) or "position within the voxel")
    if region.voxels and not pasted.voxels:
        raise Unusable(reasons.REGION_OUTSIDE_IMAGE, "The region lies outside the image.", "Give the image it was drawn on.")
    if coverage < 1:
        notes.append("cut-off-at-edge")
    return Placed(pasted, tuple(notes), coverage)


def _wrong_grid(what: str) -> Unusable:
    """Return the refusal of a mask whose grid differs from the image's in `what`."""
    message = f"The mask lies on another grid than the image: {what} differs."
    return Unusable(reasons.MASK_GEOMETRY, message, "Draw the mask on this image, or ask for resampling (correctMask: true).")


def align(grid: Grid, target: Grid, drift: float = DRIFT, sparse: bool = False) -> Alignment | None:
    """Return how the voxels of a mask on `grid` fall on those of `target`; None when the two are no one lattice.

    An axis of one voxel has no step of its own, so it takes the image's.

    `drift` is the largest distance in mm that counts as none; `sparse` masks may lack slices.
    """
    if not (grid.even and target.even):
        return None if grid != target else Alignment(np.eye(3, dtype=int), np.zeros(3, dtype=int), 0.0)
    into = np.linalg.inv(target.matrix * np.array(target.spacing))
    steps = into @ (grid.matrix * np.array(grid.spacing))
    for axis, count in enumerate(grid.size):
        if count == 1:
            steps[:, axis] = np.round(steps[:, axis] / max(np.abs(steps[:, axis]).max(), 1e-12))
    start = into @ (np.array(grid.origin) - np.array(target.origin))
    whole, first = np.round(steps), np.round(start)
    ends = np.array(np.meshgrid(*[(0, count - 1) for count in grid.size], indexing="ij")).reshape(3, -1)
    away = float(np.abs((steps - whole) @ ends + (start - first)[:, np.newaxis]).max())
    used = np.abs(whole)
    one_to_one = bool(((used > 0).sum(axis=0) == 1).all() and ((used > 0).sum(axis=1) == 1).all())
    if not away <= drift or not one_to_one:
        return None
    if used.max() > 1 and not (sparse and used[:, :2].max() == 1):
        return None
    return Alignment(whole.astype(int), first.astype(int), away)


def _paste(region: Boxed, aligned: Alignment, target: Grid) -> Boxed:
    """Return the voxels of a region at their places in the image; those beyond its edge are left out."""
    if region.empty:
        return Boxed(region.array, region.start, target.shape)
    # Axes of arrays run z, y, x; those of the alignment x, y, z.
    steps = aligned.steps[::-1, ::-1]
    source = np.abs(steps).argmax(axis=1)
    array = region.array.transpose(tuple(int(axis) for axis in source))
    begin, cut = [], []
    for axis in range(3):
        step = int(steps[axis, source[axis]])
        first = int(aligned.start[2 - axis]) + step * region.start[source[axis]]
        count = array.shape[axis]
        if abs(step) > 1:
            wide = np.zeros(
                tuple(abs(step) * (count - 1) + 1 if other == axis else n for other, n in enumerate(array.shape)), bool
            )
            wide[tuple(slice(None, None, abs(step)) if other == axis else slice(None) for other in range(3))] = array
            array = wide
        if step < 0:
            array = np.flip(array, axis)
            first += step * (count - 1)
        low, high = max(0, first), min(target.shape[axis], first + array.shape[axis])
        begin.append(low)
        cut.append(slice(low - first, max(high - first, low - first)))
    return Boxed.of(array[tuple(cut)], begin, target.shape)


def _within(grid: Grid, target: Grid, tolerance: float) -> bool:
    """Whether SimpleITK takes two grids of one size for one, as PyRadiomics asks it: index by index."""
    allowed = tolerance * target.spacing[0]
    origin, spacing, direction = (
        np.abs(np.array(getattr(grid, name)) - np.array(getattr(target, name))).max()
        for name in ("origin", "spacing", "direction")
    )
    return bool(origin <= allowed and spacing <= allowed and direction <= tolerance)


def _resampled(region: Boxed, grid: Grid, target: Grid) -> Boxed:
    import SimpleITK as sitk

    moved = sitk.Resample(
        grid.to_sitk(region.full().astype(np.uint8)),
        target.to_sitk(np.zeros(target.shape, dtype=np.uint8)),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        0.0,
    )
    return Boxed.of(sitk.GetArrayFromImage(moved).astype(bool))
