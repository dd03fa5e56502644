"""`pyradiomics` mode: preprocessing, image types and features as PyRadiomics 3 orders them.

Each image type is made on the region and what the filter needs around it, binned once, and dropped before the next.
Arrays keep the number type that PyRadiomics would have there (a 16-bit CT gives 32-bit LoG images), because its bins
depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.engine import pyradiomics_features as formulas
from unibase.imaging.engine import texture
from unibase.imaging.engine.compiled import recursive_gaussian, texture_counts
from unibase.imaging.engine.levels import check_levels
from unibase.imaging.engine.near import Box, neighbours, union, within
from unibase.imaging.engine.options import EngineSettings
from unibase.imaging.engine.pyradiomics_images import image_types
from unibase.imaging.engine.pyradiomics_scene import Scene, normalised, prepare
from unibase.imaging.engine.pyradiomics_shape import shape, shape_2d

Array = np.ndarray

CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")


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
        native = normalised(native, setting)
    classes = {name: tuple(features or ()) for name, features in settings.feature_classes.items()}
    results: list[dict[str, dict[str, float]] | Unusable] = []
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
    reach = _reach(settings, spacing)
    for group in _groups(subjects, reach):
        scene = replace(group[0].scene, box=union([subject.scene.box for subject in group]))
        for name, own in settings.image_types.items():
            merged = {**setting, **(own or {})}
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
            reasons.NOT_FINITE_IN_REGION,
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
        named = classes[family]
        hidden = formulas.DEPRECATED.get(family, ())
        result.update({f"{family}_{k}": v for k, v in values.items() if (k in named if named else k not in hidden)})
    return result
