"""Dice and surface distances against SimpleITK's filters, and against all pairs of surface voxels."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from unibase.imaging.boxed import Boxed
from unibase.imaging.segmenting.mask_distance import agreement

SPACING = (2.5, 0.75, 1.0)


def blob(seed: int, radius: float) -> np.ndarray:
    random = np.random.default_rng(seed)
    centre = random.uniform((4, 6, 6), (8, 10, 12))
    places = np.stack(np.meshgrid(*map(np.arange, (12, 16, 18)), indexing="ij"), axis=-1)
    solid = ((places - centre) ** 2 * random.uniform(0.5, 1.5, 3)).sum(axis=-1) < radius**2
    return solid | (random.random(solid.shape) < 0.002)


def surface(mask: np.ndarray) -> np.ndarray:
    """The voxels of which one of six neighbours is outside, one by one."""
    padded = np.pad(mask, 1)
    found = []
    for place in np.argwhere(mask):
        z, y, x = place + 1
        six = [
            padded[z - 1, y, x],
            padded[z + 1, y, x],
            padded[z, y - 1, x],
            padded[z, y + 1, x],
            padded[z, y, x - 1],
            padded[z, y, x + 1],
        ]
        if not all(six):
            found.append(place)
    return np.array(found) * SPACING


@pytest.mark.parametrize("seed", range(6))
def test_masks_agree_as_their_definitions_say(seed: int) -> None:
    one, other = blob(seed, 4.0), blob(seed + 100, 3.0 + seed / 3)
    found = agreement(Boxed.of(one), Boxed.of(other), SPACING)
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (one, other)]
    for image in images:
        image.SetSpacing(SPACING[::-1])
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*images)
    assert found.dice == pytest.approx(overlap.GetDiceCoefficient(), abs=1e-12)
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*images)
    assert found.hausdorff == pytest.approx(hausdorff.GetHausdorffDistance(), abs=1e-5)
    pairs = np.sqrt(((surface(one)[:, None] - surface(other)[None]) ** 2).sum(axis=2))
    there, back = pairs.min(axis=1), pairs.min(axis=0)
    assert found.mean_distance == pytest.approx((there.sum() + back.sum()) / (len(there) + len(back)), abs=1e-9)
    assert found.hausdorff_95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-9)


def test_a_mask_that_is_empty_has_no_surface() -> None:
    nothing = Boxed.of(np.zeros((12, 16, 18), dtype=bool))
    assert agreement(nothing, Boxed.of(blob(1, 3.0)), SPACING).dice == 0
    assert agreement(nothing, Boxed.of(blob(1, 3.0)), SPACING).mean_distance is None
