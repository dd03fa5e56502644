"""The pixel element: copied, never decoded; cut to the pixels that the header announces, and what no pixel is blanked."""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging.confidentiality import frames, objects
from unibase.imaging.confidentiality.structure import UNDEFINED, Encoding, Reader, malformed, prefix

BLOCK = 2**20
"""Large files are copied in blocks of this size."""
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_IMAGES = (b"\xff\xd8", b"\xff\x4f", b"\xff\x0a")


class PixelElement:
    """The pixel element of a source file.

    Args:
        buffer: The whole file, or the inflated data set.
        position: Where the element begins; at the end of the buffer there is none.
        encoding: Encoding of the data set.

    Attributes:
        tag: Its tag, or None.
        sample_bits: Bits of one native sample; 0 for compressed frames.

    Raises:
        Unusable: `truncated-file` or `malformed-file`.
    """

    def __init__(self, buffer: bytes | mmap.mmap, position: int, encoding: Encoding) -> None:
        self.tag: int | None = None
        self.sample_bits = 0
        self._buffer, self._encoding = buffer, encoding
        self._blanks: list[frames.Span] = []
        self._fragments: list[frames.Span] = []
        self._native = False
        self._padding = b""
        if position >= len(buffer):
            return
        reader = Reader(buffer, position, encoding)
        self.tag = reader.tag_at(position, len(buffer))
        self._vr, length, self._start = reader.element_head(self.tag, len(buffer))
        self._head = bytes(buffer[position : self._start])
        if length == UNDEFINED:
            self._end = self._read_fragments()
            return
        if length > len(buffer) - self._start:
            raise incomplete("The file ends inside its pixels.")
        self._native, self._end = True, self._start + length

    def _read_fragments(self) -> int:
        position, end = self._start, len(self._buffer)
        while True:
            if end - position < 8:
                raise incomplete("The file ends inside its pixels.")
            item = bytes(self._buffer[position : position + 8])
            position += 8
            if item == _SEQUENCE_END:
                return position
            size = int.from_bytes(item[4:], "little")
            if item[:4] != _ITEM or size == UNDEFINED:
                raise malformed("The fragments of the pixels are not well formed.")
            self._fragments.append((position, position + size))
            position += size
            if position > end:
                raise incomplete("The file ends inside its pixels.")

    def settle(self, facts: Mapping[str, str], syntax: str, read: Callable[[int, int], bytes]) -> None:
        """Find what is no pixel, so that `blocks` leaves it out.

        Args:
            facts: What the header says of the image.
            syntax: Its transfer syntax.
            read: Returns the bytes of the file from one place to another.

        Raises:
            Unusable: `truncated-file`, when pixels are missing; `malformed-file`, when there are more than the header says.
        """
        if "Rows" not in facts:
            return
        if self.tag is None:
            raise incomplete("The header describes pixels and the file has none.")
        if self._native:
            self._settle_native(facts)
        else:
            self._settle_frames(facts, syntax, read)

    def _settle_native(self, facts: Mapping[str, str]) -> None:
        wanted = objects.pixel_bytes(facts)
        if wanted is None:
            return
        self.sample_bits = int(facts["BitsAllocated"])
        length = self._end - self._start
        if length < wanted:
            raise incomplete("There are fewer pixels than rows, columns and frames say.")
        frame = -(-wanted // max(1, int(facts.get("NumberOfFrames") or 1)))
        if length - wanted > max(frame, 2) - 1:
            raise malformed("There are more pixels than rows, columns and frames say.")
        self._end, self._padding = self._start + wanted, bytes(wanted % 2)
        even = wanted + wanted % 2
        if even != length:
            assert self.tag is not None
            self._head = prefix(self.tag, self._vr, even, self._encoding)

    def _settle_frames(self, facts: Mapping[str, str], syntax: str, read: Callable[[int, int], bytes]) -> None:
        table, *fragments = self._fragments or [(0, 0)]
        content = read(*table)
        if len(content) % 4:
            raise malformed("The table of offsets of the frames is not well formed.")
        offsets = [int.from_bytes(content[place : place + 4], "little") for place in range(0, len(content), 4)]
        count = max(1, int(facts.get("NumberOfFrames") or 1))
        area = int(facts["Rows"]) * int(facts.get("Columns", "0"))
        together = frames.frames_of(fragments, offsets, count, lambda one: read(one[0], min(one[0] + 2, one[1])) in _IMAGES)
        for frame in together:
            joined = b"".join(read(*one) for one in frame)
            for start, end in frames.hidden(joined, syntax, area):
                self._blanks += _in_file(frame, start, end)
        self._blanks.sort()

    def blocks(self, read: Callable[[int, int], bytes], whole: bool) -> Iterator[bytes | memoryview]:
        """Yield the element's tag and length, then its bytes, without what `settle` found.

        Args:
            read: Returns the bytes of the file from one place to another.
            whole: Whether the buffer is in memory, so that no copy is needed.
        """
        if self.tag is None:
            return
        yield self._head
        if whole and not self._blanks:
            yield memoryview(self._buffer)[self._start : self._end]
        else:
            for start in range(self._start, self._end, BLOCK):
                end = min(start + BLOCK, self._end)
                yield _blanked(read(start, end), start, self._blanks)
        if self._padding:
            yield self._padding


def _in_file(fragments: list[frames.Span], start: int, end: int) -> list[frames.Span]:
    """Return where a span of joined fragments stands in the file."""
    found, before = [], 0
    for first, last in fragments:
        size = last - first
        low, high = max(start - before, 0), min(end - before, size)
        if low < high:
            found.append((first + low, first + high))
        before += size
    return found


def _blanked(block: bytes, place: int, blanks: list[frames.Span]) -> bytes:
    first = max(bisect_right(blanks, (place, 0)) - 1, 0)
    if not any(start < place + len(block) and end > place for start, end in blanks[first:]):
        return block
    changed = bytearray(block)
    for start, end in blanks[first:]:
        low, high = max(start - place, 0), min(end - place, len(block))
        if low < high:
            changed[low:high] = bytes(high - low)
    return bytes(changed)


def incomplete(what: str) -> Unusable:
    """Return the problem of a file of which a part is missing.

    Args:
        what: What is missing, in one sentence.
    """
    return Unusable(TRUNCATED_FILE, what, "Copy or export the file again: a part of it is missing.")
