"""How a CSV file is written: its header, what stands above it, its delimiter and encoding.

Exports begin with a title, an empty line, or Excel's `sep=;`; they repeat the name of a column, or give it none. What stands above the
header is told and not read. Columns without a name, and those of one name, are called after their place, so that no mapping takes one
of two for the other.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unibase.clinical.reasons import NOT_UTF_8, REPEATED_COLUMN, TITLE_LINE
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.record_bounds import first_record
from unibase.groundwork.problems import UserError

DELIMITERS = ",;\t|"
ENCODINGS = ("utf8", "cp1252", "latin-1")
"""Tried in this order. Every byte has a meaning in the last."""

_MARK = b"\xef\xbb\xbf"
"""What may stand at the start of UTF-8 files, and then is no part of the first column's name."""
_LOOKED_AT = 30
"""Lines in which the header is looked for."""
_NEAR = 1 << 16
"""Bytes in which a record of the first lines mostly ends."""
_LINE = re.compile(rb"[\r\n]*([^\r\n]*)")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        header: Its header, with the names that the columns get.
        delimiter: What stands between fields.
        encoding: `utf8`, `cp1252` or `latin-1`, the first in which all its bytes have a meaning.
        names: Its columns as the header has them.
        above: Lines above the header that hold something.
        repeated: Names that several columns have.
        as_written: Whether `header` is the first line of the file, byte for byte.
    """

    header: bytes
    delimiter: str
    encoding: str
    names: tuple[str, ...]
    above: int = 0
    repeated: tuple[str, ...] = ()
    as_written: bool = True

    @property
    def lower(self) -> dict[str, str]:
        """The columns as they are written, and as they are called: in lower case, without the mark of UTF-8."""
        return {name: name.removeprefix(_MARK.decode(ENCODINGS[1])).strip().lower() for name in self.names}

    def problems(self) -> list[RowProblem]:
        """Return what had to be guessed of the file."""
        told = [
            RowProblem(0, REPEATED_COLUMN, "Several columns have this name: each is called by its place behind it.", name, False)
            for name in self.repeated
        ]
        if self.above:
            told.append(RowProblem(0, TITLE_LINE, f"{self.above} lines above the header are not read.", refused=False))
        if self.encoding != ENCODINGS[0]:
            told.append(RowProblem(0, NOT_UTF_8, f"The file is not UTF-8; it was read as {self.encoding}.", refused=False))
        return told


@dataclass(frozen=True)
class Header:
    """Where the header of a file stands.

    Attributes:
        start: Bytes above it.
        text: The header, with the line ends around it.
        delimiter: What stands between fields.
        above: Lines above it that hold something.
    """

    start: int
    text: bytes
    delimiter: str
    above: int

    @property
    def end(self) -> int:
        """Where the first row begins."""
        return self.start + len(self.text)

    @property
    def is_blank(self) -> bool:
        """Whether the file holds nothing."""
        return not self.text.removeprefix(_MARK).strip()

    def dialect(self, encoding: str) -> Dialect:
        """Return the dialect of a file with this header.

        Args:
            encoding: Of its bytes.
        """
        text = self.text.removeprefix(_MARK) if encoding == ENCODINGS[0] else self.text
        written = [name.strip() for name in _cells(text.decode(encoding), self.delimiter)]
        names, repeated = called(written)
        if names == written and not self.start:
            plain = tuple(_cells(text.decode(encoding), self.delimiter))
            return Dialect(self.text, self.delimiter, encoding, plain)
        quoted = self.delimiter.join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names)
        return Dialect(quoted.encode(encoding) + b"\n", self.delimiter, encoding, tuple(names), self.above, repeated, False)


def called(written: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return what columns are called, and the names that several have.

    Args:
        written: Their names as they are written, empty where they have none.

    Example:
        >>> called(["IPP", "Date", "", "date"])
        (['IPP', 'Date_2', 'column_3', 'date_4'], ('date',))
    """
    counts = Counter(name.strip().lower() for name in written if name.strip())
    repeated = tuple(name for name, count in counts.items() if count > 1)
    names = []
    for place, name in enumerate(written, start=1):
        own = name.strip().lower()
        names.append(f"{name}_{place}" if own in repeated else name if own else f"column_{place}")
    return names, repeated


def find_header(start: bytes, path: Path) -> Header:
    """Return where the header of a file stands: on its first line that is not a title.

    A title is a line with one field at most, above one in which every field is a name and below which a row has as many fields.

    Args:
        start: The first bytes of the file.
        path: The file, for messages.

    Raises:
        UserError: If the file is UTF-16.
    """
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path} is UTF-16. Save it as UTF-8.")
    declared = _declared_delimiter(start)
    records = _records(start, declared)
    # Below `sep=` whatever comes is the header.
    place = 1 + _place(records[1:]) if declared and len(records) > 1 else _place(records)
    at = sum(len(text) for text, _ in records[:place])
    text, delimiter = records[place] if records else (b"", ",")
    above = [one for one, _ in records[:place] if one.strip(b"\r\n\t ,;|")]
    return Header(at, text, delimiter, len(above) - (declared is not None))


def _declared_delimiter(start: bytes) -> str | None:
    """Return the delimiter that Excel's first line `sep=;` names."""
    line = start.removeprefix(_MARK).split(b"\n", 1)[0].strip().strip(b'"')
    return line[4:].decode("latin-1") or "\t" if line[:4].lower() == b"sep=" and len(line) <= 5 else None


def _records(start: bytes, declared: str | None) -> list[tuple[bytes, str]]:
    """Return the first records of a file, each with the delimiter that it has most of."""
    out: list[tuple[bytes, str]] = []
    at = 0
    while at < len(start) and len(out) < _LOOKED_AT:
        near = start[at : at + _NEAR]
        line = _LINE.match(near)[1]  # type: ignore[index]
        delimiter = declared or max(DELIMITERS, key=lambda one: line.count(one.encode()))
        text = first_record(near, delimiter)
        if len(text) == len(near):
            # The record may go on.
            text = first_record(start[at:], delimiter)
        out.append((text, delimiter))
        at += len(text)
    return out


def _place(records: Sequence[tuple[bytes, str]]) -> int:
    """Return which of some records is the header."""
    if not records:
        return 0
    marked = next((number for number, (text, _) in enumerate(records) if not text.startswith(b"#")), 0)
    if marked > 1:
        # Lines of comment, as cBioPortal has four above its header; one alone may be a header whose first name begins so.
        return marked
    first = _fields(*records[0])
    if sum(bool(cell) for cell in first) > 1:
        return 0
    for number, record in enumerate(records[1:], start=1):
        cells = _fields(*record)
        named = len(cells) > 1 and all(cell and not _is_number(cell) for cell in cells) and len(set(cells)) == len(cells)
        follows = number + 1 < len(records) and len(_fields(records[number + 1][0], record[1])) == len(cells)
        if named and follows:
            return number
        if sum(bool(cell) for cell in cells) > 1:
            return 0
    return 0


def _fields(text: bytes, delimiter: str) -> list[str]:
    return [cell.strip() for cell in _cells(text.removeprefix(_MARK).decode("latin-1"), delimiter)]


def _cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text.strip("\r\n")], delimiter=delimiter), [])


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("-", "").isdecimal()
