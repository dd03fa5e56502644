"""The subjects of a cohort, when they could enter it, and the splits a study asks for."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS, SAMPLE_MAP, SERIES
from unibase.linking.entry import entries
from unibase.linking.options import SplitRules
from unibase.linking.splits import make_splits, with_split
from unibase.linking.subject_table import describe_subjects
from unibase.privacy.keys import Key

KEY = Key(b"k" * 32)
CONCEPTS = {"sex": ["SEX//"]}


def test_who_enters_a_cohort_when() -> None:
    day = pl.datetime(2020, 1, 1)
    series = pl.select(
        pl.Series("subject_id", [1, 1, 2]), pl.Series("Modality", ["CT", "MR", "MR"]), day.alias("series_time")
    ).with_columns(pl.col("series_time") + pl.duration(days=pl.Series([5, 2, 9])))
    samples = pl.select(
        pl.Series("assay", ["rna", "rna"]),
        pl.Series("primary", [1, 2]),
        pl.Series("status", ["used", "quarantined"]),
        day.alias("sample_time_max"),
    )
    found = entries(["index", "imaging:CT", "rna"], series, samples).with_columns(pl.col("time").dt.date().cast(pl.String))
    assert sorted(found.rows()) == [(1, "2020-01-01"), (1, "2020-01-06")]
    assert sorted(entries(["imaging"], series, samples)["subject_id"]) == [1, 2]
    assert entries(["index"], series, samples).is_empty()


def facts(*rows: tuple[int, str, str]) -> pl.DataFrame:
    """Return EVENTS of `subject_id, code, source`."""
    frame = pl.DataFrame(rows, schema=["subject_id", "code", "source"], orient="row")
    return EVENTS.conform(frame.with_columns(pl.int_range(1, pl.len() + 1).alias("source_row")))


def members(*subjects: int) -> pl.DataFrame:
    return pl.DataFrame({"subject_id": subjects}).with_columns(
        pl.lit(datetime(2020, 1, 1, 9)).alias("index_time"), pl.lit(61.5).alias("age")
    )


def test_a_subject_is_described_by_all_its_centres_and_what_there_is_of_it() -> None:
    samples = pl.DataFrame(
        {
            "assay": ["rna", "rna"],
            "primary": [1, 2],
            "colname": ["a", "b"],
            "centre": ["C", "B"],
            "sample_type": ["tumour"] * 2,
            "status": ["used", "quarantined"],
            "reason": ["", "empty-sample"],
        }
    )
    events = facts((1, "SEX//F", "B/people"), (1, "LAB//1", "A/lab"), (2, "SEX//H", "B/people"), (3, "SEX//M", "B/people"))
    found = describe_subjects(events, members(1, 2), SERIES.empty(), SAMPLE_MAP.conform(samples), CONCEPTS, centres="ABC")
    assert found.columns == ["subject_id", "centre", "centres", "SEX", "AGE", "INDEXDT", "has_imaging", "has_rna"]
    assert found.rows() == [
        (1, "A", "A;B;C", "F", 61.5, date(2020, 1, 1), False, True),
        (2, "B", "B", "M", 61.5, date(2020, 1, 1), False, False),
    ]


def test_a_centre_keeps_its_name_and_what_we_derive_is_of_none() -> None:
    names = ["lyon", "CHU-été", "CHU", "derived", "a/b"]
    events = facts(
        (1, "SEX//F", "CHU-été/omop/person"), (1, "DERIVED//LINE", "derived/treatments"), (2, "SEX//F", "lyon/fhir/Patient"),
        (3, "SEX//M", "a/b/osiris/Patient"), (3, "LAB//1", "CHU/omop/measurement"),
    )  # fmt: skip
    found = describe_subjects(events, members(1, 2, 3), SERIES.empty(), SAMPLE_MAP.empty(), CONCEPTS, centres=names)
    assert found.select("subject_id", "centre", "centres").rows() == [
        (1, "CHU-été", "CHU-été"),
        (2, "lyon", "lyon"),
        (3, "CHU", "CHU;a/b"),
    ]
    held = make_splits(found, members(1, 2, 3), SplitRules(by_centre=True), KEY, {})
    assert set(held["held_out"]) == {"CHU-été", "lyon", "CHU", "a/b"}
    tested = held.filter(pl.col("part") == "test").select("held_out", "subject_id").rows()
    assert sorted(tested) == [("CHU-été", 1), ("lyon", 2)]


def test_sex_is_what_the_first_source_tells() -> None:
    events = facts((1, "SEX//M", "B/people"), (1, "SEX//F", "A/people"))
    found = describe_subjects(events, members(1), SERIES.empty(), SAMPLE_MAP.empty(), CONCEPTS, centres="AB")
    assert found["SEX"].to_list() == ["F"]
    with pytest.raises(UserError, match="sex"):
        describe_subjects(events, members(1), SERIES.empty(), SAMPLE_MAP.empty(), {"ldh": ["LAB"]}, centres="AB")


def test_every_split_that_a_study_asks_for_is_made_and_stands_beside_the_subject() -> None:
    subjects = pl.DataFrame({"subject_id": range(1, 41), "centres": ["A", "B", "A;B", "C"] * 10})
    index = pl.DataFrame({"subject_id": range(1, 41), "index_time": [datetime(2020, 1, day % 28 + 1) for day in range(40)]})
    rules = SplitRules.model_validate(
        {"parts": {"train": 0.5, "test": 0.5}, "folds": 4, "by_centre": True, "by_time": date(2020, 1, 15)}
    )
    found = make_splits(subjects, index, rules, KEY, dict.fromkeys(range(1, 41), 0))
    assert set(found["scheme"]) == {"parts", "folds", "centre", "time"}
    assert sorted(found.filter(pl.col("scheme") == "centre")["held_out"].unique()) == ["A", "B", "C"]
    # Persons of two centres are in neither part when one of them is held out.
    both = found.filter(pl.col("scheme") == "centre", pl.col("subject_id").is_in(list(range(3, 41, 4))))
    assert set(both["held_out"]) == {"C"}
    time = found.filter(pl.col("scheme") == "time").join(index, on="subject_id")
    assert ((time["index_time"] < datetime(2020, 1, 15)) == (time["part"] == "train")).all()
    described = with_split(subjects, found)
    assert described["split"].null_count() == described["fold"].null_count() == 0
    tested = found.filter(pl.col("scheme") == "folds", pl.col("part") == "test")
    assert tested.height == 40 and tested["subject_id"].is_unique().all()


def test_a_study_without_splits_gets_an_empty_table_and_no_column() -> None:
    subjects = pl.DataFrame({"subject_id": [1], "centres": ["A"]})
    found = make_splits(subjects, members(1), SplitRules(), KEY, {})
    assert found.is_empty()
    assert with_split(subjects, found).columns == subjects.columns
