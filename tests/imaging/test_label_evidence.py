"""An image or a map of probabilities that is given as a mask is refused; maps of many labels are taken, however thin their parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from unibase.groundwork.problems import Unusable
from unibase.imaging.grid import Array
from unibase.imaging.plain.image import read_image
from unibase.imaging.regions.label_evidence import shared_by_neighbours
from unibase.imaging.regions.masks import open_masks

SHAPE = (20, 48, 48)
RANDOM = np.random.default_rng(22)
Z, Y, X = np.indices(SHAPE)
BODY = ((Y - 24) / 20) ** 2 + ((X - 24) / 22) ** 2 <= 1
SKIN = BODY & (((Y - 24) / 18) ** 2 + ((X - 24) / 20) ** 2 > 1)
PARCELS = 1 + Z // 5 * 36 + Y // 8 * 6 + X // 8
CT = np.where(BODY, RANDOM.normal(40, 12, SHAPE), -1000).round()
BALL = ((Z - 10) * 2) ** 2 + (Y - 24) ** 2 + (X - 24) ** 2 <= 100

MASKS: dict[str, tuple[Array, bool]] = {
    "a CT as int16": (CT.astype(np.int16), False),
    "a CT in floating numbers": (CT.astype(np.float32), False),
    "a CT from 0 up": ((CT + 1024).astype(np.uint16), False),
    "a smooth MR": ((gaussian_filter(RANDOM.normal(0, 1, SHAPE), 2) * 5000 + 600).clip(0).astype(np.int32), False),
    "probabilities in 255 steps": ((gaussian_filter(BALL.astype(float), 3) * 255).astype(np.uint8), False),
    "144 parcels of a body": (np.where(BODY, PARCELS, 0).astype(np.uint8), True),
    "parcels of FreeSurfer's numbers": (np.where(BODY, PARCELS * 97, 0).astype(np.int32), True),
    "thin parcels": (np.where(SKIN, PARCELS, 0).astype(np.int64), True),
    "64 lesions of two voxels": (
        np.where((Y % 6 < 1) & (X % 6 < 2) & (Z == 10), Y // 6 * 8 + X // 6 + 1, 0).astype(np.uint16),
        True,
    ),
    "points of one voxel": (np.where((Y % 6 < 1) & (X % 6 < 1) & (Z == 10), Y // 6 * 8 + X // 6 + 1, 0).astype(np.uint16), True),
    "levels 1 to 3": (RANDOM.integers(1, 4, SHAPE).astype(np.uint8), True),
}
"""What stands in the file, and whether it is a map of labels."""


@pytest.mark.parametrize("what", MASKS)
def test_what_is_no_map_of_labels_is_refused(tmp_path: Path, what: str) -> None:
    array, is_map = MASKS[what]
    for name, values in (("image.nrrd", CT.astype(np.int16)), ("mask.nrrd", array)):
        sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / name))
    image = read_image(tmp_path / "image.nrrd")
    if is_map:
        numbers = [roi.number for roi in open_masks(tmp_path / "mask.nrrd", image)]
        assert numbers == np.unique(array[array > 0]).tolist()
    else:
        with pytest.raises(Unusable, match="neighbouring voxels seldom share one"):
            open_masks(tmp_path / "mask.nrrd", image)


def test_the_share_of_neighbours_is_that_counted_one_by_one() -> None:
    labels = RANDOM.integers(-1, 6, (3, 9, 8))
    shares = []
    for label in range(1, 6):
        same = other = 0
        for z, y, x in np.argwhere(labels == label):
            near = [(z, y, x + 1), (z, y, x - 1), (z, y + 1, x), (z, y - 1, x)]
            values = [labels[at] for at in near if 0 <= at[1] < 9 and 0 <= at[2] < 8]
            same += sum(value == label for value in values) / 2
            other += sum(value > 0 and value != label for value in values)
        shares.append(same / (same + other))
    assert shared_by_neighbours(labels) == pytest.approx(float(np.median(shares)))
    assert shared_by_neighbours(np.zeros((2, 3, 3), dtype=int)) == 1
