"""Noise and truncation against images whose noise and cut were made, and motion as headers tell it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pywt
from scipy.ndimage import minimum_filter

from tests.imaging.odd_series import Maker, item, save
from unibase.imaging.commands import index_plain
from unibase.imaging.dicom.motion import CARDIAC, RESPIRATORY, motion_of
from unibase.imaging.dicom.pixel_quality import AIR, pixel_quality


def body(radius: float, side: int = 96, inside: float = 40.0, outside: float = -1000.0) -> np.ndarray:
    """Slices of a cylinder whose density falls smoothly from its middle, as tissue does."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    distance = np.hypot(y, x)
    return np.repeat(np.where(distance < radius, inside + 0.2 * (radius - distance), outside)[np.newaxis], 5, axis=0)


@pytest.mark.parametrize("sigma", [3.0, 12.0, 40.0])
@pytest.mark.parametrize(("unit", "inside", "outside"), [("HU", 40.0, -1000.0), ("SUVbw", 400.0, 0.0), ("arbitrary", 900.0, 0.0)])
def test_noise_that_was_made_is_found_inside_the_body(sigma: float, unit: str, inside: float, outside: float) -> None:
    image = body(36, inside=inside, outside=outside)
    noise = np.random.default_rng(7).normal(0, sigma, image.shape)
    # Outside the body the scanner cuts values off: there is no noise to find there.
    found = pixel_quality(np.where(image == outside, outside, image + noise), unit).noise
    assert found == pytest.approx(sigma, rel=0.08)


@pytest.mark.parametrize("shape", [(1, 40, 41), (3, 64, 37), (2, 90, 90)])
@pytest.mark.parametrize("radius", [16, 30])
def test_noise_is_to_the_bit_that_of_all_four_bands_of_the_transform(shape: tuple[int, int, int], radius: int) -> None:
    image = np.random.default_rng(3).normal(40, 12, shape)
    y, x = np.mgrid[: shape[1], : shape[2]]
    image[:, np.hypot(y - shape[1] / 2, x - shape[2] / 2) > radius] = -1000.0
    levels = []
    for plane in image[:, : shape[1] // 2 * 2, : shape[2] // 2 * 2]:
        blocks = plane.reshape(shape[1] // 2, 2, shape[2] // 2, 2).min(axis=(1, 3)) > AIR
        inside = minimum_filter(blocks, size=5, mode="constant", cval=0)
        levels.append(np.median(np.abs(pywt.dwt2(plane, "coif1", mode="periodization")[1][2][inside])) / 0.6745)
    assert pixel_quality(image, "HU").noise == np.median(levels)


def test_noise_of_an_empty_or_tiny_image_is_not_told() -> None:
    assert pixel_quality(np.zeros((3, 32, 32)), "SUVbw").noise is None
    assert pixel_quality(np.ones((3, 6, 7)), "HU").noise is None
    assert pixel_quality(np.full((2, 16, 16), np.nan), "10^-6 mm2/s").noise is None


# By geometry: a circle of 55 cuts 58.4 % of a square's border that lies 47.5 from its middle.
@pytest.mark.parametrize(("radius", "share"), [(40, 0.0), (47, 0.0), (55, 0.584), (90, 1.0)])
def test_truncation_by_a_square_field(radius: float, share: float) -> None:
    assert pixel_quality(body(radius), "HU").truncation == pytest.approx(share, abs=0.01)
    assert pixel_quality(body(radius), "SUVbw").truncation is None


def test_truncation_by_a_circle_of_reconstruction() -> None:
    y, x = np.mgrid[:96, :96] - 47.5
    outside = np.hypot(y, x) > 44
    whole, cut = body(36), body(60)
    whole[:, outside] = cut[:, outside] = -3024.0
    assert pixel_quality(whole, "HU").truncation == 0.0
    assert pixel_quality(cut, "HU").truncation == 1.0


@pytest.mark.parametrize("value", RESPIRATORY)
def test_respiration_as_the_standard_names_it(value: str) -> None:
    assert motion_of({"RespiratoryMotionCompensationTechnique": value}) == RESPIRATORY[value]


@pytest.mark.parametrize("value", CARDIAC)
def test_the_heart_as_the_standard_names_it(value: str) -> None:
    assert motion_of({"CardiacSynchronizationTechnique": value}) == (CARDIAC[value] or None)


def test_motion_of_enhanced_and_gated_series(tmp_path: Path) -> None:
    shared = item(CardiacSynchronizationSequence=[item(NominalCardiacTriggerDelayTime=10.0)])
    mr = Maker(1).enhanced(
        "MR", [(0, number) for number in range(4)], shared=shared, CardiacSynchronizationTechnique="PROSPECTIVE"
    )
    save(tmp_path / "mr", [mr])
    save(tmp_path / "ct", Maker(2).stack(RespiratoryMotionCompensationTechnique="BREATH_HOLD"))
    save(tmp_path / "free", Maker(3).stack())
    table = {row["folder"]: row["motion"] for row in index_plain(tmp_path).to_dicts()}
    assert table == {"mr": "cardiac gating", "ct": "breath hold", "free": None}
