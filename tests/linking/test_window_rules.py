"""The rule of time by cases: the table of docs/linking.md is the test, and the test is the manual."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from unibase.groundwork.tables import EVENTS, FEATURES, SAMPLE_MAP
from unibase.linking.asof.join import join
from unibase.linking.index_event import index_events
from unibase.linking.options import IndexRule, Windows
from unibase.linking.windows import one_vocabulary

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


def joined(at: datetime, whole: timedelta, same_day: str, value: dict[str, object], windows: Windows) -> bool:
    """Return whether the join uses a value, with an index at an instant or known to be within `whole` of it."""
    start: dict[str, object] = {"code": "START", "time": at, "time_min": at, "time_max": at + whole, "source": "lyon/a"}
    said: dict[str, object] = {"code": "LDH", "numeric_value": 7.0, "source": "lyon/b", "source_row": 2}
    rows = [{"subject_id": 1, **one} for one in (start | {"source_row": 1}, said | value)]
    types = {name: EVENTS.schema()[name] for one in rows for name in one}
    events = EVENTS.conform(pl.DataFrame(rows, schema=types))
    found = index_events(events, CONCEPTS, IndexRule.model_validate({"concept": "start", "same_day": same_day}))
    return join(events, None, None, found, windows, CONCEPTS).analysis["ldh"].to_list() == [7.0]


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


CHOICES = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| (latest|first|closest) \|", line)
]
SERIES = {"StudyInstanceUID": "1", "Modality": "CT", "region": "GTV", "image_type": "original", "engine": "unibase",
          "mode": "ibsi", "settings_digest": "s"}  # fmt: skip


def taken(rows: list[dict[str, object]], window: dict[str, object], door: str, index: str = "index at 10:00") -> float | None:
    """Return the place, from 1, of the row that a window takes through one of the three doors."""
    at, same_day = INDEX[index]
    whole = timedelta(days=1) - MICROSECOND if at == DAY else timedelta()
    numbered = [row | {"subject_id": 1, "place": float(place)} for place, row in enumerate(rows, 1)]
    windows = Windows.model_validate({"clinical": {"ldh": {"concept": "ldh"} | window}} if door == "event" else {door: window})
    start: dict[str, object] = {"code": "START", "source": "lyon/a", "source_row": 9, "subject_id": 1}
    start |= {"time": at, "time_min": at, "time_max": at + whole}
    said = [
        {"code": "LDH", "numeric_value": row.pop("place"), "source": "lyon/b", "source_row": place, **row}
        for place, row in enumerate([dict(row) for row in numbered], 1)
    ]
    events = [start, *(said if door == "event" else [])]
    found = index_events(
        EVENTS.conform(_frame(events, EVENTS.schema())),
        CONCEPTS,
        IndexRule.model_validate({"concept": "start", "same_day": same_day}),
    )
    features, samples = _features(numbered) if door == "imaging" else None, _samples(numbered) if door == "rna" else None
    joined = join(EVENTS.conform(_frame(events, EVENTS.schema())), features, samples, found, windows, CONCEPTS)
    column = {"event": "ldh", "rna": "rna_sample", "imaging": "CT_GTV_original_place"}[door]
    (value,) = joined.analysis[column].to_list() if column in joined.analysis.columns else [None]
    return None if value is None else float(value)


def _frame(rows: list[dict[str, object]], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={name: schema[name] for row in rows for name in row})


def _samples(rows: list[dict[str, object]]) -> pl.DataFrame:
    kept = [{f"sample_{name}": row[name] for name in ("time", "time_min", "time_max") if name in row} for row in rows]
    fixed = {"assay": "rna", "primary": 1, "status": "used", "reason": ""}
    named = [row | fixed | {"colname": str(place)} for place, row in enumerate(kept, 1)]
    return SAMPLE_MAP.conform(_frame(named, SAMPLE_MAP.schema()))


def _features(rows: list[dict[str, object]]) -> pl.DataFrame:
    found = []
    for place, row in enumerate(rows, 1):
        own = {"SeriesInstanceUID": str(place), "source_digest": str(place), "original_place": float(place)}
        found.append(SERIES | own | {"subject_id": 1, "series_time": row.get("time")})
    return FEATURES.conform(pl.DataFrame(found, schema_overrides={"series_time": pl.Datetime("us")}))


@pytest.mark.parametrize("door", ["event", "rna", "imaging"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_the_rule_of_time_is_one_for_events_samples_and_images(case: tuple[str, ...], door: str) -> None:
    said, *expected = case
    if door == "event" or not (", " in said or (door == "imaging" and len(said) == 7)):
        found = [taken([row(said)], {"from_days": -30}, door, index) for index in INDEX]
        assert found == [1 if one == "used" else None for one in expected]


@pytest.mark.parametrize("door", ["rna", "imaging"])
@pytest.mark.parametrize(("window", "said", "is_used"), BOUNDS)
def test_the_bounds_are_those_of_samples_and_images_too(window: str, said: str, is_used: bool, door: str) -> None:
    at = DAY + timedelta(hours=10) + distance(said)
    shape = YAML(typ="safe").load("{" + window + "}")
    assert (taken([dict.fromkeys(("time", "time_min", "time_max"), at)], dict(shape), door) == 1) == is_used


@pytest.mark.parametrize("door", ["event", "rna", "imaging"])
@pytest.mark.parametrize("case", CHOICES, ids=" ".join)
def test_which_of_two_is_taken(case: tuple[str, ...], door: str) -> None:
    choose, first, second, expected, _ = case
    if door == "imaging" and {len(first), len(second)} & {7}:
        return  # an image has an instant or a day
    both = [row(first), row(second)]
    place = ["the first", "the second", "none"].index(expected)
    assert taken(both, {"choose": choose}, door) == (place + 1 if place < 2 else None)


def test_the_tables_are_there() -> None:
    assert len(CHOICES) >= 12
    assert len(CASES) >= 18 and len(BOUNDS) >= 21


@pytest.mark.parametrize(
    ("codes", "rows", "kept"),
    [
        (["ICD10//C34", "SNOMED//254637007"], [1, 1], ["ICD10//C34"]),
        (["ICD10//C34", "ICD10//I10"], [1, 1], ["ICD10//C34", "ICD10//I10"]),
        (["ICD10//C34", "SNOMED//254637007"], [1, 2], ["ICD10//C34", "SNOMED//254637007"]),
        (["ICD10//C34", "SNOMED//254637007"], [None, None], ["ICD10//C34", "SNOMED//254637007"]),
    ],
)
def test_what_one_row_says_in_several_vocabularies_counts_once(codes: list[str], rows: list[int | None], kept: list[str]) -> None:
    frame = pl.DataFrame({"subject_id": 7, "source": "lyon", "source_row": rows, "code": codes})
    assert one_vocabulary(frame)["code"].to_list() == kept
