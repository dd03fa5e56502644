"""Writing a copy: whole or not at all, its pixels searched before they are written."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress

from blake3 import blake3

from unibase.imaging.confidentiality import verify
from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.source import Source
from unibase.imaging.confidentiality.values import pad

_OVERLAP = 256


def write_copy(path: str, meta: bytes, header: bytes, source: Source, identifiers: Identifiers) -> str:
    """Write a copy whole or not at all, after its pixels were searched too; return its BLAKE3.

    As `groundwork.files.atomic_file`, with the fewest calls to the system, for it runs once per instance. The folder is
    not flushed: should power fail in the seconds after, the name may be missing, never a part of the content, and the
    next run writes it again.

    Args:
        path: Where the copy stands.
        meta: Preamble and meta information.
        header: The cleaned header.
        source: The source, whose pixels are copied.
        identifiers: What may stand nowhere in it.
    """
    folder = os.path.dirname(path)  # noqa: PTH120
    temporary = f"{folder}/.tmp-{os.urandom(16).hex()}.dcm"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        digest = blake3()
        for part in _parts(meta, header, source, identifiers):
            digest.update(part)
            _write_all(descriptor, part)
        os.fsync(descriptor)
        os.close(descriptor)
        descriptor = -1
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        if descriptor >= 0:
            os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    return digest.hexdigest()


def _parts(meta: bytes, header: bytes, source: Source, identifiers: Identifiers) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a copy; the pixels only after they were searched."""
    if source.deflated:
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = compressor.compress(header)
        for block in _searched(source, identifiers):
            body += compressor.compress(block)
        yield meta + pad(body + compressor.flush(), "UN")
        return
    yield meta + header
    yield from _searched(source, identifiers)


def _searched(source: Source, identifiers: Identifiers) -> Iterator[bytes | memoryview]:
    blocks = source.pixel_blocks()
    head = next(blocks, None)
    if head is None:
        return
    yield head
    bits, tail = source.sample_bits(), b""
    for block in blocks:
        verify.search_pixels(block, identifiers, bits)
        if tail:
            verify.search_pixels(tail + bytes(block[:_OVERLAP]), identifiers, bits)
        tail = bytes(block[-_OVERLAP:])
        yield block


def _write_all(descriptor: int, content: bytes | memoryview) -> None:
    written = os.write(descriptor, content)
    if written < len(content):
        view = memoryview(content)
        while written < len(content):
            written += os.write(descriptor, view[written:])
