"""`pyradiomics` mode: preprocessing, image types and features as PyRadiomics 3 orders them.

Each image type is made on the region and what the filter needs around it, binned once, and dropped before the next.
Arrays keep the number type that PyRadiomics would have there (a 16-bit CT gives 32-bit LoG images), because its bins
depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.engine import pyradiomics_features as formulas
from unibase.imaging.engine import texture
from unibase.imaging.engine.compiled import recursive_gaussian, stationary_wavelet, texture_counts
from unibase.imaging.engine.levels import check_levels
from unibase.imaging.engine.near import Box, neighbours, union, within
from unibase.imaging.engine.options import EngineSettings

Array = np.ndarray

CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")


@dataclass(frozen=True)
class Scene:
    """Image and region after resampling.

    Attributes:
        image: The image (z, y, x).
        shape_region: The region that shape features describe.
        region: The region that all other features describe: what re-segmentation leaves.
        box: Box of the image that filters have to fill: that of the region, or of several.
        spacing: (z, y, x) in mm.
    """

    image: Array
    shape_region: Boxed
    region: Boxed
    box: Box
    spacing: Array


def extract_pyradiomics(
    image: Array, regions: Sequence[Boxed], spacing: tuple[float, ...], settings: EngineSettings, stored_type: str | None = None
) -> list[dict[str, dict[str, float]] | Unusable]:
    """Features of each region by image type, named `class_Feature`; where PyRadiomics refuses a region, the reason.

    Regions that lie near one another share their filtered images.

    Args:
        image: (z, y, x).
        regions: The regions of that image.
        spacing: (z, y, x) in mm.
        settings: A PyRadiomics parameter file as read by `imaging.radiomics.settings`.
        stored_type: Number type in which PyRadiomics would read the image (`int16`, ...); float64 by default.
    """
    setting = settings.setting
    native = np.asarray(image, dtype=stored_type or np.float64)
    if setting.get("normalize", False):
        native = _normalised(native, setting)
    classes = {name: tuple(features or ()) for name, features in settings.feature_classes.items()}
    results: list[dict[str, dict[str, float]] | Unusable] = []
    subjects: list[_Subject] = []
    for number, region in enumerate(regions):
        try:
            scene = _prepare(native, region, np.asarray(spacing, dtype=float), setting)
            shapes = _shape_features(scene, setting, classes)
        except Unusable as problem:
            results.append(problem)
            continue
        results.append({"original": shapes} if shapes else {})
        subjects.append(_Subject(number, scene))
    reach = _reach(settings, spacing)
    for group in _groups(subjects, reach):
        scene = replace(group[0].scene, box=union([subject.scene.box for subject in group]))
        for name, own in settings.image_types.items():
            merged = {**setting, **(own or {})}
            for image_type, array in _image_types(name, scene, merged):
                for subject in group:
                    result = results[subject.number]
                    if isinstance(result, Unusable):
                        continue
                    part = np.ascontiguousarray(array[within(subject.scene.box, scene.box)])
                    try:
                        values = _features(part, subject.places(merged), merged, classes)
                    except Unusable as problem:
                        results[subject.number] = problem
                    else:
                        result.setdefault(image_type, {}).update(values)
    return results


def _reach(settings: EngineSettings, spacing: tuple[float, ...]) -> list[int]:
    """How many voxels around a box filters read on each axis, about: what decides whether regions share their images."""
    widest = max([0.0, *(float(s) for s in (settings.image_types.get("LoG") or {}).get("sigma") or ())])
    return [int(recursive_gaussian.SUPPORT * widest / s) + 8 for s in spacing]


def _groups(subjects: list[_Subject], reach: list[int]) -> list[list[_Subject]]:
    """Subjects that share their filtered images: near one another, and of one image (a resampled one is its own)."""
    images: dict[int, dict[int, Box]] = {}
    for number, subject in enumerate(subjects):
        images.setdefault(id(subject.scene.image), {})[number] = subject.scene.box
    return [[subjects[number] for number in group] for boxes in images.values() for group in neighbours(boxes, reach)]


@dataclass
class _Subject:
    """A region of several: its number among them, its scene, and its places by the axis across which it is planar."""

    number: int
    scene: Scene
    known: dict[int | None, Places] = field(default_factory=dict)

    def places(self, settings: Mapping[str, Any]) -> Places:
        across = int(settings.get("force2Ddimension", 0)) if settings.get("force2D", False) else None
        if across not in self.known:
            self.known[across] = Places.of(self.scene.region.array, self.scene.spacing, across)
        return self.known[across]


@dataclass(frozen=True)
class Places:
    """Where the voxels of a region lie in its bounding box, and in the padded array of grey levels; for all image types.

    Attributes:
        inside: Flat places in the box.
        where: Places (n, 3) in the array of grey levels, whose first axis is the one across `force2Ddimension`.
        shape: Shape of that array without padding.
        spacing: Voxel spacing in the order of its axes.
        planar: Textures are taken within slices across its first axis.
        extents: Where its rows begin and end, padded by one.
        volume: Voxel spacing (z, y, x).
    """

    inside: Array
    where: Array
    shape: tuple[int, ...]
    spacing: Array
    planar: bool
    extents: Array
    volume: Array

    @classmethod
    def of(cls, mask: Array, spacing: Array, across: int | None) -> Places:
        """Return the places of a mask cropped to its bounding box; textures within slices across an axis, or in the volume."""
        first = across or 0
        order = [first, *(axis for axis in range(3) if axis != first)]
        turned = mask.transpose(order)
        where = np.argwhere(mask).astype(np.int32)[:, order]
        extents = texture_counts.row_extents(texture.padded(turned))
        inside = np.flatnonzero(mask)
        return cls(inside, where, turned.shape, spacing[order], across is not None, extents, spacing)

    def padded(self, levels: Array, width: int) -> Array:
        """Levels of the voxels, in the order of `inside`, as an array (uint16) with zeros around it."""
        out = np.zeros(tuple(n + 2 * width for n in self.shape), dtype=np.uint16)
        z, y, x = self.where.T
        out.ravel()[((z + width).astype(np.int64) * out.shape[1] + (y + width)) * out.shape[2] + (x + width)] = levels
        return out


def _features(
    image: Array, places: Places, settings: Mapping[str, Any], classes: Mapping[str, tuple[str, ...]]
) -> dict[str, float]:
    """All enabled classes but shape of one image type, cropped to the bounding box of the region."""
    wanted = [name for name in CLASSES if name in classes]
    if not wanted:
        return {}
    values = image.ravel()[places.inside]
    if not np.isfinite(values).all():
        raise Unusable(
            "not-finite-in-region",
            "The region holds missing or infinite intensities.",
            "Fill them, or leave this image type out.",
        )
    check_levels(values, settings, textures=set(wanted) != {"firstorder"})
    levels, occurrences = formulas.grey_levels(values, settings)
    result: dict[str, float] = {}

    def add(family: str, values: dict[str, float]) -> None:
        named = classes[family]
        hidden = formulas.DEPRECATED.get(family, ())
        result.update({f"{family}_{k}": v for k, v in values.items() if (k in named if named else k not in hidden)})

    if "firstorder" in wanted:
        add("firstorder", formulas.first_order(values, occurrences, places.volume, settings))
    if set(wanted) == {"firstorder"}:
        return result
    present = np.nonzero(occurrences)[0]
    distances = [int(d) for d in settings.get("distances", [1])]
    reach = max(distances)
    steps = formulas.angles(places.shape, distances, places.planar)
    near = steps if distances == [1] else formulas.angles(places.shape, [1], places.planar)
    # The k-th level present is k: matrices without empty rows.
    rank = np.zeros(len(occurrences), dtype=np.uint16)
    rank[present] = np.arange(1, len(present) + 1)
    gaps = len(present) != present[-1]
    dense = places.padded(rank[levels] if gaps else levels, 1)
    if "glcm" in wanted or "glrlm" in wanted:
        pairs, runs = texture_counts.pairs_and_runs(dense, places.extents, near, len(present), max(places.shape))
        pairs = texture_counts.pair_counts(pairs)
        if "glrlm" in wanted:
            counts = texture_counts.run_counts(runs, occurrences[present])
            add("glrlm", formulas.grey_level_run_length(counts, pairs, dense, present, near, places.spacing, settings))
        if "glcm" in wanted:
            if reach > 1:
                wide = np.pad(dense, reach - 1)
                extents = texture_counts.row_extents(wide)
                pairs = texture_counts.co_occurrence(wide, extents, steps, len(present))[:, 1:, 1:]
            add("glcm", formulas.grey_level_co_occurrence(pairs, present, steps, places.spacing, settings))
    if "glszm" in wanted:
        add("glszm", formulas.grey_level_size_zone(dense, places.extents, present, places.planar))
    if "gldm" in wanted or "ngtdm" in wanted:
        true_levels = dense if reach == 1 and not gaps else places.padded(levels, reach)
        extents = places.extents if reach == 1 else texture_counts.row_extents(true_levels)
        alpha = int(settings.get("gldm_a", 0))
        dependent, tones = formulas.neighbourhood(true_levels, extents, present, steps, alpha, reach)
        if "gldm" in wanted:
            add("gldm", dependent)
        if "ngtdm" in wanted:
            add("ngtdm", tones)
    return result


def _shape_features(scene: Scene, setting: Mapping[str, Any], classes: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    result: dict[str, float] = {}
    mask = scene.shape_region.part(scene.box)
    for family in ("shape", "shape2D"):
        if family not in classes:
            continue
        if family == "shape":
            values = formulas.shape(mask, scene.spacing)
        else:
            if not setting.get("force2D", False):
                continue
            axis = int(setting.get("force2Ddimension", 0))
            # PyRadiomics looks at the wrong axis here (x for z), and leaves the class out when that has one voxel.
            if mask.shape[::-1][axis] <= 1:
                continue
            if mask.shape[axis] > 1:
                raise Unusable(
                    "region-not-planar", "shape2D needs a region in one slice.", "Leave shape2D out, or choose one slice."
                )
            values = formulas.shape_2d(np.ascontiguousarray(mask.take(0, axis=axis)), np.delete(scene.spacing, axis))
        named = classes[family]
        hidden = formulas.DEPRECATED.get(family, ())
        result.update({f"{family}_{k}": v for k, v in values.items() if (k in named if named else k not in hidden)})
    return result


def _prepare(image: Array, region: Boxed, spacing: Array, setting: Mapping[str, Any]) -> Scene:
    if region.empty:
        raise Unusable("empty-region", "The mask holds no voxel.", "Check the region name and the mask.")
    if setting.get("interpolator", "sitkBSpline") is not None and setting.get("resampledPixelSpacing") is not None:
        image, region, spacing = _resampled(image, region, spacing, setting)
        if region.empty:
            raise Unusable("empty-region", "No voxel of the region is left after resampling.", "Resample to a finer grid.")
    elif setting.get("preCrop", False):
        _check(region, setting)
        image, region = _cropped(image, region, int(setting.get("padDistance", 0)))
    _check(region, setting)
    shape_region = region
    if setting.get("resegmentRange") is not None:
        region = _resegmented(image, region, setting)
        _check(region, setting)
        if setting.get("resegmentShape", False):
            shape_region = region
    return Scene(image, shape_region, region, region.box, spacing)


def _cropped(image: Array, region: Boxed, pad: int) -> tuple[Array, Boxed]:
    """Return the image cropped to the region and a margin, and the region in it."""
    crop = region.grown([pad] * 3)
    return image[crop], Boxed.of(region.part(crop))


def _check(region: Boxed, setting: Mapping[str, Any]) -> None:
    """Refuse what PyRadiomics refuses."""
    larger = "Draw a larger region, or lower minimumROIDimensions or minimumROISize."
    dimensions = sum(n > 1 for n in region.array.shape)
    if dimensions == 0:
        raise Unusable("region-too-small", "The region is one voxel.", larger)
    if dimensions < setting.get("minimumROIDimensions", 2):
        raise Unusable("region-too-small", "The region extends over fewer dimensions than minimumROIDimensions.", larger)
    size = setting.get("minimumROISize")
    if size is not None and region.voxels <= size:
        raise Unusable("region-too-small", "The region has no more voxels than minimumROISize.", larger)


def _resegmented(image: Array, region: Boxed, setting: Mapping[str, Any]) -> Boxed:
    limits, mode = sorted(setting["resegmentRange"]), setting.get("resegmentMode", "absolute")
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
            "empty-after-resegmentation", "Re-segmentation leaves at most one voxel of the region.", "Widen resegmentRange."
        )
    result = np.zeros_like(region.array)
    result[region.array] = keep
    return Boxed.of(result, region.start, region.shape)


def _grown(box: Box, margin: list[int], shape: tuple[int, ...]) -> Box:
    return tuple(slice(max(0, b.start - m), min(n, b.stop + m)) for b, m, n in zip(box, margin, shape, strict=True))


def _sitk(array: Array, spacing: Array) -> Any:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    image.SetSpacing([float(s) for s in spacing[::-1]])
    return image


def _normalised(image: Array, setting: Mapping[str, Any]) -> Array:
    import SimpleITK as sitk

    result = sitk.GetArrayFromImage(sitk.Normalize(_sitk(image, np.ones(3))))
    outliers = setting.get("removeOutliers")
    if outliers is not None:
        result[result > outliers] = outliers
        result[result < -outliers] = -outliers
    # SimpleITK multiplies a 32-bit image by a constant in its own type.
    return np.asarray(result * result.dtype.type(setting.get("normalizeScale", 1)))


def _resampled(image: Array, region: Boxed, spacing: Array, setting: Mapping[str, Any]) -> tuple[Array, Boxed, Array]:
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
        return *_cropped(image, region, pad), spacing
    ratio = spacing / new
    start = np.array(region.start)
    low = np.maximum(np.floor((start - 0.5) * ratio - pad), 0)
    high = np.minimum(np.ceil((start + size - 0.5) * ratio + pad), np.ceil(np.array(region.shape) * ratio) - 1)
    count = (high - low + 1).astype(int)
    source, mask = _sitk(image, spacing), _sitk(region.full(), spacing)
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
    return result, Boxed.of(sitk.GetArrayFromImage(resampler.Execute(mask)) > 0), new


def _image_types(name: str, scene: Scene, settings: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Filtered images cropped to the bounding box of the region, one after the other, with their names."""
    image, box = scene.image, scene.box
    if name == "Original":
        yield "original", np.ascontiguousarray(image[box])
    elif name == "LoG":
        yield from _laplacians(scene, settings)
    elif name == "Wavelet":
        yield from _wavelets(scene, settings)
    elif name == "Gradient":
        yield "gradient", _gradient(scene, settings)
    else:
        values = image[box].astype(np.float64)
        # The scale comes from the whole image, as PyRadiomics takes it.
        top = np.float64(max(abs(float(image.min())), abs(float(image.max()))))
        with np.errstate(divide="ignore", invalid="ignore"):
            if name == "Square":
                yield "square", ((1 / np.sqrt(top)) * values) ** 2
            elif name == "SquareRoot":
                yield "squareroot", np.sign(values) * np.sqrt(np.abs(values) * top)
            elif name == "Logarithm":
                yield "logarithm", np.sign(values) * np.log(np.abs(values) + 1) * (top / np.log(top + 1))
            elif name == "Exponential":
                yield "exponential", np.exp(np.log(top) / top * values)
            else:
                raise ValueError(f"image type {name} is not supported")


def _laplacians(scene: Scene, settings: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Laplacian of Gaussian of each width, normalised across scales, as ITK's recursive filter gives it."""
    size = np.array(scene.image.shape)
    if size.min() < 4:
        return
    for sigma in settings.get("sigma", []):
        if sigma <= 0 or not (size >= np.ceil(sigma / scene.spacing) + 1).all():
            continue
        result = recursive_gaussian.laplacian(scene.image, scene.box, scene.spacing, float(sigma))
        yield f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D", result


def _gradient(scene: Scene, settings: Mapping[str, Any]) -> Array:
    import SimpleITK as sitk

    crop = _grown(scene.box, [2, 2, 2], scene.image.shape)
    gradient = sitk.GradientMagnitudeImageFilter()
    gradient.SetUseImageSpacing(settings.get("gradientUseSpacing", True))
    result = sitk.GetArrayFromImage(gradient.Execute(_sitk(scene.image[crop], scene.spacing)))
    return np.ascontiguousarray(result[within(scene.box, crop)])


def _wavelets(scene: Scene, settings: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Stationary wavelet bands of each level, as PyWavelets gives them, along one axis after the other and cropped after each."""
    axes = [2, 1, 0]
    if settings.get("force2D", False):
        axes.remove(int(settings.get("force2Ddimension", 0)))
    # What is not floating point PyWavelets takes in 64 bits.
    kind = scene.image.dtype if scene.image.dtype.kind == "f" else np.dtype(np.float64)
    filters = stationary_wavelet.decomposition_filters(settings.get("wavelet", "coif1"), kind)
    start, levels = int(settings.get("start_level", 0)), int(settings.get("level", 1))
    rounds = start + levels
    # Each round reads at most one filter length further.
    reach = [rounds * filters.shape[1] + 2 if axis in axes else 0 for axis in range(3)]
    shape = scene.image.shape
    crop = list(_grown(scene.box, reach, shape))
    for axis in axes:
        part = scene.box[axis]
        touches = part.start < reach[axis] or part.stop + reach[axis] > shape[axis]
        # The transform is periodic: near an end it reads from the other one, so the whole line is kept.
        if touches:
            crop[axis] = slice(0, shape[axis])
        elif (crop[axis].stop - crop[axis].start) % 2:
            crop[axis] = slice(
                crop[axis].start - (1 if crop[axis].start > 0 else 0), crop[axis].stop + (1 if crop[axis].start == 0 else 0)
            )
    data = scene.image[tuple(crop)]
    padding = [(0, n % 2 if (crop[a].stop - crop[a].start) % 2 else 0) for a, n in enumerate(shape)]
    data = np.ascontiguousarray(np.pad(data, padding, "wrap"), dtype=kind)
    inner = within(scene.box, tuple(crop))
    for round_number in range(1, rounds + 1):
        number = round_number - start
        if round_number > start:
            for band, values in _bands(data, filters, axes, inner, ""):
                # The lowest band goes into the next round; only the last one's is an image type, named by their number.
                if "H" in band or round_number == rounds:
                    yield f"wavelet-{band}" if number == 1 else f"wavelet{number}-{band}", values
        if round_number < rounds:
            for axis in axes:
                data = stationary_wavelet.split(data, filters, axis, 0, data.shape[axis])[0]


def _bands(data: Array, filters: Array, axes: list[int], inner: Box, name: str) -> Iterator[tuple[str, Array]]:
    """Bands of one round in PyWavelets' order of axes; what is no longer needed along an axis is dropped at once."""
    if not axes:
        outside = tuple(slice(None) if data.shape[a] == inner[a].stop - inner[a].start else inner[a] for a in range(3))
        yield name, np.ascontiguousarray(data[outside])
        return
    axis, rest = axes[0], axes[1:]
    low, high = stationary_wavelet.split(data, filters, axis, inner[axis].start, inner[axis].stop)
    yield from _bands(low, filters, rest, inner, name + "L")
    del low
    yield from _bands(high, filters, rest, inner, name + "H")
