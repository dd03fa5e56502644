"""Single cells to one profile per patient and cell type: sums of raw counts, which bulk methods then take.

Summed counts per patient and type keep patients, not cells, the unit of analysis (Squair et al., Nature Communications
2021, 12:5692).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from groundwork.problems import Unusable
from omics.counts import as_counts

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CELLS = 10


def pseudobulk(cells: AnnData, *, patient: str, cell_type: str, layer: str | None = None, min_cells: int = MIN_CELLS) -> AnnData:
    """Sum raw counts over the cells of each patient and type.

    Args:
        cells: Cells x genes.
        patient: Column of `obs` with the patient, or sample.
        cell_type: Column of `obs` with the type.
        layer: Layer of the raw counts. Without it, a layer named `counts`, else X when it holds whole numbers.
        min_cells: Groups with fewer cells are left out; `uns["left_out"]` counts groups and cells.

    Returns:
        One row per group named `patient/type`, ordered; `obs` has patient, cell_type, cells. Cells without a patient or
        type are counted in `uns["left_out"]` too, so cells in the groups and left out add up.

    Raises:
        Unusable: `no-raw-counts` when no layer holds whole non-negative numbers: sums of logarithms mean nothing.
    """
    import anndata
    from scipy import sparse

    chosen = layer or ("counts" if "counts" in cells.layers else None)
    raw = cells.X if chosen is None else cells.layers[chosen]
    matrix = sparse.csr_matrix(raw)
    values = matrix.data
    if values.size and ((values < 0).any() or (values != np.rint(values)).any()):
        raise Unusable("no-raw-counts", "The cells' values are not whole counts.", "Name the layer that holds the raw counts.")
    for column in (patient, cell_type):
        if column not in cells.obs:
            raise Unusable("missing-column", f"obs has no column {column}.", "Name the columns of patient and cell type.")
    who, what = cells.obs[patient].astype(object), cells.obs[cell_type].astype(object)
    known = (who.notna() & what.notna()).to_numpy()
    keys = [(str(a), str(b)) if ok else ("", "") for a, b, ok in zip(who, what, known, strict=True)]
    groups = sorted({key for key, ok in zip(keys, known, strict=True) if ok})
    position = {key: i for i, key in enumerate(groups)}
    rows = np.array([position[key] for key, ok in zip(keys, known, strict=True) if ok], dtype=np.int64)
    columns = np.flatnonzero(known)
    indicator = sparse.csr_matrix((np.ones(len(rows), np.int64), (rows, columns)), shape=(len(groups), cells.n_obs))
    sums = np.asarray((indicator @ matrix.astype(np.int64)).todense())
    number = np.bincount(rows, minlength=len(groups))
    keep = number >= min_cells
    obs = pd.DataFrame(
        {"patient": [g[0] for g in groups], "cell_type": [g[1] for g in groups], "cells": number},
        index=pd.Index([f"{a}/{b}" for a, b in groups], dtype=object),
    )
    out = anndata.AnnData(
        X=as_counts(sums[keep]),
        obs=obs[keep],
        var=pd.DataFrame(index=pd.Index([str(name) for name in cells.var_names], dtype=object)),
    )
    out.uns["left_out"] = {
        "groups_of_few_cells": int((~keep).sum()),
        "cells_in_them": int(number[~keep].sum()),
        "cells_without_patient_or_type": int((~known).sum()),
    }
    return out
