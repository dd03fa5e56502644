"""Lines of text files, packed or not, one at a time."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from unibase.omics.readers.tabular import is_gzip, truncated


def text_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of the file at `path` without their ends.

    gzip and bgzip are known by content; UTF-8 with or without byte-order mark, else Windows-1252.

    Raises:
        Unusable: `truncated-file`.

    >>> path = getfixture("tmp_path") / "list.txt"
    >>> _ = path.write_bytes("sample\r\nété\n".encode("cp1252"))
    >>> list(text_lines(path))
    ['sample', 'été']
    """
    try:
        with gzip.open(path, "rb") if is_gzip(path) else path.open("rb") as file:
            first = True
            for raw in io.BufferedReader(file) if isinstance(file, io.RawIOBase) else file:
                try:
                    text = raw.decode("utf-8-sig" if first else "utf-8")
                except UnicodeDecodeError:
                    text = raw.decode("cp1252", errors="replace")
                first = False
                yield text.rstrip("\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise truncated(error) from None
