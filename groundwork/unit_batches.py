"""Units on their way through the workers: in batches, each caught where it fails, one that kills its worker found alone.

A batch ends after half a second, wherever it is, and what is left of it is sent again, in halves. So files of half a millisecond do
not cost a message each, and units of a minute are told of, written down and shared out one by one.
"""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unibase.groundwork.faults import Fault, fault_of
from unibase.groundwork.files import closed_by_default
from unibase.groundwork.outcomes import Outcome, Unit, quarantined
from unibase.groundwork.problems import Unusable, UserError, without_folders
from unibase.groundwork.reasons import OUT_OF_MEMORY, UNEXPECTED_ERROR, UNUSABLE_INPUT, WORKER_DIED
from unibase.groundwork.seals import Output, sealed

if TYPE_CHECKING:
    from distributed import Client, Future


_LONGEST = 0.5
"""Seconds after which a batch begins no further unit."""


@dataclass(frozen=True)
class Call:
    """What is done to a unit, on whatever worker: the function, and what it leaves.

    Attributes:
        function: Called as `function(shared, unit.arguments)`; returns a small JSON value, or a dataclass of
            such values.
        leaves: Given that value, names what the unit left on disk, in a stable order.
    """

    function: Callable[[object, object], object]
    leaves: Callable[[Any], Iterable[Output]] | None = None


def map_batches(
    call: Call, shared: object, batches: list[list[Unit]], client: Client | None, avoid: Mapping[str, str]
) -> Iterable[list[Outcome]]:
    """Yield the outcomes of each batch; a unit that failed on the worker `avoid` names goes to another where there is one.

    Args:
        call: What is done to each unit.
        shared: What all units need; sent to each worker once.
        batches: The units, a batch a Dask task.
        client: Dask client, or None to run them here.
        avoid: Address of the worker that a unit failed on, by key.
    """
    if client is None:
        for batch in batches:
            while batch:
                outcomes = _run_batch(call, shared, batch)
                batch = batch[len(outcomes) :]
                yield outcomes
    elif batches:
        # A task, not scattered data: when the workers that hold it die, Dask can make it again.
        sent = client.submit(_keep, shared, pure=False) if shared is not None else None
        yield from _Sent(call, sent, client, avoid).outcomes(batches)


@dataclass(frozen=True)
class _Sent:
    """Batches on workers.

    Attributes:
        shared: What all units need, on the workers.
        futures: The batches that are under way.
    """

    call: Call
    shared: object
    client: Client
    avoid: Mapping[str, str]
    futures: dict[Future[_Ended], list[Unit]] = field(default_factory=dict)

    def submit(self, batch: list[Unit]) -> Future[_Ended]:
        """Send a batch."""
        bad = {self.avoid.get(unit.key, "") for unit in batch} - {""}
        others = sorted(set(self.client.scheduler_info(n_workers=-1)["workers"]) - bad) if bad else []
        where = {"workers": others, "allow_other_workers": True} if others else {}
        future = self.client.submit(_run_there, self.call, self.shared, batch, pure=False, **where)
        self.futures[future] = batch
        return future

    def outcomes(self, batches: list[list[Unit]]) -> Iterator[list[Outcome]]:
        """Yield the outcomes of batches as they end."""
        from distributed import as_completed, wait

        suspects: list[Unit] = []
        try:
            ended = as_completed([self.submit(batch) for batch in batches])
            for future in ended:
                batch = self.futures.pop(future)
                if future.status in ("finished", "cancelled"):
                    outcomes = future.result().outcomes  # that of a cancelled one is an error: its scheduler is gone
                    for left in _halves(batch[len(outcomes) :]):
                        ended.add(self.submit(left))
                    yield outcomes
                else:
                    suspects += batch
                future.release()
            # One unit killed its worker over and over, and with it others that only stood beside it: alone, it shows.
            for unit in suspects:
                future = self.submit([unit])
                wait(future)
                yield [_died(unit)] if future.status == "error" else future.result().outcomes
                del self.futures[future]
        finally:
            self.client.cancel(list(self.futures))


def _halves(batch: list[Unit]) -> list[list[Unit]]:
    """Return what is left of a batch in two, so that another worker can take a part; nothing of nothing."""
    middle = (len(batch) + 1) // 2
    return [half for half in (batch[:middle], batch[middle:]) if half]


def _keep(value: object) -> object:
    return value


@dataclass(frozen=True)
class _Ended:
    """How units of a batch ended: one thing to send, where Dask would send a list item by item."""

    outcomes: list[Outcome]


def _run_there(call: Call, shared: object, batch: list[Unit]) -> _Ended:
    return _Ended(_run_batch(call, shared, batch))


def _run_batch(call: Call, shared: object, batch: list[Unit]) -> list[Outcome]:
    """Return the outcomes of the first units, at least one: as many as begin before half a second is over."""
    outcomes = []
    end = time.monotonic() + _LONGEST
    # Warnings of libraries may quote values of a patient, so none leaves a worker.
    with warnings.catch_warnings(), closed_by_default():
        warnings.simplefilter("ignore")
        for unit in batch:
            outcomes.append(_run_one(call, shared, unit))
            if time.monotonic() > end:
                break
    return outcomes


def _run_one(call: Call, shared: object, unit: Unit) -> Outcome:
    try:
        result = _in_json(call.function(shared, unit.arguments))
        seals = sealed(call.leaves(result)) if call.leaves else ()
    except MemoryError:
        remedy = "Give workers more memory if it persists; the next run tries again."
        return _failed(unit, Fault(OUT_OF_MEMORY, "It asks for more memory than the worker has.", remedy))
    except Exception as error:
        fault = fault_of(error)
        return _failed(unit, fault) if fault else _refused(unit, error)
    return Outcome(unit.key, unit.input_digest, "done", result, repeated=True, seals=seals)


def _in_json(result: object) -> object:
    """Return what is written down of a result: that of a dataclass by the names of its fields."""
    return asdict(result) if is_dataclass(result) and not isinstance(result, type) else result


def _refused(unit: Unit, error: Exception) -> Outcome:
    if isinstance(error, Unusable):
        return quarantined(unit, error.reason, error.message, error.remedy, error.found)
    if isinstance(error, UserError):
        return quarantined(unit, UNUSABLE_INPUT, without_folders(str(error)), "")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"{type(error).__name__} in {frame.name} ({place})."
    return quarantined(unit, UNEXPECTED_ERROR, message, "Report it with this place; the next run tries again.")


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
    return quarantined(unit, WORKER_DIED, "The worker that ran this unit died.", remedy)
