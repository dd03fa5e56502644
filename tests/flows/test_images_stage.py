"""The stage `images` over a small study: boxes around regions, what stays out and why, and the second night."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import polars as pl
import pytest
import zarr

from tests.imaging.dicom_maker import AXIAL, write_rtstruct, write_series
from tests.imaging.test_segmentation import write_seg
from tests.known_keys import known_key
from unibase.flows.runs.run import open_run
from unibase.flows.stages.deidentify import deidentify_centre
from unibase.flows.stages.images import store_images
from unibase.flows.stages.index import index_series
from unibase.flows.stages.people import resolve_people
from unibase.flows.study.validation import read_study
from unibase.groundwork.image_tables import VOXELS
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import QUARANTINE
from unibase.privacy.keys import write_key_file

STUDY = """\
study: voxels
release: {version: 1.0.0, images: regions, image_margin: 3}
key: {file: vault.key}
centres:
  CHU-été: {people: people.csv, dicom: dicom}
features:
  settings: params.yaml
  regions: {GTV: ["gtv"]}
index: {concept: treatment_start}
"""
SQUARE = [np.array([[10.0, 12, 2 * z], [20, 12, 2 * z], [20, 22, 2 * z], [10, 22, 2 * z]]) for z in range(3, 7)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three persons: a chest with a tumour, a head with one, and a chest whose structure set names no tumour."""
    for person, (part, name) in enumerate([("CHEST", "GTV"), ("HEAD", "GTV"), ("CHEST", "Heart")], 1):
        image = np.random.default_rng(person).integers(-100, 400, (10, 40, 40)).astype(np.int16)
        own = {"patient": f"IPP{person}", "study": 100 + person, "number": person, "BodyPartExamined": part}
        write_series(tmp_path / f"dicom/{person}/ct", image, spacing=(1, 1, 2), **own)
        marks = {"patient": f"IPP{person}", "study": 100 + person, "number": 500 + person}
        write_rtstruct(tmp_path / f"dicom/{person}/rs.dcm", [(name, SQUARE)], series=person, **marks)
    (tmp_path / "people.csv").write_text("identifier\nIPP1\nIPP2\nIPP3\n")
    (tmp_path / "params.yaml").write_text("imageType: {Original: {}}\n")
    (tmp_path / "study.yaml").write_text(STUDY)
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    return tmp_path


def night(home: Path) -> tuple[pl.DataFrame, pl.DataFrame, list[Any]]:
    """Run the stages up to `images`; return its table, its quarantine, and its outcomes."""
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as run:
        resolve_people(run)
        deidentify_centre(run, "CHU-été")
        index_series(run)
        outcomes = store_images(run)
    staging = study.work.staging
    return VOXELS.read(staging / "imaging/voxels.parquet"), QUARANTINE.read(staging / "quarantine/images.parquet"), outcomes


def test_boxes_are_stored_heads_and_series_without_the_region_are_told(home: Path) -> None:
    table, refused, outcomes = night(home)
    assert table.select("Modality", "region", "unit", "BodyPartExamined").rows() == [("CT", "GTV", "HU", "CHEST")]
    assert sorted(refused["reason"]) == ["may-show-a-face", "no-region-matched"]
    store: Any = zarr.open_group(home / "work/staging/imaging/voxels" / table["path"][0], mode="r")
    image = np.random.default_rng(1).integers(-100, 400, (10, 40, 40)).astype(np.int16)
    mask = store["labels/regions/0"][...]
    inside = store["0"][...][mask == 1]
    assert set(inside.tolist()) <= set(image.ravel().tolist()) and mask.sum() > 300
    # 3 mm around a square of 10 x 10 mm on four slices of 2 mm.
    assert store["0"].shape == (8, 16, 16) and mask.sum() == 4 * 10 * 10

    _, again, repeated = night(home)
    assert [one.repeated for one in repeated if one.status == "done"] == [False]
    assert again.equals(refused)
    assert len(outcomes) == len(repeated) == 3


def test_a_study_that_says_why_gets_heads_and_one_that_asks_no_more_keeps_nothing(home: Path) -> None:
    text = STUDY.replace("image_margin: 3", "image_margin: 3, head_images: 'approval 2026-11 of the committee'")
    (home / "study.yaml").write_text(text)
    table, refused, _ = night(home)
    assert sorted(table["BodyPartExamined"]) == ["CHEST", "HEAD"]
    assert refused["reason"].to_list() == ["no-region-matched"]
    (home / "study.yaml").write_text(STUDY.replace("images: regions, ", ""))
    table, refused, _ = night(home)
    assert table.is_empty() and refused.is_empty()
    assert not list((home / "work/staging/imaging/voxels").iterdir())


def test_a_second_lesion_has_no_name_of_another_target(home: Path) -> None:
    beside, behind = ([points + np.array(by) for points in SQUARE] for by in ([15.0, 0, 0], [0, 15.0, 0]))
    drawn = [("GTV", SQUARE), ("gtv b", beside), ("node", behind)]
    write_rtstruct(home / "dicom/1/rs.dcm", drawn, series=1, patient="IPP1", study=101, number=501)
    text = STUDY.replace('{GTV: ["gtv"]}', '{GTV: ["gtv.*"], GTV-2: ["node"]}\n  several: each').replace(
        "regions, im", "volumes, im"
    )
    (home / "study.yaml").write_text(text)
    table, _, _ = night(home)
    assert table["regions"].to_list()[0] == "GTV, GTV-3, GTV-2"


# Structure sets of one person, each with its ROIs, and what is unknown on the image: targets GTV and NODE.
UNKNOWN: dict[str, tuple[list[list[str]], str | None]] = {
    "both drawn": ([["GTV", "node"]], None),
    "one drawn": ([["GTV"]], "NODE, NODE shell 0-4 mm"),
    "one is ambiguous": ([["GTV", "node"], ["node"]], "NODE, NODE shell 0-4 mm"),
    "one is empty": ([["GTV", "node!"]], "NODE, NODE shell 0-4 mm"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_target_that_nobody_drew_is_unknown(home: Path, kind: str) -> None:
    sets, unknown = UNKNOWN[kind]
    for place, names in enumerate(sets):
        drawn = [
            (name.strip("!"), [points + (999 if "!" in name else 9 * n) for points in SQUARE]) for n, name in enumerate(names)
        ]
        place_of = {"series": 1, "patient": "IPP1", "study": 101, "number": 501 + place}
        write_rtstruct(home / f"dicom/1/{'rs' if not place else 'again'}.dcm", drawn, **place_of)
    text = STUDY.replace('{GTV: ["gtv"]}', '{GTV: ["gtv"], NODE: ["node"]}\n  shells: [0-4]').replace(
        "regions, im", "volumes, im"
    )
    (home / "study.yaml").write_text(text)
    table, _, _ = night(home)
    row = table.filter(pl.col("regions").str.starts_with("GTV")).row(0, named=True)
    assert row["unknown_regions"] == unknown


def finer(sources: list[Path], path: Path) -> None:
    """Write a SEG whose voxels are half as wide as those of its image."""
    measures = hd.PixelMeasuresSequence([0.5, 0.5], 2, 2)
    places = [hd.PlanePositionSequence("PATIENT", [-0.25, -0.25, 2.0 * z]) for z in range(10)]
    about = {"pixel_measures": measures, "plane_positions": places}
    pixels = np.zeros((10, 80, 80, 2), bool)
    pixels[3:7, 24:56, 24:56, 0] = pixels[0, 0, 0, 1] = True
    write_seg(path, sources, pixels, "BINARY", plane_orientation=hd.PlaneOrientationSequence("PATIENT", AXIAL), **about)


def test_a_mask_on_another_grid_is_told_and_taken_once_the_parameter_file_asks_for_it(home: Path) -> None:
    for name in ("2", "3", "1/rs.dcm"):
        path = home / "dicom" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    finer(sorted((home / "dicom/1/ct").iterdir()), home / "dicom/1/seg.dcm")
    (home / "study.yaml").write_text(STUDY.replace('["gtv"]', '["region 1"]').replace("images: regions", "images: volumes"))
    table, refused, _ = night(home)
    assert refused["reason"].to_list() == ["mask-geometry"] and table["unknown_regions"].to_list() == ["GTV"]
    (home / "params.yaml").write_text("imageType: {Original: {}}\nsetting: {correctMask: true}\n")
    table, refused, _ = night(home)
    store: Any = zarr.open_group(home / "work/staging/imaging/voxels" / table["path"][0], mode="r")
    inside = np.argwhere(store["labels/regions/0"][...])
    assert refused.is_empty() and len(inside) == 4 * 16 * 16
    assert inside.min(0).tolist() == [3, 12, 12] and inside.max(0).tolist() == [6, 27, 27]
    (home / "params.yaml").write_text("imageType: {Original: {}}\nsetting: {correctMask: true, binWidth: 7}\n")
    assert not any(one.repeated for one in night(home)[2]), "the rest of the file is of features alone"


def test_images_without_features_are_refused_when_the_study_file_is_read(home: Path) -> None:
    text = "\n".join(line for line in STUDY.splitlines() if not line.startswith(("features", "  settings", "  regions")))
    (home / "study.yaml").write_text(text)
    with pytest.raises(UserError, match=r"release\.images takes the modalities and regions"):
        read_study(home / "study.yaml")
