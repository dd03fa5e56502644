"""Any source, of any size, to a MEDS dataset: batch by batch through the door, then shard by shard in order.

An adapter opens its source as a `Plan`: who its persons are, and parts that are read one by one. Two maps and no shuffle of rows
between workers, as in `clinical.timelines.sharded`: a part becomes events under pseudonyms, which are set down by the runs of their subjects; then
each shard gathers its rows, sorts them and is written. Memory is that of one block of a part or of one shard, whatever the number of
rows. A small source is one part.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unibase.clinical.sources.events import Opener, Plan, TableEvents, Tally, told_tally
from unibase.clinical.timelines import door, meds
from unibase.clinical.timelines.cells import read_piece, write_piece
from unibase.clinical.timelines.cutoff import CutOff, latest_of
from unibase.clinical.timelines.door import ACCOUNT
from unibase.clinical.timelines.plausibility import refuted_deaths, settle
from unibase.clinical.timelines.target import BuildReport, Target
from unibase.groundwork.cluster import each
from unibase.groundwork.files import atomic_folder
from unibase.groundwork.tables import EVENTS, QUARANTINE, write_parquet

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class _Way:
    """What every part needs to pass the door: who is who, where its rows go, how they are named."""

    known: pl.DataFrame
    unresolved: door.Unresolved
    until: CutOff | None
    firsts: list[int]
    target: Target
    work: Path
    read: Callable[[Any], Iterable[TableEvents]]


@dataclass
class _Passed:
    """What became of a part."""

    rows: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """By source: rows, used, refused."""
    pieces: list[tuple[Path, str]] = field(default_factory=list)
    problems: list[pl.DataFrame] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    subjects: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class _Shards:
    """What every shard needs: the pieces in order, and the first subject of each shard and of each cell of the pieces."""

    pieces: list[tuple[Path, str]]
    firsts: list[int]
    starts: list[int]
    latest: pl.DataFrame
    centre: str
    out: Path


def build_batched(opener: Opener, target: Target, client: Client | None = None) -> BuildReport:
    """Write the MEDS dataset of a source.

    Args:
        opener: Opens it.
        target: Where the dataset goes, and under which terms.
        client: A Dask client, whose workers see the source and the folder; None works in this process.

    Raises:
        UserError: If the source cannot be used at all.
    """
    per_shard = target.subjects_per_shard or meds.SUBJECTS_PER_SHARD
    with atomic_folder(target.folder) as out:
        work = out / ".pieces"
        work.mkdir(mode=0o700)
        (out / "data").mkdir()
        plan = opener(work, client)
        known, unresolved = door.resolve(plan.persons, target.way, target.centre)
        firsts = known["subject_id"].unique().sort().gather_every(per_shard).to_list() or [0]
        until = target.wanted.cut_off(plan.birth_years) if target.wanted else None
        passed = _all_passed(plan, _Way(known, unresolved, until, firsts, target, work, plan.read), client)
        starts = pl.Series(passed.subjects).gather_every(per_shard).to_list() or [0]
        # Tables by name, as they pass the door when they are whole; parts and blocks of a table are in order.
        pieces = sorted(passed.pieces, key=lambda piece: piece[1])
        task = _Shards(pieces, firsts, starts, latest_of(known, until), target.centre, out / "data")
        report = _written(out, passed, list(each(client, _run_shard, task, range(len(starts)))), target)
        shutil.rmtree(work)
    return report


def _all_passed(plan: Plan, way: _Way, client: Client | None) -> _Passed:
    """Pass all rows of a source through the door."""
    passed = _Passed()
    for number, table in enumerate(plan.ready):
        _pass(table, way, f"ready-{number:05d}", passed)
    for more in each(client, _run_part, way, list(enumerate(plan.parts))):
        _add(passed, more)
    _tell(passed, way.target)
    return passed


def _written(out: Path, passed: _Passed, shards: Sequence[_Shard], target: Target) -> BuildReport:
    """Write what stands beside the shards: codes, problems and the account."""
    codes = set[str]().union(*(shard.codes for shard in shards))
    meds.write_metadata(out, sorted(codes), name=target.centre, notes=target.notes)
    problems = pl.concat([QUARANTINE.empty(), *passed.problems, *(shard.problems for shard in shards)])
    # Of a file of several parts the last word counts, as when it is read whole.
    refused = QUARANTINE.conform(problems.unique(QUARANTINE.key, keep="last", maintain_order=True))
    account = _account(passed.rows, shards)
    write_parquet(refused, out / "metadata" / "problems.parquet")
    write_parquet(account, out / "metadata" / "account.parquet")
    events = sum(shard.events for shard in shards)
    return BuildReport(account, events, len(passed.subjects), refused.height, len(shards))


def _run_part(way: _Way, part: tuple[int, object]) -> _Passed:
    passed = _Passed()
    for block, table in enumerate(way.read(part[1])):
        _pass(table, way, f"{part[0]:06d}-{block:06d}", passed)
    return passed


def _pass(table: TableEvents, way: _Way, name: str, passed: _Passed) -> None:
    """Pass some rows of a table through the door, and set down what comes out."""
    source = way.target.source(table.table)
    through = door.pass_table(table.events, way.known, way.unresolved, source, way.until)
    events, problems = through.events, [*table.problems, *through.problems]
    used = events["source_row"].unique()
    refused = {problem.row for problem in problems if problem.refused and problem.row}.difference(used if problems else ())
    if events.height:
        path = way.work / f"{name}.cells"
        write_piece(events, path, way.firsts)
        passed.pieces.append((path, source))
    passed.problems += [door.problem_frame(problems, way.target.centre, source)] if problems else []
    _count(passed.rows, source, (table.rows, len(used), len(refused) + through.gone))
    passed.tallies[source] = _sum(_sum(passed.tallies.get(source, {}), table.tally), through.tally)
    passed.subjects = np.union1d(passed.subjects, events["subject_id"].unique().to_numpy())


def _add(passed: _Passed, more: _Passed) -> None:
    passed.pieces += more.pieces
    passed.problems += more.problems
    for source, counts in more.rows.items():
        _count(passed.rows, source, counts)
    for source, tally in more.tallies.items():
        passed.tallies[source] = _sum(passed.tallies.get(source, {}), tally)
    passed.subjects = np.union1d(passed.subjects, more.subjects)


def _count(rows: dict[str, tuple[int, int, int]], source: str, more: tuple[int, int, int]) -> None:
    have = rows.get(source, (0, 0, 0))
    rows[source] = (have[0] + more[0], have[1] + more[1], have[2] + more[2])


def _sum(tally: Tally, more: Tally) -> Tally:
    found = dict(tally)
    for name, (row, count) in more.items():
        first, before = found.get(name, (row, 0))
        found[name] = (first, before + count)
    return found


def _tell(passed: _Passed, target: Target) -> None:
    for source, tally in passed.tallies.items():
        if tally:
            problems = [told_tally(key, row, count) for key, (row, count) in tally.items()]
            passed.problems.append(door.problem_frame(problems, target.centre, source))


@dataclass(frozen=True)
class _Shard:
    """What was written of a shard."""

    events: int
    codes: set[str]
    by_source: dict[str, int]
    problems: pl.DataFrame


def _run_shard(shared: _Shards, shard: int) -> _Shard:
    first = shared.starts[shard]
    up_to = shared.starts[shard + 1] if shard + 1 < len(shared.starts) else None
    last = len(shared.firsts) if up_to is None else int(np.searchsorted(shared.firsts, up_to, side="left"))
    cells = range(max(int(np.searchsorted(shared.firsts, first, side="right")) - 1, 0), last)
    events = pl.concat([EVENTS.empty(), *(read_piece(path, cells, source) for path, source in shared.pieces)])
    mine = pl.col("subject_id") >= first
    events = events.filter(mine if up_to is None else mine & (pl.col("subject_id") < up_to))
    refuted = refuted_deaths(events)
    events = settle(events, refuted, shared.latest) if refuted.height else events
    problems = door.refuted_frame(refuted, shared.centre)
    events = door.sort_events(events)
    meds.write_shard(events, shared.out / f"{shard}.parquet")
    by_source = dict(events["source"].value_counts().iter_rows())
    return _Shard(events.height, set(events["code"].unique()), by_source, problems)


def _account(rows: Mapping[str, tuple[int, int, int]], shards: Sequence[_Shard]) -> pl.DataFrame:
    out = []
    for source, (count, used, refused) in sorted(rows.items()):
        events = sum(shard.by_source.get(source, 0) for shard in shards)
        out.append((source, count, used, refused, count - used - refused, events))
    return pl.DataFrame(out, schema=ACCOUNT, orient="row")
