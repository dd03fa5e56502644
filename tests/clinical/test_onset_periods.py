"""FHIR R4: `onsetPeriod` says between which days a condition began, not how long it went on. Oracle: R4, Condition.onset[x]."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.clinical.test_odd_sources import LUNG, PATIENT
from tests.clinical.whole import read_rows
from unibase.clinical.timelines.centre import TimelineTask
from unibase.clinical.timelines.door import LocalDoor

DAY_AFTER = datetime(2021, 3, 5, 23, 59, 59, 999_999)
TABLE: list[tuple[str, dict[str, Any], tuple[datetime | None, datetime, datetime, datetime | None]]] = [
    ("a day", {"onsetDateTime": "2021-03-04"},
     (datetime(2021, 3, 4), datetime(2021, 3, 4), datetime(2021, 3, 4, 23, 59, 59, 999_999), None)),
    ("two days", {"onsetPeriod": {"start": "2021-03-04", "end": "2021-03-05"}}, (None, datetime(2021, 3, 4), DAY_AFTER, None)),
    ("one day as a period", {"onsetPeriod": {"start": "2021-03-05", "end": "2021-03-05"}},
     (datetime(2021, 3, 5), datetime(2021, 3, 5), DAY_AFTER, None)),
    ("months", {"onsetPeriod": {"start": "2021-01", "end": "2021-02"}},
     (None, datetime(2021, 1, 1), datetime(2021, 2, 28, 23, 59, 59, 999_999), None)),
    ("without an end", {"onsetPeriod": {"start": "2021-03-05"}}, (datetime(2021, 3, 5), datetime(2021, 3, 5), DAY_AFTER, None)),
    ("an end alone", {"onsetPeriod": {"end": "2021-03-05"}}, (None, datetime(1678, 1, 1), DAY_AFTER, None)),
    ("an end alone, told as day and month", {"onsetPeriod": {"end": "2021-03"}},
     (None, datetime(1678, 1, 1), datetime(2021, 3, 31, 23, 59, 59, 999_999), None)),
    ("an end before its start", {"onsetPeriod": {"start": "2021-03-05", "end": "2021-03-01"}},
     (datetime(2021, 3, 5), datetime(2021, 3, 5), DAY_AFTER, None)),
    ("a day and its end", {"onsetDateTime": "2021-03-05", "abatementDateTime": "2021-04-01"},
     (datetime(2021, 3, 5), datetime(2021, 3, 5), DAY_AFTER, datetime(2021, 4, 1))),
]  # fmt: skip


@pytest.mark.parametrize(("further", "bounds"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_period_bounds_the_begin(
    further: dict[str, Any], bounds: tuple[datetime | None, datetime, datetime, datetime | None], tmp_path: Path
) -> None:
    subject = {"reference": "Patient/1"}
    condition = {"resourceType": "Condition", "id": "c", "subject": subject, "code": LUNG, **further}
    (tmp_path / "a.ndjson").write_text(f"{json.dumps(PATIENT)}\n{json.dumps(condition)}\n", encoding="utf-8")
    events = read_rows(TimelineTask("fhir", tmp_path, "lyon"), LocalDoor()).events
    (found,) = events.filter(events["code"].str.starts_with("ICD10")).select("time", "time_min", "time_max", "end_time").rows()
    assert found == bounds
