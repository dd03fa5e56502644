"""Every key of a PyRadiomics parameter file acts, or is told: two values that change PyRadiomics' result change ours alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.radiomics.extraction import extract_region
from unibase.imaging.radiomics.settings import _CHECKS, make_settings
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.regions.masks import open_masks

SHAPE = (10, 14, 16)
_RNG = np.random.default_rng(9)
VALUES = (np.round(_RNG.normal(100, 40, SHAPE)) + 30 * np.indices(SHAPE)[2]).astype(np.int16)
_Z, _Y, _X = np.indices(SHAPE)
LABELS = ((((_Z - 5) * 2.0) ** 2 + ((_Y - 6) * 1.1) ** 2 + ((_X - 7) * 0.9) ** 2) <= 30).astype(np.uint8)
LABELS[8:, 10:, 12:] = 2
GRID = Grid((16, 14, 10), (0.9, 1.1, 2.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
CLASSES = {"firstorder": ["Mean", "Energy"], "glcm": ["Contrast"], "gldm": ["DependenceEntropy"], "shape": ["VoxelVolume"]}
RESAMPLED = {"resampledPixelSpacing": [1.5, 1.5, 1.5]}

# Key: two values, what stands beside it in `setting`, and the image type in which it acts.
WALK: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    "binWidth": (10, 50, {}, {}),
    "binCount": (8, 32, {}, {}),
    "normalize": (True, False, {}, {}),
    "normalizeScale": (10, 100, {"normalize": True}, {}),
    "removeOutliers": (1, 3, {"normalize": True, "normalizeScale": 100}, {}),
    "resampledPixelSpacing": ([1.5, 1.5, 1.5], [2, 2, 0], {}, {}),
    "interpolator": ("sitkLinear", "sitkBSpline", RESAMPLED, {}),
    "distances": ([1], [1, 2], {}, {}),
    "force2D": (True, False, {}, {}),
    "force2Ddimension": (0, 2, {"force2D": True}, {}),
    "resegmentRange": ([100, 250], [150, 400], {}, {}),
    "resegmentMode": ("absolute", "sigma", {"resegmentRange": [-1, 200]}, {}),
    "resegmentShape": (True, False, {"resegmentRange": [100, 250]}, {}),
    "voxelArrayShift": (0, 300, {}, {}),
    "symmetricalGLCM": (True, False, {}, {}),
    "weightingNorm": ("euclidean", "infinity", {}, {}),
    "gldm_a": (0, 2, {}, {}),
    "minimumROIDimensions": (2, 3, {}, {}),
    "minimumROISize": (10, 5000, {}, {}),
    "preCrop": (True, False, {"padDistance": 0}, {"Wavelet": {}}),
    "padDistance": (0, 6, {"preCrop": True}, {"Wavelet": {}}),
    "sigma": ([1.0], [2.0], {}, {"LoG": {}}),
    "start_level": (0, 1, {}, {"Wavelet": {}}),
    "level": (1, 2, {}, {"Wavelet": {}}),
    "wavelet": ("haar", "coif1", {}, {"Wavelet": {}}),
    "gradientUseSpacing": (True, False, {}, {"Gradient": {}}),
    "lbp2DRadius": (1, 2.5, {}, {"LBP2D": {}}),
    "lbp2DSamples": (6, 9, {}, {"LBP2D": {}}),
    "lbp2DMethod": ("uniform", "ror", {}, {"LBP2D": {}}),
}
OF_MASKS = {"label", "label_channel", "geometryTolerance", "correctMask"}
TOLD = {"additionalInfo"}
OF_SPHERES = {"lbp3DLevels", "lbp3DIcosphereRadius", "lbp3DIcosphereSubdivision"}
"""Walked in `engine/test_local_patterns.py`, with the libraries that PyRadiomics needs."""
SAME_HERE = {"force2Ddimension", "minimumROIDimensions"}
"""Keys whose two values need another region to differ; they are walked for equality alone."""


def test_the_walk_knows_every_key() -> None:
    assert set(WALK) | OF_MASKS | OF_SPHERES | TOLD == set(_CHECKS)


def ours(settings: Any, mask: Array) -> dict[str, float] | str:
    volume = Volume(VALUES.astype(np.float64), GRID, stored_type="int16")
    try:
        features, _ = extract_region(volume, mask, settings, "unibase")
    except Unusable as problem:
        return problem.reason
    return {f"{image}_{name}": value for image, values in features.items() for name, value in values.items()}


def theirs(content: dict[str, Any], mask: Array) -> dict[str, float] | str:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    from unibase.imaging.radiomics.reference import quiet_radiomics

    quiet_radiomics()
    extractor = RadiomicsFeatureExtractor(content)
    try:
        values = extractor.execute(GRID.to_sitk(VALUES), GRID.to_sitk(mask.astype(np.uint8)))
    except ValueError:
        return "refused"
    return {name: float(np.real(value)) for name, value in values.items() if not name.startswith("diagnostics")}


@pytest.mark.parametrize("key", sorted(WALK))
def test_a_key_acts_as_in_pyradiomics(key: str) -> None:
    results = []
    mask = LABELS == 1
    for value in WALK[key][:2]:
        setting = {"binWidth": 25, **WALK[key][2]}
        if key == "binCount":
            setting.pop("binWidth")
        content = {"setting": {**setting, key: value}, "imageType": WALK[key][3] or {"Original": {}}, "featureClass": CLASSES}
        mine, reference = ours(make_settings(content), mask), theirs(content, mask)
        if isinstance(mine, str) or isinstance(reference, str):
            assert isinstance(mine, str) and isinstance(reference, str), (key, value, mine, reference)
        else:
            assert set(mine) == set(reference)
            assert {n: mine[n] for n in mine} == pytest.approx(reference, rel=1e-9, abs=1e-12, nan_ok=True)
        results.append(reference)
    assert results[0] != results[1] or key in SAME_HERE


def masks(tmp_path: Path, setting: dict[str, Any], image: Any) -> list[Array] | str:
    path = tmp_path / "m.nrrd"
    sitk.WriteImage(image, str(path))
    volume = Volume(VALUES.astype(np.float64), GRID, stored_type="int16")
    task = FeatureTask(path, (path,), make_settings({"setting": setting}), None, tmp_path / "o.parquet")
    try:
        return [roi.read().array for roi in open_masks(path, volume, task.mask_rules)]
    except Unusable as problem:
        return problem.reason


def test_keys_of_masks_act(tmp_path: Path) -> None:
    labels = GRID.to_sitk(LABELS)
    (second,) = masks(tmp_path, {"label": 2}, labels)
    assert np.array_equal(second, LABELS == 2)
    (first,) = masks(tmp_path, {"label": 1}, labels)
    assert np.array_equal(first, LABELS == 1)
    assert len(masks(tmp_path, {}, labels)) == 2 and masks(tmp_path, {"label": 3}, labels) == "label-absent"
    layers = sitk.Compose([GRID.to_sitk((n == LABELS).astype(np.uint8)) for n in (1, 2)])
    (layer,) = masks(tmp_path, {"label_channel": 1}, layers)
    assert np.array_equal(layer, LABELS == 2)
    moved = GRID.to_sitk(LABELS)
    moved.SetOrigin((0.3, 0.0, 0.0))
    assert masks(tmp_path, {"geometryTolerance": 1e-3}, moved) == "mask-geometry"
    assert len(masks(tmp_path, {"geometryTolerance": 0.5}, moved)) == 2
    finer = sitk.Expand(labels, (2, 2, 1), sitk.sitkNearestNeighbor)
    assert masks(tmp_path, {"correctMask": False}, finer) == "mask-geometry"
    assert len(masks(tmp_path, {"correctMask": True}, finer)) == 2


def test_keys_without_effect_are_told_or_refused() -> None:
    assert make_settings({"setting": {"additionalInfo": True}}).told[0].startswith("setting.additionalInfo")
    assert make_settings({"setting": {"additionalInfo": False}}).told == ()
    assert "lbp2DRadius" in make_settings({"setting": {"lbp2DRadius": 2}}).told[0]
    assert make_settings({"setting": {"lbp2DRadius": 2}, "imageType": {"LBP2D": {}}}).told == ()
    with pytest.raises(UserError, match="LBP4D is unknown"):
        make_settings({"imageType": {"LBP4D": {}}})
    # The label that a file names is part of what it means; PyRadiomics' default is not.
    assert make_settings({}).digest != make_settings({"setting": {"label": 1}}).digest
