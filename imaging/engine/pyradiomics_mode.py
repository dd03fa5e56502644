"""`pyradiomics` mode: preprocessing, image types and features as PyRadiomics 3 orders them.

Each image type is made on the region and what the filter needs around it, binned once, and dropped before the next.
Arrays keep the number type that PyRadiomics would have there (a 16-bit CT gives 32-bit LoG images), because its bins
depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.engine import pyradiomics_features as formulas
from unibase.imaging.engine import texture
from unibase.imaging.engine.compiled import recursive_gaussian, texture_counts
from unibase.imaging.engine.levels import check_levels
from unibase.imaging.engine.near import Box, neighbours, union, within
from unibase.imaging.engine.options import ByImageType, EngineSettings, Values
from unibase.imaging.engine.pyradiomics_images import image_types
from unibase.imaging.engine.pyradiomics_scene import Scene, normalised, prepare
from unibase.imaging.engine.pyradiomics_shape import shape, shape_2d
from unibase.imaging.engine.setting import Setting

Array = np.ndarray

CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")


def extract_pyradiomics(
    image: Array, regions: Sequence[Boxed], spacing: tuple[float, ...], settings: EngineSettings, stored_type: str | None = None
) -> list[ByImageType | Unusable]:
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
        native = normalised(native, setting)
    classes = {name: tuple(features or ()) for name, features in settings.feature_classes.items()}
    results: list[ByImageType | Unusable] = []
    subjects: list[_Subject] = []
    for number, region in enumerate(regions):
        try:
            scene = prepare(native, region, np.asarray(spacing, dtype=float), setting)
            shapes = _shape_features(scene, setting, classes)
        except Unusable as problem:
            results.append(problem)
            continue
        results.append({"original": shapes} if shapes else {})
        subjects.append(_Subject(number, scene))
    for group in _groups(subjects, _reach(settings, spacing)):
        _add_images(group, settings, classes, results)
        for subject in group:
            subject.known.clear()  # places of a hundred regions take as much memory as the image
    return results


def _add_images(
    group: Sequence[_Subject],
    settings: EngineSettings,
    classes: Mapping[str, tuple[str, ...]],
    results: list[ByImageType | Unusable],
) -> None:
    """Add to the results the features of each image type of regions that share their images; or why one has none."""
    box = union([subject.scene.box for subject in group])
    scene = replace(group[0].scene, box=box, region=reduce(or_, [subject.scene.region for subject in group]))
    for name, own in settings.image_types.items():
        merged: Setting = {**settings.setting, **(own or {})}
        for image_type, array in image_types(name, scene, merged):
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

    def places(self, settings: Setting) -> Places:
        across = int(settings.get("force2Ddimension", 0)) if settings.get("force2D", False) else None
        if across not in self.known:
            self.known[across] = Places.of(self.scene.region.array, self.scene.spacing, across)
        return self.known[across]


@dataclass(frozen=True)
class Places:
    """Where the voxels of a region lie in its bounding box, and in the padded array of grey levels; for all image types.

    Attributes:
        inside: Flat places in the box.
        flat: Flat places in the array of grey levels padded by one.
        where: Places (n, 3) in the array of grey levels, whose first axis is the one across `force2Ddimension`.
        shape: Shape of that array without padding.
        spacing: Voxel spacing in the order of its axes.
        planar: Textures are taken within slices across its first axis.
        extents: Where its rows begin and end, padded by one.
        volume: Voxel spacing (z, y, x).
    """

    inside: Array
    flat: Array
    where: Array
    shape: tuple[int, ...]
    spacing: Array
    planar: bool
    extents: Array
    volume: Array

    @classmethod
    def of(cls, mask: Array, spacing: Array, across: int | None) -> Places:
        """Return the places of a `mask` cropped to its box; textures within slices `across` an axis, or in the volume.

        `spacing` is (z, y, x) in mm.
        """
        first = across or 0
        order = [first, *(axis for axis in range(3) if axis != first)]
        turned = mask.transpose(order)
        where = np.argwhere(mask).astype(np.int32)[:, order]
        extents = texture_counts.row_extents(texture.padded(turned))
        inside = np.flatnonzero(mask)
        flat = _flat_places(where, tuple(n + 2 for n in turned.shape), 1)
        return cls(inside, flat, where, turned.shape, spacing[order], across is not None, extents, spacing)

    def padded(self, levels: Array, width: int) -> Array:
        """Return `levels` of the voxels, in the order of `inside`, as uint16 with zeros, `width` of them, around."""
        out = np.zeros(tuple(n + 2 * width for n in self.shape), dtype=np.uint16)
        out.ravel()[self.flat if width == 1 else _flat_places(self.where, out.shape, width)] = levels
        return out


def _flat_places(where: Array, shape: tuple[int, ...], width: int) -> Array:
    """Flat places in a padded array of this `shape` of the places (n, 3) in what is padded by a `width`."""
    z, y, x = (where + width).T
    return np.asarray((z.astype(np.int64) * shape[1] + y) * shape[2] + x)


def _features(image: Array, places: Places, settings: Setting, classes: Mapping[str, tuple[str, ...]]) -> Values:
    """All enabled classes but shape of one image type, cropped to the bounding box of the region."""
    wanted = [name for name in CLASSES if name in classes]
    if not wanted:
        return {}
    values = image.ravel()[places.inside]
    if not np.isfinite(values).all():
        raise Unusable(
            reasons.NOT_FINITE_IN_REGION,
            "The region holds missing or infinite intensities.",
            "Fill them, or leave this image type out.",
        )
    check_levels(values, settings, textures=set(wanted) != {"firstorder"})
    levels, occurrences = formulas.grey_levels(values, settings)
    result: Values = {}
    if "firstorder" in wanted:
        result.update(_asked("firstorder", formulas.first_order(values, occurrences, places.volume, settings), classes))
    if set(wanted) != {"firstorder"}:
        grey = _Grey.of(levels, occurrences, places, settings)
        for of in (_by_direction, _of_zones, _of_neighbours):
            for family, found in of(grey, places, settings, wanted).items():
                result.update(_asked(family, found, classes))
    return result


def _asked(family: str, values: Values, classes: Mapping[str, tuple[str, ...]]) -> Values:
    """Features of a class under their columns: those named, else all that are not deprecated."""
    named = classes[family]
    hidden = formulas.DEPRECATED.get(family, ())
    return {f"{family}_{k}": v for k, v in values.items() if (k in named if named else k not in hidden)}


@dataclass(frozen=True)
class _Grey:
    """Grey levels of a region in one image type.

    Attributes:
        levels: Level of each voxel, in the order of `Places.inside`.
        occurrences: How often each level occurs, from level 0.
        present: Levels that occur, ascending.
        dense: The region as an array (uint16) padded by one, the k-th level present being k.
        distances: Distances of neighbours in voxels.
        near: Directions of distance 1.
    """

    levels: Array
    occurrences: Array
    present: Array
    dense: Array
    distances: list[int]
    near: Array

    @classmethod
    def of(cls, levels: Array, occurrences: Array, places: Places, settings: Setting) -> _Grey:
        """Return the grey levels of a region in its places."""
        present = np.nonzero(occurrences)[0]
        # The k-th level present is k: matrices without empty rows.
        rank = np.zeros(len(occurrences), dtype=np.uint16)
        rank[present] = np.arange(1, len(present) + 1)
        dense = places.padded(rank[levels] if len(present) != present[-1] else levels, 1)
        distances = [int(d) for d in settings.get("distances", [1])]
        return cls(levels, occurrences, present, dense, distances, formulas.angles(places.shape, [1], places.planar))

    def steps(self, places: Places) -> Array:
        """Directions of all distances asked for."""
        return self.near if self.distances == [1] else formulas.angles(places.shape, self.distances, places.planar)


ByImageType = ByImageType


def _by_direction(grey: _Grey, places: Places, settings: Setting, wanted: Sequence[str]) -> ByImageType:
    """Classes whose matrices are counted by direction."""
    found: ByImageType = {}
    if not {"glcm", "glrlm"} & set(wanted):
        return found
    n = len(grey.present)
    often = grey.occurrences[grey.present]
    pairs, counts = texture_counts.pairs_and_runs(grey.dense, places.extents, grey.near, often, max(places.shape))
    if "glrlm" in wanted:
        counts = formulas.without_short_lines(counts, pairs, grey.dense, grey.near)
        weights = formulas.line_weights(grey.near, places.spacing, settings.get("weightingNorm"))
        found["glrlm"] = formulas.grey_level_run_length(counts, grey.present, weights)
    if "glcm" in wanted:
        reach, steps = max(grey.distances), grey.steps(places)
        if reach > 1:
            wide = np.pad(grey.dense, reach - 1)
            pairs = texture_counts.co_occurrence(wide, texture_counts.row_extents(wide), steps, n)[:, 1:, 1:]
        found["glcm"] = formulas.grey_level_co_occurrence(pairs, grey.present, steps, places.spacing, settings)
    return found


def _of_zones(grey: _Grey, places: Places, settings: Setting, wanted: Sequence[str]) -> ByImageType:
    """The class of zones of one level."""
    if "glszm" not in wanted:
        return {}
    return {"glszm": formulas.grey_level_size_zone(grey.dense, places.extents, grey.present, places.planar)}


def _of_neighbours(grey: _Grey, places: Places, settings: Setting, wanted: Sequence[str]) -> ByImageType:
    """Classes that compare a voxel with its neighbours."""
    if not {"gldm", "ngtdm"} & set(wanted):
        return {}
    reach = max(grey.distances)
    gaps = len(grey.present) != grey.present[-1]
    levels = grey.dense if reach == 1 and not gaps else places.padded(grey.levels, reach)
    extents = places.extents if reach == 1 else texture_counts.row_extents(levels)
    alpha = int(settings.get("gldm_a", 0))
    dependent, tones = formulas.neighbourhood(levels, extents, grey.present, grey.steps(places), alpha, reach)
    return {family: values for family, values in (("gldm", dependent), ("ngtdm", tones)) if family in wanted}


def _shape_features(scene: Scene, setting: Setting, classes: Mapping[str, tuple[str, ...]]) -> Values:
    result: Values = {}
    mask = scene.shape_region.part(scene.box)
    for family in ("shape", "shape2D"):
        if family not in classes:
            continue
        if family == "shape":
            values = shape(mask, scene.spacing)
        else:
            if not setting.get("force2D", False):
                continue
            axis = int(setting.get("force2Ddimension", 0))
            # PyRadiomics looks at the wrong axis here (x for z), and leaves the class out when that has one voxel.
            if mask.shape[::-1][axis] <= 1:
                continue
            if mask.shape[axis] > 1:
                raise Unusable(
                    reasons.REGION_NOT_PLANAR, "shape2D needs a region in one slice.", "Leave shape2D out, or choose one slice."
                )
            values = shape_2d(np.ascontiguousarray(mask.take(0, axis=axis)), np.delete(scene.spacing, axis))
        result.update(_asked(family, values, classes))
    return result
