"""CSV of people and of links: its lines read into rows, so that one odd line costs that line alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.groundwork.reasons import WRONG_COLUMN_COUNT
from unibase.privacy import reasons
from unibase.privacy.ledger.written_letters import Letters, decoded, no_text


@dataclass(frozen=True)
class PeopleProblem:
    """What was wrong in a people file, without a value of it.

    Attributes:
        row: Row of the file, header not counted, from 1; 0 for the whole column.
        column: The column, or empty for the row.
        reason: Code in kebab case.
        message: What is wrong.
        remedy: What the hospital can do.
        kept: Whether the row is in the ledger all the same, without that value.
    """

    row: int
    column: str
    reason: str
    message: str
    remedy: str
    kept: bool


def read_rows(path: Path) -> tuple[pl.DataFrame, list[PeopleProblem]]:
    """Return the texts of the CSV file at `path` with `source_row`, and the rows that are not among them.

    Names of columns count in lower case. A line `sep=;` of a spreadsheet, columns without a name and empty fields after the
    last column are passed over. A quotation mark that is not closed costs its own line, not those that it would swallow.

    Raises:
        UserError: If a column name occurs twice, or the file is a workbook or packed.

    Example:
        >>> file = getfixture("tmp_path") / "lyon.csv"
        >>> _ = file.write_text('sep=;\\nIdentifier;sex\\n1;"F\\n2;M;\\n')
        >>> frame, problems = read_rows(file)
        >>> frame.rows(), [(problem.row, problem.reason) for problem in problems]
        ([('2', 'M', 2)], [(1, 'open-quotation')])
    """
    content = path.read_bytes()
    if kind := no_text(content):
        raise UserError(f"{path} is {kind}, and people files are text. Save it as CSV in UTF-8, or as Parquet.")
    letters = decoded(content)
    lines = letters.text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    while len(lines) > 1 and not lines[0].strip(" ,;\t|"):
        lines.pop(0)
    declared = lines.pop(0).strip()[4:] if lines[0].lower().startswith("sep=") and len(lines) > 1 else ""
    separator = declared if len(declared) == 1 else max(",;\t|", key=lines[0].count)
    header = [name.strip().lower() for name in next(csv.reader(lines[:1], delimiter=separator), [])]
    named = [place for place, name in enumerate(header) if name and name != "source_row"]
    if len({header[place] for place in named}) < len(named):
        raise UserError(f"{path}: a column name occurs twice in its first line. Rename one.")
    read = [one for one in _rows(lines[1:], separator, header) if one is not None]
    problems = [one for one in read if isinstance(one, PeopleProblem)]
    rows = [one for one in read if isinstance(one, _Row)]
    columns = {header[place]: [row.fields[place] for row in rows] for place in named}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    frame = frame.with_columns(pl.Series("source_row", [row.number for row in rows], dtype=pl.Int64))
    return frame, [*_other_letters(letters), *_unnamed(header, rows), *problems]


@dataclass(frozen=True)
class _Row:
    number: int
    fields: list[str]


def _other_letters(letters: Letters) -> list[PeopleProblem]:
    """Return the problem of a file whose letters were told by what makes words of them."""
    if letters.expected:
        return []
    message = f"The file is in neither UTF-8 nor Windows-1252; its letters are read as {letters.encoding}."
    return [PeopleProblem(0, "", reasons.OTHER_LETTERS, message, "Look at names with accents, and save it as UTF-8.", kept=True)]


def _rows(lines: Sequence[str], separator: str, header: Sequence[str]) -> Iterator[_Row | PeopleProblem]:
    for number, row in enumerate(_records(lines, separator, len(header)), start=1):
        if row is None:
            message = "A quotation mark is not closed; the line is set aside."
            yield PeopleProblem(number, "", reasons.OPEN_QUOTATION, message, "Close it, or double it inside a field.", kept=False)
        elif (len(row) < len(header) and any(cell.strip() for cell in row)) or any(cell.strip() for cell in row[len(header) :]):
            message = f"has {len(row)} fields where the header has {len(header)}."
            yield PeopleProblem(number, "", WRONG_COLUMN_COUNT, message, "Correct the row.", kept=False)
        elif any(cell.strip() for cell in row):
            yield _Row(number, row[: len(header)])


def _records(lines: Sequence[str], separator: str, width: int) -> Iterator[list[str] | None]:
    """Yield the fields of each row; None where a quotation mark is not closed: the next line then begins a row again."""
    start = 0
    while start < len(lines):
        rows = csv.reader((f"{lines[place]}\n" for place in range(start, len(lines))), delimiter=separator)
        first = start
        try:
            for row in rows:
                end = first + rows.line_num
                if _swallowed(lines[start + 1 : end], separator, width):
                    break
                yield row
                start = end
        except csv.Error:
            pass
        if start < len(lines):
            yield None
            start += 1


def _swallowed(lines: Sequence[str], separator: str, width: int) -> bool:
    """Whether one of the further lines of a row is a whole row by itself."""
    rows = (next(csv.reader([line], delimiter=separator)) for line in lines if separator in line)
    return any(len(row) >= width and not any(row[width:]) for row in rows)


def _unnamed(header: Sequence[str], rows: Sequence[_Row]) -> Iterator[PeopleProblem]:
    """Yield the columns that have values and no name."""
    for place, name in enumerate(header):
        if not name and any(row.fields[place].strip() for row in rows):
            message = "This column has no name and is not read."
            yield PeopleProblem(0, f"number {place + 1}", reasons.UNKNOWN_COLUMN, message, "Name it, or leave it out.", kept=True)
