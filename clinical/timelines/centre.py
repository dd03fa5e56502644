"""From the clinical files of one centre to events under pseudonyms, with an account of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from unibase.clinical.formats import mapping_rules, omop
from unibase.clinical.formats.fhir import find_files
from unibase.clinical.formats.fhir_batches import open_fhir
from unibase.clinical.formats.mapped_batches import open_mapped
from unibase.clinical.formats.omop_batches import open_omop
from unibase.clinical.sources import databases, reading, workbooks
from unibase.clinical.sources.events import SOURCE_EVENTS, Opener, Plan, TableEvents
from unibase.clinical.sources.reading import RowProblem
from unibase.clinical.timelines import sharded
from unibase.clinical.timelines.batched import build_batched
from unibase.clinical.timelines.cutoff import Wanted
from unibase.clinical.timelines.door import Door, KeyDoor, LocalDoor, VaultDoor
from unibase.groundwork.files import private_folder
from unibase.groundwork.problems import UserError
from unibase.privacy.keys import Key
from unibase.privacy.subjects import SubjectLookup

if TYPE_CHECKING:
    from distributed import Client

Format = Literal["omop", "fhir", "osiris", "osiris-rwd", "csv"]


@dataclass(frozen=True)
class TimelineTask:
    """One clinical source of one centre.

    Attributes:
        format: Format of the source.
        path: Its folder (or one CSV file, for `csv`); for `omop` also a DuckDB file or the address of a PostgreSQL
            database (`postgresql://user@host/database?schema=cdm`).
        centre: Name of the centre, as in the study file.
        lookup: Finds the subject behind an identifier; None on plain files (see `convert`).
        mapping: Mapping file; needed for `csv`, allowed for `osiris` and `osiris-rwd` with other columns.
        texts: Further texts that may travel, beside those of `clinical.words.controlled`.
        cutoff: The last day that counts; `none` for no cut-off, None for the day of the export.
    """

    format: Format
    path: Path | str
    centre: str
    lookup: SubjectLookup | None = None
    mapping: Path | None = None
    texts: tuple[str, ...] = ()
    cutoff: date | Literal["none"] | None = None

    @property
    def wanted(self) -> Wanted:
        """What decides on the data cut-off."""
        return Wanted(self.cutoff, self.path if databases.is_server(self.path) else Path(self.path))


@dataclass(frozen=True)
class Written:
    """What was written of a source: how many events, subjects and problems, the account of its tables, and files that are not read.

    Names of files may tell a person: they are for the eyes of who keeps the source, and stand in no table.
    """

    events: int
    subjects: int
    problems: int
    account: pl.DataFrame
    unread: tuple[str, ...] = ()


def write_events(task: TimelineTask, folder: Path, client: Client | None = None) -> Written:
    """Write the MEDS dataset of one source for a study, through the vault's lookup: events, problems and account.

    A source is read a batch at a time, so that memory does not grow with it.

    Raises:
        UserError: If the source, or its mapping, cannot be used at all.
    """
    if task.lookup is None:
        raise UserError("Reading events into a study needs the lookup of its identity ledger.")
    return _write(task, VaultDoor(task.lookup), folder, {"source_format": task.format}, client)


def convert(task: TimelineTask, folder: Path, key: Key | None = None) -> Written:
    """Write the MEDS dataset of one source without a study: `unibase timeline SRC OUT --from FORMAT [--key-file K]`.

    With a key, subjects are keyed pseudonyms of the hospital number and dates are shifted. Without one, the result is
    not pseudonymised: subjects are local numbers (a positive OMOP person_id, else a count in the order of identifiers)
    and dates are as in the source; `metadata/dataset.json` says so.

    Raises:
        UserError: If the source, or its mapping, cannot be used at all.
    """
    way: Door = LocalDoor() if key is None else KeyDoor(key)
    notes = {
        "pseudonymised": key is not None,
        "key_fingerprint": key.fingerprint if key else None,
        "source_format": task.format,
    }
    return _write(task, way, folder, notes)


def _write(task: TimelineTask, way: Door, folder: Path, notes: Mapping[str, Any], client: Client | None = None) -> Written:
    if task.format == "omop" and databases.is_database(task.path) and not databases.is_server(task.path):
        # Tables of a DuckDB file have the types of the CDM, which Parquet keeps.
        with private_folder(folder) as copies:
            databases.copy_database(task.path, _WANTED, copies)
            report = _from_parquet(task, copies, way, folder, notes, client)
    elif task.format == "omop" and not databases.is_server(task.path) and sharded.is_parquet(Path(task.path)):
        report = _from_parquet(task, Path(task.path), way, folder, notes, client)
    else:
        report = build_batched(
            partial(_told, opener(task), unread_files(task)),
            folder,
            task.centre,
            task.format,
            way,
            client=client,
            notes=notes,
            wanted=task.wanted,
        )
    return Written(report.events, report.subjects, report.problems, report.account, unread_files(task))


def unread_files(task: TimelineTask) -> tuple[str, ...]:
    """Return the files in the folder of a source that its format does not read, by their path in it."""
    folder = Path(task.path)
    if databases.is_database(task.path) or not folder.is_dir():
        return ()
    if task.format == "fhir":
        read = set(find_files(folder))
    else:
        read = {path for paths in reading.find_tables(folder).values() for path in paths}
        if task.format != "omop" or not sharded.is_parquet(folder):
            read |= {path for path in workbooks.find_packed(folder) if workbooks.is_readable(path)}
    files = (path for path in folder.rglob("*") if path.is_file() and path not in read)
    return tuple(sorted(path.relative_to(folder).as_posix() for path in files if not path.name.startswith(".")))


def _told(opener: Opener, unread: Sequence[str], folder: Path, client: Client | None) -> Plan:
    """Open a source, and tell how many of its files are not read, by their suffix."""
    plan = opener(folder, client)
    return replace(plan, ready=[*plan.ready, *_unread(unread)])


def _unread(files: Sequence[str]) -> list[TableEvents]:
    if not files:
        return []
    suffixes = Counter(Path(name).suffix.lower() for name in files)
    listed = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in sorted(suffixes.items()))
    told = RowProblem(0, "unread-file", f"{len(files)} files of the source are not read: {listed}.", refused=False)
    return [TableEvents("unread-files", 0, pl.DataFrame(schema=SOURCE_EVENTS), [told])]


def _from_parquet(
    task: TimelineTask, source: Path, way: Door, folder: Path, notes: Mapping[str, Any], client: Client | None
) -> sharded.BuildReport:
    texts = frozenset(task.texts)
    return sharded.build_dataset(
        source,
        folder,
        task.centre,
        way,
        client=client,
        texts=texts,
        notes=notes,
        wanted=task.wanted,
        told=_unread(unread_files(task)),
    )


def opener(task: TimelineTask) -> Opener:
    """Return what opens a source to be read in batches.

    Raises:
        UserError: If there is no such source, or its mapping cannot be used.
    """
    _check_format(task)
    texts = frozenset(task.texts)
    if task.format == "omop" and databases.is_database(task.path):
        return partial(_open_database, task.path, texts)
    path = Path(task.path)
    if task.format == "fhir":
        return partial(open_fhir, _existing(path, task.centre), texts)
    found, packed = _tables(path, task.centre)
    rules = None if task.format == "omop" else _mapping(task)
    return partial(_open_tables, found, packed, rules, texts)


def _open_tables(
    found: Mapping[str, Sequence[Path]],
    packed: Sequence[Path],
    rules: mapping_rules.TableMapping | None,
    texts: frozenset[str],
    folder: Path,
    client: Client | None,
) -> Plan:
    """Open tables in text and Parquet, and those of workbooks and of SAS and SPSS, which are set down in the folder first."""
    tables = {name: [*paths] for name, paths in found.items()}
    for name, paths in workbooks.unpack(packed, folder).tables.items():
        tables.setdefault(name, []).extend(paths)
    return open_omop(tables, texts, folder, client) if rules is None else open_mapped(rules, tables, folder, client)


_WANTED = {"person": None, "concept": ("concept_id", "vocabulary_id", "concept_code")} | {
    name: omop.columns_of(name) for name in (*omop.EVENT_TABLES, "death")
}
"""Columns of the tables of a database that are read."""


def _open_database(path: Path | str, texts: frozenset[str], folder: Path, client: Client | None) -> Plan:
    return open_omop(databases.copy_database(path, _WANTED, folder), texts, folder, client)


def _check_format(task: TimelineTask) -> None:
    if task.format not in get_args(Format):
        raise UserError(f"{task.format} is no format of clinical records. Allowed: {', '.join(get_args(Format))}.")


def _existing(path: Path, centre: str) -> Path:
    if not path.exists():
        raise UserError(f"There is nothing at {path}. Check the path of the clinical source of centre {centre}.")
    return path


def _tables(path: Path, centre: str) -> tuple[dict[str, list[Path]], list[Path]]:
    """Return the files of each table of a source, and the files that hold further tables."""
    path = _existing(path, centre)
    packed = workbooks.find_packed(path)
    alone = {} if packed else {reading.table_name(path): [path]}
    found = reading.find_tables(path) if path.is_dir() else alone
    if not found and not packed:
        raise UserError(f"There is no table in {path}. Expected are files in CSV, Parquet, Excel, SAS or SPSS.")
    return found, packed


def _mapping(task: TimelineTask) -> mapping_rules.TableMapping:
    if task.mapping is not None:
        return mapping_rules.read_mapping(task.mapping)
    if task.format == "csv":
        raise UserError("A CSV source needs a mapping file: clinical: {format: csv, path: ..., mapping: mapping.yaml}.")
    return mapping_rules.packaged_mapping(task.format)
