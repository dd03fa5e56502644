"""Tables and arrays as they are stored, column by column: Parquet, HDF5, zarr, SQLite."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unibase.groundwork.problems import UserError
from unibase.privacy.leaks.searcher import Rows, Searcher

_SUBJECT_COLUMNS = ("subject_id", "primary", "PatientID")

COUNTED = frozenset(
    {"source_row", "SRCSEQ", "data", "indices", "indptr", "codes", "obsmap", "varmap", "Start_Position", "End_Position"}
)
"""Columns and arrays whose whole numbers we count ourselves: rows of a source, positions in a matrix, among categories or bases.

In a large cohort some count always equals some short hospital number.
"""


def scan_parquet(searcher: Searcher, name: str, path: Path, inside: str = "") -> None:
    """Search the metadata and columns of a Parquet file; one that is not well formed was searched as bytes.

    Args:
        searcher: What is sought, and what was found.
        name: The file, as findings name it.
        path: Where it is.
        inside: Where it stood in the file, when it was packed in one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError):
        return
    columns = list(file.schema_arrow.names)
    searcher.texts(name, f"{inside}parquet column names", columns)
    metadata = file.schema_arrow.metadata or {}
    searcher.texts(
        name, f"{inside}parquet metadata", [part.decode("utf-8", "replace") for item in metadata.items() for part in item]
    )
    for batch in file.iter_batches(batch_size=1 << 17):
        table = pa.Table.from_batches([batch])
        field = next((column for column in _SUBJECT_COLUMNS if column in columns), None)
        subjects = _subject_numbers(table.column(field).to_pylist()) if field and searcher.bound_subjects else None
        for column in columns:
            _scan_arrow(searcher, _Column(name, f"{inside}parquet column {column}", column), table.column(column), subjects)


def _subject_numbers(values: Iterable[object]) -> np.ndarray:
    return np.array([_integer(value) for value in values], dtype=np.int64)


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


class _Column(NamedTuple):
    """A column by its file, its place in it, and its name."""

    file: str
    place: str
    field: str


def _scan_arrow(searcher: Searcher, where: _Column, column: Any, subjects: np.ndarray | None) -> None:
    """Search one Arrow column, whose rows are of `subjects` when they are told."""
    import pyarrow as pa

    name, place, field = where
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        encoded = column.combine_chunks().dictionary_encode()
        rows = None
        if subjects is not None:
            rows = Rows(subjects, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
        searcher.texts(name, place, encoded.dictionary.to_pylist(), rows)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        searcher.bytes_(name, place, b"\n".join(value for value in column.unique().to_pylist() if value))
    elif pa.types.is_integer(kind):
        if field not in COUNTED:
            searcher.numbers(name, place, column.fill_null(0).to_numpy(), None if subjects is None else Rows(subjects))
    elif pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        days = column.cast("timestamp[us]").to_numpy().astype("datetime64[D]")
        searcher.dates(name, place, days, None if subjects is None else Rows(subjects))
    elif pa.types.is_nested(kind):
        strings: set[str] = set()
        for value in column.to_pylist():
            strings.update(_strings(value))
        searcher.texts(name, place, sorted(strings))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
    elif value is not None:
        yield str(value)


def _scan_array(searcher: Searcher, name: str, place: str, values: np.ndarray, subjects: np.ndarray | None = None) -> None:
    """Search an array, whose values are of `subjects` when they are told."""
    values = np.atleast_1d(values)
    if values.dtype.kind in "OSUT":
        texts = [
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.ravel().tolist()
        ]
        distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        rows = None if subjects is None else Rows(subjects, np.array([distinct[text] for text in texts], dtype=np.int64))
        searcher.texts(name, place, list(distinct), rows)
    elif values.dtype.kind in "iu" and values.ndim == 1:
        searcher.numbers(name, place, values, None if subjects is None else Rows(subjects))
    elif values.dtype.kind == "M" and values.ndim == 1:
        searcher.dates(name, place, values, None if subjects is None else Rows(subjects))


def _is_searched(dtype: np.dtype[np.generic], ndim: int, place: str) -> bool:
    """Whether an array can hold identifiers: texts, dates, and columns of whole numbers that are no counts of ours."""
    return dtype.kind in "OSUTM" or (dtype.kind in "iu" and ndim <= 1 and not COUNTED & set(place.split("/")))


def scan_hdf5(searcher: Searcher, name: str, path: Path, inside: str = "") -> None:
    """Search the names, attributes and arrays of an HDF5 file.

    Args:
        searcher: What is sought, and what was found.
        name: The file, as findings name it.
        path: Where it is.
        inside: Where it stood in the file, when it was packed in one.
    """
    import h5py

    def attributes(thing: Any, place: str) -> None:
        for key, value in thing.attrs.items():
            searcher.texts(name, f"{place} attribute", [key])
            _scan_array(searcher, name, f"{place} attribute {key}", np.asarray(value))

    with contextlib.suppress(OSError), h5py.File(path, "r") as file:
        attributes(file, f"{inside}hdf5 /")

        def visit(where: str, thing: object) -> None:
            place = f"{inside}hdf5 /{where}"
            searcher.texts(name, f"{place} (name)", [where.rpartition("/")[2]])
            attributes(thing, place)
            if isinstance(thing, h5py.Dataset) and thing.shape is not None:
                if _is_searched(thing.dtype, thing.ndim, where):
                    _scan_array(searcher, name, place, np.asarray(thing[()]))
            elif isinstance(thing, h5py.Group):
                columns = {key: thing[key] for key in thing if isinstance(thing[key], h5py.Dataset) and thing[key].ndim == 1}
                _scan_rows(
                    searcher,
                    name,
                    place,
                    {key: np.asarray(value[()]) for key, value in columns.items()} if _has_subject(columns) else {},
                )

        file.visititems(visit)


def _has_subject(columns: dict[str, object]) -> bool:
    return any(column in columns for column in _SUBJECT_COLUMNS)


def _scan_rows(searcher: Searcher, name: str, place: str, columns: dict[str, np.ndarray]) -> None:
    """Search columns that stand beside a column of subjects, row by row for the needles bound to those subjects."""
    field = next((column for column in _SUBJECT_COLUMNS if column in columns), None)
    if field is None or not searcher.bound_subjects:
        return
    subjects = _subject_numbers(columns[field].tolist())
    for column, values in columns.items():
        if column != field and len(values) == len(subjects) and _is_searched(values.dtype, values.ndim, column):
            _scan_array(searcher, name, f"{place}/{column}", values, subjects)


def scan_zarr(searcher: Searcher, folder: Path, base: Path) -> None:
    """Search the decoded chunks of one zarr array, or of the columns of one zarr group that tell subjects.

    Args:
        searcher: What is sought, and what was found.
        folder: The array or group.
        base: Folder that findings name it from.

    Raises:
        UserError: If it cannot be read, hence not searched.
    """
    import zarr

    name = folder.relative_to(base).as_posix()
    try:
        about = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        searcher.texts(name, "zarr attributes", sorted(set(_strings(about.get("attributes", {})))))
        opened: Any = zarr.open(folder.as_posix(), mode="r")
        if about.get("node_type") == "group":
            arrays = {key: array for key, array in opened.arrays() if array.ndim == 1}
            if _has_subject(arrays):
                _scan_rows(searcher, name, "zarr", {key: np.asarray(array[:]) for key, array in arrays.items()})
        elif _is_searched(opened.dtype, opened.ndim, name):
            _scan_array(searcher, name, "zarr array", np.asarray(opened[...]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{name}: this zarr array cannot be read ({type(error).__name__}), so it cannot be searched. Write it again."
        ) from None


def scan_sqlite(searcher: Searcher, name: str, path: Path, inside: str = "") -> None:
    """Search the tables of an SQLite file.

    Args:
        searcher: What is sought, and what was found.
        name: The file, as findings name it.
        path: Where it is.
        inside: Where it stood in the file, when it was packed in one.
    """
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = connection.execute('SELECT * FROM "' + table.replace('"', '""') + '"')
            fields = [column[0] for column in cursor.description]
            while rows := cursor.fetchmany(50_000):
                for field, column in zip(fields, zip(*rows, strict=True), strict=True):
                    place = f"{inside}sqlite {table}.{field}"
                    searcher.texts(name, place, [value for value in column if isinstance(value, str)])
                    searcher.bytes_(name, place, b"\n".join(value for value in column if isinstance(value, bytes)))
                    numbers = [value for value in column if isinstance(value, int)]
                    searcher.numbers(name, place, np.array(numbers, dtype=np.int64))
