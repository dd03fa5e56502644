"""Rows that may be a variable's choice, kept as numbers until it is known which they are.

A variable that takes one row of a subject meets millions of rows and keeps thousands. Their texts are kept as numbers of
a dictionary; the few rows that share the deciding instant are told apart at the end, by the house's order.
"""

from __future__ import annotations

import mmap
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.groundwork.tables import EVENTS, TIMESTAMP
from unibase.linking.windows import ORDER

if TYPE_CHECKING:
    import pyarrow as pa

NULL = np.int64(-(2**63))
"""A number that is missing."""

_TEXTS = tuple(name for name, dtype in EVENTS.schema().items() if dtype == pl.String)
_NUMBERS = ("time", "recorded_time", "source_row")
_KEPT = ("subject_id", *(name for name in EVENTS.schema() if name in (*_NUMBERS, *_TEXTS, "numeric_value")))
"""Columns of EVENTS that are kept. The bounds of a row's time are the keys it is chosen by; an end has had its say by then."""

_KINDS: dict[str, type] = {
    **dict.fromkeys(("cell", "one", "two", *_NUMBERS), np.int64),
    **dict.fromkeys(_TEXTS, np.int32),
    "numeric_value": np.float32,
}


class _Growing:
    """A column that rows are added to: one piece of memory, which goes back whole when the column is done with."""

    def __init__(self, kind: type, room: int) -> None:
        self._kind = np.dtype(kind)
        self._room = self._made(room)
        self._size = 0

    def extend(self, values: np.ndarray) -> None:
        """Add values at the end."""
        end = self._size + len(values)
        if end > len(self._room):
            old, self._room = self._room, self._made(max(2 * len(self._room), end))
            self._room[: self._size] = old[: self._size]
        self._room[self._size : end] = values
        self._size = end

    def values(self) -> np.ndarray:
        """Return the values; to be let go before more are added."""
        return self._room[: self._size]

    def _made(self, room: int) -> np.ndarray:
        """Return room in pages of its own: those not written to take no memory, and none stays behind in a heap."""
        pages = mmap.mmap(-1, max(room, 1_024) * self._kind.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return np.frombuffer(pages, dtype=self._kind)


class Candidates:
    """Collects, batch by batch, the rows that were best for their subject and variable when they were read.

    Attributes:
        best: The best keys so far, (2, chosen variables, subjects).

    Args:
        ids: Index subjects, ascending.
        slot: Place of each chosen variable among those.
        chosen: How many variables take one row of a subject.
    """

    def __init__(self, ids: np.ndarray, slot: np.ndarray, chosen: int) -> None:
        self._ids, self._slot = ids, slot
        self.best = np.full((2, chosen, len(ids)), NULL)
        # A row for every cell, and some more for those that are beaten later.
        room = self.best.size // 2 * 9 // 8
        self._columns = {name: _Growing(kind, room) for name, kind in _KINDS.items()}
        self._numbers: dict[str, dict[str | None, int]] = {name: {} for name in _TEXTS}
        # Columns that say something else than their first value or nothing; the others hold no memory.
        self._filled = {"numeric_value"}
        self._rows = 0
        # The batches of a row group share their dictionaries: by column the last one, and the number of each of its values.
        self._last: dict[str, tuple[object, np.ndarray]] = {}

    def add(self, batch: pa.RecordBatch, rows: np.ndarray, variables: np.ndarray, at: np.ndarray, keys: np.ndarray) -> None:
        """Take up `rows` of a `batch` with the `variables` they may serve, their subjects `at`, and `keys` (2, n) of choice."""
        columns = self._columns
        columns["cell"].extend(self._slot[variables] * len(self._ids) + at)
        columns["one"].extend(keys[0])
        columns["two"].extend(keys[1])
        columns["numeric_value"].extend(_floats(batch.column(batch.schema.get_field_index("numeric_value")))[rows])
        for name in _NUMBERS:
            column = batch.column(batch.schema.get_field_index(name))
            self._extend(name, integers(batch, name), rows, column.null_count < len(column), int(NULL))
        for name in _TEXTS:
            texts = self._texts(name, batch, rows)
            self._extend(name, texts, None, len(self._numbers[name]) > 1, 0)
        self._rows += len(rows)

    def _extend(self, name: str, values: np.ndarray, rows: np.ndarray | None, fills: bool, before: int) -> None:
        """Add values to a column, once it has more to say than what it said `before`."""
        if fills and name not in self._filled:
            self._filled.add(name)
            self._columns[name].extend(np.broadcast_to(before, self._rows))
        if name in self._filled:
            self._columns[name].extend(values if rows is None else values[rows])

    def _texts(self, name: str, batch: pa.RecordBatch, rows: np.ndarray) -> np.ndarray:
        known = self._numbers[name]
        column = batch.column(batch.schema.get_field_index(name))
        if column.null_count == len(column):
            return np.broadcast_to(np.int32(known.setdefault(None, len(known))), len(rows))
        indices, values = dictionary(column)
        mine = indices[rows]
        last = self._last.get(name)
        if last is None or not values.equals(last[0]):
            last = self._last[name] = values, np.full(len(values) + 1, -1, dtype=np.int32)
        local = last[1]
        there = np.flatnonzero(np.bincount(mine, minlength=len(local)))
        new = there[local[there] < 0]
        if new.size:
            texts = listed(values)
            for place in new.tolist():
                local[place] = known.setdefault(texts[place], len(known))
        found: np.ndarray = local[mine]
        return found

    def choose(self, variables: np.ndarray, upper: np.ndarray, how: list[str]) -> pl.DataFrame:
        """Return the row of every cell, sorted by variable and subject.

        The arrays have the shapes (variables,) and (subjects,).

        Args:
            variables: Per chosen variable in order of its slot, what stands in the column `variable`.
            upper: Upper bound of each subject, in microseconds.
            how: Per chosen variable: `latest`, `closest` or `first`. Of rows that tie `first` takes the first, the others the last.

        Returns:
            The columns of EVENTS but for bounds and end; `t_min` and `t_max`, the earliest and the latest instant that
            the time can mean; `variable`, and the subject's `upper`.
        """
        cell = self._column("cell")
        # What was best when its batch was read may have been beaten by a later one.
        one, two = (self._columns[name].values() for name in ("one", "two"))
        flat = self.best.reshape(2, -1)
        kept = np.flatnonzero((one == flat[0][cell]) & (two == flat[1][cell]))
        kept = self._one_per_cell(kept, cell, flat.shape[1], [name == "first" for name in how])
        del self.best, flat, one, two
        slot, at = (part.astype(np.int32) for part in np.divmod(cell[kept], max(len(self._ids), 1)))
        del cell
        keys = self._column("one")[kept], self._column("two")[kept]
        columns = [_instants(name, numbers) for name, numbers in zip(("t_min", "t_max"), _bounds(*keys, slot, how), strict=True)]
        del keys
        same: list[pl.Expr] = []
        for name in _KEPT:
            dtype = EVENTS.schema()[name]
            if name == "subject_id":
                columns.append(pl.Series(name, self._ids[at], dtype=dtype))
            elif name in self._filled:
                columns.append(self._series(name, self._column(name)[kept]).cast(dtype))
            else:
                # A column that says the same everywhere is held once.
                same.append(pl.lit(next(iter(self._numbers.get(name, ())), None), dtype=dtype).alias(name))
        columns.append(pl.Series("variable", variables[slot], dtype=pl.Int32))
        columns.append(_instants("upper", upper[at]))
        return pl.DataFrame(columns).with_columns(same)

    def _column(self, name: str) -> np.ndarray:
        return self._columns.pop(name).values()

    def _one_per_cell(self, kept: np.ndarray, cell: np.ndarray, cells: int, first: list[bool]) -> np.ndarray:
        """Return `kept` in order of cell, with one row of each: the first or the last of those that tie, by `ORDER`."""
        winner = np.full(cells, -1, dtype=np.int64)
        winner[cell[kept]] = kept
        beaten = cell[kept[winner[cell[kept]] != kept]]
        if beaten.size:
            tied = np.zeros(cells, dtype=bool)
            tied[beaten] = True
            for row in self._untie(kept[tied[cell[kept]]], cell, first):
                winner[cell[row]] = row
        return winner[winner >= 0]

    def _untie(self, rows: np.ndarray, cell: np.ndarray, first: list[bool]) -> list[np.ndarray]:
        order = {name: self._series(name, self._columns[name].values()[rows]) for name in ORDER if name in self._filled}
        table = pl.DataFrame({"cell": cell[rows], "row": rows} | order)
        takes_first = np.array(first)[cell[rows] // len(self._ids)]
        winners = []
        for wanted in (True, False):
            some = table.filter(pl.Series(takes_first == wanted)).sort(["cell", *order], nulls_last=wanted)
            winners.append(some.unique("cell", keep="first" if wanted else "last", maintain_order=True)["row"].to_numpy())
        return winners

    def _series(self, name: str, numbers: np.ndarray) -> pl.Series:
        if name in _TEXTS:
            return pl.Series(name, list(self._numbers[name]), dtype=pl.String).gather(numbers)
        if name == "numeric_value":
            return _or_null(pl.Series(name, numbers, dtype=pl.Float32), _is_missing(numbers))
        return _or_null(pl.Series(name, numbers, dtype=pl.Int64), numbers == NULL)


def _bounds(one: np.ndarray, two: np.ndarray, slot: np.ndarray, how: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the earliest and the latest instant of rows from the keys they were chosen by, as `kernels` makes them."""
    latest, first = (np.array([name == kind for name in how], dtype=bool)[slot] for kind in ("latest", "first"))
    low, high = np.where(latest, two, one), np.where(latest, one, two)
    # The number that stands for a missing one is its own negative.
    for numbers in (low, high):
        np.negative(numbers, out=numbers, where=first)
    return low, high


def _instants(name: str, numbers: np.ndarray) -> pl.Series:
    return _or_null(pl.Series(name, numbers, dtype=pl.Int64), numbers == NULL).cast(TIMESTAMP)


_MISSING = np.uint32(0x7FC0_0DED)
"""A NaN of its own that stands for a missing value: a NaN of the data stays one."""


def _floats(column: pa.Array) -> np.ndarray:
    import pyarrow as pa

    column = column.cast(pa.float32())
    numbers = _plain(column.fill_null(0) if column.null_count else column)
    if column.null_count:
        numbers = numbers.copy()
        numbers[_plain(column.is_null())] = _MISSING.view(np.float32)
    return numbers


def _is_missing(numbers: np.ndarray) -> np.ndarray:
    found: np.ndarray = numbers.astype(np.float32, copy=False).view(np.uint32) == _MISSING
    return found


def _or_null(series: pl.Series, missing: np.ndarray) -> pl.Series:
    return series.set(pl.Series(missing), None) if missing.any() else series


def integers(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """Return the column `name` of whole numbers or times (in microseconds) of an Arrow batch; `kernels.NULL` where missing.

    >>> import pyarrow as pa
    >>> integers(pa.record_batch({"source_row": [3, 5]}), "source_row").tolist()
    [3, 5]
    """
    import pyarrow as pa

    column = batch.column(batch.schema.get_field_index(name))
    if column.null_count == len(column):
        return _nothing(len(column))
    if pa.types.is_timestamp(column.type) and column.type.unit != "us":
        column = column.cast(pa.timestamp("us"), safe=False)
    column = column.cast(pa.int64())
    if column.null_count:
        column = column.fill_null(int(NULL))
    return _plain(column)


def _plain(column: pa.Array) -> np.ndarray:
    """Return an Arrow array without nulls as numpy, by way of Polars: pyarrow would load pandas for it, of 40 MB."""
    return pl.Series(column).to_numpy()


@lru_cache(maxsize=4)
def _nothing(rows: int) -> np.ndarray:
    """Return a column that is missing in every row; one array serves all batches of a size."""
    return np.full(rows, NULL)


def dictionary(column: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Return (position of each row's value in the vector `column`, the values as an Arrow array); nulls stand one past the last.

    >>> import pyarrow as pa
    >>> dictionary(pa.array(["b", "a", "b"]))[0].tolist()
    [0, 1, 0]
    """
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(len(column.dictionary))
    return _plain(indices), column.dictionary


def listed(values: pa.Array) -> list[str | None]:
    """Return the `values` of a dictionary, a vector, and None for the nulls."""
    return [*values.to_pylist(), None]
