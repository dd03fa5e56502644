"""Wide tables in blocks of features: what a method holds at a time, and where it keeps what it must keep whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]
type Room = Callable[[tuple[int, int]], Array]
"""Makes an array of a shape, whose values are not set yet."""

BLOCK = 2_048
"""Features at a time; no value depends on it."""
_CELLS = 2_000_000
"""Values of whole rows at a time: 16 MB."""


class Table(Protocol):
    """Rows of subjects, columns of features: an array, or a matrix that stays on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(subjects, features)."""

    def __getitem__(self, key: Any, /) -> object:
        """Return a part."""


def in_memory(shape: tuple[int, int]) -> Array:
    """Make an array of a `shape` (subjects, features) in memory, its values not set.

    >>> in_memory((2, 3)).shape
    (2, 3)
    """
    return np.empty(shape)


class OnDisk:
    """Makes arrays that are files of a folder: memory holds of them what it has room for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def __call__(self, shape: tuple[int, int]) -> Array:
        """Make an array."""
        self._made += 1
        if not shape[0] * shape[1]:
            return np.empty(shape)
        return np.memmap(self._folder / f"{self._made}.f8", dtype=np.float64, mode="w+", shape=shape)


def feature_blocks(count: int) -> Iterator[slice]:
    """Yield `count` features in blocks of `BLOCK`.

    >>> [(block.start, block.stop) for block in feature_blocks(BLOCK + 5)] == [(0, BLOCK), (BLOCK, BLOCK + 5)]
    True
    """
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def row_blocks(table: Table) -> Iterator[tuple[slice, Array]]:
    """Yield whole rows of a `table` (subjects x features) in blocks, as numbers.

    >>> [(rows.start, rows.stop, block.tolist()) for rows, block in row_blocks(np.array([[1, 2], [3, 4]]))]
    [(0, 2, [[1.0, 2.0], [3.0, 4.0]])]
    """
    rows, columns = table.shape
    size = max(1, _CELLS // max(1, columns))
    for start in range(0, rows, size):
        part = slice(start, min(start + size, rows))
        yield part, np.asarray(table[part], dtype=np.float64)


class Transposed:
    """Some rows and columns of a table that is kept by feature, as a table of (subjects, features)."""

    def __init__(self, held: Array, rows: np.ndarray, columns: np.ndarray) -> None:
        self._held, self._rows, self._columns = held, rows, columns
        self.shape = (len(rows), len(columns))

    def __getitem__(self, key: tuple[slice, slice]) -> Array:
        """Return a block of features, `[:, start:stop]`."""
        block: Array = np.asarray(self._held[self._columns[key[1]]])[:, self._rows].T
        return block
