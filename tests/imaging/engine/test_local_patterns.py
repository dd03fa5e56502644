"""LBP2D and LBP3D against live PyRadiomics, with scikit-image and trimesh, which it takes them from."""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import SimpleITK as sitk
from skimage.feature import local_binary_pattern
from trimesh.creation import icosphere as peer_icosphere

from unibase.imaging.boxed import Boxed
from unibase.imaging.engine import extract, extract_regions
from unibase.imaging.engine.compiled import circular_patterns
from unibase.imaging.engine.local_patterns import icosphere
from unibase.imaging.grid import Array
from unibase.imaging.radiomics.settings import FeatureSettings, make_settings

SPACING = (2.5, 0.9, 1.1)
CLASSES = {"firstorder": None, "glcm": ["Contrast", "JointEntropy"], "glszm": None}


@pytest.fixture(autouse=True)
def scipy_as_pyradiomics_knew_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """SciPy 1.17 took out `sph_harm`, and 2 will take out `ndimage.interpolation`: PyRadiomics then makes no LBP3D."""
    old = ModuleType("scipy.ndimage.interpolation")
    monkeypatch.setattr(old, "map_coordinates", scipy.ndimage.map_coordinates, raising=False)
    monkeypatch.setitem(sys.modules, "scipy.ndimage.interpolation", old)

    def sph_harm(m: int, n: int, theta: Array, phi: Array) -> Array:
        return scipy.special.sph_harm_y(n, m, phi, theta)

    monkeypatch.setattr(scipy.special, "sph_harm", sph_harm, raising=False)


def scene(kind: str, shape: tuple[int, int, int] = (13, 22, 20), seed: int = 5) -> tuple[Array, Array]:
    """A smooth image with a constant corner, and a region that reaches into it."""
    random = np.random.default_rng(seed)
    image = scipy.ndimage.gaussian_filter(random.normal(0, 400, shape), 1.2)
    image[:4] = 12
    image = np.abs(image) if kind.startswith("u") else image
    z, y, x = np.indices(shape)
    mask = ((z - 6) / 5) ** 2 + ((y - 10) / 7) ** 2 + ((x - 11) / 8) ** 2 <= 1
    return image.astype(kind), mask


def reference(image: Array, mask: Array, settings: FeatureSettings) -> dict[str, float]:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    extractor = RadiomicsFeatureExtractor(settings.as_dict(), additionalInfo=False)
    pictures = []
    image = image.astype(np.int16) if image.dtype.itemsize == 1 else image  # See test_bins_of_8_bit_images.
    for array in (image, mask.astype(np.uint8)):
        picture = sitk.GetImageFromArray(array)
        picture.SetSpacing(SPACING[::-1])
        pictures.append(picture)
    return {name: float(value) for name, value in extractor.execute(*pictures).items() if "diagnostics" not in name}


def check(image: Array, mask: Array, content: dict[str, Any]) -> None:
    settings = make_settings({"featureClass": CLASSES, **content})
    want = reference(image, mask, settings)
    got = extract(image.astype(np.float64), mask, SPACING, settings, "pyradiomics", str(image.dtype))
    flat = {f"{kind}_{name}": value for kind, values in got.items() for name, value in values.items()}
    assert set(flat) == set(want) and want
    for name, value in want.items():
        assert flat[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("kind", ["int16", "float32", "float64", "uint8"])
@pytest.mark.parametrize(
    "own",
    [
        {},
        {"lbp2DRadius": 2.5, "lbp2DSamples": 12},
        {"lbp2DMethod": "ror", "lbp2DSamples": 6},
        {"lbp2DMethod": "default", "force2Ddimension": 2},
        {"lbp2DRadius": 3, "force2D": True, "force2Ddimension": 1},
    ],
    ids=str,
)
def test_patterns_by_slice_are_pyradiomics(kind: str, own: dict[str, Any]) -> None:
    check(*scene(kind), {"imageType": {"LBP2D": {"binWidth": 1, **own}}})


def test_the_variance_on_a_circle_is_pyradiomics() -> None:
    image, mask = scene("float32")
    mask[:5] = False
    check(image, mask, {"imageType": {"LBP2D": {"binWidth": 500, "lbp2DMethod": "var"}}})


@pytest.mark.parametrize("kind", ["int16", "float32", "float64"])
@pytest.mark.parametrize(
    "own",
    [{}, {"lbp3DLevels": 4, "lbp3DIcosphereRadius": 2.5, "lbp3DIcosphereSubdivision": 0}],
    ids=str,
)
def test_patterns_on_a_sphere_are_pyradiomics(kind: str, own: dict[str, Any]) -> None:
    image, mask = scene(kind)
    mask[:5] = False  # Where all samples are equal PyRadiomics' kurtosis is no number, and it stops.
    check(image, mask, {"imageType": {"LBP3D": {"binWidth": 0.05, **own}}})


def test_a_large_image_is_read_around_the_region_alone() -> None:
    image, mask = scene("int16", (20, 190, 180), seed=8)
    mask = np.roll(mask, (2, 90, 80), (0, 1, 2))
    check(image, mask, {"imageType": {"LBP2D": {"binWidth": 1}, "LBP3D": {"binWidth": 0.05}}})


def test_samples_that_are_all_equal_have_no_kurtosis_and_are_refused_by_name() -> None:
    image, mask = scene("int16")
    image[...] = 7
    settings = make_settings({"imageType": {"LBP3D": {}}, "featureClass": {"firstorder": ["Mean"]}})
    (result,) = extract_regions(image, [mask], SPACING, settings, "pyradiomics", "int16")
    assert "missing or infinite" in str(result)


def test_regions_together_are_regions_alone() -> None:
    image, mask = scene("int16")
    settings = make_settings({"imageType": {"LBP3D": {"binWidth": 0.05}, "LBP2D": {}}, "featureClass": {"firstorder": None}})
    halves = [mask & (np.indices(mask.shape)[2] < 11), mask & (np.indices(mask.shape)[2] >= 11)]
    for half in halves:
        half[:5] = False
    together = extract_regions(image, [Boxed.of(half) for half in halves], SPACING, settings, "pyradiomics", "int16")
    assert together == [extract(image, half, SPACING, settings, "pyradiomics", "int16") for half in halves]


@pytest.mark.parametrize(("subdivisions", "radius"), [(0, 1.0), (1, 1.0), (1, 2.5), (2, 3.0)])
def test_points_on_the_sphere_are_those_of_trimesh_to_the_bit(subdivisions: int, radius: float) -> None:
    peer, own = np.array(peer_icosphere(subdivisions, radius).vertices), icosphere(subdivisions, radius)
    assert np.array_equal(peer, own)


@pytest.mark.parametrize(("name", "number"), [("uniform", 0), ("default", 1), ("ror", 2), ("var", 3)])
def test_every_pixel_of_a_plane_is_that_of_scikit_image(name: str, number: int) -> None:
    plane = np.random.default_rng(3).integers(0, 9, (14, 17)).astype(float)
    angles = 2 * np.pi * np.arange(7) / 7
    circle = np.round(np.column_stack([-1.5 * np.sin(angles), 1.5 * np.cos(angles)]), 5)
    want = local_binary_pattern(plane, 7, 1.5, name)
    part, first = np.ascontiguousarray(plane[3:12, 5:]), np.array([3, 5])
    got = circular_patterns.patterns(part, first, np.array([3, 3, 6, 12]), circle, number)
    assert np.array_equal(got, want[6:9, 8:17], equal_nan=True)
