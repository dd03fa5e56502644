"""Genes joined or broken, as a samples x features table in which `not profiled` is missing, never wild type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from unibase.omics.assays.mutations import PAIR, covers, dense, panels_told, zero_one
from unibase.omics.readers.rearrangements import Rearrangements

if TYPE_CHECKING:
    from anndata import AnnData

UNIT = "unit: 1 where a gene or a pair of genes is joined or broken, 0 where the sample was looked at and none is"
"""What the values of the table are."""


def rearranged(data: Rearrangements) -> AnnData:
    """Return samples x genes and pairs of genes: 1 joined or broken, 0 profiled and not, NaN not profiled.

    A gene is 1 where an event has it on either side. A pair stands as `ALK::EML4`, in order of the alphabet: tables of DNA do not
    say which gene comes first. Genes off a sample's panel are missing in it; a pair is there where the panel covers one of its genes.

    Args:
        data: Events of profiled samples.

    Returns:
        AnnData; `obs` holds `profiled` and `events`, the number of events with a gene of the panel, each pair of genes once.
    """
    import anndata

    told = _features(data)
    genes = sorted({*told["gene"].to_list(), *(gene for _, gene in data.unknown if covers(gene, data.panel))})
    names = sorted(data.profiled)
    values = dense(zero_one(data, told.select("sample", "gene"), names, genes))
    var = pd.DataFrame({"symbol": genes}, index=pd.Index(genes, name="gene_id", dtype=object))
    adata = anndata.AnnData(X=values, obs=_counted(told, names), var=var)
    adata.uns["mutations"] = panels_told(data, adata)
    return adata


def _counted(told: pl.DataFrame, names: list[str]) -> pd.DataFrame:
    counts = dict(told.select("sample", "event").unique().group_by("sample").len().iter_rows())
    events = np.array([counts.get(name, 0) for name in names], dtype=np.float64)
    return pd.DataFrame({"sample": names, "profiled": True, "events": events}, index=pd.Index(names, dtype=object))


def _features(data: Rearrangements) -> pl.DataFrame:
    """Return sample, gene (or pair) and number of the event, of what the sample's panel covers."""
    rows = []
    for number, (sample, one, other) in enumerate(data.events.iter_rows()):
        pair = [f"{one}{PAIR}{other}"] if one and other and one != other else []
        panel = data.panel
        if data.panels is not None and data.panels.of.get(sample):
            panel = data.panels.covered[data.panels.of[sample]].genes
        rows += [(sample, name, number) for name in sorted({one, other} - {""}) + pair if covers(name, panel)]
    return pl.DataFrame(rows, schema={"sample": pl.String(), "gene": pl.String(), "event": pl.Int64()}, orient="row")
