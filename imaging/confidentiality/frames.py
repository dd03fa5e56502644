"""Compressed frames: what in them is no pixel, by the marker structure of their standard.

A JPEG image may carry comments, application segments and bytes after its end; so may JPEG-LS and JPEG 2000, and an RLE
segment bytes after its last run. Those bytes are overwritten with zeros where they stand: every length and every table of
offsets stays right, and decoders read none of them. Sources: ITU-T T.81 annex B, T.87 annex C, T.800 annex A, DICOM PS3.5 annex G.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.confidentiality.structure import malformed

Span = tuple[int, int]

_PREFIX = "1.2.840.10008.1.2.4."
_JPEG = frozenset(
    {"50", "51", "52", "53", "54", "55", "56", "57", "58", "59", "60", "61", "62", "63", "64", "65", "66", "70", "80", "81"}
)
_JPEG_2000 = frozenset({"90", "91", "92", "93", "201", "202", "203"})
_JPEG_XL = frozenset({"110", "111", "112"})
_RLE = "1.2.840.10008.1.2.5"
# In the compressed bits of JPEG 0xFF is followed by 0 or a restart marker, in those of JPEG-LS by a byte below 0x80.
_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_END, _SCAN, _COMMENT = 0xD9, 0xDA, 0xFE
_TILE, _DATA, _COMMENT_2000 = 0x90, 0x93, 0x64


def hidden(frame: bytes, syntax: str, pixels: int) -> list[Span]:
    """Return the spans of one compressed frame that hold neither pixels nor what decodes them; spans of zeros are left out.

    Args:
        frame: The bytes of all its fragments.
        syntax: The transfer syntax.
        pixels: Rows times columns.

    Raises:
        Unusable: `malformed-file` or `unsupported-object`, for what does not follow its standard.
    """
    kind = syntax.removeprefix(_PREFIX)
    try:
        if syntax == _RLE:
            spans = _rle(frame, pixels)
        elif kind in _JPEG:
            spans = list(_jpeg(frame))
        elif kind in _JPEG_2000:
            spans = list(_jpeg_2000(frame))
        elif kind in _JPEG_XL and frame[:2] == b"\xff\x0a":
            spans = []  # A bare codestream has no place for a text.
        else:
            raise Unusable(
                reasons.UNSUPPORTED_OBJECT,
                "The frames are compressed in a way that cannot be looked through for texts.",
                "Export the images in a transfer syntax of JPEG, JPEG-LS, JPEG 2000 or RLE, or uncompressed.",
            )
    except IndexError:
        raise malformed("A compressed frame ends inside one of its segments.") from None
    return [(start, end) for start, end in spans if frame[start:end].strip(b"\0")]


def _word(frame: bytes, place: int) -> int:
    return frame[place] << 8 | frame[place + 1]


def _jpeg(frame: bytes) -> Iterator[Span]:
    if frame[:2] != b"\xff\xd8":
        raise malformed("A compressed frame is no JPEG image.")
    place = 2
    while place < len(frame):
        while frame[place] == 0xFF and frame[place + 1] == 0xFF:
            place += 1
        if frame[place] != 0xFF:
            raise malformed("A JPEG image is not well formed.")
        marker = frame[place + 1]
        if marker == _END:
            yield from _after_end(frame, place + 2)
            return
        if 0xD0 <= marker <= 0xD8 or marker == 1:
            place += 2
            continue
        end = place + 2 + _word(frame, place + 2)
        body = place + 4
        if end > len(frame):
            raise malformed("A JPEG segment is longer than its image.")
        if marker == _COMMENT or (0xE0 <= marker <= 0xEF and not _decodes(marker, frame[body:end])):
            yield body, end
        place = end
        if marker == _SCAN:
            found = _MARKER.search(frame, place)
            if found is None:
                return
            place = found.start()


def _decodes(marker: int, body: bytes) -> bool:
    """Return whether an application segment is one that decoders need, of its exact form: density, colour transform."""
    if marker == 0xE0:
        return body[:5] == b"JFIF\0" and len(body) == 14 and body[12:] == b"\0\0"
    if marker == 0xEE:
        return body[:5] == b"Adobe" and len(body) == 12
    return marker == 0xE8 and body[:4] == b"mrfx" and len(body) == 5


def _after_end(frame: bytes, place: int) -> Iterator[Span]:
    rest = frame[place:]
    if rest[:2] in (b"\xff\xd8", b"\xff\x4f") or rest[1:3] in (b"\xff\xd8", b"\xff\x4f"):
        raise malformed("More than one image stands where the header says one frame.")
    if rest.strip(b"\0\xff"):
        yield place, len(frame)


def _jpeg_2000(frame: bytes) -> Iterator[Span]:
    if frame[:2] != b"\xff\x4f":
        raise malformed("A compressed frame is no JPEG 2000 codestream.")
    place, tile_end = 2, 0
    while place < len(frame) - 1:
        if frame[place] != 0xFF:
            raise malformed("A JPEG 2000 codestream is not well formed.")
        marker = frame[place + 1]
        if marker == _END:
            yield from _after_end(frame, place + 2)
            return
        if marker == _DATA:
            if not tile_end:  # The last tile part says no length: it ends with the codestream.
                found = frame.rfind(b"\xff\xd9")
                tile_end = found if found >= 0 else len(frame)
            place = tile_end
            continue
        end = place + 2 + _word(frame, place + 2)
        if marker == _TILE:
            length = int.from_bytes(frame[place + 6 : place + 10], "big")
            tile_end = place + length if length else 0
            if tile_end > len(frame):
                return  # Cut short: there is nothing after it.
        if marker == _COMMENT_2000:
            yield place + 6, min(end, len(frame))
        place = end


def _rle(frame: bytes, pixels: int) -> list[Span]:
    count = int.from_bytes(frame[:4], "little")
    offsets = [int.from_bytes(frame[4 * (one + 1) : 4 * (one + 2)], "little") for one in range(min(count, 15))]
    if not 1 <= count <= 15 or len(frame) < 64 or offsets[0] != 64 or offsets != sorted(offsets):
        raise malformed("The header of an RLE frame is not well formed.")
    spans = [(4 * (count + 1), 64)]
    for start, end in pairwise([*offsets, len(frame)]):
        place, left = start, pixels
        while left > 0 and place < end:
            control = frame[place]
            if control < 128:
                place, left = place + control + 2, left - control - 1
            elif control > 128:
                place, left = place + 2, left - 257 + control
            else:
                place += 1
        if place < end:
            spans.append((place, end))
    return spans


def frames_of(fragments: list[Span], offsets: list[int], count: int, starts_image: Callable[[Span], bool]) -> list[list[Span]]:
    """Return the fragments of each frame.

    Args:
        fragments: Where each fragment's bytes stand, the table of offsets left out.
        offsets: The Basic Offset Table: where each frame's first fragment begins, counted from the first fragment's item.
        count: Number of frames by the header.
        starts_image: Tells whether a fragment begins an image.

    Raises:
        Unusable: `malformed-file`, when fragments and frames do not go together.
    """
    if not fragments:
        raise malformed("The pixels have no fragments.")
    items = [start - 8 - (fragments[0][0] - 8) for start, _ in fragments]
    if offsets and (offsets[0] != 0 or offsets != sorted(set(offsets)) or not set(offsets) <= set(items)):
        raise malformed("The table of offsets names no fragments.")
    if count == 1 or len(fragments) == count:
        return [fragments] if count == 1 else [[one] for one in fragments]
    firsts = set(offsets) or {item for item, one in zip(items, fragments, strict=True) if starts_image(one)}
    frames: list[list[Span]] = []
    for item, fragment in zip(items, fragments, strict=True):
        if item in firsts or not frames:
            frames.append([])
        frames[-1].append(fragment)
    return frames
