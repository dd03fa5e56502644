"""Dates as hospitals write them, set down in ISO order: 04/03/2021, 4-MAR-2021, 20210304, 10h30, 10:30 PM, Excel's serial days.

A form that can mean two days is read only where the source declares which one it is: the order of days and months, the century of
a year of two digits, serial days. All others say themselves what they are.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import polars as pl

Order = Literal["ymd", "dmy", "mdy", "excel"]
"""How dates are written: year, month and day in this order, or as serial days of Excel (1 is 1900-01-01). ISO dates are read in each."""

PART = r"(?:\d{1,2}|UNK?|\?\?|XX)"
YEAR = r"(?:\d{4}|UNK?|\?{4}|XXXX)"

_IN_ORDER: dict[Order, tuple[tuple[str, str], ...]] = {
    "ymd": (),
    "excel": (),
    "dmy": (
        (rf"^\s*({PART})[-/.]({PART})[-/.]({YEAR})(\D.*)?$", "${3}-${2}-${1}${4}"),
        (rf"^\s*({PART})[-/.]({YEAR})\s*$", "${2}-${1}"),
    ),
    "mdy": (
        (rf"^\s*({PART})[-/.]({PART})[-/.]({YEAR})(\D.*)?$", "${3}-${1}-${2}${4}"),
        (rf"^\s*({PART})[-/.]({YEAR})\s*$", "${2}-${1}"),
    ),
}
_SHORT: dict[Order, tuple[int, int, int]] = {"ymd": (1, 2, 3), "dmy": (3, 2, 1), "mdy": (3, 1, 2), "excel": (1, 2, 3)}
"""Which of three numbers is the year, the month, the day."""

_MONTHS = (
    "JAN(?:UARY|VIER|UAR|V)?",
    "F[EÉ]B?V?(?:RUARY|RIER|RUAR|R)?",
    "MAR(?:CH|S|Z)?|M[ÄA]RZ?|MRZ",
    "A[PV]R(?:IL)?",
    "MA[IY]",
    "JUN[EI]?|JUIN",
    "JUL[YI]?|JUIL(?:LET)?",
    "AUG(?:UST)?|AO[UÛ]T?",
    "SEPT?(?:EMBER|EMBRE)?",
    "O[CK]T(?:OBER|OBRE)?",
    "NOV(?:EMBER|EMBRE)?",
    "D[EÉ][CZ](?:EMBER|EMBRE)?",
)
"""Names of months in English, French and German, cut or whole."""

_FIRST_DAY = date(1899, 12, 30)
"""Day 0 of Excel's serial days from March 1900 on: its 29 February 1900 never was."""
_SERIAL = r"^\s*(\d{1,5}(?:\.\d+)?)\s*$"


def in_iso_order(text: pl.Expr, order: Order = "ymd", pivot: int | None = None) -> pl.Expr:
    """Return dates with year, month and day in this order, divided by `-`, in capitals; what is none of the forms stays as it is.

    Args:
        text: Dates as they are written.
        order: How they are written where the form alone does not tell.
        pivot: Years of two digits up to this one are of the 2000s, later ones of the 1900s; None reads no such year.

    Example:
        >>> dates = pl.Series("d", ["04/03/2021", "4-mar-2021 10h30", "20210304", "04/03/21"])
        >>> pl.select(in_iso_order(pl.lit(dates), "dmy", pivot=30)).to_series().to_list()
        ['2021-03-04', '2021-03-4 10:30', '2021-03-04', '2021-03-04']
    """
    written = _clock(text.str.strip_chars().str.to_uppercase())
    # Compact dates: as day, month and year the last four digits would be a year before 1232.
    written = written.str.replace(r"^((?:1[89]|20|21)\d{2})(0[1-9]|1[0-2])([0-3]\d)(?:[T ]?(\D.*))?$", "${1}-${2}-${3}${4}")
    for number, name in enumerate(_MONTHS, start=1):
        written = written.str.replace(
            rf"^(\d{{1,2}})[ ./-]*(?:{name})\.?[ ./-]*(\d{{4}})(\D.*)?$", f"${{2}}-{number:02d}-${{1}}${{3}}"
        )
    for pattern, iso in _IN_ORDER[order]:
        written = written.str.replace(pattern, iso)
    if pivot is not None:
        written = _centuries(written, order, pivot)
    return _serial(written) if order == "excel" else written


def _clock(text: pl.Expr) -> pl.Expr:
    """Return texts whose time of day is written with colons, in 24 hours."""
    text = text.str.replace(r"(\d)\s+(\d{1,2})\s*H\s*(\d{2})$", "${1} ${2}:${3}")
    parts = text.str.extract_groups(r"^(.*[T ])(\d{1,2})(:\d{2}(?::\d{2})?)\s*([AP])\.?M\.?$").struct
    hour = parts.field("2").cast(pl.Int64, strict=False)
    late = pl.when(parts.field("4") == "P").then(12).otherwise(0)
    full = pl.concat_str(parts.field("1"), (hour % 12 + late).cast(pl.String).str.zfill(2), parts.field("3"))
    return pl.when(hour.is_between(1, 12)).then(full).otherwise(text)


def _centuries(text: pl.Expr, order: Order, pivot: int) -> pl.Expr:
    """Return texts in which years of two digits have four."""
    parts = text.str.extract_groups(r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{1,2})(\D.*)?$").struct
    year, month, day = (parts.field(str(place)) for place in _SHORT[order])
    number = year.cast(pl.Int64, strict=False)
    whole = number + pl.when(number <= pivot).then(2000).otherwise(1900)
    iso = pl.concat_str(whole.cast(pl.String), month, day, separator="-") + parts.field("4").fill_null("")
    return pl.when(year.str.len_bytes() == 2).then(iso).otherwise(text)


def _serial(text: pl.Expr) -> pl.Expr:
    """Return texts in which serial days are dates, their fractions times of day."""
    days = text.str.extract(_SERIAL, 1).cast(pl.Float64, strict=False)
    seconds = (days * 86_400).round().cast(pl.Int64)
    moment = pl.lit(_FIRST_DAY).cast(pl.Datetime("us")) + pl.duration(seconds=seconds)
    whole = seconds % 86_400 == 0
    iso = pl.when(whole).then(moment.dt.strftime("%Y-%m-%d")).otherwise(moment.dt.strftime("%Y-%m-%d %H:%M:%S"))
    # Before March 1900 Excel counts a day that never was; four digits alone may be a year.
    return pl.when(days.is_between(3000, 73_415)).then(iso).otherwise(text)
