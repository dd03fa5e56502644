"""Units of work: the smallest things that can fail alone, and how a stage runs those that have not ended yet.

A unit has the digest of its input and of its settings. It ends as done, as quarantined for what its data are, or as
failed for what the machine did (`groundwork.faults`). A failed unit is tried again, on another worker where there is one;
what is left failed stops the run. `in = out + quarantined` holds at any time a run has finished. A unit that ended under
the same digests, and whose outputs are still what it left (`groundwork.seals`), is not run again: a killed run goes on
where it stopped, and a nightly run touches only what is new.

The ledger names source files and belongs in the vault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from unibase.groundwork.files import digest_of
from unibase.groundwork.outcomes import Outcome, Status, Unit
from unibase.groundwork.reasons import IDENTITY_CONFLICT, OUT_OF_MEMORY, UNEXPECTED_ERROR, WORKER_DIED
from unibase.groundwork.seals import Output, still_sealed
from unibase.groundwork.unit_batches import Call, map_batches
from unibase.groundwork.work_ledger import WorkLedger

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "TRANSIENT_REASONS",
    "Job",
    "Outcome",
    "Output",
    "Progress",
    "Status",
    "Unit",
    "WorkLedger",
    "Workers",
    "run_units",
]

Progress = Callable[[str, int, int, int], None]
"""Called as `progress(stage, finished, total, quarantined)` whenever units finish."""

TRANSIENT_REASONS = frozenset(
    {UNEXPECTED_ERROR, WORKER_DIED, "unknown-patient", "unknown-person", IDENTITY_CONFLICT, OUT_OF_MEMORY}
)
"""Reasons that may not hold a second time, for the machine or the identity ledger changed: the next run tries again."""

PAUSES = (1.0, 5.0, 20.0)
"""Seconds before each further try of what the machine made fail."""


@dataclass(frozen=True)
class Job:
    """What a stage does to each of its units.

    Attributes:
        stage: Name of the stage; keys are unique inside it.
        function: Called in a worker as `function(shared, unit.arguments)`; returns a small JSON value, or a dataclass, of
            which its fields are kept by name. Raising `Unusable` puts the unit in quarantine; any other exception does too,
            as `unexpected-error` with its type and place but without its text, which may hold a patient's value. What the
            machine did (`groundwork.faults`) leaves it `failed`, after further tries.
        settings: JSON value of all that changes results: options, key fingerprint, code version.
        shared: What all units of the stage need (options, key, a lookup); sent to each worker once.
        batch_size: Units per Dask task, for units of a few milliseconds.
        leaves: Given what the function returned, names what the unit left on disk, in a stable order. A unit runs again
            when one of these is gone or its content is not what the unit wrote.
        still_there: Given a recorded result, says whether it still holds; for what `leaves` cannot say.
        ahead: Called before the first unit, each on one worker, where there are several: such as to compile what all units
            need, which each worker would else do for itself. What they raise is left to the units.
    """

    stage: str
    function: Callable[[Any, Any], Any]
    settings: object = None
    shared: object = None
    batch_size: int = 1
    leaves: Callable[[Any], Iterable[Output]] | None = None
    still_there: Callable[[Any], bool] | None = None
    ahead: Sequence[Callable[[], object]] = ()


type Workers = Client | Callable[[], Client | None] | None
"""A Dask client, what makes one when there is work for it, or None to work here, one unit after the other."""


def run_units(
    job: Job, units: Sequence[Unit], ledger: WorkLedger, *, client: Workers = None, progress: Progress | None = None
) -> list[Outcome]:
    """Do a job on every unit that has not ended yet, and return how all of them ended.

    Args:
        job: What is done to each unit.
        units: The units; every key once.
        ledger: Where outcomes are read and written; a row is written only after the function returned.
        client: Who works.
        progress: Told after each batch.

    Returns:
        One outcome per unit, ordered by key, whatever order the work was done in.

    Raises:
        ValueError: If two units have the same key.
        UserError: If the ledger is damaged.

    Example:
        >>> job = Job("double", lambda shared, number: 2 * number)
        >>> with WorkLedger(getfixture("tmp_path") / "work.sqlite") as ledger:
        ...     outcomes = run_units(job, [Unit("a", "", 1), Unit("b", "", 2)], ledger)
        >>> [(outcome.key, outcome.status, outcome.result) for outcome in outcomes]
        [('a', 'done', 2), ('b', 'done', 4)]
    """
    keys = [unit.key for unit in units]
    if len(set(keys)) != len(keys):
        raise ValueError(f"stage {job.stage!r} has two units with one key")
    fingerprints = {unit.key: digest_of([unit.input_digest, job.settings]) for unit in units}
    running = _Running(job, fingerprints, ledger, client, progress)
    running.take_up()
    todo = [unit for unit in sorted(units, key=lambda unit: unit.key) if unit.key not in running.finished]
    running.report()
    running.prepare(todo)
    running.work([todo[start : start + job.batch_size] for start in range(0, len(todo), job.batch_size)])
    running.try_again(todo)
    running.refuse_greedy()
    return [running.finished[key] for key in sorted(running.finished)]


@dataclass
class _Running:
    """A job on its way.

    Attributes:
        fingerprints: Digest of input and settings of each unit.
        finished: How units ended, by key.
        harmed: Units whose outputs are there and not as they were written.
        refused: Units in quarantine: counted as they end, for a count over all after each batch would grow with their square.
    """

    job: Job
    fingerprints: Mapping[str, str]
    ledger: WorkLedger
    client: Workers
    progress: Progress | None
    finished: dict[str, Outcome] = field(default_factory=dict)
    harmed: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def take_up(self) -> None:
        """Take the outcomes of earlier runs that still hold: of the same digests, their outputs as they were left."""
        again: dict[str, Outcome] = {}
        for key, (made_of, outcome) in self.ledger.known(self.job.stage).items():
            if self.fingerprints.get(key) != made_of or not _stands(outcome, self.job.still_there):
                continue
            if outcome.status == "done" and self.job.leaves is not None:
                seals = still_sealed(self.job.leaves(outcome.result), outcome.seals)
                if seals is None:
                    # What was set aside on purpose is gone; what is there and other than it was written was harmed.
                    if all(one.path.exists() for one in self.job.leaves(outcome.result)):
                        self.harmed.add(key)
                    continue
                if seals != outcome.seals:
                    outcome = again[key] = replace(outcome, seals=seals)
            self._finish(outcome)
        if again:
            self.ledger.restamp(self.job.stage, again)

    def report(self) -> None:
        """Tell how far the job is."""
        if self.progress is not None:
            self.progress(self.job.stage, len(self.finished), len(self.fingerprints), len(self.refused))

    def prepare(self, todo: Sequence[Unit]) -> None:
        """Do what the job asks for ahead of its units."""
        client = self.client() if todo and self.job.ahead and callable(self.client) else self.client
        if not todo or client is None or callable(client):
            return
        client.gather([client.submit(one, pure=False) for one in self.job.ahead], errors="skip")

    def work(self, batches: list[list[Unit]]) -> None:
        """Run batches, and write down how each ended before the next is looked at."""
        if not batches:
            return
        client = self.client() if callable(self.client) else self.client
        avoid = {outcome.key: outcome.worker for outcome in self.finished.values()}
        for outcomes in map_batches(Call(self.job.function, self.job.leaves), self.job.shared, batches, client, avoid):
            self._write_down(outcomes)
            self.report()

    def try_again(self, todo: Sequence[Unit]) -> None:
        """Run what the machine made fail again, alone, after a pause that grows."""
        for pause in PAUSES:
            failed = [unit for unit in todo if self.finished[unit.key].status == "failed"]
            if not failed:
                return
            time.sleep(pause)
            self.work([[unit] for unit in failed])

    def refuse_greedy(self) -> None:
        """Refuse what asked for too much memory again and again, alone: then it is the unit, and it holds up nobody."""
        greedy = [o for o in self.finished.values() if o.status == "failed" and o.reason == OUT_OF_MEMORY]
        self._write_down([replace(outcome, status="quarantined") for outcome in greedy])

    def _write_down(self, outcomes: Sequence[Outcome]) -> None:
        self.ledger.record(self.job.stage, [(self.fingerprints[outcome.key], outcome) for outcome in outcomes])
        for outcome in outcomes:
            self._finish(replace(outcome, mended=True) if outcome.key in self.harmed else outcome)

    def _finish(self, outcome: Outcome) -> None:
        self.finished[outcome.key] = outcome
        (self.refused.add if outcome.status == "quarantined" else self.refused.discard)(outcome.key)


def _stands(outcome: Outcome, still_there: Callable[[object], bool] | None) -> bool:
    if outcome.status == "failed":
        return False
    if outcome.status == "quarantined":
        return outcome.reason not in TRANSIENT_REASONS
    return still_there is None or still_there(outcome.result)
