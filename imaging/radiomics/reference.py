"""The reference engine: PyRadiomics, called on one image and one region, quiet and on one thread.

The installed build is `pyradiomics-cuda`, which imports as `radiomics` and computes on the CPU here.
"""

from __future__ import annotations

import logging
import warnings
from functools import cache
from importlib.metadata import version
from typing import Any, cast

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Box, Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.engine.setting import Setting
from unibase.imaging.grid import Array
from unibase.imaging.radiomics.settings import FeatureSettings

Features = dict[str, dict[str, float]]
"""Image type to feature column (`firstorder_Mean`) to value."""


def engine_version() -> str:
    """Return the name of the engine as it stands in the `engine` column."""
    return f"pyradiomics {version('pyradiomics-cuda')} (pyradiomics-cuda)"


def extract(volume: Volume, region: Boxed, settings: FeatureSettings) -> Features:
    """Return what PyRadiomics computes for one region.

    Args:
        volume: The image; PyRadiomics gets it in the type in which SimpleITK reads its files.
        region: The region.
        settings: As PyRadiomics' parameter file; `label` does not count, the mask is given.

    Raises:
        Unusable: `region-too-small`, `empty-after-resegmentation`, `empty-region` (lost in resampling),
            `region-outside-image`, `too-many-grey-levels`, `region-refused`.
    """
    import SimpleITK as sitk

    # Sums over threads depend on their number: one thread gives one result, and Dask has the cores.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    extractor = _extractor()()
    extractor.settings = {**extractor._getDefaultSettings(), **settings.setting, "label": 1, "additionalInfo": False}
    for key in ("geometryTolerance", "label_channel", "correctMask"):
        extractor.settings.pop(key, None)
    extractor.enabledImagetypes = {name: dict(own) for name, own in settings.image_types.items()}
    extractor.enabledFeatures = {name: list(features or ()) for name, features in settings.feature_classes.items()}
    margin = reach(settings)
    box = tuple(slice(0, n) for n in region.shape) if margin is None else box_around(region, margin)
    # The grid's origin may stay: no feature depends on where in the room a region lies.
    image = volume.grid.to_sitk(_with_room(volume.array[box].astype(volume.stored_type), settings))
    mask = volume.grid.to_sitk(region.part(box).astype(np.uint8))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            values = extractor.execute(image, mask)
        except ValueError as error:
            raise refusal_of(str(error)) from None
    features: Features = {}
    for name, value in values.items():
        image_type, column = name.split("_", 1)
        features.setdefault(image_type, {})[column] = _number(value)
    return features


def _with_room(image: Array, settings: FeatureSettings) -> Array:
    """Return an image (z, y, x) in a number type that holds two bins more: PyRadiomics adds them to the highest intensity in it."""
    if image.dtype.kind not in "iu" or image.dtype.itemsize > 2:
        return image
    if image.dtype.itemsize == 1:
        return image.astype(np.int16)
    above = int(image.max()) + 2 * float(settings.setting.get("binWidth", 25))
    return image.astype(np.int32) if above > np.iinfo(image.dtype).max else image


@cache
def _extractor() -> Any:
    """Return PyRadiomics' extractor, which looks at the grey levels of every image type before it counts them in matrices."""
    quiet_radiomics()
    import SimpleITK as sitk
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    from unibase.imaging.engine.levels import check_levels

    class Careful(RadiomicsFeatureExtractor):  # type: ignore[misc]  # the library has no types
        def computeFeatures(self, image: sitk.Image, mask: sitk.Image, imageTypeName: str, **settings: object) -> object:
            wanted = set(self.enabledFeatures) - {"shape", "shape2D"}
            if wanted:
                inside = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(mask) == 1]
                check_levels(inside, cast("Setting", settings), textures=wanted != {"firstorder"})
            return super().computeFeatures(image, mask, imageTypeName, **settings)

    return Careful


def reach(settings: FeatureSettings) -> int | None:
    """Return how many voxels around the region can change a feature under `settings`, or None when the whole image can.

    Wavelets see as far as their filters are long, once per level (PyRadiomics does not widen them from level to level).
    Recursive Gaussians, normalisation, resampling grids and scalings to the image's maximum see the whole image.
    """
    # preCrop makes a border of its own, at which filters turn back.
    if settings.setting["normalize"] or settings.setting["resampledPixelSpacing"] or settings.setting["preCrop"]:
        return None
    margin = 1
    for name in settings.image_types:
        if name == "Wavelet":
            import pywt

            own = settings.for_image_type(name)
            levels = int(own.get("start_level", 0)) + int(own.get("level", 1))
            margin = max(margin, levels * int(pywt.Wavelet(own.get("wavelet", "coif1")).dec_len) + 1)
        elif name != "Original":
            return None
    return margin


def box_around(region: Boxed, margin: int) -> Box:
    """Return the box of the region with a margin; an axis on which the margin does not fit is kept whole.

    PyRadiomics' wavelets wrap around the image's border, so near a border the far side counts too.
    """
    return tuple(
        slice(own.start - margin, own.stop + margin) if own.start >= margin and own.stop + margin <= n else slice(0, n)
        for own, n in zip(region.box, region.shape, strict=True)
    )


@cache
def quiet_radiomics() -> object:
    """Import and return PyRadiomics without its handler on the standard error: it must neither print nor warn in a batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import radiomics
    logger = logging.getLogger("radiomics")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return radiomics


def _number(value: object) -> float:
    item = np.asarray(value).reshape(-1)[0]
    if np.iscomplexobj(item):
        # Rounding can turn a vanishing eigenvalue negative and its root complex: then the feature is not defined.
        return float(item.real) if item.imag == 0 else float("nan")
    return float(item)


def refusal_of(text: str) -> Unusable:
    """Return PyRadiomics' refusal by name: its `text` may quote values and does not travel."""
    larger = "Draw a larger region, or lower minimumROIDimensions or minimumROISize."
    if "Resegmentation excluded" in text:
        message = "Re-segmentation leaves at most one voxel of the region."
        return Unusable(reasons.EMPTY_AFTER_RESEGMENTATION, message, "Widen resegmentRange.")
    if "single voxel" in text or "only contains 1 segmented voxel" in text:
        return Unusable(reasons.REGION_TOO_SMALL, "The region is one voxel.", larger)
    if "too few dimensions" in text:
        return Unusable(reasons.REGION_TOO_SMALL, "The region extends over fewer dimensions than minimumROIDimensions.", larger)
    if "Size of the ROI is too small" in text:
        return Unusable(reasons.REGION_TOO_SMALL, "The region has no more voxels than minimumROISize.", larger)
    if "No labels found" in text or "not present in mask" in text:
        return Unusable(reasons.EMPTY_REGION, "No voxel of the region is left after resampling.", "Resample to a finer grid.")
    if "larger than image space" in text:
        return Unusable(reasons.REGION_OUTSIDE_IMAGE, "The region reaches beyond the image.", "Crop the region to the image.")
    return Unusable(reasons.REGION_REFUSED, "PyRadiomics refuses the region under these settings.", "Check the settings.")
