"""`pyradiomics` mode against PyRadiomics itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.engine.oracle import CLASSES, Settings, differences, pyradiomics
from unibase.groundwork.problems import Unusable
from unibase.imaging.engine import extract, morphology

EVERYTHING: dict[str, Any] = {
    "Original": {},
    "LoG": {"sigma": [1.0, 2.0, 3.0]},
    "Wavelet": {},
    "Square": {},
    "SquareRoot": {},
    "Logarithm": {},
    "Exponential": {},
    "Gradient": {},
}


def _case(real_data: Path, name: str) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    import SimpleITK as sitk

    image = sitk.ReadImage(str(real_data / "pyradiomics" / f"{name}_image.nrrd"))
    mask = sitk.ReadImage(str(real_data / "pyradiomics" / f"{name}_label.nrrd"))
    return sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(mask) == 1, image.GetSpacing()[::-1]


def _check(image: np.ndarray, mask: np.ndarray, spacing: tuple[float, ...], chosen: Settings) -> int:
    expected = pyradiomics(image, mask, spacing, chosen)
    given = extract(image, mask, spacing, chosen, "pyradiomics", stored_type=image.dtype.name)
    assert not differences(expected, given)
    return sum(map(len, given.values()))


@pytest.mark.parametrize("name", ["brain1", "breast1"])
def test_every_image_type_on_its_own_cases(real_data: Path, name: str) -> None:
    image, mask, spacing = _case(real_data, name)
    assert _check(image, mask, spacing, Settings(EVERYTHING)) == 1595


@pytest.mark.parametrize(
    "setting",
    [
        {"binCount": 16},
        {"binWidth": 5},
        {"resegmentRange": [20, 200], "resegmentShape": True},
        {"resegmentRange": [-2, 2], "resegmentMode": "sigma"},
        {"resegmentRange": [0.1, 0.9], "resegmentMode": "relative"},
        {"normalize": True, "normalizeScale": 100, "removeOutliers": 2, "binWidth": 5},
        {"weightingNorm": "euclidean"},
        {"weightingNorm": "infinity"},
        {"weightingNorm": "manhattan"},
        {"distances": [1, 2], "gldm_a": 1, "symmetricalGLCM": False},
        {"force2D": True},
        {"force2D": True, "force2Ddimension": 1},
        {"voxelArrayShift": 300},
        {"preCrop": True, "padDistance": 3},
        {"resampledPixelSpacing": [2, 2, 2]},
        {"resampledPixelSpacing": [1.5, 1.5, 0], "interpolator": "sitkLinear", "padDistance": 12},
        {"resampledPixelSpacing": [3, 3, 3], "interpolator": "sitkNearestNeighbor"},
    ],
    ids=str,
)
def test_settings(real_data: Path, setting: dict[str, Any]) -> None:
    image, mask, spacing = _case(real_data, "breast1")
    _check(image, mask, spacing, Settings({"Original": {}, "Wavelet": {"level": 2}, "LoG": {"sigma": [2.0]}}, setting))


def test_features_by_name_include_deprecated_ones(real_data: Path) -> None:
    image, mask, spacing = _case(real_data, "breast1")
    classes = {
        "firstorder": ["StandardDeviation", "Mean"],
        "shape": ["Compactness1", "Compactness2", "SphericalDisproportion", "MeshVolume"],
        "glcm": ["Idm", "MCC"],
    }
    assert _check(image, mask, spacing, Settings(feature_classes=classes)) == 8


def test_flat_shape(real_data: Path) -> None:
    image, mask, spacing = _case(real_data, "brain1")
    one = np.zeros_like(mask)
    z = int(mask.sum(axis=(1, 2)).argmax())
    one[z] = mask[z]
    classes = dict.fromkeys([*CLASSES[:-1], "shape2D"])
    _check(image, one, spacing, Settings(setting={"force2D": True}, feature_classes=classes))


def _sarcoma(real_data: Path, smaller_than: int) -> int:
    from unibase.imaging.dicom.volume import read_series
    from unibase.imaging.regions.masks import read_masks

    widths = {"CT": 25, "MR_T1": 25, "PET": 0.5}
    types: dict[str, Any] = {"Original": {}, "LoG": {"sigma": [1.0, 3.0]}, "Wavelet": {}}
    checked = 0
    for folder in sorted((real_data / "dicom" / "sts").glob("STS_*/*")):
        volume = read_series(folder / "image")
        mask = read_masks(next((folder / "mask").glob("*")), volume)[0].array
        if mask.sum() < smaller_than:
            chosen = Settings(types, {"binWidth": widths[folder.name]})
            _check(volume.array.astype(volume.stored_type), mask, volume.grid.spacing[::-1], chosen)
            checked += 1
    return checked


def test_small_sarcoma_series(real_data: Path) -> None:
    assert _sarcoma(real_data, 9_000) == 8


@pytest.mark.slow
def test_all_sarcoma_series(real_data: Path) -> None:
    assert _sarcoma(real_data, 10**9) == 18


@st.composite
def _small_regions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[float, ...], Settings]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(rng.integers(2, 11, 3))
    kind = draw(st.sampled_from(["noise", "steps", "walk", "constant"]))
    image = {
        "noise": rng.normal(0, 60, shape),
        "steps": rng.integers(0, 6, shape) * 25.0,
        "walk": np.cumsum(rng.normal(0, 20, shape), axis=2),
        "constant": np.full(shape, 40.0),
    }[kind].astype(draw(st.sampled_from(["int16", "float32", "float64"])))
    mask = rng.random(shape) < draw(st.sampled_from([0.1, 0.4, 0.8, 1.0]))
    if draw(st.booleans()):
        mask[np.arange(shape[0]) != shape[0] // 2] = False
    setting = draw(
        st.sampled_from(
            [
                {},
                {"binCount": 7},
                {"binWidth": 7.5},
                {"distances": [1, 2], "symmetricalGLCM": False},
                {"force2D": True},
                {"resegmentRange": [-50, 80]},
            ]
        )
    )
    types = draw(st.sampled_from([{"Original": {}}, {**EVERYTHING, "LoG": {"sigma": [1.0]}}]))
    return image, mask, tuple(rng.choice([1.0, 0.7, 2.5], 3)), Settings(types, setting)


VANISHING = ("shape_LeastAxisLength", "shape_MinorAxisLength", "shape_Flatness", "shape_Elongation")
"""Axes of voxels in an oblique plane or on a line: PyRadiomics gives the root of a rounding error, we give 0."""


NOTHING = ("glrlm_RunEntropy", "glrlm_RunVariance", "glcm_InverseVariance")
"""Where a single direction is asked for and holds no pair, PyRadiomics sums over nothing to 0; we give NaN."""


def _explained(feature: str, expected: float | None, given: float | None) -> bool:
    if expected is None or given is None:
        return False
    if feature in NOTHING:
        return expected == 0 and np.isnan(given)
    if np.isnan(expected) and feature in (*VANISHING, "shape_MajorAxisLength"):
        # Two equal axes: its eigenvalues come out as a complex pair, and it has no value; ours are real.
        return True
    return feature in VANISHING and abs(expected) < 1e-6 and given == 0


RANDOM_REGIONS = int(os.environ.get("UNIBASE_RANDOM_REGIONS", "100"))
"""How many random regions; 1,000 take ten minutes and are run before a release, half of them with every image type."""


@settings(max_examples=RANDOM_REGIONS, deadline=None, derandomize="UNIBASE_RANDOM_REGIONS" not in os.environ)
@given(_small_regions())
def test_random_small_regions(case: tuple[np.ndarray, np.ndarray, tuple[float, ...], Settings]) -> None:
    image, mask, spacing, chosen = case
    try:
        expected = pyradiomics(image, mask, spacing, chosen)
    except ValueError:
        with pytest.raises(Unusable):
            extract(image, mask, spacing, chosen, "pyradiomics", stored_type=image.dtype.name)
        return
    given_values = extract(image, mask, spacing, chosen, "pyradiomics", stored_type=image.dtype.name)
    off = differences(expected, given_values)
    assert all(_explained(feature, x, y) for _, feature, x, y in off), off


def test_mesh_table_equals_the_oracle_for_all_256_cubes() -> None:
    from radiomics import cShape

    from unibase.imaging.engine.mesh_table import pyradiomics_triangles
    from unibase.imaging.engine.morphology import mesh_measures

    for spacing in (np.array([1.0, 1.0, 1.0]), np.array([2.3, 0.7, 1.1])):
        for configuration in range(256):
            mask = np.array([configuration >> k & 1 for k in range(8)], dtype=np.uint8).reshape(2, 2, 2)
            area, volume, _ = cShape.calculate_coefficients(mask.astype(bool), spacing)
            assert mesh_measures(mask, spacing, pyradiomics_triangles()) == pytest.approx((volume, area), rel=1e-11, abs=1e-14)


def test_symmetric_mesh_is_closed() -> None:
    from unibase.imaging.engine.mesh_table import symmetric_triangles
    from unibase.imaging.engine.morphology import mesh_measures

    rng = np.random.default_rng(3)
    spacing = np.array([2.3, 0.7, 1.1])
    mask = np.pad((rng.random((5, 6, 7)) < 0.5).astype(np.uint8), 1)
    moved = np.pad(mask, ((4, 0), (0, 3), (2, 1)))
    # The signed volume does not depend on where the origin lies when the surface has no hole.
    assert mesh_measures(mask, spacing, symmetric_triangles()) == pytest.approx(
        mesh_measures(moved, spacing, symmetric_triangles())
    )


@pytest.mark.parametrize("count", [1, 2, 4, 60, morphology.FEW_POINTS, morphology.FEW_POINTS + 1])
def test_the_largest_diameter_is_that_of_all_pairs_whether_their_hull_is_made_or_not(count: int) -> None:
    points = np.random.default_rng(count).integers(-40, 40, (count, 3)) / 2 * (2.5, 0.9, 1.1)
    assert morphology.largest_diameter(points) == np.sqrt(max(((points - one) ** 2).sum(axis=1).max() for one in points))
