"""What becomes of units whose scheduler goes away under them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from distributed import Client, Event

from unibase.groundwork import unit_batches
from unibase.groundwork.faults import fault_of
from unibase.groundwork.outcomes import Unit
from unibase.groundwork.unit_batches import Call, map_batches


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        yield client


def _forgotten(_: object, number: object) -> object:
    """Do as a scheduler that is lost: the client calls off all that it waits for."""
    if number:
        client = Client.current()
        client.loop.add_callback(_call_off, client)
        Event("never").wait(timeout=20)
    return number


def _call_off(client: Client) -> None:
    for state in client.futures.values():
        state.cancel("scheduler-connection-lost")


@pytest.mark.parametrize("numbers", [[1], [0, 1], [1, 2]])
def test_units_without_a_scheduler_failed_and_are_not_refused(client: Client, numbers: list[int]) -> None:
    batches = [[Unit(str(number), "digest", number)] for number in numbers]
    with pytest.raises(Exception) as raised:
        list(map_batches(Call(_forgotten), None, batches, client, {}))
    Event("never", client=client).set()
    fault = fault_of(raised.value)
    assert fault is not None and fault.reason == "machine-scheduler", raised.value


def _double(shared: int, number: int) -> int:
    return shared * number


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_a_batch_that_takes_too_long_goes_on_in_parts(
    client: Client, monkeypatch: pytest.MonkeyPatch, seconds: float, size: int
) -> None:
    monkeypatch.setattr(unit_batches, "_LONGEST", seconds)
    batches = [[Unit(str(number), "digest", number) for number in range(start, start + size)] for start in (0, 100)]
    for workers in (None, client):
        parts = list(map_batches(Call(_double), 2, batches, workers, {}))
        # Of no time at all a batch does one unit; of an hour all its units.
        assert {len(part) for part in parts} == {1 if seconds == 0 else size}
        assert {one.key: one.result for part in parts for one in part} == {
            unit.key: 2 * int(unit.key) for batch in batches for unit in batch
        }
        assert sum(map(len, parts)) == 2 * size
