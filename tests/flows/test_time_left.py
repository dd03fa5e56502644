"""How much time is left: what a line says of a stage at each moment, by the clock that the table gives."""

import pytest

from unibase.flows.runs import progress
from unibase.flows.runs.progress import ProgressBoard

CALLS = [
    # seconds, finished, line
    (0, 4, None),
    (300, 5, "features: 5 of 100"),  # 300 s of kernels compiled and one unit: no pace yet
    (320, 7, "features: 7 of 100, about 16 min left"),  # 10 s a unit, 93 to go
    (410, 16, "features: 16 of 100, about 14 min left"),
    (411, 17, None),  # too soon for another line
    (1220, 97, "features: 97 of 100"),  # less than a minute
    (1250, 100, "features: 100 of 100"),
]


def test_the_pace_counts_from_the_first_unit_on(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    board = ProgressBoard(said.append)
    for seconds, finished, line in CALLS:
        monkeypatch.setattr(progress.time, "monotonic", lambda now=seconds: 1000.0 + now)
        before = len(said)
        board("features", finished, 100, 0)
        assert said[before:] == ([line] if line else [])
    many = ProgressBoard(said.append)
    for seconds, finished in ((0, 0), (60, 1), (120, 2)):
        monkeypatch.setattr(progress.time, "monotonic", lambda now=seconds: 5000.0 + now)
        many("index", finished, 1000, 3)
    assert said[-1] == "index: 2 of 1000, 3 quarantined, about 17 h left"
