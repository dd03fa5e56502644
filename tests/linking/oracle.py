"""The temporal join as one would write it on paper: row by row in plain Python, with nothing of the engine's code.

It states the policy a second time: a row counts when its earliest and latest possible instants lie in the window and
it was on record by the index. Means are summed exactly (`math.fsum`).
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]
ALMOST_DAY = timedelta(days=1) - timedelta(microseconds=1)


def last_instant(moment: datetime) -> datetime:
    at_midnight = (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)
    return moment + ALMOST_DAY if at_midnight else moment


def span(row: Row) -> tuple[datetime, datetime] | None:
    low = row["time_min"] if row["time_min"] is not None else row["time"]
    high = row["time_max"]
    if high is None and row["time"] is not None:
        high = last_instant(row["time"])
    return None if low is None or high is None else (low, high)


def index_of(rows: list[Row], prefixes: list[str], which: str, same_day: str) -> tuple[datetime, datetime, datetime] | None:
    """Return (index time, lower, upper) of one subject."""
    mine = [row for row in rows if any(row["code"].startswith(prefix) for prefix in prefixes) and span(row)]
    known, vague = [], []
    for row in mine:
        low, high = span(row)  # type: ignore[misc]
        (known if row["time"] is not None and high - low < timedelta(days=1) else vague).append(row)
    if not known:
        return None
    pick = min(known, key=order(1)) if which == "first" else min(known, key=order(-1))
    for row in vague:
        low, high = span(row)  # type: ignore[misc]
        if (which == "first" and low < pick["time"]) or (which == "last" and high > pick["time"]):
            return None
    day = pick["time"].replace(hour=0, minute=0, second=0, microsecond=0)
    if same_day == "include":
        return pick["time"], day, day + ALMOST_DAY
    start = pick["time_min"] if pick["time_min"] is not None else pick["time"]
    return pick["time"], start, start


def order(sign: int) -> Any:
    return lambda row: (sign * (row["time"] - datetime(2000, 1, 1)), *tie(row))


def tie(row: Row) -> tuple[Any, ...]:
    return tuple((row[name] is None, row[name] if row[name] is not None else 0) for name in ("source", "source_row", "code"))


def cell(rows: list[Row], prefixes: list[str], window: dict[str, Any], lower: datetime, upper: datetime) -> tuple[Any, set[int]]:
    """Return (value, source rows) of one cell."""
    start = None if window["from_days"] is None else lower + timedelta(days=window["from_days"])
    end = upper + timedelta(days=window["to_days"])
    closed, how = window["closed"], window["choose"]
    used = []
    for row in rows:
        limits = span(row)
        if limits is None or not any(row["code"].startswith(prefix) for prefix in prefixes):
            continue
        low, high = limits
        if high > end or (high == end and closed not in ("both", "right")):
            continue
        if start is not None and (low < start or (low == start and closed not in ("both", "left"))):
            continue
        if row["recorded_time"] is not None and last_instant(row["recorded_time"]) > upper:
            continue
        if how not in ("count", "any") and row["end_time"] is not None and last_instant(row["end_time"]) > upper:
            continue
        if how in ("mean", "min", "max", "slope") and row["numeric_value"] is None:
            continue
        if how == "slope" and row["time"] is None:
            continue
        used.append((low, high, row))
    nothing = {"count": 0, "any": False}.get(how)
    if not used:
        return nothing, set()
    gap = None if window["max_gap_days"] is None else timedelta(days=window["max_gap_days"])
    if how in ("latest", "first", "closest"):
        keys = {
            "latest": lambda item: (item[1], item[0], tie(item[2])),
            "closest": lambda item: (item[0], item[1], tie(item[2])),
            "first": lambda item: (item[0], item[1], tie(item[2])),
        }
        chosen = (min if how == "first" else max)(used, key=keys[how])
        if gap is not None and upper - chosen[0] > gap:
            return nothing, set()
        return chosen[2]["numeric_value"], {chosen[2]["source_row"]}
    if gap is not None and upper - max(item[0] for item in used) > gap:
        return nothing, set()
    sources = {item[2]["source_row"] for item in used}
    values = [item[2]["numeric_value"] for item in used]
    if how == "count":
        return len(used), sources
    if how == "any":
        return True, sources
    if how in ("min", "max"):
        return (min if how == "min" else max)(values), sources
    mean = math.fsum(values) / len(values)
    if how == "mean":
        return mean, sources
    days = [(item[2]["time"] - upper) / timedelta(days=1) for item in used]
    if len(set(days)) < 2:
        return None, sources
    middle = math.fsum(days) / len(days)
    spread = math.fsum((day - middle) ** 2 for day in days)
    return math.fsum((d - middle) * (v - mean) for d, v in zip(days, values, strict=True)) / spread, sources
