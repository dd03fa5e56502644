"""Texts in one form: repaired where a system spoilt them, folded so that writings of one name compare equal.

Folding goes by table where a canonical decomposition (Unicode NFKD) leaves a letter as it is: `œ` is `oe`, `ł` is `l`.
Oracle of the table: the Latin letters without decomposition of Unicode's Latin-1 Supplement, Latin Extended-A and -B, and
the transliterations of ICAO Doc 9303-3, section 6, which travel documents and hospitals' registrars follow.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

TABLE = {
    "œ": "oe", "æ": "ae", "ß": "ss", "ẞ": "ss", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h",
    "ĸ": "k", "ŋ": "n", "ŧ": "t", "ƒ": "f", "ɨ": "i", "ə": "e", "ɐ": "a", "ʒ": "z", "ǝ": "e", "ɛ": "e", "ɔ": "o", "ƀ": "b",
    "ȼ": "c", "ɇ": "e", "ǥ": "g", "ɉ": "j", "ɍ": "r", "ⱥ": "a", "ⱦ": "t", "ƶ": "z", "ƙ": "k", "ƴ": "y", "ɓ": "b", "ɗ": "d",
}  # fmt: skip
"""Letters that stand for others and that no decomposition takes apart, in lower case."""
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"}
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPED = re.compile(r"(?<=\w)%(2[0-9A-Fa-f]|3[A-Fa-f]|5[Ff])(?=\w)")
_FOREIGN = re.compile(r"[^\x00-\x7f]{2,}")
_MOST_LAYERS = 3


@dataclass(frozen=True)
class Folded:
    """A text folded.

    Attributes:
        plain: The text without accents, in lower case; a letter may have become two.
        places: For each character of `plain` its place in the text, and the text's length last; None where they are the same.
    """

    plain: str
    places: tuple[int, ...] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the text that a span of `plain` came from.

        Args:
            start: First place in `plain`.
            end: Place after the last.
        """
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1 if end > start else self.places[start]


@lru_cache(maxsize=4096)
def fold(text: str) -> Folded:
    """Return `text` folded: lower case, without accents, full-width forms as narrow ones, ligatures taken apart.

    Args:
        text: The text.

    >>> fold("Müller").plain
    'muller'
    """
    if text.isascii():
        return Folded(text.lower(), None)
    parts, places = [], []
    for place, character in enumerate(text):
        folded = _fold_one(character)
        parts.append(folded)
        places += [place] * len(folded)
    plain = "".join(parts)
    return Folded(plain, (*places, len(text)) if places != list(range(len(text))) else None)


@lru_cache(maxsize=4096)
def _fold_one(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    apart = unicodedata.normalize("NFKD", character)
    base = "".join(one for one in apart if not unicodedata.combining(one))
    return "".join(TABLE.get(one, one) for one in (base or " ").casefold()) if character not in TABLE else TABLE[character]


def spellings(word: str) -> frozenset[str]:
    """Return the folded forms that people give to one word of a name: `Müller` is `muller` and `mueller`, and back.

    Args:
        word: One word of a name.

    >>> sorted(spellings("Müller"))
    ['mueller', 'muller']
    """
    lower = unicodedata.normalize("NFC", word).lower()
    forms = {fold(lower).plain, fold("".join(_UMLAUTS.get(one, one) for one in lower)).plain}
    for form in tuple(forms):
        if len(form) >= 5:
            forms.add(re.sub(r"(?<=[bcdfghjklmnpqrstvwxyz])(a|o|u)e(?=[bcdfghjklmnpqrstvwxyz])", r"\1", form))
    return frozenset(forms)


def repair(text: str) -> str:
    """Return `text` with what systems spoil put right.

    HTML entities and escapes of addresses are resolved (`&#45;`, `%2F`), letters that were decoded with another character set (`ZoÃ©`) decoded again,
    signs that nobody sees (soft hyphens, zero-width blanks) left out, letters and their accents joined.

    Args:
        text: The text.
    """
    for _ in range(_MOST_LAYERS):
        before = text
        if "&" in text:
            text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
        if "%" in text:
            text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
        if not text.isascii():
            text = _FOREIGN.sub(_decoded_again, text)
        if text == before:
            break
    if text.isascii():
        return text
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", text))


def _decoded_again(match: re.Match[str]) -> str:
    raw = b""
    for character in match[0]:
        try:
            raw += character.encode("cp1252")
        except UnicodeEncodeError:
            if ord(character) > 0xFF:
                return match[0]
            raw += bytes([ord(character)])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return match[0]
