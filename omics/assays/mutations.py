"""Somatic mutations: variants to a samples x genes table in which `not profiled` is missing, never wild type."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from unibase.omics.options import CAPTURE_MEGABASES, View
from unibase.omics.readers.consequences import TRUNCATING
from unibase.omics.readers.counts import frame_of
from unibase.omics.readers.rearrangements import Rearrangements
from unibase.omics.readers.variants import MutationData

if TYPE_CHECKING:
    from anndata import AnnData

_PROTEIN_POSITION = re.compile(r"^p?\.?([A-Z*])(\d+)")

VIEW = ":"
"""Between a gene and the view of it in the name of a feature."""
PAIR = "::"
"""Between two genes that are joined."""


type Profiled = MutationData | Rearrangements
"""What knows which samples were looked at, and for which genes."""


def covers(feature: str, panel: Collection[str] | None) -> bool:
    """Whether a panel covers a feature: the gene of a view, and either gene of a pair.

    Args:
        feature: Name of the feature.
        panel: Genes of the panel; None covers all.

    >>> covers("TP53:truncating", {"TP53"}), covers("ALK::EML4", {"ALK"}), covers("KRAS", {"ALK"})
    (True, True, False)
    """
    genes = feature.split(PAIR) if PAIR in feature else [feature.partition(VIEW)[0]]
    return panel is None or any(gene in panel for gene in genes)


def gene_table(
    data: MutationData,
    *,
    view: View = "gene",
    hotspots: Iterable[tuple[str, int]] = (),
    min_samples: int = 1,
    cohort: Sequence[str] | None = None,
    callable_megabases: float = CAPTURE_MEGABASES,
) -> AnnData:
    """Return samples x genes: 1 mutated, 0 profiled and wild type, NaN not profiled.

    Args:
        view: `gene`: any protein-changing variant; `truncating`: frame shift, splice site, start lost, stop
            gained or lost; `hotspot`: a variant at a position of `hotspots`.
        hotspots: Pairs (gene, position in the protein).
        min_samples: Genes mutated in fewer profiled samples are left out.
        cohort: All samples of the study; those not profiled get NaN. The profiled samples by default.
        callable_megabases: Size of the region in which a variant could have been found.

    `obs` holds `profiled`, `variants` (protein-changing) and `tmb` (protein-changing variants per megabase; NaN
    when not profiled).
        data: Variants, and the samples that were sequenced.
    """
    import anndata

    pairs = _chosen(data, view, hotspots).select("sample", "gene").unique()
    genes = _told_genes(data, pairs, min_samples)
    names = sorted({*data.profiled, *(cohort or ())})
    values = zero_one(data, pairs, names, genes)
    var = pd.DataFrame(
        {"symbol": genes, "mutated_samples": [int(np.nansum(values[:, j])) for j in range(len(genes))]},
        index=pd.Index(genes, name="gene_id", dtype=object),
    )
    adata = anndata.AnnData(X=values, obs=_burdens(data, names, callable_megabases), var=var)
    adata.uns["mutations"] = {"view": view, "min_samples": min_samples, "callable_megabases": callable_megabases}
    adata.uns["mutations"] |= panels_told(data, adata)
    return adata


def panels_told(data: Profiled, table: AnnData) -> dict[str, list[str]]:
    """Return what `combine_tables` must know of panels; where there are several, that of each sample enters `obs`.

    Args:
        data: What was read.
        table: Its table.
    """
    told: dict[str, list[str]] = {}
    if data.panel is not None:
        told["panel"] = sorted(data.panel)
    if data.panels is not None:
        table.obs["panel"] = np.array([data.panels.of.get(str(name), "") for name in table.obs_names], dtype=object)
        told["panels"] = [f"{name}\t{gene}" for name in _used(data) for gene in sorted(data.panels.covered[name].genes)]
    return told


def _used(data: Profiled) -> list[str]:
    """Return the panels that a sample has, in order of name."""
    return sorted({name for name in data.panels.of.values() if name}) if data.panels else []


def _told_genes(data: MutationData, pairs: pl.DataFrame, min_samples: int) -> list[str]:
    """Return the genes that have a column."""
    per_gene = pairs.group_by("gene").len().filter(pl.col("len") >= min_samples)
    # A gene of which a genotype is missing has a column though nobody carries it: without one it would pass for wild type.
    genes = sorted({*per_gene["gene"].to_list(), *(gene for _, gene in data.unknown)})
    if data.panel is None:
        return genes
    return sorted(data.panel) if min_samples <= 0 else [gene for gene in genes if gene in data.panel]


def zero_one(data: Profiled, pairs: pl.DataFrame, names: list[str], genes: list[str]) -> np.ndarray:
    """Return samples x genes: 1 mutated, 0 wild type, NaN where nobody knows.

    Args:
        data: Samples and panels.
        pairs: Samples and the genes that are mutated in them.
        names: Samples, in the order of the rows.
        genes: Genes, in the order of the columns.
    """
    row_of = {name: i for i, name in enumerate(names)}
    column_of = {gene: j for j, gene in enumerate(genes)}
    values = np.full((len(names), len(genes)), np.nan, dtype=np.float32)
    values[[row_of[name] for name in data.profiled]] = 0
    for sample, gene in data.unknown:
        if gene in column_of and sample in row_of:
            values[row_of[sample], column_of[gene]] = np.nan
    for name in _used(data):
        assert data.panels is not None
        rows = [row_of[sample] for sample, panel in data.panels.of.items() if panel == name]
        off = [column_of[gene] for gene in genes if not covers(gene, data.panels.covered[name].genes)]
        values[np.ix_(np.array(rows, dtype=np.int64), np.array(off, dtype=np.int64))] = np.nan
    for sample, gene in pairs.iter_rows():
        if gene in column_of:
            values[row_of[sample], column_of[gene]] = 1
    return values


def _burdens(data: MutationData, names: list[str], megabases: float) -> pd.DataFrame:
    """Return `obs`: which samples were profiled, and how many variants they have, in all and per megabase."""
    profiled = set(data.profiled)
    counted = data.burden()
    number = np.array([counted.get(name, 0) if name in profiled else np.nan for name in names], dtype=np.float64)
    is_profiled = np.array([name in profiled for name in names], dtype=bool)
    sizes = np.array([data.panels.megabases(name, megabases) if data.panels else megabases for name in names], dtype=np.float64)
    return pd.DataFrame(
        {"sample": names, "profiled": is_profiled, "variants": number, "tmb": number / sizes},
        index=pd.Index(names, dtype=object),
    )


def _off_panels(table: AnnData, genes: Sequence[str], block: np.ndarray) -> None:
    """Make missing, in place, the genes that the panel of a sample does not cover.

    Args:
        table: A gene table, with the panel of each sample in `obs`.
        genes: Names of the columns of `block`.
        block: Samples x genes.
    """
    pairs = [str(pair).partition("\t") for pair in dict(table.uns.get("mutations", {})).get("panels", ())]
    if "panel" not in table.obs:
        return
    of = table.obs["panel"].astype(str).to_numpy()
    for name in sorted({name for name, _, _ in pairs}):
        covered = {gene for panel, _, gene in pairs if panel == name}
        off = [j for j, gene in enumerate(genes) if not covers(gene, covered)]
        block[np.ix_(np.flatnonzero(of == name), np.array(off, dtype=np.int64))] = np.nan


def _chosen(data: MutationData, view: View, hotspots: Iterable[tuple[str, int]]) -> pl.DataFrame:
    chosen = data.nonsynonymous()
    if view == "truncating":
        return chosen.filter(pl.col("classification").is_in(list(TRUNCATING)))
    if view == "hotspot":
        wanted = set(hotspots)
        places = zip(chosen["gene"].to_list(), map(_protein_position, chosen["protein_change"].to_list()), strict=True)
        return chosen.filter(pl.Series([place in wanted for place in places], dtype=pl.Boolean))
    return chosen


def view_table(data: MutationData, views: Sequence[View], hotspots: Iterable[tuple[str, int]], megabases: float) -> AnnData:
    """Return the gene table, and beside each gene what the further views say of it, as features named `TP53:truncating`.

    Args:
        data, hotspots: As in `gene_table`.
        views: Further views.
        megabases: Size of the region in which a variant could have been found.
    """
    import anndata

    table = gene_table(data, callable_megabases=megabases)
    parts = [table]
    for view in views:
        if view != "gene":
            part = gene_table(data, view=view, hotspots=hotspots)
            part.var["symbol"] = [f"{gene}{VIEW}{view}" for gene in part.var["symbol"]]
            part.var_names = [f"{gene}{VIEW}{view}" for gene in part.var_names]
            parts.append(part)
    if len(parts) == 1:
        return table
    joined = anndata.concat(parts, axis="var")
    joined.obs, joined.uns = table.obs, table.uns
    return joined


def _protein_position(change: str | None) -> int | None:
    match = _PROTEIN_POSITION.match(change) if change else None
    return int(match.group(2)) if match else None


def combine_tables(tables: Sequence[AnnData]) -> AnnData:
    """Put gene tables of several centres side by side.

    A gene that no sample of one centre has mutated is wild type (0) in its profiled samples and NaN in the others: a
    gene table lists only genes with a variant, so a missing column says that nobody had one. A gene outside the panel
    that a centre gave to `read_maf` is NaN for all its samples.

    Returns:
        Samples x genes, samples and genes in order of name; `obs` as the tables have it.
    """
    import anndata

    genes = sorted(set().union(*(set(map(str, table.var_names)) for table in tables)))
    column_of = {gene: j for j, gene in enumerate(genes)}
    blocks = []
    for table in tables:
        profiled = table.obs["profiled"].to_numpy(dtype=bool)[:, None]
        block = np.where(profiled, np.zeros((table.n_obs, len(genes))), np.nan).astype(np.float32)
        panel = dict(table.uns.get("mutations", {})).get("panel")
        if panel is not None:
            covered = set(map(str, panel))
            block[:, [j for j, gene in enumerate(genes) if not covers(gene, covered)]] = np.nan
        _off_panels(table, genes, block)
        block[:, [column_of[str(gene)] for gene in table.var_names]] = np.asarray(table.X, dtype=np.float32)
        blocks.append(block)
    values = np.concatenate(blocks)
    obs = pd.concat([frame_of(table.obs) for table in tables])
    if "panel" in obs:
        obs["panel"] = obs["panel"].astype(object).fillna("")
    var = pd.DataFrame({"symbol": genes}, index=pd.Index(genes, name="gene_id", dtype=object))
    combined = anndata.AnnData(X=values, obs=obs, var=var)
    return combined[np.argsort(np.asarray(obs.index, dtype=str), kind="stable")].copy()
