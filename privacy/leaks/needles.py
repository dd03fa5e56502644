"""What must not be found, in every way it may be written, and when a likeness counts."""

from __future__ import annotations

import contextlib
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

_COMPUTED = re.compile(
    rb"(?=[0-9]*[a-f])(?:[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})|ens[a-z]{0,6}[0-9]{11}"
)
"""Words made of digits by no hospital: hexadecimal digests and tokens, Ensembl's ids. Digits inside one are no number of a patient."""

_WORD = re.compile(rb"[0-9a-z]*")
LONGEST_WORD = 128

FOLD = bytes(b" "[0] if byte in b"-_^'" else byte for byte in range(256)).lower()
"""Bytes as they are searched: lower case, and one sign for all that may stand between the parts of a name."""


class Needle(NamedTuple):
    """One value that must not be found.

    Attributes:
        kind: What it is (`name`, `ipp`, `ins`, `uid`, `date`); named in findings.
        value: The text, whole number or date.
        subject_id: When given, the value is a leak only beside this subject: a shifted date of one patient may
            well be a true date of another. It is then searched in table rows of the subject and in files whose path
            holds the pseudonym.
    """

    kind: str
    value: str | int | date
    subject_id: int | None = None


@dataclass(frozen=True, order=True)
class Finding:
    """A value was found. `place` says where in the file; `needles` the numbers of the values in the list given."""

    path: str
    kind: str
    place: str
    count: int
    needles: tuple[int, ...] = field(compare=False)


class Pattern(NamedTuple):
    """One way in which a needle may stand in bytes."""

    needle: int
    """Its number in the list."""
    step: int
    """Bytes per character."""
    whole: bool
    """Whether characters of its own kind beside it make it another word."""
    digits: bool
    """Whether it has no letter."""


def day_of(value: date) -> date:
    """Return the day of a date or time.

    Args:
        value: The date, or a time of it.

    >>> from datetime import datetime
    >>> day_of(datetime(2024, 3, 1, 23, 59))
    datetime.date(2024, 3, 1)
    """
    return value.date() if isinstance(value, datetime) else value


def forms(value: str | int | date) -> list[str]:
    """Return the ways a value may be written.

    >>> forms("Zqvibe")
    ['ZQVIBE', 'Zqvibe', 'zqvibe']
    """
    if isinstance(value, date):
        day = day_of(value)
        return [
            day.strftime(form)
            for form in ("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d", "%d%m%Y", "%m/%d/%Y")
        ]
    text = unicodedata.normalize("NFC", str(value).strip())
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    forms = {text, text.lower(), text.upper(), text.title(), plain, unicodedata.normalize("NFD", text)}
    forms |= {json.dumps(text)[1:-1], html.escape(text)}
    if re.search(r"[\s\-']", plain):
        forms |= {re.sub(r"[\s\-']+", sign, plain) for sign in (" ", "")}
    return sorted(forms)


def encodings(text: str) -> Iterator[tuple[bytes, int]]:
    """Yield `(bytes, bytes per character)` of the ways to store a text; UTF-16 of Latin-1 text is found as Latin-1.

    >>> [(bytes(content), size) for content, size in encodings("12")]
    [(b'12', 1)]
    """
    seen = set()
    beyond_latin_1 = any(ord(sign) > 255 for sign in text)
    for encoding, step in (("utf-8", 1), ("cp1252", 1), *((("utf-16-le", 2), ("utf-16-be", 2)) if beyond_latin_1 else ())):
        with contextlib.suppress(UnicodeEncodeError):
            content = text.encode(encoding).translate(FOLD)
            if content not in seen:
                seen.add(content)
                yield content, step


def counts(content: bytes, begin: int, end: int, pattern: Pattern) -> bool:
    """Whether a hit of `pattern` in `content` is a finding: short values stand alone, digits are no part of a digest.

    The hit is from `begin` to `end`.
    """
    if pattern.whole and not _stands_alone(content, begin, end, pattern):
        return False
    return not (pattern.digits and pattern.step == 1 and _is_computed(content, begin, end))


def _is_computed(content: bytes, begin: int, end: int) -> bool:
    before = _WORD.match(content[max(0, begin - LONGEST_WORD) : begin][::-1])
    after = _WORD.match(content, end, end + LONGEST_WORD)
    left, right = begin - len(before.group() if before else b""), after.end() if after else end
    return _COMPUTED.fullmatch(content, left, right) is not None


def _stands_alone(content: bytes, begin: int, end: int, pattern: Pattern) -> bool:
    """Whether the characters before and after a hit are of another kind: no digit beside digits, no letter beside letters."""
    before = content[max(0, begin - pattern.step) : begin]
    after = content[end : end + pattern.step]
    return not (_continues(before, pattern) or _continues(after, pattern))


def _continues(character: bytes, pattern: Pattern) -> bool:
    if pattern.step == 2:
        if len(character) < 2 or 0 not in character:
            return False
        character = character.replace(b"\0", b"")
    if not character:
        return False
    byte = character[0]
    return 48 <= byte <= 57 if pattern.digits else 97 <= byte <= 122 or byte >= 0xC3
