"""Text files of any size by blocks of whole lines, packed or not, in UTF-8."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from unibase.omics.readers.binary_forms import no_text, refuse_other_texts
from unibase.omics.readers.tabular import is_gzip, truncated

BLOCK = 8 * 2**20
"""Bytes that are read together."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_blocks(path: Path, encoding: str = "utf-8", size: int = BLOCK) -> Iterator[bytes]:
    r"""Yield whole lines of a text as UTF-8, ended by line feeds; the last may lack its end.

    Args:
        path: Plain, gzip or bgzip.
        encoding: Of its text; a byte-order mark overrules it.
        size: Bytes that are read together.

    Raises:
        Unusable: `truncated-file`; `not-a-matrix` when the file is no text.
        UnicodeDecodeError: If the file is not of this encoding.

    >>> path = getfixture("tmp_path") / "x.tsv"
    >>> _ = path.write_bytes(b"gene\tS1\r\nTP53\t5")
    >>> list(text_blocks(path, size=4))
    [b'gene\tS1\n', b'TP53\t5']
    """
    try:
        opened: IO[bytes] = gzip.open(path, "rb") if is_gzip(path) else path.open("rb")  # type: ignore[assignment]  # noqa: SIM115
        with opened as file:
            yield from _lines(file, encoding, size)
    except (OSError, EOFError, zlib.error) as error:
        raise truncated(error) from None


def _lines(file: IO[bytes], encoding: str, size: int) -> Iterator[bytes]:
    left = bytearray()
    for piece in _decoded(file, encoding, size):
        end = piece.rfind(b"\n") + 1
        left += piece[:end]
        if end:
            yield _checked(bytes(left))
            left.clear()
        left += piece[end:]
    if left:
        yield _checked(bytes(left))


def _decoded(file: IO[bytes], encoding: str, size: int) -> Iterator[bytes]:
    """Yield pieces of a file as UTF-8 without byte-order mark; those of a file in UTF-8 may be cut within a letter."""
    first = file.read(max(size, 3))
    utf16 = first[:2] in _UTF16
    if not utf16 and b"\0" in first[:8192]:
        raise no_text(first)
    refuse_other_texts(first[:4096])
    if not utf16 and encoding == "utf-8":
        yield first.removeprefix(codecs.BOM_UTF8)
        while piece := file.read(size):
            yield piece
        return
    decode = codecs.getincrementaldecoder("utf-16" if utf16 else encoding)(errors="replace").decode
    while first:
        yield decode(first).encode()
        first = file.read(size)


def _checked(lines: bytes) -> bytes:
    """Return whole lines that are UTF-8, without carriage returns before their ends."""
    lines.decode()
    return lines.replace(b"\r\n", b"\n") if b"\r" in lines else lines
