"""The verifier: the output's bytes are searched for everything the source said of the subject. A hit fails closed.

It knows nothing of the policy and reads what was written, not what was meant. The first look is a search of the raw
bytes, at every place. A needle of a few letters also occurs by chance (the name Max in `Maximum`, four digits in a
UID); so every hit of the first look is judged where it stands before the file is refused.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.confidentiality.actions import CHARACTER_SET, Job
from unibase.imaging.confidentiality.charsets import decode, encodings_of
from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.residual import residual
from unibase.imaging.confidentiality.structure import Element, Encoding, Reader
from unibase.imaging.confidentiality.values import names_standard, split_uids

_TEXTS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "UR", "PN", "AE"})
_NUMBERS = frozenset({"DS", "IS", "UI", "TM", "AS"})
_CERTAIN = 8
_SAMPLES = {16: ("<i2", 0x2000), 32: ("<i4", 0x20000000)}
"""Signed samples and the first whose highest byte is a blank or a printable character."""
"""From this many bytes on a needle does not occur by chance."""


def first_look(header: bytes, job: Job) -> list[tuple[str, int, int]]:
    """Return `(kind, start, end)` of all needles in the raw bytes of an output header; empty for a clean file.

    Args:
        header: Bytes of the output header.
        job: What was known when it was cleaned.
    """
    found = [(hit.kind, hit.start, hit.end) for hit in job.identifiers.search(header)]
    found += [("uid", start, end) for start, end in _uids(header, job.source_uids)]
    for day in _days(job.identifiers.known.days.days, frozenset(job.written_dates)):
        if day in header:
            found += [("date", start, start + 8) for start in _places(header, day) if header[start - 1 : start] not in _DIGITS]
    return found


_DIGITS = frozenset(b"%c" % one for one in b"0123456789.")
_UID = re.compile(rb"(?<![0-9.])[0-9]+(?:\.[0-9]+){2,}(?![0-9.])")
_SHORTEST_UID = 5


@lru_cache(maxsize=256)
def _days(days: frozenset[date], written: frozenset[bytes]) -> tuple[bytes, ...]:
    """Return the days (YYYYMMDD) that the output must not hold.

    A day that the shift itself wrote, of another date of the file, is no sign of a leak.
    """
    own = {one.strip(b" \0")[:8] for raw in written for one in raw.split(b"\\")}
    return tuple(sorted({b"%04d%02d%02d" % (day.year, day.month, day.day) for day in days} - own))


def _uids(header: bytes, values: set[bytes]) -> Iterator[tuple[int, int]]:
    sources = {one for raw in values for one in split_uids(raw) if len(one) >= _SHORTEST_UID and not names_standard(one)}
    if len(sources) <= 32:
        for one in sources:
            if one in header:
                for start in _places(header, one):
                    end = start + len(one)
                    if header[start - 1 : start] not in _DIGITS and header[end : end + 1] not in _DIGITS:
                        yield start, end
        return
    # Many UIDs, as in a structure set, begin alike: without their beginnings none of them is there.
    if any(beginning in header for beginning in {one[:14] for one in sources}):
        for match in _UID.finditer(header):
            if match[0] in sources:
                yield match.span()


def _places(content: bytes, needle: bytes) -> Iterator[int]:
    start = content.find(needle)
    while start >= 0:
        yield start
        start = content.find(needle, start + 1)


def judge(header: bytes, encoding: Encoding, job: Job, found: Iterable[tuple[str, int, int]]) -> None:
    """Raise when a needle of the first look stands where it tells something.

    Args:
        header, encoding: Bytes of the de-identified header, and how it is encoded.
        job, found: What was done; `(kind, start, end)` of the first look.

    Raises:
        Unusable: `residual-identifier`, naming the attribute and the kind of identifier.
    """
    values = list(_values(header, encoding))
    starts = [start for start, _, _ in values]
    for kind, start, end in found:
        index = bisect_right(starts, start) - 1
        inside = index >= 0 and end <= starts[index] + len(values[index][1].value or b"")
        if not inside:
            if end - start >= _CERTAIN:
                raise residual(kind, None)
            continue
        _, element, encodings = values[index]
        if _tells(kind, header[start:end], element, encodings, job.identifiers):
            raise residual(kind, element.tag)


def _tells(kind: str, needle: bytes, element: Element, encodings: tuple[str, ...], identifiers: Identifiers) -> bool:
    vr = element.vr
    value = element.value or b""
    if kind in ("uid", "date"):
        # Eight digits inside a longer number are no date.
        return not (kind == "date" and vr in _NUMBERS)
    if element.tag in (0x00100010, 0x00100020):
        return False  # The pseudonym itself, which may hold four digits of a number by chance.
    if vr in _TEXTS:
        text = decode(value, vr, encodings)
        return text is None or not needle.isascii() or bool(identifiers.spans(text))
    if vr == "CS":
        return identifiers.clean_code(value, encodings) != value
    if vr in _NUMBERS or vr in ("DA", "DT"):
        return not needle.isdigit()
    return len(needle) >= _CERTAIN and needle.decode("latin-1").isprintable()


def _values(header: bytes, encoding: Encoding) -> Iterator[tuple[int, Element, tuple[str, ...]]]:
    """Yield every value of an output header with its place, in the order of the bytes."""
    reader = _PlacedReader(header, 0, encoding)
    elements, end = reader.header()
    if end != len(header):
        raise Unusable(reasons.RESIDUAL_IDENTIFIER, "The output holds bytes after its header that were not understood.", "")
    encodings = next((encodings_of(one.value) for one in elements if one.tag == CHARACTER_SET and one.value), ("iso8859",))
    for start, element in sorted(reader.placed, key=lambda pair: pair[0]):
        yield start, element, encodings


class _PlacedReader(Reader):
    """A reader that remembers where each value begins."""

    def __init__(self, buffer: bytes, position: int, encoding: Encoding) -> None:
        super().__init__(buffer, position, encoding)
        self.placed: list[tuple[int, Element]] = []

    def _element(self, tag: int, end: int, encoding: Encoding, depth: int, creators: dict[int, str]) -> Element:
        element = super()._element(tag, end, encoding, depth, creators)
        if element.value is not None:
            self.placed.append((self.position - len(element.value), element))
        return element


def search_pixels(block: bytes | memoryview, identifiers: Identifiers, sample_bits: int = 0) -> None:
    """Raise when a needle of eight bytes or more, a joined name or a day stands in copied pixel bytes.

    Args:
        block: Bytes of pixels.
        identifiers: What is known of the persons of the file.
        sample_bits: Bits of one native little-endian sample, from the first byte of one on; 0 for compressed frames. Where no
            sample of 16 or 32 bits has a letter, digit or blank as its highest byte, no text of eight ASCII characters can stand.

    Raises:
        Unusable: `residual-identifier`.
    """
    if (identifiers.beyond_ascii or not _without_text(block, sample_bits)) and identifiers.in_pixels(block):
        raise residual("identifier", 0x7FE00010)


def _without_text(block: bytes | memoryview, sample_bits: int) -> bool:
    kind = _SAMPLES.get(sample_bits)
    if kind is None or not len(block) or len(block) % (sample_bits // 8):
        return False
    return int(np.frombuffer(block, kind[0]).max()) < kind[1]
