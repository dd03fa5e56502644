"""Our radiomics engine: arrays in, named features out, in PyRadiomics' way or in IBSI's.

Nothing heavy is imported until `extract` runs. Compiled loops are kept on disk; `precompile` fills that store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from unibase.groundwork.problems import Unusable

if TYPE_CHECKING:
    import numpy as np

    from unibase.imaging.boxed import Boxed
    from unibase.imaging.engine.options import ByImageType, EngineSettings

VERSION = "1.3"
"""Changes when a value of a feature can change."""

Mode = Literal["pyradiomics", "ibsi"]


def extract(
    image: np.ndarray,
    mask: np.ndarray,
    spacing: tuple[float, float, float],
    settings: EngineSettings,
    mode: Mode,
    stored_type: str | None = None,
) -> ByImageType:
    """Compute all features that the settings ask for.

    Args:
        image: float64 (z, y, x).
        mask: bool of the same shape.
        spacing: Voxel spacing (z, y, x) in mm.
        settings: Settings of an extraction (see `options.EngineSettings`).
        mode: `pyradiomics`: names and values of PyRadiomics; `ibsi`: tags and values of the IBSI.
        stored_type: NumPy type in which the image was stored (`int16`, `float32`, ...). PyRadiomics computes in it, so
            `pyradiomics` mode needs it to equal PyRadiomics to the last digits; float64 when None.

    Returns:
        Image type (`original`, `wavelet-LLH`, ...) to feature name (`firstorder_Mean`, `stat_mean`, ...) to value.
        NaN says that a feature has no value for this region.

    Raises:
        Unusable: The region cannot be described at all (`empty-region`, `region-too-small`, ...).
        ValueError: Image, mask and spacing do not fit together, or a setting is unknown.
    """
    result = extract_regions(image, [mask], spacing, settings, mode, stored_type)[0]
    if isinstance(result, Unusable):
        raise result
    return result


def extract_regions(
    image: np.ndarray,
    masks: Sequence[np.ndarray | Boxed],
    spacing: tuple[float, float, float],
    settings: EngineSettings,
    mode: Mode,
    stored_type: str | None = None,
) -> list[ByImageType | Unusable]:
    """Compute all features of several regions of one image; each filter runs once for those close by, where that changes no byte.

    Args:
        image, spacing, settings, mode, stored_type: As in `extract`.
        masks: One for each region: the region as a box, or bool of the shape of the image.

    Returns:
        For each region what `extract` returns, or the reason why it cannot be described.

    Raises:
        ValueError: Image, masks and spacing do not fit together, or a setting is unknown.
    """
    import numpy as np

    from unibase.imaging.boxed import Boxed

    image = np.asarray(image, dtype=np.float64)
    regions = [mask if isinstance(mask, Boxed) else Boxed.of(np.asarray(mask, dtype=bool)) for mask in masks]
    if image.ndim != 3 or any(image.shape != region.shape for region in regions):
        raise ValueError("image and mask must be three-dimensional and of one shape")
    if len(spacing) != 3 or not all(s > 0 for s in spacing):
        raise ValueError("spacing must be three positive numbers (z, y, x)")
    if mode == "pyradiomics":
        from unibase.imaging.engine.pyradiomics_mode import extract_pyradiomics

        return extract_pyradiomics(image, regions, tuple(spacing), settings, stored_type)
    if mode != "ibsi":
        raise ValueError(f"mode {mode!r} is not one of pyradiomics, ibsi")
    from unibase.imaging.engine.ibsi import extract_ibsi_regions
    from unibase.imaging.engine.options import IbsiOptions

    return extract_ibsi_regions(image, regions, tuple(spacing), IbsiOptions.of(settings.ibsi))


def ahead(settings: EngineSettings, mode: Mode) -> list[Callable[[], object]]:
    """Return what compiles the loops that settings need, in parts: workers that share them out do not compile each for itself.

    Args:
        settings: Settings of an extraction.
        mode: As of `extract`.

    >>> from unibase.imaging.radiomics.settings import default_settings
    >>> len(ahead(default_settings(), "pyradiomics"))
    7
    """
    if mode == "ibsi":
        return [partial(_try_out, settings.setting, settings.image_types, {}, settings.ibsi)]
    # The shape takes part in each: that of the region is looked at first.
    classes = sorted(settings.feature_classes, key=_LONGEST_FIRST.find)
    return [partial(_try_out, settings.setting, settings.image_types, {name: None}, None) for name in classes]


_LONGEST_FIRST = "glszm glcm ngtdm shape gldm glrlm firstorder"


def _try_out(setting: object, image_types: object, classes: object, ibsi: object) -> None:
    """Extract from a small region."""
    from types import SimpleNamespace

    image, mask = _small_region()
    settings = SimpleNamespace(setting=setting, image_types=image_types, feature_classes=classes, ibsi=ibsi)
    extract(image, mask, (1.0, 1.0, 1.0), settings, "pyradiomics" if ibsi is None else "ibsi", "int16")


def _small_region() -> tuple[np.ndarray, np.ndarray]:
    """Return an image of noise and a mask on it."""
    import numpy as np

    mask = np.zeros((9, 10, 11), dtype=bool)
    mask[2:7, 2:8, 2:9] = True
    return np.round(np.random.default_rng(0).normal(0, 60, mask.shape)), mask


def precompile() -> None:
    """Run every compiled loop once on a small region, which leaves their machine code on disk (half a minute once)."""
    from types import SimpleNamespace

    from unibase.imaging.boxed import Boxed
    from unibase.imaging.engine.kernel_maps import Kernel, feature_maps

    image, mask = _small_region()
    classes = dict.fromkeys(("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape"))
    every = {"2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"}
    settings = SimpleNamespace(
        setting={"distances": [1, 2], "minimumROIDimensions": 2},
        image_types={"Original": {}, "LoG": {"sigma": [1.0]}, "Wavelet": {}, "LBP2D": {"binWidth": 1}},
        feature_classes=classes,
        ibsi={"bins": 8, "aggregations": sorted(every), "filters": {"log": {"filter": "log", "sigma": 1.0}}},
    )
    for stored in ("int16", "float32"):
        extract(image, mask, (1.0, 1.0, 1.0), settings, "pyradiomics", stored)
    extract(image, mask, (1.0, 1.0, 1.0), settings, "ibsi")
    maps = SimpleNamespace(setting={}, image_types={"Original": {}}, feature_classes={"glcm": None}, ibsi=None)
    list(feature_maps(image, Boxed.of(mask), (1.0, 1.0, 1.0), maps, Kernel()))
