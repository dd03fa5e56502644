"""Values of reports in a study: the stage `index` gathers them, and a second night brings the same bytes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from pydicom.dataset import Dataset

from tests.imaging.deidentify_help import save
from tests.imaging.test_report_values import dose
from tests.known_keys import known_key
from unibase.flows.runs.run import open_run
from unibase.flows.stages.deidentify import deidentify_centre
from unibase.flows.stages.index import index_series
from unibase.flows.stages.people import resolve_people
from unibase.flows.study.places import REPORT_VALUES as PLACE
from unibase.flows.study.validation import read_study
from unibase.groundwork.image_tables import REPORT_VALUES
from unibase.privacy.keys import write_key_file

STUDY = """\
study: doses
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  CHU-été: {people: people.csv, dicom: dicom}
index: {concept: treatment_start}
"""


def of_person(number: str, report: Dataset) -> Dataset:
    report.PatientID, report.PatientName = number, "Dupontel^X"
    report.StudyInstanceUID = report.SeriesInstanceUID = report.SOPInstanceUID = f"1.2.3.4.99.{int(number[3:])}"
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    return report


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "people.csv").write_text("identifier\nIPP001\nIPP002\n", encoding="utf-8")
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    for number in ("IPP001", "IPP002"):
        save(of_person(number, dose()), tmp_path / "dicom" / f"{number}-dose.dcm")
    return tmp_path


def night(home: Path) -> tuple[pl.DataFrame, bytes]:
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as run:
        resolve_people(run)
        deidentify_centre(run, "CHU-été")
        index_series(run)
        place = run.place(PLACE)
    return REPORT_VALUES.read(place), place.read_bytes()


def test_reports_of_a_study_are_rows_of_pseudonyms(home: Path) -> None:
    frame, first = night(home)
    assert frame["subject_id"].n_unique() == 2 and set(frame["centre"]) == {"CHU-été"}
    doses = frame.filter(pl.col("value").is_not_null())
    assert doses.select("code", "value", "unit").unique().rows() == [("DCM//113830", 6.3, "mGy")]
    assert set(frame.filter(pl.col("value_type") == "TEXT")["text"]) == {"Nodule chez"}
    assert (
        not frame.filter(pl.col("time").dt.year() == 2019).height
        or (frame["time"].dt.date().cast(pl.String) != "2019-03-12").all()
    )
    assert night(home)[1] == first
    (home / "dicom" / "IPP002-dose.dcm").unlink()
    assert night(home)[0]["subject_id"].n_unique() == 1
