"""From the clinical files of one centre to events under pseudonyms, with an account of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from unibase.clinical.formats.declaration import Asked, declared_format
from unibase.clinical.reasons import UNREAD_FILE, UNUSABLE_CLINICAL_SOURCE
from unibase.clinical.sources import databases
from unibase.clinical.sources.events import SOURCE_EVENTS, Opener, Plan, TableEvents
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.timelines.batched import build_batched
from unibase.clinical.timelines.cutoff import Wanted
from unibase.clinical.timelines.door import Door, KeyDoor, LocalDoor, VaultDoor
from unibase.clinical.timelines.target import Target
from unibase.groundwork.outputs import Ours, check_apart, check_folder
from unibase.groundwork.problems import Unusable, UserError, without_folders
from unibase.privacy.keys import Key
from unibase.privacy.subjects import SubjectLookup

if TYPE_CHECKING:
    from distributed import Client


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

    format: str
    path: Path | str
    centre: str
    lookup: SubjectLookup | None = None
    mapping: Path | None = None
    texts: tuple[str, ...] = ()
    cutoff: date | Literal["none"] | None = None

    @property
    def asked(self) -> Asked:
        """What the format needs to know of the source."""
        return Asked(self.path, self.centre, self.mapping, frozenset(self.texts))

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

    Args:
        task: The source, with the lookup of the vault.
        folder: The dataset; replaced when it exists.
        client: A Dask client; None works in this process.

    Raises:
        UserError: If the source, or its mapping, cannot be used at all.
    """
    if task.lookup is None:
        raise UserError("Reading events into a study needs the lookup of its identity ledger.")
    return _write(task, VaultDoor(task.lookup), folder, {"source_format": task.format}, client)


def write_unit(task: TimelineTask, folder: Path, client: Client | None = None) -> Written:
    """Write the source of a `task` to a `folder` as `write_events` does, on a Dask `client` or here, as a unit that can fail alone.

    Raises:
        Unusable: If the source, or its mapping, cannot be used at all.
    """
    try:
        return write_events(task, folder, client)
    except UserError as problem:
        told = without_folders(str(problem))
        raise Unusable(UNUSABLE_CLINICAL_SOURCE, told) from None


_OURS = Ours(("data", "metadata"), "metadata/dataset.json", '"pseudonymised"')


def convert(task: TimelineTask, folder: Path, key: Key | None = None) -> Written:
    """Write the MEDS dataset of one source without a study: `unibase timeline SRC OUT --from FORMAT [--key-file K]`.

    With a key, subjects are keyed pseudonyms of the hospital number and dates are shifted. Without one, the result is
    not pseudonymised: subjects are local numbers (a positive OMOP person_id, else a count in the order of identifiers)
    and dates are as in the source; `metadata/dataset.json` says so.

    `task` names source and format; the dataset goes to `folder`.

    Raises:
        UserError: If the source, or its mapping, cannot be used at all, or `folder` holds something else.
    """
    check_folder(folder, _OURS)
    if not databases.is_database(task.path):
        check_apart(Path(task.path), folder)
    way: Door = LocalDoor() if key is None else KeyDoor(key)
    notes = {
        "pseudonymised": key is not None,
        "key_fingerprint": key.fingerprint if key else None,
        "source_format": task.format,
    }
    return _write(task, way, folder, notes)


def _write(task: TimelineTask, way: Door, folder: Path, notes: Mapping[str, object], client: Client | None = None) -> Written:
    target = Target(folder, task.centre, task.format, way, notes, task.wanted)
    declared, unread = declared_format(task.format), _unread_files(task)
    quick = declared.quick(task.asked) if declared.quick else None
    report = quick(target, client, _unread(unread)) if quick is not None else None
    if report is None:
        report = build_batched(partial(_told, opener(task), unread), target, client)
    return Written(report.events, report.subjects, report.problems, report.account, unread)


def _unread_files(task: TimelineTask) -> tuple[str, ...]:
    """Return the files in the folder of the source of a `task` that its format does not read, by their path in it."""
    folder = Path(task.path)
    if databases.is_database(task.path) or not folder.is_dir():
        return ()
    read = set(declared_format(task.format).files(folder))
    files = {path for path in folder.rglob("*") if path.is_file()} - read
    named = [path for path in files if not path.name.startswith(".")]
    return tuple(sorted(path.relative_to(folder).as_posix() for path in named))


def _told(opener: Opener, unread: Sequence[str], folder: Path, client: Client | None) -> Plan:
    """Open a source, and tell how many of its files are not read, by their suffix."""
    plan = opener(folder, client)
    return replace(plan, ready=[*plan.ready, *_unread(unread)])


def _unread(files: Sequence[str]) -> list[TableEvents]:
    if not files:
        return []
    suffixes = Counter(Path(name).suffix.lower() for name in files)
    kinds = [f"{count} {suffix or 'without a suffix'}" for suffix, count in sorted(suffixes.items())]
    message = f"{len(files)} files of the source are not read: {', '.join(kinds)}."
    told = RowProblem(0, UNREAD_FILE, message, refused=False)
    return [TableEvents("unread-files", 0, pl.DataFrame(schema=SOURCE_EVENTS), [told])]


def opener(task: TimelineTask) -> Opener:
    """Return what opens the source of a `task` to be read in batches.

    Raises:
        UserError: If there is no such format or source, or its mapping cannot be used.
    """
    return declared_format(task.format).open(task.asked)
