"""The parts of a `multipart/related` answer, one after the other as they come (RFC 2046, DICOM PS3.18 8.6.1.2.1)."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from unibase.imaging.fetching.polite import Again

IN_MEMORY = 32 * 2**20
"""Bytes of a part that are held in memory; a larger one goes to a file."""
_BOUNDARY = re.compile(r"""\bboundary\s*=\s*(?:"([^"]+)"|'([^']+)'|([^";,\s]+))""", re.IGNORECASE)
_LONGEST_HEAD = 2**16


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names, or nothing.

    Args:
        content_type: Of the answer.

    Example:
        >>> boundary_of('multipart/related; type="application/dicom"; boundary="a b"')
        b'a b'
    """
    found = _BOUNDARY.search(content_type)
    return next(one for one in found.groups() if one).strip().encode("latin-1") if found else b""


def parts(chunks: Iterable[bytes], boundary: bytes, folder: Path) -> Iterator[IO[bytes]]:
    """Yield the body of each part that came whole, open at its beginning.

    Args:
        chunks: The body of the answer, as it comes.
        boundary: Of its parts.
        folder: Where parts that are too large for memory wait.

    Raises:
        Again: If the answer ends before its last boundary: the part that was on its way is not yielded.
    """
    stream = _Stream(chunks, b"\r\n--" + boundary)
    for _ in stream.up_to_mark():
        pass  # what stands before the first part is for no one
    while not stream.last():
        stream.skip_head()
        # Closed by whoever takes it; what is not taken goes with this loop.
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder)) as body:
            for block in stream.up_to_mark():
                body.write(block)
            body.seek(0)
            yield body


class _Stream:
    """Bytes as they come, cut at a mark.

    Args:
        chunks: The bytes.
        mark: Line end, two hyphens and the boundary.
    """

    def __init__(self, chunks: Iterable[bytes], mark: bytes) -> None:
        self._chunks = iter(chunks)
        self._mark = mark
        # The first boundary may stand at the very beginning, without the line end before it.
        self._held = b"\r\n"

    def _more(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            raise Again("ended an answer before its last part was whole") from None

    def up_to_mark(self) -> Iterator[bytes]:
        """Yield the bytes before the next mark, and pass over it."""
        keep = len(self._mark) - 1
        while (place := self._held.find(self._mark)) < 0:
            if len(self._held) > keep:
                yield self._held[:-keep]
                self._held = self._held[-keep:]
            self._held += self._more()
        if place:
            yield self._held[:place]
        self._held = self._held[place + len(self._mark) :]

    def last(self) -> bool:
        """Return whether the mark that was passed over is the last one, which two hyphens follow."""
        while len(self._held) < 2:
            self._held += self._more()
        return self._held.startswith(b"--")

    def skip_head(self) -> None:
        """Pass over the header lines of a part."""
        while (place := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > _LONGEST_HEAD:
                raise Again("sent a part whose header does not end")
            self._held += self._more()
        self._held = self._held[place + 4 :]
