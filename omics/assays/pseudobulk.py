"""Single cells to one profile per patient and cell type: sums of raw counts, which bulk methods then take.

Summed counts per patient and type keep patients, not cells, the unit of analysis (Squair et al., Nature Communications
2021, 12:5692). In a study the unit is the sample, of which a patient may have several, and every cell type brings its own
features: `profiles` lays the types of a sample side by side.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import MISSING_COLUMN, TRUNCATED_FILE
from unibase.omics import genes as gene_names
from unibase.omics.options import MIN_CELLS, CellColumns
from unibase.omics.readers.binary_forms import is_loom, loom
from unibase.omics.readers.cell_files import COUNT_LAYERS, Block, open_cells, whole
from unibase.omics.readers.counts import as_counts, cells_of_10x, frame_of, is_10x
from unibase.omics.reasons import NO_RAW_COUNTS
from unibase.omics.recognise.names import plain

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy.sparse import csr_matrix


def pseudobulk(cells: AnnData, *, patient: str, cell_type: str, layer: str | None = None, min_cells: int = MIN_CELLS) -> AnnData:
    """Sum raw counts over the cells of each patient and type.

    Args:
        cells: Cells x genes.
        patient: Column of `obs` with the patient, or sample.
        cell_type: Column of `obs` with the type.
        layer: Layer of the raw counts. Without it, a layer named `counts`, `raw_counts` or `raw`, else X when it holds whole numbers.
        min_cells: Groups with fewer cells are left out; `uns["left_out"]` counts groups and cells.

    Returns:
        One row per group named `patient/type`, ordered; `obs` has patient, cell_type, cells. Cells without a patient or
        type are counted in `uns["left_out"]` too, so cells in the groups and left out add up.

    Raises:
        Unusable: `no-raw-counts` when no layer holds whole non-negative numbers: sums of logarithms mean nothing.
    """
    matrix = _raw_counts(cells, layer)
    whole_matrix = [Block(slice(0, cells.n_obs), slice(0, cells.n_vars), matrix)]
    for column in (patient, cell_type):
        if column not in cells.obs:
            raise _no_column(column)
    summed = _sums(frame_of(cells.obs), whole_matrix, cells.n_vars, (patient, cell_type))
    return _bulk(summed, frame_of(cells.var)[[]], min_cells)


def _bulk(summed: _Sums, var: pd.DataFrame, min_cells: int) -> AnnData:
    """Return groups x genes, those of enough cells."""
    import anndata

    groups, sums, number, known = summed
    keep = number >= min_cells
    obs = pd.DataFrame(
        {"patient": [g[0] for g in groups], "cell_type": [g[1] for g in groups], "cells": number},
        index=pd.Index([f"{a}/{b}" for a, b in groups], dtype=object),
    )
    out = anndata.AnnData(
        X=as_counts(sums[keep]),
        obs=obs[keep],
        var=pd.DataFrame(index=pd.Index([str(name) for name in var.index], dtype=object)),
    )
    out.uns["left_out"] = {
        "groups_of_few_cells": int((~keep).sum()),
        "cells_in_them": int(number[~keep].sum()),
        "cells_without_patient_or_type": int((~known).sum()),
    }
    return out


def _raw_counts(cells: AnnData, layer: str | None) -> csr_matrix:
    """Return the layer of counts as a sparse matrix, cells x genes."""
    from scipy import sparse

    chosen = layer or next((name for name in COUNT_LAYERS if name in cells.layers), None)
    if chosen is not None and chosen not in cells.layers:
        held = ", ".join(sorted(map(str, set(cells.layers.keys()) - {None}))) or "none"
        raise Unusable(NO_RAW_COUNTS, f"The cells have no layer {chosen}; layers: {held}.", "Name the layer of raw counts.")
    return sparse.csr_matrix(cells.X if chosen is None else cells.layers[chosen])


class _Sums(NamedTuple):
    """Groups (patient, type) in order, their sums, groups x genes, and cells; and which cells have a group."""

    groups: list[tuple[str, str]]
    sums: np.ndarray
    cells: np.ndarray
    known: np.ndarray


def _sums(obs: pd.DataFrame, blocks: Iterable[Block], genes: int, by: tuple[str, str]) -> _Sums:
    """Return the sums of each group's cells, `by` the columns of sample and type, over `genes`.

    Raises:
        Unusable: `no-raw-counts` when a value is no whole number.
    """
    from scipy import sparse

    who, what = (obs[column].astype(object) for column in by)
    known = (who.notna() & what.notna()).to_numpy()
    keys = [(str(a), str(b)) for a, b, ok in zip(who, what, known, strict=True) if ok]
    groups = sorted(set(keys))
    position = {key: i for i, key in enumerate(groups)}
    rows, columns = np.array([position[key] for key in keys], dtype=np.int64), np.flatnonzero(known)
    indicator = sparse.csr_matrix((np.ones(len(rows), np.int64), (rows, columns)), shape=(len(groups), len(obs))).tocsc()
    sums = np.zeros((len(groups), genes), np.int64)
    for block in blocks:
        if not whole(block.values.data):
            raise Unusable(NO_RAW_COUNTS, "The cells' values are not whole counts.", "Name the layer that holds the raw counts.")
        sums[:, block.columns] += (indicator[:, block.rows] @ block.values.astype(np.int64)).toarray()
    return _Sums(groups, sums, np.bincount(rows, minlength=len(groups)), known)


def sample_names(path: Path, columns: CellColumns) -> list[str]:
    """Return the names of the samples that a file of single cells at `path` holds; its values are not read.

    `columns` says which column names a cell's sample.

    Raises:
        UserError, Unusable: As `read` says.
    """
    obs = _guarded(path, lambda: _obs(path))
    if columns.sample not in obs:
        raise _no_column(columns.sample)
    return sorted({str(name) for name in _as_names(obs[columns.sample]).dropna()})


def _as_names(column: pd.Series) -> pd.Series:
    """Return names of samples; numbers that are whole are no fractions: a missing one beside them made 101 to 101.0."""
    if not pd.api.types.is_float_dtype(column.dtype) or not (column.dropna() % 1 == 0).all():
        return column
    return column.astype("Int64").astype(object).where(column.notna(), None)


_TYPES = ("celltype", "celltypes", "leiden", "louvain", "seuratclusters", "cluster", "clusters")
_BARCODE = re.compile(r"[ACGT]{10,}")


def are_cells(path: Path) -> bool:
    """Whether an h5ad or zarr at `path` holds cells: a column of `obs` names their types, or they are named by barcodes.

    Raises:
        UserError, Unusable: As `read` says.
    """
    obs = _guarded(path, lambda: _obs(path))
    named = sum(bool(_BARCODE.search(str(name))) for name in obs.index)
    return any(plain(str(column)) in _TYPES for column in obs) or 2 * named > len(obs)


def _obs(path: Path) -> pd.DataFrame:
    with open_cells(path) as cells:
        return cells.obs


def read(path: Path, columns: CellColumns) -> AnnData:
    """Read single cells (h5ad or zarr) and sum them up per sample and cell type, small groups too.

    Cell types are compared without the blanks around them; blanks inside become `_`. Genes are named by Ensembl, and those
    listed more than once added up.

    `columns` says which columns name a cell's sample and type, and in which layer its counts stand.

    Returns:
        Groups x genes as `pseudobulk` gives them, and `uns["samples"]`, the names of all samples of the file.

    Raises:
        UserError: If there is nothing at `path`.
        Unusable: `truncated-file`, `missing-column`, `no-raw-counts`.
    """
    return _guarded(path, lambda: _read(path, columns))


def _read(path: Path, columns: CellColumns) -> AnnData:
    with open_cells(path) as cells:
        for column in (columns.sample, columns.cell_type):
            if column not in cells.obs:
                raise _no_column(column)
        obs = cells.obs[[columns.sample, columns.cell_type]].copy()
        obs[columns.sample] = _as_names(obs[columns.sample])
        types = obs[columns.cell_type].astype(object)
        obs[columns.cell_type] = types.where(types.isna(), types.astype(str).str.split().str.join("_"))
        place = cells.counts_at(columns.layer)
        var = cells.genes_of(place)
        summed = _sums(obs, cells.blocks(place), len(var), (columns.sample, columns.cell_type))
    bulk = _bulk(summed, var, 1)
    merged = gene_names.merge_repeated(gene_names.to_ensembl(bulk))
    merged.uns["samples"] = sorted({str(name) for name in obs[columns.sample].dropna()})
    return merged


def totals(bulk: AnnData) -> AnnData:
    """Return the sum over the cell types of each sample of `bulk` (`read` gave it), zero where none of its cells has a type."""
    import anndata

    names = list(bulk.uns["samples"])
    position = {name: i for i, name in enumerate(names)}
    sums = np.zeros((len(names), bulk.n_vars), np.int64)
    np.add.at(sums, [position[name] for name in bulk.obs["patient"]], np.asarray(bulk.X))
    return anndata.AnnData(
        X=as_counts(sums), obs=pd.DataFrame(index=pd.Index(names, dtype=object)), var=pd.DataFrame(index=bulk.var_names)
    )


def profiles(bulk: AnnData, samples: Sequence[str], min_cells: int) -> AnnData:
    """Lay the cell types of each sample side by side.

    Args:
        bulk: As `read` gives it.
        samples: Those to take.
        min_cells: A type with fewer cells in a sample is missing (NaN) in it; so is one without any.

    Returns:
        Samples with at least one type x (type, gene), named `type:gene`. X is log2(counts per million + 1) of the type's own
        total, `layers["counts"]` the sums; `var` has cell_type and `symbol` (`type:symbol`); `obs` has cells, the number of
        cells in the types that are there. A row depends on the sample's own cells alone.
    """
    import anndata

    wanted = set(samples)
    taken = bulk[[name in wanted and n >= min_cells for name, n in zip(bulk.obs["patient"], bulk.obs["cells"], strict=True)]]
    names, types = sorted(set(taken.obs["patient"])), sorted(set(taken.obs["cell_type"]))
    row, block = {name: i for i, name in enumerate(names)}, {name: i for i, name in enumerate(types)}
    width = bulk.n_vars
    counts = np.full((len(names), len(types) * width), np.nan)
    values = counts.copy()
    cells = np.zeros(len(names), np.int64)
    for who, what, number, sums in zip(
        taken.obs["patient"], taken.obs["cell_type"], taken.obs["cells"], np.asarray(taken.X, dtype=np.float64), strict=True
    ):
        at = slice(block[what] * width, (block[what] + 1) * width)
        counts[row[who], at] = sums
        values[row[who], at] = np.log2(sums * (1e6 / max(sums.sum(), 1.0)) + 1)
        cells[row[who]] += number
    obs = pd.DataFrame({"cells": cells}, index=pd.Index(names, dtype=object))
    return anndata.AnnData(X=values, obs=obs, var=_of_types(bulk, types), layers={"counts": counts})


def _of_types(bulk: AnnData, types: Sequence[str]) -> pd.DataFrame:
    """Return `var` of genes of cell types, the genes of the first type first."""
    genes = [(str(gene), str(symbol) or str(gene)) for gene, symbol in zip(bulk.var_names, bulk.var["symbol"], strict=True)]
    return pd.DataFrame(
        {"cell_type": np.repeat(types, bulk.n_vars), "symbol": [f"{kind}:{symbol}" for kind in types for _, symbol in genes]},
        index=pd.Index([f"{kind}:{gene}" for kind in types for gene, _ in genes], dtype=object, name="feature"),
        dtype=object,
    )


def _guarded[T](path: Path, load: Callable[[], T]) -> T:
    if not path.exists():
        raise UserError(f"There are no single cells at {path}. Check the path in the study file.")
    if is_10x(path):
        raise cells_of_10x()
    if is_loom(path):
        raise loom()
    try:
        return load()
    except Unusable:
        raise
    except Exception as error:
        message = f"The file cannot be read as AnnData ({type(error).__name__})."
        raise Unusable(TRUNCATED_FILE, message, "Give an h5ad or zarr file.") from None


def _no_column(column: str) -> Unusable:
    return Unusable(MISSING_COLUMN, f"obs has no column {column}.", "Name the columns of sample and cell type.")
