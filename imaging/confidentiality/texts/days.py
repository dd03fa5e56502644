"""Dates in every form that people write, in texts and in bytes.

A true day beside a shifted one tells the shift, and with it every date of the person. Two searches:

* `dates_in` finds whatever has the form of a date: day, month and year in any order with a separator, months by their names
  (French, English, German, Spanish, Italian), months and years, `12/04`, and years that stand alone;
* `KnownDays` finds the days of the file and of the ledger in forms that only knowledge tells from numbers: `120419`,
  `190412`, `1204`, `4/12`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache

Span = tuple[int, int]

MONTHS = (
    ("janvier", "january", "januar", "enero", "gennaio", "janv", "jan", "ene", "gen", "jaenner"),
    ("fevrier", "february", "februar", "febrero", "febbraio", "fevr", "fev", "feb"),
    ("mars", "march", "maerz", "marz", "marzo", "mar"),
    ("avril", "april", "abril", "aprile", "avr", "apr", "abr"),
    ("mai", "may", "mayo", "maggio", "mag"),
    ("juin", "june", "juni", "junio", "giugno", "jun", "giu"),
    ("juillet", "july", "juli", "julio", "luglio", "juil", "jul", "jui", "lug"),
    ("aout", "august", "agosto", "aou", "aug", "ago"),
    ("septembre", "september", "septiembre", "settembre", "sept", "sep", "set"),
    ("octobre", "october", "oktober", "octubre", "ottobre", "oct", "okt", "ott"),
    ("novembre", "november", "noviembre", "nov"),
    ("decembre", "december", "dezember", "diciembre", "dicembre", "dec", "dez", "dic"),
)
"""Names of the months, folded, whole and cut short."""
_NUMBER_OF = {name: number for number, names in enumerate(MONTHS, 1) for name in names}
_MONTH = "(?:" + "|".join(sorted(_NUMBER_OF, key=len, reverse=True)) + ")"
_DAY, _MON, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_GAP = r"[\W_]{0,3}"
_SEPARATOR = r"[./\-_]"
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<!\d){_YEAR}[\W_]{{0,3}}(?:0[1-9]|1[0-2])[\W_]{{0,3}}(?:0[1-9]|[12]\d|3[01])(?!\d)",  # 2019-04-12, 20190412
        rf"(?<!\d){_YEAR}{_SEPARATOR}{_MON}{_SEPARATOR}{_DAY}(?!\d)",  # 2019/4/12
        rf"(?<!\d)(?:{_DAY}[\W_]{{1,3}}{_MON}|{_MON}[\W_]{{1,3}}{_DAY})[\W_]{{1,3}}{_YEAR}(?!\d)",  # 12 04 2019, 4/12/2019
        rf"(?<![\d.])(?:{_DAY}(?P<a>{_SEPARATOR}){_MON}(?P=a)|{_MON}(?P<b>{_SEPARATOR}){_DAY}(?P=b))\d\d(?![\d.]|\w)",  # 12/04/19
        rf"(?<!\d){_DAY}(?:er|st|nd|rd|th)?{_GAP}(?:de |of )?{_MONTH}(?![^\W\d_])(?:{_GAP}(?:de |of )?(?:{_YEAR}|\d\d)(?!\d))?",  # 12 avril 2019
        rf"(?<!\d){_YEAR}{_GAP}{_MONTH}(?![^\W\d_])(?:{_GAP}{_DAY}(?!\d))?",  # 2019AVR12
        rf"(?<![^\W\d_]){_MONTH}{_GAP}{_DAY}(?:st|nd|rd|th)?,?{_GAP}{_YEAR}(?!\d)",  # April 12, 2019
        rf"(?<![^\W\d_]){_MONTH}{_GAP}(?:{_YEAR}|\d\d)(?![\d.,]*\d)(?![^\W\d_])",  # avr 2019, AVR19
        rf"(?<![\d.]){_MON}{_SEPARATOR}{_YEAR}(?!\d)|(?<!\d){_YEAR}{_SEPARATOR}(?:0[1-9]|1[0-2])(?!\d)",  # 04/2019, 2019-04
        r"(?<![\d.,/])(?:(?:0[1-9]|[12]\d|3[01])/(?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])/(?:0[1-9]|[12]\d|3[01]))(?![\d.,/])",  # 12/04
    )
)
# A year that stands alone, or glued to words; not a number with a unit, nor one that a parameter announces.
_YEARS = re.compile(
    r"(?<![\d.,x])(?<!\bb)(?<!\bb[ =])(?<!\bt[eri])(?<!\bt[eri][ =])(?<!fov)(?<!fov[ =])(?<!jpeg[ -])(?<!jpeg)(?:19[2-9]\d|20[0-4]\d)"
    r"(?![\d]|[.,x]\d| ?(?:ms|mm|cm|hu|uh|ml|c?gy|[mk]?bq|hz|s/mm|px|kv|ma)\b)"
)
# An age over 89 years is of few people.
_AGES = re.compile(r"(?<![\d.,/])(?:9\d|1[01]\d) ?(?:ans?|a|years?|yrs?|yo|y/o|y)\b")
_MAY = re.compile(r"\d")
_GROUPS = re.compile(r"\d+(?:[\W_]{1,3}\d+)*")


@lru_cache(maxsize=4096)
def dates_in(plain: str) -> tuple[Span, ...]:
    """Return where something in a folded text has the form of a date, a year or an age over 89; spans may overlap.

    Args:
        plain: The folded text.

    >>> dates_in("vu le 12.03.1956")
    ((6, 16),)
    """
    if not _MAY.search(plain):
        return ()
    return tuple(match.span() for pattern in (*_FORMS, _YEARS, _AGES) for match in pattern.finditer(plain))


def _named_days(plain: str) -> list[tuple[Span, int, int]]:
    """Return `(span, day, month)` of days whose month is written as a word in a folded text. `plain`: the folded text."""
    found = []
    for match in re.finditer(rf"(?<!\d)({_DAY}){_GAP}({_MONTH})(?![^\W\d_])(?:{_GAP}(?:{_YEAR}|\d\d)(?!\d))?", plain):
        found.append((match.span(), int(match[1]), _NUMBER_OF[match[2]]))
    return found


@dataclass(frozen=True)
class KnownDays:
    """The days that a file or the ledger tells of a person.

    Attributes:
        days: The days.
    """

    days: frozenset[date]

    @staticmethod
    def of(texts: Iterable[str]) -> KnownDays:
        """Return the days of texts of the form YYYYMMDD; others are left out."""
        found = set()
        for text in texts:
            if len(text) == 8 and text.isdecimal():
                try:
                    found.add(date(int(text[:4]), int(text[4:6]), int(text[6:])))
                except ValueError:
                    continue
        return KnownDays(frozenset(found))

    @cached_property
    def _long(self) -> frozenset[str]:
        return frozenset(form for day in self.days for form in (*_eight(day), *_six(day)))

    @cached_property
    def _short(self) -> frozenset[str]:
        found = set()
        for day in self.days:
            d, m, y = f"{day.day:02d}", f"{day.month:02d}", f"{day.year % 100:02d}"
            found |= {d + m, m + d, m + y, y + m}
            found |= {f"{day.year:04d}{m}", f"{m}{day.year:04d}", f"{day.year:04d}{day:%j}", f"{y}{day:%j}"}
        return frozenset(found)

    @cached_property
    def _pairs(self) -> frozenset[tuple[int, int]]:
        pairs = {(day.day, day.month) for day in self.days} | {(day.month, day.day) for day in self.days}
        return frozenset(pairs | {(day.month, day.year % 100) for day in self.days})

    def spans(self, plain: str, technical: bool = False) -> list[Span]:
        """Return where the days stand in a folded text, in digits, or with the month as a word.

        Args:
            plain: The folded text.
            technical: Whether the text is a model, a version, a code: there only forms with the day, month and year count.
        """
        if not self.days or not _MAY.search(plain):
            return []
        found: list[Span] = []
        for match in _GROUPS.finditer(plain):
            found += self._in_digits(match, technical)
        for span, day, month in _named_days(plain):
            if any(one.day == day and one.month == month for one in self.days):
                found.append(span)
        return found

    def _in_digits(self, match: re.Match[str], technical: bool) -> list[Span]:
        groups = [(one.start() + match.start(), one.end() + match.start()) for one in re.finditer(r"\d+", match[0])]
        found: list[Span] = []
        text = match.string
        for number, (start, end) in enumerate(groups):
            digits = text[start:end]
            if len(digits) > 6 and any(form in digits for form in self._long):
                found.append((start, end))
                continue
            for _, last in groups[number : number + 8]:
                joined = re.sub(r"\D", "", text[start:last])
                if len(joined) > 8:
                    break
                if joined in self._long or self._unpadded(text[start:last]):
                    found.append((start, last))
            if not technical:
                found += self._of_parts(text, groups, number)
        return found

    def _unpadded(self, piece: str) -> bool:
        """Return whether a piece such as `12.4.19` or `2019-4-12` is one of the days."""
        parts = re.split(r"[\W_]+", piece)
        if len(parts) != 3 or any(len(one) > 4 for one in parts):
            return False
        one, two, three = map(int, parts)
        for day in self.days:
            years = {day.year, day.year % 100}
            if (one in years and (two, three) == (day.month, day.day)) or (
                three in years and {(one, two)} & {(day.day, day.month), (day.month, day.day)}
            ):
                return True
        return False

    def _of_parts(self, text: str, groups: list[Span], number: int) -> list[Span]:
        start, end = groups[number]
        found = []
        if text[start:end] in self._short:
            found.append((start, end))
        if number + 1 < len(groups) and len(groups) <= 3:
            begin, last = groups[number + 1]
            between, first, second = text[end:begin], text[start:end], text[begin:last]
            padded = len(first) == 2 and len(second) == 2
            if (int(first), int(second)) in self._pairs and (padded or between in ("/", "-")) and len(first) <= 2 >= len(second):
                found.append((start, last))
        return found

    def forms(self) -> frozenset[bytes]:
        """Return the days as bytes that hold day, month and year, eight bytes or more, for a search in binaries."""
        found: set[str] = set()
        for day in self.days:
            d, m, y = f"{day.day:02d}", f"{day.month:02d}", f"{day.year:04d}"
            found |= {d + m + y, m + d + y}
            for separator in "./-":
                found |= {separator.join(one) for one in ((d, m, y), (m, d, y), (y, m, d), (d, m, y[2:]), (m, d, y[2:]))}
            found.add(y + m + d)
        return frozenset(one.encode() for one in found)

    def worded(self) -> frozenset[bytes]:
        """Return the days with their months as words, as bytes: for a search in binaries that are not pixels."""
        found: set[str] = set()
        for day in self.days:
            for name in MONTHS[day.month - 1]:
                for year in (f"{day.year:04d}", f"{day.year % 100:02d}"):
                    for gap in ("", " ", "-", "."):
                        found |= {f"{day.day:02d}{gap}{name}{gap}{year}", f"{day.day}{gap}{name}{gap}{year}"}
        return frozenset(form.encode() for one in found for form in (one, one.upper(), one.title()) if len(one) >= 7)


def _eight(day: date) -> tuple[str, str, str]:
    d, m, y = f"{day.day:02d}", f"{day.month:02d}", f"{day.year:04d}"
    return y + m + d, d + m + y, m + d + y


def _six(day: date) -> tuple[str, str, str]:
    d, m, y = f"{day.day:02d}", f"{day.month:02d}", f"{day.year % 100:02d}"
    return y + m + d, d + m + y, m + d + y
