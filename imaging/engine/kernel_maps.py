"""Maps of features: at each voxel of a region the features of the small region around it, as PyRadiomics' voxel-based ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging import reasons
from unibase.imaging.boxed import Box, Boxed
from unibase.imaging.engine import pyradiomics_features as formulas
from unibase.imaging.engine import texture
from unibase.imaging.engine.compiled import kernel_features
from unibase.imaging.engine.levels import check_levels
from unibase.imaging.engine.options import EngineSettings
from unibase.imaging.engine.pyradiomics_images import image_types
from unibase.imaging.engine.pyradiomics_scene import Scene, grown, normalised, prepare
from unibase.imaging.engine.setting import Setting

Array = np.ndarray

COLUMNS = (
    *("firstorder_" + name for name in (
        "Energy", "TotalEnergy", "Entropy", "Minimum", "10Percentile", "90Percentile", "Maximum", "Mean", "Median",
        "InterquartileRange", "Range", "MeanAbsoluteDeviation", "RobustMeanAbsoluteDeviation", "RootMeanSquared", "Skewness",
        "Kurtosis", "Variance", "Uniformity",
    )),
    *("glcm_" + name for name in formulas._GLCM),
    *("gldm_" + name for name in formulas._DEPENDENCE if name is not None),
    *("glrlm_" + name for name in formulas._RUN),
    *("glszm_" + name for name in formulas._ZONE),
    *("ngtdm_" + name for name in formulas._TONE),
)  # fmt: skip
"""The 93 features of a kernel, by the columns of a FEATURES table."""


@dataclass(frozen=True)
class Kernel:
    """The region around a voxel: `voxelSetting` of a PyRadiomics parameter file.

    Attributes:
        radius: Voxels on each side, whatever the spacing.
        masked: Only voxels of the region count; else all of the image around it.
        outside: What a map holds outside the region (`initValue`).
    """

    radius: int = 1
    masked: bool = True
    outside: float = 0.0


@dataclass(frozen=True)
class FeatureMaps:
    """Maps of one image type.

    Attributes:
        image_type: `original`, `wavelet-LLH`, ...
        columns: Names of the features.
        array: Their maps (feature, z, y, x), on the box below.
        box: Where the box lies in the image; in the resampled one where the settings resample.
        spacing: (z, y, x) in mm.
        start: Where its first voxel lies in the image as it was given, as a continuous index (z, y, x).
    """

    image_type: str
    columns: tuple[str, ...]
    array: Array
    box: Box
    spacing: tuple[float, float, float]
    start: Array


def check_maps(settings: EngineSettings) -> None:
    """Check that maps can be made with these settings.

    Args:
        settings: A PyRadiomics parameter file.

    Raises:
        UserError: With `weightingNorm`, `distances` beyond 1, or no class but shape.
    """
    for own in settings.image_types.values():
        merged: Setting = {**settings.setting, **(own or {})}
        key = "weightingNorm" if merged.get("weightingNorm") else "distances" if list(merged.get("distances", [1])) != [1] else ""
        if key:
            raise UserError(f"Maps are not made with setting.{key}. Leave it out for maps.")
    if not any(_asked(column, settings) for column in COLUMNS):
        raise UserError("Shape has no maps. Ask for other classes under featureClass.")


def feature_maps(
    image: Array,
    region: Boxed,
    spacing: tuple[float, ...],
    settings: EngineSettings,
    kernel: Kernel,
    stored_type: str | None = None,
) -> Iterator[FeatureMaps]:
    """Yield the maps of each image type, one after the other.

    Args:
        image: float64 (z, y, x).
        region: The region of that image.
        spacing: (z, y, x) in mm.
        settings: A PyRadiomics parameter file; its feature classes choose the maps, shape has none.
        kernel: The region around a voxel.
        stored_type: Number type in which the image is stored; see `engine.extract`.

    Raises:
        Unusable: As `engine.extract`.
        UserError: As `check_maps`.
    """
    check_maps(settings)
    native = np.asarray(image, dtype=stored_type or np.float64)
    if settings.setting.get("normalize", False):
        native = normalised(native, settings.setting)
    scene = prepare(native, region, np.asarray(spacing, dtype=float), settings.setting)
    box = grown(scene.box, [kernel.radius] * 3, scene.image.shape)
    wanted = [number for number, column in enumerate(COLUMNS) if _asked(column, settings)]
    around = replace(scene, box=box)
    for name, own in settings.image_types.items():
        merged: Setting = {**settings.setting, **(own or {})}
        for image_type, array in image_types(name, around, merged):
            maps = _maps(array, scene.region.part(box), scene, kernel, merged)[wanted]
            (dz, dy, dx) = (float(step) for step in scene.spacing)
            start = scene.start + np.array([part.start for part in box]) * scene.spacing / np.asarray(spacing)
            yield FeatureMaps(image_type, tuple(COLUMNS[number] for number in wanted), maps, box, (dz, dy, dx), start)


def _asked(column: str, settings: EngineSettings) -> bool:
    family, feature = column.split("_", 1)
    named = settings.feature_classes.get(family) or ()
    return family in settings.feature_classes and (not named or feature in named)


def _maps(image: Array, mask: Array, scene: Scene, kernel: Kernel, settings: Setting) -> Array:
    """Return the maps (93, z, y, x) of an image on the box of the maps; `mask` is the region there."""
    counted = mask if kernel.masked else np.ones(mask.shape, dtype=bool)
    values = image[counted]
    if not np.isfinite(values).all():
        message = "The region holds missing or infinite intensities."
        raise Unusable(reasons.NOT_FINITE_IN_REGION, message, "Fill them, or leave this image type out.")
    check_levels(values, settings)
    levels, occurrences = formulas.grey_levels(values, settings)
    across = int(settings.get("force2Ddimension", 0)) if settings.get("force2D", False) else None
    reach = np.array([0 if axis == across else kernel.radius for axis in range(3)])
    steps = texture.steps_between(3)
    steps = steps if across is None else steps[steps[:, across] == 0]
    present = np.flatnonzero(occurrences)
    numbers = [present[-1], len(present), settings.get("gldm_a", 0), settings.get("voxelArrayShift", 0)]
    symmetrical = float(settings.get("symmetricalGLCM", True))
    found = kernel_features.describe(
        _padded(image, counted, image[counted].astype(np.float64), reach, np.float64),
        _padded(image, counted, levels, reach, np.uint16),
        np.argwhere(mask) + reach,
        reach,
        steps,
        np.array([*numbers, symmetrical], dtype=np.float64),
    )
    found[:, COLUMNS.index("firstorder_TotalEnergy")] *= np.multiply.reduce(scene.spacing)
    maps = np.full((len(COLUMNS), *mask.shape), kernel.outside)
    maps[:, mask] = found.T
    return maps


def _padded(image: Array, counted: Array, values: Array, reach: Array, kind: type) -> Array:
    """Return values of the voxels that count in an array with zeros elsewhere and around it."""
    out = np.zeros(np.array(image.shape) + 2 * reach, dtype=kind)
    inner = tuple(slice(int(r), int(r) + n) for r, n in zip(reach, image.shape, strict=True))
    out[inner][counted] = values
    return out
