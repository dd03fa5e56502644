"""Plain rows on their way from batch to shard: columns in as few bytes as hold them exactly, cut at the bounds of the shards.

A file holds the rows of one batch: a line of JSON, where in the batch each shard begins and the last ends, then shard by shard
the columns of its rows, one after another. A shard so reads one stretch of each file. A column of whole numbers is kept as the
distance from its least value, in the narrowest type that holds the greatest distance; times count whole seconds where all of a
batch are such and that is narrower. A column with one value throughout is only named in the first line. What a column was packed
into follows from its own values: nothing is rounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

Numbers = np.ndarray

SECOND = 1_000_000
"""Microseconds of a second."""

PLAIN: Mapping[str, tuple[str, int]] = {
    "time": ("<i8", 0),
    "length": ("<i8", 0),
    "row": ("<u4", 0),
    "number": ("<f4", 0),
    "text": ("<i4", -1),
    "code": ("<i4", -1),
    "unit": ("<i4", -1),
    "rank": ("<u2", 0),
    "flags": ("u1", 0),
}
"""Columns of plain rows: type, and value where a table does not have the column. `time`, and `length` to the end, in microseconds."""

_BY_ROW = ("time", "rank")
_NARROWED = ("<i4", "<u4")
_CONSTANT = ""
_CUT = np.dtype("<u4")


@dataclass(frozen=True)
class Column:
    """How a column is kept: as numbers of `dtype` whose value is `base + step * number`; without a type it is `base` in every row."""

    name: str
    dtype: str
    base: int = 0
    step: int = 1

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return np.dtype(self.dtype).itemsize if self.dtype != _CONSTANT else 0

    def unpack(self, packed: Numbers, into: Numbers) -> None:
        """Write the values of `packed` numbers, shape (rows,), to an array `into` of the same length."""
        if self.dtype == _CONSTANT:
            into.fill(self.base)
            return
        into[:] = packed
        if self.step != 1:
            into *= self.step
        if self.base:
            into += into.dtype.type(self.base)


def whole_seconds(micros: Numbers) -> Numbers | None:
    """Return microseconds, `micros` of shape (rows,), as seconds, or None when not all are whole.

    >>> whole_seconds(np.array([2_000_000])), whole_seconds(np.array([1]))
    (array([2]), None)
    """
    seconds = micros // SECOND
    return seconds if np.array_equal(seconds * SECOND, micros) else None


def pack(name: str, values: Numbers) -> tuple[Column, Numbers]:
    """Return how the column `name`, `values` of shape (rows,), is kept, and its numbers; those of a constant are none.

    >>> pack("x", np.array([100, 103]))
    (Column(name='x', dtype='|u1', base=0, step=1), array([100, 103], dtype=uint8))
    """
    if values.dtype.kind == "f":
        return Column(name, values.dtype.str), values
    low, high = int(values.min()), int(values.max())
    if low == high:
        return Column(name, _CONSTANT, low), values[:0]
    step = 1
    seconds = whole_seconds(values) if high - low > np.iinfo(np.uint32).max else None
    if seconds is not None:
        values, low, high, step = seconds, low // SECOND, high // SECOND, SECOND
    dtype = np.min_scalar_type(high - low)
    if low > 0 and dtype == np.min_scalar_type(high):
        low = 0
    # A distance of more than half the range of 64 bits wraps round here, and back again when the base is added.
    distance = values - values.dtype.type(low) if low else values
    return Column(name, dtype.str, low * step, step), distance.astype(dtype)


def write_pieces(path: Path, columns: Mapping[str, Numbers], shard: Numbers, shards: int, offset: int) -> None:
    """Leave the plain rows of a batch in one file, in the order of their shards, else in their own.

    Args:
        path: The file.
        columns: Columns of `PLAIN`; `row` counts from 0 in the batch, `rank` from 0 in the shard. At least one row.
        shard: The shard of each row.
        shards: How many shards there are.
        offset: Rows of the table before the batch.
    """
    # Small numbers sort by radix.
    order = np.argsort(shard.astype(np.min_scalar_type(shards)), kind="stable")
    cuts = np.concatenate([[0], np.cumsum(np.bincount(shard, minlength=shards))])
    packed = [pack(name, values) for name, values in columns.items()]
    # The widest first: all stay aligned.
    packed.sort(key=lambda column: -column[0].width)
    head = {"offset": offset, "shards": shards, "columns": [[one.name, one.dtype, one.base, one.step] for one, _ in packed]}
    held = [values.take(order) for one, values in packed if one.width]
    with path.open("wb", buffering=1 << 20) as file:
        file.write(json.dumps(head).encode() + b"\n")
        file.write(cuts.astype(_CUT).data)
        for low, high in pairwise(cuts.tolist()):
            for values in held:
                file.write(values[low:high].data)


@dataclass(frozen=True)
class PieceFile:
    """The plain rows of one batch of a table: rows of the table before it, where its rows begin in the file, the cuts of the shards."""

    path: Path
    table: str
    offset: int
    start: int
    cuts: Numbers
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, path: Path, table: str) -> PieceFile:
        """Read what comes before the rows in the file at `path` that `write_pieces` wrote of a `table`."""
        with path.open("rb") as file:
            head = json.loads(file.readline())
            cuts = np.frombuffer(file.read((head["shards"] + 1) * _CUT.itemsize), dtype=_CUT)
            start = file.tell()
        return cls(path, table, head["offset"], start, cuts, tuple(Column(*one) for one in head["columns"]))

    def rows(self, shard: int) -> int:
        """How many rows of a shard there are."""
        return int(self.cuts[shard + 1] - self.cuts[shard])

    def read(self, shard: int, into: Mapping[str, Numbers]) -> None:
        """Write the rows of a `shard` to columns of their length, `into`."""
        rows = self.rows(shard)
        width = sum(column.width for column in self.columns)
        data = np.empty(rows * width, dtype=np.uint8)
        # Read, not mapped: what is mapped counts as memory of the process until it is closed.
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start + int(self.cuts[shard]) * width)
            file.readinto(data.data)
        missing = set(into)
        place = 0
        for column in self.columns:
            size = rows * column.width
            if column.name in into:
                packed = data[place : place + size].view(column.dtype) if size else data[:0]
                column.unpack(packed, into[column.name])
                missing.remove(column.name)
            place += size
        for name in missing:
            into[name].fill(PLAIN[name][1])


@dataclass(frozen=True)
class ShardRows:
    """The plain rows of a shard, in the order of table, batch and row, and room for further rows after them.

    Attributes:
        piece: For each row the place of its file among those of the shard; a further row has the place after the last.
        varying: Columns that differ between the rows of a file, by row; 0 for further rows.
        fixed: Columns that do not, by file; the last value is that of further rows.
    """

    piece: Numbers
    varying: Mapping[str, Numbers]
    fixed: Mapping[str, Numbers]

    def take(self, name: str, rows: Numbers, piece: Numbers) -> Numbers:
        """Return the column `name` of some `rows`, which are of the files `piece`; both of shape (rows,)."""
        return self.varying[name].take(rows) if name in self.varying else self.fixed[name].take(piece)


def read_shard(files: Sequence[PieceFile], shard: int, room: int) -> ShardRows:
    """Return the rows that files have for a shard, all of which have some, with room for `room` more."""
    sizes = [file.rows(shard) for file in files]
    varying, fixed = {}, {}
    for name, (dtype, value) in PLAIN.items():
        missing = Column(name, _CONSTANT, value)
        columns = [next((one for one in file.columns if one.name == name), missing) for file in files]
        if name in _BY_ROW or any(column.width for column in columns):
            varying[name] = np.empty(sum(sizes) + room, dtype=_narrowest(columns, dtype))
        else:
            fixed[name] = np.array([*(column.base for column in columns), value], dtype=dtype)
    at = 0
    for file, rows in zip(files, sizes, strict=True):
        file.read(shard, {name: column[at : at + rows] for name, column in varying.items()})
        at += rows
    for column in varying.values():
        column[at:] = 0
    places = np.arange(len(files) + 1, dtype=np.min_scalar_type(len(files)))
    return ShardRows(np.repeat(places, [*sizes, room]), varying, fixed)


def _narrowest(columns: Sequence[Column], dtype: str) -> np.dtype[np.generic]:
    """Return the narrowest type of the values of packed columns: a row is sooner gathered from fewer bytes."""
    wide = [one.step != 1 or one.base < 0 or (one.width and one.base) for one in columns]
    if dtype not in _NARROWED or any(wide):
        return np.dtype(dtype)
    packed = {np.dtype(one.dtype) for one in columns if one.width}
    alike = {np.min_scalar_type(one.base) for one in columns if not one.width}
    return np.result_type(*packed, *alike)
