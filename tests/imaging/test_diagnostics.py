"""`diagnostics_` of regions, against PyRadiomics run on the same files by its own reader."""

from __future__ import annotations

import ast
import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk
from radiomics.featureextractor import RadiomicsFeatureExtractor

from unibase.groundwork.problems import UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.tables import DIAGNOSTICS

CLASSES = {"firstorder": ["Mean"]}


def scan(folder: Path, label: int = 1, dimensions: int = 3) -> tuple[Path, Path]:
    """An oblique image of int16, and a mask of two parts with one label."""
    shape = (9, 14, 16)[3 - dimensions :]
    image = np.random.default_rng(4).integers(-200, 900, shape).astype(np.int16)
    mask = np.zeros(shape, np.uint8)
    mask[..., 4:9, 3:9] = mask[..., 11:13, 12:15] = label
    if dimensions == 3:
        mask[:2] = mask[7:] = 0
    paths = []
    for name, array in (("image", image), ("mask", mask)):
        picture = sitk.GetImageFromArray(array)
        picture.SetSpacing((0.9, 1.1, 2.5)[:dimensions])
        picture.SetOrigin((-30.0, 12.0, 7.0)[:dimensions])
        if dimensions == 3:
            picture.SetDirection((0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
        (folder / name).mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(picture, str(folder / name / "CHU-été.nrrd"))
        paths.append(folder / name / "CHU-été.nrrd")
    return paths[0], paths[1]


def theirs(image: Path, mask: Path, content: dict[str, Any]) -> dict[str, Any]:
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    found = RadiomicsFeatureExtractor(content).execute(str(image), str(mask))
    return {name: value for name, value in found.items() if name.startswith("diagnostics_")}


CASES: dict[str, tuple[dict[str, Any], int, int]] = {
    "plain": ({}, 1, 3),
    "another label": ({"setting": {"label": 3}}, 3, 3),
    "resampled": ({"setting": {"resampledPixelSpacing": [1.3, 1.3, 1.7], "padDistance": 2}}, 1, 3),
    "normalised and resampled": ({"setting": {"normalize": True, "resampledPixelSpacing": [2, 2, 2]}}, 1, 3),
    "resegmented": ({"setting": {"resegmentRange": [-50, 600]}}, 1, 3),
    "filters": ({"imageType": {"Original": {}, "LoG": {"sigma": [2.0]}}, "setting": {"binWidth": 10}}, 1, 3),
    "a plane": ({"setting": {"force2D": True}}, 1, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_names_and_values_are_those_of_pyradiomics(tmp_path: Path, case: str) -> None:
    content, label, dimensions = CASES[case]
    content = {"featureClass": CLASSES, **content}
    image, mask = scan(tmp_path, label, dimensions)
    settings = make_settings({**content, "setting": content.get("setting", {})})
    out = tmp_path / "diagnostics.parquet"
    extract_plain((image, mask), tmp_path / "o.parquet", settings, PlainRun(diagnostics=out))
    (row,) = pl.read_parquet(out).to_dicts()
    want = theirs(image, mask, content)
    assert {name for name, value in row.items() if name.startswith("diagnostics_") and value is not None} == set(want)
    for name, value in want.items():
        if name == "diagnostics_Configuration_Settings":
            ours, told = ast.literal_eval(row[name]), dict(value)
            assert {key: ours[key] for key in told if key in ours} == {key: told[key] for key in told if key in ours}
            assert set(told) - set(ours) <= {"geometryTolerance", "label_channel", "correctMask"}
        elif isinstance(row[name], str) and row[name][0] in "({":
            assert ast.literal_eval(row[name]) == value, name
        else:
            assert row[name] == value, name


def test_a_csv_and_what_is_told_of_a_study(tmp_path: Path) -> None:
    pair = scan(tmp_path)
    settings = make_settings({"featureClass": CLASSES, "setting": {"additionalInfo": True}})
    assert "the option diagnostics asks for" in settings.told[0]
    extract_plain(pair, tmp_path / "o.parquet", settings, PlainRun(diagnostics=tmp_path / "d.csv"))
    frame = pl.read_csv(tmp_path / "d.csv")
    assert (
        frame.columns == [column.name for column in DIAGNOSTICS.columns] and frame["diagnostics_Mask-original_VolumeNum"][0] == 2
    )
    assert not (tmp_path / "o.parquet.work").exists()


def test_ibsi_has_none() -> None:
    with pytest.raises(ValueError, match="leave them out with mode: ibsi"):
        Choices(mode="ibsi", diagnostics=True)


def test_a_region_that_pyradiomics_refuses_is_told(tmp_path: Path) -> None:
    settings = make_settings({"featureClass": CLASSES, "setting": {"resegmentRange": [5000, 6000]}})
    with pytest.raises(UserError, match="Re-segmentation leaves at most one voxel"):
        extract_plain(scan(tmp_path), tmp_path / "o.parquet", settings, PlainRun(diagnostics=tmp_path / "d.csv"))
