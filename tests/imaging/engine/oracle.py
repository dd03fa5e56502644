"""PyRadiomics as the oracle of `pyradiomics` mode."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape")


@dataclass(frozen=True)
class Settings:
    image_types: Mapping[str, Any] = field(default_factory=lambda: {"Original": {}})
    setting: Mapping[str, Any] = field(default_factory=dict)
    feature_classes: Mapping[str, Any] = field(default_factory=lambda: dict.fromkeys(CLASSES))
    ibsi: Any = None


def pyradiomics(
    image: np.ndarray, mask: np.ndarray, spacing: tuple[float, ...], settings: Settings
) -> dict[str, dict[str, float]]:
    """Features as PyRadiomics gives them; roots that rounding made complex are NaN."""
    import SimpleITK as sitk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import radiomics
        from radiomics.featureextractor import RadiomicsFeatureExtractor

        radiomics.setVerbosity(60)
        logging.getLogger("radiomics").setLevel(60)
        volume = sitk.GetImageFromArray(image)
        volume.SetSpacing([float(s) for s in spacing[::-1]])
        region = sitk.GetImageFromArray(mask.astype(np.uint8))
        region.CopyInformation(volume)
        extractor = RadiomicsFeatureExtractor()
        extractor.settings = {**extractor._getDefaultSettings(), **settings.setting, "additionalInfo": False}
        extractor.enabledImagetypes = {name: dict(own) for name, own in settings.image_types.items()}
        extractor.enabledFeatures = {name: list(names or ()) for name, names in settings.feature_classes.items()}
        with np.errstate(all="ignore"):
            raw = extractor.execute(volume, region)
    result: dict[str, dict[str, float]] = {}
    for name, value in raw.items():
        image_type, feature = name.split("_", 1)
        item = complex(np.asarray(value).reshape(-1)[0])
        result.setdefault(image_type, {})[feature] = item.real if item.imag == 0 else float("nan")
    return result


def differences(
    expected: Mapping[str, Mapping[str, float]], given: Mapping[str, Mapping[str, float]], tolerance: float = 1e-9
) -> list[tuple[str, str, float | None, float | None]]:
    """What is not equal: image type, feature, expected, given."""
    off = []
    for image_type in sorted(set(expected) | set(given)):
        a, b = expected.get(image_type, {}), given.get(image_type, {})
        for feature in sorted(set(a) | set(b)):
            x, y = a.get(feature), b.get(feature)
            if x is None or y is None or not np.isclose(x, y, rtol=tolerance, atol=1e-12, equal_nan=True):
                off.append((image_type, feature, x, y))
    return off
