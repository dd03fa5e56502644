"""Wide tables that are larger than memory: text with features in rows to numbers in a file, a block of rows at a time.

Each block is read, with the lines above the rows, as a table of its own, by the reader and the recogniser of whole tables. Where two
blocks are not understood alike, or samples are rows, the table is for the reader of whole tables.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable
from unibase.omics.readers.numeric_tables import Reading
from unibase.omics.readers.table_heads import head_lines, lay_out
from unibase.omics.readers.tabular import Table, is_gzip, is_packed_sheet, read_text
from unibase.omics.readers.text_blocks import text_blocks
from unibase.omics.recognise.layout import understand
from unibase.omics.recognise.matrix import Matrix
from unibase.omics.recognise.names import Feature

WHOLE = 256 * 2**20
"""Bytes on disk up to which a table is read whole; of packed files a fifth."""
BLOCK = 16 * 2**20
_SHOWN = 8192
"""Features of which the unit is told, beside the extremes of each sample over all features."""


@dataclass
class StoredTable:
    """Numbers of a table in a file: a row a feature, float64.

    Attributes:
        samples: Names of the columns.
        features: Names of the rows.
        evidence: How the table was understood.
        traits: How it is written.
        file: The numbers; it has no name and goes when it is closed.
        lowest, highest: Of each sample.
    """

    samples: list[str]
    file: IO[bytes]
    evidence: list[str] = field(default_factory=list)
    traits: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    lowest: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    highest: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def take(self, table: Table, matrix: Matrix) -> None:
        """Append the features of a block, a `matrix`, and how its `table` is written."""
        self.file.write(np.ascontiguousarray(matrix.values.T).tobytes())
        self.features += matrix.features
        # The first sentence says which side is which; later blocks were told.
        self.evidence = list(dict.fromkeys([*self.evidence, *matrix.evidence[bool(self.evidence) :]]))
        self.traits = list(dict.fromkeys([*self.traits, *table.traits]))
        if matrix.features:
            self.lowest = np.fmin(self.lowest, np.fmin.reduce(matrix.values, axis=1))
            self.highest = np.fmax(self.highest, np.fmax.reduce(matrix.values, axis=1))

    def rows(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return features, of shape (places,), x samples; neighbours are read together."""
        width = 8 * len(self.samples)
        runs = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1) if len(places) else []
        read = [os.pread(self.file.fileno(), len(run) * width, int(run[0]) * width) for run in runs]
        return np.frombuffer(b"".join(read), dtype=np.float64).reshape(len(places), len(self.samples))

    def shown(self) -> NDArray[np.float64]:
        """Return samples x some features from all over the table, and each sample's lowest and highest value of all."""
        step = -(-len(self.features) // _SHOWN)
        some = self.rows(np.arange(0, len(self.features), max(step, 1)))
        return np.concatenate([some, self.lowest[None], self.highest[None]]).T


def store_table(path: Path, feature: Feature, reading: Reading, folder: Path | None = None) -> StoredTable | None:
    """Read a table into a file; None where it is for the reader of whole tables.

    Args:
        path: The table.
        feature: What its rows are.
        reading: What the study file says of it.
        folder: Where the file is made; the system's folder for temporary files by default.

    Raises:
        Unusable: As `numeric_tables.read_numeric`, rows counted over the whole table.
    """
    if not larger_than_memory(path):
        return None
    for encoding in ("utf-8", "cp1252"):
        try:
            return _stored(path, encoding, feature, reading, folder)
        except UnicodeDecodeError:
            continue
    return None


def larger_than_memory(path: Path) -> bool:
    """Whether the file at `path` is a text that is not read whole: by its size; a packed one is five times as large."""
    if not path.is_file() or path.name.lower().endswith((".parquet", ".parquet.gz")) or is_packed_sheet(path):
        return False
    return path.stat().st_size > (WHOLE // 5 if is_gzip(path) else WHOLE)


def first_samples(path: Path, feature: Feature, reading: Reading) -> list[str] | None:
    """Return the samples of a table that `store_table` reads, by its first block; None where it is for the reader of whole tables.

    Args:
        path, feature, reading: As `store_table` takes them.
    """
    if not larger_than_memory(path):
        return None
    for encoding in ("utf-8", "cp1252"):
        try:
            first = next(_matrices(path, encoding, feature, reading), None)
        except UnicodeDecodeError:
            continue
        return None if first is None or first[1].orientation == "samples-in-rows" else first[1].samples
    return None


def _stored(path: Path, encoding: str, feature: Feature, reading: Reading, folder: Path | None) -> StoredTable | None:
    stored: StoredTable | None = None
    for table, matrix in _matrices(path, encoding, feature, reading):
        if matrix.orientation == "samples-in-rows":
            return None
        if stored is None:
            missing = np.full(len(matrix.samples), np.nan)
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it is read as long as the table is used
            stored = StoredTable(matrix.samples, file, lowest=missing, highest=missing)
        if matrix.samples != stored.samples:
            stored.file.close()
            return None
        stored.take(table, matrix)
    if stored is not None:
        stored.file.flush()
    return stored


def _matrices(path: Path, encoding: str, feature: Feature, reading: Reading) -> Iterator[tuple[Table, Matrix]]:
    """Yield the blocks of a table and what they hold; those behind the first lie as the first."""
    above, before = b"", 0
    orientation, sample = reading.orientation, path.name.split(".")[0] if reading.sample_from else None
    for block in text_blocks(path, encoding, BLOCK):
        if above and not block.strip():
            continue
        try:
            table = read_text(above + block, ("gzip",) if is_gzip(path) else ())
            matrix = understand(table, feature, orientation, sample)
        except Unusable as problem:
            raise _moved(problem, before) from None
        yield table, matrix
        if not above:
            above = _above(block, bool(table.subtitles))
            orientation = "features-in-rows" if matrix.orientation == "features-in-rows" else orientation
        before += table.frame.height


def _above(first: bytes, subtitled: bool) -> bytes:
    """Return the lines of a text above its rows."""
    marker = first.find(b"!series_matrix_table_begin")
    end = first.find(b"\n", marker) + 1 if marker >= 0 else 0
    for _ in range(lay_out(head_lines(first[end:])).start + subtitled):
        end = first.find(b"\n", end) + 1
    return first[:end]


def _moved(problem: Unusable, before: int) -> Unusable:
    """Return what is said of a block with its rows counted from the first row of the table."""
    said = re.sub(r"^Row (\d+)", lambda row: f"Row {int(row[1]) + before}", problem.message)
    return Unusable(problem.reason, said, problem.remedy)


class Values:
    """Samples x features of a stored table as an array that is read where it is sliced: what Dask takes.

    Attributes:
        table: The table.
        members: Rows of the table that each feature is made of, several where they are replicates.
        unit: What the numbers are: `beta`, `M` or `percent`; beta values come out.
    """

    dtype = np.dtype(np.float64)
    ndim = 2

    def __init__(self, table: StoredTable, members: Sequence[Sequence[int]], unit: str) -> None:
        self.table, self.members, self.unit = table, members, unit
        self.shape = (len(table.samples), len(members))

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[np.float64]:
        members = self.members[key[1]]
        values = in_beta(self.table.rows(np.array([row for rows in members for row in rows], dtype=np.int64)), self.unit)
        return np.ascontiguousarray(folded(values, [len(rows) for rows in members]).T[key[0]])


def in_beta(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Return beta values, of any shape, from those of a `unit`: `beta`, `M` or `percent`.

    >>> in_beta(np.array([0.0]), "M").tolist(), in_beta(np.array([50.0]), "percent").tolist()
    ([0.5], [0.5])
    """
    if unit == "beta":
        return values
    return values / 100 if unit == "percent" else np.asarray(1 / (1 + np.exp2(-values)))


def folded(values: NDArray[np.float64], sizes: Sequence[int]) -> NDArray[np.float64]:
    """Return the means of neighbouring rows, missing left aside.

    Args:
        values: Rows x samples.
        sizes: How many rows go into each mean.

    >>> folded(np.array([[1.0], [3.0], [5.0]]), [2, 1]).tolist()
    [[2.0], [5.0]]
    """
    if len(sizes) == len(values):
        return values
    where = np.repeat(np.arange(len(sizes)), sizes)
    known = np.isfinite(values)
    sums, counts = np.zeros((len(sizes), values.shape[1])), np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, where, np.where(known, values, 0))
    np.add.at(counts, where, known)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
