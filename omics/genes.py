"""Gene identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData


def merge_repeated(adata: AnnData) -> AnnData:
    """Add up the counts of genes listed more than once; the first row's annotation stays."""
    if adata.var_names.is_unique:
        return adata
    first = ~adata.var_names.duplicated()
    target = {gene: i for i, gene in enumerate(adata.var_names[first])}
    where = np.array([target[gene] for gene in adata.var_names])
    values = np.asarray(adata.X)
    summed = np.zeros((adata.n_obs, len(target)), dtype=values.dtype)
    for j, k in enumerate(where):
        summed[:, k] += values[:, j]
    merged = adata[:, first].copy()
    merged.X = summed
    return merged
