"""One reader for every table of an assay: whatever packed, encoded or laid it out, the same titles and the same cells come out.

It knows gzip and bgzip, UTF-8 with and without byte-order mark, UTF-16 and Windows-1252, tabs, commas, semicolons, bars and
blanks, lines above the titles (comments, GCT, GEO's series matrix, preambles), R's tables without a corner, tables without
titles, decimal commas and thousands separators, Parquet and spreadsheets. What a cell means is not its concern.
"""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unibase.groundwork.inflating import gunzip
from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import NOT_A_NUMBER, TRUNCATED_FILE
from unibase.omics.readers.binary_forms import is_loom, loom, no_text, refuse_other_texts
from unibase.omics.readers.numerals import (
    MISSING,
    Numerals,
    number_text,
    numeral_style,
    numerals_of,
    rounded_by_spreadsheets,
)
from unibase.omics.readers.one_sheet import sheet_as_text
from unibase.omics.readers.table_heads import NUMBER, Layout, cells_of, head_lines, lay_out, unquoted
from unibase.omics.reasons import NOT_A_MATRIX

_GZIP, _ZIP, _OLE = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_PREAMBLE = 2**20
_PARQUET, _ARROW = b"PAR1", b"ARROW1"
_NAMED = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars", " ": "blanks"}


@dataclass(frozen=True)
class Table:
    """What a file holds as rows and columns.

    Attributes:
        titles: Name of each column as the file writes it; empty where it has none.
        frame: Columns `c0`, `c1`, ...: Float64 where every cell is a number or missing, else String.
        rows_above: Lines above the titles, without their line ends.
        subtitles: A second line of titles (Firehose), else empty.
        titled: Whether the file has a line of titles.
        traits: How the file is written, for the evidence: `gzip`, `UTF-16`, `decimal commas`, ...
    """

    titles: tuple[str, ...]
    frame: pl.DataFrame
    rows_above: tuple[str, ...] = ()
    subtitles: tuple[str, ...] = ()
    titled: bool = True
    traits: tuple[str, ...] = ()

    def texts(self, column: int) -> list[str]:
        """Return the cells of a column as texts without blanks around them; empty where missing."""
        cells = self.frame.get_column(f"c{column}")
        if cells.dtype == pl.Float64():
            return [number_text(value) for value in cells.to_list()]
        return [unquoted((value or "").strip()) for value in cells.to_list()]

    def is_number(self, column: int) -> bool:
        """Whether every cell of a column is a number or missing."""
        return column in self._of_numbers

    @cached_property
    def _of_numbers(self) -> frozenset[int]:
        """Places of the columns of numbers, once: asking a frame for its schema takes as long as it has columns."""
        return frozenset(i for i, kind in enumerate(self.frame.dtypes) if kind == pl.Float64())

    def values(self, columns: list[int]) -> NDArray[np.float64]:
        """Return rows x columns as numbers; missing is NaN."""
        chosen = self.frame.select([pl.col(f"c{i}").fill_null(float("nan")) for i in columns])
        return np.asarray(chosen.to_numpy(), dtype=np.float64).reshape(len(self.frame), len(columns))

    def without(self, rows: NDArray[np.bool_]) -> Table:
        """Return the table without the rows marked, of shape (rows,)."""
        return replace(self, frame=self.frame.filter(pl.Series(~rows)))


def read_table(path: Path) -> Table:
    r"""Read the file at `path` as a table.

    Raises:
        Unusable: `truncated-file` when it cannot be read to its end or a row is shorter than the others; `not-a-matrix` when it
            is no table; `not-a-number` when its numerals can be read in two ways.

    >>> path = getfixture("tmp_path") / "counts.csv"
    >>> _ = path.write_text("gene;S1;S2\nTP53;5;7\n")
    >>> read_table(path).titles
    ('gene', 'S1', 'S2')
    """
    if is_loom(path):
        raise loom()
    start = _first_bytes(path)
    if start.startswith(_ARROW):
        return _of_frame(_feather(path))
    if start.startswith(_PARQUET) or path.name.lower().removesuffix(".gz").endswith(".parquet"):
        return _of_frame(_parquet(path))
    data, traits = content(path)
    if data[:4] in (_ZIP, _OLE):
        return read_text(sheet_as_text(data), (*traits, "spreadsheet"))
    return read_text(data, traits)


def content(path: Path) -> tuple[bytes, tuple[str, ...]]:
    r"""Return the bytes of the file at `path`, unpacked, as UTF-8 without byte-order mark, and how it was written.

    Raises:
        Unusable: `truncated-file`.

    >>> path = getfixture("tmp_path") / "marked.csv"
    >>> _ = path.write_bytes(b"\xef\xbb\xbfgene,S1")
    >>> content(path)
    (b'gene,S1', ('byte-order mark',))
    """
    traits: list[str] = []
    try:
        data = path.read_bytes()
        if data[:2] == _GZIP:
            traits.append("bgzip" if data[12:14] == b"BC" else "gzip")
            data = gunzip(data)
    except (OSError, EOFError, zlib.error) as error:
        raise truncated(error) from None
    if data[:4] in (_ZIP, _OLE):
        return data, tuple(traits)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        traits.append("UTF-16")
        return data.decode("utf-16", errors="replace").encode(), tuple(traits)
    if data[:3] == b"\xef\xbb\xbf":
        return data[3:], (*traits, "byte-order mark")
    if b"\0" in data[:8192]:
        raise no_text(data)
    refuse_other_texts(data[:4096])
    try:
        data.decode()
    except UnicodeDecodeError:
        traits.append("Windows-1252")
        data = data.decode("cp1252", errors="replace").encode()
    return data, tuple(traits)


def truncated(error: Exception) -> Unusable:
    """Return what is said of a file that cannot be read to its end, by the `error` of its reader.

    >>> truncated(EOFError()).reason
    'truncated-file'
    """
    return Unusable(
        TRUNCATED_FILE, f"The file cannot be read to its end ({type(error).__name__}).", "Copy the file again from its source."
    )


def _of_frame(frame: pl.DataFrame) -> Table:
    """Return a frame as a table: columns of numbers become Float64, all others texts."""
    columns = [
        pl.col(name).cast(pl.Float64() if frame.schema[name].is_numeric() else pl.String()).alias(f"c{i}")
        for i, name in enumerate(frame.columns)
    ]
    return Table(tuple(frame.columns), frame.select(columns))


def is_packed_sheet(path: Path) -> bool:
    r"""Whether the file at `path` is a workbook, Parquet or Feather: a table that has no lines of text.

    >>> path = getfixture("tmp_path") / "x.xlsx"
    >>> _ = path.write_bytes(b"PK\x03\x04")
    >>> is_packed_sheet(path)
    True
    """
    return _first_bytes(path).startswith((_ZIP, _OLE, _PARQUET, _ARROW))


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _feather(path: Path) -> pl.DataFrame:
    try:
        return pl.read_ipc(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise truncated(error) from None


def _parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(gunzip(path.read_bytes()) if is_gzip(path) else path)
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        raise truncated(error) from None


def read_text(data: bytes, traits: tuple[str, ...] = ()) -> Table:
    r"""Read a text as a table.

    Args:
        data: Its bytes, UTF-8.
        traits: How the file is written, as far as it is known.

    Raises: Unusable, as `read_table`.

    >>> read_text(b"gene,S1\nTP53,5\n").titles
    ('gene', 'S1')
    """
    if data.startswith((b"!Checksum", b"^HEADER")):
        raise Unusable(
            NOT_A_MATRIX,
            "This is SomaLogic's ADAT.",
            "Write its samples and SeqIds as CSV: SampleId, seq.10000.28, ... (SomaDataIO).",
        )
    geo = data.find(b"!series_matrix_table_begin")
    above_geo: tuple[str, ...] = ()
    if geo >= 0:
        end = data.find(b"!series_matrix_table_end")
        first = data.find(b"\n", geo) + 1
        above_geo = tuple(data[:geo].decode(errors="replace").splitlines())
        data = data[first : end if end > 0 else len(data)]
        traits = (*traits, "GEO series matrix")
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data
    data = re.sub(rb"(?m)^#!\{.*\n", b"", data) if b"\n#!{" in data[:_PREAMBLE] else data  # Perseus' types below the titles
    lossy = rounded_by_spreadsheets(data)
    traits = (*traits, f"{lossy} numbers such as 1.23E+05, of which a spreadsheet kept the first digits") if lossy else traits
    head = head_lines(data)
    layout = lay_out(head)
    if layout.separator == " ":
        data = b"\n".join(re.sub(rb" +", b" ", line.strip()) for line in data.split(b"\n"))
    columns = _columns(data, layout)
    titles = tuple(map(unquoted, layout.titles))
    table = Table(titles, columns, (*above_geo, *layout.above), (), layout.titled, (*traits, _NAMED[layout.separator]))
    return _with_numbers(_without_second_titles(_without_empty_end(table)))


def _without_empty_end(table: Table) -> Table:
    """Leave out columns without a title and without a cell at the end: separators that close each line."""
    width = len(table.titles)
    while width > 1 and not table.titles[width - 1] and table.frame.to_series(width - 1).is_null().all():
        width -= 1
    if width == len(table.titles):
        return table
    return replace(table, titles=table.titles[:width], frame=table.frame.select(table.frame.columns[:width]))


def _columns(data: bytes, layout: Layout) -> pl.DataFrame:
    """Read the body, texts first where a column is no plain number.

    Raises:
        Unusable: `truncated-file` when a row has another number of cells than the others; `not-a-matrix` without a row.
    """
    width = layout.width
    if b'"' not in data:
        _check_widths(data, layout)
    names = [f"c{i}" for i in range(width)]

    def read(types: list[pl.DataType]) -> pl.DataFrame:
        return pl.read_csv(
            io.BytesIO(data),
            has_header=False,
            skip_lines=layout.start,
            separator=layout.separator,
            schema=dict(zip(names, types, strict=True)),
            null_values=list(MISSING),
            quote_char='"',
        )

    texts = [pl.String()] * width
    sample = _cells_by_column(head_lines(data)[layout.start :], layout)
    types: list[pl.DataType] = [pl.Float64() if _plain_numbers(column) else pl.String() for column in sample]
    try:
        frame = read(types)
    except (pl.exceptions.PolarsError, OSError):
        try:
            frame = read(list(texts))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise truncated(error) from None
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    if not frame.height:
        raise Unusable(NOT_A_MATRIX, "The matrix has no row or no column of values.", "Give a table of genes x samples.")
    return frame


def _cells_by_column(lines: list[str], layout: Layout) -> list[list[str]]:
    rows = [cells_of(line, layout.separator) for line in lines if line.strip()]
    return [[row[i] for row in rows if i < len(row)] for i in range(layout.width)]


def _plain_numbers(cells: list[str]) -> bool:
    """Whether cells are numbers as a computer writes them, without separators of thousands or decimal commas."""
    known = [cell for cell in cells if cell not in MISSING]
    if not known or any(len(cell) > 1 and cell[0] == "0" and cell.isdigit() for cell in known):
        return False  # 007 is a name
    return all(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell) for cell in known) and not numerals_of(known).unclear


def _check_widths(data: bytes, layout: Layout) -> None:
    separator = layout.separator.encode()
    for number, line in enumerate(io.BytesIO(data)):
        if number < layout.start or not line.strip():
            continue
        if line.count(separator) + 1 < layout.width and line.strip():
            raise Unusable(
                TRUNCATED_FILE,
                f"Row {number - layout.start + 1} of the table has fewer cells than the others.",
                "Copy the file again from its source.",
            )


def _without_second_titles(table: Table) -> Table:
    """Take a second line of titles (Firehose's `gene_id raw_count ...`) out of the body."""
    if table.frame.height < 3:
        return table
    first = [(table.frame.get_column(c)[0]) for c in table.frame.columns]
    words = [isinstance(cell, str) and not NUMBER.match(cell.strip()) for cell in first]
    if len(words) < 2 or not all(words[1:]):
        return table
    rest = table.frame[1:21]
    numeric = [
        sum(isinstance(cell, str) and bool(NUMBER.match(cell.strip())) for cell in rest.get_column(c).to_list())
        >= 0.8 * rest.height
        for c in table.frame.columns
    ]
    if not any(numeric[1:]):
        return table
    return replace(table, frame=table.frame[1:], subtitles=tuple(str(cell).strip() for cell in first))


def _with_numbers(table: Table) -> Table:
    """Turn columns of texts whose cells are all numbers into numbers, by the one style that all of them are written in."""
    texts = [name for name, kind in table.frame.schema.items() if kind == pl.String()]
    empty = [name for name in texts if table.frame.get_column(name).null_count() == table.frame.height]
    table = replace(table, frame=table.frame.with_columns(pl.col(empty).cast(pl.Float64())))
    texts = [name for name in texts if name not in set(empty)]
    candidates = [name for name in texts if mostly_numbers(table.frame.get_column(name))]
    if not candidates:
        return table
    style = numeral_style([table.frame.get_column(name) for name in candidates])
    found = {name: style.numbers(table.frame.get_column(name)) for name in candidates}
    done = [series.alias(name) for name, series in found.items() if series is not None]
    traits = (*table.traits, *style.traits()) if done else table.traits
    return replace(table, frame=table.frame.with_columns(done) if done else table.frame, traits=traits)


def mostly_numbers(column: pl.Series) -> bool:
    """Whether at least half of the cells of a column of texts are numbers."""
    known = column.drop_nulls()
    sample = known.head(50).to_list() + known.tail(50).to_list()
    if not sample or any(len(c.strip()) > 1 and c.strip()[0] == "0" and c.strip().isdigit() for c in sample):
        return False
    return sum(bool(NUMBER.match(cell.strip())) for cell in sample) >= 0.5 * len(sample)


def check_numbers(table: Table, column: int, place: int) -> None:
    """Refuse a column of values that has a cell which is no number.

    Args:
        table: The table.
        column: Its place among all columns.
        place: Its place among the columns of values, from 1, for the message.

    Raises:
        Unusable: `not-a-number`, with the row of the first such cell.
    """
    if table.is_number(column):
        return
    cells, style = table.frame.get_column(f"c{column}").to_list(), Numerals()
    bad = [i for i, cell in enumerate(cells) if cell is not None and not style.is_number(cell)]
    where = f"Row {bad[0] + 1}, value" if bad else "Value"
    what = f"is not a number ({len(bad)} such cells in it)" if bad else "writes its numbers in several ways"
    raise Unusable(
        NOT_A_NUMBER, f"{where} column {place} of the matrix {what}.", "Correct the cell; missing values are written NA."
    )


def unique(names: list[str]) -> list[str]:
    """Give names that come again a suffix: `#2`, `#3`, ...

    >>> unique(["S1", "S2", "S1"])
    ['S1', 'S2', 'S1#2']
    """
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return out


def is_gzip(path: Path) -> bool:
    """Whether the file at `path` is packed by gzip, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP
