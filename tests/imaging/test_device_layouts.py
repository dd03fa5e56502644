"""Where devices write: each row of docs/device-layouts.md is a header that is tried, and its boxes."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from tests.imaging.deidentify_help import ct, save
from unibase.imaging.confidentiality import device_layouts, objects
from unibase.imaging.confidentiality.device_layouts import layout_of
from unibase.imaging.pixel_text.look import look_at

PAGE = Path(__file__).resolve().parents[2] / "docs" / "device-layouts.md"
KEYWORDS = ("Modality", "Manufacturer", "ManufacturerModelName", "Rows", "Columns", "ImageType", "SeriesDescription")
CT, US = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.6.1"


def rows() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").split("## The catalogue", 1)[1].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]


def header(row: list[str]) -> dict[str, str]:
    """What a device of a row says, with the first of the values that it allows and what makers write around it."""
    first = [re.sub(r"\((.*?) or .*\)", r"\1", cell).split(", ")[0].split(" or ")[0] for cell in row[1:8]]
    said = dict(zip(KEYWORDS, first, strict=True))
    said["Rows"], said["Columns"] = said["Rows"] or "700", said["Columns"] or "900"
    around = {"Manufacturer": "{} Medical Systems", "ImageType": "DERIVED\\{}\\X", "SeriesDescription": "My {} 1"}
    return {key: around.get(key, "{}").format(value) for key, value in said.items()}


def expected(row: list[str], columns: int, high: int) -> set[tuple[int, int, int, int]]:
    top, bottom, corner = row[8:]
    boxes = {(0, 0, columns, int(top))} if top else set()
    boxes |= {(0, high - int(bottom), columns, int(bottom))} if bottom else set()
    return boxes | ({(0, 0, *map(int, corner.split("x")))} if corner else set())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_device_of_the_page(row: list[str]) -> None:
    said = header(row)
    found = layout_of(said)
    assert found is not None and found.device == row[0]
    assert set(found.written(int(said["Columns"]), int(said["Rows"]))) == expected(row, int(said["Columns"]), int(said["Rows"]))
    for keyword in ("Modality", "Manufacturer"):
        if said[keyword].strip() != "Medical Systems":
            other = layout_of(said | {keyword: "IMAGES"})
            assert other is None or other.device != row[0]


def test_the_page_names_every_device() -> None:
    with open(Path(device_layouts.__file__).parent / "data" / "device_layouts.csv", encoding="utf-8", newline="") as file:
        assert [row["device"] for row in csv.DictReader(file)] == [row[0] for row in rows()]


AT_RISK = [
    ({"Manufacturer": "SIEMENS", "ManufacturerModelName": "SOMATOM Definition AS+", "ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}, True),
    ({"Manufacturer": "SIEMENS", "ManufacturerModelName": "SOMATOM Force", "ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}, False),
    ({"Manufacturer": "SIEMENS", "ManufacturerModelName": "SOMATOM Definition AS+", "ImageType": "ORIGINAL\\PRIMARY\\AXIAL"}, False),
    ({"Manufacturer": "SIEMENS", "Rows": "860", "ImageType": "DERIVED\\SECONDARY\\MPR"}, True),
    ({"Manufacturer": "TOSHIBA", "ManufacturerModelName": "Aquilion ONE", "ImageType": "DERIVED\\SECONDARY\\MPR"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("said", "risk"), AT_RISK)
def test_images_of_these_devices_are_at_risk(said: dict[str, str], risk: bool) -> None:
    facts = {"SOPClassUID": CT, "Modality": "CT", "Rows": "512", "Columns": "512", "PhotometricInterpretation": "MONOCHROME2"}
    assert (objects.at_risk(facts | said) is not None) == risk


def test_a_look_proposes_where_the_device_writes_without_a_reader(tmp_path: Path) -> None:
    ds = ct(SOPClassUID=US, Modality="US", Manufacturer="Mindray", Rows=100, Columns=32, BitsAllocated=8, BitsStored=8, HighBit=7)
    ds.PixelData = np.arange(3200, dtype=np.uint16).astype(np.uint8).tobytes()
    look = look_at(save(ds, tmp_path / "a.dcm"), "a.dcm", None)
    assert look is not None and [tuple(box) for box in look.decision.boxes] == [(0, 0, 32, 69)]
