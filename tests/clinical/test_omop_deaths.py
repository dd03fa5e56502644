"""Deaths that OMOP tells outside its table DEATH: a person who died in a stay, or by an observation, is not alive.

The right values are by hand: what CDM 5.4 says of each column, and days that lie within the stay.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.clinical.whole import read_rows
from unibase.clinical.derived.vital import death_of
from unibase.clinical.formats.omop_deaths import ends_with_death
from unibase.clinical.timelines.centre import TimelineTask, convert
from unibase.clinical.timelines.door import LocalDoor
from unibase.clinical.timelines.meds import read_dataset
from unibase.clinical.words.partial_dates import UNKNOWN_MAX, UNKNOWN_MIN

END = {"hour": 23, "minute": 59, "second": 59, "microsecond": 999_999}
DAY = date(2020, 3, 1)


def stay(last: date | None, **ended: int | str) -> dict[str, Any]:
    return {"visit_concept_id": 9201, "visit_start_date": DAY, "visit_end_date": last, **ended}


def seen(**said: Any) -> dict[str, Any]:
    return {"observation_date": DAY, **said}


def ill(**said: Any) -> dict[str, Any]:
    return {"condition_concept_id": 434489, "condition_start_date": DAY, **said}


def on(first: datetime, last: date) -> list[tuple[datetime | None, datetime, datetime]]:
    """Return the one death whose day is between two days; exact when they are one."""
    return [(first if first.date() == last else None, first, datetime(last.year, last.month, last.day, **END))]


FIRST = datetime(2020, 3, 1)
OF_THE_DAY = on(FIRST, DAY)
NOBODY: list[tuple[datetime | None, datetime, datetime]] = []
UNKNOWN = [(None, UNKNOWN_MIN, UNKNOWN_MAX)]
CASES = [
    # a stay that ended with death: CDM 5.4, CDM 5.3, of one day, without an end, ended before it began, with another end
    ("visit_occurrence", stay(date(2020, 3, 5), discharged_to_concept_id=4216643), on(FIRST, date(2020, 3, 5))),
    ("visit_occurrence", stay(date(2020, 3, 5), discharge_to_concept_id=4216643), on(FIRST, date(2020, 3, 5))),
    ("visit_occurrence", stay(DAY, discharged_to_concept_id=4216643), OF_THE_DAY),
    ("visit_occurrence", stay(None, discharged_to_concept_id=4216643), UNKNOWN),
    ("visit_occurrence", stay(date(2020, 2, 1), discharged_to_concept_id=4216643), UNKNOWN),
    ("visit_occurrence", stay(date(2020, 3, 5), discharged_to_concept_id=8536), NOBODY),
    ("visit_occurrence", stay(date(2020, 3, 5)), NOBODY),
    # by the word alone, in either spelling of the column
    ("visit_occurrence", stay(DAY, discharged_to_concept_id=0, discharged_to_source_value="DIED"), OF_THE_DAY),
    ("visit_occurrence", stay(date(2020, 3, 5), discharge_to_source_value="Décédé(e)"), on(FIRST, date(2020, 3, 5))),
    ("visit_occurrence", stay(DAY, discharged_to_source_value="EXPIRED IN FACILITY"), OF_THE_DAY),
    ("visit_occurrence", stay(DAY, discharged_to_source_value="HOME"), NOBODY),
    ("visit_occurrence", stay(DAY, discharged_to_source_value="9"), NOBODY),
    # observations and conditions
    ("observation", seen(observation_concept_id=4306655), OF_THE_DAY),
    ("observation", seen(observation_concept_id=434489, value_as_concept_id=0), OF_THE_DAY),
    ("observation", seen(observation_concept_id=4306655, value_as_concept_id=4188540), NOBODY),
    ("observation", seen(observation_concept_id=4306655, value_as_number=0.0), NOBODY),
    ("observation", seen(observation_concept_id=4275495), NOBODY),
    ("condition_occurrence", ill(), OF_THE_DAY),
    ("condition_occurrence", ill(condition_status_concept_id=32899), NOBODY),
]


def events(folder: Path, **tables: list[dict[str, Any]]) -> pl.DataFrame:
    (folder / "omop").mkdir()
    person = {"person_id": 1, "year_of_birth": 1950, "gender_concept_id": 8532}
    for name, rows in {"person": [person], **tables}.items():
        pl.DataFrame([{"person_id": 1} | one for one in rows]).write_csv(folder / "omop" / f"{name}.csv")
    return read_rows(TimelineTask("omop", folder / "omop", "CHU-été"), LocalDoor()).events


@pytest.mark.parametrize(("table", "row", "deaths"), CASES)
def test_what_says_that_a_person_died(
    table: str, row: dict[str, Any], deaths: list[tuple[datetime | None, datetime, datetime]], tmp_path: Path
) -> None:
    found = events(tmp_path, **{table: [row]})
    dead = found.filter(pl.col("code") == "MEDS_DEATH")
    assert dead.select("time", "time_min", "time_max").rows() == deaths
    assert found.filter(pl.col("source").str.ends_with(table) & (pl.col("code") != "MEDS_DEATH")).height == 1  # the row itself


def test_the_day_of_the_table_of_deaths_counts_within_the_stay(tmp_path: Path) -> None:
    rows = {
        "visit_occurrence": [stay(date(2020, 3, 5), discharged_to_concept_id=4216643)],
        "death": [{"death_date": date(2020, 3, 4)}],
    }
    found = events(tmp_path, **rows)
    known = death_of(found.filter(pl.col("code") == "MEDS_DEATH")).row(0, named=True)
    assert (known["death_min"], known["death_conflict"]) == (datetime(2020, 3, 4), False)
    assert known["death_source"] == "CHU-été/omop/death"


def test_a_death_outside_the_stay_that_ended_with_it_is_told(tmp_path: Path) -> None:
    rows = {
        "visit_occurrence": [stay(date(2020, 3, 5), discharged_to_concept_id=4216643)],
        "death": [{"death_date": date(2021, 3, 4)}],
    }
    found = events(tmp_path, **rows)
    assert death_of(found.filter(pl.col("code") == "MEDS_DEATH"))["death_conflict"].to_list() == [True]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_stay_that_ends_with_a_word_in_the_quick_road_too(suffix: str, tmp_path: Path) -> None:
    """Parquet of the CDM's own types goes another way than CSV: both find the death."""
    (tmp_path / "omop").mkdir()
    person = pl.DataFrame({"person_id": [1, 2], "year_of_birth": [1950, 1951], "gender_concept_id": [8532, 8507]})
    visits = pl.DataFrame(
        {
            "person_id": [1, 2], "visit_concept_id": [9201, 9201], "visit_start_date": [DAY, DAY], "visit_end_date": [DAY, DAY],
            "discharged_to_source_value": ["DIED", "HOME"],
        }
    )  # fmt: skip
    for name, frame in (("person", person), ("visit_occurrence", visits)):
        getattr(frame, f"write_{suffix}")(tmp_path / "omop" / f"{name}.{suffix}")
    task = TimelineTask("omop", tmp_path / "omop", "CHU-été")
    assert convert(task, tmp_path / "out").events > 0
    found = read_dataset(tmp_path / "out")
    assert found.filter(pl.col("code") == "MEDS_DEATH").height == 1


DEATHS = ("DIED", "Décédé(e)", "Décès", "DCD", "Sortie par décès", "Mort", "Verstorben", "gestorben", "Exitus", "fallecida", "deceduto", "overleden", "óbito", "Expired in medical facility")  # fmt: skip
NO_DEATHS = ("HOME", "Discharged alive", "not died", "Mortality review", "Domicile", "20", "TODAY", "")


def test_words_that_end_a_stay_with_death() -> None:
    frame = pl.DataFrame({"to": [*DEATHS, *NO_DEATHS]}).with_columns(ends_with_death("to").alias("death"))
    assert frame["death"].to_list() == [True] * len(DEATHS) + [False] * len(NO_DEATHS)


@pytest.mark.parametrize(("person", "in_events", "known"), [("1.0", "1", True), ("1", "1.0", True), ("00123", "123", False)])
def test_persons_that_a_program_wrote_as_floats(person: str, in_events: str, known: bool, tmp_path: Path) -> None:
    (tmp_path / "person.csv").write_text(f"person_id,year_of_birth,gender_concept_id\n{person},1950,8532\n", encoding="utf-8")
    row = f"person_id,visit_concept_id,visit_start_date\n{in_events},9201,2020-03-01\n"
    (tmp_path / "visit_occurrence.csv").write_text(row, encoding="utf-8")
    result = read_rows(TimelineTask("omop", tmp_path, "CHU-été"), LocalDoor())
    assert (result.events.filter(pl.col("code") == "VISIT//OMOP//9201").height == 1) == known
    told = result.problems["reason"].to_list()
    assert ("number-as-float" in told) == ("." in person + in_events)
    assert ("unknown-person" in told) == (not known)
