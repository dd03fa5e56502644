"""What dates that are known in part mean, and how far a shift moves them: by the calendar, row by row."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from unibase.clinical.words.partial_dates import (
    UNKNOWN_MAX,
    UNKNOWN_MIN,
    PartialDate,
    _parse_text,
    from_days,
    parse_parts,
    shift_bounds,
)
from unibase.groundwork.tables import TIMESTAMP


def last(day: str) -> datetime:
    """Return the last moment of a day."""
    return datetime.fromisoformat(f"{day}T23:59:59.999999")


@pytest.mark.parametrize(
    ("parts", "low", "high"),
    [
        ((2024, 2, 29), datetime(2024, 2, 29), last("2024-02-29")),
        ((2024, 2, None), datetime(2024, 2, 1), last("2024-02-29")),
        ((2023, None, None), datetime(2023, 1, 1), last("2023-12-31")),
        # 29 February of an unknown year: the first and the last leap years of the range (1680, 2260).
        ((None, 2, 29), datetime(1680, 2, 29), last("2260-02-29")),
        ((None, 2, 28), datetime(1678, 2, 28), last("2261-02-28")),
        ((None, None, None), UNKNOWN_MIN, UNKNOWN_MAX),
        ((1679, 1, 1), datetime(1679, 1, 1), last("1679-01-01")),
        ((2260, 1, 1), datetime(2260, 1, 1), last("2260-01-01")),
    ],
)
def test_bounds_of_a_date(parts: tuple[int | None, ...], low: datetime, high: datetime) -> None:
    assert PartialDate(*parts).bounds() == (low, high)


@pytest.mark.parametrize("year", [1678, 2261])
def test_years_at_the_ends_of_what_can_be_kept_are_no_dates(year: int) -> None:
    with pytest.raises(ValueError):
        PartialDate(year, 1, 1).bounds()


@pytest.mark.parametrize(
    ("day", "clock", "time", "end"),
    [
        (date(2019, 3, 2), None, datetime(2019, 3, 2), last("2019-03-02")),
        (date(2019, 3, 2), datetime(2019, 3, 2), datetime(2019, 3, 2), last("2019-03-02")),
        (date(2019, 3, 2), datetime(2019, 3, 2, 8, 30), datetime(2019, 3, 2, 8, 30), datetime(2019, 3, 2, 8, 30)),
        (date(2019, 3, 2), datetime(2019, 3, 2, 0, 0, 1), datetime(2019, 3, 2, 0, 0, 1), datetime(2019, 3, 2, 0, 0, 1)),
        (None, None, None, None),
    ],
)
def test_days_and_clocks_of_typed_columns(day: date | None, clock: datetime | None, time: datetime | None, end: datetime) -> None:
    frame = pl.DataFrame({"day": [day], "clock": [clock]}, schema={"day": pl.Date(), "clock": TIMESTAMP})
    (row,) = frame.select(from_days("day", "clock", "end_")).rows(named=True)
    assert row == {"end_time": time, "end_time_min": time, "end_time_max": end, "end_problem": None}


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2019-03-02T08:30:59.5", datetime(2019, 3, 2, 8, 30, 59, 500_000)),
        ("2019-03-02 08:30:59,123456789", datetime(2019, 3, 2, 8, 30, 59, 123_456)),
        ("2019-03-02 23:59", datetime(2019, 3, 2, 23, 59)),
        ("2019-03-02 24:00", None),
        ("2019-03-02 08:60", None),
        ("2019-03-02 08:30:60", None),
    ],
)
def test_clocks_in_texts(text: str, time: datetime | None) -> None:
    (row,) = pl.DataFrame({"text": [text]}).select(_parse_text("text")).rows(named=True)
    assert row["time"] == time and (row["problem"] is None) == (time is not None)


@pytest.mark.parametrize(
    ("clock", "time"),
    [("08:30", datetime(2019, 3, 2, 8, 30)), ("8h30", datetime(2019, 3, 2, 8, 30)), ("23-59", datetime(2019, 3, 2, 23, 59)),
     ("00:01", datetime(2019, 3, 2, 0, 1)), ("00:00", datetime(2019, 3, 2)), ("24:00", datetime(2019, 3, 2)),
     ("08:60", datetime(2019, 3, 2)), ("UN", datetime(2019, 3, 2))],
)  # fmt: skip
def test_clocks_beside_parts(clock: str, time: datetime) -> None:
    frame = pl.DataFrame({"y": ["2019"], "m": ["03"], "d": ["02"], "c": [clock]})
    (row,) = frame.select(parse_parts("y", "m", "d", "c")).rows(named=True)
    assert row["time_min"] == time


@pytest.mark.parametrize(
    ("low", "high", "days", "moved"),
    [
        # Within a day: exactly.
        (datetime(2019, 3, 2), last("2019-03-02"), -10, (datetime(2019, 2, 20), last("2019-02-20"))),
        # A whole day and more: three whole calendar months, whatever the shift.
        (datetime(2019, 3, 2), datetime(2019, 3, 3), -10, (datetime(2019, 2, 1), last("2019-04-30"))),
        (datetime(2019, 3, 1), last("2019-03-31"), -40, (datetime(2019, 1, 1), last("2019-03-31"))),
        (datetime(2019, 3, 2), datetime(2019, 3, 3), 0, (datetime(2019, 3, 2), datetime(2019, 3, 3))),
        # Nothing known stays so, within three years of the ends of the range.
        (UNKNOWN_MIN, UNKNOWN_MAX, -10, (UNKNOWN_MIN, UNKNOWN_MAX)),
        (datetime(1680, 2, 29), last("2260-02-29"), -10, (UNKNOWN_MIN, UNKNOWN_MAX)),
        # Before a day that all share: the end of its year alone.
        (UNKNOWN_MIN, last("2024-06-30"), -10, (UNKNOWN_MIN, last("2024-12-31"))),
        (UNKNOWN_MIN, last("2024-01-05"), -10, (UNKNOWN_MIN, last("2023-12-31"))),
        (UNKNOWN_MIN, last("2258-06-30"), -10, (UNKNOWN_MIN, last("2258-12-31"))),
    ],
)
def test_how_a_shift_moves_bounds(low: datetime, high: datetime, days: int, moved: tuple[datetime, datetime]) -> None:
    row = {"time": None, "time_min": low, "time_max": high, "shift_days": days}
    schema = {"time": TIMESTAMP, "time_min": TIMESTAMP, "time_max": TIMESTAMP, "shift_days": pl.Int64()}
    found = shift_bounds(pl.DataFrame([row], schema=schema))
    assert (found["time_min"].item(), found["time_max"].item()) == moved
