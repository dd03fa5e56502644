"""What the machine did is told from what the data are, whatever a room made of the error."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from unibase.groundwork import work
from unibase.groundwork.faults import REMEDIES, fault_of
from unibase.groundwork.problems import Unusable
from unibase.groundwork.work import Job, Unit, WorkLedger, run_units


def raised(function: Any) -> BaseException:
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def hidden() -> None:
    """As rooms do: a library's error becomes a refusal, and its text is kept out of the traceback."""
    try:
        raise OSError(errno.ESTALE, "Stale file handle", "/mnt/pacs/DUPONT.dcm")
    except OSError:
        raise Unusable("truncated-file", "The file ends too early.") from None


@pytest.mark.parametrize("number", sorted(REMEDIES))
def test_every_errno_of_the_machine_is_named_with_a_remedy(number: int) -> None:
    fault = fault_of(OSError(number, "text"))
    assert fault is not None
    assert fault.reason == f"machine-{errno.errorcode[number]}"
    assert fault.remedy.endswith(".")


def test_the_machine_is_found_below_a_refusal_and_no_file_is_named(tmp_path: Path) -> None:
    fault = fault_of(raised(hidden))
    assert fault is not None and fault.reason == "machine-ESTALE"
    assert "DUPONT" not in fault.message + fault.remedy
    assert "mount /" in fault.message and "GB free" in fault.message


def test_the_machine_is_found_in_the_text_of_a_library_that_has_no_errno(tmp_path: Path) -> None:
    missing = raised(lambda: pl.read_parquet(tmp_path / "gone.parquet"))
    assert fault_of(missing) is not None
    assert (
        fault_of(RuntimeError("unable to read (file read failed: errno = 5, error message = 'Input/output error')")) is not None
    )


@pytest.mark.parametrize(
    "error",
    [ValueError("5"), OSError(errno.EINVAL, "Invalid argument"), KeyError("[Errno 5]"), Unusable("a", "b"), EOFError()],
)
def test_what_data_do_is_no_fault_of_the_machine(error: Exception) -> None:
    assert fault_of(error) is None


def flaky(shared: list[str], argument: str) -> str:
    """Fail as often as `shared` has the argument."""
    if argument in shared:
        shared.remove(argument)
        raise OSError(errno.EIO, "Input/output error")
    return argument


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    paused: list[float] = []
    monkeypatch.setattr(work.time, "sleep", paused.append)
    return paused


def test_a_failed_unit_is_tried_again_and_only_it(tmp_path: Path, no_pause: list[float]) -> None:
    units = [Unit(name, name, name) for name in "abc"]
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        outcomes = run_units(Job("stage", flaky, shared=["b", "b"]), units, ledger)
        assert [outcome.status for outcome in outcomes] == ["done"] * 3
        assert no_pause == list(work.PAUSES[:2])


def test_what_stays_failed_is_no_reason_of_the_data_and_the_next_run_does_it(tmp_path: Path, no_pause: list[float]) -> None:
    units = [Unit(name, name, name) for name in "ab"]
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        first = run_units(Job("stage", flaky, shared=["b"] * 10), units, ledger)
        assert [(outcome.status, outcome.reason) for outcome in first] == [("done", ""), ("failed", "machine-EIO")]
        again = run_units(Job("stage", flaky, shared=[]), units, ledger)
        assert [(outcome.status, outcome.repeated) for outcome in again] == [("done", False), ("done", True)]


def test_a_unit_that_always_asks_for_too_much_memory_is_refused_in_the_end(tmp_path: Path, no_pause: list[float]) -> None:
    def greedy(_: None, argument: str) -> str:
        raise MemoryError

    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        (outcome,) = run_units(Job("stage", greedy), [Unit("a", "a", "a")], ledger)
    assert (outcome.status, outcome.reason) == ("quarantined", "out-of-memory")
    assert len(no_pause) == len(work.PAUSES)


def blind(good: str, argument: str) -> str:
    """Work on one worker alone: the other has not the share."""
    from distributed import get_worker

    if get_worker().name != good:
        raise OSError(errno.ENOENT, "No such file or directory", "/mnt/pacs/1.dcm")
    return argument


def test_a_unit_goes_to_another_worker_after_one_failed_it(tmp_path: Path, no_pause: list[float]) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
        WorkLedger(tmp_path / "work.sqlite") as ledger,
    ):
        good = sorted(worker["name"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())[0]
        units = [Unit(f"{n}", f"{n}", f"{n}") for n in range(8)]
        outcomes = run_units(Job("stage", blind, shared=good), units, ledger, client=client)
    assert {outcome.status for outcome in outcomes} == {"done"}
