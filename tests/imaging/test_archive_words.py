"""Words that an archive shows to name nobody: with enough persons, in no name, and nothing that numbers or dates anyone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imaging.deidentify_help import ANYONE, ct, run, save
from unibase.flows.looks.words import words_of_archive
from unibase.groundwork.problems import UserError
from unibase.imaging.confidentiality.deidentified import DeidentifyOptions


def archive(folder: Path) -> Path:
    """Six persons: `qvibe` with all, `kerzmann` (a physician of one header) with all, `zomtag` with two, a code with all."""
    for number in range(6):
        texts = f"thorax QVIBE Kerzmann A47118 12AVR19 {'zomtag' if number < 2 else ''} martin"
        physician = "Kerzmann^Paul" if number == 0 else ""
        for image in range(2):
            ds = ct(
                PatientID=f"IPP{number}",
                PatientName=f"Abcde{number}^X",
                SeriesDescription=texts,
                ReferringPhysicianName=physician,
            )
            save(ds, folder / f"{number}-{image}.dcm")
    return folder


def test_words_of_many_persons_that_are_no_names(tmp_path: Path) -> None:
    source = archive(tmp_path / "in")
    said = words_of_archive(source, None, 5, tmp_path / "words.csv")
    assert (tmp_path / "words.csv").read_text(encoding="utf-8") == "word,persons\nqvibe,6\n"
    assert "kerzmann" not in said and "martin" not in said and "47118" not in said and "avr" not in said
    assert "words: [qvibe]" in said
    assert "zomtag (2)" in words_of_archive(source, None, 2, None)
    with pytest.raises(UserError, match="2 or more"):
        words_of_archive(source, None, 1, None)


def test_a_person_of_several_numbers_counts_once_and_their_names_are_known(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    rows = [f"IPP{number},P{number // 3},Qvibe,,Zoe,1950-01-01,F" for number in range(6)]
    head = "identifier,person_key,birth_family_name,used_family_name,given_names,birth_date,sex"
    people.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    said = words_of_archive(archive(tmp_path / "in"), people, 2, None)
    assert "qvibe" not in said and "zomtag" not in said, "a name of the list, and a word of one person with two numbers"


def test_what_the_custodian_allows_stays(tmp_path: Path) -> None:
    source = save(ct(SeriesDescription="thorax QVIBE Dupontel"), tmp_path / "a.dcm")
    assert run(source, tmp_path / "a")[1].SeriesDescription == "thorax"
    allowed = DeidentifyOptions(words=("qvibe", "dupontel"))
    assert run(source, tmp_path / "b", options=allowed)[1].SeriesDescription == "thorax QVIBE", "never the patient's name"


def test_codes_of_machines_that_stand_with_many_persons_are_listed_and_stay(tmp_path: Path) -> None:
    for number in range(5):
        local = ct(PatientID=f"IPP{number}", ManufacturerModelName="XK29ZQ", SoftwareVersions=f"V1 QZ{number}7XK")
        save(local, tmp_path / "in" / f"{number}.dcm")
    said = words_of_archive(tmp_path / "in", None, 5, None)
    assert "words: [xk29zq]" in said and "qz" not in said.replace("xk29zq", "")
    options = DeidentifyOptions(words=("xk29zq",))
    copy = run(tmp_path / "in" / "0.dcm", tmp_path / "out", lookup=ANYONE, options=options)[1]
    assert (copy.ManufacturerModelName, copy.SoftwareVersions) == ("XK29ZQ", "V1")
