"""A study that asks for more than is usual of its images: a tilt resampled, a slice filled, SUV by lean body mass, a table of PET."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydicom.dataset import Dataset

from tests.imaging.dicom_maker import write_rtstruct
from tests.imaging.odd_series import Maker, item, save
from tests.known_keys import known_key
from unibase.flows.runs.run import Run, open_run
from unibase.flows.stages.deidentify import deidentify_centre
from unibase.flows.stages.features import extract_features
from unibase.flows.stages.index import index_series
from unibase.flows.stages.people import resolve_people
from unibase.flows.study.validation import read_study
from unibase.groundwork.image_tables import IMAGES, VOLUMES
from unibase.groundwork.tables import FEATURES
from unibase.imaging.dicom.body import Body, over_weight
from unibase.privacy.keys import write_key_file

STUDY = """\
study: asked
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  CHU-été: {people: people.csv, dicom: été}
  lyon: {people: people.csv, dicom: lyon}
features:
  settings: params.yaml
  engine: unibase
  regions: {GTV: ["gtv"]}
  tilt: resample
  missing_slices: fill
  suv: lbm-janmahasatian
  pet_table: pet.csv
index: {concept: treatment_start}
"""
TABLE = """\
centre;PatientID;SeriesInstanceUID;PatientWeight;RadionuclideTotalDose;RadiopharmaceuticalStartDateTime
lyon;P1;;70;300000000;2020-01-02 09:20
lyon;P7;;70;;
"""
HALF_LIFE = 6586.2


def square(count: int, shift: float = 0.0, step: float = 3.0) -> list[np.ndarray]:
    """The outline of columns 2 to 5 and rows 1 to 4, in each slice but the outer ones."""
    x, y = [2.2, 8.2, 8.2, 2.2], [0.8, 0.8, 6.8, 6.8]
    return [np.array([[a, b + shift * k, step * k] for a, b in zip(x, y, strict=True)]) for k in range(1, count - 1)]


def examination(folder: Path, number: int, slices: list[Dataset], outlines: list[np.ndarray]) -> None:
    save(folder / "image", slices)
    write_rtstruct(folder / "rs.dcm", [("gtv", outlines)], series=number, patient="P1", study=500, number=700 + number)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home = tmp_path_factory.mktemp("study")
    person: dict[str, Any] = {"PatientID": "P1", "PatientSex": "M", "PatientSize": 1.75}
    shift = 1.5
    tilted = Maker(1).stack(**person)
    for number, dataset in enumerate(tilted):
        dataset.ImagePositionPatient = [0.0, shift * number, 3.0 * number]
    examination(home / "lyon/tilt", 1, tilted, square(8, shift))
    whole = Maker(2).stack(**person)
    examination(home / "lyon/gap", 2, [*whole[:4], *whole[5:]], square(8))
    tracer = item(RadionuclideHalfLife=HALF_LIFE, Radiopharmaceutical="FDG")
    pet = Maker(3).stack(
        modality="PT", Units="BQML", DecayCorrection="START", CorrectedImage=["DECY", "ATTN"], RescaleSlope=100,
        RadiopharmaceuticalInformationSequence=[tracer], **person,
    )  # fmt: skip
    examination(home / "lyon/pet", 3, pet, square(8))
    (home / "été").mkdir()
    (home / "people.csv").write_text("identifier\nP1\n")
    (home / "params.yaml").write_text("featureClass: {firstorder: [Mean]}\n")
    (home / "pet.csv").write_text(TABLE)
    (home / "study.yaml").write_text(STUDY)
    write_key_file(known_key("vault.key"), home / "vault.key")
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as opened:
        resolve_people(opened)
        deidentify_centre(opened, "lyon")
        index_series(opened)
        extract_features(opened)
        yield opened


def rows(run: Run) -> dict[str, dict[str, Any]]:
    found = FEATURES.read(run.study.work.staging / "imaging/features.parquet")
    return {row["image_notes"]: row for row in found.to_dicts()}


def test_each_is_measured_and_says_how_it_was_read(run: Run) -> None:
    pet = "dose-from-table, injection-from-table, weight-from-table"
    assert set(rows(run)) == {"tilt-resampled", "slices-filled", pet}
    # The pattern is 10 x slice + column: columns 2 to 5, slices 1 to 6.
    assert rows(run)["tilt-resampled"]["firstorder_Mean"] == pytest.approx(35 + 3.5)
    gap = rows(run)["slices-filled"]
    assert gap["firstorder_Mean"] == pytest.approx(35 + 3.5)
    assert gap["mask_notes"] == "filled-slices-in-region"
    divided = over_weight("lbm-janmahasatian", Body(70.0, 1.75, "M"))
    assert divided is not None
    suv = 100 * 70_000 / (3e8 * 2 ** (-3600 / HALF_LIFE)) * divided
    assert rows(run)[pet]["firstorder_Mean"] == pytest.approx((35 + 3.5) * suv, rel=1e-9)
    assert rows(run)[pet]["unit"] == "SUVlbm (Janmahasatian)"


def test_the_volumes_tell_the_same(run: Run) -> None:
    volumes = VOLUMES.read(run.study.work.staging / "imaging/volumes.parquet")
    assert set(volumes["status"]) == {"volume"}
    assert set(volumes["notes"]) == set(rows(run))
    pet = volumes.row(by_predicate=pl.col("Modality") == "PT", named=True)
    assert (pet["PatientWeight"], pet["RadionuclideTotalDose"], pet["uptake"]) == (70.0, 3e8, 61.0)
    assert volumes.filter(pl.col("notes") == "slices-filled")["filled_slices"].to_list() == [1]


def test_rows_of_no_pet_are_told(run: Run) -> None:
    told: list[str] = []
    index_series(replace(run, say=told.append))
    assert "index: the study's table tells of 1 PET series; no PET is there for row 2" in told


def test_the_settings_digest_tells_the_way_of_reading(run: Run) -> None:
    from unibase.imaging.radiomics.settings import read_settings

    usual = read_settings(run.study.path("params.yaml")).digest
    digests = {row["settings_digest"] for row in rows(run).values()}
    assert len(digests) == 1 and usual not in digests


def test_images_tell_what_their_pixels_do(run: Run) -> None:
    images = IMAGES.read(run.study.work.staging / "imaging/images.parquet")
    assert images.height == 3 and set(images["notes"]) == set(rows(run))
    # A pattern without air: tissue lies all along the border of the field.
    assert images.filter(pl.col("Modality") == "CT")["truncation"].to_list() == [1.0, 1.0]
    assert images.filter(pl.col("Modality") == "PT")["truncation"].to_list() == [None]
