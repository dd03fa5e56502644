"""OMOP in Parquet, of any size, to a MEDS dataset: batch by batch through the door, then shard by shard in order.

Two maps and no shuffle of rows between workers: a batch of a table becomes events, cut at the bounds of the shards and set
down under pseudonyms; then each shard gathers its pieces, sorts them and is written. Memory is that of one batch or one
shard, whatever the number of subjects. Either map runs in this process or on a Dask client.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from unibase.clinical.formats import omop, omop_concepts, omop_persons, omop_tables
from unibase.clinical.formats.omop_codebook import Codebook, Persons, codebook
from unibase.clinical.formats.omop_plain_rows import PlainRows, plain_rows, used_concepts
from unibase.clinical.formats.parquet_columns import Source
from unibase.clinical.sources import reading
from unibase.clinical.sources.events import Identifier, TableEvents, birth_years, told_tally
from unibase.clinical.timelines import door, meds
from unibase.clinical.timelines.cutoff import CutOff, latest_of
from unibase.clinical.timelines.door import ACCOUNT
from unibase.clinical.timelines.pieces import PieceFile, ShardRows, read_shard, write_pieces
from unibase.clinical.timelines.plausibility import settle
from unibase.clinical.timelines.shard import Piece, Rows
from unibase.clinical.timelines.target import BuildReport, Target
from unibase.groundwork.cluster import each
from unibase.groundwork.files import atomic_folder
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS, QUARANTINE, write_parquet

if TYPE_CHECKING:
    from distributed import Client

ROWS_PER_BATCH = 500_000
"""With twice as many, the arrays of a batch are so large that the C library hands their memory back, and each page is cleared again."""
ROWS_PER_SHARD = 250_000
MOST_SUBJECTS = 1 << 16
"""Subjects in one shard: their places are written in two bytes."""


@dataclass(frozen=True)
class Batch:
    """Some row groups, of `rows` rows, of one Parquet file of one table; `offset` rows of the table come before them."""

    table: str
    path: Path
    row_groups: tuple[int, ...]
    offset: int
    number: int
    rows: int


@dataclass(frozen=True)
class _Shared:
    """What every batch and shard needs: who is who, what concepts mean, where pieces go, where shards begin."""

    known: pl.DataFrame
    unresolved: door.Unresolved
    persons: Persons
    concepts: pl.DataFrame
    book: Codebook
    target: Target
    work: Path
    out: Path
    subjects: pl.Series
    subjects_per_shard: int
    texts: frozenset[str]
    until: CutOff | None
    latest: pl.DataFrame

    @property
    def starts(self) -> list[int]:
        """The first subject of every shard."""
        return self.subjects.gather_every(self.subjects_per_shard).to_list() or [0]


def is_parquet(source: Path) -> bool:
    """Return whether the folder `source` holds tables that `build_dataset` reads: Parquet, a PERSON among them."""
    tables = reading.find_tables(source) if source.is_dir() else {}
    files = [path for paths in tables.values() for path in paths]
    names = {name.removeprefix("2b_") for name in tables}
    return "person" in names and all(path.suffix == ".parquet" for path in files)


def build_dataset(
    source: Path,
    target: Target,
    client: Client | None = None,
    *,
    rows_per_batch: int = ROWS_PER_BATCH,
    texts: frozenset[str] = frozenset(),
    told: Sequence[TableEvents] = (),
) -> BuildReport:
    """Write the MEDS dataset of an OMOP folder of Parquet files; the same rows as `clinical.timelines.batched.build_batched` gives.

    Args:
        source: Folder with `person.parquet`, `measurement.parquet`, ... or a folder of parts per table.
        target: Where the dataset goes; by default a shard holds so many subjects that they have about `ROWS_PER_SHARD` rows.
        client: A Dask client; None works in this process.
        rows_per_batch: About so many rows of a table are in memory at once.
        texts: Further texts that count as controlled.
        told: What is to be told of the source as a whole.

    Raises:
        UserError: If a table is not Parquet, or there is no PERSON.
    """
    tables = _tables(source, target)
    person_events, persons = omop_persons.read_person(reading.read_tables(tables["person"], "person"))
    names = [name for name in (*omop_tables.EVENT_TABLES, "death") if name in tables]
    batches = [batch for name in names for batch in _batches(name, tables[name], rows_per_batch)]
    with atomic_folder(target.folder) as out:
        work = out / ".pieces"
        work.mkdir()
        (out / "data").mkdir()
        used = set[int]().union(*_map(client, _used, None, [(name, tables[name]) for name in names]))
        read = _Read(tables, batches, birth_years(person_events.events), persons, used)
        shared = _shared(read, target, out, texts)
        first = _set_down(person_events, shared, "person", 0)
        # Tables without rows have an account, too; those that nothing reads are told. -1 stands for no batch.
        done = [first, *(_Done(target.source(name)) for name in names)]
        untold = (*omop_tables.unread_tables(tables), *omop_tables.left_of_files(tables), *told)
        done += [_set_down(table, shared, table.table, -1) for table in untold]
        done += _map(client, _run_batch, shared, batches)
        shards = _map(client, _run_shard, shared, list(range(len(shared.starts))))
        report = _written(out, shared, done, shards)
        _plain_files.cache_clear()
        shutil.rmtree(work)
    return report


@dataclass(frozen=True)
class _Read:
    """What is known of a source before its rows are read.

    Attributes:
        tables: Files of each table.
        batches: The parts of its tables of events.
        births: Birth year of each person, by row of PERSON.
        persons: The identifiers of each person.
        used: Concepts that its tables use.
    """

    tables: dict[str, list[Path]]
    batches: Sequence[Batch]
    births: Mapping[int, int]
    persons: dict[str, list[Identifier]]
    used: set[int]


def _shared(read: _Read, target: Target, out: Path, texts: frozenset[str]) -> _Shared:
    """Return what every batch and shard needs to know."""
    known, unresolved = door.resolve(read.persons, target.way, target.centre)
    until = target.wanted.cut_off(read.births) if target.wanted else None
    subjects = known["subject_id"].unique().sort()
    concepts = omop_concepts.find_concepts(read.tables.get("concept", []), read.used)
    prefixes = [table.prefix for name, table in omop_tables.EVENT_TABLES.items() if name in read.tables]
    return _Shared(
        known,
        unresolved,
        Persons.of(known, subjects),
        concepts,
        codebook(sorted(read.used), concepts, prefixes),
        target,
        out / ".pieces",
        out / "data",
        subjects,
        target.subjects_per_shard or _subjects_per_shard(len(subjects), read.batches),
        texts,
        until,
        latest_of(known, until),
    )


def _tables(source: Path, target: Target) -> dict[str, list[Path]]:
    """Return the files of each table.

    Raises:
        UserError: If the shards are to be too large, a table is not Parquet, or there is no PERSON.
    """
    tables = {omop_tables.plain_name(name): paths for name, paths in reading.find_tables(source).items()}
    asked = target.subjects_per_shard
    if asked is not None and asked > MOST_SUBJECTS:
        raise UserError(f"A shard holds at most {MOST_SUBJECTS} subjects, not {asked}. Ask for smaller shards.")
    if "person" not in tables:
        raise UserError("There is no PERSON table in this OMOP source. Name the folder that holds person.parquet.")
    others = [path.name for paths in tables.values() for path in paths if path.suffix != ".parquet"]
    if others:
        raise UserError(
            f"{source} holds tables that are not Parquet ({others[0]}). Convert them first; `unibase timeline` reads CSV as it is."
        )
    return tables


def _subjects_per_shard(subjects: int, batches: Sequence[Batch]) -> int:
    rows = sum(batch.rows for batch in batches)
    return min(max(subjects * ROWS_PER_SHARD // max(rows, 1), 1), MOST_SUBJECTS)


def _written(out: Path, shared: _Shared, done: Sequence[_Done], shards: Sequence[_Shard]) -> BuildReport:
    """Write what stands beside the shards: codes, problems and the account."""
    target = shared.target
    account = _total(done, shards)
    problems = [pl.read_parquet(path) for path in sorted(shared.work.glob("problems-*.parquet"))]
    problems += _tallied(done, target.centre)
    codes = pl.concat([shard.codes for shard in shards]).unique().to_list()
    meds.write_metadata(out, codes, name=target.centre, notes={"source_format": target.format, **target.notes})
    refused = QUARANTINE.conform(pl.concat([QUARANTINE.empty(), *problems]))
    write_parquet(refused, out / "metadata" / "problems.parquet")
    write_parquet(account, out / "metadata" / "account.parquet")
    events = sum(shard.events for shard in shards)
    return BuildReport(account, events, len(shared.subjects), refused.height, len(shards))


@dataclass(frozen=True)
class _Done:
    """What became of a batch: rows of its source, those used and refused, and what is told once."""

    source: str
    rows: int = 0
    used: int = 0
    refused: int = 0
    tally: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Shard:
    """What was written of a shard."""

    events: int
    codes: pl.Series
    by_source: Mapping[str, int]


def _used(_: None, table: tuple[str, Sequence[Path]]) -> set[int]:
    return used_concepts(*table)


def _batches(table: str, paths: Sequence[Path], rows_per_batch: int) -> Iterable[Batch]:
    import pyarrow.parquet as pq

    offset = number = 0
    for path in paths:
        metadata = pq.ParquetFile(path).metadata
        groups: list[int] = []
        rows = 0
        for group in range(metadata.num_row_groups):
            size = metadata.row_group(group).num_rows
            if groups and rows + size > rows_per_batch:
                yield Batch(table, path, tuple(groups), offset, number, rows)
                offset, number, groups, rows = offset + rows, number + 1, [], 0
            groups.append(group)
            rows += size
        if groups:
            yield Batch(table, path, tuple(groups), offset, number, rows)
            offset, number = offset + rows, number + 1


def _map(client: Client | None, function: Callable[[Any, Any], Any], shared: object, items: Sequence[object]) -> list[Any]:
    return list(each(client, function, shared, items))


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    """Let the arrays of a batch or shard take the memory of the one before.

    The C library hands a large block back to the system when it is freed, which clears each page again for the next array: a
    fifth of the time. Once it has seen a block of 32 MB freed it keeps blocks up to that size (`mallopt(3)`).
    """
    np.empty((32 << 20) - (1 << 16), dtype=np.uint8)


def _run_batch(shared: _Shared, batch: Batch) -> _Done:
    import pyarrow.parquet as pq

    _keep_freed_memory()
    source = Source(pq.ParquetFile(batch.path), batch.row_groups)
    plain = None
    if batch.table in omop_tables.EVENT_TABLES:
        plain = plain_rows(source, batch.table, shared.book, shared.persons, shared.until.moment if shared.until else None)
    done = 0 if plain is None else _set_down_plain(plain, shared, batch)
    if plain is not None and not len(plain.others):
        return _Done(shared.target.source(batch.table), source.rows, done)
    names = [name for lower, name in source.columns.items() if lower in omop_tables.columns_of(batch.table)]
    frame = pl.from_arrow(source.file.read_row_groups(list(batch.row_groups), columns=names, use_threads=False))
    assert isinstance(frame, pl.DataFrame)
    frame = reading.lower_columns(frame, batch.path)
    frame = frame.with_row_index("source_row", offset=batch.offset + 1).with_columns(pl.col("source_row").cast(pl.Int64))
    if plain is not None:
        frame = frame[plain.others]
    table = reading.SourceTable(batch.table, frame, source.rows)
    events = omop.read_event_table(batch.table, table, shared.concepts, shared.texts)
    further = _set_down(events, shared, batch.table, batch.number)
    return replace(further, used=further.used + done)


def _set_down_plain(plain: PlainRows, shared: _Shared, batch: Batch) -> int:
    """Leave the plain rows of a batch in one file, in the order of their shards; return how many rows of the source they are."""
    if not len(plain.rank):
        return 0
    shard = plain.rank // np.uint32(shared.subjects_per_shard)
    columns = plain.columns | {"rank": plain.rank - shard * np.uint32(shared.subjects_per_shard)}
    path = shared.work / f"plain-{batch.table}-{batch.number:05d}.rows"
    write_pieces(path, columns, shard, len(shared.starts), batch.offset)
    return plain.used


def _set_down(table: TableEvents, shared: _Shared, name: str, number: int) -> _Done:
    """Pass a batch through the door and leave its rows in one piece per shard."""
    source = shared.target.source(name)
    passed = door.pass_table(table.events, shared.known, shared.unresolved, source, shared.until)
    events, problems = passed.events, [*table.problems, *passed.problems]
    if problems:
        frame = door.problem_frame(problems, shared.target.centre, source)
        write_parquet(frame, shared.work / f"problems-{name}-{number:05d}.parquet")
    used = set() if not problems else set(events["source_row"].unique())
    refused = {problem.row for problem in problems if problem.refused and problem.row} - used
    events = events.sort("subject_id", maintain_order=True)
    ids = events["subject_id"]
    cuts = [0, *(ids.search_sorted(start, side="left") for start in shared.starts[1:]), events.height]
    for shard, (low, high) in enumerate(pairwise(cuts)):
        if high > low:
            piece = _further_folder(shared.work, shard) / f"{name}-{number:05d}.arrow"
            piece.parent.mkdir(exist_ok=True)
            events.slice(low, high - low).write_ipc(piece)
    rows = len(used) if problems else events["source_row"].n_unique()
    return _Done(source, table.rows, rows, len(refused) + passed.gone, {**table.tally, **passed.tally})


def _run_shard(shared: _Shared, shard: int) -> _Shard:
    _keep_freed_memory()
    files = sorted(_further_folder(shared.work, shard).glob("*.arrow"))
    further = pl.concat([EVENTS.empty(), *(pl.read_ipc(piece) for piece in files)])
    first = shard * shared.subjects_per_shard
    subjects = shared.subjects.slice(first, shared.subjects_per_shard).to_numpy()
    rows = Rows(*_plain_of(shared, shard, further.height), further, subjects, shared.book)
    refuted = rows.refuted()
    if refuted.height:
        frame = door.refuted_frame(refuted, shared.target.centre)
        write_parquet(frame, shared.work / f"problems-refuted-{shard:06d}.parquet")
        further = settle(further, refuted, shared.latest)
        rows = Rows(*_plain_of(shared, shard, further.height), further, subjects, shared.book)
    order = rows.order()
    table = rows.table(order)
    meds.write_shard(table, shared.out / f"{shard}.parquet")
    codes = pl.Series(table["code"].chunk(0).dictionary if len(order) else [], dtype=pl.String)
    return _Shard(len(order), codes, rows.by_source(order))


def _further_folder(work: Path, shard: int) -> Path:
    """The rows of a shard that are not plain: a folder of its own, so that none has to be looked for among those of others."""
    return work / f"shard-{shard:06d}"


def _plain_of(shared: _Shared, shard: int, room: int) -> tuple[list[Piece], ShardRows]:
    """Return where the plain rows of one shard come from, in the order of table and row, and they before `room` more."""
    files = [file for file in _plain_files(shared.work) if file.rows(shard)]
    pieces = [Piece(shared.target.source(file.table), file.offset, file.rows(shard)) for file in files]
    return pieces, read_shard(files, shard, room)


@lru_cache(maxsize=1)
def _plain_files(work: Path) -> list[PieceFile]:
    """Return every file of plain rows, in the order of table and row; their heads are read once for all shards."""
    paths = sorted(work.glob("plain-*.rows"))
    files = [PieceFile.of(path, path.name.removeprefix("plain-").rsplit("-", 1)[0]) for path in paths]
    # The name of a table may begin another's: sorted by path is not sorted by table.
    return sorted(files, key=lambda file: (file.table, file.path))


def _tallied(batches: Sequence[_Done], centre: str) -> list[pl.DataFrame]:
    """Return what is told once of each table."""
    met: dict[tuple[str, str], tuple[int, int]] = {}
    for batch in batches:
        for key, (row, count) in batch.tally.items():
            first, before = met.get((batch.source, key), (row, 0))
            met[batch.source, key] = (first, before + count)
    return [door.problem_frame([told_tally(key, *told)], centre, source) for (source, key), told in met.items()]


def _total(batches: Sequence[_Done], shards: Sequence[_Shard]) -> pl.DataFrame:
    rows: dict[str, list[int]] = {}
    for batch in batches:
        total = rows.setdefault(batch.source, [0, 0, 0, 0])
        for place, count in enumerate((batch.rows, batch.used, batch.refused)):
            total[place] += count
    for shard in shards:
        for source, count in shard.by_source.items():
            rows[source][3] += count
    account = [
        (source, n, used, refused, n - used - refused, events) for source, (n, used, refused, events) in sorted(rows.items())
    ]
    return pl.DataFrame(account, schema=ACCOUNT, orient="row")
