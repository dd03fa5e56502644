"""Image and region as PyRadiomics prepares them: normalised, resampled to its grid, cropped, re-segmented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.engine.near import Box
from unibase.imaging.engine.setting import Setting

if TYPE_CHECKING:
    import SimpleITK as sitk

Array = np.ndarray


@dataclass(frozen=True)
class Scene:
    """Image and region after resampling.

    Attributes:
        image: The image (z, y, x).
        shape_region: The region that shape features describe.
        region: The region that all other features describe: what re-segmentation leaves.
        box: Box of the image that filters have to fill: that of the region, or of several.
        spacing: (z, y, x) in mm.
        start: Where its first voxel lies in the image that it was made of, as a continuous index (z, y, x).
    """

    image: Array
    shape_region: Boxed
    region: Boxed
    box: Box
    spacing: Array
    start: Array


def prepare(image: Array, region: Boxed, spacing: Array, setting: Setting) -> Scene:
    """Return image and region resampled, cropped and re-segmented, as the settings ask.

    Args:
        image: (z, y, x).
        region: The region of that image.
        spacing: (z, y, x) in mm.
        setting: The `setting` section of a parameter file.

    Raises:
        Unusable: `empty-region`, `region-too-small`, `empty-after-resegmentation`.
    """
    if region.empty:
        raise Unusable(reasons.EMPTY_REGION, "The mask holds no voxel.", "Check the region name and the mask.")
    start = np.zeros(3)
    if setting.get("interpolator", "sitkBSpline") is not None and setting.get("resampledPixelSpacing") is not None:
        image, region, spacing, start = _resampled(image, region, spacing, setting)
        if region.empty:
            raise Unusable(reasons.EMPTY_REGION, "No voxel of the region is left after resampling.", "Resample to a finer grid.")
    elif setting.get("preCrop", False):
        _check(region, setting)
        image, region, start = _cropped(image, region, int(setting.get("padDistance", 0)))
    _check(region, setting)
    shape_region = region
    if setting.get("resegmentRange") is not None:
        region = _resegmented(image, region, setting)
        _check(region, setting)
        if setting.get("resegmentShape", False):
            shape_region = region
    return Scene(image, shape_region, region, region.box, spacing, start)


def _cropped(image: Array, region: Boxed, pad: int) -> tuple[Array, Boxed, Array]:
    """Return the image cropped to the region and a margin, the region in it, and where its first voxel lay."""
    crop = region.grown([pad] * 3)
    return image[crop], Boxed.of(region.part(crop)), np.array([float(part.start) for part in crop])


def _check(region: Boxed, setting: Setting) -> None:
    """Refuse what PyRadiomics refuses."""
    larger = "Draw a larger region, or lower minimumROIDimensions or minimumROISize."
    dimensions = sum(n > 1 for n in region.array.shape)
    if dimensions == 0:
        raise Unusable(reasons.REGION_TOO_SMALL, "The region is one voxel.", larger)
    if dimensions < setting.get("minimumROIDimensions", 2):
        raise Unusable(reasons.REGION_TOO_SMALL, "The region extends over fewer dimensions than minimumROIDimensions.", larger)
    size = setting.get("minimumROISize")
    if size is not None and region.voxels <= size:
        raise Unusable(reasons.REGION_TOO_SMALL, "The region has no more voxels than minimumROISize.", larger)


def _resegmented(image: Array, region: Boxed, setting: Setting) -> Boxed:
    limits, mode = sorted(setting["resegmentRange"] or ()), setting.get("resegmentMode", "absolute")
    values = region.values(image)
    if mode == "relative":
        limits = [np.max(values) * limit for limit in limits]
    elif mode == "sigma":
        mean, deviation = np.mean(values), np.std(values)
        limits = [mean + deviation * limit for limit in limits]
    keep = values >= limits[0]
    if len(limits) == 2:
        keep &= values <= limits[1]
    if np.count_nonzero(keep) <= 1:
        raise Unusable(
            reasons.EMPTY_AFTER_RESEGMENTATION, "Re-segmentation leaves at most one voxel of the region.", "Widen resegmentRange."
        )
    result = np.zeros_like(region.array)
    result[region.array] = keep
    return Boxed.of(result, region.start, region.shape)


def grown(box: Box, margin: list[int], shape: tuple[int, ...]) -> Box:
    """Return a box widened by a margin (z, y, x) as far as an image of this shape reaches."""
    return tuple(slice(max(0, b.start - m), min(n, b.stop + m)) for b, m, n in zip(box, margin, shape, strict=True))


def sitk_image(array: Array, spacing: Array) -> sitk.Image:
    """Return an array (z, y, x) with its spacing in the same order as a SimpleITK image."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    image.SetSpacing([float(s) for s in spacing[::-1]])
    return image


def normalised(image: Array, setting: Setting) -> Array:
    """Return an image (z, y, x) with mean 0 and deviation `normalizeScale` of `setting`, as PyRadiomics normalises it."""
    import SimpleITK as sitk

    result = sitk.GetArrayFromImage(sitk.Normalize(sitk_image(image, np.ones(3))))
    outliers = setting.get("removeOutliers")
    if outliers is not None:
        result[result > outliers] = outliers
        result[result < -outliers] = -outliers
    # SimpleITK multiplies a 32-bit image by a constant in its own type.
    return np.asarray(result * result.dtype.type(setting.get("normalizeScale", 1)))


def _resampled(image: Array, region: Boxed, spacing: Array, setting: Setting) -> tuple[Array, Boxed, Array, Array]:
    """PyRadiomics' grid: aligned with the image's corner, cropped to the region and `padDistance`.

    SimpleITK interpolates, over the whole image when the interpolator is a spline whose filter runs over whole lines: only so
    are the values the same to the last bit, and bins can depend on that.
    """
    import SimpleITK as sitk

    wanted = np.array(setting["resampledPixelSpacing"], dtype=float)[::-1]
    pad = int(setting.get("padDistance", 5))
    size = np.array(region.array.shape)
    new = np.where(wanted == 0, spacing, wanted)
    new = np.where(size != 1, new, spacing)
    if np.allclose(spacing, new):
        near, inside, first = _cropped(image, region, pad)
        return near, inside, spacing, first
    ratio = spacing / new
    start = np.array(region.start)
    low = np.maximum(np.floor((start - 0.5) * ratio - pad), 0)
    high = np.minimum(np.ceil((start + size - 0.5) * ratio + pad), np.ceil(np.array(region.shape) * ratio) - 1)
    count = (high - low + 1).astype(int)
    source, mask = sitk_image(image, spacing), sitk_image(region.full(), spacing)
    index = 0.5 * (new - spacing) / spacing + low / ratio
    interpolator = setting.get("interpolator", "sitkBSpline")
    if isinstance(interpolator, str):
        interpolator = getattr(sitk, interpolator, sitk.sitkBSpline)
    resampler = sitk.ResampleImageFilter()
    resampler.SetOutputSpacing([float(s) for s in new[::-1]])
    resampler.SetOutputDirection(source.GetDirection())
    resampler.SetSize([int(c) for c in count[::-1]])
    resampler.SetOutputOrigin(source.TransformContinuousIndexToPhysicalPoint([float(i) for i in index[::-1]]))
    resampler.SetOutputPixelType(source.GetPixelID())
    resampler.SetInterpolator(interpolator)
    result = sitk.GetArrayFromImage(resampler.Execute(source))
    resampler.SetOutputPixelType(mask.GetPixelID())
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    return result, Boxed.of(sitk.GetArrayFromImage(resampler.Execute(mask)) > 0), new, index
