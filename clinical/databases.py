"""OMOP tables in a database: a live PostgreSQL server, or a DuckDB file.

PostgreSQL is read in one read-only, repeatable-read transaction, so all tables are of one moment, through `COPY` and the same
CSV reader as files. Rows are ordered by their first columns (the CDM's keys), so a second reading gives the same rows.
The password is never part of the address: libpq's PGPASSWORD or PGPASSFILE give it.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import polars as pl

from clinical.reading import SourceTable, lower_columns, read_table
from groundwork.problems import UserError

Reader = Callable[[str], SourceTable]
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def is_database(path: Path | str) -> bool:
    """Tell whether a path is the address of a PostgreSQL server or a DuckDB file."""
    return str(path).startswith(("postgresql:", "postgres:")) or Path(str(path)).suffix in {".duckdb", ".ddb"}


def open_database(path: Path | str, wanted: set[str]) -> tuple[list[str], Reader]:
    """Return the tables of a database that are wanted, and the function that reads one of them.

    Args:
        path: `postgresql://user@host/database?schema=cdm` (further parameters go to the driver), or a DuckDB file.
        wanted: Tables to read, lower case; others are left alone.

    Raises:
        UserError: If the database cannot be read, or the address holds a password.
    """
    if str(path).startswith(("postgresql:", "postgres:")):
        tables = asyncio.run(_copy_all(str(path), wanted))
    else:
        tables = _read_duckdb(Path(path), wanted)
    return sorted(tables), tables.__getitem__


def _read_duckdb(path: Path, wanted: set[str]) -> dict[str, SourceTable]:
    import duckdb

    if not path.is_file():
        raise UserError(f"There is no DuckDB file at {path}.")
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    out: dict[str, SourceTable] = {}
    with duckdb.connect(str(path), read_only=True, config=config) as connection:
        for schema, name in connection.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall():
            if name.lower() in wanted and _NAME.match(name) and _NAME.match(schema):
                rows = connection.sql(f'SELECT * FROM "{schema}"."{name}" ORDER BY ALL').to_arrow_table()
                frame = pl.from_arrow(rows)
                assert isinstance(frame, pl.DataFrame)
                frame = lower_columns(frame, path)
                numbered = frame.with_row_index("source_row", offset=1).with_columns(pl.col("source_row").cast(pl.Int64))
                out[name.lower()] = SourceTable(name.lower(), numbered, frame.height)
    return out


async def _copy_all(address: str, wanted: set[str]) -> dict[str, SourceTable]:
    import asyncpg

    url, schema = _checked(address)
    try:
        connection = await asyncpg.connect(url, timeout=30)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise UserError(
            f"The PostgreSQL server cannot be reached ({type(error).__name__}). Check the address, and PGPASSFILE."
        ) from None
    out: dict[str, SourceTable] = {}
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            query = "SELECT table_name FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1"
            names = [row["table_name"] for row in await connection.fetch(query, schema)]
            for name in names:
                if name.lower() in wanted and _NAME.match(name):
                    out[name.lower()] = await _copy(connection, schema, name)
    finally:
        await connection.close()
    return out


async def _copy(connection: Any, schema: str, name: str) -> SourceTable:
    # The file lives while it is read, in a folder only this user can open: it holds source data.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name.lower()}.csv"
        await connection.copy_from_query(
            f'SELECT * FROM "{schema}"."{name}" ORDER BY 1, 2', output=path, format="csv", header=True, encoding="utf-8"
        )
        return read_table(path)


def _checked(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    if parts.password:
        raise UserError("The address of the database holds a password. Leave it out, and give it by PGPASSFILE.")
    parameters = parse_qs(parts.query)
    schema = parameters.pop("schema", ["public"])[0]
    if not _NAME.match(schema):
        raise UserError("The schema in the address of the database is no plain name.")
    query = "&".join(f"{key}={value}" for key, values in parameters.items() for value in values)
    return urlunsplit(parts._replace(query=query)), schema
