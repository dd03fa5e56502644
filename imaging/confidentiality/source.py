"""A source file: its encoding, its header by either path, and where its pixels are."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from unibase.groundwork.inflating import inflate
from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging import reasons
from unibase.imaging.confidentiality import objects
from unibase.imaging.confidentiality.actions import CHARACTER_SET, STATEMENT_TAGS, TIME_ZONE
from unibase.imaging.confidentiality.embedded import clinical_document
from unibase.imaging.confidentiality.fast import FastHeader, NotFast, Purpose
from unibase.imaging.confidentiality.pixel_element import PixelElement, incomplete
from unibase.imaging.confidentiality.policy import Policy
from unibase.imaging.confidentiality.slow import TreeHeader
from unibase.imaging.confidentiality.structure import Encoding, malformed
from unibase.imaging.confidentiality.texts.known import Knowledge
from unibase.imaging.dicom.opened import without_preamble

_WHOLE = 64 * 2**20
"""Files up to this size are read whole; of larger ones only the header, and the pixels are copied in blocks."""

_IMPLICIT = "1.2.840.10008.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_NATIVE = {
    _IMPLICIT: Encoding(True, True),
    _EXPLICIT: Encoding(False, True),
    "1.2.840.10008.1.2.2": Encoding(False, False),
}
_ENCAPSULATED_PREFIXES = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")
_STREAMED = ("1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.10")
STUDY, SERIES, INSTANCE = 0x0020000D, 0x0020000E, 0x00080018
PATIENT_ID, STUDY_DATE = 0x00100020, 0x00080020
DOCUMENT = 0x00420011
PATIENT_NAME, BIRTH_DATE, SEX = 0x00100010, 0x00100030, 0x00100040
_NOTED = frozenset(objects.FACTS) | {STUDY, SERIES, INSTANCE, PATIENT_ID, STUDY_DATE, CHARACTER_SET, TIME_ZONE}
_NOTED |= {PATIENT_NAME, BIRTH_DATE, SEX}


Treatment = Literal["copied", "accepted", "blanked"]
"""What was done to pixels: nothing, nothing since a person accepted them, or boxes of them were made black."""


class Source:
    """A source file: its encoding, its header as a tree, and where its pixels are.

    Args:
        path: The file.
        content: What stands for its bytes when its pixels were treated before.
        pixels: How they were.
    """

    def __init__(self, path: Path | str, content: bytes | None = None, pixels: Treatment = "copied") -> None:
        self.path, self.pixels = path, pixels
        self._content = content

    def __enter__(self) -> Source:
        # Without a buffer of its own: what is read is read at once.
        self._file = open(self.path, "rb", buffering=0)
        self._map: mmap.mmap | None = None
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            self._map.close()
        self._file.close()

    def _open(self) -> None:
        size = os.fstat(self._file.fileno()).st_size if self._content is None else len(self._content)
        if size < 132:
            raise _not_dicom()
        self.buffer: bytes | mmap.mmap
        if self._content is not None:
            self.buffer = self._content
        elif size <= _WHOLE:
            content = self._file.read(size)
            while len(content) < size:
                more = self._file.read(size - len(content))
                if not more:
                    raise incomplete("The file became shorter while it was read.")
                content += more
            self.buffer = content
        else:
            self.buffer = self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self.transfer_syntax, self._sop_class, start = _read_start(self.buffer)
        self.deflated = self.transfer_syntax == _DEFLATED
        if self.deflated:
            try:
                self.buffer = inflate(self.buffer[start:])
            except EOFError:
                raise Unusable(TRUNCATED_FILE, "The deflated data set ends early.", "Export the file again.") from None
            start = 0
        self._start = start
        self.encoding = _encoding(self.transfer_syntax)

    def fast_header(self, policy: Policy) -> FastHeader:
        """Walk the header with the compiled policy.

        Args:
            policy: The study's policy.

        Raises:
            NotFast: For what only the complete path treats.
        """
        header = FastHeader(self.buffer, self._start, self.encoding, Purpose(policy, self._sop_class, _NOTED, STATEMENT_TAGS))
        if header.top.get(objects.SOP_CLASS, b"").strip(b" \0") != self._sop_class.encode():
            raise NotFast
        return header

    def tree_header(self) -> TreeHeader:
        """Read the header as a tree."""
        return TreeHeader(self.buffer, self._start, self.encoding)

    def take(self, header: FastHeader | TreeHeader) -> Mapping[int, bytes]:
        """Use `header` as this file's; return the values of its top level.

        Args:
            header: What either path read.
        """
        self.top = header.top
        self._pixels = PixelElement(self.buffer, header.pixels, self.encoding)
        return self.top

    def facts(self) -> dict[str, str]:
        """Return the values of `objects.FACTS` as texts."""
        result = {}
        order = "little" if self.encoding.little else "big"
        for tag, keyword in objects.FACTS.items():
            raw = self.top.get(tag)
            if raw:
                if tag in objects.BINARY_FACTS:
                    result[keyword] = str(int.from_bytes(raw[:2], order))  # type: ignore[arg-type]
                else:
                    result[keyword] = raw.decode("latin-1").strip(" \0")
        if self._sop_class in objects.OF_NO_EXAM:  # A DICOMDIR says what it is in its meta information alone.
            result.setdefault("SOPClassUID", self._sop_class)
        return result

    def said_in_document(self, retained: frozenset[str]) -> tuple[Knowledge, ...]:
        """Return what a clinical document inside says of persons; nothing of other objects.

        Args:
            retained: Options of PS3.15 in force: days that are retained are not sought.

        Raises:
            Unusable: `unsupported-object`, when it is no clinical document.
        """
        if self._sop_class != objects.CLINICAL_DOCUMENT or DOCUMENT not in self.top:
            return ()
        return (clinical_document.what_it_knows(self.top[DOCUMENT], dated="full_dates" not in retained),)

    def settle_pixels(self, facts: Mapping[str, str]) -> None:
        """Find what is no pixel in the pixel element.

        Args:
            facts: What the header says of the image.

        Raises:
            Unusable: `truncated-file` or `malformed-file`, when pixels are missing or too many.
        """
        self._pixels.settle(facts, self.transfer_syntax, self._read)

    def sample_bits(self) -> int:
        """Return the bits of one native little-endian sample, or 0."""
        return self._pixels.sample_bits if self.encoding.little else 0

    def pixel_blocks(self) -> Iterator[bytes | memoryview]:
        """Yield the pixel element: first its tag and length, then its bytes in blocks."""
        return self._pixels.blocks(self._read, self._map is None)

    def _read(self, start: int, end: int) -> bytes:
        if self._map is None:
            return bytes(self.buffer[start:end])
        # Read, not mapped: mapped pages would count as memory of this process.
        self._file.seek(start)
        content = self._file.read(end - start)
        while len(content) < end - start:
            more = self._file.read(end - start - len(content))
            if not more:
                raise incomplete("The file became shorter while it was read.")
            content += more
        return content


def _read_start(buffer: bytes | mmap.mmap) -> tuple[str, str, int]:
    """Return the transfer syntax, the SOP class and where the data set begins, of files with and without a preamble.

    What lacks both preamble and meta information is older than Part 10: it holds what was sent, in one of two plain
    encodings (PS3.5 7.1), which the letters of the first VR tell apart. Its SOP class is read from the data set.
    """
    if buffer[128:132] == b"DICM":
        return _read_meta(buffer, 132)
    start = bytes(buffer[:132])
    if not without_preamble(start):
        raise _not_dicom()
    if start[:2] == b"\x02\0":
        return _read_meta(buffer, 0)
    return _EXPLICIT if start[4:6].isalpha() else _IMPLICIT, "", 0


def _read_meta(buffer: bytes | mmap.mmap, position: int) -> tuple[str, str, int]:
    """Return the transfer syntax, the SOP class and where the data set begins; the meta information is at `position`."""
    end = len(buffer)
    found = {b"\x10\0": "", b"\x02\0": ""}
    while buffer[position : position + 2] == b"\x02\0":
        head = buffer[position : position + 12]
        if len(head) < 8:
            break
        if head[4:6] in (b"OB", b"UN", b"OW", b"UT"):
            start = position + 12
            length = int.from_bytes(head[8:12], "little")
        else:
            start = position + 8
            length = head[6] | head[7] << 8
        position = start + length
        if position > end:
            raise Unusable(TRUNCATED_FILE, "The file ends inside its meta information.", "Copy or export the file again.")
        if head[2:4] in found:
            found[head[2:4]] = bytes(buffer[start:position]).decode("latin-1").strip(" \0")
    if not found[b"\x10\0"]:
        raise malformed("The file meta information names no transfer syntax.")
    return found[b"\x10\0"], found[b"\x02\0"], position


def _encoding(syntax: str) -> Encoding:
    if syntax in _NATIVE:
        return _NATIVE[syntax]
    if syntax.startswith(_STREAMED) or not (syntax.startswith(_ENCAPSULATED_PREFIXES) or syntax == _DEFLATED):
        raise Unusable(
            reasons.UNSUPPORTED_OBJECT,
            "The transfer syntax is a video, a reference to a server, or not of the standard.",
            "Export the images in a transfer syntax for still images.",
        )
    return Encoding(False, True)


def _not_dicom() -> Unusable:
    return Unusable(reasons.NOT_DICOM, "The file is not DICOM.", "Leave it out, or export it as a DICOM file (PS3.10).")
