"""Values of chosen samples that enter an analysis table, of assays that may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unibase.omics.assays.centroids import Centroids
from unibase.omics.assays.set_scores import ScoredSets
from unibase.omics.options import LISTED

if TYPE_CHECKING:
    from anndata import AnnData


def chosen_values(assay: str, adata: AnnData, samples: Sequence[str], features: Sequence[str], min_mutated: int) -> pl.DataFrame:
    """Return the values of samples that enter an analysis table.

    Args:
        assay: Name of the assay.
        adata: All samples, as `together` or `omics.models.frozen` leaves them; its matrix may stay on disk (`store.open_zarr`).
        samples: The chosen samples.
        features: Symbols (gene, probe, protein, arm) that are asked for; those that the assay lacks are left out.
        min_mutated: Mutations and rearrangements: genes mutated in fewer of the chosen samples are left out; all others enter. Of `results` all
            enter but alleles that nobody asks for.

    Returns:
        `colname`, then `<assay>_<symbol>` per feature, then what was computed per sample: `mutations_tmb`, `mutations_signature_SBS1`,
        `copy_number_fraction_altered`. Missing is null.
    """
    names, places = _places(adata, samples)
    symbols = [str(symbol) or str(name) for symbol, name in zip(adata.var["symbol"], adata.var_names, strict=True)]
    if assay in LISTED:
        mutated = sum((values == 1).sum(axis=0) for _, values in _row_blocks(adata.X, places))
        wanted = np.flatnonzero(np.broadcast_to(mutated, len(symbols)) >= min_mutated).tolist()
    elif assay == "results":  # Of alleles there are hundreds: those that are asked for.
        wanted = [place for place, name in enumerate(symbols) if name in features or not name.startswith("HLA-")]
    else:
        wanted = [symbols.index(name) for name in features if name in symbols]
    matrix = np.empty((len(places), len(wanted)))
    for rows, values in _row_blocks(adata.X, places) if wanted else ():
        matrix[rows] = values[:, wanted]
    obs = adata.obs.iloc[places]
    columns: dict[str, object] = {"colname": names}
    columns |= {f"{assay}_{symbols[gene]}": matrix[:, i] for i, gene in enumerate(wanted)}
    told = [*(name for name in _PER_SAMPLE if name in obs), *(str(name) for name in obs if str(name).startswith(_REFITTED))]
    columns |= {f"{assay}_{name}": obs[name].to_numpy(dtype=float) for name in told}
    frame = pl.DataFrame(columns, schema_overrides={"colname": pl.String})
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def set_values(adata: AnnData, samples: Sequence[str], sets: ScoredSets | Centroids) -> pl.DataFrame:
    """Return the scores of sets of genes, or the likeness to centroids, of chosen samples, each from its own row.

    Args:
        adata: All samples of expression, as `chosen_values` takes them.
        samples: The chosen samples.
        sets: What is computed, over the genes of `adata`.

    Returns:
        `colname`, then `rna_<score>_<set>` per score and set, or `rna_centroid_<name>`. Missing is null.
    """
    names, places = _places(adata, samples)
    columns = sets.columns()
    scores = np.empty((len(places), len(columns)))
    for rows, values in _row_blocks(adata.X, places):
        scores[rows] = sets.of(values)
    frame = pl.DataFrame(
        {"colname": pl.Series(names, dtype=pl.String)} | {f"rna_{c}": scores[:, i] for i, c in enumerate(columns)}
    )
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def _places(adata: AnnData, samples: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the samples that the assay has, and their rows, of shape (samples,)."""
    place_of = {str(name): place for place, name in enumerate(adata.obs_names)}
    names = [name for name in samples if name in place_of]
    return names, np.array([place_of[name] for name in names], dtype=np.int64)


def _row_blocks(matrix: Any, places: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield which of `places` are read, and their rows, in the order of the matrix: each chunk of a store is read once."""
    order = np.argsort(places, kind="stable")
    size = max(1, _BLOCK_CELLS // max(1, matrix.shape[1]))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield rows, np.asarray(matrix[places[rows], :], dtype=np.float64)


_BLOCK_CELLS = 4_000_000
"""Values in memory at a time: 32 MB."""

_PER_SAMPLE = ("tmb", "events", "fraction_altered", "ploidy", "loh", "hrd_loh", "hrd_tai", "hrd_lst", "hrd_sum")
_REFITTED = "signature_"
