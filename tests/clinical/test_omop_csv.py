"""OMOP in CSV gives the same whether its cells are read as numbers or as text; what a reader of numbers would mistake is read as text."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.clinical.whole import read_rows
from unibase.clinical.formats import omop_csv
from unibase.clinical.formats.declared import omop_format
from unibase.clinical.timelines.centre import TimelineTask, convert
from unibase.clinical.timelines.door import LocalDoor

HEAD = "measurement_id,person_id,measurement_concept_id,measurement_date,measurement_datetime,measurement_time,value_as_number,measurement_source_value"
PLAIN = "1,1,3000963,2020-03-04,2020-03-04 10:30:00,10:30,12.5,Hb"


@pytest.mark.parametrize(
    ("rows", "typed"),
    [
        (PLAIN, True),
        (PLAIN + "\n2,2,3000963,2020-03-05,2020-03-05 00:00:00,08:30,,", True),
        (PLAIN.replace("Hb", '"Hb, ""new"""'), True),
        (PLAIN.replace("3000963", "0"), True),
        (PLAIN.replace("1,1,", "1,0001,"), False),
        (PLAIN.replace("1,1,", '1,"0001",'), False),
        (PLAIN.replace("1,1,", "1,1.0,"), False),
        (PLAIN.replace("1,1,", "1,,"), False),
        (PLAIN.replace("12.5", "12;5"), False),
        (PLAIN.replace("12.5", "12.5e1"), True),
        (PLAIN.replace("12.5", "high"), False),
        (PLAIN.replace("2020-03-04,", "04/03/2020,"), False),
        (PLAIN.replace("2020-03-04", "2020-02-31"), False),
        (PLAIN.replace("2020-03-04 10:30:00", "2020-03-04T10:30:00"), True),
        (PLAIN.replace("2020-03-04 10:30:00", "2020-03-04 10:30:00+01"), False),
        (PLAIN.replace("2020-03-04 10:30:00", "2020-03-04"), True),
        (PLAIN.replace("2020-03-04 10:30:00", ""), True),
        (PLAIN + ",one more", False),
        (PLAIN + "\n\n" + PLAIN, False),
        (PLAIN + "\n,,,,,,,\n", False),
        (PLAIN.replace("Hb", "Hémoglobine"), True),
        (PLAIN.replace("Hb", '"Hb\nin lines"'), True),
        (PLAIN.replace("Hb", "NA"), True),
        (PLAIN.replace(",Hb", ",00093-0058"), False),
    ],
)
def test_the_same_as_text(rows: str, typed: bool, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    people = "person_id,person_source_value,gender_concept_id,year_of_birth\n1,0012,8507,1950\n2,0013,8532,1961\n"
    (source / "person.csv").write_text(people, encoding="utf-8")
    (source / "concept.csv").write_text("concept_id,vocabulary_id,concept_code\n3000963,LOINC,718-7\n", encoding="utf-8")
    (source / "measurement.csv").write_text(f"{HEAD}\n{rows}\n", encoding="utf-8")
    (tmp_path / "typed").mkdir()
    assert omop_csv.set_down(source, omop_format._WANTED, tmp_path / "typed") is typed
    task = TimelineTask("omop", source, "lyon")
    expected = read_rows(task, LocalDoor())
    account = convert(task, tmp_path / "out").account
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "data" / "*.parquet").select(expected.events.columns), expected.events)
    order = ["unit", "reason"]
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet").sort(order)
    assert_frame_equal(problems, expected.problems.sort(order))
    assert_frame_equal(account, expected.account)


@pytest.mark.parametrize(
    ("header", "taken"),
    [(HEAD, True), (HEAD.upper(), True), ("\ufeff" + HEAD, True), (HEAD.replace(",", ";"), False), ("Export\n" + HEAD, False),
     (HEAD.replace("person_id", "Person Id"), False), (HEAD.replace("measurement_id", "person_id"), False)],
)  # fmt: skip
def test_other_headers_are_read_as_text(header: str, taken: bool, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "measurement.csv").write_text(f"{header}\n{PLAIN}\n", encoding="utf-8")
    assert omop_csv.set_down(tmp_path, omop_format._WANTED, tmp_path / "out") is taken
