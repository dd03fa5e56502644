"""MEDS as a source: of another tool, and the way back of ours."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tests.clinical.conftest import lookup_of
from tests.clinical.test_derivations import index
from tests.clinical.whole import read_events
from unibase.clinical.derived.endpoints import derive
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.options import ClinicalSource
from unibase.clinical.timelines.centre import TimelineTask, convert
from unibase.groundwork.problems import UserError


def dataset(folder: Path, rows: list[dict[str, object]], name: str = "0.parquet") -> Path:
    (folder / "data" / "train").mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(rows, schema={"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String,
                                       "numeric_value": pl.Float32, "text_value": pl.String})  # fmt: skip
    frame.write_parquet(folder / "data" / "train" / name)
    return folder


def row(
    subject: int | None, time: datetime | None, code: str | None, number: float | None = None, text: str | None = None
) -> dict[str, object]:
    return {"subject_id": subject, "time": time, "code": code, "numeric_value": number, "text_value": text}


def test_a_dataset_of_another_tool(tmp_path: Path) -> None:
    source = dataset(
        tmp_path / "CHU-été",
        [
            row(7, None, "GENDER//F"),
            row(7, datetime(1950, 3, 4), "MEDS_BIRTH"),
            row(7, datetime(2021, 3, 4), "LOINC//718-7", 12.5),
            row(7, datetime(2021, 3, 4, 10, 11), "ICD10CM//C34.1", None, "Madame Dupont est venue"),
            row(7, datetime(2021, 3, 5), None),
            row(8, datetime(2022, 1, 1), "MEDS_DEATH"),
        ],
    )
    people = read_people("meds", source, "CHU-été")
    assert people.select("system", "identifier", "birth_date", "sex").rows() == [
        ("meds", "7", "1950-03-04", "F"),
        ("meds", "8", None, None),
    ]
    told = read_events(TimelineTask("meds", source, "CHU-été", lookup_of(people, 0), cutoff="none"))
    assert told.events.filter(pl.col("code") == "SEX//F").height == 1
    day, moment = (told.events.filter(pl.col("code") == code).row(0, named=True) for code in ("LOINC//718-7", "ICD10CM//C34.1"))
    assert (day["time_max"] - day["time_min"]).total_seconds() > 86_000 and moment["time_min"] == moment["time_max"]
    assert sorted(told.problems["reason"]) == ["missing-code", "text-withheld"]
    assert "Dupont" not in str(told.problems.to_dicts()) + str(told.events.to_dicts())
    assert told.account.row(0)[1:] == (6, 5, 1, 0, 5)


def test_a_death_without_a_time_is_a_death(tmp_path: Path) -> None:
    """MEDS has no time for what always holds; nobody was always dead. The person came out alive."""
    rows = [row(7, datetime(2021, 3, 4), "VISIT//AMB"), row(7, None, "MEDS_DEATH"), row(7, None, "GENDER//F")]
    source = dataset(tmp_path / "CHU-été", rows)
    people = read_people("meds", source, "CHU-été")
    told = read_events(TimelineTask("meds", source, "CHU-été", lookup_of(people, 0), cutoff="none"))
    assert told.problems.select("reason", "unit").rows() == [("missing-date", "CHU-été/meds/data#2/time")]
    subject = told.events["subject_id"][0]
    survival = derive(told.events, index((subject, "2021-03-04")), "OS")
    assert survival["CNSR"].to_list() == [0] or survival["problem"].is_not_null().all()


def test_there_and_back(simulated: Path, tmp_path: Path) -> None:
    """What we write is read again as it was, partial dates, ends and units too."""
    source = simulated / "centre_c" / "osiris_rwd"
    source = source if source.exists() else simulated / "centre_c" / "osiris-rwd"
    convert(TimelineTask("osiris-rwd", source, "C", cutoff="none"), tmp_path / "first")
    written = pl.read_parquet(tmp_path / "first" / "data" / "*.parquet")
    texts = tuple(written["text_value"].drop_nulls().unique())
    convert(TimelineTask("meds", tmp_path / "first", "C", texts=texts, cutoff="none"), tmp_path / "second")
    columns = ["subject_id", "time", "code", "numeric_value", "text_value", "time_min", "time_max", "end_time", "unit"]
    once, twice = (pl.read_parquet(tmp_path / name / "data" / "*.parquet").select(columns) for name in ("first", "second"))
    assert once.height > 500
    assert once.sort(columns).equals(twice.sort(columns))


def test_what_is_no_dataset_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Name the folder of a MEDS dataset"):
        read_people("meds", tmp_path, "A")
    assert ClinicalSource(format="meds", path="x").format == "meds"
