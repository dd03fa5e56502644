"""What each sign of a wrong mask says, one by one: its place in the body, the weaker parts of its border, the tissue of its name."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.looks.body_place import placed_in_body
from unibase.imaging.looks.marks import marks_of
from unibase.imaging.looks.suspicion import suspected
from unibase.imaging.looks.tissue import believed
from unibase.imaging.regions.mask import Mask
from unibase.imaging.tables import LOOKS

SCHEMA = {column.name: column.dtype for column in LOOKS.columns[:-3]}


def sheet(rows: list[dict[str, object]]) -> pl.DataFrame:
    """The sheet of rows of CT that have what is given."""
    same = {"Modality": "CT", "region": "liver", "source_digest": "d", "volume_ml": 10.0, "components": 1, "slices": 5}
    named = [same | {"SeriesInstanceUID": f"{number:02d}"} | row for number, row in enumerate(rows)]
    return suspected(pl.DataFrame(named, schema=SCHEMA))


@pytest.mark.parametrize(
    ("column", "usual", "odd", "words"),
    [
        ("local_contrast", 1.2, 0.1, "no contrast on a part of its border"),
        ("across", -0.2, 0.2, "further to one side than its target's"),
        ("depth", 0.1, -0.2, "further to the front or back than its target's"),
        ("height", 0.4, 0.8, "further up or down in the image than its target's"),
    ],
)
def test_what_is_unlike_its_target_is_first_and_says_why(column: str, usual: float, odd: float, words: str) -> None:
    spread = np.linspace(-0.02, 0.02, 19)
    found = sheet([{column: odd}, *({column: usual + off} for off in spread)])
    assert found["SeriesInstanceUID"][0] == "00" and found["why"][0] == words
    assert found["suspicion"][1:].max() == 0


def test_what_many_masks_of_a_target_do_is_no_sign() -> None:
    # A fifth of the scans shows the whole body: their livers lie elsewhere in the image, and none of them is wrong.
    found = sheet([*({"height": 0.4 + off} for off in np.linspace(-0.01, 0.01, 40)), *[{"height": 0.7}] * 10])
    assert found["suspicion"].max() <= 1.0


@pytest.mark.parametrize(
    ("name", "median", "wrong"),
    [
        ("liver", 60.0, False),
        ("liver", -850.0, True),
        ("kidney_left", 180.0, False),
        ("Rein gauche", -90.0, True),
        ("lung_upper_lobe_right", -820.0, False),
        ("lung_upper_lobe_right", 40.0, True),
        ("vertebrae_L3", 250.0, False),
        ("vertebrae_L3", 20.0, True),
        ("lung tumour", 40.0, False),  # A tumour is no lung,
        ("liver cyst", -850.0, False),  # what a name adds is not known,
        ("GTV_1", -850.0, False),  # and some names say no tissue.
    ],
)
def test_a_median_is_compared_with_the_tissue_of_the_name(name: str, median: float, wrong: bool) -> None:
    found = sheet([{"region": name, "median": median}])
    assert (found["why"][0] == "intensity unlike the tissue of its name") is wrong
    assert (believed(name) is not None) or not wrong
    assert sheet([{"region": name, "median": median, "Modality": "MR"}])["suspicion"][0] == 0


BODY = np.full((10, 20, 30), -1000.0)
BODY[:, 4:16, 5:25] = 20
POINT = np.array([2.0, 6.0, 20.0])
"""In (z, y, x): low, in front and left of the middle of a body of 12 by 20 voxels."""


@pytest.mark.parametrize(
    ("order", "flipped"), [((0, 1, 2), ()), ((0, 1, 2), (0, 1, 2)), ((2, 0, 1), (1,)), ((1, 0, 2), (0, 2)), ((1, 2, 0), ())]
)
def test_the_place_in_the_body_does_not_depend_on_how_an_image_is_stored(
    order: tuple[int, ...], flipped: tuple[int, ...]
) -> None:
    """`order`: which axis of the body (z, y, x) each axis of the array is; `flipped`: axes of the array that run backwards."""
    array: Array = np.flip(BODY.transpose(order), flipped)
    index = np.array([POINT[axis] for axis in order])
    sign = np.ones(3)
    for axis in flipped:
        index[axis], sign[axis] = array.shape[axis] - 1 - index[axis], -1
    direction = np.zeros((3, 3))
    for axis, of in enumerate(order):
        direction[2 - of, 2 - axis] = sign[axis]
    size = array.shape[::-1]
    grid = Grid((size[0], size[1], size[2]), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(direction.ravel().tolist()))
    found = placed_in_body(Volume(np.ascontiguousarray(array), grid, "CT"), index)
    assert found == pytest.approx(((20 - 14.5) / 20, (6 - 9.5) / 12, 2 / 9))


def test_no_body_has_no_place_in_it() -> None:
    grid = Grid((30, 20, 10), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    assert placed_in_body(Volume(np.full((10, 20, 30), -1000.0), grid, "CT"), POINT)[:2] == (None, None)


def test_a_moved_mask_has_no_contrast_on_a_part_of_its_border() -> None:
    z, y, x = np.indices((24, 40, 40))
    ball = (z - 12) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 49
    array = np.where(ball, 100.0, 0.0) + np.random.default_rng(1).normal(0, 10, ball.shape)
    volume = Volume(array, Grid((40, 40, 24), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)), "CT")
    right, moved = (marks_of(volume, Mask("m", Boxed.of(part)), 0.0) for part in (ball, np.roll(ball, 7, 2)))
    # The outermost layer is of 100 and what touches it of 0, in units of the noise of 10; of the moved one both are 0 in half.
    assert right.local_contrast == pytest.approx(10, rel=0.1)
    assert moved.local_contrast is not None and moved.local_contrast < 0.1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    ("bright", "part", "least", "most"),
    [
        pytest.param(200.0, "whole", 0.0, 0.1, id="a box that ends where the image has an edge"),
        pytest.param(200.0, "half", 0.9, 1.0, id="half of it, which ends within"),
        pytest.param(0.0, "whole", 0.9, 1.0, id="a box without contrast: its shape alone counts"),
        pytest.param(200.0, "to the end", 0.9, 1.0, id="at the end of the image, where nothing lies beyond: its shape alone"),
    ],
)
def test_a_flat_end_is_a_cut_where_the_image_goes_on(axis: int, bright: float, part: str, least: float, most: float) -> None:
    image = np.random.default_rng(5).normal(0, 10, (30, 30, 30))
    inside = np.zeros(image.shape, bool)
    inside[8:22, 8:22, 8:22] = True
    if part == "to the end":
        inside = np.roll(inside, 8, axis)
    image[inside] += bright
    if part == "half":
        inside[tuple(slice(15, None) if one == axis else slice(None) for one in range(3))] = False
    grid = Grid((30, 30, 30), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    found = marks_of(Volume(image, grid, "MR", "", "float64"), Mask("m", Boxed.of(inside)), float(image.min()))
    assert least <= found.flat_face <= most
