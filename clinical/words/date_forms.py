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

PART = r"(?:[0-9]{1,2}|UNK?|\?\?|XX)"
YEAR = r"(?:[0-9]{4}|UNK?|\?{4}|XXXX)"

_IN_ORDER: dict[Order, tuple[tuple[str, str], ...]] = {
    "ymd": ((rf"^\s*({PART})[-/.]({YEAR})\s*$", "${2}-${1}"),),
    "excel": (),
    "dmy": (
        (rf"^\s*({PART})[-/.]({PART})[-/.]({YEAR})([^0-9].*)?$", "${3}-${2}-${1}${4}"),
        (rf"^\s*({PART})[-/.]({YEAR})\s*$", "${2}-${1}"),
    ),
    "mdy": (
        (rf"^\s*({PART})[-/.]({PART})[-/.]({YEAR})([^0-9].*)?$", "${3}-${1}-${2}${4}"),
        (rf"^\s*({PART})[-/.]({YEAR})\s*$", "${2}-${1}"),
    ),
}
_COMPACT: dict[Order, tuple[str, str]] = {
    "dmy": (r"^([0-3][0-9])(0[1-9]|1[0-2])((?:19|20)[0-9]{2})$", "${3}-${2}-${1}"),
    "mdy": (r"^(0[1-9]|1[0-2])([0-3][0-9])((?:19|20)[0-9]{2})$", "${3}-${1}-${2}"),
}
"""Dates without separators that end in their year, as those of the PMSI."""
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

_WEEKDAYS = (
    "LUNDI|MARDI|MERCREDI|JEUDI|VENDREDI|SAMEDI|DIMANCHE|(?:MON|TUES|WEDNES|THURS|FRI|SATUR|SUN)DAY|MON|TUE|WED|THU|FRI|SAT|SUN"
)
_TOGETHER = r"^((?:19|20)[0-9]{2})(0[1-9]|1[0-2])([0-3][0-9])([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])$"
"""A compact date with its time of day, as HL7 v2 and DICOM write it."""

_FIRST_DAY = date(1899, 12, 30)
"""Day 0 of Excel's serial days from March 1900 on: its 29 February 1900 never was."""
_SERIAL = r"^\s*([0-9]{1,5}(?:\.[0-9]+)?)\s*$"


def in_iso_order(written: pl.Series, order: Order = "ymd", pivot: int | None = None) -> pl.Series:
    """Return dates with year, month and day in this order, divided by `-`, in capitals; what is none of the forms stays as it is.

    Args:
        written: Dates as they are written, one text each.
        order: How they are written where the form alone does not tell.
        pivot: Years of two digits up to this one are of the 2000s, later ones of the 1900s; None reads no such year.

    Example:
        >>> dates = pl.Series("d", ["04/03/2021", "4-mar-2021 10h30", "20210304", "04/03/21"])
        >>> in_iso_order(dates, "dmy", pivot=30).to_list()
        ['2021-03-04', '2021-03-4 10:30', '2021-03-04', '2021-03-04']
    """
    text = written.str.strip_chars().str.to_uppercase()
    if text.str.contains("[A-ZÀ-Ý]").any():
        text = _months(_clock(text))
    text = _unknown_parts(_without_hyphens(text))
    text = text.str.replace(_TOGETHER, "${1}-${2}-${3} ${4}:${5}:${6}")
    # Compact dates: as day, month and year the last four digits would be a year before 1232.
    text = text.str.replace(r"^((?:1[89]|20|21)[0-9]{2})(0[1-9]|1[0-2])([0-3][0-9])(?:[T ]?([^0-9].*))?$", "${1}-${2}-${3}${4}")
    # With the day first there is no such doubt: no month is 19 or 20.
    if order in _COMPACT:
        text = text.str.replace(*_COMPACT[order])
    for pattern, iso in _IN_ORDER[order]:
        text = text.str.replace(pattern, iso)
    if pivot is not None:
        text = _centuries(text, order, pivot)
    return _serial(text) if order == "excel" else text


def _months(text: pl.Series) -> pl.Series:
    """Return texts whose month has a name with its number in its place: `1er mars 2021`, `March 4, 2021`, `mars 2021`, SAS's `04MAR2021:10:15`."""
    text = text.str.replace(rf"^(?:{_WEEKDAYS})\.?,?\s+", "")
    for number, name in enumerate(_MONTHS, start=1):
        for pattern, order in (
            (
                rf"^([0-9]{{1,2}})(?:ER|ST|ND|RD|TH)?[ ./-]*(?:{name})\.?[ ./,-]*([0-9]{{4}})(?::([0-9].*)|([^0-9:].*))?$",
                "${2}-@-${1} ${3}${4}",
            ),
            (rf"^(?:{name})\.?[ ]+([0-9]{{1,2}})(?:ST|ND|RD|TH)?,?[ ]+([0-9]{{4}})([^0-9].*)?$", "${2}-@-${1}${3}"),
            (rf"^(?:{name})\.?[ ./-]*([0-9]{{4}})$", "${1}-@"),
        ):
            text = text.str.replace(pattern, order.replace("@", f"{number:02d}"))
    return text.str.strip_chars()


def _unknown_parts(text: pl.Series) -> pl.Series:
    """Return texts in which a day or month of 00, which registries write for one that is not known, is unknown; a year never is."""
    text = text.str.replace(r"^00([-/.])(?:00|UN)[-/.]([0-9]{4})$", "UN${1}UN${1}${2}").str.replace(
        r"^00([-/.])([0-9]{1,2}[-/.][0-9]{4})$", "UN${1}${2}"
    )
    text = text.str.replace(r"^([1-9][0-9]{3})([-/.])00[-/.]00$", "${1}${2}UN${2}UN")
    return text.str.replace(r"^([1-9][0-9]{3}[-/.][0-9]{1,2}[-/.])00$", "${1}UN")


_SDTM = r"^([0-9]{4}|-)-([0-9]{2}|-)-([0-9]{2}|-)(?:T.*)?$"


def _without_hyphens(text: pl.Series) -> pl.Series:
    """Return texts in which parts that SDTM writes as one hyphen are unknown: `2003---15`, `--12-15`; of a clock in part (`T10`, `T-:15`) the day is kept."""
    text = text.str.replace(r"T(?:-(?::.*)?|[0-9]{2})$", "")
    parts = text.str.extract_groups(_SDTM).struct.unnest()
    # Hyphens alone are a sign for nothing.
    lacking = pl.any_horizontal(pl.col(name) == "-" for name in "123") & ~pl.all_horizontal(pl.col(name) == "-" for name in "123")
    whole = pl.concat_str(*(pl.col(name).replace("-", "UN") for name in ("1", "2", "3")), separator="-")
    return parts.select(pl.when(lacking).then(whole).otherwise(text)).to_series()


def _clock(text: pl.Series) -> pl.Series:
    """Return texts whose time of day is written with colons, in 24 hours."""
    text = text.str.replace(r"([0-9])\s+(?:À|A|AT|UM)\s+([0-9]{1,2})", "${1} ${2}")
    text = text.str.replace(r"([0-9])\s+([0-9]{1,2})\s*H\s*([0-9]{2})$", "${1} ${2}:${3}")
    parts = text.str.extract_groups(r"^(.*[T ])([0-9]{1,2})(:[0-9]{2}(?::[0-9]{2})?)\s*([AP])\.?M\.?$").struct.unnest()
    hour = pl.col("2").cast(pl.Int64, strict=False)
    late = pl.when(pl.col("4") == "P").then(12).otherwise(0)
    full = pl.concat_str("1", (hour % 12 + late).cast(pl.String).str.zfill(2), "3")
    return parts.select(pl.when(hour.is_between(1, 12)).then(full).otherwise(text)).to_series()


def _centuries(text: pl.Series, order: Order, pivot: int) -> pl.Series:
    """Return texts in which years of two digits have four."""
    parts = text.str.extract_groups(r"^([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})([^0-9].*)?$").struct.unnest()
    year, month, day = (pl.col(str(place)) for place in _SHORT[order])
    number = year.cast(pl.Int64, strict=False)
    whole = number + pl.when(number <= pivot).then(2000).otherwise(1900)
    iso = pl.concat_str(whole.cast(pl.String), month, day, separator="-") + pl.col("4").fill_null("")
    return parts.select(pl.when(year.str.len_bytes() == 2).then(iso).otherwise(text)).to_series()


def _serial(text: pl.Series) -> pl.Series:
    """Return texts in which serial days are dates, their fractions times of day."""
    days = text.str.extract(_SERIAL, 1).cast(pl.Float64, strict=False)
    seconds = (pl.col("days") * 86_400).round().cast(pl.Int64)
    moment = pl.lit(_FIRST_DAY).cast(pl.Datetime("us")) + pl.duration(seconds=seconds)
    iso = pl.when(seconds % 86_400 == 0).then(moment.dt.strftime("%Y-%m-%d")).otherwise(moment.dt.strftime("%Y-%m-%d %H:%M:%S"))
    # Before March 1900 Excel counts a day that never was; four digits alone may be a year.
    likely = pl.col("days").is_between(3000, 73_415)
    return pl.DataFrame({"days": days}).select(pl.when(likely).then(iso).otherwise(text)).to_series()
