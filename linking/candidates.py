"""Rows that may be a variable's choice, kept as numbers until it is known which they are.

A variable that takes one row of a subject meets millions of rows and keeps thousands. Their texts are kept as numbers of
a dictionary; the few rows that share the deciding instant are told apart at the end, by the house's order.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from groundwork.tables import EVENTS
from linking.windows import ORDER

_TEXTS = tuple(name for name, dtype in EVENTS.schema().items() if dtype == pl.String)
_APART = ("subject_id", "numeric_value")
_NUMBERS = tuple(name for name, dtype in EVENTS.schema().items() if dtype != pl.String and name not in _APART)


class Candidates:
    """Collects, batch by batch, the rows that were best for their subject and variable when they were read."""

    def __init__(self, ids: np.ndarray, slot: np.ndarray) -> None:
        self._ids, self._slot = ids, slot
        self._parts: dict[str, list[np.ndarray]] = {
            name: [] for name in ("cell", "one", "two", "numeric_value", *_TEXTS, *_NUMBERS)
        }
        self._numbers: dict[str, dict[str | None, int]] = {name: {} for name in _TEXTS}

    def add(self, batch: Any, rows: np.ndarray, variables: np.ndarray, keys: np.ndarray) -> None:
        """Take up rows of a batch with the variables they may serve and the (2, n) keys they are chosen by."""
        at = np.searchsorted(self._ids, integers(batch, "subject_id")[rows])
        parts = self._parts
        parts["cell"].append(self._slot[variables] * len(self._ids) + at)
        parts["one"].append(keys[0].copy())
        parts["two"].append(keys[1].copy())
        for name in _NUMBERS:
            parts[name].append(integers(batch, name)[rows])
        parts["numeric_value"].append(_floats(batch.column(batch.schema.get_field_index("numeric_value")))[rows])
        for name in _TEXTS:
            parts[name].append(self._texts(name, batch, rows))

    def _texts(self, name: str, batch: Any, rows: np.ndarray) -> np.ndarray:
        known = self._numbers[name]
        column = batch.column(batch.schema.get_field_index(name))
        if column.null_count == len(column):
            return np.full(len(rows), known.setdefault(None, len(known)), dtype=np.int32)
        indices, values = dictionary(column)
        mine = indices[rows]
        local = np.zeros(len(values), dtype=np.int32)
        for place in np.flatnonzero(np.bincount(mine, minlength=len(values))).tolist():
            local[place] = known.setdefault(values[place], len(known))
        return local[mine]

    def choose(self, best: np.ndarray, first: list[bool]) -> list[pl.DataFrame]:
        """Return, per chosen variable in order of its slot, one row of EVENTS per subject, sorted by subject.

        Args:
            best: Final keys, (2, chosen variables, subjects).
            first: Per variable, whether the first of rows that tie is taken, else the last.
        """
        count = best.shape[1]
        columns: dict[str, np.ndarray] = {}
        for name, parts in self._parts.items():
            columns[name] = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
            parts.clear()
        cell, one, two = (columns.pop(name) for name in ("cell", "one", "two"))
        # What was best when its batch was read may have been beaten by a later one.
        flat = best.reshape(2, -1)
        kept = np.flatnonzero((one == flat[0][cell]) & (two == flat[1][cell]))
        kept = kept[np.argsort(cell[kept], kind="stable")]
        kept = self._without_ties(kept, cell, columns, first)
        cell = cell[kept]
        frame = {"subject_id": pl.Series("subject_id", self._ids[cell % max(len(self._ids), 1)], dtype=pl.Int64)}
        for name, dtype in EVENTS.schema().items():
            if name != "subject_id":
                frame[name] = self._series(name, columns.pop(name)[kept]).cast(dtype)
        table = pl.DataFrame(frame)
        ends = np.searchsorted(cell, np.arange(count + 1) * len(self._ids))
        return [table.slice(int(start), int(end - start)) for start, end in itertools.pairwise(ends)]

    def _without_ties(self, kept: np.ndarray, cell: np.ndarray, columns: dict[str, np.ndarray], first: list[bool]) -> np.ndarray:
        """Return `kept` with one row of each cell: the first or the last of those that tie, in the order of `ORDER`."""
        mine = cell[kept]
        same = mine[1:] == mine[:-1]
        if not same.any():
            return kept
        tied = np.zeros(len(kept), dtype=bool)
        tied[1:] |= same
        tied[:-1] |= same
        rows = kept[tied]
        slots = {int(slot): takes_first for slot, takes_first in zip(self._slot, first, strict=True)}
        takes_first = np.array([slots.get(number, False) for number in range(max(slots) + 1)])[cell[rows] // len(self._ids)]
        table = pl.DataFrame(
            {"cell": cell[rows], "row": rows} | {name: self._series(name, columns[name][rows]) for name in ORDER}
        )
        winners = []
        for wanted in (True, False):
            some = table.filter(pl.Series(takes_first == wanted)).sort(["cell", *ORDER], nulls_last=wanted)
            winners.append(some.unique("cell", keep="first" if wanted else "last", maintain_order=True)["row"].to_numpy())
        together = np.concatenate([kept[~tied], *winners])
        return together[np.argsort(cell[together], kind="stable")]

    def _series(self, name: str, numbers: np.ndarray) -> pl.Series:
        from linking.kernels import NULL

        if name in _TEXTS:
            texts = pl.Series(name, list(self._numbers[name]), dtype=pl.String)
            return texts.gather(numbers) if len(texts) else pl.Series(name, [], dtype=pl.String)
        if name == "numeric_value":
            return _or_null(pl.Series(name, numbers, dtype=pl.Float32), _is_missing(numbers))
        return _or_null(pl.Series(name, numbers, dtype=pl.Int64), numbers == NULL)


_MISSING = np.uint32(0x7FC0_0DED)
"""A NaN of its own that stands for a missing value: a NaN of the data stays one."""


def _floats(column: Any) -> np.ndarray:
    import pyarrow as pa

    column = column.cast(pa.float32())
    numbers = column.to_numpy(zero_copy_only=False)
    if column.null_count:
        numbers = numbers.copy()
        numbers[column.is_null().to_numpy(zero_copy_only=False)] = _MISSING.view(np.float32)
    return numbers


def _is_missing(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype(np.float32, copy=False).view(np.uint32) == _MISSING


def _or_null(series: pl.Series, missing: np.ndarray) -> pl.Series:
    return series.set(pl.Series(missing), None) if missing.any() else series


def integers(batch: Any, name: str) -> np.ndarray:
    """Return a column of whole numbers or times (in microseconds) of an Arrow batch; `kernels.NULL` where missing."""
    import pyarrow as pa

    from linking.kernels import NULL

    column = batch.column(batch.schema.get_field_index(name))
    if column.null_count == len(column):
        return _nothing(len(column))
    if pa.types.is_timestamp(column.type) and column.type.unit != "us":
        column = column.cast(pa.timestamp("us"), safe=False)
    column = column.cast(pa.int64())
    if column.null_count:
        column = column.fill_null(int(NULL))
    return column.to_numpy(zero_copy_only=False)


@lru_cache(maxsize=4)
def _nothing(rows: int) -> np.ndarray:
    """Return a column that is missing in every row; one array serves all batches of a size."""
    from linking.kernels import NULL

    return np.full(rows, NULL)


def dictionary(column: Any) -> tuple[np.ndarray, list[str | None]]:
    """Return (position of each row's value, the values); the last value is None when the column has nulls."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    values: list[str | None] = [*column.dictionary.to_pylist(), None]
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(len(values) - 1) if len(values) - 1 < 2**31 else indices
    return indices.to_numpy(zero_copy_only=False), values
