"""Traits of a person in the form they are compared in: names without accents, dates by part, INS with its check key.

French habits are met here: accents, compound names with or without their hyphen, particles, `Saint` and `St`,
married names written into the name of birth (`DUPONT EPOUSE MARTIN`), titles before given names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from unibase.privacy.french_identifiers import is_nir

_LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})
_NOT_LETTERS = re.compile(r"[^A-Z]+")
_MARRIED = re.compile(r"\b(?:EPOUSE|EPSE|EP|VEUVE|VVE|VE|DIVORCEE|NEE|NE)\b")
_SAINTS = {"ST": "SAINT", "STE": "SAINTE"}
_TITLES = frozenset({"M", "MR", "MME", "MLLE", "DR", "MONSIEUR", "MADAME", "MADEMOISELLE"})
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_UNKNOWN_PLACES = frozenset({"", "99999", "00000", "99"})


class PartialDate(NamedTuple):
    """A date cut to what is known; month and day are 0 when unknown."""

    year: int
    month: int
    day: int


def name_tokens(text: str | None) -> tuple[str, ...]:
    """Return the words of a name in capitals without accents: `de Saint-Exupéry` is (DE, SAINT, EXUPERY)."""
    if not text:
        return ()
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES)).upper()
    # Combining marks vanish; every other sign that is no letter separates words.
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return tuple(_SAINTS.get(word, word) for word in _NOT_LETTERS.split(plain) if word)


def family_names(*texts: str | None) -> tuple[str, ...]:
    """Return the distinct family names found in `texts`, each joined to one word, sorted.

    `DUPONT EPOUSE MARTIN` holds two names. A compound name counts as itself; its parts are compared elsewhere.
    """
    names = set()
    for text in texts:
        words = " ".join(name_tokens(text))
        for part in _MARRIED.split(words):
            joined = part.replace(" ", "")
            if joined:
                names.add(joined)
    return tuple(sorted(names))


def given_tokens(text: str | None) -> tuple[str, ...]:
    """Return the given names in order, without titles: `Jean-Pierre Marie` is (JEAN, PIERRE, MARIE)."""
    return tuple(word for word in name_tokens(text) if word not in _TITLES)


def parse_date(text: str | None) -> PartialDate | None:
    """Return the parts of an ISO date cut to what is known, or None when there is none or it is not a date."""
    if not text:
        return None
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day = (int(part or 0) for part in found.groups())
    if not 1850 <= year <= 2200 or month > 12 or day > 31:
        return None
    return PartialDate(year, month, day)


def place_code(text: str | None) -> str | None:
    """Return an INSEE code of birth place in capitals, or None when it says nothing."""
    code = (text or "").strip().upper()
    return None if code in _UNKNOWN_PLACES else code


def valid_ins(text: str | None) -> str | None:
    """Return the 15 characters of a matricule INS whose check key is right, or None.

    A matricule whose key is wrong holds a typing error and must neither link nor separate persons.
    """
    compact = re.sub(r"\s", "", text or "").upper()
    return compact if len(compact) == 15 and is_nir(compact) else None
