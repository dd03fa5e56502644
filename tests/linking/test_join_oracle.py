"""The temporal join against its twin on paper (`oracle`), on thousands of small random timelines."""

from __future__ import annotations

import io
import itertools
import math
import os
import random
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.linking import oracle
from unibase.groundwork.tables import EVENTS
from unibase.linking.asof.join import Joined, join
from unibase.linking.index_event import index_events
from unibase.linking.options import IndexRule, Windows

CONCEPTS = {"start": ["TX"], "lab": ["LAB"], "any_code": [""]}
CHOICES = ("latest", "first", "closest", "count", "any", "mean", "min", "max", "slope")
ORIGIN = datetime(2020, 3, 1)
ALMOST_DAY = timedelta(days=1) - timedelta(microseconds=1)


def random_row(rng: random.Random, subject: int, number: int) -> dict[str, Any]:
    """One event of a kind that makes trouble: few days, few instants, partial dates, late records, ties."""
    day = ORIGIN + timedelta(days=rng.randint(-4, 4))
    row: dict[str, Any] = {
        "subject_id": subject,
        "code": rng.choice(["TX//1", "LAB//1", "LAB//1", "LAB//2"]),
        "numeric_value": rng.choice([None, 1.0, 2.0, 3.5, -7.25]),
        "text_value": None,
        "time": None,
        "time_min": None,
        "time_max": None,
        "end_time": None,
        "unit": None,
        "recorded_time": None,
        "source": rng.choice(["A/lab", "B/lab"]),
        "source_row": number,
    }
    kind = rng.random()
    if kind < 0.35:  # known to the day
        row |= {"time": day, "time_min": day, "time_max": day + ALMOST_DAY}
    elif kind < 0.65:  # an instant, often the same as another one's, also just before and at midnight
        moment = day + rng.choice([timedelta(hours=9), timedelta(hours=12), timedelta(microseconds=1), ALMOST_DAY])
        row |= {"time": moment, "time_min": moment, "time_max": moment}
    elif kind < 0.75:  # plain MEDS
        row["time"] = day + rng.choice([timedelta(0), timedelta(hours=9)])
    elif kind < 0.95:  # a partial date, straddling what it likes
        row |= {"time_min": day, "time_max": day + timedelta(days=rng.randint(1, 6)) - timedelta(microseconds=1)}
    if rng.random() < 0.25:
        row["recorded_time"] = day + timedelta(days=rng.randint(0, 3)) + rng.choice([timedelta(0), timedelta(hours=9)])
    if rng.random() < 0.1:
        row["end_time"] = day + timedelta(days=rng.randint(0, 3))
    return row


def random_window(rng: random.Random) -> dict[str, Any]:
    to_days = rng.choice([0, 0, 0, -1, -0.5])
    return {
        "from_days": rng.choice([None, -1, -2, -3.5, -365]),
        "to_days": to_days,
        "closed": rng.choice(["both", "left", "right", "none"]),
        "max_gap_days": rng.choice([None, None, 2, 4.5]),
    }


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return EVENTS.conform(pl.DataFrame(rows, schema={name: dtype for name, dtype in EVENTS.schema().items()}))


def build(events: pl.DataFrame | Path, rule: IndexRule, windows: Windows) -> Joined:
    return join(events, None, None, index_events(events, CONCEPTS, rule), windows, CONCEPTS)


def content(joined: Joined) -> bytes:
    buffer = io.BytesIO()
    joined.analysis.write_ipc(buffer)
    joined.trace.write_ipc(buffer)
    return buffer.getvalue()


def cases(seed: int, subjects: int) -> tuple[list[dict[str, Any]], IndexRule, dict[str, dict[str, Any]]]:
    rng = random.Random(seed)
    rows = [
        random_row(rng, subject, number)
        for number, subject in enumerate((s for s in range(1, subjects + 1) for _ in range(rng.randint(1, 9))), start=1)
    ]
    rule = IndexRule(concept="start", which=rng.choice(["first", "last"]), same_day=rng.choice(["exclude", "include"]))
    shape = random_window(rng)
    windows = {f"{how}_lab": shape | {"concept": "lab", "choose": how} for how in CHOICES}
    return rows, rule, windows


def close(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9)
    return one == two and type(one) is type(two)


@pytest.mark.parametrize("seed", range(100))
def test_ten_thousand_timelines_differ_in_no_cell_from_the_oracle(seed: int) -> None:
    rows, rule, shapes = cases(seed, subjects=100)
    joined = build(
        frame(rows), rule, Windows.model_validate({"clinical": {n: {**s, "value": "numeric"} for n, s in shapes.items()}})
    )
    got = {row["subject_id"]: row for row in joined.analysis.iter_rows(named=True)}
    traced: dict[tuple[int, str], set[int]] = {}
    for subject, variable, number in joined.trace.select("subject_id", "variable", "source_row").iter_rows():
        traced.setdefault((subject, variable), set()).add(number)
    expected_subjects = set()
    compared = 0
    for subject, group in itertools.groupby(rows, key=lambda row: row["subject_id"]):
        mine = list(group)
        index = oracle.index_of(mine, CONCEPTS["start"], rule.which, rule.same_day)
        if index is None:
            continue
        expected_subjects.add(subject)
        assert got[subject]["index_time"] == index[0]
        for name, shape in shapes.items():
            value, sources = oracle.cell(mine, CONCEPTS["lab"], shape, index[1], index[2])
            assert close(got[subject][name], value), (subject, name, shape, got[subject][name], value)
            assert traced.get((subject, name), set()) == sources, (subject, name, shape)
            compared += 1
    assert set(got) == expected_subjects
    assert compared > 100


@pytest.mark.parametrize("seed", range(10))
def test_what_comes_after_the_index_changes_no_byte(seed: int) -> None:
    rows, rule, shapes = cases(1_000 + seed, subjects=60)
    rule = rule.model_copy(update={"which": "first"})
    windows = Windows.model_validate({"clinical": shapes})
    before = build(frame(rows), rule, windows)
    rng = random.Random(seed)
    later = []
    index = {row["subject_id"]: row for row in index_events(frame(rows), CONCEPTS, rule).iter_rows(named=True)}
    for number, (subject, row) in enumerate(index.items(), start=10_000):
        after = row["upper"] + timedelta(days=rng.randint(0, 30), microseconds=1)
        for spans in ((after, after, after), (None, row["upper"] - timedelta(days=3), after), (after, None, None)):
            new = random_row(rng, subject, number) | dict(zip(("time", "time_min", "time_max"), spans, strict=True))
            later.append(new | {"code": "LAB//1", "numeric_value": 999.0, "unit": "mg"})
        known_late = {"time": row["upper"] - timedelta(days=1), "recorded_time": after, "code": "LAB//1", "numeric_value": 999.0}
        later.append(random_row(rng, subject, number) | known_late)
    assert len(later) > 60
    assert content(build(frame(rows + later), rule, windows)) == content(before)


@pytest.mark.parametrize("seed", range(10))
def test_order_of_rows_and_shards_changes_no_byte(seed: int, tmp_path: Path) -> None:
    rows, rule, shapes = cases(2_000 + seed, subjects=60)
    windows = Windows.model_validate({"clinical": shapes})
    whole = content(build(frame(rows), rule, windows))
    shuffled = rows.copy()
    random.Random(seed).shuffle(shuffled)
    assert content(build(frame(shuffled), rule, windows)) == whole
    for number in range(7):
        frame([row for row in shuffled if row["subject_id"] % 7 == number]).write_parquet(tmp_path / f"{number}.parquet")
    assert content(build(tmp_path, rule, windows)) == whole


@pytest.mark.parametrize("seed", range(3))
def test_shards_joined_apart_are_the_whole(seed: int) -> None:
    rows, rule, shapes = cases(3_000 + seed, subjects=60)
    windows = Windows.model_validate({"clinical": {n: {**s, "value": "numeric"} for n, s in shapes.items()}})
    whole = build(frame(rows), rule, windows)
    parts = [build(frame([row for row in rows if row["subject_id"] % 5 == number]), rule, windows) for number in range(5)]
    assert pl.concat([part.analysis for part in parts]).sort("subject_id").equals(whole.analysis)
    assert pl.concat([part.trace for part in parts]).sort(pl.all()).equals(whole.trace.sort(pl.all()))


_ONE_RUN = """
import hashlib
from linking.options import Windows
from tests.linking.test_join_oracle import build, cases, content, frame
rows, rule, shapes = cases(4_000, subjects=400)
print(hashlib.sha256(content(build(frame(rows), rule, Windows.model_validate({"clinical": shapes})))).hexdigest())
"""


def test_the_number_of_threads_changes_no_byte() -> None:
    root = Path(__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", _ONE_RUN],
            env={**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    }
    assert len(digests) == 1
