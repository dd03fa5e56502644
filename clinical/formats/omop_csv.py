"""OMOP in CSV that is written as the CDM says, set down as Parquet with the CDM's types: its rows are then read as numbers.

A file that is written otherwise (another encoding or delimiter, comments, numbers with zeros before them, dates in words, short rows,
blank lines) is not taken: it is read as text, cell by cell, which tells what is odd of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.clinical.formats import omop_tables
from unibase.clinical.sources import record_bounds
from unibase.clinical.sources.csv_headers import find_header
from unibase.clinical.sources.reading import find_tables

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 16 << 20
_ODD = (b"\n\n", b"\n\r\n", b"\n,", b"\n#", b", 0")
"""Blank lines, rows that begin with an empty cell, comments, blanks before a number."""
_BEGINS = np.zeros(256, dtype=bool)
_BEGINS[list(b',\n"')] = True
"""Bytes after which a cell begins."""
_SUFFIXES = (".csv", ".csv.gz")


class _Otherwise(Exception):
    """A file is not written as the CDM says."""


def set_down(source: Path, wanted: Mapping[str, Sequence[str] | None], folder: Path) -> bool:
    """Write the tables of a folder of CSV as Parquet; return whether all of them are written as the CDM says.

    Args:
        source: The folder.
        wanted: Columns to read of each table, in lower case; None for all.
        folder: Where the files go; it must be one that only this user can open, and must go.
    """
    import pyarrow as pa

    tables = find_tables(source)
    if not all(path.name.lower().endswith(_SUFFIXES) for paths in tables.values() for path in paths):
        return False
    try:
        for name, paths in tables.items():
            _write_table(omop_tables.plain_name(name), paths, wanted, folder)
    except (_Otherwise, pa.ArrowInvalid, UnicodeDecodeError):
        return False
    return True


def _write_table(name: str, paths: Sequence[Path], wanted: Mapping[str, Sequence[str] | None], folder: Path) -> None:
    if len(paths) > 1:
        raise _Otherwise
    if name not in wanted:
        # Its name alone counts.
        _empty(folder / f"{name}.parquet")
        return
    typed = name in omop_tables.EVENT_TABLES or name == "death"
    _write(paths[0], wanted[name], typed, folder / f"{name}.parquet")


def _empty(target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"empty": pa.nulls(0)}), target)


def _write(path: Path, wanted: Sequence[str] | None, typed: bool, target: Path) -> None:
    """Write one file, a block at a time; columns that nothing reads keep their name alone."""
    import pyarrow.parquet as pq

    columns = _columns(path)
    types = {name: _type_of(name.lower(), typed) for name in columns if wanted is None or name.lower() in wanted}
    if not types:
        raise _Otherwise
    writer = None
    try:
        for rows in _blocks(path, columns, types, typed):
            table = _whole(rows, columns)
            writer = writer or pq.ParquetWriter(target, table.schema, compression="lz4")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise _Otherwise


def _columns(path: Path) -> list[str]:
    """Return the columns of a file whose first line is a plain header."""
    with record_bounds.open_binary(path) as file:
        start = file.read(_BLOCK)
    header = find_header(start, path)
    names = start.split(b"\n", 1)[0].strip(b"\r\xef\xbb\xbf").decode("ascii", "replace").split(",")
    plain = all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in names)
    first = header.start == 0 and header.delimiter == ","
    if header.is_blank or not first or not plain or len({name.lower() for name in names}) < len(names):
        raise _Otherwise
    return names


def _type_of(name: str, typed: bool) -> pa.DataType:
    import pyarrow as pa

    ends = {
        "concept_id": pa.int64(),
        "person_id": pa.int64(),
        "_datetime": pa.timestamp("us"),
        "_date": pa.date32(),
        "as_number": pa.float64(),
    }
    found = next((dtype for end, dtype in ends.items() if name.endswith(end)), pa.string())
    return found if typed else pa.string()


def _blocks(path: Path, columns: Sequence[str], types: Mapping[str, pa.DataType], typed: bool) -> Iterator[pa.Table]:
    import pyarrow as pa
    from pyarrow import csv

    read = csv.ReadOptions(column_names=list(columns), use_threads=False, block_size=_BLOCK * 2)
    convert = csv.ConvertOptions(
        column_types=dict(types),
        include_columns=list(types),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    with record_bounds.open_binary(path) as file:
        file.seek(len(file.readline()))
        for block in record_bounds.cut(file, path, ","):
            if any(one in b"\n" + block for one in _ODD) or (typed and _has_zeros(b"\n" + block)):
                raise _Otherwise
            table = csv.read_csv(pa.BufferReader(block), read, csv.ParseOptions(newlines_in_values=True), convert)
            if "person_id" in table.column_names and table["person_id"].null_count:
                raise _Otherwise
            yield table


def _has_zeros(block: bytes) -> bool:
    """Tell whether a number of a block has zeros before it: `00123` is not 123; 08:30 is a time of day."""
    byte = np.frombuffer(block, dtype=np.uint8)
    zero = np.flatnonzero(byte[1:-2] == ord("0")) + 1
    zero = zero[_BEGINS[byte[zero - 1]]]
    digit = (byte[zero + 1] >= ord("0")) & (byte[zero + 1] <= ord("9"))
    return bool((digit & (byte[zero + 2] != ord(":"))).any())


def _whole(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    have = set(rows.column_names)
    return pa.table({name: rows[name] if name in have else pa.nulls(rows.num_rows) for name in columns})
