"""Units of work: the smallest things that can fail alone, and the ledger that remembers how each ended.

A unit has the digest of its input and of its settings. It ends as done or as quarantined with a reason, and
`in = out + quarantined` holds at any time a run has finished. A unit that ended under the same digests is not
run again, so a killed run goes on where it stopped and a nightly run touches only what is new.

The ledger names source files and belongs in the vault.
"""

from __future__ import annotations

import json
import sqlite3
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import Unusable, UserError, without_folders

if TYPE_CHECKING:
    from distributed import Client, Future

Status = Literal["done", "quarantined"]
Progress = Callable[[str, int, int, int], None]
"""Called as `progress(stage, finished, total, quarantined)` whenever units finish."""

TRANSIENT_REASONS = frozenset({"unexpected-error", "worker-died", "unknown-patient", "unknown-person"})
"""Reasons that may not hold a second time, for the machine or the identity ledger changed: the next run tries again."""


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


class WorkLedger:
    """The record of how every unit ended, in one SQLite file written by one process.

    Args:
        path: The SQLite file, made when absent, mode 0600.
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
            with its type and place but without its text, which may hold a patient's value.
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
    known = ledger.known(stage)
    fingerprints = {unit.key: digest_of([unit.input_digest, settings]) for unit in units}
    finished: dict[str, Outcome] = {}
    todo: list[Unit] = []
    for unit in sorted(units, key=lambda unit: unit.key):
        fingerprint, outcome = known.get(unit.key, ("", None))
        if outcome is not None and fingerprint == fingerprints[unit.key] and _stands(outcome, still_there):
            finished[unit.key] = outcome
        else:
            todo.append(unit)

    def report() -> None:
        if progress is not None:
            quarantined = sum(outcome.status == "quarantined" for outcome in finished.values())
            progress(stage, len(finished), len(units), quarantined)

    report()
    batches = [todo[start : start + batch_size] for start in range(0, len(todo), batch_size)]
    for outcomes in _map_batches(function, shared, batches, client):
        ledger.record(stage, [(fingerprints[outcome.key], outcome) for outcome in outcomes])
        finished.update((outcome.key, outcome) for outcome in outcomes)
        report()
    return [finished[key] for key in sorted(finished)]


def _stands(outcome: Outcome, still_there: Callable[[Any], bool] | None) -> bool:
    if outcome.status == "quarantined":
        return outcome.reason not in TRANSIENT_REASONS
    return still_there is None or still_there(outcome.result)


def _map_batches(
    function: Callable[[Any, Any], Any], shared: Any, batches: list[list[Unit]], client: Client | None
) -> Iterable[list[Outcome]]:
    if client is None:
        for batch in batches:
            yield _run_batch(function, shared, batch)
        return
    from distributed import as_completed, wait

    # A task, not scattered data: when the workers that hold it die, Dask can make it again.
    sent = client.submit(_keep, shared, pure=False) if shared is not None and batches else None

    def submit(batch: list[Unit]) -> Future:
        return client.submit(_run_batch, function, sent, batch, pure=False)

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
    except Unusable as problem:
        return _quarantined(unit, problem.reason, problem.message, problem.remedy, problem.found)
    except UserError as problem:
        return _quarantined(unit, "unusable-input", without_folders(str(problem)), "")
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        message = f"{type(error).__name__} in {frame.name} ({place})."
        return _quarantined(unit, "unexpected-error", message, "Report it with this place; the next run tries again.")
    return Outcome(unit.key, unit.input_digest, "done", result, repeated=True)


def _died(unit: Unit) -> Outcome:
    remedy = "The next run tries again; give workers more memory if it persists."
    return _quarantined(unit, "worker-died", "The worker that ran this unit died.", remedy)


def _quarantined(unit: Unit, reason: str, message: str, remedy: str, found: Any = None) -> Outcome:
    return Outcome(unit.key, unit.input_digest, "quarantined", found, reason, message, remedy, repeated=True)
