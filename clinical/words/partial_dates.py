"""What is known of a date: exact instants, days, and dates of which year, month or day is unknown.

An unknown part is never imputed. A date becomes three columns: `time` (null when the date is partial), `time_min`
and `time_max`, the earliest and latest instants it can mean. A day without a time of day has `time` at midnight and
bounds from 00:00:00 to 23:59:59.999999; a date with a time of day is exact.

The bounds alone say which parts were known, so a partial date written by OSIRIS-RWD (three fields, `UN` for unknown)
comes back unchanged:

| known | time_min | time_max |
|---|---|---|
| 2021-03-04 | 2021-03-04 | 2021-03-04 |
| 2021-03-UN | 2021-03-01 | 2021-03-31 |
| 2021-UN-UN | 2021-01-01 | 2021-12-31 |
| 2021-UN-04 | 2021-01-04 | 2021-12-04 |
| UN-03-04 | 1678-03-04 | 2261-03-04 |
| UN-UN-UN | 1678-01-01 | 2261-12-31 |

1678 and 2261 are the first and last whole years that nanosecond time stamps hold, so no reader of the tables overflows.
A date in a source must lie in the years between.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from unibase.clinical.reasons import IMPOSSIBLE_DATE, UNREADABLE_DATE
from unibase.clinical.words.date_forms import PART, YEAR, Order, in_iso_order
from unibase.groundwork.tables import TIMESTAMP
from unibase.privacy.dates import shift_interval

FIRST_YEAR = 1678
LAST_YEAR = 2261
UNKNOWN_MIN = datetime(FIRST_YEAR, 1, 1)
UNKNOWN_MAX = datetime(LAST_YEAR, 12, 31, 23, 59, 59, 999_999)

_ALMOST_DAY = timedelta(days=1) - timedelta(microseconds=1)
_CLOCK = r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(?:\s*(?:Z|[+-]\d{2}:?\d{2}))?"
_MIDNIGHT = r"[T ]\s*0{1,2}:00(?::00(?:[.,]0+)?)?(?:\s*(?:Z|[+-]\d{2}:?\d{2}))?\s*$"
"""A clock at midnight. Every reader takes it for a day: systems write it where no time of day is known."""

_PATTERN = rf"^\s*({YEAR})(?:[-/.]({PART})(?:[-/.]({PART}){_CLOCK})?)?\s*$"


class PartialDate(NamedTuple):
    """Year, month and day of a date; None for a part that is unknown."""

    year: int | None
    month: int | None
    day: int | None

    def bounds(self) -> tuple[datetime, datetime]:
        """Return the earliest and latest instants the date can mean.

        Raises:
            ValueError: If no such date exists, such as 30 February.

        >>> [str(moment) for moment in PartialDate(2024, 2, None).bounds()]
        ['2024-02-01 00:00:00', '2024-02-29 23:59:59.999999']
        """
        first_year = FIRST_YEAR if self.year is None else self.year
        last_year = LAST_YEAR if self.year is None else self.year
        if self.year is not None and not FIRST_YEAR < self.year < LAST_YEAR:
            raise ValueError("year out of range")
        if self.month == 2 and self.day == 29 and self.year is None:
            first_year, last_year = first_year + 2, last_year - 1
        first = date(first_year, self.month or 1, self.day or 1)
        last_month = self.month or 12
        last = date(last_year, last_month, self.day or calendar.monthrange(last_year, last_month)[1])
        return datetime(first.year, first.month, first.day), datetime(last.year, last.month, last.day) + _ALMOST_DAY

    @classmethod
    def from_bounds(cls, time_min: datetime, time_max: datetime) -> PartialDate | None:
        """Return the partial date whose bounds `time_min` and `time_max` are, or None when they are another interval."""
        first, last = time_min.date(), time_max.date()
        year = first.year if first.year == last.year else None
        month = first.month if first.month == last.month else None
        day = first.day if first.day == last.day and not (year and month and first != last) else None
        guess = cls(year, month, day)
        try:
            bounds = guess.bounds()
        except ValueError:
            return None
        return guess if (bounds[0].date(), bounds[1].date()) == (first, last) else None


def add_dates(
    frame: pl.DataFrame, text: pl.Expr | str, order: Order = "ymd", prefix: str = "", pivot: int | None = None
) -> pl.DataFrame:
    """Return `frame` with the columns of `_parse_text`, each distinct text parsed once and plain ISO texts quickly.

    A date with a clock at midnight is a day.

    Args:
        frame: Any rows.
        text: Column or expression of the dates.
        order: How they are written; see `clinical.words.date_forms`.
        prefix: Put before the names of the four columns.
        pivot: As in `date_forms.in_iso_order`.
    """
    written = (pl.col(text) if isinstance(text, str) else text).cast(pl.String).str.replace(_MIDNIGHT, "")
    frame = frame.with_columns(written.alias("_text"))
    day = pl.col("_text").str.to_date("%Y-%m-%d", strict=False).cast(TIMESTAMP)
    moment = (
        pl.col("_text").str.replace("T", " ", literal=True).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    )
    frame = frame.with_columns(day.alias("_day"), moment.alias("_moment"))
    frame = frame.with_columns(pl.coalesce("_day", "_moment").alias(prefix + "time"))
    plain = pl.col(prefix + "time").is_not_null() & pl.col(prefix + "time").dt.year().is_between(FIRST_YEAR + 1, LAST_YEAR - 1)
    plain = plain & pl.col("_text").str.len_bytes().is_in([10, 19]) & ~pl.col("_text").str.ends_with(":60")
    frame = frame.with_columns(pl.when(plain).then(prefix + "time").alias(prefix + "time"))
    frame = frame.with_columns(
        pl.col(prefix + "time").alias(prefix + "time_min"),
        pl.when(pl.col("_day").is_null())
        .then(prefix + "time")
        .otherwise(pl.col(prefix + "time") + _ALMOST_DAY)
        .alias(prefix + "time_max"),
    ).drop("_day", "_moment")
    return _with_the_rest(frame, order, prefix, pivot)


def _with_the_rest(frame: pl.DataFrame, order: Order, prefix: str, pivot: int | None) -> pl.DataFrame:
    """Return `frame` with the dates that are no plain ISO texts, each distinct text of `_text` parsed once."""
    rest = frame.filter(pl.col(prefix + "time").is_null() & pl.col("_text").is_not_null()).select("_text").unique()
    names = [prefix + name for name in ("time", "time_min", "time_max")]
    if rest.is_empty():
        return frame.drop("_text").with_columns(pl.lit(None, dtype=pl.String).alias(prefix + "problem"))
    iso = in_iso_order(rest["_text"], order, pivot).str.replace(_MIDNIGHT, "").alias("_iso")
    parsed = rest.with_columns(iso).with_columns(_parse_text("_iso", "_")).drop("_iso")
    frame = frame.join(parsed, on="_text", how="left", maintain_order="left")
    frame = frame.with_columns(pl.coalesce(name, "_" + name.removeprefix(prefix)).alias(name) for name in names)
    return frame.rename({"_problem": prefix + "problem"}).drop("_text", "_time", "_time_min", "_time_max")


def _parse_text(column: str, prefix: str = "") -> list[pl.Expr]:
    """Return the expressions `time`, `time_min`, `time_max`, `problem` (each behind `prefix`) for a column of text.

    Read are years, months and days divided by `-`, `/` or `.`, cut after the year or the month or with `UN` (also
    `UNK`, `??`, `XX`) for an unknown part, and times of day after a `T` or a blank.
    An offset from UTC is dropped: times are local times of the subject. `problem` is null, `impossible-date` (30 February) or
    `unreadable-date`.

    Args:
        column: Column of the texts, in the order of `clinical.words.date_forms.in_iso_order`.
        prefix: Put before the names of the four expressions.
    """
    text = pl.col(column)
    year, month, day = 1, 2, 3
    groups = text.str.extract_groups(_PATTERN).struct
    number = {name: groups.field(str(index)).cast(pl.Int32, strict=False) for name, index in _clock_groups(year, month, day)}
    readable = groups.field(str(year)).is_not_null()
    fraction = groups.field("7").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64, strict=False).fill_null(0)
    clock = (
        number["hour"].cast(pl.Int64) * 3_600_000_000
        + number["minute"].cast(pl.Int64) * 60_000_000
        + number["second"].fill_null(0).cast(pl.Int64) * 1_000_000
        + fraction
    )
    bad_clock = (number["hour"] > 23) | (number["minute"] > 59) | (number["second"].fill_null(0) > 59)
    present = text.str.strip_chars().fill_null("") != ""
    told = _Told(number["year"], number["month"], number["day"], clock, present, readable & ~bad_clock.fill_null(False))
    return _known(told, prefix)


def parse_parts(year: str, month: str, day: str, clock: str | None = None, prefix: str = "") -> list[pl.Expr]:
    """Return the expressions of `_parse_text` for a date in three fields, as OSIRIS-RWD writes it.

    Args:
        year: Column with the year, or `UN`.
        month: Column with the month, or `UN`.
        day: Column with the day, or `UN`.
        clock: Column with the time of day (`HH:MM` or `HH-MM`), if there is one.
        prefix: Put before the names of the four expressions.
    """
    texts = [pl.col(name).cast(pl.String).str.strip_chars().str.to_uppercase() for name in (year, month, day)]
    numbers = [text.cast(pl.Int32, strict=False) for text in texts]
    unknown = [text.is_null() | text.is_in(["", "UN", "UNK"]) for text in texts]
    readable = pl.all_horizontal([number.is_not_null() | gap for number, gap in zip(numbers, unknown, strict=True)])
    micros: pl.Expr = pl.lit(None, dtype=pl.Int64)
    if clock is not None:
        parts = pl.col(clock).cast(pl.String).str.extract_groups(r"^\s*(\d{1,2})\s*[-:hH]\s*(\d{2})\s*$").struct
        hour, minute = parts.field("1").cast(pl.Int64), parts.field("2").cast(pl.Int64)
        micros = pl.when((hour < 24) & (minute < 60) & (hour + minute > 0)).then(hour * 3_600_000_000 + minute * 60_000_000)
    present = pl.any_horizontal([text.fill_null("") != "" for text in texts])
    y, m, d = numbers
    return _known(_Told(y, m, d, micros, present, readable), prefix)


def add_parts(frame: pl.DataFrame, parts: tuple[str, str, str], clock: str | None = None, prefix: str = "") -> pl.DataFrame:
    """Return `frame` with the columns of `parse_parts` (of year, month, day, `clock`, behind `prefix`), each date parsed once.

    Args:
        frame: Rows with dates in parts.
        parts: Columns of year, month and day.
        clock: Column with the time of day, if there is one.
        prefix: Put before the names of the four columns.
    """
    fields = [*parts, *([clock] if clock else [])]
    parsed = frame.select(fields).unique().with_columns(parse_parts(*parts, clock, prefix))
    return frame.join(parsed, on=fields, how="left", nulls_equal=True, maintain_order="left")


def unknown_where(frame: pl.DataFrame, which: pl.Expr) -> pl.DataFrame:
    """Return `frame` with the date of the rows for `which` it holds as one of which nothing is known, without its problem."""
    low, high = (pl.lit(end, dtype=TIMESTAMP) for end in (UNKNOWN_MIN, UNKNOWN_MAX))
    return frame.with_columns(
        pl.when(~which).then("time").alias("time"),
        pl.when(which).then(low).otherwise("time_min").alias("time_min"),
        pl.when(which).then(high).otherwise("time_max").alias("time_max"),
        pl.when(~which).then("problem").alias("problem"),
    )


def from_days(column: str, clock: str | None = None, prefix: str = "") -> list[pl.Expr]:
    """Return the expressions of `_parse_text` for columns that hold dates (and date-times) already.

    A date-time at midnight counts as a day, which is how OMOP writes a day whose time is not known.

    `column` holds days, `clock` the date-times; the results stand behind `prefix`.
    """
    day = pl.col(column).cast(pl.Date).cast(TIMESTAMP)
    time = day if clock is None else pl.coalesce(pl.col(clock).cast(TIMESTAMP), day)
    exact = time != time.dt.truncate("1d")
    return [
        time.alias(prefix + "time"),
        time.alias(prefix + "time_min"),
        pl.when(exact).then(time).otherwise(time + _ALMOST_DAY).alias(prefix + "time_max"),
        pl.lit(None, dtype=pl.String).alias(prefix + "problem"),
    ]


def render_parts(time_min: str = "time_min", time_max: str = "time_max", prefix: str = "") -> list[pl.Expr]:
    """Return the texts `year`, `month`, `day` (behind `prefix`) of what `time_min` and `time_max` tell; `UN`: not known.

    The inverse of `parse_parts`; all three are null where the bounds are null.
    """
    first, last = pl.col(time_min).dt, pl.col(time_max).dt
    same_year, same_month = first.year() == last.year(), first.month() == last.month()
    same_day = (first.day() == last.day()) & ~(same_year & same_month & (first.date() != last.date()))

    def written(known: pl.Expr, value: pl.Expr, width: int) -> pl.Expr:
        text = value.cast(pl.String).str.zfill(width)
        return pl.when(pl.col(time_min).is_null()).then(None).when(known).then(text).otherwise(pl.lit("UN"))

    return [
        written(same_year, first.year(), 4).alias(prefix + "year"),
        written(same_month, first.month(), 2).alias(prefix + "month"),
        written(same_day, first.day(), 2).alias(prefix + "day"),
    ]


def shift_bounds(frame: pl.DataFrame, days: str = "shift_days") -> pl.DataFrame:
    """Move `time`, `time_min`, `time_max` of `frame` by the days in column `days`, as `privacy.dates.shift_interval` says.

    Rows whose bounds lie within one day move exactly. Wider intervals are widened outward to whole months or years,
    so that they do not tell the shift; a date whose year is unknown becomes wholly unknown, up to the end of a year where a last
    day is known. A shift of 0 changes nothing.
    """
    by = pl.duration(days=pl.col(days))
    frame = frame.with_columns(pl.col("time") + by)
    wide = ((pl.col("time_max") - pl.col("time_min")) >= timedelta(days=1)).fill_null(False) & (pl.col(days) != 0)
    partial = frame.filter(wide).select("time_min", "time_max", days).unique()
    if partial.is_empty():
        return frame.with_columns(pl.col("time_min") + by, pl.col("time_max") + by)
    moved = [_shift_one(*row) for row in partial.iter_rows()]
    bounds = partial.with_columns(
        pl.Series("new_min", [low for low, _ in moved], dtype=TIMESTAMP),
        pl.Series("new_max", [high for _, high in moved], dtype=TIMESTAMP),
    )
    frame = frame.join(bounds, on=["time_min", "time_max", days], how="left", maintain_order="left")
    return frame.with_columns(
        pl.coalesce("new_min", pl.col("time_min") + by).alias("time_min"),
        pl.coalesce("new_max", pl.col("time_max") + by).alias("time_max"),
    ).drop("new_min", "new_max")


def iso_date(time_min: datetime | None, time_max: datetime | None) -> str | None:
    """Return the date between `time_min` and `time_max` cut to what is known (1961, 1961-04, 1961-04-02), or None.

    >>> iso_date(*PartialDate(1961, 4, None).bounds())
    '1961-04'
    """
    known = PartialDate.from_bounds(time_min, time_max) if time_min and time_max else None
    if known is None or known.year is None:
        return None
    text = f"{known.year:04d}"
    if known.month is not None:
        text += f"-{known.month:02d}" + (f"-{known.day:02d}" if known.day is not None else "")
    return text


def _shift_one(low: datetime, high: datetime, days: int) -> tuple[datetime, datetime]:
    if low.year < FIRST_YEAR + 3 and high.year > LAST_YEAR - 2:
        return UNKNOWN_MIN, UNKNOWN_MAX
    if low == UNKNOWN_MIN:
        # Of what lies before a day that all subjects share, no more is told than the year: the day would tell the shift.
        year_end = (
            datetime((high + timedelta(days=days)).year, 12, 31) + _ALMOST_DAY if high.year < LAST_YEAR - 2 else UNKNOWN_MAX
        )
        return UNKNOWN_MIN, year_end
    return shift_interval(low, high, days)


def _clock_groups(year: int, month: int, day: int) -> tuple[tuple[str, int], ...]:
    return (("year", year), ("month", month), ("day", day), ("hour", 4), ("minute", 5), ("second", 6))


class _Told(NamedTuple):
    """What a date tells: its numbers, microseconds of its clock, whether anything stands there, and whether that is a date."""

    year: pl.Expr
    month: pl.Expr
    day: pl.Expr
    clock: pl.Expr
    present: pl.Expr
    readable: pl.Expr


def _known(told: _Told, prefix: str) -> list[pl.Expr]:
    year, month, day, clock, present, readable = told
    # 29 February of an unknown year: the first and last leap years of the range.
    leap_day = year.is_null() & (month == 2).fill_null(False) & (day == 29).fill_null(False)
    first_year = pl.when(leap_day).then(FIRST_YEAR + 2).otherwise(year.fill_null(FIRST_YEAR))
    last_year = pl.when(leap_day).then(LAST_YEAR - 1).otherwise(year.fill_null(LAST_YEAR))
    first = _date(first_year, month.fill_null(1), day.fill_null(1))
    last = (
        pl.when(day.is_null())
        .then(_month_end(last_year, month.fill_null(12)))
        .otherwise(_date(last_year, month.fill_null(12), day))
    )
    in_range = (year.is_null() | ((year > FIRST_YEAR) & (year < LAST_YEAR))) & first.is_not_null() & last.is_not_null()
    usable = present & readable & in_range
    whole = year.is_not_null() & month.is_not_null() & day.is_not_null()
    start = first.cast(TIMESTAMP)
    timed = start + pl.duration(microseconds=clock)
    return [
        pl.when(usable & whole).then(pl.coalesce(timed, start)).cast(TIMESTAMP).alias(prefix + "time"),
        pl.when(usable)
        .then(pl.when(whole).then(pl.coalesce(timed, start)).otherwise(start))
        .cast(TIMESTAMP)
        .alias(prefix + "time_min"),
        pl.when(usable)
        .then(pl.when(whole & clock.is_not_null()).then(timed).otherwise(last.cast(TIMESTAMP) + _ALMOST_DAY))
        .cast(TIMESTAMP)
        .alias(prefix + "time_max"),
        pl.when(present & ~readable)
        .then(pl.lit(UNREADABLE_DATE))
        .when(present & ~in_range)
        .then(pl.lit(IMPOSSIBLE_DATE))
        .alias(prefix + "problem"),
    ]


def _date(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    # Through text, because the constructor from numbers raises where this gives null.
    text = pl.concat_str(
        year.cast(pl.String).str.zfill(4), month.cast(pl.String).str.zfill(2), day.cast(pl.String).str.zfill(2), separator="-"
    )
    return text.str.to_date("%Y-%m-%d", strict=False)


def _month_end(year: pl.Expr, month: pl.Expr) -> pl.Expr:
    return _date(year, month, pl.lit(1)).dt.month_end()
