"""The quick way of Parquet gives what reading row by row gives, in this process and on a Dask client."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from tests.clinical.conftest import lookup_of
from tests.clinical.whole import read_rows
from unibase.clinical.formats.omop_codebook import Persons, codebook
from unibase.clinical.formats.omop_plain_rows import plain_rows
from unibase.clinical.formats.parquet_columns import Source
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.sources.reading import find_tables, read_tables
from unibase.clinical.timelines import meds
from unibase.clinical.timelines.centre import TimelineTask
from unibase.clinical.timelines.door import VaultDoor
from unibase.clinical.timelines.sharded import build_dataset
from unibase.clinical.timelines.target import Target
from unibase.groundwork.cluster import dask_client
from unibase.groundwork.problems import UserError


@pytest.fixture(scope="module")
def parquet(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated OMOP centre as Parquet: concept numbers as integers, all else as the CSV has it; small row groups."""
    folder = tmp_path_factory.mktemp("parquet")
    for name, paths in find_tables(simulated / "centre_a" / "omop").items():
        frame = read_tables(paths, name).frame.drop("source_row")
        numbers = [column for column in frame.columns if column.endswith("concept_id")]
        frame = frame.with_columns(pl.col(column).cast(pl.Int64) for column in numbers)
        days = [column for column in frame.columns if column.endswith("_date")]
        if name != "measurement":
            # Measurement keeps its impossible day, which only text can hold.
            frame = frame.with_columns(
                pl.col(column).str.to_date("%Y-%m-%d", strict=False) for column in days if name != "concept"
            )
        frame.write_parquet(folder / f"{name}.parquet", row_group_size=40)
    return folder


def test_the_same_as_whole_tables(parquet: Path, tmp_path: Path) -> None:
    lookup = lookup_of(read_people("omop", parquet, "A"))
    whole = read_rows(TimelineTask("omop", parquet, "A", lookup), VaultDoor(lookup))
    report = build_dataset(
        parquet, Target(tmp_path / "one", "A", "omop", VaultDoor(lookup), subjects_per_shard=5), rows_per_batch=60
    )
    assert report.shards == 5
    assert report.account.equals(whole.account)
    assert meds.validate_dataset(tmp_path / "one") == []
    assert meds.read_dataset(tmp_path / "one").equals(whole.events)
    problems = pl.read_parquet(tmp_path / "one" / "metadata" / "problems.parquet")
    assert problems.equals(whole.problems)
    # Other batches, same bytes.
    build_dataset(parquet, Target(tmp_path / "two", "A", "omop", VaultDoor(lookup), subjects_per_shard=5), rows_per_batch=1000)
    for file in sorted((tmp_path / "one").rglob("*.parquet")):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


def test_tables_without_rows_and_unknown_ones_are_told(parquet: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(parquet, source)
    pl.read_parquet(parquet / "visit_occurrence.parquet").clear().write_parquet(source / "visit_occurrence.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(source / "famille_dupont.parquet")
    lookup = lookup_of(read_people("omop", source, "A"))
    whole = read_rows(TimelineTask("omop", source, "A", lookup), VaultDoor(lookup))
    report = build_dataset(source, Target(tmp_path / "out", "A", "omop", VaultDoor(lookup)))
    assert_frame_equal(report.account, whole.account)
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")
    assert_frame_equal(problems, whole.problems)
    assert "unknown-table" in set(problems["reason"])


@pytest.mark.slow
def test_on_dask(parquet: Path, tmp_path: Path) -> None:
    lookup = lookup_of(read_people("omop", parquet, "A"))
    build_dataset(parquet, Target(tmp_path / "here", "A", "omop", VaultDoor(lookup), subjects_per_shard=5), rows_per_batch=60)
    with dask_client(workers=1) as client:
        build_dataset(
            parquet, Target(tmp_path / "there", "A", "omop", VaultDoor(lookup), subjects_per_shard=5), client, rows_per_batch=60
        )
    for file in sorted((tmp_path / "here").rglob("*.parquet")):
        assert file.read_bytes() == (tmp_path / "there" / file.relative_to(tmp_path / "here")).read_bytes()


def test_csv_is_refused_with_what_to_do(simulated: Path, tmp_path: Path) -> None:
    folder = simulated / "centre_a" / "omop"
    with pytest.raises(UserError, match="not Parquet"):
        build_dataset(folder, Target(tmp_path / "x", "A", "omop", VaultDoor(lookup_of(read_people("omop", folder, "A")))))
    assert not (tmp_path / "x").exists()


def _typed(seed: int, rows: int, folder: Path) -> None:
    """Write OMOP tables in the types of the CDM, in which every kind of row occurs that needs a second look."""
    rng = np.random.default_rng(seed)
    people = list(range(1, 31))
    pl.DataFrame(
        {
            "person_id": people,
            "gender_concept_id": [8507, 8532, 0] * 10,
            "year_of_birth": [1950, 1960, None] * 10,
            "month_of_birth": [1, None, None] * 10,
            "day_of_birth": [2, None, None] * 10,
            "person_source_value": [f"P{one}" for one in people],
        }
    ).write_parquet(folder / "person.parquet")
    concepts = [(3000963, "LOINC", "718-7"), (3016407, "LOINC", "14804-9"), (201826, "SNOMED", "44054006"), (9201, "Visit", "IP")]
    concepts += [(8713, "UCUM", "g/dL"), (8636, "UCUM", "g/L"), (9999, "UCUM", "furlong"), (4181412, "SNOMED", "10828004")]
    concepts += [(45533022, "ICD10", "E11.9"), (2000000001, "MIMIC lab", "50912")]
    pl.DataFrame(concepts, schema=["concept_id", "vocabulary_id", "concept_code"], orient="row").write_parquet(
        folder / "concept.parquet"
    )

    def some(*values: object) -> list[object]:
        return [values[one] for one in rng.integers(0, len(values), rows)]

    def moments(*, clocks: bool) -> list[datetime]:
        days = rng.integers(0, 200, rows)
        at = [datetime(2015, 1, 1) + timedelta(days=int(day)) for day in days]
        # Few clocks, so that rows of several tables share a time.
        return [
            one + timedelta(hours=int(h)) if clocks and h % 3 else one
            for one, h in zip(at, rng.integers(0, 4, rows), strict=True)
        ]

    stamp = pl.Datetime("us")
    start = moments(clocks=True)
    if seed % 2:
        # A time that is no whole second, centuries away: subject, time and place of a row do not fit one number.
        start[rows // 2] = datetime(1690, 1, 1, 12, 0, 0, 1)
    hours = rng.integers(-30, 100, rows).tolist()
    end: list[datetime | None] = [one + timedelta(hours=h) if h < 90 else None for one, h in zip(start, hours, strict=True)]
    person = some(*people, 77, None)
    pl.DataFrame(
        {
            "person_id": person,
            "measurement_concept_id": some(3000963, 3000963, 3016407, 0, 555, None),
            "measurement_source_concept_id": some(0, 2000000001, 3000963, None),
            "measurement_date": some(None, *[date(2015, 2, day) for day in range(1, 28)]),
            "measurement_datetime": pl.Series(
                [one if h else None for one, h in zip(start, rng.integers(0, 9, rows), strict=True)], dtype=stamp
            ),
            "measurement_source_value": some("718-7", "L999", None),
            "value_as_number": some(12.5, 13.0, None, 120.0),
            "value_as_concept_id": some(0, 0, 4181412, 777, None),
            "value_source_value": some(None, None, "POSITIVE", "12"),
            "operator_concept_id": some(0, 0, 0, 4172704, 4172703),
            "unit_concept_id": some(8713, 8713, 8636, 9999, 0, None),
            "unit_source_value": some(None, "g/dL", "furlong"),
        }
    ).write_parquet(folder / "measurement.parquet", row_group_size=97)
    pl.DataFrame(
        {
            "person_id": person,
            "condition_concept_id": some(201826, 201826, 0),
            "condition_source_concept_id": some(0, 45533022, 201826),
            "condition_start_date": [one.date() for one in start],
            "condition_start_datetime": pl.Series(start, dtype=stamp),
            "condition_end_date": [None if one is None else one.date() for one in end],
            "condition_end_datetime": pl.Series(end, dtype=stamp),
            "condition_source_value": some("E11.9", "free text", None),
        }
    ).write_parquet(folder / "condition_occurrence.parquet", row_group_size=97)
    pl.DataFrame(
        {
            "person_id": pl.Series(some(*people), dtype=pl.Int32),
            "visit_concept_id": pl.Series([9201] * rows, dtype=pl.Int32),
            "visit_start_date": [one.date() for one in moments(clocks=False)],
            "visit_end_date": pl.Series([None] * rows, dtype=pl.Date),
            "discharged_to_concept_id": pl.Series([0] * 97 + some(*[0] * 40, None, 4216643)[97:], dtype=pl.Int32),
        }
    ).write_parquet(folder / "visit_occurrence.parquet", row_group_size=97)
    pl.DataFrame(
        {
            "person_id": person,
            "observation_concept_id": some(*[201826] * 40, 4306655, 434489),
            "observation_date": [one.date() for one in start],
            "value_as_concept_id": some(0, 0, 4188540, None),
        }
    ).write_parquet(folder / "observation.parquet", row_group_size=97)
    dead = people[::3]
    pl.DataFrame(
        {"person_id": dead, "death_date": [date(2015, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 260, len(dead))]}
    ).write_parquet(folder / "death.parquet")


@pytest.mark.parametrize("seed", range(4))
def test_plain_rows_give_what_the_general_way_gives(seed: int, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    _typed(seed, 600, source)
    lookup = lookup_of(read_people("omop", source, "A"))
    whole = read_rows(TimelineTask("omop", source, "A", lookup), VaultDoor(lookup))
    report = build_dataset(
        source, Target(tmp_path / "out", "A", "omop", VaultDoor(lookup), subjects_per_shard=7), rows_per_batch=200
    )
    assert meds.validate_dataset(tmp_path / "out") == []
    assert_frame_equal(meds.read_dataset(tmp_path / "out"), whole.events)
    assert_frame_equal(report.account, whole.account)
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet"), whole.problems)
    counts = meds.count_codes(tmp_path / "out")
    assert dict(counts.iter_rows()) == dict(whole.events["code"].value_counts().iter_rows())
    reasons = set(whole.problems["reason"])
    assert {"unknown-person", "missing-person", "unknown-unit", "end-before-start", "unknown-code", "impossible-date"} <= reasons
    # Where source and standard concept are two codes, each makes an event of the row.
    twice = whole.events.filter(pl.struct("source", "source_row").is_duplicated() & pl.col("source").str.ends_with("occurrence"))
    assert {"ICD10//E11.9", "SNOMED//44054006"} <= set(twice["code"])
    # Deaths that other tables tell are deaths.
    deaths = whole.events.filter(pl.col("code") == "MEDS_DEATH")["source"].unique()
    assert set(deaths) == {"A/omop/death", "A/omop/observation", "A/omop/visit_occurrence"}
    # The plain way was taken, too: most rows of the third table need no second look.
    book = codebook(
        [9201],
        pl.DataFrame([(9201, "Visit", "IP")], schema=["concept_id", "vocabulary_id", "concept_code"], orient="row"),
        ["VISIT//"],
    )
    known = pl.DataFrame({"person": [str(one) for one in range(1, 31)], "subject_id": range(1, 31), "shift_days": [0] * 30})
    columns = Source(pq.ParquetFile(source / "visit_occurrence.parquet"), (0,))
    found = plain_rows(columns, "visit_occurrence", book, Persons.of(known, known["subject_id"]))
    assert found is not None and len(found.others) == 0 and len(found.rank) == 97
