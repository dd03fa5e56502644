"""Traits of a person in the form they are compared in: names without accents, dates by part, INS with its check key.

French habits are met here: accents, compound names with or without their hyphen, particles, `Saint` and `St`,
married names written into the name of birth (`DUPONT EPOUSE MARTIN`), titles before given names.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from enum import IntEnum
from typing import NamedTuple

from unibase.privacy.french_identifiers import is_nir
from unibase.privacy.ledger.given_names import given_names

_LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})
_READ_AS_DIGITS = str.maketrans("01358", "OIESB")
_DIGIT_IN_WORD = re.compile(r"(?<=[A-Z])[01358]|[01358](?=[A-Z])")
_NOT_LETTERS = re.compile(r"[^A-Z]+")
_MARRIED = re.compile(r"\b(?:EPOUSE|EPSE|EP|VEUVE|VVE|VE|DIVORCEE|NEE|NE)\b")
_SAINTS = {"ST": "SAINT", "STE": "SAINTE"}
_TITLES = frozenset({"M", "MR", "MME", "MLLE", "DR", "MONSIEUR", "MADAME", "MADEMOISELLE"})
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_INSEE = re.compile(r"(?:[0-9]{2}|2[AB])[0-9]{3}")
_UNKNOWN_PLACES = frozenset({"99999", "00000", "99000", "99990"})
_NO_FAMILY = frozenset(
    [
        "INCONNU",
        "INCONNUE",
        "ANONYME",
        "ANONYMOUS",
        "UNKNOWN",
        "UNK",
        "NULL",
        "NN",
        "NC",
        "ND",
        "NR",
        "SNP",
        "XSNP",
        "SANSNOM",
        "SANSNOMPATRONYMIQUE",
        "SN",
        "NONRENSEIGNE",
        "NONCONNU",
        "NONCOMMUNIQUE",
        "NOMINCONNU",
        "NOM",
        "BEBE",
        "NOUVEAU",
        "NOUVEAUNE",
        "XSEDISANT",
        "SEDISANT",
        "XSD",
    ]
)
_NO_GIVEN = frozenset(
    [
        "INCONNU",
        "INCONNUE",
        "ANONYME",
        "ANONYMOUS",
        "UNKNOWN",
        "UNK",
        "NULL",
        "NN",
        "NC",
        "ND",
        "NR",
        "SP",
        "SANS",
        "PRENOM",
        "BEBE",
        "NOUVEAU",
        "NE",
        "NEE",
        "NONRENSEIGNE",
        "GARCON",
        "FILLE",
        "FOETUS",
        "JUMEAU",
        "JUMELLE",
        "X",
    ]
)
_LEAST_FAMILY = 2
_NUMBERED_ANEW = frozenset({"20", "75", "78", "91", "92", "93", "94", "95", "96"})
_PARIS = "75056"
_TWO_CENTURIES = "30"
_NO_DATES = frozenset({(1900, 1, 1), (1901, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 0), (1900, 0, 0), (1901, 0, 0)})
_COMPOUND = re.compile(r"[^\W\d_]+\s?[-\u2010\u2011\u2013]\s?[^\W\d_]")
FOREIGN = "99"
"""First two characters of the code of a country of birth."""


class PartialDate(NamedTuple):
    """A date cut to what is known; month and day are 0 when unknown."""

    year: int
    month: int
    day: int


def name_tokens(text: str | None) -> tuple[str, ...]:
    """Return the words of a name, `text`, in capitals without accents."""
    if not text:
        return ()
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES)).upper()
    # Combining marks vanish; every other sign that is no letter separates words.
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    # A digit in the middle of a name is a letter that was read wrongly: CAM1LLE.
    plain = _DIGIT_IN_WORD.sub(lambda found: found[0].translate(_READ_AS_DIGITS), plain)
    return tuple(_SAINTS.get(word, word) for word in _NOT_LETTERS.split(plain) if word)


def family_names(*texts: str | None) -> tuple[str, ...]:
    """Return the distinct family names found in `texts`, each joined to one word, sorted.

    `DUPONT EPOUSE MARTIN` holds two names. A compound name counts as itself; its parts are compared elsewhere. Words that
    stand where no name is known (INCONNU, X, SANS NOM, BEBE) are none.

    Example:
        >>> family_names("de La Fontaine", "INCONNU")
        ('DELAFONTAINE',)
    """
    names = set()
    for text in texts:
        words = " ".join(name_tokens(text))
        for part in _MARRIED.split(words):
            joined = part.removeprefix("BEBE ").strip().replace(" ", "")
            if len(joined) >= _LEAST_FAMILY and joined not in _NO_FAMILY and set(joined) != {"X"}:
                names.add(joined)
    return tuple(sorted(names))


def given_tokens(text: str | None) -> tuple[str, ...]:
    """Return the given names in `text` in order, without titles and words for no name.

    >>> given_tokens("Jean-Pierre Marie"), given_tokens("Sans prénom")
    (('JEAN', 'PIERRE', 'MARIE'), ())
    """
    words = tuple(word for word in name_tokens(text) if word not in _TITLES)
    # Some of these words are names beside another (Anne NE is none): only where nothing else stands do they say nothing.
    return () if all(word in _NO_GIVEN or set(word) == {"X"} for word in words) else words


def bag_of_names(family: str | None, given: str | None) -> str | None:
    """Return the first words of family and given names in order of the alphabet: alike when the two fields were exchanged.

    Only the first, for further given names are often left out.

    `family`: name at birth; `given`: given names.

    >>> bag_of_names("NGUYEN", "Van Thanh") == bag_of_names("VAN", "Nguyen")
    True
    """
    one, two = name_tokens(family), given_tokens(given)
    return " ".join(sorted([one[0], two[0]])) if one and two else None


def all_names(family: str | None, given: str | None) -> str | None:
    """Return all words of family and given names in order of the alphabet: equal where two fields were exchanged whole.

    Args:
        family: Name at birth.
        given: Given names.

    >>> all_names("NGUYEN", "Van Thanh") == all_names("VAN THANH", "Nguyen")
    True
    """
    one, two = name_tokens(family), given_tokens(given)
    return " ".join(sorted([*one, *two])) if one and two else None


class Compound(IntEnum):
    """How the first given name is written: with a hyphen (or as one that has none by custom), or as two words that often are one."""

    NO = 0
    HYPHEN = 1
    TWO_WORDS = 2


def compound_of(given: str | None) -> Compound:
    """Return whether the first given name is a compound: JEAN-NOËL is not JEAN, and JEAN NOËL may be JEAN-NOËL.

    Args:
        given: Given names as written.

    Example:
        >>> [int(compound_of(name)) for name in ("Jean-Noël Paul", "Jean Noël", "Paul Jean-Noël", "Jean Adam", "Mohamed Amine")]
        [1, 2, 0, 0, 1]
    """
    words = given_tokens(given)
    if (given and _COMPOUND.match(given.strip())) or words[:2] in given_names().united:
        return Compound.HYPHEN
    return Compound.TWO_WORDS if given_names().compound(words) else Compound.NO


def parse_date(text: str | None) -> PartialDate | None:
    """Return the parts of an ISO date, `text`, cut to what is known, or None when there is none or it is not a date.

    1900-01-01, 1901-01-01 and the first days of spreadsheets stand for no date. A month that has no such day (`1956-02-31`,
    a date of another calendar) leaves the year.

    >>> parse_date("1956-03"), parse_date("1956-02-31"), parse_date("1900-01-01")
    (PartialDate(year=1956, month=3, day=0), PartialDate(year=1956, month=0, day=0), None)
    """
    if not text:
        return None
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day = (int(part or 0) for part in found.groups())
    if not 1850 <= year <= 2200 or month > 12 or day > 31 or (year, month, day) in _NO_DATES:
        return None
    if day and not (month and day <= monthrange(year, month)[1]):
        return PartialDate(year, 0, 0)
    return PartialDate(year, month, day)


def is_vague(birth: PartialDate | None, place: str | None) -> bool:
    """Return whether a day is one that is given to those who do not know theirs: 1 January, and abroad 31 December.

    Only where the place of birth is a country or not known: within France registers know the day.

    >>> is_vague(PartialDate(1956, 1, 1), None), is_vague(PartialDate(1956, 1, 1), "69123")
    (True, False)
    """
    if birth is None or (place is not None and not place.startswith(FOREIGN)):
        return False
    return birth[1:] == (1, 1) or (place is not None and birth[1:] == (12, 31))


def place_code(text: str | None) -> str | None:
    """Return an INSEE code of birth place, `text`, in capitals, or None when it says nothing or is none.

    A code whose zero a spreadsheet took away has it again. Names of places are no codes: beside one they are no other place.

    >>> place_code("2a004 "), place_code("1004"), place_code("Lyon"), place_code("")
    ('2A004', '01004', None, None)
    """
    code = (text or "").strip().upper()
    code = code.zfill(5) if len(code) == 4 and code.isascii() and code.isdigit() else code
    return code if _INSEE.fullmatch(code) and code not in _UNKNOWN_PLACES else None


def place_of_ins(ins: str | None, birth: str | None) -> str | None:
    """Return the INSEE code of the place of birth that a valid INS holds, or None where it tells none for certain.

    None where its year of birth is another than that of the record (a parent's INS), and before 1968 where departments were
    numbered otherwise (Corsica, Paris and its surroundings, Algeria): the record of another hospital has the code of today.

    Args:
        ins: Matricule INS.
        birth: Date of birth as the record has it, in ISO.

    Example:
        >>> place_of_ins("160019934100229", "1960-01-01")
        '99341'
    """
    number, born = valid_ins(ins), parse_date(birth)
    if number is None or born is None or int(number[1:3]) != born.year % 100:
        return None
    code = number[5:10]
    return None if born.year < 1968 and code[:2] in _NUMBERED_ANEW and code != _PARIS else place_code(code)


def birth_of_ins(ins: str | None) -> str | None:
    """Return year and month of birth that a valid INS holds, in ISO, or None where it tells none for certain.

    An INS has two digits of the year: those below 30 fit two centuries. A month that was not known is 20 or more.

    Args:
        ins: Matricule INS.

    Example:
        >>> birth_of_ins("160019934100229")
        '1960-01'
    """
    number = valid_ins(ins)
    if number is None or number[1:3] < _TWO_CENTURIES:
        return None
    return f"19{number[1:3]}" + (f"-{number[3:5]}" if "01" <= number[3:5] <= "12" else "")


def department(place: str) -> str:
    """Return the department of a place of birth; overseas it has three characters, and a country is its own.

    Example:
        >>> department("75112"), department("97411"), department("99352")
        ('75', '974', '99352')
    """
    if place.startswith(FOREIGN):
        return place
    return place[:3] if place.startswith(("97", "98")) else place[:2]


def valid_ins(text: str | None) -> str | None:
    """Return the 15 characters of a matricule INS, `text`, whose check key is right, or None.

    A matricule whose key is wrong holds a typing error and must neither link nor separate persons.

    >>> valid_ins("1 56 03 69 123 456 72"), valid_ins("156036912345645")
    ('156036912345672', None)
    """
    compact = re.sub(r"\s", "", text or "").upper()
    return compact if len(compact) == 15 and is_nir(compact) else None


def ins_stem(ins: str) -> str:
    """Return a matricule, `ins`, without its sex and key: what stays when the sex of a person is corrected.

    >>> ins_stem("156036912345644")
    '560369123456'
    """
    return ins[1:13]


def is_provisional(ins: str) -> bool:
    """Return whether a matricule, `ins`, is one of waiting (NIA, first digit 3, 4, 7 or 8), which a NIR replaces later.

    >>> is_provisional("356036912345644"), is_provisional("156036912345644")
    (True, False)
    """
    return ins[0] in "3478"
