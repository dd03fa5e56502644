"""Tables in workbooks (Excel, OpenDocument) and in files of SAS and SPSS, set down as Parquet of texts, which the other readers read.

A cell becomes the text that stands for it: a number without digits that it does not have, a date in ISO form, identifiers as they are
typed. A workbook with one sheet that holds anything is the table of its file's name; with several, each sheet is a table of its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from unibase.clinical.sources.csv_headers import called
from unibase.clinical.sources.events import Opener, Plan
from unibase.clinical.sources.reading import find_tables, table_name
from unibase.groundwork.problems import UserError
from unibase.groundwork.workbook_bounds import refuse_odd_workbook

if TYPE_CHECKING:
    from distributed import Client

SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
STATISTICS = (".sas7bdat", ".xpt", ".sav", ".zsav")
_ROWS = 100_000


@dataclass(frozen=True)
class Unpacked:
    """Tables by name, and files that could not be opened."""

    tables: dict[str, list[Path]] = field(default_factory=dict)
    broken: tuple[Path, ...] = ()


def find_packed(source: Path) -> list[Path]:
    """Return the workbooks and files of SAS and SPSS of a source; those that an open program keeps beside its own are none."""
    files = [source] if source.is_file() else sorted(source.iterdir()) if source.is_dir() else []
    wanted = (*SHEETS, *STATISTICS)
    return [path for path in files if path.is_file() and path.name.lower().endswith(wanted) and not path.name.startswith("~$")]


def unpack(files: Sequence[Path], folder: Path) -> Unpacked:
    """Write the tables of some files as Parquet.

    Args:
        files: Of `find_packed`.
        folder: Where the tables go; it must be one that only this user can open, and must go.
    """
    tables: dict[str, list[Path]] = {}
    broken: list[Path] = []
    for number, path in enumerate(files):
        name = path.name.lower()
        write = _write_sheets if name.endswith(SHEETS) else _write_statistics
        try:
            found = write(path, folder / f"unpacked-{number:03d}")
        except Exception:  # of three libraries, each with errors of its own, for files of any content
            broken.append(path)
            continue
        for table, file in found.items():
            tables.setdefault(table, []).append(file)
    return Unpacked(tables, tuple(broken))


def all_tables(source: Path, folder: Path) -> dict[str, list[Path]]:
    """Return the files of each table of a source, those that workbooks and the like hold set down in a folder.

    `source`: file or folder; `folder`: where tables go that must be set down first, as in `unpack`.
    """
    packed = find_packed(source)
    alone = {} if packed else {table_name(source): [source]}
    found = find_tables(source) if source.is_dir() else alone
    for name, paths in unpack(packed, folder).tables.items():
        found.setdefault(name, []).extend(paths)
    return found


TableOpener = Callable[[Mapping[str, Sequence[Path]], Path, "Client | None"], Plan]
"""Opens tables, by name; given a folder for what it keeps and a Dask client."""


def open_tables(source: Path, opener: TableOpener) -> Opener:
    """Return what opens the tables of a source; those that workbooks and the like hold are set down first.

    Args:
        source: File or folder.
        opener: Opens the tables when they are there.

    Raises:
        UserError: If there is no table.
    """
    packed = find_packed(source)
    alone = {} if packed else {table_name(source): [source]}
    found = find_tables(source) if source.is_dir() else alone
    if not found and not packed:
        raise UserError(f"There is no table in {source}. Expected are files in CSV, Parquet, Excel, SAS or SPSS.")
    return partial(_unpack_and_open, found, packed, opener)


def _unpack_and_open(
    found: Mapping[str, Sequence[Path]], packed: Sequence[Path], opener: TableOpener, folder: Path, client: Client | None
) -> Plan:
    tables = {name: [*paths] for name, paths in found.items()}
    for name, paths in unpack(packed, folder).tables.items():
        tables.setdefault(name, []).extend(paths)
    return opener(tables, folder, client)


def table_files(folder: Path, *, packed: bool = True) -> set[Path]:
    """Return the files of a `folder` that are read as tables; with `packed` those of workbooks and the like, too."""
    read = {path for paths in find_tables(folder).values() for path in paths}
    return read | {path for path in find_packed(folder) if _is_readable(path)} if packed else read


def _is_readable(path: Path) -> bool:
    """Tell whether a file of `find_packed` can be opened."""
    try:
        if path.name.lower().endswith(SHEETS):
            _workbook(path).close()
        else:
            _reader(path)(str(path), metadataonly=True)
    except Exception:  # as in `unpack`
        return False
    return True


def _workbook(path: Path) -> Any:
    from python_calamine import CalamineWorkbook  # a library of its own, for few sources

    refuse_odd_workbook(path)
    return CalamineWorkbook.from_path(str(path))


def _write_sheets(path: Path, stem: Path) -> dict[str, Path]:
    workbook = _workbook(path)
    frames = {name: _sheet(workbook.get_sheet_by_name(name).to_python(skip_empty_area=True)) for name in workbook.sheet_names}
    workbook.close()
    filled = {name: frame for name, frame in frames.items() if frame.width}
    out: dict[str, Path] = {}
    for number, (name, frame) in enumerate(filled.items()):
        file = stem.with_name(f"{stem.name}-{number:03d}.parquet")
        frame.write_parquet(file)
        out[table_name(path) if len(filled) == 1 else name.strip().lower()] = file
    return out


def _sheet(rows: list[list[object]]) -> pl.DataFrame:
    """Return a sheet as texts; its first row that holds anything is the header."""
    start = next((number for number, row in enumerate(rows) if any(cell not in (None, "") for cell in row)), None)
    if start is None:
        return pl.DataFrame()
    start = _below_titles(rows, start)
    header, _ = called([_text(cell) or "" for cell in rows[start]])
    body = [[_text(cell) for cell in row] for row in rows[start + 1 :]]
    columns: dict[str, list[str | None]] = {}
    for place, name in enumerate(header):
        cells = [row[place] if place < len(row) else None for row in body]
        if rows[start][place] not in (None, "") or any(cells):
            columns[name] = cells
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _below_titles(rows: Sequence[Sequence[object]], start: int) -> int:
    """Return the row of the header: the first one, or that below titles of one cell each, when it is full."""
    for number, row in enumerate(rows[start:], start=start):
        filled = [cell for cell in row if cell not in (None, "")]
        if len(filled) > 1:
            return number if len(filled) == len(row) and all(isinstance(cell, str) for cell in filled) else start
    return start


def _text(cell: object) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _reader(path: Path) -> Callable[..., tuple[Any, Any]]:
    import pyreadstat  # a library of its own, for few sources

    names = {".sas7bdat": "read_sas7bdat", ".xpt": "read_xport"}
    reader: Callable[..., tuple[Any, Any]] = getattr(pyreadstat, names.get(path.suffix.lower(), "read_sav"))
    return reader


def _write_statistics(path: Path, stem: Path) -> dict[str, Path]:
    import pyarrow.parquet as pq

    file = stem.with_name(f"{stem.name}.parquet")
    writer: pq.ParquetWriter | None = None
    for frame in _chunks(path):
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    suffix = path.suffix.lower()
    return {path.name.lower().removesuffix(suffix): file} if writer is not None else {}


def _chunks(path: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file of SAS or SPSS as texts; of labelled values the values."""
    read = _reader(path)
    offset = 0
    while True:
        content, _ = read(str(path), row_offset=offset, row_limit=_ROWS, output_format="dict")
        height = len(next(iter(content.values()), []))
        if height or not offset:
            cells = {name: [_text(_known(cell)) for cell in values] for name, values in content.items()}
            yield pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
        if height < _ROWS:
            return
        offset += height


def _known(cell: object) -> object:
    """Return a cell of a column, None for the number that stands for none; NumPy's scalars as Python's."""
    plain = cell.item() if hasattr(cell, "item") else cell
    return None if isinstance(plain, float) and plain != plain else plain
