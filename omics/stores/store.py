"""AnnData on disk: zarr stores that appear whole or not at all, with whole samples in a chunk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from unibase.groundwork.files import atomic_file, atomic_folder
from unibase.groundwork.outputs import check_file
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import write_parquet

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

CHUNK_BYTES = 16 * 2**20
"""Uncompressed size of a chunk: whole samples, as many as fit."""


def chunk_samples(genes: int, itemsize: int) -> int:
    """How many whole samples of `genes` values of `itemsize` bytes go into one chunk.

    >>> chunk_samples(20_000, 8), CHUNK_BYTES // (20_000 * 8)
    (104, 104)
    """
    return max(1, CHUNK_BYTES // max(1, genes * itemsize))


def column_parts(adata: AnnData) -> list[slice]:
    """Return the columns of X in parts that are held together: those of a Dask array, else all.

    `adata`: samples x features.

    >>> import anndata
    >>> column_parts(anndata.AnnData(np.zeros((2, 3))))
    [slice(0, 3, None)]
    """
    sizes: tuple[int, ...] = getattr(adata.X, "chunks", ((), (adata.n_vars,)))[1]
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def write_zarr(adata: AnnData, path: Path | str) -> None:
    """Write `adata` as a zarr store (format 3), replacing what stood at `path` in one step. Equal contents give equal bytes."""
    import anndata

    rows = chunk_samples(adata.n_vars, 8)
    # Strings of the plain kind: zarr stores of nullable strings cannot be read by older AnnData.
    with atomic_folder(path) as folder, anndata.settings.override(zarr_write_format=3):
        plain_strings(adata).write_zarr(folder, chunks=(min(rows, max(adata.n_obs, 1)), max(adata.n_vars, 1)))


def read_zarr(path: Path | str) -> AnnData:
    """Read the store at `path` that `write_zarr` wrote, into memory.

    Raises:
        UserError: If there is none.
    """
    import anndata

    if not Path(path).exists():
        raise UserError(f"There is no store at {path}. Run the omics stage first.")
    return anndata.read_zarr(path)


def open_zarr(path: Path | str) -> AnnData:
    """Open the store at `path` that `write_zarr` wrote: `obs` and `var` in memory, `X` on disk, without layers.

    Raises:
        UserError: If there is no store.
    """
    import anndata
    import zarr
    from anndata.io import read_elem

    if not Path(path).exists():
        raise UserError(f"There is no store at {path}. Run the omics stage first.")
    group: Any = zarr.open_group(path, mode="r")
    obs = cast("pd.DataFrame", read_elem(group["obs"]))
    var = cast("pd.DataFrame", read_elem(group["var"]))
    return anndata.AnnData(X=group["X"], obs=obs, var=var)


_FILES = (".h5ad", ".parquet", ".tsv", ".csv")


def check_written(path: Path | str) -> None:
    """Refuse a `path` that `write` could not write, before anything is computed.

    Raises:
        UserError: If the suffix is none that `write` knows, or a folder stands where a file is written.
    """
    if not str(path).endswith(".zarr"):
        check_file(path, (*_FILES, ".zarr"))


def write(adata: AnnData, path: Path | str) -> None:
    """Write `adata` by the suffix of `path`: .h5ad, .zarr, .parquet, .tsv, .csv (tables: genes x samples, first gene_id).

    Raises:
        UserError: If the suffix is another.
    """
    path = Path(path)
    if path.suffix == ".zarr":
        write_zarr(adata, path)
    elif path.suffix == ".h5ad":
        with atomic_file(path) as temporary:
            plain_strings(adata).write_h5ad(temporary, compression="gzip")
    elif path.suffix in (".parquet", ".tsv", ".csv"):
        import polars as pl

        values = np.asarray(adata.X)
        frame = pl.DataFrame(
            {"gene_id": [str(g) for g in adata.var_names]} | {str(name): values[i] for i, name in enumerate(adata.obs_names)}
        )
        if path.suffix == ".parquet":
            write_parquet(frame, path)
        else:
            with atomic_file(path) as temporary:
                frame.write_csv(temporary, separator="\t" if path.suffix == ".tsv" else ",")
    else:
        check_written(path)


def plain_strings(adata: AnnData) -> AnnData:
    """Return `adata` with names and texts as Python strings, which every version of AnnData reads; values are not copied."""
    import anndata

    parts = {name: getattr(adata, name) for name in ("uns", "obsm", "varm", "obsp", "varp")}
    # A part of a matrix has its values among its layers too, under no name.
    parts["layers"] = {name: values for name, values in adata.layers.items() if name is not None}
    obs: Any = adata.obs.copy()
    var: Any = adata.var.copy()
    copy = anndata.AnnData(X=adata.X, obs=obs, var=var, **parts)
    for frame in (copy.obs, copy.var):
        frame.index = frame.index.astype(object)
        for column in frame.columns:
            if str(frame[column].dtype) in ("string", "str"):
                frame[column] = frame[column].astype(object)
    return copy
