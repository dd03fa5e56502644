"""Tables of a source, read so that no row goes missing: every row has its number, every refused row a reason.

CSV comes in every dress: comma, semicolon, tab or bar; UTF-8 or Windows-1252; plain or gzip; with comment lines and
rows cut short. All columns of a CSV arrive as text; Parquet and databases keep their types. Column names are lower case.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from groundwork.problems import UserError

TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".parquet")
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class RowProblem:
    """One row, or one field of it, that was not understood. `row` counts from 1 without the header; 0 is the file."""

    row: int
    reason: str
    message: str
    column: str = ""
    refused: bool = True


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
    """Return the name of a file without its suffixes, lower case."""
    name = path.name.lower()
    for suffix in sorted(TABLE_SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return path.stem.lower()


def find_tables(folder: Path) -> dict[str, list[Path]]:
    """Return `{table name: files}` of a folder; a sub-folder of Parquet files counts as one table."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.lower().endswith(TABLE_SUFFIXES):
            found.setdefault(table_name(path), []).append(path)
        elif path.is_dir():
            parts = sorted(path.glob("*.parquet"))
            if parts:
                found.setdefault(path.name.lower(), []).extend(parts)
    return found


def read_table(path: Path, name: str | None = None) -> SourceTable:
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
    """Read the parts of one table as one; rows are numbered on from part to part."""
    parts = [read_table(path, name) for path in paths]
    if len(parts) == 1:
        return parts[0]
    frames, problems, rows = [], [], 0
    for part in parts:
        frames.append(part.frame.with_columns(pl.col("source_row") + rows))
        problems += [replace(problem, row=problem.row + rows if problem.row else 0) for problem in part.problems]
        rows += part.rows
    return SourceTable(name, pl.concat(frames, how="diagonal_relaxed"), rows, problems)


def lower_columns(frame: pl.DataFrame, place: object) -> pl.DataFrame:
    """Return `frame` with column names stripped and in lower case.

    Raises:
        UserError: If two columns then have one name.
    """
    names = [column.strip().lower() for column in frame.columns]
    if len(set(names)) != len(names):
        raise UserError(f"{place}: two columns have the same name when case is ignored. Rename one of them.")
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_row_index("source_row", offset=1).with_columns(pl.col("source_row").cast(pl.Int64))


def _read_csv(path: Path, name: str) -> SourceTable:
    import pyarrow as pa
    from pyarrow import csv

    encoding, header = _header(path)
    if not header.strip():
        return SourceTable(name, pl.DataFrame(schema={"source_row": pl.Int64}), 0)
    delimiter = max(_DELIMITERS, key=header.count)
    names = _column_names(header, delimiter)
    problems: list[RowProblem] = []
    invalid: list[int] = []

    def refuse(row: csv.InvalidRow) -> str:
        # The header is row 1 of the file.
        number = (row.number or 0) - 1
        invalid.append(number)
        kind = "comment-line" if row.actual_columns == 1 else "wrong-column-count"
        what = f"has {row.actual_columns} fields where the header has {row.expected_columns}"
        problems.append(RowProblem(number, kind, f"The row {what}."))
        return "skip"

    def read(as_encoding: str) -> pa.Table:
        problems.clear()
        invalid.clear()
        return csv.read_csv(
            path,
            # Row numbers are known only to a single thread.
            read_options=csv.ReadOptions(use_threads=False, encoding=as_encoding, block_size=16 << 20),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=csv.ConvertOptions(
                column_types={column: pa.string() for column in names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    try:
        table = read(encoding)
    except (UnicodeDecodeError, pa.ArrowInvalid) as error:
        if "UTF8" not in str(error) and "utf-8" not in str(error).lower():
            raise UserError(f"{path} cannot be read as a table with the header it has. Check that it is CSV.") from None
        # Every byte has a meaning in Latin-1, so this reading cannot fail; Windows-1252 is tried first.
        try:
            encoding = "cp1252"
            table = read(encoding)
        except (UnicodeDecodeError, pa.ArrowInvalid):
            encoding = "latin-1"
            table = read(encoding)
        problems.append(RowProblem(0, "not-utf-8", f"The file is not UTF-8; it was read as {encoding}.", refused=False))
    frame = lower_columns(pl.from_arrow(table), path)  # type: ignore[arg-type]
    rows = frame.height + len(invalid)
    if invalid:
        kept = pl.Series("source_row", range(1, rows + 1), dtype=pl.Int64)
        frame = frame.insert_column(0, kept.filter(~kept.is_in(invalid)))
    else:
        frame = _numbered(frame)
    return SourceTable(name, frame, rows, problems)


def _column_names(header: str, delimiter: str) -> list[str]:
    import pyarrow as pa
    from pyarrow import csv

    names: list[str] = csv.read_csv(pa.BufferReader((header + "\n").encode()), parse_options=_parse(delimiter)).column_names
    return names


def _parse(delimiter: str) -> object:
    from pyarrow import csv

    return csv.ParseOptions(delimiter=delimiter)


def _header(path: Path) -> tuple[str, str]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        raw = file.readline()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path} is UTF-16. Save it as UTF-8.")
    raw = raw.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    try:
        return "utf8", raw.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252", raw.decode("cp1252", errors="replace")
