"""Odd cells of people files, a row each: what is read of them, what is left out, and that it is told."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from unibase.privacy.ledger.people_file import read_people
from unibase.privacy.ledger.traits import place_code
from unibase.privacy.ledger.written_dates import iso_dates

SEX, PLACE, KEY = "sex", "birth_place_code", "person_key"
CELLS = {
    # column, as written: what is read, and the reason that is told
    (SEX, "Mme"): ("F", None),
    (SEX, "Mlle."): ("F", None),
    (SEX, "M."): ("M", None),
    (SEX, "1.0"): ("M", None),
    (SEX, "2,0"): ("F", None),
    (SEX, "W"): (None, "unknown-sex"),
    (PLACE, "69123"): ("69123", None),
    (PLACE, "1234"): ("1234", None),
    (PLACE, "2a004"): ("2a004", None),
    (PLACE, "Lyon"): (None, "unknown-place"),
    (PLACE, "69003 LYON"): (None, "unknown-place"),
    (PLACE, "DZ"): (None, "unknown-place"),
    (PLACE, "1234.0"): (None, "unknown-place"),
    (PLACE, "６９１２３"): (None, "unknown-place"),
    (KEY, "NULL"): ("12", None),
    (KEY, "0"): ("12", None),
    (KEY, "P-7"): ("P-7", None),
    ("system", "n/a"): ("ipp", None),
    ("system", "omop"): ("omop", None),
}


@pytest.mark.parametrize(("column", "written"), CELLS)
def test_a_cell_is_read_where_it_is_certain_and_told_where_not(tmp_path: Path, column: str, written: str) -> None:
    (tmp_path / "lyon.csv").write_text(f"identifier;{column}\n12;{written}\n", encoding="utf-8")
    file = read_people(tmp_path / "lyon.csv", "lyon")
    value, reason = CELLS[column, written]
    assert file.people[column].to_list() == [value]
    assert [problem.reason for problem in file.problems] == ([reason] if reason else [])
    assert not any(written in problem.message + problem.remedy for problem in file.problems if len(written) > 2)


NUMBERS = {
    '="0012"': ("0012", None),
    "'0012": ("0012", None),
    "#REF!": (None, "no-identifier"),
    "#VALEUR!": (None, "no-identifier"),
    "TOTAL : 12": (None, "no-identifier"),
    "(12 rows affected)": (None, "no-identifier"),
    "12 lignes": (None, "no-identifier"),
    "1.2E+11": (None, "spreadsheet-number"),
    "IPP-12": ("IPP-12", None),
    "TOTO12": ("TOTO12", None),
}


@pytest.mark.parametrize("written", NUMBERS)
def test_a_number_is_one_or_the_row_is_set_aside(tmp_path: Path, written: str) -> None:
    pl.DataFrame({"identifier": [written]}).write_csv(tmp_path / "CHU-été.csv")
    file = read_people(tmp_path / "CHU-été.csv", "CHU-été")
    value, reason = NUMBERS[written]
    assert file.people["identifier"].to_list() == [value] * (value is not None)
    assert [problem.reason for problem in file.problems] == ([reason] if reason else [])


def test_two_persons_under_a_word_for_nothing_or_a_rounded_key_are_not_one(tmp_path: Path) -> None:
    rows = ["1;NULL", "2;NULL", "3;-", "4;-", "5;1,23457E+11", "6;1,23457E+11", "7;9", "8;9"]
    (tmp_path / "lyon.csv").write_text("\n".join(["identifier;person_key", *rows]) + "\n", encoding="utf-8")
    file = read_people(tmp_path / "lyon.csv", "lyon")
    assert dict(file.people.select("identifier", "person_key").iter_rows()) == {
        "1": "1", "2": "2", "3": "3", "4": "4", "7": "9", "8": "9",
    }  # fmt: skip
    assert [(problem.row, problem.reason, problem.kept) for problem in file.problems] == [
        (5, "spreadsheet-number", False),
        (6, "spreadsheet-number", False),
    ]


def test_empty_lines_before_the_names_of_columns_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "lyon.csv").write_text("\n;;\nidentifier;sex\n1;F\n", encoding="utf-8")
    file = read_people(tmp_path / "lyon.csv", "lyon")
    assert file.people.select("identifier", "sex", "source_row").rows() == [("1", "F", 1)]


@pytest.mark.parametrize(
    ("written", "read", "told"),
    [
        ("1956-03-11T23:00:00Z", "1956-03", True),
        ("1956-03-11T23:00:00.000+00:00", "1956-03", True),
        ("1956-07-31T22:00:00Z", "1956", True),
        ("1956-12-31T23:00:00Z", None, True),
        ("1956-03-12T00:00:00Z", "1956-03-12", False),
        ("1956-03-12T23:00:00", "1956-03-12", False),
        ("1956-03-12T23:41:07Z", "1956-03-12", False),
    ],
)
def test_an_evening_of_universal_time_may_be_the_next_day(written: str, read: str | None, told: bool) -> None:
    (found,) = iso_dates([written])
    assert (found.iso, bool(found.problem)) == (read, told)


@pytest.mark.parametrize(
    ("one", "two", "alike"),
    [("01004", "1004", True), ("2a004", "2A004", True), ("69123", "69124", False)],
)
def test_places_that_are_one(one: str, two: str, alike: bool) -> None:
    assert (place_code(one) == place_code(two)) is alike


@pytest.mark.parametrize("text", ["Lyon", "DZ", "352", "99", "99999", "", None, "1234.0", "６９１２３"])
def test_what_is_no_code_is_no_other_place(text: str | None) -> None:
    assert place_code(text) is None
