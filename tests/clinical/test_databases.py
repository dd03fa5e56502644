"""A live PostgreSQL server, started for the test as a user who is not root, and a DuckDB file: same rows as the CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.clinical.conftest import lookup_of
from tests.clinical.whole import read_events
from tests.postgres_server import postgres_server
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.sources import databases
from unibase.clinical.sources.reading import find_tables, read_tables
from unibase.clinical.timelines.centre import TimelineTask, write_events
from unibase.groundwork.problems import UserError

NUMBERS = ("concept_id",)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server of the test's own."""
    with postgres_server() as folder:
        yield f"postgresql://omop@/postgres?host={folder}&schema=cdm"


def typed(folder: Path) -> dict[str, pl.DataFrame]:
    """The simulated OMOP tables with their CDM types; the impossible day cannot be stored and is left out."""
    out = {}
    for name, paths in find_tables(folder).items():
        frame = read_tables(paths, name).frame.drop("source_row")
        if name in {"note", "cdm_source", "concept"}:
            frame = frame.select("concept_id", "vocabulary_id", "concept_code") if name == "concept" else frame
        for column in frame.columns:
            if column.endswith("_id") and not column.endswith(("source_id", "vocabulary_id", "domain_id", "class_id")):
                frame = frame.with_columns(pl.col(column).cast(pl.Int64))
            elif column.endswith("_date"):
                frame = frame.with_columns(pl.col(column).str.to_date("%Y-%m-%d", strict=False))
            elif column.endswith("_datetime"):
                frame = frame.with_columns(pl.col(column).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False))
        if name == "measurement":
            frame = frame.filter(pl.col("measurement_date").is_not_null())
        out[name] = frame.sort(frame.columns)
    return out


KINDS = {pl.Int64: "bigint", pl.Date: "date", pl.String: "varchar"}


def statements(tables: dict[str, pl.DataFrame]) -> Iterator[tuple[str, str, list[tuple[object, ...]]]]:
    for name, frame in tables.items():
        columns = ", ".join(f'"{c}" {KINDS.get(type(t), "timestamp")}' for c, t in frame.schema.items())
        yield name, f"CREATE TABLE cdm.{name} ({columns})", frame.rows()


async def fill(address: str, tables: dict[str, pl.DataFrame]) -> None:
    """Put tables into the schema `cdm` of a server."""
    import asyncpg

    connection = await asyncpg.connect(address)
    await connection.execute("CREATE SCHEMA cdm")
    for name, create, rows in statements(tables):
        await connection.execute(create)
        await connection.copy_records_to_table(name, schema_name="cdm", records=rows)
    await connection.close()


def as_files(tables: dict[str, pl.DataFrame], folder: Path) -> Path:
    folder.mkdir()
    for name, frame in tables.items():
        if name in {"person", "death", "concept", "measurement", "condition_occurrence", "drug_exposure", "visit_occurrence"}:
            frame.write_parquet(folder / f"{name}.parquet")
    return folder


WANTED = ("person", "death", "concept", "measurement", "condition_occurrence", "drug_exposure", "visit_occurrence")
UNNUMBERED = ["source_row"]


def same_events(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    columns = [name for name in left.columns if name not in UNNUMBERED]
    return left.select(columns).sort(columns).equals(right.select(columns).sort(columns))


def test_a_live_postgresql_server(server: str, simulated: Path, tmp_path: Path) -> None:
    import asyncio

    tables = {name: frame for name, frame in typed(simulated / "centre_a" / "omop").items() if name in WANTED}

    asyncio.run(fill(server.replace("&schema=cdm", ""), tables))
    people = read_people("omop", server, "A")
    lookup = lookup_of(people)
    live = read_events(TimelineTask("omop", server, "A", lookup))
    files = read_events(TimelineTask("omop", as_files(tables, tmp_path / "files"), "A", lookup))
    assert people.drop("source_row").equals(read_people("omop", tmp_path / "files", "A").drop("source_row"))
    assert live.events.height == files.events.height > 800
    assert same_events(live.events, files.events)
    again = read_events(TimelineTask("omop", server, "A", lookup))
    assert again.events.equals(live.events)
    leaves_no_copy(TimelineTask("omop", server, "A", lookup), tmp_path)


def leaves_no_copy(task: TimelineTask, folder: Path) -> None:
    """Check that no copy of a database stays behind."""
    write_events(task, folder / "out")
    assert not list(folder.rglob(".tmp-*")) and not list((folder / "out").rglob("*.csv"))


def test_a_duckdb_file(simulated: Path, tmp_path: Path) -> None:
    import duckdb

    tables = {name: frame for name, frame in typed(simulated / "centre_a" / "omop").items() if name in WANTED}
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA cdm")
        for name, create, rows in statements(tables):
            connection.execute(create)
            connection.executemany(f"INSERT INTO cdm.{name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    lookup = lookup_of(read_people("omop", path, "A"))
    stored = read_events(TimelineTask("omop", path, "A", lookup))
    files = read_events(TimelineTask("omop", as_files(tables, tmp_path / "files"), "A", lookup))
    assert same_events(stored.events, files.events)
    leaves_no_copy(TimelineTask("omop", path, "A", lookup), tmp_path)


def test_a_password_in_the_address_is_refused() -> None:
    with pytest.raises(UserError, match="password") as refusal:
        read_people("omop", "postgresql://omop:secret@localhost/cdm", "A")
    assert "secret" not in str(refusal.value)
    with pytest.raises(UserError, match="cannot be reached"):
        read_people("omop", "postgresql://omop@/cdm?host=/nowhere", "A")


def test_a_view_in_a_duckdb_file_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "person.csv").write_text("person_id,gender_concept_id,year_of_birth\n1,8507,1950\n", encoding="utf-8")
    with duckdb.connect(str(tmp_path / "cdm.duckdb")) as connection:
        connection.sql(f"CREATE VIEW person AS SELECT * FROM read_csv('{tmp_path}/person.csv')")
    (tmp_path / "copies").mkdir()
    with pytest.raises(UserError, match="cannot be read as a DuckDB file") as told:
        databases.copy_database(tmp_path / "cdm.duckdb", {"person": None}, tmp_path / "copies")
    assert "person.csv" not in str(told.value)
