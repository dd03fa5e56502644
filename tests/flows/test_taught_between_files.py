"""What a new file teaches of names is sought in the older files of its centre: those that hold the word are written again."""

from __future__ import annotations

from pathlib import Path

import pydicom

from tests.imaging.deidentify_help import ct, save
from tests.known_keys import known_key
from unibase.flows.runs.run import open_run
from unibase.flows.stages.deidentify import deidentify_centre
from unibase.flows.stages.people import resolve_people
from unibase.flows.study.validation import read_study
from unibase.privacy.keys import write_key_file

STUDY = """
study: taught
release: {version: 1.0.0}
key: {file: vault.key}
workspace: work
centres:
  CHU-été: {people: people.csv, dicom: dicom}
index: {concept: treatment_start}
"""


def image(home: Path, number: int, description: str, physician: str = "") -> None:
    """Write one image of one person."""
    ds = ct(
        PatientID=f"IPP{number}",
        PatientName="Dupontel^Zoé",
        SeriesDescription=description,
        ReferringPhysicianName=physician,
        SOPInstanceUID=f"1.2.3.{number}",
        StudyInstanceUID=f"1.2.4.{number}",
    )
    save(ds, home / f"dicom/{number}.dcm")


def night(home: Path) -> tuple[dict[str, str], set[str]]:
    """De-identify; return the description that each copy has, and which files were worked on."""
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as run:
        resolve_people(run)
        outcomes = deidentify_centre(run, "CHU-été")
    root = study.work.staging / "imaging" / "dicom"
    said = {one.key: str(pydicom.dcmread(root / one.result["path"]).SeriesDescription) for one in outcomes}
    return said, {one.key for one in outcomes if one.repeated}


def test_a_new_physician_concerns_the_files_that_hold_the_word(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("identifier\nIPP1\nIPP2\nIPP3\n")
    (tmp_path / "study.yaml").write_text(STUDY)
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    image(tmp_path, 1, "thorax grand")
    image(tmp_path, 2, "thorax injecte")
    assert night(tmp_path) == ({"1.dcm": "thorax grand", "2.dcm": "thorax injecte"}, {"1.dcm", "2.dcm"})
    image(tmp_path, 3, "foie", "GRAND^Paul")
    taught = {"1.dcm": "thorax", "2.dcm": "thorax injecte", "3.dcm": "foie"}
    assert night(tmp_path) == (taught, {"1.dcm", "3.dcm"})
    assert night(tmp_path) == (taught, set())
    open_to_all = [
        one for part in ("staging", "linked", "releases") for one in (tmp_path / "work" / part).rglob("*") if one.is_file()
    ]
    assert open_to_all and not [one for one in open_to_all if b"grand" in one.read_bytes().lower()]
    (tmp_path / "dicom/3.dcm").unlink()
    assert night(tmp_path) == ({"1.dcm": "thorax grand", "2.dcm": "thorax injecte"}, {"1.dcm"})
