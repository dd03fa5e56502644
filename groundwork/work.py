"""Units of work: the smallest things that can fail alone, and the ledger that remembers how each ended.

A unit has the digest of its input and of its settings. It ends as done, as quarantined for what its data are, or as
failed for what the machine did (`groundwork.faults`). A failed unit is tried again, on another worker where there is one;
what is left failed stops the run. `in = out + quarantined` holds at any time a run has finished. A unit that ended under
the same digests is not run again, so a killed run goes on where it stopped and a nightly run touches only what is new.

The ledger names source files and belongs in the vault.
"""

from __future__ import annotations

import json
import sqlite3
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from unibase.groundwork.contents import Contents
from unibase.groundwork.faults import Fault, fault_of
from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import Unusable, UserError, without_folders

if TYPE_CHECKING:
    from distributed import Client, Future

Status = Literal["done", "quarantined", "failed"]
Progress = Callable[[str, int, int, int], None]
"""Called as `progress(stage, finished, total, quarantined)` whenever units finish."""

OUT_OF_MEMORY = "out-of-memory"
TRANSIENT_REASONS = frozenset(
    {"unexpected-error", "worker-died", "unknown-patient", "unknown-person", "identity-conflict", OUT_OF_MEMORY}
)
"""Reasons that may not hold a second time, for the machine or the identity ledger changed: the next run tries again."""


PAUSES = (1.0, 5.0, 20.0)
"""Seconds before each further try of what the machine made fail."""


@dataclass(frozen=True)
class Unit:
    """One unit of work.

    Attributes:
        key: Stable name inside the stage, such as a path relative to its source; may name a source file.
        input_digest: Digest of what goes in (content, or size and time of modification for a first sight).
        arguments: What the stage's function is called with; picklable.
    """

    key: str
    input_digest: str
    arguments: Any = None


@dataclass(frozen=True)
class Outcome:
    """How one unit ended. `result` is the small JSON value that the stage's function returned, or, of a unit in quarantine,
    what it had found (`Unusable.found`)."""

    key: str
    input_digest: str
    status: Status
    result: Any = None
    reason: str = ""
    message: str = ""
    remedy: str = ""
    repeated: bool = field(default=False, compare=False)
    """True when this run did the work, False when the ledger already held the outcome."""
    worker: str = field(default="", compare=False)
    """Address of the Dask worker that did the work."""


class WorkLedger:
    """The record of how every unit ended, in one SQLite file written by one process.

    Args:
        path: The SQLite file, made when absent, mode 0600.

    Attributes:
        contents: What the content of source files was.
    """

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, isolation_level=None)
        # WAL with full sync: a row that was committed is on disk before the next unit counts as done.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS units (stage TEXT, key TEXT, fingerprint TEXT, input_digest TEXT, "
            "status TEXT, result TEXT, reason TEXT, message TEXT, remedy TEXT, finished REAL, "
            "PRIMARY KEY (stage, key))"
        )
        self.contents = Contents(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the ledger cannot be used afterwards."""
        self._connection.close()

    def known(self, stage: str) -> dict[str, tuple[str, Outcome]]:
        """Return `{key: (fingerprint, outcome)}` of all units of `stage` that ever ended."""
        rows = self._connection.execute(
            "SELECT key, fingerprint, input_digest, status, result, reason, message, remedy FROM units WHERE stage = ?",
            (stage,),
        )
        return {
            key: (fingerprint, Outcome(key, digest, status, json.loads(result), reason, message, remedy))
            for key, fingerprint, digest, status, result, reason, message, remedy in rows
        }

    def record(self, stage: str, rows: Iterable[tuple[str, Outcome]]) -> None:
        """Write `(fingerprint, outcome)` rows in one transaction; a later row of a key replaces the earlier."""
        values = [
            (
                stage,
                o.key,
                fingerprint,
                o.input_digest,
                o.status,
                json.dumps(o.result),
                o.reason,
                o.message,
                o.remedy,
                time.time(),
            )
            for fingerprint, o in rows
        ]
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO units VALUES (?,?,?,?,?,?,?,?,?,?)", values)

    def forget_others(self, stage: str, keys: Iterable[str]) -> int:
        """Forget the units of `stage` that are not among `keys`, for their source is gone; return how many those are."""
        gone = sorted(self.known(stage).keys() - set(keys))
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("DELETE FROM units WHERE stage = ? AND key = ?", [(stage, key) for key in gone])
        return len(gone)

    def last_moments(self) -> dict[str, float]:
        """Return when the last unit of each stage ended, in seconds since 1970."""
        return dict(self._connection.execute("SELECT stage, max(finished) FROM units GROUP BY stage ORDER BY stage"))

    def outcomes(self) -> list[tuple[str, Outcome]]:
        """Return all `(stage, outcome)` pairs, ordered by stage and key."""
        stages = [row[0] for row in self._connection.execute("SELECT DISTINCT stage FROM units ORDER BY stage")]
        return [(stage, outcome) for stage in stages for _, (_, outcome) in sorted(self.known(stage).items())]


def run_units(
    stage: str,
    function: Callable[[Any, Any], Any],
    units: Sequence[Unit],
    ledger: WorkLedger,
    *,
    settings: Any,
    shared: Any = None,
    client: Client | None = None,
    batch_size: int = 1,
    progress: Progress | None = None,
    still_there: Callable[[Any], bool] | None = None,
) -> list[Outcome]:
    """Run `function` on the arguments of every unit that has not ended yet, and return how all of them ended.

    Args:
        stage: Name of the stage; keys are unique inside it.
        function: Called in a worker as `function(shared, unit.arguments)`; returns a small JSON value. Raising
            `Unusable` puts the unit in quarantine; any other exception does too, as `unexpected-error`
            with its type and place but without its text, which may hold a patient's value. What the machine did
            (`groundwork.faults`) leaves it `failed`, after further tries.
        units: The units; every key once.
        ledger: Where outcomes are read and written; a row is written only after the function returned.
        settings: JSON value of all that changes results: options, key fingerprint, code version.
        shared: What all units of the stage need (options, key, a lookup); sent to each worker once.
        client: Dask client that maps the units, or None to run them here, one after the other.
        batch_size: Units per Dask task, for units of a few milliseconds.
        progress: Told after each batch.
        still_there: Given a recorded result, says whether its outputs still exist; else the unit runs again.

    Returns:
        One outcome per unit, ordered by key, whatever order the work was done in.

    Raises:
        ValueError: If two units have the same key.
    """
    keys = [unit.key for unit in units]
    if len(set(keys)) != len(keys):
        raise ValueError(f"stage {stage!r} has two units with one key")
    fingerprints = {unit.key: digest_of([unit.input_digest, settings]) for unit in units}
    finished = _standing(ledger.known(stage), fingerprints, still_there)
    todo = [unit for unit in sorted(units, key=lambda unit: unit.key) if unit.key not in finished]

    def report() -> None:
        if progress is not None:
            quarantined = sum(outcome.status == "quarantined" for outcome in finished.values())
            progress(stage, len(finished), len(units), quarantined)

    def work(batches: list[list[Unit]]) -> None:
        for outcomes in _map_batches(function, shared, batches, client, {o.key: o.worker for o in finished.values()}):
            ledger.record(stage, [(fingerprints[outcome.key], outcome) for outcome in outcomes])
            finished.update((outcome.key, outcome) for outcome in outcomes)
            report()

    report()
    work([todo[start : start + batch_size] for start in range(0, len(todo), batch_size)])
    for pause in PAUSES:
        failed = [unit for unit in todo if finished[unit.key].status == "failed"]
        if not failed:
            break
        time.sleep(pause)
        work([[unit] for unit in failed])
    greedy = [o for o in finished.values() if o.status == "failed" and o.reason == OUT_OF_MEMORY]
    # Again and again, alone: then it is the unit that asks for too much, and it holds up nobody.
    refused = [replace(outcome, status="quarantined") for outcome in greedy]
    ledger.record(stage, [(fingerprints[outcome.key], outcome) for outcome in refused])
    finished.update((outcome.key, outcome) for outcome in refused)
    return [finished[key] for key in sorted(finished)]


def _standing(
    known: Mapping[str, tuple[str, Outcome]], fingerprints: Mapping[str, str], still_there: Callable[[Any], bool] | None
) -> dict[str, Outcome]:
    """Return the outcomes of earlier runs that still hold: of the same digests, their outputs still there."""
    same = {key: outcome for key, (made_of, outcome) in known.items() if fingerprints.get(key) == made_of}
    return {key: outcome for key, outcome in same.items() if _stands(outcome, still_there)}


def _stands(outcome: Outcome, still_there: Callable[[Any], bool] | None) -> bool:
    if outcome.status == "failed":
        return False
    if outcome.status == "quarantined":
        return outcome.reason not in TRANSIENT_REASONS
    return still_there is None or still_there(outcome.result)


def _map_batches(
    function: Callable[[Any, Any], Any], shared: Any, batches: list[list[Unit]], client: Client | None, avoid: Mapping[str, str]
) -> Iterable[list[Outcome]]:
    """Yield the outcomes of each batch; a unit that failed on the worker `avoid` names goes to another where there is one."""
    if client is None:
        for batch in batches:
            yield _run_batch(function, shared, batch)
        return
    from distributed import as_completed, wait

    # A task, not scattered data: when the workers that hold it die, Dask can make it again.
    sent = client.submit(_keep, shared, pure=False) if shared is not None and batches else None

    def submit(batch: list[Unit]) -> Future[list[Outcome]]:
        bad = {avoid.get(unit.key, "") for unit in batch} - {""}
        others = sorted(set(client.scheduler_info(n_workers=-1)["workers"]) - bad) if bad else []
        where = {"workers": others, "allow_other_workers": True} if others else {}
        return client.submit(_run_batch, function, sent, batch, pure=False, **where)

    futures = {submit(batch): batch for batch in batches}
    suspects: list[Unit] = []
    try:
        for future in as_completed(list(futures)):
            batch = futures.pop(future)
            if future.status == "finished":
                yield future.result()
            else:
                suspects += batch
            future.release()
        # One unit killed its worker over and over, and with it others that only stood beside it: alone, it shows.
        for unit in suspects:
            future = submit([unit])
            futures[future] = [unit]
            wait(future)
            yield future.result() if future.status == "finished" else [_died(unit)]
            del futures[future]
    finally:
        client.cancel(list(futures))


def _keep(value: Any) -> Any:
    return value


def _run_batch(function: Callable[[Any, Any], Any], shared: Any, batch: list[Unit]) -> list[Outcome]:
    # Warnings of libraries may quote values of a patient, so none leaves a worker.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_run_one(function, shared, unit) for unit in batch]


def _run_one(function: Callable[[Any, Any], Any], shared: Any, unit: Unit) -> Outcome:
    try:
        result = function(shared, unit.arguments)
    except MemoryError:
        remedy = "Give workers more memory if it persists; the next run tries again."
        return _failed(unit, Fault(OUT_OF_MEMORY, "It asks for more memory than the worker has.", remedy))
    except Exception as error:
        fault = fault_of(error)
        return _failed(unit, fault) if fault else _refused(unit, error)
    return Outcome(unit.key, unit.input_digest, "done", result, repeated=True)


def _refused(unit: Unit, error: Exception) -> Outcome:
    if isinstance(error, Unusable):
        return _quarantined(unit, error.reason, error.message, error.remedy, error.found)
    if isinstance(error, UserError):
        return _quarantined(unit, "unusable-input", without_folders(str(error)), "")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"{type(error).__name__} in {frame.name} ({place})."
    return _quarantined(unit, "unexpected-error", message, "Report it with this place; the next run tries again.")


def _failed(unit: Unit, fault: Fault) -> Outcome:
    return Outcome(
        unit.key, unit.input_digest, "failed", None, fault.reason, fault.message, fault.remedy, repeated=True, worker=_worker()
    )


def _worker() -> str:
    """Return the address of the Dask worker that this runs on, or nothing."""
    from distributed import get_worker  # takes half a second to import, and is there on a worker

    try:
        return str(get_worker().address)
    except ValueError:
        return ""


def _died(unit: Unit) -> Outcome:
    remedy = "The next run tries again; give workers more memory if it persists."
    return _quarantined(unit, "worker-died", "The worker that ran this unit died.", remedy)


def _quarantined(unit: Unit, reason: str, message: str, remedy: str, found: Any = None) -> Outcome:
    return Outcome(unit.key, unit.input_digest, "quarantined", found, reason, message, remedy, repeated=True)
