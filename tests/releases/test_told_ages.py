"""Ages and births as a release tells them: what each tells, that both tell the same, and what it costs Cox's model."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.tables import EVENTS
from unibase.methods.cox import cox
from unibase.methods.survival import concordance
from unibase.privacy.leaks.leak_scan import Needle
from unibase.releases.attack.life_spans import among_all_dead, life_spans
from unibase.releases.content.leaving import Birth, Leaving
from unibase.releases.content.publish import publish_release
from unibase.releases.content.told_ages import births_left_open, told_ages

SUBJECTS = 2_000

TOLD = (
    # age at 15 June 2020, age that is told, first and last day of birth that is left open, 1 January that the timeline shows
    (0, 0, "2019-06-15", "2020-06-16", "2020-01-01"),
    (19, 19, "2000-06-15", "2001-06-16", "2001-01-01"),
    (20, 25, "1990-06-15", "2000-06-16", "1995-01-01"),
    (29, 25, "1990-06-15", "2000-06-16", "1995-01-01"),
    (30, 35, "1980-06-15", "1990-06-16", "1985-01-01"),
    (39, 35, "1980-06-15", "1990-06-16", "1985-01-01"),
    (40, 42, "1975-06-15", "1980-06-16", "1978-01-01"),
    (44, 42, "1975-06-15", "1980-06-16", "1978-01-01"),
    (54, 52, "1965-06-15", "1970-06-16", "1968-01-01"),
    (55, 55, "1964-06-15", "1965-06-16", "1965-01-01"),
    (88, 88, "1931-06-15", "1932-06-16", "1932-01-01"),
)


def one(age: float | None, index: date | None) -> pl.DataFrame:
    schema = {"subject_id": pl.Int64, "AGE": pl.Float64, "INDEXDT": pl.Date}
    return pl.DataFrame([(1, age, index)], schema=schema, orient="row")


def births(days: list[datetime]) -> pl.DataFrame:
    rows = [(n + 1, "MEDS_BIRTH", day, "lyon/people") for n, day in enumerate(days)]
    return EVENTS.conform(pl.DataFrame(rows, schema=["subject_id", "code", "time", "source"], orient="row"))


@pytest.mark.parametrize(("age", "told", "first", "last", "shown"), TOLD)
def test_a_birth_is_what_the_told_age_leaves_open(age: int, told: int, first: str, last: str, shown: str) -> None:
    subjects = told_ages(one(age, date(2020, 6, 15)))
    assert subjects["AGE"].to_list() == [told]
    left = births_left_open(subjects)
    event = Leaving(birth="year", born=left).apply(births([datetime(1901, 2, 3, 4)])).row(0, named=True)
    assert [str(event[name].date()) for name in ("time_min", "time_max", "time")] == [first, last, shown]


@pytest.mark.parametrize(("age", "index"), [(None, date(2020, 6, 15)), (61, None)])
def test_without_an_age_or_an_index_a_birth_is_its_year(age: float | None, index: date | None) -> None:
    left = births_left_open(told_ages(one(age, index)))
    event = Leaving(birth="year", born=left).apply(births([datetime(1958, 2, 3)])).row(0, named=True)
    assert [str(event[name]) for name in ("time_min", "time_max")] == ["1958-01-01 00:00:00", "1958-12-31 23:59:59.999999"]


def cohort(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return births as EVENTS and the subjects of an index day each, with their ages; persons of 18 to 90 years."""
    rng = np.random.default_rng(seed)
    index = [date(2018, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 1_500, SUBJECTS)]
    born = [
        day - timedelta(days=int(lived)) for day, lived in zip(index, rng.integers(18 * 366, 90 * 365, SUBJECTS), strict=True)
    ]
    years = [float(day.year - b.year - ((day.month, day.day) < (b.month, b.day))) for day, b in zip(index, born, strict=True)]
    subjects = pl.DataFrame(
        {"subject_id": range(1, SUBJECTS + 1), "SEX": rng.choice(["F", "M"], SUBJECTS), "AGE": years, "INDEXDT": index}
    )
    return births([datetime.combine(day, datetime.min.time()) for day in born]), subjects


@pytest.mark.parametrize("in_bands", [True, False])
def test_every_true_birth_lies_in_what_is_told_and_nobody_is_told_more_narrowly_than_by_a_year(in_bands: bool) -> None:
    events, subjects = cohort(3)
    left = births_left_open(told_ages(subjects) if in_bands else subjects, in_bands=in_bands)
    told = Leaving(birth="year", born=left).apply(events)
    assert ((told["time_min"] <= events["time"]) & (events["time"] <= told["time_max"])).all()
    assert ((told["time_min"] <= told["time"]) & (told["time"] <= told["time_max"])).all()
    assert (told["time_max"] - told["time_min"]).min() >= timedelta(days=365)  # type: ignore[operator]
    assert told.columns == events.columns and told.schema == events.schema


@pytest.mark.parametrize(("birth", "in_bands"), [("year", True), ("year", False), ("day", True)])
def test_page_and_dictionary_say_that_ages_are_middles_of_bands_where_they_are(
    birth: Birth, in_bands: bool, tmp_path: Path
) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=40)
    born = None
    if birth == "year":
        ages = pl.DataFrame({"subject_id": [1], "AGE": [33.0], "INDEXDT": [datetime(2020, 1, 1)]})
        born = births_left_open(ages, in_bands=in_bands)
    subjects = inputs.subjects.with_columns(pl.lit(47.0).alias("AGE"))
    age = pl.DataFrame({"column": ["AGE"], "label": ["Age"], "unit": ["a"], "derivation": ["Whole years at the index."]})
    out = publish_release(
        replace(inputs, subjects=subjects, dictionary=[*inputs.dictionary, age], leaving=Leaving(None, birth, born, in_bands)),
        tmp_path / "out",
    )
    words = pl.read_parquet(out / "dictionary" / "dictionary.parquet").filter(table="subjects", column="AGE")
    said = birth == "year" and in_bands
    assert words["derivation"].str.contains("in bands of ten years").to_list() == [said]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert ("rest on these middles" in page) == said and ("reposent sur ces milieux" in page) == said


def test_a_list_of_deaths_singles_out_many_by_age_and_year_of_birth_and_few_by_ages_in_bands() -> None:
    events, subjects = cohort(5)
    rng = np.random.default_rng(6)
    lived = subjects.with_columns(pl.Series("lived", rng.integers(1, 900, SUBJECTS)))
    deaths = lived.select(
        "subject_id",
        pl.lit("MEDS_DEATH").alias("code"),
        (pl.col("INDEXDT").cast(pl.Datetime("us")) + pl.duration(days="lived")).alias("time"),
        pl.lit("lyon/people").alias("source"),
    )
    events = pl.concat([events, EVENTS.conform(deaths)])
    shares = []
    for left, known in (
        (None, subjects),
        (births_left_open(subjects, in_bands=False), subjects),
        (births_left_open(told_ages(subjects)), subjects.drop("AGE")),
    ):
        spans = life_spans(Leaving(birth="year", born=left).apply(events), known)
        shares.append(among_all_dead(spans, 1_826).share)
    assert shares[0] > 1.3 * shares[1] and shares[1] > 3 * shares[2] and shares[2] < 0.05


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ratios_and_concordance_by_ages_in_bands_are_within_one_percent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(62, 13, SUBJECTS), 18, 95).astype(int).astype(float)
    frame = pl.DataFrame({"subject_id": range(SUBJECTS), "AGE": age, "INDEXDT": [date(2020, 6, 15)] * SUBJECTS})
    told = told_ages(frame)["AGE"].to_numpy()
    assert 0.1 < (told != age).mean() < 0.5
    arm = rng.integers(0, 2, SUBJECTS)
    risk = np.exp(np.log(1.5) * age / 10 + np.log(0.6) * arm)
    died, left = rng.exponential(400.0 / risk), rng.uniform(0, 60, SUBJECTS)
    time, event = np.minimum(died, left), died <= left
    tables = [np.column_stack([years / 10, arm]) for years in (age, told)]
    fits = [cox(time, event, table) for table in tables]
    assert np.exp(fits[1].log_ratio) == pytest.approx(np.exp(fits[0].log_ratio), rel=0.01)
    said = [concordance(table @ fit.log_ratio, time, event) for table, fit in zip(tables, fits, strict=True)]
    assert said[1] == pytest.approx(said[0], rel=0.01)


def test_a_told_birth_that_is_the_true_day_by_chance_stops_no_release_and_many_do(tmp_path: Path) -> None:
    index = date(2020, 6, 15)
    subjects = pl.DataFrame({"subject_id": range(1, 41), "AGE": [61.0] * 40, "INDEXDT": [index] * 40})
    leaving = Leaving(birth="year", born=births_left_open(subjects))
    (tmp_path / "data").mkdir()
    leaving.apply(births([datetime(1958, 2, 3)] * 40)).write_parquet(tmp_path / "data" / "0.parquet")
    true = [Needle("birth-date", date(1957, 3, 1 + n % 28), n + 1) for n in range(40)]
    equal = [Needle("birth-date", date(1958, 6, 15), n) for n in (7, 9, 11)]  # The first day that the age leaves open.
    assert leaving.sought([*true, *equal[:2]], tmp_path) == true
    assert leaving.sought([*true, *equal], tmp_path) == [*true, *equal]
    assert Leaving().sought([*true, equal[0]], tmp_path) == [*true, equal[0]]
