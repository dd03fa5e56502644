"""What is known of a person, sought in texts: names in every writing, numbers, addresses, days.

What is known comes from the header of the file and from the ledger. It is sought in every text, technical ones too, and
goes before the vocabulary: a patient named Petit is removed from `petit bassin`. Only the few core words of imaging
(`HEAD`, `BONE`) name nobody where they stand alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property

from unibase.imaging.confidentiality.texts.days import KnownDays, Span
from unibase.imaging.confidentiality.texts.folding import fold, repair, spellings
from unibase.imaging.confidentiality.texts.vocabulary import UNSPACED, is_word, vocabulary

WORD = re.compile(r"[^\W_]+")
_RUN = re.compile(r"[^\W\d_]+|\d+")
SEPARATORS = re.compile(r"[\s^=,;./\\\-_'’()]+")
_LETTERS = re.compile(r"(?<![^\W_])[^\W\d_](?:[\W_]{1,3}[^\W\d_](?![^\W_])){2,}")
_TWO_STARTS = 6
_ABBREVIATIONS = frozenset(["iv", "im", "ip", "sc", "ap", "pa", "rl", "lr", "si", "is", "cc", "ie", "eg", "nb"])
"""What two letters with points mean beside the initials of a person: `i.v.`, `a.p.`."""
_DIRECTIONS = _ABBREVIATIONS | frozenset(
    ["lr", "rl", "hf", "fh", "dg", "gd", "td", "bw", "rt", "tr", "xy", "yx", "yz", "zy", "xz", "zx", "na"]
)
"""What two letters with a hyphen, a slash or a stroke between mean beside them: `A-P`, `R/L`, `H-F`, `n/a`."""
_RATIOS = frozenset(["gl", "ul", "ms", "gh", "lh", "tm", "ls", "gj", "gg", "mh"])
"""What two letters with a stroke between mean after a number: `12 g/L`."""
_LEAST_PREFIX, _LEAST_PART, _LEAST_CORE, _LEAST_LEFT = 5, 5, 5, 4


@dataclass(frozen=True)
class Knowledge:
    """What is known of the persons and the place of one file.

    Attributes:
        patient_names: Names of the patient and of relatives, as PN values or as a list of people writes them.
        staff_names: Names of other persons.
        numbers: Hospital numbers, accession numbers, INS, telephone numbers.
        phrases: Addresses, institutions: sought whole.
        birth_dates: Birth dates as YYYYMMDD.
        days: Other days of the file as YYYYMMDD.
        taught: Folded words that are names of staff and relatives of the hospital, as other files name them.
    """

    patient_names: tuple[str, ...] = ()
    staff_names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What is known, made ready to be sought.

    Attributes:
        knowledge: What is known.
    """

    knowledge: Knowledge = field(repr=False)

    @cached_property
    def originals(self) -> frozenset[str]:
        """The words of names that are sought, as the source writes them."""
        words = self.words
        names = (*self.knowledge.patient_names, *self.knowledge.staff_names)
        return frozenset(one for name in names for one in SEPARATORS.split(name) if spellings(one) & words)

    @cached_property
    def words(self) -> frozenset[str]:
        """Folded words of names that name a person wherever they stand alone."""
        core = vocabulary().core
        patients = {word for name in self.knowledge.patient_names for word in _name_words(name)}
        # Of others only longer words, and none of the vocabulary: a physician named Coeur is met in too many texts.
        others = {
            word for name in self.knowledge.staff_names for word in _name_words(name) if len(word) >= 4 and word not in core
        }
        staff = {word for word in others if not is_word(word) or word in vocabulary().makers}
        return frozenset({word for word in patients if (len(word) >= 3 or not word.isascii()) and word not in core} | staff)

    @cached_property
    def also_words(self) -> frozenset[str]:
        """Words of the vocabulary that are names of staff and relatives: of the file itself, and as other files teach them."""
        staff = {word for name in self.knowledge.staff_names for word in _name_words(name)} & teachable()
        return frozenset(staff | set(self.knowledge.taught))

    @cached_property
    def joined(self) -> frozenset[str]:
        """Two words of the patient's name without what stands between them."""
        found = set()
        for name in self.knowledge.patient_names:
            words = _name_words(name)
            found |= {a + b for a in words for b in words if a != b and len(a + b) >= _LEAST_PART}
        return frozenset(found)

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        return tuple(sorted({word for word in self.words if len(word) >= _LEAST_PART} | self.joined))

    @cached_property
    def _unspaced(self) -> tuple[str, ...]:
        """Words of names in scripts without blanks: they stand inside longer runs of letters."""
        return tuple(sorted(word for word in self.words if len(word) > 1 and UNSPACED.fullmatch(word)))

    @cached_property
    def _prefixes(self) -> frozenset[str]:
        whole = {word for word in (*self.words, *self.joined) if len(word) > _LEAST_PREFIX}
        return frozenset(word[:size] for word in whole for size in range(_LEAST_PREFIX, len(word)))

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Folded numbers, letters among them, without separators."""
        known = vocabulary()
        found = {"".join(WORD.findall(fold(one).plain)) for one in self.knowledge.numbers}
        found = {one for one in found if len(one) >= 3 and one not in known.placeholders}
        found -= {one for one in found if one.isalpha() and (one in known.words or one in known.core)}
        return frozenset(found)

    @cached_property
    def _cores(self) -> tuple[str, ...]:
        """The digits of numbers without leading zeros and letters: what is left when a system writes them anew."""
        cores = {run.lstrip("0") for number in self.numbers for run in re.findall(r"\d+", number)}
        return tuple(sorted(core for core in cores if len(core) >= _LEAST_CORE))

    def is_number(self, digits: str) -> bool:
        """Return whether a whole number is one of the person's, with or without its letters and leading zeros.

        Args:
            digits: The number, of digits alone.
        """
        if any(one.fullmatch(digits) for one in self._insured):
            return True
        return digits in self.numbers or digits.lstrip("0") in self._cores

    @cached_property
    def days(self) -> KnownDays:
        """The birth dates and the other days."""
        return KnownDays.of((*self.knowledge.birth_dates, *self.knowledge.days))

    @cached_property
    def phrases(self) -> tuple[tuple[str, ...], ...]:
        """The words of addresses and institutions that hold more than words of imaging."""
        words = {tuple(WORD.findall(fold(phrase).plain)) for phrase in self.knowledge.phrases}
        return tuple(sorted(one for one in words if len("".join(one)) >= 5 and set(one) - vocabulary().core))

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        spaced = [
            re.compile(r"(?<![^\W_])" + r"[\W_]{0,2}".join(map(re.escape, number)) + r"(?![^\W_])")
            for number in sorted({*self.numbers, *self._cores})
        ]
        whole = [re.compile(r"(?<![^\W_])" + r"[\W_]+".join(map(re.escape, words)) + r"(?![^\W_])") for words in self.phrases]
        spoilt = map(_spoilt, sorted(self._beyond_ascii))
        beside = (*self._insured, *self._initials, *self._of_samples)
        return (*spaced, *whole, *beside, *spoilt, *map(_in_two, sorted(self._neighbours)))

    @cached_property
    def _of_samples(self) -> tuple[re.Pattern[str], ...]:
        """Numbers of a laboratory that begin with the year of a day of the file: `H21-447`; settings (`TE20-100`) are none."""
        years = "|".join(sorted({one[2:4] for one in self.knowledge.days if len(one) == 8}))
        form = rf"(?<![^\W_])(?!te|tr|ti|fa|kv|ma|b\d)[a-z]{{1,2}}(?:{years})[\-/]\d{{3,7}}(?![^\W_]|[.,]\d)"
        return (re.compile(form),) if years else ()

    @cached_property
    def _neighbours(self) -> frozenset[tuple[str, str, bool]]:
        """Two words that follow one another in a part of the patient's name, and whether they are a short part: `LE GO`."""
        parts = [part for name in self.knowledge.patient_names for part in re.split(r"[\^=,]", repair(name.replace("\0", " ")))]
        words = [[fold(word).plain for word in SEPARATORS.split(part) if word] for part in parts]
        # Two short words of which both are particles are in every text: `de la`.
        return frozenset(
            (a, b, len(part) == 2 and len(a + b) < _LEAST_PART and b not in _PARTICLES)
            for part in words
            for a, b in itertools.pairwise(part)
            if (a + b).isalpha() and min(len(a), len(b)) > 1
        )

    @cached_property
    def _insured(self) -> tuple[re.Pattern[str], ...]:
        """Numbers that begin as the INS does (sex, year and month of birth), whole or cut: `261072901914`."""
        starts = sorted({(one[2:4], one[4:6]) for one in self.knowledge.birth_dates if len(one) == 8})
        form = r"(?<![^\W_])[12][\W_]?{}[\W_]?{}(?:[\W_]?[\dab]){{6,10}}(?![^\W_])"
        return tuple(re.compile(form.format(year, month)) for year, month in starts)

    @cached_property
    def _initials(self) -> tuple[re.Pattern[str], ...]:
        """How trials and staff shorten two names, in both orders: `A.Q.`, `QUE-ANA`, and `QA61` with the year of birth."""
        pairs = set()
        for name in self.knowledge.patient_names:
            words = [fold(one).plain[:3] for one in SEPARATORS.split(name) if fold(one).plain.isalpha()]
            pairs |= set(itertools.permutations([one for one in words if one not in vocabulary().placeholders], 2))
        years = "|".join(sorted({f"(?:{day[:2]})?{day[2:4]}" for day in self.knowledge.birth_dates if len(day) == 8}))
        forms = [rf"{a[0]}\.[ \-]?{b[0]}\.?" for a, b in sorted(pairs) if a[0] + b[0] not in _ABBREVIATIONS]
        # After a number two such letters are a unit, whoever they begin: 12 g/L.
        after = {pair: r"(?<!\d)(?<!\d )" for pair in _RATIOS}
        forms += [rf"{after.get(a[0] + b[0], '')}{a[0]}[\-/_]{b[0]}" for a, b in sorted(pairs) if a[0] + b[0] not in _DIRECTIONS]
        forms += [rf"{a}[\W_]{{0,2}}{b}" for a, b in sorted(pairs) if len(a + b) == _TWO_STARTS]
        forms += [rf"{a[0]}{b[0]}[\W_]?(?:{years})" for a, b in sorted(pairs)] if years else []
        starts = [(a, b) for a, b in sorted(pairs) if len(a + b) == _TWO_STARTS] if years else []
        forms += [rf"{a[:2]}{a[2:]}?[\W_]?{b[:2]}{b[2:]}?[\W_]?(?:{years})" for a, b in starts]
        return (re.compile(rf"(?<![^\W_])(?:{'|'.join(forms)})(?![^\W_])"),) if forms else ()

    @cached_property
    def _beyond_ascii(self) -> frozenset[str]:
        """Words of the patient's names with letters that another character set spoils, in lower case."""
        names = [repair(name).replace("?", "\ufffd") for name in self.knowledge.patient_names]
        words = {word for name in names for word in SEPARATORS.split(name)}
        core = vocabulary().core
        return frozenset(word.lower() for word in words if _SPOILS.search(word) and fold(word).plain not in core)

    def spans(self, plain: str, technical: bool = False) -> list[Span]:
        """Return where what is known stands in a folded text; spans may overlap.

        Args:
            plain: The folded text.
            technical: Whether it is a technical text, in which short forms of days are numbers.
        """
        found: list[Span] = []
        matches = list(WORD.finditer(plain))
        for match in matches:
            found += self._in_word(match)
        if self._parts:
            found += self._over_words(plain, matches)
        if self._unspaced and not plain.isascii():
            found += [match.span() for word in self._unspaced for match in re.finditer(re.escape(word), plain)]
        for pattern in self._patterns:
            found += [match.span() for match in pattern.finditer(plain)]
        return found + self.days.spans(plain, technical)

    def _in_word(self, match: re.Match[str]) -> list[Span]:
        word = match[0]
        if word in self.words:
            return [match.span()]
        plain_word = is_word(word) or word in vocabulary().whole
        if not plain_word and (word in self._prefixes or any(part in word for part in self._parts)):
            return [match.span()]
        found = []
        digits = sum(map(str.isdigit, word))
        if digits >= _LEAST_CORE and any(core in word for core in self._cores):
            return [match.span()]
        if 0 < digits < len(word):
            for run in _RUN.finditer(word):
                if run[0] in self.words:
                    found.append((match.start() + run.start(), match.start() + run.end()))
        return found

    def _over_words(self, plain: str, matches: list[re.Match[str]]) -> list[Span]:
        """Return where a name is divided: letters spaced out, a word broken in two or three."""
        found = []
        for match in _LETTERS.finditer(plain):
            letters = "".join(WORD.findall(match[0]))
            if any(word in letters for word in self.words):
                found.append(match.span())
        for place, first in enumerate(matches):
            parts = [first[0]]
            for last in matches[place + 1 : place + 3]:
                parts.append(last[0])
                joined = "".join(parts)
                if self._is_divided(joined) or self._is_cut(joined, parts):
                    found.append((first.start(), last.end()))
        return found

    def _is_divided(self, joined: str) -> bool:
        """Return whether words are a name or two of one, broken elsewhere: `Mart inez`, `Leg off`."""
        return (joined in self.words and len(joined) >= _LEAST_PART) or (joined in self.joined and len(joined) > _LEAST_PART)

    def _is_cut(self, joined: str, parts: list[str]) -> bool:
        """Return whether words are the start of a name whose end a short field cut: `Le Gof`; where all are words it is none."""
        return joined in self._prefixes and len(parts[-1]) > 1 and not all(map(is_word, parts))


_PARTICLES = frozenset(["le", "la", "les", "de", "du", "des", "da", "do", "el", "al", "van", "von", "der", "den"])


def _in_two(neighbours: tuple[str, str, bool]) -> re.Pattern[str]:
    """Return the pattern of two words of a name, the second cut at the end of a text; of a short name of two words anywhere."""
    first, second, short = neighbours
    least = 0 if first in _PARTICLES else 1
    starts = "|".join(re.escape(second[:size]) for size in range(len(second), least, -1))
    gap = "{1,2}" if is_word(first + second) else "{0,2}"
    anywhere = rf"|{first}[\W_]{gap}{second}(?![^\W_])" if short else ""
    initial = rf"|{first}[ _]{second[0]}\." if first in _PARTICLES else ""
    return re.compile(rf"(?<![^\W_])(?:{first}[\W_]{{1,2}}(?:{starts})(?=[\W_]*$){anywhere}{initial})")


# What stands where a letter was: question marks, signs of another character set, an escape of the web, of mail or of RTF.
_SPOILT = r"(?:(?:[%=]|\\'|'|x)[0-9a-f]{2}(?:[%=][0-9a-f]{2})?|[^a-z0-9\s]{1,3})"
_SPOILS = re.compile(r"(?<=[a-zA-Z])[^\x00-\x7f]+(?=[a-zA-Z])|(?<=[a-zA-Z]{2})[^\x00-\x7f]+|[^\x00-\x7f]+(?=[a-zA-Z]{2})")


def _spoilt(word: str) -> re.Pattern[str]:
    """Return the pattern of a word of a name whose letters beyond ASCII may have become something else."""
    parts = re.split(r"[^\x00-\x7f]+", word)
    # Another letter may stand there too, where enough of the name is left to be told by.
    between = rf"(?:{_SPOILT}|[a-z])" if sum(map(len, parts)) >= _LEAST_LEFT else _SPOILT
    return re.compile(r"(?<![^\W_])" + between.join(map(re.escape, parts)) + r"(?![^\W_])")


@cache
def teachable() -> frozenset[str]:
    """Return the words that are names too and that a person can be known by: no part of the body, nothing that states something."""
    known = vocabulary()
    return (known.also_names | known.rare_names) - known.body - known.statements


def _name_words(name: str) -> frozenset[str]:
    """Return the folded words of a name, in all their spellings, without particles, placeholders and numbers."""
    found = {form for token in SEPARATORS.split(repair(name.replace("\0", " "))) for form in spellings(token)}
    return frozenset(one for one in found if one and one not in vocabulary().placeholders and not one.isdigit())


def merged(parts: Iterable[Knowledge]) -> Knowledge:
    """Return what several sources, `parts`, know together.

    >>> merged([]) == Knowledge()
    True
    """
    every = list(parts)

    def together(name: str) -> tuple[str, ...]:
        return tuple(sorted({value for part in every for value in getattr(part, name)}))

    return Knowledge(*(together(name) for name in Knowledge.__dataclass_fields__))
