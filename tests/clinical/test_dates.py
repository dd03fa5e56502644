"""Partial dates: bounds against a brute-force twin, lossless text, shifts against the vault's own function."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibase.clinical.words.partial_dates import (
    FIRST_YEAR,
    LAST_YEAR,
    UNKNOWN_MAX,
    UNKNOWN_MIN,
    PartialDate,
    add_dates,
    add_parts,
    iso_date,
    parse_parts,
    render_parts,
    shift_bounds,
)
from unibase.groundwork.tables import TIMESTAMP
from unibase.privacy.dates import shift_interval

YEARS = st.none() | st.integers(FIRST_YEAR + 1, LAST_YEAR - 1)


@st.composite
def partial_dates(draw: st.DrawFn) -> PartialDate:
    guess = PartialDate(draw(YEARS), draw(st.none() | st.integers(1, 12)), draw(st.none() | st.integers(1, 31)))
    try:
        guess.bounds()
    except ValueError:
        return PartialDate(guess.year, guess.month, None)
    return guess


def written(known: PartialDate) -> tuple[str, str, str]:
    parts = zip(known, (4, 2, 2), strict=True)
    year, month, day = (str(value).zfill(width) if value is not None else "UN" for value, width in parts)
    return year, month, day


def parsed(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={"y": pl.String, "m": pl.String, "d": pl.String}, orient="row")
    return add_parts(frame, ("y", "m", "d"))


def test_100_000_random_partial_dates_come_back_unchanged() -> None:
    import random

    source = random.Random(20261123)
    rows: list[tuple[str, str, str]] = []
    while len(rows) < 100_000:
        year = source.choice([None, source.randint(FIRST_YEAR + 1, LAST_YEAR - 1)])
        known = PartialDate(year, source.choice([None, source.randint(1, 12)]), source.choice([None, source.randint(1, 31)]))
        try:
            known.bounds()
        except ValueError:
            continue
        rows.append(written(known))
    frame = parsed(rows)
    assert frame["problem"].null_count() == 100_000
    back = frame.with_columns(render_parts())
    assert back.select("year", "month", "day").rows() == rows
    assert frame.filter(pl.col("time_min") > pl.col("time_max")).is_empty()
    # A time exists exactly where all three parts are known.
    whole = [("UN" not in row) for row in rows]
    assert frame["time"].is_not_null().to_list() == whole


@given(partial_dates())
def test_bounds_hold_every_day_the_date_can_mean_and_no_wider(known: PartialDate) -> None:
    low, high = known.bounds()
    years = [known.year] if known.year is not None else [FIRST_YEAR, FIRST_YEAR + 2, 2000, LAST_YEAR - 1, LAST_YEAR]
    days = [
        date(year, month, day)
        for year in years
        for month in ([known.month] if known.month else range(1, 13))
        for day in ([known.day] if known.day else range(1, 32))
        if _exists(year, month, day)
    ]
    assert low.date() == min(days)
    assert high.date() == max(days)
    assert high - datetime.combine(high.date(), datetime.min.time()) == timedelta(days=1) - timedelta(microseconds=1)


@settings(max_examples=60)
@given(partial_dates())
def test_parsing_agrees_with_the_twin(known: PartialDate) -> None:
    row = parsed([written(known)]).row(0, named=True)
    assert (row["time_min"], row["time_max"]) == known.bounds()
    assert PartialDate.from_bounds(row["time_min"], row["time_max"]) == known


@settings(max_examples=60)
@given(partial_dates(), st.integers(-1826, 1826))
def test_shift_is_the_vaults(known: PartialDate, days: int) -> None:
    low, high = known.bounds()
    schema = {"time": TIMESTAMP, "time_min": TIMESTAMP, "time_max": TIMESTAMP, "shift_days": pl.Int64()}
    frame = shift_bounds(pl.DataFrame([(None, low, high, days)], schema=schema, orient="row"))
    moved = frame.row(0)[1:3]
    if days == 0:
        assert moved == (low, high)
    elif known.year is None:
        assert moved == (UNKNOWN_MIN, UNKNOWN_MAX)
    else:
        assert moved == shift_interval(low, high, days)
        # What can be true stays inside.
        assert moved[0] <= low + timedelta(days=days)
        assert moved[1] >= high + timedelta(days=days)


@settings(max_examples=50)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0)))
def test_instants_are_exact(moment: datetime) -> None:
    frame = add_dates(pl.DataFrame({"d": [moment.isoformat(), moment.isoformat(" "), f"{moment:%Y-%m-%d}"]}), "d")
    midnight = moment.replace(hour=0, minute=0, second=0)
    assert frame["time"].to_list() == [moment, moment, midnight]
    # A clock at midnight is that of a day whose time nobody knows.
    last = moment if moment != midnight else midnight + timedelta(days=1) - timedelta(microseconds=1)
    assert frame["time_max"].to_list()[:2] == [last, last]
    assert frame["time_max"].to_list()[2] == midnight + timedelta(days=1) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2021-02-30", "impossible-date"),
        ("2021-13-01", "impossible-date"),
        ("1900-02-29", "impossible-date"),
        ("UN-02-30", "impossible-date"),
        ("2021/UN/32", "impossible-date"),
        ("1500-01-01", "impossible-date"),
        ("soon", "unreadable-date"),
        ("2021-01-01 25:00", "unreadable-date"),
        ("20210-01-01", "unreadable-date"),
        ("2021", None),
        ("2021/03", None),
        ("2021/03/UN", None),
        ("2021/UN/UN", None),
        ("UN/UN/UN", None),
        ("", None),
        (None, None),
    ],
)
def test_problems(text: str | None, problem: str | None) -> None:
    frame = add_dates(pl.DataFrame({"d": [text]}, schema={"d": pl.String}), "d")
    assert frame["problem"].item() == problem
    assert frame["time_min"].is_null().item() == (problem is not None or not text)


def test_order_of_day_and_month() -> None:
    texts = {"dmy": ["04/03/2021", "03/2021", "2021", "UN/03/2021"], "mdy": ["03/04/2021"]}
    for order, column in texts.items():
        frame = add_dates(pl.DataFrame({"d": column}), "d", order)  # type: ignore[arg-type]
        assert frame["problem"].null_count() == len(column)
        assert frame["time"][0] == datetime(2021, 3, 4)
        assert all(year == 2021 for year in frame["time_min"].dt.year())


def test_an_offset_from_utc_is_dropped() -> None:
    frame = add_dates(pl.DataFrame({"d": ["2180-05-06T22:23:00-04:00", "2020-07-01T10:00:00.25Z"]}), "d")
    assert frame["time"].to_list() == [datetime(2180, 5, 6, 22, 23), datetime(2020, 7, 1, 10, 0, 0, 250_000)]


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("1679-01-01", datetime(1679, 1, 1), datetime(1679, 1, 1, 23, 59, 59, 999_999)),
        ("2260-12-31", datetime(2260, 12, 31), datetime(2260, 12, 31, 23, 59, 59, 999_999)),
        ("UN-05-UN", datetime(1678, 5, 1), datetime(2261, 5, 31, 23, 59, 59, 999_999)),
        ("2021-03-04 05:06:07.25", datetime(2021, 3, 4, 5, 6, 7, 250_000), datetime(2021, 3, 4, 5, 6, 7, 250_000)),
        ("2021-03-04T05:06", datetime(2021, 3, 4, 5, 6), datetime(2021, 3, 4, 5, 6)),
        ("2021-03-04 23:59:59", datetime(2021, 3, 4, 23, 59, 59), datetime(2021, 3, 4, 23, 59, 59)),
    ],
)
def test_the_ends_of_what_can_be_read(text: str, low: datetime, high: datetime) -> None:
    frame = add_dates(pl.DataFrame({"d": [text]}), "d")
    assert frame.select("problem", "time_min", "time_max").row(0) == (None, low, high)


@pytest.mark.parametrize("text", ["1678-12-31", "2261-01-01", "2021-01-01 23:60", "2021-01-01 23:59:60"])
def test_what_lies_beyond_is_refused(text: str) -> None:
    assert add_dates(pl.DataFrame({"d": [text]}), "d")["problem"].item() is not None


@pytest.mark.parametrize(
    ("clock", "time"),
    [
        ("12:59", datetime(2021, 3, 4, 12, 59)),
        ("07h05", datetime(2021, 3, 4, 7, 5)),
        ("00:01", datetime(2021, 3, 4, 0, 1)),
        ("23-59", datetime(2021, 3, 4, 23, 59)),
        ("00:00", datetime(2021, 3, 4)),
        ("12:60", datetime(2021, 3, 4)),
        ("24:00", datetime(2021, 3, 4)),
    ],
)
def test_a_clock_in_a_column_of_its_own(clock: str, time: datetime) -> None:
    frame = pl.DataFrame({"y": ["2021"], "m": ["3"], "d": ["4"], "c": [clock]})
    found = frame.select(parse_parts("y", "m", "d", clock="c"))
    assert found["time"].item() == time
    known = time.hour or time.minute
    assert found["time_max"].item() == (time if known else datetime(2021, 3, 4, 23, 59, 59, 999_999))


def test_what_lies_before_a_last_day_is_told_to_its_year_end() -> None:
    schema = {"time": TIMESTAMP, "time_min": TIMESTAMP, "time_max": TIMESTAMP, "shift_days": pl.Int64()}
    last = datetime(2021, 3, 4, 23, 59, 59, 999_999)
    frame = shift_bounds(pl.DataFrame([(None, UNKNOWN_MIN, last, -100)], schema=schema, orient="row"))
    assert frame.row(0)[1:3] == (UNKNOWN_MIN, datetime(2020, 12, 31, 23, 59, 59, 999_999))


def test_a_date_is_cut_to_what_is_known_only_where_both_bounds_are() -> None:
    assert iso_date(datetime(2021, 3, 1), datetime(2021, 3, 31, 23, 59, 59, 999_999)) == "2021-03"
    assert iso_date(datetime(2021, 3, 1), None) is None
    assert iso_date(None, datetime(2021, 3, 1)) is None


END = ":59.999999"
TEXTS = [
    # text, time, earliest, latest; one word instead where it is refused
    ("1678", "impossible-date"),
    ("1678-12-31", "impossible-date"),
    ("1679", None, "1679-01-01 00:00:00", "1679-12-31 23:59" + END),
    ("1679-01-01", "1679-01-01 00:00:00", "1679-01-01 00:00:00", "1679-01-01 23:59" + END),
    ("2260-12-31", "2260-12-31 00:00:00", "2260-12-31 00:00:00", "2260-12-31 23:59" + END),
    ("2261-01-01", "impossible-date"),
    ("2261", "impossible-date"),
    ("2021-03-04 23:59:59", "2021-03-04 23:59:59", "2021-03-04 23:59:59", "2021-03-04 23:59:59"),
    ("2021-03-04 23:59", "2021-03-04 23:59:00", "2021-03-04 23:59:00", "2021-03-04 23:59:00"),
    ("2021-03-04 23:59:60", "unreadable-date"),
    ("2021-03-04 23:60", "unreadable-date"),
    ("2021-03-04 24:00", "unreadable-date"),
    ("2021-03-04 00:00:00", "2021-03-04 00:00:00", "2021-03-04 00:00:00", "2021-03-04 23:59" + END),
    ("2021-03-04 00:00:01", "2021-03-04 00:00:01", "2021-03-04 00:00:01", "2021-03-04 00:00:01"),
    ("2021-03-04T5:07", "2021-03-04 05:07:00", "2021-03-04 05:07:00", "2021-03-04 05:07:00"),
    ("2021-03-04 10:30:00.5", "2021-03-04 10:30:00.500000", "2021-03-04 10:30:00.500000", "2021-03-04 10:30:00.500000"),
    ("2021-03-04 10:30:00+02:00", "2021-03-04 10:30:00", "2021-03-04 10:30:00", "2021-03-04 10:30:00"),
    ("2021-3-4", "2021-03-04 00:00:00", "2021-03-04 00:00:00", "2021-03-04 23:59" + END),
    ("2021-03", None, "2021-03-01 00:00:00", "2021-03-31 23:59" + END),
    ("2020-02", None, "2020-02-01 00:00:00", "2020-02-29 23:59" + END),
    ("2021-UN-04", None, "2021-01-04 00:00:00", "2021-12-04 23:59" + END),
    # SDTM writes one hyphen for each part that is not known (SDTMIG 3.4, 4.4.2), and leaves out what is not known at the end.
    ("2021---04", None, "2021-01-04 00:00:00", "2021-12-04 23:59" + END),
    ("2021-03--", None, "2021-03-01 00:00:00", "2021-03-31 23:59" + END),
    ("2021-03-04T-:30", "2021-03-04 00:00:00", "2021-03-04 00:00:00", "2021-03-04 23:59" + END),
    ("2021-03-04T10", "2021-03-04 00:00:00", "2021-03-04 00:00:00", "2021-03-04 23:59" + END),
    ("-----", "unreadable-date"),
    ("UN-02-29", None, "1680-02-29 00:00:00", "2260-02-29 23:59" + END),
    ("2020-02-29", "2020-02-29 00:00:00", "2020-02-29 00:00:00", "2020-02-29 23:59" + END),
    ("2021-02-29", "impossible-date"),
    ("2021-13-01", "impossible-date"),
    ("2021-00-01", "impossible-date"),
]


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case[0])
def test_what_a_text_says_of_a_time(case: tuple[str, ...]) -> None:
    text, *means = case
    found = add_dates(pl.DataFrame({"t": [text]}), "t").row(0, named=True)
    said = [None if found[name] is None else str(found[name]) for name in ("time", "time_min", "time_max")]
    assert [*said, found["problem"]] == ([None, None, None, *means] if len(means) == 1 else [*means, None])
