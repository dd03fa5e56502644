from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibase.groundwork.cluster import dask_client
from unibase.groundwork.outcomes import LeftOut
from unibase.groundwork.problems import Unusable, UserError, without_folders
from unibase.groundwork.work import Job, Outcome, Unit, WorkLedger, _Running, run_units


def _half(shared: int | None, argument: tuple[Path, int]) -> dict[str, int]:
    folder, number = argument
    with open(folder / f"calls-{number}", "a", encoding="utf-8") as calls:
        calls.write("x")
    if number % 3 == 0:
        raise Unusable("divisible", "It divides by three.", "Give another.")
    if number == 50:
        raise UserError(f"{folder}/sheet.csv, row 3: has no sample. Give its name.")
    if number % 7 == 0:
        raise ValueError("the patient is called Dupont")
    return {"half": number // (shared or 2)}


def _die_at_three(_: None, number: int) -> int:
    if number == 3:
        os._exit(1)
    return number


def _units(folder: Path, numbers: list[int], digest: str = "d") -> list[Unit]:
    return [Unit(f"{number:04}", digest, (folder, number)) for number in numbers]


def _calls(folder: Path, number: int) -> int:
    path = folder / f"calls-{number}"
    return len(path.read_text(encoding="utf-8")) if path.exists() else 0


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with WorkLedger(tmp_path / "vault" / "work.sqlite") as ledger:
        yield ledger


def test_every_unit_ends_once_and_the_run_goes_on(tmp_path: Path, ledger: WorkLedger) -> None:
    outcomes = run_units(Job("halve", _half, {}), _units(tmp_path, list(range(1, 15))), ledger)
    assert [o.key for o in outcomes] == [f"{n:04}" for n in range(1, 15)]
    reasons = {o.key: o.reason for o in outcomes if o.status == "quarantined"}
    assert reasons == dict.fromkeys(["0003", "0006", "0009", "0012"], "divisible") | dict.fromkeys(
        ["0007", "0014"], "unexpected-error"
    )


def test_an_unexpected_error_tells_its_place_and_not_its_text(tmp_path: Path, ledger: WorkLedger) -> None:
    (outcome,) = run_units(Job("halve", _half, {}), _units(tmp_path, [7]), ledger)
    assert "Dupont" not in repr(outcome)
    assert "ValueError" in outcome.message and "_half" in outcome.message


def test_what_the_user_can_mend_is_told_without_the_place_of_the_files(tmp_path: Path, ledger: WorkLedger) -> None:
    (outcome,) = run_units(Job("halve", _half, {}), _units(tmp_path, [50]), ledger)
    assert (outcome.status, outcome.reason) == ("quarantined", "unusable-input")
    assert outcome.message == "sheet.csv, row 3: has no sample. Give its name."
    assert without_folders("a/b of 3/4, see https://x.org/a/b") == "a/b of 3/4, see https://x.org/a/b"


def test_the_second_run_repeats_only_what_may_end_otherwise(tmp_path: Path, ledger: WorkLedger) -> None:
    first = run_units(Job("halve", _half, {}), _units(tmp_path, [1, 2, 3, 7]), ledger)
    second = run_units(Job("halve", _half, {}), _units(tmp_path, [1, 2, 3, 7, 8]), ledger)
    assert second[:4] == first
    assert [_calls(tmp_path, n) for n in (1, 2, 3, 7, 8)] == [1, 1, 1, 2, 1]
    assert [o.repeated for o in second] == [False, False, False, True, True]


@pytest.mark.parametrize(
    "change",
    [{"digest": "other"}, {"settings": {"a": 1}}, {"still_there": lambda result: False}],
    ids=["input", "settings", "output lost"],
)
def test_a_change_of_input_settings_or_output_runs_the_unit_again(
    tmp_path: Path, ledger: WorkLedger, change: dict[str, Any]
) -> None:
    run_units(Job("halve", _half, {}), _units(tmp_path, [2]), ledger)
    units = _units(tmp_path, [2], change.get("digest", "d"))
    run_units(Job("halve", _half, change.get("settings", {}), still_there=change.get("still_there")), units, ledger)
    assert _calls(tmp_path, 2) == 2


def test_two_units_of_one_key_are_refused(tmp_path: Path, ledger: WorkLedger) -> None:
    with pytest.raises(ValueError, match="two units"):
        run_units(Job("halve", _half, {}), _units(tmp_path, [1, 1]), ledger)


def test_progress_reaches_the_total(tmp_path: Path, ledger: WorkLedger) -> None:
    seen: list[tuple[str, int, int, int]] = []
    run_units(Job("halve", _half, {}, batch_size=2), _units(tmp_path, [1, 2, 3]), ledger, progress=lambda *p: seen.append(p))
    assert seen == [("halve", 0, 3, 0), ("halve", 2, 3, 0), ("halve", 3, 3, 1)]


def test_a_run_stopped_half_way_goes_on_where_it_stopped(tmp_path: Path, ledger: WorkLedger) -> None:
    class Stop(Exception):
        pass

    def stop_at(count: int) -> Callable[..., None]:
        def progress(stage: str, finished: int, total: int, quarantined: int) -> None:
            if finished == count:
                raise Stop

        return progress

    with pytest.raises(Stop):
        run_units(Job("halve", _half, {}), _units(tmp_path, [1, 2, 4, 5]), ledger, progress=stop_at(2))
    run_units(Job("halve", _half, {}), _units(tmp_path, [1, 2, 4, 5]), ledger)
    assert [_calls(tmp_path, n) for n in (1, 2, 4, 5)] == [1, 1, 1, 1]


@settings(max_examples=25, deadline=None)
@given(numbers=st.lists(st.integers(1, 99), unique=True, max_size=12), batch_size=st.integers(1, 5), data=st.data())
def test_outcomes_do_not_depend_on_order_or_batches(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], batch_size: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("work")
    shuffled = data.draw(st.permutations(numbers))

    def run(name: str, order: list[int], size: int) -> list[Outcome]:
        with WorkLedger(folder / name) as ledger:
            return run_units(Job("halve", _half, {}, batch_size=size), _units(folder, order), ledger)

    assert run("a.sqlite", numbers, 1) == run("b.sqlite", shuffled, batch_size)


@pytest.mark.slow
def test_workers_give_the_same_outcomes_and_a_dead_one_costs_only_its_units(tmp_path: Path, ledger: WorkLedger) -> None:
    alone = run_units(Job("halve", _half, {}), _units(tmp_path, list(range(1, 20))), ledger)
    with dask_client(workers=2) as client, WorkLedger(tmp_path / "other.sqlite") as other:
        units = _units(tmp_path, list(range(1, 20)))
        assert run_units(Job("halve", _half, {}, shared=2), units, other, client=client) == alone
        units = [Unit(str(number), "d", number) for number in range(6)]
        ended = run_units(Job("die", _die_at_three, {}, batch_size=3), units, other, client=client)
        assert [outcome.reason for outcome in ended] == ["", "", "", "worker-died", "", ""]
        (alive,) = run_units(Job("halve", _half, {}), _units(tmp_path, [40]), other, client=client)
        assert alive.status == "done"


def test_what_the_source_no_longer_holds_is_forgotten(tmp_path: Path, ledger: WorkLedger) -> None:
    run_units(Job("halve", _half, {}), _units(tmp_path, [1, 2, 3]), ledger)
    run_units(Job("other", _half, {}), _units(tmp_path, [4]), ledger)
    assert ledger.forget_others("halve", ["0002", "0009"]) == 2
    assert [(stage, outcome.key) for stage, outcome in ledger.outcomes()] == [("halve", "0002"), ("other", "0004")]
    assert ledger.last_moments().keys() == {"halve", "other"}


class Ahead:
    """A client that notes what it was given, and does it at once."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def submit(self, function: Callable[[], str], pure: bool) -> str:
        """Do it."""
        assert not pure  # what was compiled once is asked for again by the next run
        self.said.append(function())
        return self.said[-1]

    def gather(self, futures: list[str], errors: str) -> list[str]:
        """Wait for it."""
        assert errors == "skip"
        return futures


@pytest.mark.parametrize(("todo", "said"), [([Unit("a", "", 1)], ["one", "two"]), ([], [])])
def test_what_all_units_need_is_done_once_before_them_and_never_for_none(
    todo: list[Unit], said: list[str], tmp_path: Path
) -> None:
    client = Ahead()
    job = Job("compile", lambda shared, one: one, ahead=(lambda: "one", lambda: "two"))
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        _Running(job, {}, ledger, lambda: cast(Any, client), None).prepare(todo)
    assert client.said == said


@dataclass(frozen=True)
class _Made:
    file: str
    left_out: list[LeftOut]


def _make(_: None, number: int) -> _Made:
    problem = Unusable("too-thick", "Slices are thicker than 10 mm.", "Send thinner ones.")
    return _Made(f"{number}.zarr", [LeftOut.of("echo 2", problem)] if number else [])


def test_a_record_is_kept_by_the_names_of_its_fields_and_read_back_equal(ledger: WorkLedger) -> None:
    units = [Unit("0", "d", 0), Unit("1", "d", 1)]
    left = {"part": "echo 2", "reason": "too-thick", "message": "Slices are thicker than 10 mm.", "remedy": "Send thinner ones."}
    seen: list[str] = []
    job = Job("records", _make, leaves=lambda result: seen.append(result["file"]) or [])
    for repeated in (True, False):
        outcomes = run_units(job, units, ledger)
        assert [one.repeated for one in outcomes] == [repeated] * 2
        assert [one.result for one in outcomes] == [{"file": "0.zarr", "left_out": []}, {"file": "1.zarr", "left_out": [left]}]
    assert set(seen) == {"0.zarr", "1.zarr"}, "what a unit leaves is named from the same value, fresh or remembered"
