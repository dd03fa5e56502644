"""A study's table of weight, dose and injection: what a header lacks is taken from it, what contradicts it is refused."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydicom import dcmread

from tests.imaging.dicom_maker import write_rtstruct
from tests.imaging.test_suv import DOSE, WEIGHT, factor, pet, tracer
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.inventory import describe_series
from unibase.imaging.dicom.pet_table import check_given, given, read_pet_table
from unibase.imaging.dicom.read_as import PetFacts, Reading
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.radiomics.settings import read_settings

ALL = PetFacts(weight=WEIGHT, dose=DOSE, start=datetime(2020, 1, 2, 9, 20), nuclide="F-18")
LACKING: dict[str, tuple[dict[str, Any], str]] = {
    "no weight": ({"PatientWeight": None}, "weight-from-table"),
    "a weight in grams": ({"PatientWeight": 72000}, "weight-from-table"),
    "no dose": ({"item": tracer(RadionuclideTotalDose=None)}, "dose-from-table"),
    "a dose in kilobecquerel": ({"item": tracer(RadionuclideTotalDose=DOSE / 1000)}, "dose-from-table"),
    "no time": ({"item": tracer(RadiopharmaceuticalStartDateTime=None)}, "injection-from-table"),
    "two times": ({"item": tracer(RadiopharmaceuticalStartTime="081000")}, "injection-from-table"),
    "no tracer at all": (
        {"RadiopharmaceuticalInformationSequence": None},
        "dose-from-table, injection-from-table, nuclide-from-table",
    ),
}


@pytest.mark.parametrize("name", LACKING)
def test_what_a_header_lacks_comes_from_the_table(tmp_path: Path, name: str) -> None:
    changes, note = LACKING[name]
    right = factor(pet(tmp_path / "whole"))
    folder = pet(tmp_path / "lacking", **changes)
    with pytest.raises(Unusable, match="suv-not-computable"):
        read_series(folder)
    volume = read_series(folder, reading=Reading(pet=ALL))
    assert volume.array[0, 0, 0] == pytest.approx(right * 300, rel=1e-9)
    assert ", ".join(volume.notes) == note
    told = describe_series(sorted(folder.iterdir()), reading=Reading(pet=ALL))[0]
    assert (told.notes, told.PatientWeight, told.RadionuclideTotalDose, told.uptake) == (note, WEIGHT, DOSE, 61.0)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (PetFacts(weight=80.0), "PatientWeight"),
        (PetFacts(dose=2 * DOSE), "RadionuclideTotalDose"),
        (PetFacts(start=datetime(2020, 1, 2, 9, 30)), "RadiopharmaceuticalStartDateTime"),
        (PetFacts(nuclide="Ga-68"), "nuclide"),
        (PetFacts(sex="F"), "PatientSex"),
        (PetFacts(height=1.6), "PatientSize"),
    ],
)
def test_a_table_that_contradicts_the_header_is_refused(tmp_path: Path, facts: PetFacts, word: str) -> None:
    pet(tmp_path, PatientSex="M", PatientSize=1.8)
    with pytest.raises(Unusable, match=f"contradict each other in .*{word}"):
        read_series(tmp_path, reading=Reading(pet=facts))


def test_a_table_that_agrees_changes_nothing(tmp_path: Path) -> None:
    pet(tmp_path)
    with_table = read_series(tmp_path, reading=Reading(pet=ALL))
    assert with_table.notes == () and (with_table.array == read_series(tmp_path).array).all()


def test_rows_are_read_in_the_units_of_dicom(tmp_path: Path) -> None:
    path = tmp_path / "pet.csv"
    path.write_text(
        "centre;PatientID;StudyDate;PatientWeight;PatientSex;RadionuclideTotalDose;RadiopharmaceuticalStartDateTime;Radionuclide\n"
        "CHU-été;0017;2020-01-02;72.0;f;350000000;2020-01-02 09:20;18F\n"
        "lyon;9;;;;;20200102092030.5;\n",
        encoding="utf-8",
    )
    first, second = read_pet_table(path)
    assert (first.centre, first.column, first.name, first.day) == ("CHU-été", "PatientID", "0017", "20200102")
    assert first.facts == PetFacts(72.0, None, "F", 350e6, datetime(2020, 1, 2, 9, 20), "F-18")
    assert second.facts == PetFacts(start=datetime(2020, 1, 2, 9, 20, 30, 500000))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("PatientID,PatientWeight\n1,72000", "row 1: PatientWeight is not within 1 to 400"),
        ("PatientID,PatientWeight\n1,72 kg", "PatientWeight is no number"),
        ("PatientID,RadionuclideTotalDose\n1,300", "300 MBq is 300000000"),
        ("PatientID,RadiopharmaceuticalStartDateTime\n1,9:20", "no date and time"),
        ("PatientID,Radionuclide\n1,Tc-99m", "Radionuclide"),
        ("PatientID,PatientSex\n1,W", "PatientSex"),
        ("PatientID,StudyDate,PatientWeight\n1,2.1.2020,70", "StudyDate is no date"),
        ("PatientID,SeriesInstanceUID,PatientWeight\n,,70", "row 1: none of"),
        ("patient,PatientWeight\n1,70", "unknown columns"),
        ("PatientWeight\n70", "does not name a PET"),
        ("PatientID,PatientWeight", "holds no row"),
    ],
)
def test_a_wrong_cell_is_named_and_not_shown(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "pet.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=word) as caught:
        read_pet_table(path)
    assert "72000" not in str(caught.value) and "Tc-99m" not in str(caught.value)


def test_a_row_is_of_one_pet(tmp_path: Path) -> None:
    path = tmp_path / "pet.csv"
    path.write_text("PatientID,StudyInstanceUID,StudyDate,PatientWeight\n7,,,70\n,1.2,,71\n8,,20200102,72\n", encoding="utf-8")
    rows = read_pet_table(path)
    names = {"PatientID": "7", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3"}
    both = given(rows, names)
    assert both is not None and both.rows == (1, 2)
    with pytest.raises(UserError, match="rows 1 and 2 are of one PET"):
        check_given([both], rows)
    first = given(rows[:1], names)
    other = given(rows[:1], {**names, "StudyInstanceUID": "1.9", "SeriesInstanceUID": "1.9.1"})
    assert first is not None and other is not None
    with pytest.raises(UserError, match="several PET studies"):
        check_given([first, other], rows)
    assert check_given([first], rows) == [2, 3]
    assert given(rows[2:], {**names, "PatientID": "8"}, "20200103") is None


def test_plain_files_with_a_table(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    pet(scans / "pet", PatientWeight=None)
    uid = str(dcmread(next((scans / "pet").iterdir())).SeriesInstanceUID)
    write_rtstruct(scans / "rs.dcm", [("GTV", [np.array([[-0.5, -0.5, z], [2.5, -0.5, z], [2.5, 2.5, z]]) for z in range(3)])])
    table = tmp_path / "pet.csv"
    table.write_text(f"SeriesInstanceUID,PatientWeight\n{uid},72\n", encoding="utf-8")
    settings = tmp_path / "settings.yaml"
    settings.write_text("featureClass: {firstorder: [Mean]}\nsetting: {minimumROIDimensions: 1}\n", encoding="utf-8")
    asked = read_settings(settings)
    with pytest.raises(UserError):
        extract_plain(scans, tmp_path / "without.parquet", asked, PlainRun())
    extract_plain(scans, tmp_path / "out.parquet", asked, PlainRun(pet_table=table))
    row = pl.read_parquet(tmp_path / "out.parquet").row(0, named=True)
    assert (row["unit"], row["image_notes"]) == ("SUVbw", "weight-from-table")
    table.write_text("PatientID,PatientWeight\nnobody,72\n", encoding="utf-8")
    with pytest.raises(UserError, match="no PET series of the source: 1"):
        extract_plain(scans, tmp_path / "stray.parquet", asked, PlainRun(pet_table=table))
