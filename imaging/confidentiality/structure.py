"""A DICOM header as a tree, from bytes and back: the reader and writer of the slow, complete path.

Reads implicit and explicit, little and big endian, sequences of defined and undefined length, UN elements that hold
sequences (always implicit little endian, PS3.5 6.2.2). Writes every element it did not change with the bytes it had.
What is not well formed raises `Unusable`; nothing is guessed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from pydicom.datadict import private_dictionary_VR

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging import reasons
from unibase.imaging.confidentiality.policy import dictionary_vr

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
SHORT_VRS = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"}
)
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
MAX_DEPTH = 48


class Encoding(NamedTuple):
    """How elements are encoded."""

    implicit: bool
    little: bool


IMPLICIT = Encoding(True, True)


@dataclass
class Item:
    """One item of a sequence."""

    elements: list[Element]
    undefined: bool


@dataclass
class Element:
    """One data element.

    Attributes:
        tag: Group in the high 16 bits.
        written_vr: VR in the file; empty in implicit encoding.
        vr: The VR that holds: the written one, or the dictionary's where none or `UN` is written; empty when unknown.
        value: Raw bytes, or None when `items` holds a sequence.
        undefined: Whether the length was undefined.
        creator: Private creator of a private element, empty when it has none.
        inner: Encoding of the items.
    """

    tag: int
    written_vr: str
    vr: str
    value: bytes | None
    items: list[Item] = field(default_factory=list)
    undefined: bool = False
    creator: str = ""
    inner: Encoding = IMPLICIT

    @property
    def private(self) -> bool:
        """Whether the group is odd."""
        return bool(self.tag >> 16 & 1)


def malformed(what: str) -> Unusable:
    """Return the problem of a header that does not follow its encoding.

    Args:
        what: What is wrong, in one sentence.

    >>> malformed("It ends too early.").reason
    'malformed-file'
    """
    return Unusable(reasons.MALFORMED_FILE, what, reasons.MALFORMED_FILE.remedy)


class Reader:
    """Reads elements from a buffer that holds a whole file or its header.

    Args:
        buffer: The bytes.
        position: Where the data set begins.
        encoding: Its encoding.
    """

    def __init__(self, buffer: bytes | memoryview | mmap.mmap, position: int, encoding: Encoding) -> None:
        self._buffer = buffer
        self.position = position
        self._encoding = encoding

    def header(self) -> tuple[list[Element], int]:
        """Return the elements before the pixels, and where the pixel element (or the end of the file) begins."""
        elements = self._elements(len(self._buffer), self._encoding, 0, top=True)
        return elements, self.position

    def tag_at(self, position: int, end: int) -> int:
        """Return the tag at a `position`, of bytes that go on to `end`."""
        return self._tag(position, end, self._encoding)

    def element_head(self, tag: int, end: int) -> tuple[str, int, int]:
        """Return the written VR, the length and the place of the value of the element `tag`, of bytes that go on to `end`."""
        return self._prefix(tag, end, self._encoding)

    def _elements(self, end: int, encoding: Encoding, depth: int, top: bool = False, delimited: bool = False) -> list[Element]:
        if depth > MAX_DEPTH:
            raise malformed(f"Sequences are nested more than {MAX_DEPTH} deep.")
        result: list[Element] = []
        creators: dict[int, str] = {}
        while True:
            if self.position >= end:
                if delimited:
                    raise _truncated()
                break
            tag = self._tag(self.position, end, encoding)
            if top and tag in PIXEL_TAGS:
                break
            if delimited and tag == ITEM_END:
                self._skip_delimiter(end, encoding)
                break
            if tag >> 16 == 0xFFFE:
                raise malformed("A delimiter stands where an element should.")
            result.append(self._element(tag, end, encoding, depth, creators))
        tags = [one.tag for one in result]
        if any(first >= second for first, second in pairwise(tags)):
            result.sort(key=lambda one: one.tag)
            if len(set(tags)) != len(tags):
                raise malformed("An element occurs twice in one data set.")
        return result

    def _element(self, tag: int, end: int, encoding: Encoding, depth: int, creators: dict[int, str]) -> Element:
        written, length, start = self._prefix(tag, end, encoding)
        vr, creator = self._meaning(tag, written, creators)
        undefined = length == UNDEFINED
        inner = IMPLICIT if written == "UN" else encoding
        self.position = start
        if undefined:
            if vr not in ("SQ", "UN", ""):
                raise malformed(f"Element ({tag >> 16:04X},{tag & 0xFFFF:04X}) has an undefined length but is no sequence.")
            items = self._items(end, inner, depth, delimited=True)
            return Element(tag, written, "SQ", None, items, True, creator, inner)
        if length > end - start:
            raise _truncated()
        if vr == "SQ":
            items = self._items(start + length, inner, depth, delimited=False)
            return Element(tag, written, "SQ", None, items, False, creator, inner)
        value = bytes(self._buffer[start : start + length])
        self.position = start + length
        if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
            creators[(tag >> 16) << 8 | tag & 0xFF] = value.decode("latin-1").strip(" \0")
        return Element(tag, written, vr, value, [], False, creator, inner)

    def _prefix(self, tag: int, end: int, encoding: Encoding) -> tuple[str, int, int]:
        order = "little" if encoding.little else "big"
        position = self.position
        if end - position < 8:
            raise _truncated()
        if encoding.implicit:
            return "", int.from_bytes(self._buffer[position + 4 : position + 8], order), position + 8  # type: ignore[arg-type]
        written = bytes(self._buffer[position + 4 : position + 6]).decode("latin-1")
        if written in SHORT_VRS:
            return written, int.from_bytes(self._buffer[position + 6 : position + 8], order), position + 8  # type: ignore[arg-type]
        if written not in LONG_VRS:
            raise malformed(f"Element ({tag >> 16:04X},{tag & 0xFFFF:04X}) has no valid VR.")
        if end - position < 12:
            raise _truncated()
        return written, int.from_bytes(self._buffer[position + 8 : position + 12], order), position + 12  # type: ignore[arg-type]

    @staticmethod
    def _meaning(tag: int, written: str, creators: dict[int, str]) -> tuple[str, str]:
        """Return the VR that holds and the private creator."""
        creator = ""
        if tag >> 16 & 1:
            creator = creators.get(tag >> 8, "") if tag & 0xFFFF > 0xFF else ""
            if written not in ("", "UN"):
                return written, creator
            if 0x10 <= tag & 0xFFFF <= 0xFF:
                return "LO", ""
            return private_vr(tag, creator), creator
        if written not in ("", "UN"):
            return written, creator
        return dictionary_vr(tag) or written, creator

    def _items(self, end: int, encoding: Encoding, depth: int, delimited: bool) -> list[Item]:
        order = "little" if encoding.little else "big"
        items: list[Item] = []
        while True:
            if self.position >= end:
                if delimited:
                    raise _truncated()
                if self.position > end:
                    raise malformed("An item is longer than its sequence.")
                return items
            tag = self._tag(self.position, end, encoding)
            if delimited and tag == SEQUENCE_END:
                self._skip_delimiter(end, encoding)
                return items
            if tag != ITEM:
                raise malformed("A sequence holds something else than items.")
            length = int.from_bytes(self._buffer[self.position + 4 : self.position + 8], order)  # type: ignore[arg-type]
            self.position += 8
            undefined = length == UNDEFINED
            if not undefined and length > end - self.position:
                raise malformed("An item is longer than its sequence.")
            stop = end if undefined else self.position + length
            elements = self._elements(stop, encoding, depth + 1, delimited=undefined)
            items.append(Item(elements, undefined))

    def _tag(self, position: int, end: int, encoding: Encoding) -> int:
        if end - position < 8:
            raise _truncated()
        order = "little" if encoding.little else "big"
        group = int.from_bytes(self._buffer[position : position + 2], order)  # type: ignore[arg-type]
        element = int.from_bytes(self._buffer[position + 2 : position + 4], order)  # type: ignore[arg-type]
        return group << 16 | element

    def _skip_delimiter(self, end: int, encoding: Encoding) -> None:
        if bytes(self._buffer[self.position + 4 : self.position + 8]) != b"\0\0\0\0":
            raise malformed("A delimiter has a length.")
        self.position += 8


def private_vr(tag: int, creator: str) -> str:
    """Return the VR that pydicom's private dictionary gives to a private element, or an empty string.

    Args:
        tag: The element.
        creator: Name of its block.
    """
    try:
        return private_dictionary_VR(tag, creator).split(" ")[0]
    except KeyError:
        return ""


def _truncated() -> Unusable:
    return Unusable(TRUNCATED_FILE, "The file ends inside an element.", "Copy or export the file again: a part of it is missing.")


def walk(elements: list[Element]) -> Iterator[Element]:
    """Yield every element at every depth.

    Args:
        elements: Elements of one level.
    """
    for element in elements:
        yield element
        for item in element.items:
            yield from walk(item.elements)


def write(elements: list[Element], encoding: Encoding) -> bytes:
    """Return the bytes of elements in an `encoding`; sequences and items keep the form of length they had."""
    parts: list[bytes] = []
    for element in elements:
        if element.value is None:
            body = b"".join(_item(item, element.inner) for item in element.items)
            if element.undefined:
                body += _delimiter(SEQUENCE_END, element.inner)
        else:
            body = element.value
        parts.append(prefix(element.tag, element.written_vr, UNDEFINED if element.undefined else len(body), encoding) + body)
    return b"".join(parts)


def prefix(tag: int, vr: str, length: int, encoding: Encoding) -> bytes:
    """Return `tag`, `vr` and `length` as the `encoding` writes them.

    Raises:
        Unusable: If the length does not fit its VR.
    """
    order = "little" if encoding.little else "big"
    start = (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)  # type: ignore[arg-type]
    if encoding.implicit:
        return start + length.to_bytes(4, order)  # type: ignore[arg-type]
    if vr in LONG_VRS:
        return start + vr.encode() + b"\0\0" + length.to_bytes(4, order)  # type: ignore[arg-type]
    if length > 0xFFFF:
        raise malformed(f"Element ({tag >> 16:04X},{tag & 0xFFFF:04X}) is too long for its VR.")
    return start + vr.encode() + length.to_bytes(2, order)  # type: ignore[arg-type]


def _item(item: Item, encoding: Encoding) -> bytes:
    body = write(item.elements, encoding)
    order = "little" if encoding.little else "big"
    start = (ITEM >> 16).to_bytes(2, order) + (ITEM & 0xFFFF).to_bytes(2, order)  # type: ignore[arg-type]
    if item.undefined:
        return start + b"\xff\xff\xff\xff" + body + _delimiter(ITEM_END, encoding)
    return start + len(body).to_bytes(4, order) + body  # type: ignore[arg-type]


def _delimiter(tag: int, encoding: Encoding) -> bytes:
    order = "little" if encoding.little else "big"
    return (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order) + b"\0\0\0\0"  # type: ignore[arg-type]
