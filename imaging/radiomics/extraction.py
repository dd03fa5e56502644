"""Regions of one image to features, by either engine; what one region throws is its own reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import OUT_OF_MEMORY
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array
from unibase.imaging.options import Engine, Mode
from unibase.imaging.radiomics.reference import Features
from unibase.imaging.radiomics.settings import FeatureSettings, for_a_plane

Extracted = tuple[Features, dict[str, str]]
"""Features by image type, and the image types that were asked for and cannot be made, with the reason."""


def extract_region(
    volume: Volume, mask: Array | Boxed, settings: FeatureSettings, engine: Engine = "unibase", mode: Mode = "pyradiomics"
) -> Extracted:
    """Extract one region.

    Args:
        volume: The image.
        mask: The region; or boolean, z, y, x, on the grid of the image.
        settings: Extraction settings.
        engine: Which engine computes.
        mode: Which definitions.

    Returns:
        Features by image type, and the image types that were asked for and cannot be made, with the reason.

    Raises:
        Unusable: A region that has no features under these settings: `empty-region`, `region-too-small`,
            `empty-after-resegmentation`, `not-finite-in-region`, `not-finite-in-image`, `too-many-grey-levels`,
            `out-of-memory`, `engine-failed`.
    """
    result = extract_regions(volume, [mask], settings, engine, mode)[0]
    if isinstance(result, Unusable):
        raise result
    return result


def extract_regions(
    volume: Volume,
    masks: Sequence[Array | Boxed],
    settings: FeatureSettings,
    engine: Engine = "unibase",
    mode: Mode = "pyradiomics",
) -> list[Extracted | Unusable]:
    """Extract several regions of one image: for each what `extract_region` returns, or the problem that it raises.

    Our engine filters the image once for regions that lie close to one another. An image of two dimensions gets the
    settings of `for_a_plane`.

    `masks` are boolean (z, y, x) or boxed, on the `volume`; `mode` and the rest are as of `extract_region`.
    """
    if volume.dimensions == 2:
        try:
            settings = for_a_plane(settings)
        except Unusable as problem:
            return [problem] * len(masks)
    elif len(settings.setting.get("resampledPixelSpacing") or (0, 0, 0)) != 3:
        message = "resampledPixelSpacing has two numbers, and the image three dimensions."
        return [Unusable(reasons.WRONG_DIMENSIONS, message, "Give three spacings (x, y, z in mm; 0 keeps one).")] * len(masks)
    regions = [mask if isinstance(mask, Boxed) else Boxed.of(mask) for mask in masks]
    finite = np.dtype(volume.stored_type).kind in "iu" or bool(np.isfinite(volume.array).all())
    results: list[Extracted | Unusable | None] = []
    for region in regions:
        try:
            _check_region(volume, region, settings, finite)
        except Unusable as problem:
            results.append(problem)
        else:
            results.append(None)
    sound = [number for number, result in enumerate(results) if result is None]
    for number, features in zip(sound, _run(volume, [regions[n] for n in sound], settings, engine, mode), strict=True):
        results[number] = features if isinstance(features, Unusable) else (features, dict(_left_out(features, settings, mode)))
    return [result for result in results if result is not None]


def engine_name(engine: Engine) -> str:
    """Return what stands in the `engine` column: name and version."""
    if engine == "pyradiomics":
        from unibase.imaging.radiomics import reference

        return reference.engine_version()
    from unibase.imaging.engine import VERSION

    return f"unibase {VERSION}"


def _check_region(volume: Volume, region: Boxed, settings: FeatureSettings, finite: bool) -> None:
    if region.shape != volume.grid.shape:
        raise Unusable(reasons.MASK_GEOMETRY, "The mask has another size than the image.", "Draw the mask on this image.")
    if region.empty:
        raise Unusable(
            reasons.EMPTY_REGION, "No voxel centre lies inside the region.", "The region is smaller than a voxel, or empty."
        )
    if finite:
        return
    if not np.isfinite(region.values(volume.array)).all():
        message = "The image holds values that are no number inside the region."
        raise Unusable(reasons.NOT_FINITE_IN_REGION, message, "Cut them out of the region, or repair the image.")
    spreads = set(settings.image_types) != {"Original"} or settings.setting["normalize"]
    if spreads or settings.setting["resampledPixelSpacing"]:
        message = "The image holds values that are no number, which filters or resampling would spread into the region."
        raise Unusable(reasons.NOT_FINITE_IN_IMAGE, message, "Replace them, or use the original image type without resampling.")


def _run(
    volume: Volume, regions: Sequence[Boxed], settings: FeatureSettings, engine: Engine, mode: Mode
) -> list[Features | Unusable]:
    """Features of each region, or why it has none."""
    if engine == "unibase":
        from unibase.imaging import engine as own

        spacing = (volume.grid.spacing[2], volume.grid.spacing[1], volume.grid.spacing[0])

        def together(some: Sequence[Boxed]) -> list[Features | Unusable]:
            return [*own.extract_regions(volume.array, some, spacing, settings, mode, volume.stored_type)]

        whole = _guarded(lambda: together(regions))
        # Where one region throws, each is measured alone, so that the others keep their values.
        return whole if isinstance(whole, list) else [_first(_guarded(partial(together, [region]))) for region in regions]
    from unibase.imaging.radiomics import reference

    def alone(region: Boxed) -> list[Features | Unusable]:
        return [reference.extract(volume, region, settings)]

    return [_first(_guarded(partial(alone, region))) for region in regions]


def _first(result: list[Features | Unusable] | Unusable) -> Features | Unusable:
    return result if isinstance(result, Unusable) else result[0]


def _guarded(work: Callable[[], list[Features | Unusable]]) -> list[Features | Unusable] | Unusable:
    """Return what an engine computes, or what it throws as a reason; the text of an exception may quote values, so it stays here."""
    try:
        return work()
    except Unusable as problem:
        return problem
    except MemoryError:
        message = "The features of the region need more memory than there is."
        return Unusable(OUT_OF_MEMORY, message, "Widen the bins (binWidth), resample to a coarser grid, or give more memory.")
    except (RuntimeError, ArithmeticError, ValueError, AssertionError, IndexError, TypeError, KeyError) as error:
        message = f"The engine fails on the region ({type(error).__name__})."
        return Unusable(reasons.ENGINE_FAILED, message, "Try the other engine, and report it with the settings.")


def _left_out(features: Features, settings: FeatureSettings, mode: Mode) -> Iterator[tuple[str, str]]:
    """Yield image types that were asked for and are absent, with the reason.

    PyRadiomics leaves a LoG out when the image is too small, and local patterns when a library of theirs is absent or too new.
    """
    if mode == "ibsi" or set(settings.feature_classes) <= {"shape", "shape2D"}:
        return
    sigmas = settings.for_image_type("LoG").get("sigma") or () if "LoG" in settings.image_types else ()
    names = dict.fromkeys([f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D" for sigma in sigmas], "image-too-small-for-filter")
    patterns = {"LBP2D": "lbp-2D", "LBP3D": "lbp-3D-k"}
    names |= {patterns[name]: "pyradiomics-lacks-a-library" for name in settings.image_types if name in patterns}
    yield from ((name, why) for name, why in names.items() if name not in features)
