"""In which encoding a people file is written: by its mark, by UTF-8, else by which of four makes words of its letters.

A file of a DOS program or of an old Mac is read without an error as Windows-1252, and every accent becomes another sign:
`Léger` is `LŽger`. Its bearer would then be nobody's namesake. So the encoding is chosen in which fewest letters are odd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MARKS = ((b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""First bytes of a file, and the encoding that they tell."""
USUAL = "cp1252"
OTHERS = ("iso8859_15", "cp850", "mac_roman")
"""Encodings of eight bits that are tried beside the usual one, the likelier first."""
NO_TEXT = {
    b"PK\x03\x04": "a workbook or archive",
    b"\xd0\xcf\x11\xe0": "an old workbook",
    b"\x1f\x8b": "packed (gzip)",
    b"%PDF": "a PDF",
}
"""First bytes of files that hold no lines."""
_LETTERS = "àâäáãåæçéèêëíìîïñóòôöõøœúùûüýÿšžßÀÂÄÁÃÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜÝŸŠŽ"
_SIGNS = "’‘–-·\u00a0°ªº"
_BESIDE_A_LETTER = re.compile(r"(?:(?<=[A-Za-z])[^\x00-\x7f]|[^\x00-\x7f](?=[A-Za-z]))")
_BEGIN = 512


@dataclass(frozen=True)
class Letters:
    """A text, and how it was written.

    Attributes:
        text: The text.
        encoding: The encoding.
        expected: Whether it is one that people files are asked for.
    """

    text: str
    encoding: str
    expected: bool


def no_text(content: bytes) -> str | None:
    """Return what a file is that holds no lines of text, or None.

    Args:
        content: Bytes of the file.

    >>> no_text(b"PK\\x03\\x04..."), no_text(b"identifier;sex")
    ('a workbook or archive', None)
    """
    return next((kind for begin, kind in NO_TEXT.items() if content.startswith(begin)), None)


def decoded(content: bytes) -> Letters:
    """Return the text of a people file.

    Args:
        content: Its bytes.

    Example:
        >>> [decoded("Zoé LÉGER".encode(one)).encoding for one in ("utf-8", "cp1252", "cp850", "mac_roman")]
        ['utf-8', 'cp1252', 'cp850', 'mac_roman']
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return Letters(content.decode(encoding, errors="replace"), encoding, expected=True)
    if wide := _without_mark(content):
        return Letters(content.decode(wide, errors="replace"), wide, expected=False)
    try:
        return Letters(content.decode("utf-8-sig"), "utf-8", expected=True)
    except UnicodeDecodeError:
        pass
    tried = {name: content.decode(name, errors="replace") for name in (USUAL, *OTHERS)}
    best = min(tried, key=lambda name: odd_letters(tried[name], strict=name != USUAL))
    return Letters(tried[best], best, expected=best == USUAL)


def odd_letters(text: str, strict: bool = False) -> int:
    """Return how many signs beside letters are no letters of names, or capitals within small letters.

    Args:
        text: A text.
        strict: Count small letters within capitals too. Many programs write LéGER, so that it speaks for no other encoding.

    >>> odd_letters("Léger, D’Arc, ÉLISE, Œuvrard"), odd_letters("LŽger, Z½é, No‰l")
    (0, 3)
    """
    return sum(_is_odd(text, found.start(), strict) for found in _BESIDE_A_LETTER.finditer(text))


def _is_odd(text: str, at: int, strict: bool) -> bool:
    sign, before, after = text[at], text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if sign not in _LETTERS:
        return sign not in _SIGNS
    in_a_word = before.isascii() and before.isalpha()
    if sign.isupper():
        return in_a_word and (before.islower() or (after.isascii() and after.islower()))
    return strict and in_a_word and before.isupper() and (after.isupper() or text[at - 2 : at - 1].isupper())


def _without_mark(content: bytes) -> str | None:
    """Return the encoding of two bytes that a file without a mark is in: every second byte of its first line is none."""
    begin = content[:_BEGIN]
    if len(begin) < 4 or b"\x00" not in begin:
        return None
    sides = {"utf-16-le": begin[1::2], "utf-16-be": begin[0::2]}
    return next((name for name, side in sides.items() if side.count(0) > 0.8 * len(side)), None)
