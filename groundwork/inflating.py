"""How far a packed file may inflate: a few megabytes that hold gigabytes of nothing take a worker's memory, so they are refused."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import INFLATES_TOO_FAR

MOST_TIMES_LARGER = 250
"""Nothing unpacks to more than this many times its own size: DICOM shrinks to a half or third as a rule, tables to a tenth, a
black mask in 16 bits to a hundredth."""
ALWAYS_ALLOWED = 256 * 2**20
"""Bytes that any file may unpack to: few and empty images shrink further."""
_BLOCK = 2**20


def most_inflated(packed: int) -> int:
    """Return how many bytes a file may inflate to.

    Args:
        packed: Its own bytes.

    >>> most_inflated(1_000), most_inflated(10_000_000)
    (268435456, 2500000000)
    """
    return max(ALWAYS_ALLOWED, MOST_TIMES_LARGER * packed)


def inflate(packed: bytes) -> bytes:
    """Return what a raw deflate stream holds, as a deflated DICOM data set is one.

    Args:
        packed: The stream.

    Raises:
        Unusable: `inflates-too-far`.
        EOFError: If the stream ends early.
        zlib.error: If it is none.
    """
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    found = unpack.decompress(packed, most_inflated(len(packed)))
    if unpack.unconsumed_tail:
        raise Unusable(INFLATES_TOO_FAR)
    if not unpack.eof:
        raise EOFError
    return found


def refuse_bomb(path: Path, start: int) -> None:
    """Read a raw deflate stream inside a file to its end, and keep nothing of it.

    Args:
        path: The file.
        start: Where the stream begins.

    Raises:
        Unusable: `inflates-too-far`.
        zlib.error: If it is no such stream.
    """
    left = most_inflated(path.stat().st_size - start)
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        file.seek(start)
        while block := unpack.unconsumed_tail or file.read(_BLOCK):
            left -= len(unpack.decompress(block, _BLOCK))
            if left < 0:
                raise Unusable(INFLATES_TOO_FAR)


def gunzip(packed: bytes) -> bytes:
    r"""Return what a gzip file holds, all its members.

    Args:
        packed: Its bytes.

    Raises:
        Unusable: `inflates-too-far`.
        EOFError: If it ends early.
        OSError: If it is no gzip file, or its checksum is wrong.
        zlib.error: If its stream is broken.

    >>> gunzip(gzip.compress(b"gene\n") + gzip.compress(b"TP53\n"))
    b'gene\nTP53\n'
    """
    most = most_inflated(len(packed))
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise Unusable(INFLATES_TOO_FAR)
    return found
