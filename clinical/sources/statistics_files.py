"""Cells of files of SAS and SPSS as the texts that stand for them: dates by the format that shows them, identifiers with their zeros.

Both keep dates as numbers (SAS days or seconds since 1960, SPSS seconds since 14 October 1582), and a format says what a number is. The
formats are those of SAS 9.4 (Formats and Informats: Reference) and of SPSS (Command Syntax Reference, date and time formats).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import polars as pl

from unibase.clinical.sources.set_down import Told

ROWS = 100_000
"""Rows that are read at a time."""
_SAS, _SPSS = datetime(1960, 1, 1), datetime(1582, 10, 14)
_DAY = 86_400
_OF_A_LANGUAGE = r"(?:AFR|CAT|CRO|CZE|DAN|DES|DEU|ENG|ESP|EUR|FIN|FRA|FRS|HUN|ITA|MAC|NLD|NOR|POL|PTG|RUS|SLO|SVE)DF"

_SAS_FORMATS = (
    (r"(?:DATE|(?:DDMMYY|MMDDYY|YYMMDD)[BCDNPS]?|[EB]8601DA|IS8601DA|JULIAN|NLDATE|NLDATEL|NLDATEM|NLDATES|NLDATEW|WEEKDAT[EX]|WORDDAT[EX])", "day"),
    (_OF_A_LANGUAGE + r"(?:DD|DE|WDX|WKX)", "day"),
    (r"(?:MONYY|MMYY[CDNPS]?|YYMM[CDNPS]?|YYMON|NLDATEYM[LMS]?)|" + _OF_A_LANGUAGE + "MY", "month"),
    (r"(?:YEAR|NLDATEYR)", "year"),
    (r"(?:DATETIME|DATEAMPM|[EB]8601D[TZX]|IS8601DT|MDYAMPM|NLDATMAP|NLDATMTZ|NLDATM[LMSW]?)|" + _OF_A_LANGUAGE + "DT", "moment"),
    (r"(?:DTDATE|DTWKDATX|[EB]8601DN|IS8601DN|NLDATMDT)", "day of moment"),
    (r"(?:DTMONYY|NLDATMYM[LMS]?)", "month of moment"),
    (r"(?:DTYEAR|NLDATMYR)", "year of moment"),
    (r"(?:TIME|TOD|HHMM|TIMEAMPM|[EB]8601TM|IS8601TM|NLTIME|NLTIMAP)", "clock"),
    (r"Z", "zeros"),
)  # fmt: skip
_SPSS_FORMATS = (
    (r"(?:DATE|[AEJS]DATE)", "day of moment"),
    (r"(?:DATETIME|YMDHMS)", "moment"),
    (r"MOYR", "month of moment"),
    (r"TIME", "clock"),
    (r"N", "zeros"),
)


class _Meta(Protocol):
    """What is used of the metadata that pyreadstat gives."""

    original_variable_types: dict[str, str | None]
    readstat_variable_types: dict[str, str]
    missing_ranges: dict[str, list[dict[str, float | str]]]


@dataclass(frozen=True)
class _Column:
    """How the cells of a column are read: what a number is, digits shown with zeros before, ranges that the file declares as missing."""

    name: str
    kind: str
    width: int
    missing: tuple[tuple[float | str, float | str], ...]
    is_number: bool
    spss: bool

    def text(self, cell: object, told: Told) -> str | None:
        """Return the text of a `cell`; what is `told` of it is counted."""
        plain = cell.item() if hasattr(cell, "item") else cell
        if plain is None or plain == "" or plain != plain:
            return None
        if self._is_missing(plain):
            told["missing", self.name.lower()] += 1
            return None
        if not isinstance(plain, float | int):
            return str(plain)
        found = self._dated(float(plain), told)
        if found is not None:
            return found
        if self.kind == "zeros" and plain >= 0 and float(plain).is_integer():
            return f"{int(plain):0{self.width}d}"
        return str(int(plain)) if float(plain).is_integer() else repr(float(plain))

    def _is_missing(self, cell: object) -> bool:
        # A missing value of SAS with a letter (.A to .Z, ._) comes as this letter.
        if isinstance(cell, str):
            return (self.is_number and not self.spss) or any(cell == low for low, _ in self.missing)
        if not isinstance(cell, float | int):
            return False
        return any(
            isinstance(low, float | int) and isinstance(high, float | int) and low <= cell <= high for low, high in self.missing
        )

    def _dated(self, number: float, told: Told) -> str | None:
        """Return the text of a date or time of day; None for other numbers, and for those that are no day of the calendar."""
        unit, _, of_moment = self.kind.partition(" of ")
        if unit == "clock":
            inside = 0 <= number < _DAY
            return (datetime.min + timedelta(seconds=number)).time().isoformat() if inside else None
        if unit not in ("day", "month", "year", "moment"):
            return None
        counts_seconds = bool(of_moment) or unit == "moment"
        try:
            when = (_SPSS if self.spss else _SAS) + (timedelta(seconds=number) if counts_seconds else timedelta(days=number // 1))
        except OverflowError:
            return None
        if unit == "moment":
            return when.isoformat(" ", "microseconds" if when.microsecond else "seconds")
        day = when.date()
        if unit == "day" or day.day > 1 or (unit == "year" and day.month > 1):
            return day.isoformat()
        told["part", self.name.lower()] += 1
        return f"{day.year:04d}-{day.month:02d}" if unit == "month" else f"{day.year:04d}"


def _column(name: str, meta: _Meta, spss: bool) -> _Column:
    """Return how a column is read."""
    written = re.fullmatch(r"(.*?[A-Z])?(\d+)?(?:\.(\d+)?)?", (meta.original_variable_types.get(name) or "").upper())
    base, width, decimals = (written[1] or "", int(written[2] or 0), written[3]) if written else ("", 0, None)
    is_number = meta.readstat_variable_types.get(name) not in ("string", "string_ref")
    formats = _SPSS_FORMATS if spss else _SAS_FORMATS
    kind = next((kind for pattern, kind in formats if re.fullmatch(pattern, base)), "") if is_number else ""
    if kind == "zeros" and int(decimals or 0):
        kind = ""
    ranges = (getattr(meta, "missing_ranges", None) or {}).get(name, [])
    missing = tuple((one["lo"], one["hi"]) for one in ranges)
    return _Column(name, kind, width, missing, is_number, spss)


def chunks(path: Path, told: Told) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file of SAS or SPSS as texts; of labelled values the values.

    Args:
        path: The file, as `.sas7bdat`, `.xpt`, `.sav` or `.zsav`.
        told: Where cells are counted that say something else than their text.
    """
    suffix = path.suffix.lower()
    read = _reader(suffix)
    # The reader of transport files knows no letters of missing values.
    further = {} if suffix == ".xpt" else {"user_missing": True}
    offset = 0
    while True:
        content, meta = read(
            str(path), row_offset=offset, row_limit=ROWS, output_format="dict", disable_datetime_conversion=True, **further
        )
        height = len(next(iter(content.values()), []))
        if height or not offset:
            columns = {name: _column(name, meta, suffix in (".sav", ".zsav")) for name in content}
            cells = {name: [columns[name].text(cell, told) for cell in values] for name, values in content.items()}
            yield pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
        if height < ROWS:
            return
        offset += height


class _Read(Protocol):
    """A reader of pyreadstat, as it is used here."""

    def __call__(self, path: str, /, **options: object) -> tuple[dict[str, Sequence[object]], _Meta]: ...


def _reader(suffix: str) -> _Read:
    import pyreadstat  # a library of its own, for few sources

    names = {".sas7bdat": "read_sas7bdat", ".xpt": "read_xport"}
    reader: _Read = getattr(pyreadstat, names.get(suffix, "read_sav"))
    return reader


def is_readable(path: Path) -> bool:
    """Tell whether the head of a file of SAS or SPSS, `path`, can be read."""
    try:
        _reader(path.suffix.lower())(str(path), metadataonly=True)
    except Exception:  # of the library, with errors of its own
        return False
    return True
