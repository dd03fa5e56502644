"""Tables of a source, read so that no row goes missing: every row has its number, every refused row a reason.

CSV comes in every dress: comma, semicolon, tab or bar; UTF-8 or Windows-1252; plain or gzip; with comment lines and
rows cut short. All columns of a CSV arrive as text; Parquet and databases keep their types. Column names are lower case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.clinical.reasons import COMMENT_LINE
from unibase.clinical.sources.csv_headers import ENCODINGS, Dialect, find_header
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.record_bounds import LONGEST, Stretch, cut, is_gzip, open_binary
from unibase.groundwork.problems import UserError
from unibase.groundwork.reasons import WRONG_COLUMN_COUNT

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".parquet")


@dataclass
class SourceTable:
    """One table as read.

    Attributes:
        name: Its name in the source, lower case.
        frame: Its rows, with `source_row` (from 1, header not counted).
        rows: Rows in the file, refused ones included.
        problems: Rows refused while reading, and what had to be guessed.
    """

    name: str
    frame: pl.DataFrame
    rows: int
    problems: list[RowProblem] = field(default_factory=list)


def table_name(path: Path) -> str:
    """Return the name of the file at `path` without its suffixes, lower case.

    >>> table_name(Path("PERSON.csv.gz"))
    'person'
    """
    name = path.name.lower()
    for suffix in sorted(TABLE_SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return path.stem.lower()


def find_tables(folder: Path) -> dict[str, list[Path]]:
    r"""Return `{table name: files}` of a folder; a sub-folder of Parquet files counts as one table.

    >>> _ = (getfixture("tmp_path") / "Person.csv").write_text("person_id\n1\n")
    >>> sorted(find_tables(getfixture("tmp_path")))
    ['person']
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.lower().endswith(TABLE_SUFFIXES):
            found.setdefault(table_name(path), []).append(path)
        elif path.is_dir():
            parts = sorted(path.glob("*.parquet"))
            if parts:
                found.setdefault(path.name.lower(), []).extend(parts)
    return found


def _read_table(path: Path, name: str | None = None) -> SourceTable:
    """Read one file as a table.

    Raises:
        UserError: If the file cannot be read as a table at all.
    """
    name = name or table_name(path)
    if path.name.lower().endswith(".parquet"):
        frame = pl.read_parquet(path)
        return SourceTable(name, _numbered(lower_columns(frame, path)), frame.height)
    return _read_csv(path, name)


def read_tables(paths: Sequence[Path], name: str) -> SourceTable:
    r"""Read the parts at `paths` of the table `name` as one; rows are numbered on from part to part.

    >>> path = getfixture("tmp_path") / "visits.csv"
    >>> _ = path.write_text("Patient;Date\n12;2024-03-01\n")
    >>> read_tables([path], "visits").frame.rows()
    [(1, '12', '2024-03-01')]
    """
    parts = [_read_table(path, name) for path in paths]
    if len(parts) == 1:
        return parts[0]
    frames, problems, rows = [], [], 0
    for part in parts:
        frames.append(part.frame.with_columns(pl.col("source_row") + rows))
        problems += [replace(problem, row=problem.row + rows if problem.row else 0) for problem in part.problems]
        rows += part.rows
    return SourceTable(name, pl.concat(frames, how="diagonal_relaxed"), rows, problems)


def lower_columns(frame: pl.DataFrame, place: object) -> pl.DataFrame:
    """Return `frame` with column names stripped and in lower case. `place` names the source in messages.

    Raises:
        UserError: If two columns then have one name.
    """
    names = [column.strip().lower() for column in frame.columns]
    if len(set(names)) != len(names):
        raise UserError(f"{place}: two columns have the same name when case is ignored. Rename one of them.")
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_row_index("source_row", offset=1).with_columns(pl.col("source_row").cast(pl.Int64))


def scan_csv(path: Path) -> tuple[Dialect | None, list[Stretch]]:
    """Return how the CSV file at `path` is written, and the stretches of its rows; None where it holds nothing.

    Its bytes are read once.

    Raises:
        UserError: If it is UTF-16, or holds a record that is too long.
    """
    with open_binary(path) as file:
        header = find_header(file.read(LONGEST), path)
    if header.is_blank:
        return None, []
    allowed = [encoding for encoding in ENCODINGS if _means_something(header.text, encoding)]
    found: list[Stretch] = []
    at = header.end
    with open_binary(path) as file:
        file.seek(at)
        for block in cut(file, path, header.delimiter):
            allowed = [encoding for encoding in allowed if _means_something(block, encoding)]
            found.append(Stretch(at, at + len(block)))
            at += len(block)
    if is_gzip(path) and found:
        found = [Stretch(header.end, at)]
    return header.dialect(allowed[0]), found


def parse_csv(file: object, path: Path, dialect: Dialect, block_size: int, columns: Sequence[str] | None = None) -> SourceTable:
    """Parse CSV that begins with the header of its dialect; rows are numbered from 1.

    Args:
        file: What Arrow reads: a path, or a buffer.
        path: The file, for messages.
        dialect: How it is written.
        block_size: Bytes that are parsed at a time.
        columns: Those to keep, as they are written; all by default.

    Raises:
        UserError: If it cannot be read as a table.
    """
    import pyarrow as pa

    problems: list[RowProblem] = []
    try:
        table = _parsed(file, dialect, block_size, columns, problems)
    except (UnicodeDecodeError, pa.ArrowInvalid):
        raise UserError(f"{path} cannot be read as a table with the header it has. Check that it is CSV.") from None
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    frame = lower_columns(frame.rename({name: dialect.lower[name] for name in frame.columns}, strict=False), path)
    rows = table.num_rows + len(problems)
    kept = pl.Series("source_row", range(1, rows + 1), dtype=pl.Int64)
    if problems:
        kept = kept.filter(~kept.is_in([problem.row for problem in problems]))
    return SourceTable(table_name(path), frame.insert_column(0, kept), rows, problems)


def _parsed(
    file: object, dialect: Dialect, block_size: int, columns: Sequence[str] | None, problems: list[RowProblem]
) -> pa.Table:
    """Return the rows of a CSV file that have as many fields as its header; the others are told."""
    import pyarrow as pa
    from pyarrow import csv

    def refuse(row: csv.InvalidRow) -> str:
        kind = COMMENT_LINE if row.actual_columns == 1 else WRONG_COLUMN_COUNT
        what = f"has {row.actual_columns} fields where the header has {row.expected_columns}"
        # The header is row 1 of the file.
        problems.append(RowProblem((row.number or 0) - 1, kind, f"The row {what}."))
        return "skip"

    return csv.read_csv(
        file,
        # Row numbers are known only to a single thread.
        read_options=csv.ReadOptions(use_threads=False, encoding=dialect.encoding, block_size=block_size),
        parse_options=csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=refuse),
        convert_options=csv.ConvertOptions(
            column_types={column: pa.string() for column in dialect.names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            include_columns=columns,
        ),
    )


def _read_csv(path: Path, name: str) -> SourceTable:
    import pyarrow as pa

    dialect, stretches = scan_csv(path)
    if dialect is None:
        return SourceTable(name, pl.DataFrame(schema={"source_row": pl.Int64}), 0)
    # A header alone must end in a line end for Arrow.
    file = (
        path
        if stretches and dialect.as_written
        else pa.BufferReader(dialect.header.rstrip(b"\r\n") + b"\n" + _rows(path, stretches))
    )
    table = parse_csv(file, path, dialect, LONGEST)
    return replace(table, name=name, problems=[*table.problems, *dialect.problems()])


def _means_something(block: bytes, encoding: str) -> bool:
    try:
        block.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _rows(path: Path, stretches: Sequence[Stretch]) -> bytes:
    """Return the bytes of a file below its header."""
    if not stretches:
        return b""
    with open_binary(path) as file:
        file.seek(stretches[0].start)
        return file.read()
