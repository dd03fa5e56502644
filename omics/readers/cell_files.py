"""Files of single cells read a block at a time: what says whose a cell is in memory, its counts never whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from unibase.groundwork.problems import Unusable
from unibase.omics.readers.counts import frame_of
from unibase.omics.reasons import NO_RAW_COUNTS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

COUNT_LAYERS = ("counts", "raw_counts", "raw")
"""Layers that hold raw counts, the first that is there."""
_VALUES = 4_000_000
"""Values above zero in memory at a time: some 50 MB."""


@dataclass(frozen=True)
class Block:
    """A part of a matrix of cells x genes.

    Attributes:
        rows, columns: Where it lies.
        values: The part, sparse.
    """

    rows: slice
    columns: slice
    values: csr_matrix


@dataclass(frozen=True)
class CellFile:
    """An open h5ad or zarr of single cells.

    Attributes:
        obs: Cells and their columns.
        matrices: Matrices by place (`X`, `layers/counts`, `raw/X`): open groups or arrays.
        names: Genes of `X` and the layers; and of `raw`, where there is one.
    """

    obs: pd.DataFrame
    matrices: Mapping[str, Any]
    names: Mapping[str, pd.DataFrame]

    def genes_of(self, place: str) -> pd.DataFrame:
        """Return `var` of the matrix at a `place`."""
        return self.names["raw" if place == "raw/X" else "X"]

    def blocks(self, place: str) -> Iterator[Block]:
        """Yield the parts of the matrix at a `place`, of as many cells as fit; of one that lies by genes, of as many genes."""
        from anndata.io import sparse_dataset
        from scipy import sparse

        held = self.matrices[place]
        kind = str(held.attrs.get("encoding-type", "array"))
        matrix = sparse_dataset(held) if kind.startswith("cs") else held
        cells, genes = (int(n) for n in matrix.shape)
        stored = int(held["data"].shape[0]) if kind.startswith("cs") else cells * genes
        by_gene = kind == "csc_matrix"
        length = genes if by_gene else cells
        step = max(1, int(length * min(1.0, _VALUES / max(stored, 1))))
        for start in range(0, length, step):
            part = slice(start, min(start + step, length))
            taken = matrix[:, part] if by_gene else matrix[part]
            rows, columns = (slice(0, cells), part) if by_gene else (part, slice(0, genes))
            yield Block(rows, columns, sparse.csr_matrix(taken))

    def counts_at(self, layer: str | None) -> str:
        """Return the place of the raw counts: the layer named, else a layer of counts, else X, or `raw` where X holds none.

        Args:
            layer: As the study file says it; `raw` without such a layer is `raw.X`, where CELLxGENE's files and scanpy keep the counts.

        Raises:
            Unusable: `no-raw-counts` when there is no such layer.
        """
        known = next((name for name in COUNT_LAYERS if f"layers/{name}" in self.matrices), None)
        chosen = layer or known
        if chosen and f"layers/{chosen}" in self.matrices:
            return f"layers/{chosen}"
        if "raw/X" in self.matrices and (layer == "raw" or (layer is None and not self._whole("X") and self._whole("raw/X"))):
            return "raw/X"
        if layer is not None:
            held = ", ".join(sorted(p.removeprefix("layers/") for p in self.matrices if p.startswith("layers/"))) or "none"
            raise Unusable(NO_RAW_COUNTS, f"The cells have no layer {layer}; layers: {held}.", "Name the layer of raw counts.")
        return "X"

    def _whole(self, place: str) -> bool:
        return all(whole(block.values.data) for block in self.blocks(place))


def whole(values: np.ndarray) -> bool:
    """Whether values, of any shape, are whole and none below zero.

    >>> whole(np.array([0.0, 3.0])), whole(np.array([0.5]))
    (True, False)
    """
    return bool((values >= 0).all() and (values == np.rint(values)).all())


@contextmanager
def open_cells(path: Path) -> Iterator[CellFile]:
    """Open the h5ad or zarr at `path`; its matrices are read as they are asked for."""
    if path.is_dir():
        import zarr

        yield _opened(zarr.open_group(path, mode="r"))
    else:
        import h5py

        with h5py.File(path, "r") as file:
            yield _opened(file)


def _opened(store: Any) -> CellFile:
    from anndata.io import read_elem

    layers = list(store["layers"]) if "layers" in store else []
    places = ["X", *(f"layers/{name}" for name in layers), "raw/X"]
    raw = "raw" in store and "X" in store["raw"]
    names = {"X": frame_of(read_elem(store["var"]))} | ({"raw": frame_of(read_elem(store["raw"]["var"]))} if raw else {})
    found = {place: store[place] for place in places if place in store and (raw or place != "raw/X")}
    return CellFile(frame_of(read_elem(store["obs"])), found, names)
