"""Masks seen by eye: pictures that show the region where it is, and planted wrong masks that come first on the sheet."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk
from PIL import Image

from unibase.imaging.boxed import Boxed
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.looks.marks import marks_of
from unibase.imaging.looks.picture import OUTLINE, SIDE, picture_of, window_of
from unibase.imaging.looks.suspicion import suspected
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.regions.mask import Mask
from unibase.imaging.tables import LOOKS

SHAPE, SPACING = (24, 64, 72), (2.0, 2.0, 4.0)


def body(seed: int, centre: tuple[float, float, float], radius: float) -> tuple[Volume, Array]:
    """A body of -20 HU in air with a vessel and a tumour of 50 HU in its left half, and the tumour's mask."""
    random = np.random.default_rng(seed)
    z, y, x = np.indices(SHAPE)
    inside = ((y - 32) / 26) ** 2 + ((x - 36) / 32) ** 2 <= 1
    tumour = ((z - centre[0]) * 4) ** 2 + ((y - centre[1]) * 2) ** 2 + ((x - centre[2]) * 2) ** 2 <= radius**2
    vessel = ((y - 30) ** 2 + (x - 20) ** 2) <= 9
    values = np.where(inside, -20.0, -1000.0) + 70 * tumour + 120 * (vessel & inside)
    values += np.where(inside, random.normal(0, 12, SHAPE), 0)
    grid = Grid((SHAPE[2], SHAPE[1], SHAPE[0]), SPACING, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Volume(np.round(values), grid, "CT", "HU", "int16", series_uid=str(seed)), tumour


def shape_of(seed: int) -> tuple[tuple[float, float, float], float]:
    random = np.random.default_rng(1000 + seed)
    return (11 + random.uniform(-2, 2), 30 + random.uniform(-3, 3), 49 + random.uniform(-2, 2)), 15 + random.uniform(-3, 3)


def looked(number: int, mask: Array, name: str = "GTV_L") -> dict[str, object]:
    from dataclasses import asdict

    volume, _ = body(number, *shape_of(number))
    marks = marks_of(volume, Mask(name, Boxed.of(mask)), float(volume.array.min()))
    identity = {"SeriesInstanceUID": f"{number:03d}", "Modality": "CT", "region": "GTV", "roi_name": name}
    return identity | {"source_digest": "d", "subject_id": number + 1} | asdict(marks)


WRONG = {
    "flipped": lambda mask, other: mask[:, :, ::-1],
    "shifted": lambda mask, other: np.roll(mask, (0, 10, 4), (0, 1, 2)),
    "in the air": lambda mask, other: np.roll(mask, (0, 0, 24), (0, 1, 2)),
    "one slice": lambda mask, other: mask & (np.arange(SHAPE[0]) == 11)[:, None, None],
    "half cut": lambda mask, other: mask & (np.arange(SHAPE[0]) < 11)[:, None, None],
    "much too large": lambda mask, other: np.roll(mask, 6, 0) | np.roll(mask, 8, 1) | np.roll(mask, 8, 2) | np.roll(mask, -8, 1),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_planted_wrong_mask_comes_first(kind: str) -> None:
    rows = []
    for number in range(20):
        _, mask = body(number, *shape_of(number))
        rows.append(looked(number, WRONG[kind](mask, None) if number == 7 else mask))
    schema = {column.name: column.dtype for column in LOOKS.columns if column.name not in ("suspicion", "why")}
    looks = suspected(pl.DataFrame(rows, schema=schema))
    assert looks["SeriesInstanceUID"][0] == "007", looks.select("SeriesInstanceUID", "suspicion", "why").head(4)
    assert looks["why"][0]
    # What is right is left alone.
    assert looks["suspicion"][1:].median() == 0


def test_side_readers_and_times_are_compared() -> None:
    _, mask = body(0, *shape_of(0))
    schema = {column.name: column.dtype for column in LOOKS.columns if column.name not in ("suspicion", "why")}

    def why(*rows: dict[str, object]) -> list[str | None]:
        frame = suspected(pl.DataFrame(list(rows), schema=schema))
        return frame.sort("SeriesInstanceUID", "source_digest")["why"].to_list()

    assert why(looked(0, mask)) == [None]
    assert why(looked(0, mask, "tumeur droite")) == ["on the other side than its name says"]
    moved = looked(0, np.roll(mask, 14, 1)) | {"source_digest": "e"}
    assert all(said and "far from the other reader's" in said for said in why(looked(0, mask), moved))
    tiny = looked(0, mask & (np.indices(SHAPE)[2] == 49)) | {"SeriesInstanceUID": "later"}
    assert all(said and "volume unlike the same target's" in said for said in why(looked(0, mask), tiny))
    nobody = looked(0, mask) | {"SeriesInstanceUID": "00", "subject_id": None}
    assert [bool(said and "volume unlike" in said) for said in why(nobody, looked(0, mask), tiny)] == [False, True, True]


def test_a_picture_shows_the_outline_on_the_image() -> None:
    volume, mask = body(3, *shape_of(3))
    region = Boxed.of(mask)
    first, again = picture_of(volume, region), picture_of(volume, region)
    assert first == again
    picture = np.array(Image.open(io.BytesIO(first)))
    assert picture.shape == (SIDE, 3 * SIDE, 3)
    marked = (picture == OUTLINE).all(axis=2)
    # Each panel holds a ring around its middle, of the region's size.
    for panel in range(3):
        part = marked[:, panel * SIDE : (panel + 1) * SIDE]
        rows, columns = np.nonzero(part)
        assert abs(rows.mean() - SIDE / 2) < 4 and abs(columns.mean() - SIDE / 2) < 4
        assert not part[SIDE // 2, SIDE // 2]
    assert window_of(volume, region).low == -160
    pet = Volume(np.clip(volume.array + 100, 0, None) / 20, volume.grid, "PT", "SUVbw")
    four = np.array(Image.open(io.BytesIO(picture_of(pet, region))))
    assert four.shape == (SIDE, 4 * SIDE, 3)
    assert len(np.unique(four[:, 3 * SIDE :, 2])) > 10  # The projection shows the body.


def test_a_region_at_every_corner_has_a_picture() -> None:
    volume, _ = body(4, *shape_of(4))
    for corner in np.ndindex(2, 2, 2):
        mask = np.zeros(SHAPE, dtype=bool)
        mask[tuple(slice(-3, None) if far else slice(0, 3) for far in corner)] = True
        assert picture_of(volume, Boxed.of(mask)).startswith(b"\x89PNG")


def test_a_folder_of_pictures_and_a_sheet(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for number, name in enumerate(("lyon", "<b>&")):
        volume, mask = body(number, *shape_of(number))
        for kind, array in (("image", volume.array.astype(np.int16)), ("mask", mask.astype(np.uint8))):
            (source / kind).mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(volume.grid.to_sitk(array), str(source / kind / f"{name}.nrrd"))
    settings = make_settings({"featureClass": {"firstorder": ["Mean"]}})
    run = PlainRun(Choices(engine="unibase", several="each"), pictures=tmp_path / "pictures")
    contents = set()
    for _ in range(2):
        extract_plain(source, tmp_path / "o.parquet", settings, run)
        files = sorted((tmp_path / "pictures").iterdir())
        contents.add(tuple((path.name, path.read_bytes()) for path in files))
    assert len(contents) == 1
    assert sorted(path.suffix for path in files) == [".html", ".parquet", ".png", ".png"]
    looks = pl.read_parquet(tmp_path / "pictures/looks.parquet")
    assert looks.height == 2 and looks.columns == [column.name for column in LOOKS.columns]
    page = (tmp_path / "pictures/contact-sheet.html").read_text()
    assert "&lt;b&gt;&amp;" in page and "<b>" not in page
    assert all(f'src="./{name}"' in page for name in looks["picture"])
