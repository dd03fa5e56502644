"""The identifiers of one file's persons: values cleaned of them, and the bytes of the output searched to prove it clean.

Case, accents, order, separators and character set do not matter: texts are cleaned in a folded form (`texts`), and the
bytes of the output searched in every encoding that a name may have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from unibase.imaging.confidentiality.charsets import decode, encode
from unibase.imaging.confidentiality.texts.announced import announced
from unibase.imaging.confidentiality.texts.cleaner import Cleaner, Kind
from unibase.imaging.confidentiality.texts.days import LONGEST_YEAR, dates_in
from unibase.imaging.confidentiality.texts.folding import fold, repair
from unibase.imaging.confidentiality.texts.forms import formal, formal_in_term
from unibase.imaging.confidentiality.texts.known import SEPARATORS, WORD, Knowledge, Known
from unibase.imaging.confidentiality.texts.vocabulary import MOST_DIGITS, allowed, is_unknown_code, vocabulary
from unibase.imaging.confidentiality.values import REMOVED, pad

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

MAX_NARRATIVE = 256
"""A free text longer than this is a narrative, in which anyone may be named: it is not cleaned but replaced."""
CERTAIN = 8
"""From this many bytes on a needle does not occur by chance in pixels of any size."""
_LEAST_IN_BYTES = 5
_SMALL_BINARY = 65536
_ENCODINGS = ("utf-8", "latin-1", "latin2", "utf-16-le")
_LONG_TEXTS = ("LT", "ST", "UT")
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{0,16}")
_LONG_NUMBER = re.compile(rb"(?<![\d.])\d{5,}")
_NUMBER = rb" *[+\-]?(?:\d+\.?\d*|\.\d+)?(?:[eE][+\-]?\d+)?[ \0]*"
_NUMBERS = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*")
_NIR_WITH_KEY = 15
_CHARACTER_SETS = frozenset({"gb18030"})
"""The one defined term of PS3.3 C.12.1.1.2 that has letters and digits in one word."""
_VERY_LONG = re.compile(rb"^[ +]*\d{10,} *$")
_SHORT_NUMBER = re.compile(r"[\d ]{1,3}")
_DIVIDED = re.compile(r"\d{1,4}\\\d{1,2}(?:\\\d{1,4})?")
_TWO_NUMBERS = re.compile(r"\d{1,2}[ _](?:\d{1,2}|[ivx]{1,4})")


class Hit(NamedTuple):
    """A needle found in the output: where, without its value."""

    kind: str
    start: int
    end: int


class Identifiers:
    """What identifies the persons and the place of one file.

    Args:
        knowledge: What is known of them.
        raw: Bytes of names as the source holds them, for character sets that texts do not decode from.
        extra: Folded words that the study allows in texts.
    """

    def __init__(self, knowledge: Knowledge, raw: Iterable[bytes] = (), extra: frozenset[str] = frozenset()) -> None:
        self.known = Known(knowledge)
        self._cleaner = Cleaner(self.known, extra)
        self._raw = tuple(raw)
        self._cleaned: dict[tuple[bytes, str, tuple[str, ...]], bytes] = {}
        self.memo: dict[object, dict[tuple[str, str, bytes], bytes]] = {}
        """Values already treated, by what they depend on beside the identifiers: for the fast path."""

    @property
    def met(self) -> frozenset[str]:
        """Words that are names too and stood in texts cleaned so far."""
        return frozenset(self._cleaner.met)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where what is known stands in `text`, not merged.

        Args:
            text: One decoded value.
        """
        return self._cleaner.spans(text)

    def clean(self, text: str, kind: Kind = "text") -> str:
        """Return one value without what names a person; the rest keeps its words, order and separators.

        Args:
            text: One decoded value.
            kind: Who writes it.
        """
        return self._cleaner.clean(text, kind)

    def clean_value(self, raw: bytes, vr: str, encodings: tuple[str, ...], kind: Kind = "text") -> bytes:
        """Return the raw bytes of a text value, cleaned; the same bytes when nothing in it identifies.

        Args:
            raw: The value as the file holds it, padding included.
            vr: Its VR; backslashes separate values but in ST, LT, UT, UR.
            encodings: Python encodings of the Specific Character Set in force.
            kind: Who writes it.
        """
        return self._remembered((raw, f"{vr} {kind}", encodings), lambda: self._clean_value(raw, vr, encodings, kind))

    def _remembered(self, key: tuple[bytes, str, tuple[str, ...]], make: Callable[[], bytes]) -> bytes:
        known = self._cleaned.get(key)
        if known is None:
            if len(self._cleaned) > 4096:
                self._cleaned.clear()
            known = self._cleaned[key] = make()
        return known

    def _clean_value(self, raw: bytes, vr: str, encodings: tuple[str, ...], kind: Kind) -> bytes:
        if not raw.strip(b" \0"):
            return raw
        text = decode(raw, vr, encodings)
        if text is None:
            return pad(REMOVED.encode(), vr)
        text = text.rstrip(" \0")
        if vr in _LONG_TEXTS and len(text) > MAX_NARRATIVE:
            return pad(REMOVED.encode(), vr)
        if not raw.isascii() and self._hidden(raw, text):
            return pad(REMOVED.encode(), vr)
        values = [text] if vr in _LONG_TEXTS or vr == "UR" else text.split("\\")
        cleaned = [self.clean(value, kind) if value.strip(" \0") else value for value in values]
        if len(values) > 1 and self._is_divided(text):
            cleaned = [""] * len(values)
        if cleaned == values:
            return raw if b"\0" not in raw[:-1] else pad(REMOVED.encode(), vr)
        result = encode("\\".join(value or REMOVED for value in cleaned), encodings)
        return pad(result if result is not None else REMOVED.encode(), vr)

    def _is_divided(self, text: str) -> bool:
        """Return whether numbers that backslashes make values of their own are a day together: `27\\02\\2021`."""
        return bool(_DIVIDED.fullmatch(text)) and bool(self.known.days.spans(text.replace("\\", "-")))

    def _hidden(self, raw: bytes, text: str) -> bool:
        # UTF-8 in a file that declares another character set: the declared decoding hides the name from comparison.
        try:
            other = raw.decode("utf-8").rstrip(" \0")
        except UnicodeDecodeError:
            return False
        return other not in (text, repair(text)) and self.clean(other) != other

    def clean_number(self, raw: bytes) -> bytes:
        """Return numbers in digits (IS, DS) as they are, but 0 for one that is a day or a number of the person, a telephone or a NIR.

        What is no number there was typed, and is a text: it stays where the cleaner of texts leaves it whole, else it goes.

        Args:
            raw: The value as the file holds it.
        """
        odd = not _NUMBERS.fullmatch(raw)
        if not odd and not _LONG_NUMBER.search(raw):
            return raw
        parts = raw.rstrip(b" \0").split(b"\\")
        kept = [b"0" if self.number_tells(one.decode("latin-1").strip(" +-").partition(".")[0]) else one for one in parts]
        kept = [b"0" if _VERY_LONG.search(one) and _of_person(one.decode("latin-1").strip()) else one for one in kept]
        if odd:
            kept = [one if _NUMBERS.fullmatch(one) or self._is_clean(one) else b"" for one in kept]
        return raw if kept == parts else pad(b"\\".join(kept), "IS")

    def _is_clean(self, raw: bytes) -> bool:
        text = raw.decode("utf-8", "replace")
        return self.clean(text) == text

    def number_tells(self, digits: str) -> bool:
        """Return whether a whole number is a day or a number of the person.

        Args:
            digits: The number, without sign and fraction.
        """
        if not digits.isdigit() or len(digits) < _LEAST_IN_BYTES:
            return False
        return self.known.days.tells(digits) or self.known.is_number(digits)

    def clean_code(self, raw: bytes, encodings: tuple[str, ...], free: bool = False) -> bytes:
        """Return a code string (CS) as it is, unless one of its values is or holds an identifier or a name.

        Args:
            raw: The value as the file holds it.
            encodings: Python encodings in force.
            free: Whether people and protocols fill it: then words and short codes alone pass.
        """
        if not raw.strip(b" \0"):
            return raw
        return self._remembered((raw, f"CS {free}", encodings), lambda: self._clean_code(raw, free))

    def _clean_code(self, raw: bytes, free: bool) -> bytes:
        parts = raw.rstrip(b" \0").split(b"\\")
        divided = self._is_divided(raw.decode("latin-1").rstrip(" \0"))
        kept = [REMOVED.encode() if divided or self._names_person(one.decode("latin-1"), free) else one for one in parts]
        return raw if kept == parts else pad(b"\\".join(kept), "CS")

    def _names_person(self, code: str, free: bool) -> bool:
        plain = fold(code).plain.strip()
        if (_TWO_NUMBERS.fullmatch(plain) and self.known.days.spans(plain)) or plain in self._years:
            return True
        if not plain or _SHORT_NUMBER.fullmatch(plain):
            return False
        if not _CODE_STRING.fullmatch(code.strip()):
            # No code string by PS3.5 6.2: a person typed it, and it is a text.
            return self.clean(code) != code
        words = WORD.findall(plain)
        if not set(words) - vocabulary().core:
            return False
        if free and self.clean(code, "label") != code:
            return True
        if any(map(self._is_strange, words)) or _says_a_day(plain) or announced(plain):
            return True
        names = vocabulary().names if free else vocabulary().common_names
        return bool(self.spans(code)) or bool(formal(code)) or not names.isdisjoint(words)

    def _is_strange(self, word: str) -> bool:
        """Return whether a word of a code is none of the standard or of the vocabulary, or a number of five digits and more."""
        extra = self._cleaner.extra
        if word in _CHARACTER_SETS or word in vocabulary().code_words:
            return False
        if word.isdigit():
            return len(word) > MOST_DIGITS
        return not allowed(word, technical=True, extra=extra) or (_is_numbered(word) and is_unknown_code(word, extra))

    @cached_property
    def _years(self) -> frozenset[str]:
        return frozenset(f"{day.year:04d}" for day in self.known.days.days)

    @cached_property
    def _needles(self) -> dict[bytes, str]:
        """Needles in lower case (of ASCII letters), by kind: sought in bytes that are in lower case too."""
        found: dict[bytes, str] = {}
        for word in self.known.originals | self.known.words:
            for form in {word.upper(), word.lower()}:
                for encoding in _ENCODINGS:
                    with_end = _encoded(form, encoding)
                    # In UTF-16 without the last byte: so it is found in both byte orders.
                    found[(with_end[:-1] if encoding.startswith("utf-16") else with_end).lower()] = "name"
        numbers = {one for one in self.known.numbers if len(one) >= 4}
        written = {one.strip().lower() for one in self.known.knowledge.numbers}
        numbers |= {one for one in written if len(one) >= 4 and "".join(WORD.findall(fold(one).plain)) in self.known.numbers}
        found |= dict.fromkeys((one.encode("utf-8", "replace") for one in numbers), "number")
        found |= dict.fromkeys((one.encode() for one in self._births), "number")
        phrases = set(self.known.phrases)
        for phrase in self.known.knowledge.phrases:
            if tuple(WORD.findall(fold(phrase).plain)) in phrases:
                found |= {phrase.strip().encode(encoding, "replace").lower(): "phrase" for encoding in ("utf-8", "latin-1")}
        for value in self._raw:
            # Components in a character set of their own, such as ideographs after an escape sequence.
            for part in re.split(rb"[\^=\\ ]+", value.strip()):
                if (len(part) >= 4 and not part.isascii()) or (b"\x1b" in part and len(part) > 7):
                    found[part.lower()] = "name"
        found.pop(b"", None)
        return found

    @property
    def _births(self) -> set[str]:
        return {
            form
            for day in self.known.knowledge.birth_dates
            if re.fullmatch(r"\d{8}", day)
            for form in (day, day[6:] + day[4:6] + day[:4], day[4:6] + day[6:] + day[:4])
        }

    @property
    def needles(self) -> list[bytes]:
        """The byte strings sought in the output, in lower case."""
        return list(self._needles)

    def occurs(self, content: bytes) -> bool:
        """Return whether any needle stands anywhere in the bytes of an output header, and not only in texts.

        Args:
            content: Bytes of a header.
        """
        return bool(self._needles) and bool(self._first.find_matches_as_indexes(content.lower()))

    def search(self, content: bytes) -> list[Hit]:
        """Return every place where a needle stands, overlapping ones too. `content`: bytes of a header."""
        if not self.occurs(content):
            return []
        kinds = list(self._needles.values())
        matches = _automaton(self._needles).find_matches_as_indexes(content.lower(), overlapping=True)
        return [Hit(kinds[index], start, end) for index, start, end in matches]

    @cached_property
    def _first(self) -> BytesAhoCorasick:
        return _automaton(self._needles, leftmost=True)

    @cached_property
    def _joined(self) -> frozenset[bytes]:
        """Two words of one name as they stand together in bytes: `DUPONT-LAJOIE`, `DUPONT^ZOE`, `DUPONTZOE`."""
        found = set()
        for name in self.known.knowledge.patient_names:
            words = {one for one in SEPARATORS.split(name) if fold(one).plain and not one.isdigit()}
            words = {one for one in words if fold(one).plain not in vocabulary().placeholders}
            for first in words:
                for second in words - {first}:
                    for gap in ("^", " ", "-", "_", ".", ",", ", ", "'", ""):
                        for encoding in ("utf-8", "latin-1"):
                            found.add(_encoded(f"{first}{gap}{second}".lower(), encoding))
                            found.add(_encoded(f"{fold(first).plain}{gap}{fold(second).plain}", encoding))
        return frozenset(found)

    @cached_property
    def _in_pixels(self) -> BytesAhoCorasick | None:
        needles = {*self._needles, *self._joined, *self.known.days.forms()}
        needles = {one for one in needles if len(one) >= CERTAIN}
        return _automaton(dict.fromkeys(needles, ""), leftmost=True) if needles else None

    @cached_property
    def _in_small(self) -> BytesAhoCorasick | None:
        needles = {*self._needles, *self._joined, *self.known.days.forms(), *(one.lower() for one in self.known.days.worded())}
        needles = {one for one in needles if len(one) >= _LEAST_IN_BYTES}
        return _automaton(dict.fromkeys(needles, ""), leftmost=True) if needles else None

    @cached_property
    def beyond_ascii(self) -> bool:
        """Whether a needle of eight bytes has no ASCII sign at some second place, as names in Cyrillic letters have none.

        Needles in UTF-16 do not count: in native pixels of 16 bits they are rows of small numbers, and are not sought there.
        """
        long = [one for one in (*self._needles, *self._joined) if len(one) >= CERTAIN and b"\0" not in one]
        return any(not any(0x20 <= byte < 0x7F for byte in one[place::2]) for one in long for place in (0, 1))

    def in_pixels(self, content: bytes | memoryview) -> bool:
        """Return whether a needle of eight bytes or more, a joined name or a day in digits stands in pixel bytes.

        Args:
            content: Bytes of pixels.
        """
        return self._in_pixels is not None and bool(self._in_pixels.find_matches_as_indexes(bytes(content).lower()))

    def in_binary(self, content: bytes) -> bool:
        """Return whether a needle, a joined name or a day in any form stands in a value of bytes.

        Of needles those of five bytes and more count: in 64 KiB of random bytes one of a hundred of them occurs once in
        100,000 values. Larger values are searched as pixels are.

        Args:
            content: A value of bytes.
        """
        if len(content) > _SMALL_BINARY:
            return self.in_pixels(content)
        return self._in_small is not None and bool(self._in_small.find_matches_as_indexes(content.lower()))


def _is_numbered(word: str) -> bool:
    """Return whether a word of a code has digits among its letters."""
    return any(map(str.isdigit, word)) and not word.isdigit()


def _says_a_day(plain: str) -> bool:
    """Return whether a code has the form of a date, a year alone not counted."""
    return any(end - start > LONGEST_YEAR for start, end in dates_in(plain))


def _of_person(number: str) -> bool:
    """Return whether a long whole number has the form of a telephone or a NIR, its key mistyped or not."""
    return bool(formal_in_term(number)) or len(number) == _NIR_WITH_KEY


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding).lower()
    except UnicodeEncodeError:
        return b""


def _automaton(needles: dict[bytes, str], leftmost: bool = False) -> BytesAhoCorasick:
    from ahocorasick_rs import MATCHKIND_LEFTMOST_FIRST, BytesAhoCorasick  # Heavy to load; not every worker searches.

    if leftmost:
        # This kind of matching is vectorised, twenty times as fast; it leaves overlapping matches out, so it only tells whether.
        return BytesAhoCorasick(list(needles), matchkind=MATCHKIND_LEFTMOST_FIRST)
    return BytesAhoCorasick(list(needles))
