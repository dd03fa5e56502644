"""The rule of time by cases: the table of docs/linking.md is the test, and the test is the manual."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from unibase.groundwork.tables import EVENTS
from unibase.linking.asof.join import join
from unibase.linking.index_event import index_events
from unibase.linking.options import IndexRule, Windows

PAGE = Path(__file__).parents[2] / "docs" / "linking.md"
CASES = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| 2020-\d\d", line)
]
BOUNDS = [
    (match[1], match[2], match[3] == "yes")
    for match in re.finditer(r"(?m)^\| `(\w+: [^`]*)` \| ([^|]*) \| (yes|no) \|$", PAGE.read_text(encoding="utf-8"))
]
WINDOWS = Windows.model_validate({"clinical": {"ldh": {"concept": "ldh", "from_days": -30}}})
CONCEPTS = {"start": ["START"], "ldh": ["LDH"]}
DAY = datetime(2020, 6, 15)
INDEX = {
    "index at 10:00": (DAY + timedelta(hours=10), "exclude"),
    "index to the day": (DAY, "exclude"),
    "same_day: include": (DAY + timedelta(hours=10), "include"),
}
MICROSECOND = timedelta(microseconds=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def row(said: str) -> dict[str, object]:
    """Return the columns of an event that says this of its time."""
    what, _, further = said.partition(", ")
    found: dict[str, object] = {}
    if len(what) == 7:
        first = moment(f"{what}-01")
        found |= {"time_min": first, "time_max": (first + timedelta(days=31)).replace(day=1) - MICROSECOND}
    elif len(what) == 10:
        found |= {"time": moment(what), "time_min": moment(what), "time_max": moment(what) + timedelta(days=1) - MICROSECOND}
    else:
        found |= {"time": moment(what), "time_min": moment(what), "time_max": moment(what)}
    for word, column in (("recorded ", "recorded_time"), ("ended ", "end_time")):
        if further.startswith(word):
            found[column] = moment(further.removeprefix(word))
    return found


def used(said: str, index: str) -> bool:
    """Return whether the join uses the value of a row, with one index."""
    at, same_day = INDEX[index]
    whole = timedelta(days=1) - MICROSECOND if at == DAY else timedelta()
    return joined(at, whole, same_day, row(said), WINDOWS)


def joined(at: datetime, whole: timedelta, same_day: str, value: dict[str, object], windows: Windows) -> bool:
    """Return whether the join uses a value, with an index at an instant or known to be within `whole` of it."""
    start: dict[str, object] = {"code": "START", "time": at, "time_min": at, "time_max": at + whole, "source": "lyon/a"}
    said: dict[str, object] = {"code": "LDH", "numeric_value": 7.0, "source": "lyon/b", "source_row": 2}
    rows = [{"subject_id": 1, **one} for one in (start | {"source_row": 1}, said | value)]
    types = {name: EVENTS.schema()[name] for one in rows for name in one}
    events = EVENTS.conform(pl.DataFrame(rows, schema=types))
    found = index_events(events, CONCEPTS, IndexRule.model_validate({"concept": "start", "same_day": same_day}))
    return join(events, None, None, found, windows, CONCEPTS).analysis["ldh"].to_list() == [7.0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_the_rule_of_time_by_cases(case: tuple[str, ...]) -> None:
    said, *expected = case
    assert [("used" if used(said, index) else "-") for index in INDEX] == expected


def distance(said: str) -> timedelta:
    """Return what a sum of days, hours and microseconds says, such as `-30 +1us`."""
    units = {"": timedelta(days=1), "h": timedelta(hours=1), "us": MICROSECOND}
    return sum((int(n) * units[unit] for n, unit in re.findall(r"([+-]?\d+)(us|h|)", said)), timedelta())


@pytest.mark.parametrize("choose", ["latest", "first", "closest"])
@pytest.mark.parametrize(("window", "said", "is_used"), BOUNDS)
def test_the_bounds_of_a_window_by_cases(window: str, said: str, is_used: bool, choose: str) -> None:
    shape = {"concept": "ldh", "choose": choose, **YAML(typ="safe").load("{" + window + "}")}
    windows = Windows.model_validate({"clinical": {"ldh": shape}})
    at = DAY + timedelta(hours=10)
    assert (
        joined(at, timedelta(), "exclude", dict.fromkeys(("time", "time_min", "time_max"), at + distance(said)), windows)
        == is_used
    )


def test_the_tables_are_there() -> None:
    assert len(CASES) >= 18 and len(BOUNDS) >= 21
