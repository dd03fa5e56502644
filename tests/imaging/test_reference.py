"""The reference engine on the region's surroundings alone against PyRadiomics on the whole image, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Grid
from unibase.imaging.radiomics.reference import box_around, extract, reach
from unibase.imaging.radiomics.settings import make_settings

SHAPE = (40, 45, 52)
GRID = Grid((52, 45, 40), (0.9, 1.1, 2.0), (-5.0, 3.0, 7.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
IMAGE = np.random.default_rng(2).integers(-400, 900, SHAPE)
CLASSES = {"firstorder": None, "glcm": ["Contrast"], "shape": ["MeshVolume"]}


def whole(volume: Volume, mask: np.ndarray, parameters: dict[str, Any]) -> dict[str, float]:
    import logging

    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL + 1)
    extractor = RadiomicsFeatureExtractor(parameters)
    extractor.addProvenance(False)
    values = extractor.execute(volume.to_sitk(stored_type=True), volume.grid.to_sitk(mask.astype(np.uint8)))
    return {name: float(np.real(value)) for name, value in values.items()}


@pytest.mark.parametrize(
    ("stored_type", "image_types"),
    [
        ("int16", {"Original": {}}),
        ("int16", {"Original": {}, "Wavelet": {}}),
        ("float32", {"Wavelet": {}}),
        ("float64", {"Wavelet": {"wavelet": "db3", "level": 2, "start_level": 1}}),
        ("int16", {"Original": {}, "Wavelet": {}, "LoG": {"sigma": [2.0]}, "Square": {}, "Gradient": {}}),
    ],
    ids=["original", "wavelet", "float32", "levels", "all"],
)
@pytest.mark.parametrize(
    "place",
    [(slice(18, 23), slice(20, 27), slice(22, 30)), (slice(0, 4), slice(20, 27), slice(45, 52))],
    ids=["inside", "border"],
)
def test_the_surroundings_are_enough(stored_type: str, image_types: dict[str, Any], place: tuple[slice, slice, slice]) -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[place] = IMAGE[place] > -300
    volume = Volume(IMAGE.astype(stored_type).astype(float), GRID, stored_type=stored_type)
    parameters = {"imageType": image_types, "featureClass": CLASSES}
    ours = extract(volume, Boxed.of(mask), make_settings(parameters))
    flat = {f"{image_type}_{name}": value for image_type, values in ours.items() for name, value in values.items()}
    assert flat == whole(volume, mask, parameters)


def test_reach() -> None:
    assert reach(make_settings({})) == 1
    assert reach(make_settings({"imageType": {"Wavelet": {}}})) == 7
    assert reach(make_settings({"imageType": {"LoG": {"sigma": [1.0]}}})) is None
    assert reach(make_settings({"setting": {"normalize": True}})) is None
    assert reach(make_settings({"setting": {"preCrop": True}})) is None
    assert reach(make_settings({"setting": {"resampledPixelSpacing": [1, 1, 1]}})) is None
    mask = np.zeros((9, 9, 30), dtype=bool)
    mask[4, 4, 10:12] = True
    assert box_around(Boxed.of(mask), 5) == (slice(0, 9), slice(0, 9), slice(5, 17))
