"""Batch by batch gives what whole tables give, in this process and on a Dask client."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from clinical import meds
from clinical.door import VaultDoor
from clinical.people import read_people
from clinical.reading import find_tables, read_tables
from clinical.sharded import build_dataset
from clinical.timeline import TimelineTask, read_events
from groundwork.cluster import dask_client
from groundwork.problems import UserError
from tests.clinical.conftest import lookup_of


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
    whole = read_events(TimelineTask("omop", parquet, "A", lookup))
    report = build_dataset(parquet, tmp_path / "one", "A", VaultDoor(lookup), subjects_per_shard=5, rows_per_batch=60)
    assert report.shards == 5
    assert report.account.equals(whole.account)
    assert meds.validate_dataset(tmp_path / "one") == []
    assert meds.read_dataset(tmp_path / "one").equals(whole.events)
    problems = pl.read_parquet(tmp_path / "one" / "metadata" / "problems.parquet")
    assert problems.equals(whole.problems)
    # Other batches, same bytes.
    build_dataset(parquet, tmp_path / "two", "A", VaultDoor(lookup), subjects_per_shard=5, rows_per_batch=1000)
    for file in sorted((tmp_path / "one").rglob("*.parquet")):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.slow
def test_on_dask(parquet: Path, tmp_path: Path) -> None:
    lookup = lookup_of(read_people("omop", parquet, "A"))
    build_dataset(parquet, tmp_path / "here", "A", VaultDoor(lookup), subjects_per_shard=5, rows_per_batch=60)
    with dask_client(workers=1) as client:
        build_dataset(parquet, tmp_path / "there", "A", VaultDoor(lookup), client=client, subjects_per_shard=5, rows_per_batch=60)
    for file in sorted((tmp_path / "here").rglob("*.parquet")):
        assert file.read_bytes() == (tmp_path / "there" / file.relative_to(tmp_path / "here")).read_bytes()


def test_csv_is_refused_with_what_to_do(simulated: Path, tmp_path: Path) -> None:
    folder = simulated / "centre_a" / "omop"
    with pytest.raises(UserError, match="not Parquet"):
        build_dataset(folder, tmp_path / "x", "A", VaultDoor(lookup_of(read_people("omop", folder, "A"))))
    assert not (tmp_path / "x").exists()
