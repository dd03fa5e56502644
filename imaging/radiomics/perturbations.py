"""Perturbed copies of an image and its region: what a repeated scan and another observer might have given.

The kinds are those of Zwanenburg et al. 2019 (Scientific Reports 9:614): rotation, translation by a part of a voxel,
noise of the image's own strength, growth and shrinkage of the region, and a random contour. Every random number comes
from a seed that the caller derives from the input, so a perturbed copy is the same in every run.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.perturbation_options import Perturbation

MARGIN = 30.0
"""How many mm of the image around the region are kept: more than what rotation and filters of usual width reach."""


def perturb(volume: Volume, mask: Array, perturbation: Perturbation, seed: int, margin: float = MARGIN) -> tuple[Volume, Array]:
    """Return a perturbed copy of the surroundings of a region, and the perturbed region on the copy's grid.

    Args:
        volume: The image.
        mask: The region, boolean, z, y, x.
        perturbation: What to do. Geometry comes first, then noise, volume and contour.
        seed: Of the random numbers.
        margin: How many mm of the image around the region the copy keeps.

    Raises:
        Unusable: `empty-region` when the perturbed region has no voxel.
    """
    random = np.random.default_rng(seed)
    box = _surroundings(mask, volume.grid, margin)
    grid = replace(
        volume.grid,
        size=tuple(part.stop - part.start for part in reversed(box)),
        origin=tuple(volume.grid.centres(np.array([[part.start for part in reversed(box)]], dtype=float))[0]),
    )
    array, region = volume.array[box], mask[box]
    noise = noise_level(array, region) if perturbation.noise else 0.0
    if perturbation.rotation or any(perturbation.translation):
        array, region = _move(array, region, grid, perturbation)
    if perturbation.noise:
        array = array + random.normal(0.0, perturbation.noise * noise, array.shape)
    if np.issubdtype(np.dtype(volume.stored_type), np.integer) and array is not volume.array[box]:
        # A scanner stores whole numbers (HU): so does its perturbed copy.
        limits = np.iinfo(volume.stored_type)
        array = np.clip(np.round(array), limits.min, limits.max)
    if perturbation.volume:
        region = _resized(region, grid, perturbation.volume)
    if perturbation.contour:
        region = _redrawn(region, grid, perturbation.contour, perturbation.contour_length, random)
    if not region.any():
        raise Unusable(
            reasons.EMPTY_REGION, "No voxel of the region is left after the perturbation.", "Use weaker perturbations."
        )
    return replace(volume, array=np.ascontiguousarray(array, dtype=np.float64), grid=grid), region


def noise_level(array: Array, mask: Array) -> float:
    """Return the standard deviation of the noise of `array`, from the finest wavelet coefficients of the slices of `mask`.

    The median absolute diagonal detail of coif1 over 0.6745 per slice, averaged over slices (Chang et al. 2000, as
    Zwanenburg et al. use it).

    Both are (z, y, x).
    """
    import pywt

    levels = []
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        if min(array.shape[1:]) >= 2:
            # An even number of rows and columns, periodic: then the transform is orthonormal and white noise keeps its strength.
            even = array[index][: array.shape[1] // 2 * 2, : array.shape[2] // 2 * 2]
            detail = pywt.dwt2(even, "coif1", mode="periodization")[1][2]
            levels.append(float(np.median(np.abs(detail))) / 0.6745)
    return float(np.mean(levels)) if levels else 0.0


def signed_distance(mask: Array, grid: Grid) -> Array:
    """Return the distance of each voxel centre to the border of a `mask` (z, y, x) on its `grid` in mm, negative inside."""
    from scipy.ndimage import distance_transform_edt

    spacing = (grid.spacing[2], grid.spacing[1], grid.spacing[0])
    outside: Array = distance_transform_edt(~mask, sampling=spacing)
    inside: Array = distance_transform_edt(mask, sampling=spacing)
    return np.where(mask, 0.5 * min(spacing) - inside, outside - 0.5 * min(spacing))


def _surroundings(mask: Array, grid: Grid, margin: float) -> tuple[slice, slice, slice]:
    spacing = (grid.spacing[2], grid.spacing[1], grid.spacing[0])
    ends = []
    for axis in range(3):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        reach = int(np.ceil(margin / spacing[axis]))
        ends.append(slice(max(int(filled[0]) - reach, 0), min(int(filled[-1]) + reach + 1, mask.shape[axis])))
    return ends[0], ends[1], ends[2]


def _move(array: Array, region: Array, grid: Grid, perturbation: Perturbation) -> tuple[Array, Array]:
    """Rotate and shift the image and the region together, as if the patient lay otherwise on the same grid."""
    import SimpleITK as sitk

    index = np.argwhere(region).mean(axis=0)[::-1]
    centre = grid.centres(index[np.newaxis, :])[0]
    shift = grid.matrix @ (np.array(perturbation.translation) * np.array(grid.spacing))
    transform = sitk.VersorRigid3DTransform()
    transform.SetCenter([float(item) for item in centre])
    transform.SetRotation([float(item) for item in grid.matrix[:, 2]], float(np.deg2rad(perturbation.rotation)))
    transform.SetTranslation([float(item) for item in shift])

    def moved(values: Array, interpolator: int) -> Array:
        image = grid.to_sitk(values)
        # What comes in from beyond the border repeats the border: zero would be a new, false edge.
        filter_ = sitk.ResampleImageFilter()
        filter_.SetReferenceImage(image)
        filter_.SetTransform(transform)
        filter_.SetInterpolator(interpolator)
        filter_.SetUseNearestNeighborExtrapolator(True)
        filter_.SetNumberOfThreads(1)
        result: Array = sitk.GetArrayFromImage(filter_.Execute(image))
        return result

    # A voxel that is half inside stays inside, whatever the last digit of its weight in this direction of the grid.
    return moved(array, sitk.sitkBSpline), moved(region.astype(np.float64), sitk.sitkLinear) >= 0.5 - 1e-6


def _resized(region: Array, grid: Grid, change: float) -> Array:
    """Grow or shrink the region by whole layers of its distance map, to the number of voxels nearest to the one asked for."""
    distance = signed_distance(region, grid)
    levels, counts = np.unique(distance, return_counts=True)
    totals = np.cumsum(counts)
    wanted = max(1.0, float(region.sum()) * (1 + change))
    resized: Array = distance <= levels[int(np.abs(totals - wanted).argmin())]
    return resized


def _redrawn(region: Array, grid: Grid, deviation: float, length: float, random: np.random.Generator) -> Array:
    """Move the border of the region by a smooth random field of the given standard deviation and correlation length."""
    from scipy.ndimage import gaussian_filter

    spacing = np.array([grid.spacing[2], grid.spacing[1], grid.spacing[0]])
    field = gaussian_filter(random.normal(size=region.shape), length / 2 / spacing, mode="reflect")
    strength = float(field.std())
    redrawn: Array = signed_distance(region, grid) <= (field / strength * deviation if strength > 0 else 0.0)
    return redrawn
