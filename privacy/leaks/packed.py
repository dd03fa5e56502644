"""What is packed inside bytes: gzip, zip, PNG texts, PDF streams, data inside HTML, deflated DICOM."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator

_LONGEST_INNER = 1 << 31


def is_container(head: bytes) -> bool:
    r"""Return whether something may be packed inside a file.

    Args:
        head: Its first 4,096 bytes.

    >>> is_container(b"PK\x03\x04"), is_container(b"plain text")
    (True, False)
    """
    start = head.lstrip()[:256].lower()
    is_html = start.startswith((b"<!doctype html", b"<html", b"<svg", b"<?xml"))
    return is_html or head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"%PDF")) or head[128:132] == b"DICM"


def unpack(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (place, decoded bytes) of what is packed directly inside.

    Args:
        content: The bytes of a file, or of what was packed in one.

    >>> import gzip
    >>> list(unpack(gzip.compress(b"inside", mtime=0)))
    [('gzip', b'inside')]
    """
    if content.startswith(b"\x1f\x8b"):
        with contextlib.suppress(OSError, EOFError, zlib.error):
            yield "gzip", gzip.decompress(content)
    elif content.startswith(b"PK\x03\x04"):
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                with contextlib.suppress(RuntimeError, zlib.error, NotImplementedError, zipfile.BadZipFile):
                    yield f"zip:{member}", archive.read(member)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        yield from _png_texts(content)
    elif content[128:132] == b"DICM":
        deflated = _deflated_dataset(content)
        if deflated is not None:
            yield "deflated dataset", deflated
    elif content.startswith(b"%PDF"):
        for number, stream in enumerate(re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)):
            with contextlib.suppress(zlib.error):
                yield f"pdf stream {number}", zlib.decompressobj().decompress(stream)
    else:
        for number, encoded in enumerate(re.findall(rb"base64,\s*([A-Za-z0-9+/=\s]{16,})", content)):
            with contextlib.suppress(ValueError):
                yield f"base64 {number}", base64.b64decode(re.sub(rb"\s", b"", encoded))


def _png_texts(content: bytes) -> Iterator[tuple[str, bytes]]:
    position = 8
    while position + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[position : position + 8])
        data = content[position + 8 : position + 8 + length]
        position += 12 + length
        if kind == b"tEXt":
            yield "png tEXt", data
        elif kind == b"zTXt":
            key, _, rest = data.partition(b"\0")
            with contextlib.suppress(zlib.error):
                yield "png zTXt", key + b" " + zlib.decompress(rest[1:])
        elif kind == b"iTXt":
            key, _, rest = data.partition(b"\0")
            fields = rest[2:].split(b"\0", 2)
            with contextlib.suppress(zlib.error):
                text = zlib.decompress(fields[-1]) if rest[:1] == b"\1" else fields[-1]
                yield "png iTXt", key + b" " + text


def _deflated_dataset(content: bytes) -> bytes | None:
    """Return the inflated data set of a DICOM file in deflated explicit little endian (PS3.5 A.5), else None."""
    meta = content[132:4096]
    if b"1.2.840.10008.1.2.1.99" not in meta or meta[:8] != b"\x02\0\0\0UL\4\0":
        return None
    start = 132 + 12 + struct.unpack("<I", meta[8:12])[0]
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:], _LONGEST_INNER)
    except zlib.error:
        return None
