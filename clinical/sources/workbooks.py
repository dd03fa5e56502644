"""Tables in workbooks (Excel, OpenDocument) and in files of SAS and SPSS, set down as Parquet of texts, which the other readers read.

A cell becomes the text that stands for it: a number without digits that it does not have, a date in ISO form, identifiers as they are
typed. A workbook with one sheet that holds anything is the table of its file's name; with several, each sheet is a table of its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.clinical.reasons import UNREAD_FILE
from unibase.clinical.sources import statistics_files, workbook_sheets
from unibase.clinical.sources.events import SOURCE_EVENTS, Opener, Plan, TableEvents
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.reading import find_tables, table_name
from unibase.clinical.sources.set_down import Told, kept
from unibase.groundwork.problems import UserError

if TYPE_CHECKING:
    from distributed import Client

SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
STATISTICS = (".sas7bdat", ".xpt", ".sav", ".zsav")


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
    unpacked = unpack(packed, folder)
    for name, paths in unpacked.tables.items():
        tables.setdefault(name, []).extend(paths)
    plan = opener(tables, folder, client)
    # Those whose head cannot be read are told among all files that nothing reads.
    broken = sum(_is_readable(path) for path in unpacked.broken)
    if not broken:
        return plan
    told = RowProblem(
        0, UNREAD_FILE, f"{broken} files of Excel, SAS or SPSS cannot be read to their end: none of it is read.", refused=False
    )
    return replace(plan, ready=[*plan.ready, TableEvents("unread-files", 0, pl.DataFrame(schema=SOURCE_EVENTS), [told])])


def table_files(folder: Path, *, packed: bool = True) -> set[Path]:
    """Return the files of a `folder` that are read as tables; with `packed` those of workbooks and the like, too."""
    read = {path for paths in find_tables(folder).values() for path in paths}
    return read | {path for path in find_packed(folder) if _is_readable(path)} if packed else read


def _is_readable(path: Path) -> bool:
    """Tell whether a file of `find_packed` can be opened."""
    return workbook_sheets.is_readable(path) if path.name.lower().endswith(SHEETS) else statistics_files.is_readable(path)


def _write_sheets(path: Path, stem: Path) -> dict[str, Path]:
    filled = workbook_sheets.read_sheets(path)
    out: dict[str, Path] = {}
    for number, (name, sheet) in enumerate(filled.items()):
        file = stem.with_name(f"{stem.name}-{number:03d}{path.suffix.lower()}.parquet")
        _write(file, [sheet.frame], sheet.told)
        out[table_name(path) if len(filled) == 1 else name.strip().lower()] = file
    return out


def _write_statistics(path: Path, stem: Path) -> dict[str, Path]:
    suffix = path.suffix.lower()
    file = stem.with_name(f"{stem.name}{suffix}.parquet")
    told = Told()
    _write(file, statistics_files.chunks(path, told), told)
    return {path.name.lower().removesuffix(suffix): file}


def _write(file: Path, frames: Iterable[pl.DataFrame], told: Told) -> None:
    """Write frames of one schema as a Parquet `file`, with what is `told` of their cells: it is known when the last is there."""
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    for frame in frames:
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.add_key_value_metadata(kept(told))
        writer.close()
