"""Units on their way through the workers: in batches, each caught where it fails, one that kills its worker found alone."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
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
            yield _run_batch(call, shared, batch)
        return
    from distributed import as_completed, wait

    # A task, not scattered data: when the workers that hold it die, Dask can make it again.
    sent = client.submit(_keep, shared, pure=False) if shared is not None and batches else None

    def submit(batch: list[Unit]) -> Future[list[Outcome]]:
        bad = {avoid.get(unit.key, "") for unit in batch} - {""}
        others = sorted(set(client.scheduler_info(n_workers=-1)["workers"]) - bad) if bad else []
        where = {"workers": others, "allow_other_workers": True} if others else {}
        return client.submit(_run_batch, call, sent, batch, pure=False, **where)

    futures = {submit(batch): batch for batch in batches}
    suspects: list[Unit] = []
    try:
        for future in as_completed(list(futures)):
            batch = futures.pop(future)
            if future.status in ("finished", "cancelled"):
                yield future.result()  # that of a cancelled one is an error: its scheduler is gone
            else:
                suspects += batch
            future.release()
        # One unit killed its worker over and over, and with it others that only stood beside it: alone, it shows.
        for unit in suspects:
            future = submit([unit])
            futures[future] = [unit]
            wait(future)
            yield [_died(unit)] if future.status == "error" else future.result()
            del futures[future]
    finally:
        client.cancel(list(futures))


def _keep(value: object) -> object:
    return value


def _run_batch(call: Call, shared: object, batch: list[Unit]) -> list[Outcome]:
    # Warnings of libraries may quote values of a patient, so none leaves a worker.
    with warnings.catch_warnings(), closed_by_default():
        warnings.simplefilter("ignore")
        return [_run_one(call, shared, unit) for unit in batch]


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
