"""OMOP CDM 5.4 and 5.3: CSV, Parquet, a DuckDB file, a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from unibase.clinical.formats import omop_csv, omop_people, omop_tables
from unibase.clinical.formats.declaration import Asked, ClinicalFormat, Quick
from unibase.clinical.formats.omop_batches import open_omop
from unibase.clinical.sources import databases
from unibase.clinical.sources.events import Opener, Plan, TableEvents
from unibase.clinical.sources.workbooks import open_tables, table_files
from unibase.clinical.timelines import sharded
from unibase.clinical.timelines.target import BuildReport, Target
from unibase.groundwork.files import private_folder

if TYPE_CHECKING:
    from distributed import Client

_WANTED = {"person": None, "concept": ("concept_id", "vocabulary_id", "concept_code")} | {
    name: omop_tables.columns_of(name) for name in (*omop_tables.EVENT_TABLES, "death")
}
"""Columns of the tables of a database that are read."""


def _open(asked: Asked) -> Opener:
    if databases.is_database(asked.path):
        return partial(_open_database, asked.path, asked.texts)
    return open_tables(asked.folder, partial(open_omop, texts=asked.texts))


def _open_database(path: Path | str, texts: frozenset[str], folder: Path, client: Client | None) -> Plan:
    return open_omop(databases.copy_database(path, _WANTED, folder), folder, client, texts)


def _quick(asked: Asked) -> Quick | None:
    """Return the way that reads Parquet column by column; tables of a DuckDB file have the types of the CDM, which Parquet keeps."""
    if databases.is_server(asked.path):
        return None
    if databases.is_database(asked.path) or sharded.is_parquet(Path(asked.path)):
        return partial(_write_quickly, asked)
    return partial(_write_typed, asked) if Path(asked.path).is_dir() else None


def _write_typed(asked: Asked, target: Target, client: Client | None, told: Sequence[TableEvents]) -> BuildReport | None:
    """Write a source of CSV whose cells are typed as the CDM says; None where one of them is written otherwise."""
    with private_folder(target.folder) as copies:
        typed = omop_csv.set_down(asked.folder, _WANTED, copies)
        return sharded.build_dataset(copies, target, client, texts=asked.texts, told=told) if typed else None


def _write_quickly(asked: Asked, target: Target, client: Client | None, told: Sequence[TableEvents]) -> BuildReport:
    if not databases.is_database(asked.path):
        return sharded.build_dataset(asked.folder, target, client, texts=asked.texts, told=told)
    with private_folder(target.folder) as copies:
        databases.copy_database(asked.path, _WANTED, copies)
        return sharded.build_dataset(copies, target, client, texts=asked.texts, told=told)


def _files(folder: Path) -> Iterable[Path]:
    return table_files(folder, packed=not sharded.is_parquet(folder))


FORMAT = ClinicalFormat(title="OMOP CDM 5.4 and 5.3", open=_open, files=_files, people=omop_people.omop_people, quick=_quick)
