"""What one file teaches of names: words that are names as well, borne by staff and relatives whom the file names.

A name that no list knows goes from every text anyway. One that is a word too (`Grand`, `Masse`) goes where something says
that a person is meant; that a physician or a mother of this hospital bears it is such a thing, whatever file says so.
All files of a hospital are therefore read before any is de-identified (`names_taught`): the names do not depend on an order.

The header is searched for the beginnings of elements, not walked: a likeness by chance teaches at most a word that is a
name. Files in rarer encodings are read as a tree.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.datadict import DicomDictionary

from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.charsets import decode, encodings_of
from unibase.imaging.confidentiality.deidentified import source_elements
from unibase.imaging.confidentiality.gathering import PATIENT_NAMES
from unibase.imaging.confidentiality.structure import walk
from unibase.imaging.confidentiality.texts.announced import announced
from unibase.imaging.confidentiality.texts.folding import fold, repair, spellings
from unibase.imaging.confidentiality.texts.known import SEPARATORS, WORD, teachable
from unibase.imaging.confidentiality.texts.titled import titled

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

COMMENTS = frozenset({0x00104000, 0x001021B0, 0x00204000, 0x00324000, 0x00384000, 0x00380300, 0x00400254, 0x00401400, 0x00102297})
"""Texts in which relatives and staff are named: comments on the patient, the image, the visit and the request."""
_RELATIVES = frozenset({0x00102297, 0x00101060})
_CHARACTER_SET = 0x00080005
_FIRST, _MOST = 1 << 14, 1 << 24
_PIXELS = b"\xe0\x7f\x10\x00"
_ODD = (b"1.2.840.10008.1.2.2\0", b"1.2.840.10008.1.2.1.99")
_IMPLICIT = b"1.2.840.10008.1.2\0"
_NAME = b"PN"
_LONG = (b"UT", b"UN")
_LONGEST = 4096


def names_taught(path: Path | str) -> frozenset[str]:
    """Return the folded words of names of staff and relatives in one file that are words of the vocabulary too.

    Args:
        path: The source file; one that cannot be read teaches nothing.
    """
    try:
        header = _header(Path(path))
        values = list(_of_tree(path) if any(one in header[:1024] for one in _ODD) else _found(header))
    except (OSError, Unusable):
        return frozenset()
    encodings = next((encodings_of(raw) for tag, _, raw in values if tag == _CHARACTER_SET), ("iso8859",))
    return frozenset().union(*(_words(tag, vr, raw, encodings) for tag, vr, raw in values if tag != _CHARACTER_SET))


def _header(path: Path) -> bytes:
    """Return the bytes before the pixels, at most 16 MiB."""
    with path.open("rb", buffering=0) as stream:
        header = stream.read(_FIRST)
        for more in (4 * _FIRST, _MOST):
            if _PIXELS in header or len(header) % _FIRST:
                break
            header += stream.read(more)
    return header.partition(_PIXELS)[0]


@cache
def _beginnings() -> tuple[BytesAhoCorasick, BytesAhoCorasick]:
    """Return what finds the elements of interest in explicit and in implicit headers, both little-endian."""
    from ahocorasick_rs import MATCHKIND_LEFTMOST_FIRST, BytesAhoCorasick  # Heavy to load.

    names = {tag for tag, entry in DicomDictionary.items() if entry[0] == "PN"} - PATIENT_NAMES | _RELATIVES
    texts = COMMENTS | {_CHARACTER_SET}
    written = {tag: struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in sorted(texts | names)}
    explicit = [_NAME, *(written[tag] + _vr(tag).encode() for tag in sorted(texts))]
    return (
        BytesAhoCorasick(explicit, matchkind=MATCHKIND_LEFTMOST_FIRST),
        BytesAhoCorasick(list(written.values()), matchkind=MATCHKIND_LEFTMOST_FIRST),
    )


def _found(header: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Yield tag, VR and value of what begins in a header of little-endian bytes."""
    explicit, implicit = _beginnings()
    if _IMPLICIT in header[:1024] or (header[128:132] != b"DICM" and not header[4:6].isalpha()):
        for _, place, _ in implicit.find_matches_as_indexes(header):
            yield from _at(header, place)
    else:
        for index, place, _ in explicit.find_matches_as_indexes(header):
            yield from _at(header, place - 4 if index == 0 else place)


def _at(header: bytes, place: int) -> Iterator[tuple[int, str, bytes]]:
    """Yield the element whose tag stands at a place, where a VR or a short length follows; not the patient's name."""
    group, number = struct.unpack_from("<HH", header, max(place, 0))
    tag, vr, start = group << 16 | number, header[place + 4 : place + 6], place + 8
    if vr in _LONG:
        length, start = int.from_bytes(header[place + 8 : place + 12], "little"), place + 12
    elif vr.isalpha() and vr.isupper():
        length = int.from_bytes(header[place + 6 : place + 8], "little")
    else:
        length = int.from_bytes(header[place + 4 : place + 8], "little")
    if 0 < length <= _LONGEST and tag not in PATIENT_NAMES - _RELATIVES:
        yield tag, _vr(tag), header[start : start + length]


def _of_tree(path: Path | str) -> Iterator[tuple[int, str, bytes]]:
    for element in walk(source_elements(path)):
        of_person = element.vr == "PN" and element.tag not in PATIENT_NAMES - _RELATIVES
        if element.value and (of_person or element.tag in COMMENTS or element.tag == _CHARACTER_SET):
            yield element.tag, _vr(element.tag), element.value


def _vr(tag: int) -> str:
    entry = DicomDictionary.get(tag)
    return str(entry[0]) if entry else "PN"


@lru_cache(maxsize=8192)
def _words(tag: int, vr: str, raw: bytes, encodings: tuple[str, ...]) -> frozenset[str]:
    text = repair((decode(raw, vr, encodings) or "").strip(" \0"))
    if tag in COMMENTS and vr != "PN":
        plain = fold(text).plain
        words: Iterable[str] = (word for a, b in (*announced(plain), *titled(plain)) for word in WORD.findall(plain[a:b]))
    else:
        words = (form for word in SEPARATORS.split(text) for form in spellings(word))
    return frozenset(words) & teachable()
