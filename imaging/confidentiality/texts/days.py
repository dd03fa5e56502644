"""Dates in every form that people write, in texts and in bytes.

A true day beside a shifted one tells the shift, and with it every date of the person. Two searches:

* `dates_in` finds whatever has the form of a date: day, month and year in any order with a separator, months by their names
  (French, English, German, Spanish, Italian), in Roman numbers or in Chinese letters, months and years, weeks and quarters
  with their year (ISO 8601), `12/04`, and years that stand alone;
* `KnownDays` finds the days of the file and of the ledger in forms that only knowledge tells from numbers: `120419`,
  `190412`, `1204`, `4/12`, and days that are counted (seconds since 1970, Julian days, the serial number of a spreadsheet).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache

from unibase.imaging.confidentiality.texts.bare_days import bare_days, is_measured

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
_WHOLE_MONTH = (
    "(?:"
    + "|".join(
        sorted(
            (one for one in _NUMBER_OF if len(one) > 4 or one in {"mars", "juin", "june", "july", "aout", "mai", "may"}),
            key=len,
            reverse=True,
        )
    )
    + ")"
)
_DAY, _MON, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_SPOKEN = (
    r"(?:(?:vingt|trente|twenty|thirty)(?:[ \-](?:et[ \-])?(?:une?|deux|trois|quatre|cinq|six|sept|huit|neuf|one|two|three|four|five|six|seven|eight|nine|"
    r"first|second|third|fourth|fifth|sixth|seventh|eighth|ninth))?|premier|une?|deux|trois|quatre|cinq|six|sept|huit|neuf|dix(?:[ \-](?:sept|huit|neuf))?|"
    r"onze|douze|treize|quatorze|quinze|seize|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|\w+teenth|\w+tieth)"
)
_WEEKDAYS = "lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_GAP = r"[\W_]{0,3}"
_SEPARATOR = r"[./\-_]"
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<!\d){_YEAR}[\W_]{{0,3}}(?:0[1-9]|1[0-2])[\W_]{{0,3}}(?:0[1-9]|[12]\d|3[01])(?!\d)",  # 2019-04-12, 20190412
        rf"(?<!\d){_YEAR}{_SEPARATOR}{_MON}{_SEPARATOR}{_DAY}(?!\d)",  # 2019/4/12
        rf"(?<!\d)(?:{_DAY}[\W_]{{1,3}}{_MON}|{_MON}[\W_]{{1,3}}{_DAY})[\W_]{{1,3}}{_YEAR}(?!\d)",  # 12 04 2019, 4/12/2019
        rf"(?<![\d.])(?:{_DAY}(?P<a>{_SEPARATOR}){_MON}(?P=a)|{_MON}(?P<b>{_SEPARATOR}){_DAY}(?P=b))\d\d(?![^\W_]|\.\d)",  # 12/04/19
        rf"(?<!\d){_DAY}(?:er|st|nd|rd|th)?{_GAP}(?:de |of )?{_MONTH}(?![^\W\d_])(?:{_GAP}(?:de |of )?(?:{_YEAR}|\d\d)(?!\d))?",  # 12 avril 2019
        rf"(?<![^\W\d_]){_SPOKEN}{_GAP}(?:de |of )?{_WHOLE_MONTH}(?![^\W\d_])(?:{_GAP}(?:{_YEAR}|\d\d)(?!\d))?",  # neuf juillet
        rf"(?<![^\W\d_])(?:{_WEEKDAYS})[\W_]{{1,2}}(?:{_DAY}|{_SPOKEN})(?![^\W_]|[.,]\d)",  # samedi 27
        rf"(?<!\d){_YEAR}{_GAP}{_MONTH}(?![^\W\d_])(?:{_GAP}{_DAY}(?!\d))?",  # 2019AVR12
        rf"(?<![^\W\d_]){_MONTH}{_GAP}{_DAY}(?:st|nd|rd|th)?,?{_GAP}{_YEAR}(?!\d)",  # April 12, 2019
        rf"(?<![^\W\d_]){_MONTH}{_GAP}(?:{_YEAR}|\d\d)(?![\d.,]*\d)(?![^\W\d_])",  # avr 2019, AVR19
        rf"(?<![\d.]){_MON}{_SEPARATOR}{_YEAR}(?!\d)|(?<!\d){_YEAR}{_SEPARATOR}(?:0[1-9]|1[0-2])(?!\d)",  # 04/2019, 2019-04
        rf"(?<!\d){_DAY}(?P<c>[.\-/]?)(?:ii|iii|iv|vi{{1,3}}|ix|xi{{1,2}})(?P=c)(?:{_YEAR}|\d\d)(?![^\W_]|\.\d)",  # 27.II.21
        rf"(?<!\d){_DAY}[.\-/ ](?:i{{1,3}}|iv|vi{{0,3}}|ix|xi{{0,2}})[.\-/ ]{_YEAR}(?!\d)",  # 27 X 2021
        r"(?<!\d)(?:(?:\d{4}|(?:令和|平成|昭和)\d{1,2}) ?年 ?)?\d{1,2} ?月 ?\d{1,2} ?日?|(?:令和|平成|昭和|\d\d)\d{1,2} ?年",
        rf"(?<!\d){_YEAR}[\W_]?(?:w|s|kw|sem|week|semaine|q)[\W_]?\d{{1,2}}(?:-?[1-7])?(?![^\W_])|(?<!\d){_YEAR}t[1-4](?![^\W_])",
        rf"(?<![^\W_])(?:w|s|kw|sem|week|semaine|q)[\W_]?\d{{1,2}}[\W_]{_YEAR}(?!\d)|(?<!\d)[1-4][qt]{_YEAR}(?!\d)",  # S08 2021
        rf"(?<!\d){_YEAR}[\-_/]\d{{3}}(?!\d)|(?<!\d)\d{{3}}[\-_/]{_YEAR}(?!\d)",  # 2021-058, the day of the year
        r"(?<![^\W_])(?:nee?|ne\(e\)|born|ddn|dob|naiss(?:ance)?|naissance)[\W_]{0,2}(?:en |le |in )?(?:(?:19|20)\d\d|\d\d(?![.,]\d))(?![\d]|[^\W_])",  # ne en 61
        r"(?<![^\W_])(?:(?:le|du|au|depuis|vers|avant|apres) (?:[12]\d|3[01])/[1-9]|(?:on|since) [1-9]/(?:1[3-9]|2\d|3[01]))(?!\d|[/.,]\d)"
        r"(?! ?(?:ganglions?|nodes?|adp|fractions?|seances?|cycles?|lesions?|coupes?|slices?)\b)",  # le 25/2, on 2/25
        r"(?<!\d)(?<!\d[.,/])(?:(?:0[1-9]|[12]\d|3[01])/(?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])/(?:0[1-9]|[12]\d|3[01]))(?!\d|[/.,]\d)"
        r"(?! ?(?:ganglions?|nodes?|adp|n\+|fractions?|seances?|cycles?|lesions?|coupes?|slices?|biopsies|carottes?|cores)\b)",  # 12/04, no 12/15 nodes
    )
)
# A year that stands alone, or glued to words; not a number with a unit, nor one that a parameter announces.
_YEARS = re.compile(
    r"(?<![\d.,x])(?<!\bb)(?<!\bb[ =])(?<!\bt[eri])(?<!\bt[eri][ =])(?<!fov)(?<!fov[ =])(?<!jpeg[ -])(?<!jpeg)(?:19[2-9]\d|20[0-4]\d)"
    r"(?![\d]|[.,x]\d| ?(?:ms|mm|cm|hu|uh|ml|c?gy|[mk]?bq|hz|s/mm|px|kv|ma)\b)"
)
# An age over 89 years is of few people; `F94` is one with a sex.
_AGES = re.compile(
    r"(?<![\d.,/])(?:9\d|1[01]\d) ?(?:ans?|a|years?|yrs?|yo|y/o|y)\b|(?<![^\W_])(?:age|aged|agee?(?: de)?)[ :=]{1,3}(?:9\d|1[01]\d)(?![\d.,])"
    r"|(?<![^\W_])[fmh] ?9\d(?![^\W_]|[.,]\d)"
)
_MAY = re.compile(rf"\d|{_MONTH}|{_WEEKDAYS}")
_GROUPS = re.compile(r"\d+(?:[\W_]{1,3}\d+)*")
_ZERO = re.compile(r"(?<=\d)o(?=\d)")
_NEAR_MONTH = re.compile(
    rf"(?<![^\W\d_])({_MONTH})[\W_]{{0,3}}(\d{{1,4}})(?!\d)|(?<!\d)(\d\d|\d{{4}})[\W_]{{0,3}}({_MONTH})(?![^\W\d_])"
)
_DAY_OF = re.compile(r"(?<![\d.,])(\d{1,2})(?: ?(?:du|of the|of) ?(\d{1,2})(?![^\W_]|[.,]\d)|\. ?(\d{1,2})\.(?![\d]))")
_ENDED = re.compile(r"(?<![\d.,])(\d{1,2})[.\-/_] ?(\d{1,2})\.(?!\d)")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_IN_ROMAN = re.compile(r"(?<!\d)(\d{1,2})[\W_]?([ivx]{1,4})[\W_]?(\d{4}|\d\d)(?!\d)")
# `S8` is a segment of the liver: with one letter a week has two digits, and begins with 0 or stands beside its year.
_WEEK = re.compile(r"(?<![^\W_])(?:(?:sem|semaine|week|wk|kw)[\W_]?(\d{1,2})|[sw](0\d))(?!\d)")
_WEEKDAY = re.compile(r"(?<![^\W_])(lun|mar|mer|jeu|ven|sam|dim|mon|tue|wed|thu|fri|sat|sun)\.?[ _]?(\d{1,2})(?![^\W_]|[.,]\d)")
_WEEKDAY_OF = {
    name: number % 7
    for number, name in enumerate(
        ["lun", "mar", "mer", "jeu", "ven", "sam", "dim", "mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    )
}
_QUARTER = re.compile(r"(?<![^\W_])(?:q([1-4])[\W_]?(\d\d)|t([1-4])[\-/'](\d\d)|(\d\d)[\W_]?q([1-4]))(?![^\W_]|[.,]\d)")
_DAY_OF_YEAR = re.compile(r"(?<![\d.,])(?:(\d{3})[/\-_.](\d{4}|\d\d)|(\d{4}|\d\d)[/\-_.](\d{3}))(?!\d|[.,/]\d)")
_DAY_AND_YEAR = re.compile(r"(?<![\d.,])(\d{1,2})[\W_]{0,2}([^\W\d_]{3,9})[\W_]{0,2}(\d{4}|\d\d)(?![^\W_]|[.,]\d)")
_UNIT = re.compile(r" ?(?:[mc]m|ml|cc|c?gy|[kmg]?bq|ms|kg|mg|g|hu|uh|s|%)(?![^\W_])")
_PAIRING = ("/", "-", "_", " ")
_EPOCH = date(1970, 1, 1).toordinal()
_MODIFIED_JULIAN, _JULIAN, _SPREADSHEET = date(1858, 11, 17).toordinal(), 1721425, date(1899, 12, 30).toordinal()
_SECONDS = 86400
_TICKS, _FILETIME = 18, date(1601, 1, 1).toordinal()
"""Digits of a time in ten millionths of a second, which Windows counts from 1601 and .NET from the year 1."""
LONGEST_YEAR = 4


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
        return frozenset(form for day in self.days for form in (*_eight(day), *_six(day), *_without_zeros(day, 7, 8)))

    @cached_property
    def _short(self) -> frozenset[str]:
        found = set()
        for day in self.days:
            d, m, y = f"{day.day:02d}", f"{day.month:02d}", f"{day.year % 100:02d}"
            found |= {d + m, m + d, m + y, y + m}
            found |= {f"{day.year:04d}{m}", f"{m}{day.year:04d}", f"{day.year:04d}{day:%j}", f"{y}{day:%j}"}
            found |= _without_zeros(day, 5, 6)
        return frozenset(found)

    @cached_property
    def _months(self) -> frozenset[str]:
        """Month and year in both orders: `022021`, `20212`."""
        pairs = ((f"{day.year:04d}", month) for day in self.days for month in (f"{day.month:02d}", f"{day.month}"))
        return frozenset(form for year, month in pairs for form in (year + month, month + year))

    @cached_property
    def _in_terms(self) -> frozenset[str]:
        """Runs of digits that are a day in a model, a version or a code: `1204`, `0412`, `2019102`; months and years are not."""
        pairs = {form for day in self.days for form in (f"{day:%d%m}", f"{day:%m%d}")}
        return self._ordinal | pairs | {form for day in self.days for form in _without_zeros(day, 5, 6)}

    @cached_property
    def _pairs(self) -> frozenset[tuple[int, int]]:
        pairs = {(day.day, day.month) for day in self.days} | {(day.month, day.day) for day in self.days}
        return frozenset(pairs | {(day.month, day.year % 100) for day in self.days})

    def spans(self, plain: str, technical: bool = False) -> list[Span]:
        """Return where the days stand in a folded text, in digits, or with the month as a word.

        Args:
            plain: The folded text.
            technical: Whether the text is a model, a version, a code: there only forms with the day and the month count.
        """
        if not self.days or not _MAY.search(plain):
            return []
        found: list[Span] = []
        plain = _ZERO.sub("0", plain)
        for match in _GROUPS.finditer(plain):
            found += self._in_digits(match, technical)
        for span, day, month in _named_days(plain):
            if any(one.day == day and one.month == month for one in self.days):
                found.append(span)
        found += [match.span() for match in _NEAR_MONTH.finditer(plain) if self._near_month(match)]
        found += [match.span() for match in _IN_ROMAN.finditer(plain) if self._in_roman(match)]
        found += [match.span() for match in _DAY_OF_YEAR.finditer(plain) if self._is_day_of_year(match)]
        found += [match.span() for match in _WEEKDAY.finditer(plain) if self._is_weekday(match)]
        return found + (self._ended_by_points(plain) if technical else self._in_words(plain))

    def _ended_by_points(self, plain: str) -> list[Span]:
        """Return where a day stands as `27.2.` or `27-2.` in a model, a version or a code: no version ends with a point."""
        return [one.span() for one in _ENDED.finditer(plain) if (int(one[1]), int(one[2])) in self._pairs]

    def _in_words(self, plain: str) -> list[Span]:
        """Return where a day stands as `27 du 2`, `27.2.` or `27.2`, or its week (ISO 8601) as `semaine 8`."""
        pairs = {(day.day, day.month) for day in self.days}
        weeks = {day.isocalendar().week for day in self.days}
        found = [one.span() for one in _DAY_OF.finditer(plain) if (int(one[1]), int(one[2] or one[3])) in pairs]
        found += [one.span() for one in _WEEK.finditer(plain) if int(one[1] or one[2]) in weeks]
        found += bare_days(plain, pairs)
        found += [one.span() for one in _DAY_AND_YEAR.finditer(plain) if self._has_day_and_year(one)]
        return found + [one.span() for one in _QUARTER.finditer(plain) if self._is_quarter(one)]

    def _is_weekday(self, match: re.Match[str]) -> bool:
        """Return whether a weekday cut short and the number beside it are those of a day: `sam 27`."""
        return any((day.weekday(), day.day) == (_WEEKDAY_OF[match[1]], int(match[2])) for day in self.days)

    def _is_day_of_year(self, match: re.Match[str]) -> bool:
        """Return whether two numbers are the day of the year and the year of a day: `058/21`, `2021.058`."""
        number, year = int(match[1] or match[4]), int(match[2] or match[3])
        return any(int(f"{day:%j}") == number and year in (day.year, day.year % 100) for day in self.days)

    def _is_quarter(self, match: re.Match[str]) -> bool:
        """Return whether a quarter and a year of two digits are those of a day: `Q1-21`."""
        quarter, year = int(match[1] or match[3] or match[6]), int(match[2] or match[4] or match[5])
        return any(((day.month + 2) // 3, day.year % 100) == (quarter, year) for day in self.days)

    def _has_day_and_year(self, match: re.Match[str]) -> bool:
        """Return whether a month that is misspelt stands between the day and the year of a day: `27 fbr 21`."""
        month, year = match[2], int(match[3])
        ends = {(name[0], name[-1]) for names in MONTHS for name in names}
        return (month[0], month[-1]) in ends and any(
            day.day == int(match[1]) and year in (day.year, day.year % 100) for day in self.days
        )

    def _in_roman(self, match: re.Match[str]) -> bool:
        day, month, year = int(match[1]), match[2], int(match[3])
        return any(one.day == day and _ROMAN[one.month - 1] == month and year in (one.year, one.year % 100) for one in self.days)

    def _near_month(self, match: re.Match[str]) -> bool:
        """Return whether a month by its name and a number beside it are those of a day: `AVR19`, `avr 2019`, `avr 12`."""
        month, number = _NUMBER_OF[match[1] or match[4]], int(match[2] or match[3])
        return any(day.month == month and number in (day.day, day.year % 100, day.year) for day in self.days)

    def tells(self, digits: str) -> bool:
        """Return whether a whole number is one of the days: `20190412`, `120419`, `20190412101112`, seconds since 1970.

        `digits`: the number, without sign and fraction.

        >>> known = KnownDays.of(["20190412"])
        >>> [known.tells(one) for one in ("120419", "20190412101112", "1555027200", "120420")]
        [True, True, True, False]
        """
        if len(digits) in (10, 12, 14) and digits[:8] in self._long:
            return True
        return digits in self._long or digits in self._ordinal or self._counted(digits)

    @cached_property
    def _ordinal(self) -> frozenset[str]:
        """Year and day of the year; year and month, whole."""
        forms = ("%Y%j", "%y%j", "%Y%m", "%m%Y")
        return frozenset(day.strftime(form).zfill(5) for day in self.days for form in forms)

    @cached_property
    def _serial(self) -> frozenset[str]:
        """Numbers that count days: Julian, Modified Julian, of a spreadsheet."""
        numbers = [day.toordinal() for day in self.days]
        starts = (_MODIFIED_JULIAN, _SPREADSHEET, -_JULIAN + 1, -_JULIAN)
        return frozenset(str(number - start) for number in numbers for start in starts)

    def _counted(self, digits: str) -> bool:
        """Return whether a number counts days, or seconds or milliseconds since 1970, to one of the days or beside it."""
        if len(digits) in (10, 13, 16, 19):
            return self._is_beside(int(digits[:10]) // _SECONDS + _EPOCH)
        if len(digits) == _TICKS:
            number = int(digits) // (10_000_000 * _SECONDS)
            return self._is_beside(number + _FILETIME) or self._is_beside(number + 1)
        return digits in self._serial

    def _is_beside(self, number: int) -> bool:
        return any(abs(day.toordinal() - number) <= 1 for day in self.days)

    def _in_digits(self, match: re.Match[str], technical: bool) -> list[Span]:
        groups = [(one.start() + match.start(), one.end() + match.start()) for one in re.finditer(r"\d+", match[0])]
        found: list[Span] = []
        text = match.string
        for number, (start, end) in enumerate(groups):
            digits = text[start:end]
            if (len(digits) > 6 and any(form in digits for form in self._long)) or self._counted(digits):
                found.append((start, end))
                continue
            for _, last in groups[number : number + 8]:
                joined = re.sub(r"\D", "", text[start:last])
                if len(joined) > 8:
                    break
                if joined in self._long or self._unpadded(text[start:last]):
                    found.append((start, last))
            found += self._of_parts(text, groups, number, technical)
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

    def _of_parts(self, text: str, groups: list[Span], number: int, technical: bool) -> list[Span]:
        start, end = groups[number]
        found = []
        if text[start:end] in (self._in_terms if technical else self._short):
            found.append((start, end))
        if number + 1 < len(groups) and len(groups) <= 3:
            begin, last = groups[number + 1]
            between, first, second = text[end:begin], text[start:end], text[begin:last]
            padded = len(first) == 2 and len(second) == 2
            loose = not _UNIT.match(text, last) if padded else between in ("/", "-") and not is_measured(text, start, last)
            close = padded and len(groups) == 2 and between in _PAIRING if technical else loose
            month = not technical and 4 in (len(first), len(second)) and first + second in self._months
            if month or (close and len(first) <= 2 >= len(second) and (int(first), int(second)) in self._pairs):
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


def _without_zeros(day: date, least: int, most: int) -> frozenset[str]:
    """Return a day glued as no zero before its day or its month stands: `2021227`, `27221`, of so many digits."""
    found = set()
    for d, m in ((f"{day.day}", f"{day.month:02d}"), (f"{day.day:02d}", f"{day.month}"), (f"{day.day}", f"{day.month}")):
        for y in (f"{day.year:04d}", f"{day.year % 100:02d}"):
            found |= {y + m + d, d + m + y, m + d + y}
    return frozenset(form for form in found if least <= len(form) <= most)


def _six(day: date) -> tuple[str, str, str]:
    d, m, y = f"{day.day:02d}", f"{day.month:02d}", f"{day.year % 100:02d}"
    return y + m + d, d + m + y, m + d + y
