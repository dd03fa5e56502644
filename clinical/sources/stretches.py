"""Tables of a source a stretch at a time: some rows of a CSV or Parquet file, as the whole table would have them.

`index_file` reads a file once to find its stretches. A stretch then gives the rows that `reading.read_tables` would give of it,
with the columns and types of the whole table; row numbers count from 1 in the stretch, until `Table.offsets` moves them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.clinical.reasons import TABLE_TWICE
from unibase.clinical.sources import record_bounds
from unibase.clinical.sources.csv_headers import Dialect
from unibase.clinical.sources.problem_rows import RowProblem, zoned_columns
from unibase.clinical.sources.reading import SourceTable, lower_columns, parse_csv, scan_csv
from unibase.clinical.sources.record_bounds import Stretch
from unibase.clinical.sources.set_down import told_of, ways_of
from unibase.groundwork.cluster import each

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class TableFile:
    """One file of a table.

    Attributes:
        path: The file.
        dialect: How it is written; None for Parquet, and for a CSV file that holds nothing.
        stretches: Of its rows.
        schema: Its columns.
        told: What is told of its cells, when it was set down from another file.
    """

    path: Path
    dialect: Dialect | None
    stretches: tuple[Stretch, ...]
    schema: pl.Schema
    told: tuple[RowProblem, ...] = ()


@dataclass(frozen=True)
class Part:
    """The stretch `stretch` of the file `file` of a table; `number` counts the parts of all tables."""

    table: str
    file: int
    stretch: int
    number: int


@dataclass(frozen=True)
class Table:
    """A table of several files, all of its columns, and the files' problems."""

    name: str
    files: tuple[TableFile, ...]

    @property
    def schema(self) -> pl.Schema:
        """The columns of all files together, each of the type that holds them all."""
        return pl.concat([pl.DataFrame(schema=file.schema) for file in self.files], how="diagonal_relaxed").schema

    def problems(self) -> list[RowProblem]:
        """Return what had to be guessed of the files."""
        found = [problem for file in self.files if file.dialect for problem in file.dialect.problems()]
        found += dict.fromkeys(problem for file in self.files for problem in file.told)
        if ways_of([file.path for file in self.files]) > 1:
            found.append(RowProblem(0, TABLE_TWICE, f"{len(self.files)} files of several kinds are this table.", refused=False))
        return found

    def read(self, part: Part, columns: Sequence[str] | None = None, offset: int = 0) -> Iterator[SourceTable]:
        """Yield the rows of a part, some million bytes at a time.

        Args:
            part: Which.
            columns: Columns to read, in lower case; all by default.
            offset: Rows of the table before the part.
        """
        file = self.files[part.file]
        stretch = file.stretches[part.stretch]
        schema = self.schema
        wanted = [name for name in schema if columns is None or name in columns]
        template = pl.DataFrame(schema={"source_row": pl.Int64} | {name: schema[name] for name in wanted})
        found = _csv(file.path, file.dialect, stretch, wanted) if file.dialect else _parquet(file.path, stretch, wanted)
        for table in found:
            kept = table.frame.select("source_row", *(name for name in wanted if name in table.frame.columns))
            frame = pl.concat([template, kept], how="diagonal_relaxed").with_columns(pl.col("source_row") + offset)
            problems = [replace(problem, row=problem.row + offset) for problem in table.problems]
            offset += table.rows
            yield SourceTable(self.name, frame, table.rows, problems)


def index_file(path: Path) -> TableFile:
    """Return a file's dialect, stretches and columns.

    Args:
        path: The file.

    Raises:
        UserError: If it cannot be read as a table.
    """
    if path.name.lower().endswith(".parquet"):
        import pyarrow.parquet as pq

        metadata = pq.ParquetFile(path).metadata
        ends = [0, *accumulate(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))]
        schema = lower_columns(pl.DataFrame(schema=pl.read_parquet_schema(path)), path).schema
        groups = tuple(Stretch(*rows) for rows in pairwise(ends))
        told = (*told_of(metadata.metadata, schema.names()), *zoned_columns(schema))
        return TableFile(path, None, groups, schema, told)
    dialect, stretches = scan_csv(path)
    if dialect is None:
        return TableFile(path, None, (), pl.Schema())
    empty = next(_csv(path, dialect, None, None)).frame
    return TableFile(path, dialect, tuple(stretches), empty.drop("source_row").schema)


def index_tables(files: Mapping[str, Sequence[Path]], client: Client | None) -> dict[str, Table]:
    """Return the tables of some files, by name; the workers of the `client` look at them, or this process."""
    names = [name for name, paths in files.items() for _ in paths]
    found: dict[str, list[TableFile]] = {name: [] for name in files}
    for name, file in zip(
        names, each(client, _index_file, None, [path for paths in files.values() for path in paths]), strict=True
    ):
        found[name].append(file)
    return {name: Table(name, tuple(parts)) for name, parts in found.items()}


def _index_file(_: None, path: Path) -> TableFile:
    return index_file(path)


def parts_of(tables: Mapping[str, Table]) -> list[Part]:
    """Return the parts of all tables, in the order of the tables, their files and rows."""
    places = [
        (name, file, stretch)
        for name, table in tables.items()
        for file, one in enumerate(table.files)
        for stretch in range(len(one.stretches))
    ]
    return [Part(*place, number) for number, place in enumerate(places)]


def offsets_of(parts: Sequence[Part], rows: Sequence[int]) -> list[int]:
    """Return how many `rows` of its table come before each of the `parts`."""
    before: dict[str, int] = {}
    out: list[int] = []
    for part, count in zip(parts, rows, strict=True):
        out.append(before.get(part.table, 0))
        before[part.table] = out[-1] + count
    return out


def _csv(path: Path, dialect: Dialect, stretch: Stretch | None, columns: Sequence[str] | None) -> Iterator[SourceTable]:
    import pyarrow as pa

    written = [name for name, lower in dialect.lower.items() if columns is None or lower in columns]
    header = dialect.header.rstrip(b"\r\n") + b"\n"
    for block in record_bounds.blocks(path, stretch, dialect.delimiter) if stretch else [b""]:
        text = header + block
        # All in one block, in UTF-8 of up to three bytes a character. No column at all would mean every one to Arrow; rows are
        # counted by the first.
        yield parse_csv(pa.BufferReader(text), path, dialect, 3 * len(text) + 1, written or dialect.names[:1])


def _parquet(path: Path, stretch: Stretch, columns: Sequence[str]) -> Iterator[SourceTable]:
    scan = pl.scan_parquet(path)
    names = [name for name in scan.collect_schema().names() if name.strip().lower() in columns]
    frame = scan.select(names).slice(stretch.start, stretch.end - stretch.start).collect()
    number = pl.Series("source_row", range(1, stretch.end - stretch.start + 1), dtype=pl.Int64)
    yield SourceTable("", pl.DataFrame([number, *lower_columns(frame, path)]), len(number))
