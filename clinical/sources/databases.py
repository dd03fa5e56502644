"""Tables in a database: a live PostgreSQL server, or a DuckDB file.

PostgreSQL is read in one read-only, repeatable-read transaction, so all tables are of one moment, through `COPY` and the same
CSV reader as files. Rows are ordered by their first columns (the CDM's keys), so a second reading gives the same rows.
The password is never part of the address: libpq's PGPASSWORD or PGPASSFILE give it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

from unibase.groundwork.problems import UserError

if TYPE_CHECKING:
    import asyncpg
    import duckdb

_SORT_MEMORY = "256MB"
_ROWS = 250_000
"""Rows of a DuckDB table in memory at once, and of a row group."""
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def is_server(path: Path | str) -> bool:
    """Tell whether a path is the address of a PostgreSQL server.

    >>> is_server("postgresql://records@db.lyon.example/cdm"), is_server("records.duckdb")
    (True, False)
    """
    return str(path).startswith(("postgresql:", "postgres:"))


def is_database(path: Path | str) -> bool:
    """Tell whether a path is the address of a PostgreSQL server or a DuckDB file.

    >>> is_database("records.duckdb"), is_database("records")
    (True, False)
    """
    return is_server(path) or Path(str(path)).suffix in {".duckdb", ".ddb"}


def copy_database(path: Path | str, wanted: Mapping[str, Sequence[str] | None], folder: Path) -> dict[str, list[Path]]:
    """Copy tables of a database to files, in the order of their rows: PostgreSQL to CSV, DuckDB to Parquet; return the files by table.

    Memory does not grow with a table. The files hold source data: the folder must be one that only this user can open, and must go.

    Args:
        path: `postgresql://user@host/database?schema=cdm` (further parameters go to the driver), or a DuckDB file.
        wanted: The columns to copy of each table, lower case; None for all.
        folder: Where the files go.

    Raises:
        UserError: If the database cannot be read, or the address holds a password.
    """
    if is_server(path):
        files = asyncio.run(_copy_server(str(path), wanted, folder))
    else:
        files = list(_copy_duckdb(Path(path), wanted, folder))
    return {name: [file] for name, file in files}


def _copy_duckdb(path: Path, wanted: Mapping[str, Sequence[str] | None], folder: Path) -> Iterator[tuple[str, Path]]:
    import pyarrow.parquet as pq

    # A sort that does not fit goes to the folder, not beside the database.
    with _duckdb(path, memory_limit=_SORT_MEMORY, temp_directory=str(folder / "sort"), threads="1") as connection:
        for schema, name in _duckdb_tables(connection, set(wanted)):
            columns = connection.table(f'"{schema}"."{name}"').columns
            kept = _listed(columns, wanted[name.lower()])
            query = f'SELECT {kept} FROM "{schema}"."{name}" AS t ORDER BY {_ordered(columns)}'
            file = folder / f"{name.lower()}.parquet"
            reader = connection.sql(query).to_arrow_reader(_ROWS)
            with pq.ParquetWriter(file, reader.schema, compression="lz4") as writer:
                for batch in reader:
                    writer.write_batch(batch)
            yield name.lower(), file


@contextmanager
def _duckdb(path: Path, **options: str) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    if not path.is_file():
        raise UserError(f"There is no DuckDB file at {path}.")
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        # A view in the file could name any other file of this machine.
        "enable_external_access": "false",
        **options,
    }
    try:
        with duckdb.connect(str(path), read_only=True, config=config) as connection:
            yield connection
    except duckdb.Error as error:
        # Without its text, which may hold a cell.
        raise UserError(
            f"{path} cannot be read as a DuckDB file ({type(error).__name__}). Give tables, not views on files."
        ) from None


def _duckdb_tables(connection: duckdb.DuckDBPyConnection, wanted: Collection[str]) -> list[tuple[str, str]]:
    """Return schema and name of the tables that are wanted."""
    found = connection.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
    return [(schema, name) for schema, name in found if name.lower() in wanted and _NAME.match(name) and _NAME.match(schema)]


def _listed(columns: Sequence[str], wanted: Sequence[str] | None) -> str:
    """Return columns as SQL lists them: those wanted, and the others without their values; their names are told to be unread."""
    kept = {name for name in columns if wanted is None or name.strip().lower() in wanted}
    return ", ".join(_quoted(name) if name in kept else f"NULL AS {_quoted(name)}" for name in columns)


def _ordered(columns: Sequence[str]) -> str:
    return ", ".join(f"t.{_quoted(name)}" for name in columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@asynccontextmanager
async def _snapshot(address: str, wanted: Collection[str]) -> AsyncIterator[tuple[asyncpg.Connection, str, list[str]]]:
    """Yield a connection in one read-only transaction, the schema and the tables in it that are wanted."""
    import asyncpg

    url, schema = _checked(address)
    try:
        connection = await asyncpg.connect(url, timeout=30)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise UserError(
            f"The PostgreSQL server cannot be reached ({type(error).__name__}). Check the address, and PGPASSFILE."
        ) from None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            query = "SELECT table_name FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1"
            names = [row["table_name"] for row in await connection.fetch(query, schema)]
            yield connection, schema, [name for name in names if name.lower() in wanted and _NAME.match(name)]
    finally:
        await connection.close()


async def _copy_server(address: str, wanted: Mapping[str, Sequence[str] | None], folder: Path) -> list[tuple[str, Path]]:
    out: list[tuple[str, Path]] = []
    async with _snapshot(address, wanted) as (connection, schema, names):
        for name in names:
            query = "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position"
            columns = [row["column_name"] for row in await connection.fetch(query, schema, name)]
            path = folder / f"{name.lower()}.csv"
            kept, first = _listed(columns, wanted[name.lower()]), _ordered(columns[:2])
            await _copy(connection, f'SELECT {kept} FROM "{schema}"."{name}" AS t ORDER BY {first}', path)
            out.append((name.lower(), path))
    return out


async def _copy(connection: asyncpg.Connection, query: str, path: Path) -> None:
    await connection.copy_from_query(query, output=path, format="csv", header=True, encoding="utf-8")


def _checked(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    if parts.password:
        message = "The address of the database holds a password."
        raise UserError(f"{message} Leave it out, and give it by PGPASSFILE.")
    parameters = parse_qs(parts.query)
    schema = parameters.pop("schema", ["public"])[0]
    if not _NAME.match(schema):
        raise UserError("The schema in the address of the database is no plain name.")
    said = [f"{key}={value}" for key, values in parameters.items() for value in values]
    query = "&".join(said)
    return urlunsplit(parts._replace(query=query)), schema
