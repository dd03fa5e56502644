"""Workbooks that would take all memory: parts that inflate without end, or a stray cell far from all others.

A reader makes a rectangle of all cells. One blank typed into the last row of the last column makes it 17 billion cells,
and the process ends. That happens by accident as well.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from unibase.groundwork.inflating import most_inflated
from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import INFLATES_TOO_FAR, STRAY_CELL

ALWAYS_ALLOWED = 20_000_000
"""Cells that any rectangle may have."""
MOST_TIMES_SPARSER = 100
"""A larger rectangle has at most this many places for each cell that holds something."""
_CELL = re.compile(rb'<(?:\w+:)?c [^>]{0,200}?\br="([A-Z]{1,3})([0-9]{1,7})"')
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_BLOCK, _LONGEST = 2**20, 256


@dataclass
class _Bounds:
    """The rectangle of the cells that were met, and the one that stands furthest."""

    cells: int = 0
    rows: int = 0
    columns: int = 0
    furthest: str = ""

    def take(self, letters: bytes, digits: bytes) -> None:
        """Take a further cell, named as `XFD` and `1048576`."""
        row, column = int(digits), _number(letters)
        self.cells += 1
        if row > self.rows or column > self.columns:
            self.furthest = (letters + digits).decode()
        self.rows, self.columns = max(self.rows, row), max(self.columns, column)

    def too_wide(self) -> bool:
        """Whether a reader would make a rectangle of nearly nothing."""
        places = self.rows * self.columns
        return places > ALWAYS_ALLOWED and places > MOST_TIMES_SPARSER * self.cells


def refuse_odd_workbook(source: Path | bytes) -> None:
    """Refuse a workbook (xlsx, xlsm) that would take all memory; other kinds of files pass.

    Args:
        source: The file, or all its bytes.

    Raises:
        Unusable: `inflates-too-far` or `stray-cell`, with the name of the cell.
        BadZipFile: If it is packed and broken.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    opened: Path | IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source
    if not zipfile.is_zipfile(opened):
        return
    with zipfile.ZipFile(opened) as book:
        if sum(one.file_size for one in book.infolist()) > most_inflated(size):
            raise Unusable(INFLATES_TOO_FAR)
        for name in filter(_SHEET.fullmatch, book.namelist()):
            bounds = _bounds(book, name)
            if bounds.too_wide():
                raise Unusable(STRAY_CELL, f"Cell {bounds.furthest} stands alone, far from all other cells.")


def _bounds(book: zipfile.ZipFile, name: str) -> _Bounds:
    bounds = _Bounds()
    with book.open(name) as sheet:
        for letters, digits in _cells(sheet):
            bounds.take(letters, digits)
    return bounds


def _cells(sheet: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the places of the cells of a sheet, read in blocks; what a block's end cuts is met with the next."""
    rest = b""
    while block := sheet.read(_BLOCK):
        text, end = rest + block, 0
        for found in _CELL.finditer(text):
            end = found.end()
            yield found[1], found[2]
        rest = text[max(end, len(text) - _LONGEST) :]


def _number(letters: bytes) -> int:
    """Return the number of a column, 1 for `A`.

    >>> _number(b"A"), _number(b"Z"), _number(b"AA"), _number(b"XFD")
    (1, 26, 27, 16384)
    """
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number
