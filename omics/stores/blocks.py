"""AnnData stores read and written by blocks of whole samples: memory is that of a few blocks, however many samples there are.

A block is a slice of rows of X and of every layer. Values, `obs`, `var` and `uns` of what is written are those that the same
work in memory would give; only how the arrays are cut and packed differs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unibase.groundwork.files import atomic_folder
from unibase.groundwork.problems import Unusable
from unibase.omics.readers.counts import frame_of
from unibase.omics.reasons import DIFFERENT_GENES
from unibase.omics.stores import store
from unibase.omics.stores.chunks import CODEC_LEVEL
from unibase.omics.stores.store import chunk_samples, column_parts, plain_strings

if TYPE_CHECKING:
    import zarr
    from anndata import AnnData

X = "X"
type Block = Mapping[str, np.ndarray]
"""Rows of the arrays of a store, by the names that `Stored.arrays` has."""


@dataclass(frozen=True)
class Stored:
    """A store on disk: what is small of it in memory, its arrays (`X`, `layers/<name>`) open."""

    obs: pd.DataFrame
    var: pd.DataFrame
    uns: dict[str, Any]
    arrays: Mapping[str, zarr.Array[Any]]

    def rows_of(self, wanted: Callable[[str], bool]) -> NDArray[np.int64]:
        """Return the rows of the samples whose names are wanted, ascending."""
        return np.flatnonzero([wanted(str(name)) for name in self.obs.index]).astype(np.int64)

    def read(self, rows: NDArray[np.int64]) -> dict[str, np.ndarray]:
        """Read rows, which ascend, of every array: for each its shape is (rows, genes)."""
        whole = len(rows) and rows[-1] - rows[0] + 1 == len(rows)
        wanted: Any = slice(rows[0], rows[-1] + 1) if whole else rows
        return {name: np.asarray(array.oindex[wanted, slice(None)]) for name, array in self.arrays.items()}


def open_store(path: Path | str) -> Stored:
    """Open the store at `path` that `store.write_zarr` or `new_store` wrote."""
    import zarr
    from anndata.io import read_elem

    group: Any = zarr.open_group(Path(path), mode="r")
    arrays = {X: group[X]} | {f"layers/{name}": group[f"layers/{name}"] for name in sorted(group["layers"].array_keys())}
    obs = cast("pd.DataFrame", read_elem(group["obs"]))
    var = cast("pd.DataFrame", read_elem(group["var"]))
    uns = cast("dict[str, object]", read_elem(group["uns"]))
    return Stored(frame_of(obs), frame_of(var), dict(uns), arrays)


def take_samples(path: Path | str, samples: Sequence[str], folder: Path) -> Stored:
    """Return samples of the store at `path`, in the order asked for; it is read once, its arrays go to files of `folder`.

    Raises:
        KeyError: If the store lacks a sample.
    """
    stored = open_store(path)
    places = stored.obs.index.get_indexer(pd.Index(list(samples)))
    if (places < 0).any():
        raise KeyError(samples[int(np.flatnonzero(places < 0)[0])])
    genes = len(stored.var)
    files: dict[str, Any] = {
        name: np.memmap(folder / f"taken-{number}", dtype=array.dtype, mode="w+", shape=(len(places), genes))
        for number, (name, array) in enumerate(stored.arrays.items())
    }
    for rows in parts(np.argsort(places), genes):
        for name, values in stored.read(places[rows]).items():
            files[name][rows] = values
    return Stored(stored.obs.iloc[places], stored.var, stored.uns, files)


def write_store(path: Path | str, stored: Stored) -> None:
    """Write to `path` a store, `stored`, whose arrays may be files, some samples at a time."""
    dtypes = {name: array.dtype for name, array in stored.arrays.items()}
    with new_store(path, stored.obs.index, stored.var, dtypes) as new:
        for rows in parts(np.arange(len(stored.obs)), len(stored.var)):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            new.append({name: np.array(array[part]) for name, array in stored.arrays.items()})
        new.describe(stored.obs, stored.uns)


def parts(rows: NDArray[np.int64], genes: int) -> Iterator[NDArray[np.int64]]:
    """Yield `rows`, of shape (samples,), a block at a time, as many as a chunk of a new store of so many `genes` has.

    >>> [len(block) for block in parts(np.arange(150), 20_000)]
    [104, 46]
    """
    step = chunk_samples(genes, 8)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


@contextmanager
def new_store(
    path: Path | str, samples: pd.Index, var: pd.DataFrame, dtypes: Mapping[str, np.dtype[np.generic]]
) -> Iterator[NewStore]:
    """Yield a store to write to; it appears at `path`, whole, when its description is written and nothing failed.

    Args:
        path: Replaced if it stands.
        samples: Names of the samples, in the order of the rows.
        var: Genes.
        dtypes: Types of the arrays to come, by name.

    Raises:
        ValueError: If another number of samples was written than `samples` has.
    """
    import anndata
    import zarr
    from zarr.codecs import BloscCodec

    shape = (len(samples), len(var))
    with atomic_folder(path) as folder, anndata.settings.override(zarr_write_format=3):
        empty = plain_strings(anndata.AnnData(obs=pd.DataFrame(index=samples), var=var))
        empty.write_zarr(folder)
        group = zarr.open_group(folder, mode="r+", use_consolidated=False)
        if X in group:
            del group[X]
        arrays = {}
        for name, dtype in dtypes.items():
            arrays[name] = group.create_array(
                name,
                shape=shape,
                chunks=(min(chunk_samples(shape[1], 8), max(1, shape[0])), max(1, shape[1])),
                dtype=dtype,
                compressors=[BloscCodec(cname="lz4", clevel=CODEC_LEVEL, shuffle="bitshuffle")],
            )
            arrays[name].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        new = NewStore(group, arrays, var)
        yield new
        if new.written != shape[0]:
            raise ValueError(f"{new.written} of {shape[0]} samples were written")
        zarr.consolidate_metadata(folder)


class NewStore:
    """A store that is being written; see `new_store`."""

    def __init__(self, group: Any, arrays: Mapping[str, zarr.Array[Any]], var: pd.DataFrame) -> None:
        self._group, self._arrays, self._var = group, arrays, var
        self.written = 0
        """How many samples have their values."""

    def append(self, block: Block) -> None:
        """Write the next samples, a `block`: the same rows of every array, (samples, genes) each."""
        stop = self.written + len(block[X])
        for name, values in block.items():
            self._arrays[name][self.written : stop] = values
        self.written = stop

    def describe(self, obs: pd.DataFrame, uns: Mapping[str, object]) -> None:
        """Write what is known of the samples, `obs`, and of the whole, `uns`."""
        import anndata
        from anndata.io import write_elem

        described = plain_strings(anndata.AnnData(obs=obs, var=self._var, uns=dict(uns)))
        described.strings_to_categoricals()
        write_elem(self._group, "obs", described.obs)
        write_elem(self._group, "uns", dict(described.uns))


def write_gated(adata: AnnData, path: Path) -> None:
    """Write a matrix as a store; one whose X is a Dask array goes through a file, the columns of a chunk at a time.

    Args:
        adata: Samples x features.
        path: Replaced if it stands.
    """
    x: Any = adata.X
    if not hasattr(x, "dask"):
        store.write_zarr(adata, path)
        return
    dtype, (samples, features) = np.dtype(x.dtype), x.shape
    with (
        scratch_files(path.parent, [X]) as files,
        new_store(path, adata.obs_names, frame_of(adata.var), {X: dtype}) as new,
    ):
        for columns in column_parts(adata):
            block = np.ascontiguousarray(x[:, columns])
            for row, values in enumerate(block):
                files[X].seek((row * features + columns.start) * dtype.itemsize)
                files[X].write(values)
        for rows in parts(np.arange(samples), features):
            new.append({X: next_rows(files[X], dtype, rows, features)})
        new.describe(frame_of(adata.obs), adata.uns)


def write_rows(path: Path, obs: pd.DataFrame, var: pd.DataFrame, rows: Iterable[NDArray[np.float32]]) -> None:
    """Write a store of float32 whose rows come a block at a time.

    Args:
        path: Replaced if it stands.
        obs, var: Samples, in the order of the rows, and features.
        rows: Blocks of rows, samples x features.
    """
    with new_store(path, obs.index, var, {X: np.dtype(np.float32)}) as new:
        for block in rows:
            new.append({X: block})
        new.describe(obs, {})


def align(path: Path, samples: NDArray[np.int64], genes: Sequence[str], target: Path) -> None:
    """Write samples of a store of counts with `genes`, in this order, as a store of its own; layers are left out.

    Args:
        path, target: The store, and where to write.
        samples: Rows of the samples, ascending, of shape (samples,).
    """
    source = open_store(path)
    columns = source.var.index.get_indexer(pd.Index(list(genes)))
    counts = source.arrays[X]
    with new_store(target, source.obs.index[samples], source.var.iloc[columns], {X: counts.dtype}) as new:
        for rows in parts(samples, len(genes)):
            new.append({X: Stored(source.obs, source.var, {}, {X: counts}).read(rows)[X][:, columns]})
        new.describe(source.obs.iloc[samples], {})


def stack(paths: Sequence[Path], target: Path) -> tuple[int, int]:
    """Put stores of the same genes at `paths` one below the other at `target`, samples ordered by name; no value is changed.

    Layers and columns of `obs` that not all of them have are left out, as in `counts.stack`. The rows of each array go
    through a file beside the target, for their order is not that of any store.

    Returns:
        Numbers of samples and genes.

    Raises:
        Unusable: `different-genes`.
    """
    stored = [open_store(path) for path in paths]
    first = stored[0]
    if any(not other.var.index.equals(first.var.index) for other in stored):
        raise Unusable(DIFFERENT_GENES, "The matrices do not list the same genes in the same order.", "Use one model for all.")
    obs = pd.concat([one.obs for one in stored], join="inner")
    order = np.argsort(np.asarray(obs.index, dtype=str), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    names = [name for name in first.arrays if all(name in one.arrays for one in stored)]
    dtypes = {name: np.result_type(*(one.arrays[name].dtype for one in stored)) for name in names}
    genes = len(first.var)
    target.parent.mkdir(parents=True, exist_ok=True)
    with new_store(target, obs.index[order], first.var, dtypes) as new:
        with scratch_files(target.parent, names) as files:
            start = 0
            for one in stored:
                for rows in parts(np.arange(len(one.obs), dtype=np.int64), genes):
                    for name, values in one.read(rows).items():
                        if name in files:
                            put_rows(files[name], values.astype(dtypes[name]), place[start + rows])
                start += len(one.obs)
            for rows in parts(np.arange(start, dtype=np.int64), genes):
                new.append({name: next_rows(files[name], dtypes[name], rows, genes) for name in names})
        new.describe(obs.iloc[order], first.uns)
    return len(order), genes


@contextmanager
def scratch_files(folder: Path, names: Sequence[str]) -> Iterator[dict[str, IO[bytes]]]:
    """Yield a file without a name for each array; they go when they are closed, however the process ends.

    Args:
        folder: Where they are made.
        names: Of the arrays.
    """
    with ExitStack() as files:
        yield {name: files.enter_context(tempfile.TemporaryFile(dir=folder)) for name in names}


def put_rows(file: IO[bytes], values: np.ndarray, places: NDArray[np.int64]) -> None:
    """Write rows of an array to a file of whole rows.

    Args:
        file: The file.
        values: Rows x columns.
        places: Which row each is, of shape (rows,).
    """
    width = values.dtype.itemsize * values.shape[1]
    for row, place in zip(np.ascontiguousarray(values), places, strict=True):
        file.seek(int(place) * width)
        file.write(row.tobytes())


def next_rows(file: IO[bytes], dtype: np.dtype[np.generic], rows: NDArray[np.int64], genes: int) -> np.ndarray:
    """Return neighbouring rows of a file of whole rows, of shape (rows, genes).

    Args:
        file: The file.
        dtype: Of its values.
        rows: Which, ascending, without gaps.
        genes: Values of a row.
    """
    width = dtype.itemsize * genes
    file.seek(int(rows[0]) * width)
    return np.frombuffer(file.read(len(rows) * width), dtype).reshape(len(rows), genes)
