"""Dates of declared tables: of one column or three, of deaths, and of ends."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from unibase.clinical.formats.mapping_rules import DATE_FIELDS, EventRule, Reading, is_day, says_dead
from unibase.clinical.reasons import (
    END_BEFORE_START,
    IMPOSSIBLE_DATE,
    MISSING_DATE,
    PARTIAL_END,
    STATUS_AGAINST_DATE,
    UNKNOWN_VALUE,
    UNREADABLE_DATE,
)
from unibase.clinical.sources.events import SOURCE_EVENTS
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.words import partial_dates
from unibase.clinical.words.acts import REFUTED
from unibase.groundwork.problems import UserError


def dated(reading: Reading, rule: EventRule, frame: pl.DataFrame, has_data: bool, problems: list[RowProblem]) -> pl.DataFrame:
    """Return rows with the times of an event; rows whose date cannot be are told and left out.

    Args:
        reading: Mapping and table, which say how dates are written.
        rule: The event that is made of each row.
        frame: Rows as text.
        has_data: Whether the event has a code or value of the row: then it stands without a date, too.
        problems: Where to tell.

    Raises:
        UserError: If the rule names no date and is not `static`.
    """
    nothing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in SOURCE_EVENTS.items() if "time" in name]
    frame = frame.with_columns(nothing)
    if rule.static:
        return frame
    if rule.date is None:
        raise UserError(f"Mapping {reading.mapping.name}: the rule for {rule.code} needs `date`, or `static: true`.")
    for name in (rule.date, rule.end, rule.recorded):
        frame = _counted(reading, rule.since, (name or "").lower(), frame)
    found = _with_date(reading, rule.date, rule.clock, frame.drop("time", "time_min", "time_max"), "")
    if found is None:
        return frame if has_data else frame.head(0)
    frame = _deaths(rule, found, problems) if rule.code == DEATH else found
    for row, problem in frame.filter(pl.col("problem").is_not_null()).select("source_row", "problem").iter_rows():
        problems.append(RowProblem(row, problem, _DATE_MESSAGES[problem], rule.date.lower()))
    frame = frame.filter(pl.col("problem").is_null()).drop("problem")
    frame = _undated(rule, frame, has_data, problems)
    for name, column in (("end_time", rule.end), ("recorded_time", rule.recorded)):
        if column is not None:
            frame = _second_date(reading, frame, name, column, problems)
    return frame


_DAYS = r"^\s*-?\d{1,5}(?:\.0+)?\s*$"
"""A number of days; another text in its place is no date."""


def _counted(reading: Reading, since: str | None, column: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose column of days since another date is that day, in ISO form; days since an unknown date are none."""
    if since is None or column not in frame.columns:
        return frame
    if is_day(since):
        first = frame.select(pl.lit(since).str.to_datetime(time_unit="us").alias("since_time"))
        placed = frame.with_columns(since_time=pl.lit(first.item()))
    else:
        dated = _with_date(reading, since, None, frame, "since_")
        placed = frame.with_columns(since_time=pl.lit(None, pl.Datetime("us"))) if dated is None else dated
    days = pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)
    counted = (pl.col("since_time") + pl.duration(days=days)).dt.strftime("%Y-%m-%d")
    number = pl.col(column).str.contains(_DAYS)
    text = pl.when(number).then(counted).when(pl.col(column).is_not_null()).then(pl.lit(NO_DATE))
    return placed.with_columns(text.alias(column)).select(frame.columns)


NO_DATE = "no number of days"


def _undated(rule: EventRule, frame: pl.DataFrame, has_data: bool, problems: list[RowProblem]) -> pl.DataFrame:
    """Return the rows that stand: without a date only those that say something else, and these are told."""
    assert rule.date is not None
    undated = pl.col("time_min").is_null()
    if not has_data:
        return frame.filter(~undated)
    if not rule.undated:
        for row in frame.filter(undated)["source_row"]:
            problems.append(RowProblem(row, MISSING_DATE, "The event has no date.", rule.date.lower(), refused=False))
    return frame


DEATH = "MEDS_DEATH"


_NINES = r"9999|^99[-/.]99"
_NO_YEAR = "0001|1600|1753|1800|1900"
_SENTINEL = (
    rf"(?i)^0?1[-/. ]?(?:0?1|JAN)[-/. ]?(?:{_NO_YEAR})(?:[^0-9]|$)|^(?:{_NO_YEAR})[-/. ]?0?1[-/. ]?0?1(?:[^0-9]|$)"
    r"|^1899[-/. ]?12[-/. ]?3[01]|^3[01][-/. ]?(?:12|DEC)[-/. ]?1899"
)
"""Dates that programs write where there is none: 9999-12-31, the SNDS's 01JAN1600, the first days of SQL Server, .NET and Excel."""


def _deaths(rule: EventRule, frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    """Return the rows in which the dead have a date, if one of which nothing is known.

    A row says that the person died by its status, or by a date that cannot be. A date that stands for none (9999-12-31), or a text
    in its place, says neither that the person died nor that it lives: the row gets a sign by which endpoints tell of it.
    """
    assert rule.date is not None
    dead = pl.lit(says_dead(rule))
    for name, values in rule.happened.items():
        if name.lower() in frame.columns:
            dead = dead | pl.col(name.lower()).str.to_lowercase().is_in([value.lower() for value in values]).fill_null(False)
            _tell_status(frame, name.lower(), values, problems)
    written = pl.col(rule.date.lower()) if rule.date.lower() in frame.columns else pl.lit(None, dtype=pl.String)
    unusable, missing = pl.col("problem").is_not_null(), pl.col("problem").is_null() & pl.col("time_min").is_null()
    text = written.str.strip_chars()
    # Nines may also be the last part of a second, in a date that can be.
    for_none = (text.str.contains(_SENTINEL) | (unusable & text.str.contains(_NINES))).fill_null(False)
    unclear = ~dead & (unusable & (pl.col("problem") == UNREADABLE_DATE) | unusable & written.is_null() | for_none)
    frame = frame.with_columns((unusable & ~unclear | missing & dead).alias("_unknown"), unclear.alias("_unclear"))
    problems += _tell_undated(frame.filter(pl.col("_unknown") | pl.col("_unclear")), rule.date.lower())
    frame = partial_dates.unknown_where(frame, pl.col("_unknown") | pl.col("_unclear"))
    return frame.with_columns(pl.when("_unclear").then(pl.lit(REFUTED)).alias("_code")).drop("_unknown", "_unclear")


def _tell_undated(frame: pl.DataFrame, column: str) -> Iterator[RowProblem]:
    """Yield what is told of rows of the dead without a date in a column, and of those whose date stands for none."""
    for row, why, is_unclear in frame.select("source_row", "problem", "_unclear").iter_rows():
        undated = "The date is one that stands for none: name it under `nulls`." if is_unclear else _UNDATED
        reason = why or (IMPOSSIBLE_DATE if is_unclear else MISSING_DATE)
        yield RowProblem(row, reason, _DATE_MESSAGES.get(why) or undated, column, refused=False)


_UNDATED = "The person died, and no date says when."
_ALIVE = (
    "n",
    "no",
    "non",
    "nein",
    "false",
    "faux",
    "alive",
    "living",
    "vivant",
    "vivante",
    "vivant(e)",
    "en vie",
    "lebend",
    "lebt",
)
_DIGITS = ("0", "1", "2")
"""Words that say that a person lives; of the digits those that are not declared as a death."""


def _tell_status(frame: pl.DataFrame, column: str, values: list[str], problems: list[RowProblem]) -> None:
    """Tell of words of a vital status that are neither declared nor known to say alive, and of the living who have a date of death."""
    declared = [value.lower() for value in values]
    alive = [*_ALIVE, *(digit for digit in _DIGITS if digit not in declared)]
    # cBioPortal writes 0:LIVING and 1:DECEASED.
    said = pl.col(column).str.to_lowercase().str.replace(r"^0:(?:living|alive)$", "alive")
    message = "The status is neither declared as a death nor a word for alive. Declare it under `happened`, or as null."
    for row in frame.filter(~said.is_in([*declared, *alive]))["source_row"]:
        problems.append(RowProblem(row, UNKNOWN_VALUE, message, column, refused=False))
    for row in frame.filter(said.is_in(alive) & pl.col("time_min").is_not_null())["source_row"]:
        told = "A date of death stands beside a status that says alive. The death counts."
        problems.append(RowProblem(row, STATUS_AGAINST_DATE, told, column, refused=False))


_DATE_MESSAGES = {
    IMPOSSIBLE_DATE: "There is no such date.",
    UNREADABLE_DATE: "The text is not a date.",
}


def _second_date(reading: Reading, frame: pl.DataFrame, name: str, column: str, problems: list[RowProblem]) -> pl.DataFrame:
    dated = _with_date(reading, column, None, frame, "second_")
    if dated is None:
        return frame
    frame = dated
    partial = pl.col("second_time").is_null() & pl.col("second_time_min").is_not_null()
    early = (pl.col("second_time_max") < pl.col("time_min")).fill_null(False) & (name == "end_time")
    reason = (
        pl.when(pl.col("second_problem").is_not_null())
        .then(pl.col("second_problem"))
        .when(early)
        .then(pl.lit(END_BEFORE_START))
        .when(partial)
        .then(pl.lit(PARTIAL_END))
    )
    frame = frame.with_columns(reason.alias("second_reason"))
    for row, why in frame.filter(pl.col("second_reason").is_not_null()).select("source_row", "second_reason").iter_rows():
        message = _DATE_MESSAGES.get(why) or (
            "The interval ends before it starts." if why == END_BEFORE_START else "The second date is known in part only."
        )
        problems.append(RowProblem(row, why, message, column.lower(), refused=False))
    frame = frame.with_columns(pl.when(~early).then(pl.col("second_time")).cast(SOURCE_EVENTS[name]).alias(name))
    return frame.drop(column for column in frame.columns if column.startswith("second_"))


def _with_date(reading: Reading, base: str, clock: str | None, frame: pl.DataFrame, prefix: str) -> pl.DataFrame | None:
    """Add the date columns of a declared date, or return None when the source has no such column."""
    name, columns = base.lower(), frame.columns
    clock_column = clock.lower() if clock and clock.lower() in columns else None
    for suffixes in DATE_FIELDS:
        year, month, day = (name + suffix for suffix in suffixes)
        if {year, month, day} <= set(columns):
            return partial_dates.add_parts(frame, (year, month, day), clock_column, prefix)
    if name not in columns:
        return None
    text = pl.col(name) if reading.order_of(name) == "excel" else _no_day_number(frame, name)
    if clock_column is not None:
        hour = pl.col(clock_column).str.replace(r"^\s*(\d{1,2})\s*[-:hH]\s*(\d{2})\s*$", "${1}:${2}")
        text = pl.concat_str(name, hour, separator=" ", ignore_nulls=True)
    return partial_dates.add_dates(frame, text, reading.order_of(name), prefix, reading.mapping.two_digit_years)


_NUMBER_OF_DAYS = r"^\s*-?\d{1,5}\s*$"
_YEAR_ALONE = r"^\s*(?:1[89]|20|21)\d{2}\s*$"


def _no_day_number(frame: pl.DataFrame, column: str) -> pl.Expr:
    """Return a column of dates in which no number of days is taken for a year.

    SAS and Excel keep dates as numbers of days: among 21915, 1500 and 1966 the last is no year, though it looks like one.
    """
    number, year = pl.col(column).str.contains(_NUMBER_OF_DAYS), pl.col(column).str.contains(_YEAR_ALONE)
    days, years = frame.select((number & ~year).sum().alias("days"), (number & year).sum().alias("years")).row(0)
    return pl.when(year).then(pl.lit(NO_DATE)).otherwise(pl.col(column)) if days > years else pl.col(column)
