"""Dates of birth as hospitals write them, brought to ISO and cut to what is certain."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from unicodedata import combining, normalize

FIRST_YEAR, LAST_YEAR = 1850, 2200

_ISO = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?(?:[T ][\d:.+Z]*)?")
_UNIVERSAL_EVENING = re.compile(r"\d{4}-\d{2}-\d{2}[T ](?:1[2-9]|2[0-3]):00(?::00(?:\.0+)?)?(?:Z|\+00:?00)")
"""Midnight of the next day, as a program writes it that counts in universal time."""
_DAY_FIRST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})(?: [\d:]*)?")
_EIGHT = re.compile(r"\d{8}")
_MONTH_AND_YEAR = re.compile(r"(\d{1,2})[-/. ](\d{4})")
_IN_WORDS = re.compile(r"(?:(\d{1,2})(?:ER)?[-/. ]+)?([A-Z]+)[-/., ]+(\d{4})")
_MONTHS = {
    word: number
    for number, words in enumerate(
        (
            "JANVIER JANUARY JANV JAN",
            "FEVRIER FEBRUARY FEVR FEV FEB",
            "MARS MARCH MAR",
            "AVRIL APRIL AVR APR",
            "MAI MAY",
            "JUIN JUNE JUN",
            "JUILLET JULY JUIL JUL",
            "AOUT AUGUST AUG",
            "SEPTEMBRE SEPTEMBER SEPT SEP",
            "OCTOBRE OCTOBER OCT",
            "NOVEMBRE NOVEMBER NOV",
            "DECEMBRE DECEMBER DEC",
        ),
        start=1,
    )
    for word in words.split()
}


@dataclass(frozen=True)
class WrittenDate:
    """A date in ISO, cut to what is certain, or None; `problem` says what was left out of it, and why."""

    iso: str | None
    problem: str = ""


def iso_dates(texts: Sequence[str | None]) -> list[WrittenDate]:
    """Read the dates of one column, its `texts`.

    Read are ISO (with or without time of day), and the French order day, month, year with `/`, `.`, `-` or blanks, the month
    as a number or as a French or English word, the day left out or not (`12 mars 1956`, `1er août 1956`, `03/1956`). A part
    that is 0 or no part of a calendar (`1956-00-00`, `1956-02-31`) is left out with all after it. Where the column has dates
    that only the order month, day, year explains, a date that both orders explain keeps its year.

    Example:
        >>> [one.iso for one in iso_dates(["1956-03-12", "12/03/1956", "1956-00-00", "1956-02-31", "soon"])]
        ['1956-03-12', '1956-03-12', '1956', '1956', None]
    """
    american = any(_only_month_first(text) for text in set(texts) if text)
    known: dict[str | None, WrittenDate] = {}
    return [known[text] if text in known else known.setdefault(text, _read(text, american=american)) for text in texts]


def _only_month_first(text: str) -> bool:
    found = _DAY_FIRST.fullmatch(text.strip())
    return found is not None and int(found[1]) <= 12 < int(found[2]) <= 31


def _read(text: str | None, *, american: bool) -> WrittenDate:
    if text is None or not text.strip():
        return WrittenDate(None)
    text = text.strip()
    if found := _ISO.fullmatch(text):
        if _EIGHT.fullmatch(text):
            return _read_eight(text)
        year, month, day = (int(part or 0) for part in found.groups())
        if _UNIVERSAL_EVENING.fullmatch(text) and _is_date(year, month, day):
            return _this_day_or_the_next(date(year, month, day))
        return _cut(year, month, day, whole=found[2] is None)
    if found := _DAY_FIRST.fullmatch(text):
        day, month, year = (int(part) for part in found.groups())
        if american and day <= 12 and month <= 12 and day != month:
            return WrittenDate(_cut(year, 0, 0, whole=True).iso, "Day or month first is not certain; the year alone is read.")
        return _cut(year, day, month, whole=False) if american and month > 12 else _cut(year, month, day, whole=False)
    if _EIGHT.fullmatch(text):
        return _read_eight(text)
    if found := _MONTH_AND_YEAR.fullmatch(text):
        return _cut(int(found[2]), int(found[1]), 0, whole=False)
    if (found := _IN_WORDS.fullmatch(_folded(text))) and found[2] in _MONTHS:
        return _cut(int(found[3]), _MONTHS[found[2]], int(found[1] or 0), whole=False)
    return WrittenDate(None, "This is not read as a date; it is left out.")


def _this_day_or_the_next(day: date) -> WrittenDate:
    """Return what a day has in common with the one after it: midnight of Paris is 22 or 23 hours of the day before."""
    later = day + timedelta(days=1)
    problem = "The hour is an evening of universal time: the day may be the next one, and is left out."
    if day.year != later.year:
        return WrittenDate(None, problem)
    return WrittenDate(f"{day:%Y-%m}" if day.month == later.month else f"{day.year:04d}", problem)


def _folded(text: str) -> str:
    """Return a text in upper case and without accents."""
    return "".join(letter for letter in normalize("NFD", text.upper()) if not combining(letter))


def _read_eight(text: str) -> WrittenDate:
    """Read eight digits: year first or day first, where one of them alone is a date."""
    ways = [(int(text[:4]), int(text[4:6]), int(text[6:])), (int(text[4:]), int(text[2:4]), int(text[:2]))]
    real = [way for way in ways if _is_date(*way)]
    if len(real) == 1:
        return _cut(*real[0], whole=False)
    return WrittenDate(None, "Year or day first is not certain; the date is left out.")


def _is_date(year: int, month: int, day: int) -> bool:
    return FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]


def _cut(year: int, month: int, day: int, *, whole: bool) -> WrittenDate:
    """Return the date cut to its certain parts; `whole` when no more than the year was written."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return WrittenDate(None, "The year cannot be one of birth; the date is left out.")
    if whole or (month == 0 and day == 0):
        return WrittenDate(f"{year:04d}")
    if not 1 <= month <= 12 or day > monthrange(year, month)[1]:
        return WrittenDate(f"{year:04d}", "There is no such day; the year alone is read.")
    return WrittenDate(f"{year:04d}-{month:02d}" + (f"-{day:02d}" if day else ""))
