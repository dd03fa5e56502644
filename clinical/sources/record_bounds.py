"""Where the records of a text file begin: CSV rows (quotes may hold line ends) and NDJSON lines, cut into blocks of a bounded size.

The rules are those of Arrow's CSV reader, which parses the blocks: a quote opens a field only at its start, a quote written
twice inside is one quote, and a record ends at `\\n`, `\\r` or both.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np

from unibase.groundwork.problems import UserError

BLOCK = 8 << 20
"""Bytes of a file that are read at a time."""

LONGEST = 16 << 20
"""Bytes of the longest record."""

_QUOTE, _LINE_ENDS = ord('"'), b"\r\n"


@dataclass(frozen=True)
class Stretch:
    """Bytes `start` to `end` of a file (as they are uncompressed), whole records.

    A compressed file opens at its start only, so it is one stretch.
    """

    start: int
    end: int


def is_gzip(path: Path) -> bool:
    """Tell whether the file at `path` is compressed, by its name.

    >>> is_gzip(Path("person.csv.GZ"))
    True
    """
    return path.name.lower().endswith(".gz")


def open_binary(path: Path) -> IO[bytes]:
    """Open the file at `path`, plain or gzip, to read its bytes.

    >>> _ = (getfixture("tmp_path") / "a.csv").write_text("a")
    >>> with open_binary(getfixture("tmp_path") / "a.csv") as file:
    ...     file.read()
    b'a'
    """
    return gzip.open(path, "rb") if is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def cut(file: IO[bytes], path: Path, delimiter: str | None, rest: int = -1) -> Iterator[bytes]:
    """Yield the rest of an open file in blocks of about `BLOCK` bytes, whole records each.

    Args:
        file: Open where a record begins.
        path: Its name, for messages.
        delimiter: That of a CSV file; None for lines in which quotes mean nothing.
        rest: Bytes to read; all by default.

    Raises:
        UserError: If a record is longer than `LONGEST`.
    """
    carried = b""
    while rest:
        read = file.read(BLOCK if rest < 0 else min(BLOCK, rest))
        if not read:
            break
        rest -= len(read) if rest > 0 else 0
        block = carried + read
        end = block.rfind(b"\n") + 1 if delimiter is None else last_end(block, delimiter)
        if not end and len(block) > LONGEST + BLOCK:
            raise UserError(f"{path} holds a record of more than {LONGEST >> 20} MB. A quote may be open: check that it is CSV.")
        if end:
            yield block[:end]
        carried = block[end:]
    if carried:
        yield carried


def blocks(path: Path, stretch: Stretch, delimiter: str | None) -> Iterator[bytes]:
    """Yield the blocks of one `stretch` of the file at `path`, cut between records that a `delimiter` divides; see `cut`."""
    with open_binary(path) as file:
        file.seek(stretch.start)
        yield from cut(file, path, delimiter, rest=-1 if is_gzip(path) else stretch.end - stretch.start)


def line_stretches(path: Path) -> list[Stretch]:
    r"""Return the stretches of the file of lines at `path`; of a plain file nothing but the places of the cuts is read.

    >>> path = getfixture("tmp_path") / "a.ndjson"
    >>> _ = path.write_bytes(b"{}\n{}\n")
    >>> line_stretches(path)
    [Stretch(start=0, end=6)]
    """
    length = path.stat().st_size
    if is_gzip(path):
        return [Stretch(0, length)] if length else []
    found: list[Stretch] = []
    with path.open("rb") as file:
        start = 0
        while start < length:
            file.seek(min(start + BLOCK, length) - 1)
            file.readline()
            found.append(Stretch(start, file.tell()))
            start = file.tell()
    return found


def last_end(block: bytes, delimiter: str) -> int:
    r"""Return the place behind the last record that ends in a `block` of CSV with this `delimiter`; 0 when none does.

    >>> last_end(b'1;"a\nb"\n2;c', ";")
    8
    """
    if b'"' not in block:
        return _last_line_end(block, len(block))
    opened, closed = _quoted(block, delimiter)
    at = len(block)
    while True:
        end = _last_line_end(block, at)
        inside = int(np.searchsorted(opened, end - 1, side="right")) - 1
        if not end or inside < 0 or (inside < len(closed) and closed[inside] < end):
            return end
        at = int(opened[inside])


def first_record(block: bytes, delimiter: str) -> bytes:
    r"""Return the first record of a `block` of CSV with this `delimiter` that is not blank; all where it has no end.

    It has the line ends around it.

    >>> first_record(b'\n1;"a\nb"\n2;c', ";")
    b'\n1;"a\nb"\n'
    """
    begin = len(block) - len(block.lstrip(_LINE_ENDS))
    opened, closed = _quoted(block, delimiter) if b'"' in block else (np.empty(0, np.int64), np.empty(0, np.int64))
    for match in re.compile(rb"\r\n|\r|\n").finditer(block, begin):
        inside = int(np.searchsorted(opened, match.start(), side="right")) - 1
        if inside < 0 or (inside < len(closed) and closed[inside] < match.start()):
            return block[: match.end()]
    return block


def _last_line_end(block: bytes, before: int) -> int:
    return max(block.rfind(b"\n", 0, before), block.rfind(b"\r", 0, before)) + 1


def _quoted(
    block: bytes, delimiter: str
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the places of the quotes that open and that close fields; the last field may stay open."""
    data = np.frombuffer(block, dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    opening = quotes[::2]
    before = data[np.maximum(opening - 1, 0)]
    starts = (opening == 0) | np.isin(before, np.frombuffer(delimiter.encode() + _LINE_ENDS, dtype=np.uint8))
    # Of a quote written twice the first closes and the second opens again.
    again = np.zeros(len(opening), dtype=bool)
    again[1:] = quotes[1::2][: len(opening) - 1] == opening[1:] - 1
    if (starts | again).all():
        return opening, quotes[1::2]
    # A quote stands inside a field that none opened, where it is a character like others.
    opened, closed = [], []
    at = 0
    while (found := _opening(delimiter).search(block, at)) is not None:
        opened.append(found.start())
        end = _closing(block, found.end())
        if end < 0:
            break
        closed.append(end)
        at = end + 1
    return np.array(opened, dtype=np.int64), np.array(closed, dtype=np.int64)


@lru_cache
def _opening(delimiter: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?:\A|(?<=[" + re.escape(delimiter.encode()) + rb'\r\n]))"')


def _closing(block: bytes, at: int) -> int:
    """Return the place of the quote that closes a field which begins at `at`, -1 when none does."""
    end = block.find(b'"', at)
    while end >= 0 and block[end + 1 : end + 2] == b'"':
        end = block.find(b'"', end + 2)
    return end
