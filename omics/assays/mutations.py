"""Somatic mutations: variants to a samples x genes table in which `not profiled` is missing, never wild type."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

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
UNIT = "unit: 1 where a variant changes the gene's protein, 0 where the sample was sequenced for it and none does"
"""What the values of the table are."""
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
        data: Variants, and the samples that were sequenced.
        view: `gene`: any protein-changing variant; `truncating`: frame shift, splice site, start lost, stop
            gained or lost; `hotspot`: a variant at a position of `hotspots`.
        hotspots: Pairs (gene, position in the protein).
        min_samples: Genes mutated in fewer profiled samples are left out.
        cohort: All samples of the study; those not profiled get NaN. The profiled samples by default.
        callable_megabases: Size of the region in which a variant could have been found.

    `obs` holds `profiled`, `variants` (protein-changing) and `tmb` (protein-changing variants per megabase; NaN
    when not profiled).
    """
    names = sorted({*data.profiled, *(cohort or ())})
    adata = _sparse_table(data, _chosen(data, view, hotspots), names, min_samples)
    adata.X = dense(adata.X)
    adata.obs = _burdens(data, names, callable_megabases)
    adata.uns["mutations"] = {"view": view, "min_samples": min_samples, "callable_megabases": callable_megabases}
    adata.uns["mutations"] |= panels_told(data, adata)
    return adata


def _sparse_table(data: MutationData, chosen: pl.DataFrame, names: list[str], min_samples: int = 1) -> AnnData:
    """Return samples x genes of the variants `chosen`, sparse, without what is said of the samples."""
    import anndata

    pairs = _distinct(chosen.select("sample", "gene"))
    genes = _told_genes(data, pairs, min_samples)
    values = zero_one(data, pairs, names, genes)
    mutated = sparse.csr_matrix((np.nan_to_num(values.data), values.indices, values.indptr), values.shape).sum(axis=0)
    var = pd.DataFrame(
        {"symbol": genes, "mutated_samples": np.asarray(mutated, dtype=np.int64).ravel()},
        index=pd.Index(genes, name="gene_id", dtype=object),
    )
    return anndata.AnnData(X=values, obs=pd.DataFrame(index=pd.Index(names, dtype=object)), var=var)


def dense(x: object) -> NDArray[np.float32]:
    """Return a table, sparse or not, with every cell.

    Args:
        x: Samples x genes.

    >>> dense(sparse.csr_matrix([[0, 1]])).tolist()
    [[0.0, 1.0]]
    """
    return np.asarray(sparse.csr_matrix(x).toarray() if sparse.issparse(x) else x, dtype=np.float32)


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


def zero_one(data: Profiled, pairs: pl.DataFrame, names: list[str], genes: list[str]) -> sparse.csr_matrix:
    """Return samples x genes, sparse: 1 mutated, 0 (not stored) wild type, NaN where nobody knows.

    Args:
        data: Samples and panels.
        pairs: Samples and the genes that are mutated in them.
        names: Samples, in the order of the rows.
        genes: Genes, in the order of the columns.
    """
    row_of = {name: i for i, name in enumerate(names)}
    column_of = {gene: j for j, gene in enumerate(genes)}
    profiled = set(data.profiled)
    cells = _Cells(len(genes))
    cells.whole([i for name, i in row_of.items() if name not in profiled], range(len(genes)))
    for name in _used(data):
        assert data.panels is not None
        rows = [row_of[sample] for sample, panel in data.panels.of.items() if panel == name]
        cells.whole(rows, [column_of[gene] for gene in genes if not covers(gene, data.panels.covered[name].genes)])
    for sample, gene in data.unknown:
        if gene in column_of and sample in row_of:
            cells.whole([row_of[sample]], [column_of[gene]])
    of_samples, of_genes = _placed(pairs["sample"], row_of), _placed(pairs["gene"], column_of)
    known = (of_samples >= 0) & (of_genes >= 0)
    return cells.stored((of_samples * len(genes) + of_genes)[known], (len(names), len(genes)))


def _distinct(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return each pair of categories once, by their codes: to hash millions of pairs takes ten times their memory."""
    sample, gene = (column.to_physical().to_numpy().astype(np.int64) for column in pairs)
    codes = (sample << 32) | gene
    order = np.argsort(codes)
    first = np.ones(len(order), dtype=bool)
    first[1:] = codes[order[1:]] != codes[order[:-1]]
    return pairs[order[first]]


def _placed(names: pl.Series, places: dict[str, int]) -> NDArray[np.int64]:
    """Return the place of each name, -1 where it has none; each category is looked up once."""
    coded = names.cast(pl.Categorical())
    codes = np.asarray(coded.to_physical().to_numpy(), dtype=np.int64)
    used = coded.unique().drop_nulls()
    place_of = np.full(codes.max(initial=-1) + 1, -1, dtype=np.int64)
    place_of[used.to_physical().to_numpy()] = np.array([places.get(name, -1) for name in used.to_list()], dtype=np.int64)
    found: NDArray[np.int64] = place_of[codes]
    return found


class _Cells:
    """Cells of a table of `width` columns that are missing, each by row * width + column."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.missing: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]

    def whole(self, rows: Sequence[int], columns: Sequence[int]) -> None:
        """Make the cells of some rows and columns missing."""
        self.missing.append((np.array(rows, dtype=np.int64)[:, None] * self.width + np.array(columns, dtype=np.int64)).ravel())

    def stored(self, ones: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
        """Return the table: 1 in the cells `ones`, whatever is missing; NaN in those that are missing."""
        ones = np.sort(ones)
        ones = ones[np.append(True, ones[1:] != ones[:-1])[: ones.size]]
        missing = np.unique(np.concatenate(self.missing))
        if missing.size and ones.size:
            missing = missing[ones[np.searchsorted(ones, missing).clip(max=ones.size - 1)] != missing]
        places = np.concatenate([ones, missing])
        order = np.argsort(places, kind="stable")
        values = np.repeat(np.array([1, np.nan], dtype=np.float32), [ones.size, missing.size])[order]
        rows, columns = np.divmod(places[order], max(self.width, 1))
        pointers = np.searchsorted(rows, np.arange(shape[0] + 1))
        return sparse.csr_matrix((values, columns, pointers), shape=shape)


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


@dataclass(frozen=True)
class _Uncovered:
    """Columns that are missing in samples of a table.

    Attributes:
        of_all: Columns that the one panel of the table lacks.
        of: Columns that each of several panels lacks.
        panel: Panel of each sample, where there are several.
    """

    of_all: list[int]
    of: dict[str, list[int]]
    panel: np.ndarray

    @classmethod
    def by(cls, table: AnnData, genes: Sequence[str]) -> _Uncovered:
        """Return what the panels of `table` lack of `genes`."""
        told = dict(table.uns.get("mutations", {}))
        several: dict[str, set[str]] = defaultdict(set)
        for pair in told.get("panels", ()):
            name, _, gene = str(pair).partition("\t")
            several[name].add(gene)
        one = set(map(str, told["panel"])) if told.get("panel") is not None else None
        of = {name: _lacking(genes, covered) for name, covered in several.items()} if "panel" in table.obs else {}
        panel = table.obs["panel"].astype(str).to_numpy() if of else np.full(table.n_obs, "")
        return cls(_lacking(genes, one), of, panel)

    def leave_out(self, block: np.ndarray, rows: NDArray[np.int64]) -> None:
        """Make cells of a `block`, the samples `rows`, missing in place."""
        block[:, self.of_all] = np.nan
        for name, columns in self.of.items():
            mine = np.flatnonzero(self.panel[rows] == name)
            block[np.ix_(mine, np.array(columns, dtype=np.int64))] = np.nan


def _lacking(genes: Sequence[str], covered: set[str] | None) -> list[int]:
    return [j for j, gene in enumerate(genes) if not covers(gene, covered)]


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
    """Return the gene table, sparse, and beside each gene what the further views say of it, as features named `TP53:truncating`.

    Args:
        data, hotspots: As in `gene_table`.
        views: Further views.
        megabases: Size of the region in which a variant could have been found.
    """
    import anndata

    names = sorted(data.profiled)
    # Of the variants only their pairs stay while the table is made.
    parts = [_sparse_table(data, data.nonsynonymous().select("sample", "gene"), names)]
    for view in views:
        if view != "gene":
            part = _sparse_table(data, _chosen(data, view, hotspots), names)
            part.var["symbol"] = [f"{gene}{VIEW}{view}" for gene in part.var["symbol"]]
            part.var_names = [f"{gene}{VIEW}{view}" for gene in part.var_names]
            parts.append(part)
    joined = anndata.concat(parts, axis="var") if len(parts) > 1 else parts[0]
    joined.obs = _burdens(data, names, megabases)
    joined.uns["mutations"] = {"view": "gene", "min_samples": 1, "callable_megabases": megabases}
    joined.uns["mutations"] |= panels_told(data, joined)
    return joined


def _protein_position(change: str | None) -> int | None:
    match = _PROTEIN_POSITION.match(change) if change else None
    return int(match.group(2)) if match else None


@dataclass(frozen=True)
class Combined:
    """Gene tables of several centres side by side, rows by blocks.

    Attributes:
        obs: Samples in order of name.
        var: Genes in order of name.
        blocks: Some rows at a time, samples x genes, float32.
    """

    obs: pd.DataFrame
    var: pd.DataFrame
    blocks: Iterator[NDArray[np.float32]]


def combined(tables: Sequence[AnnData], rows: int = 512) -> Combined:
    """Put gene tables of several centres side by side, as `combine_tables`, some samples at a time.

    Args:
        tables: Gene tables, dense or sparse.
        rows: Samples of a block.
    """
    genes = sorted(set().union(*(set(map(str, table.var_names)) for table in tables)))
    obs = pd.concat([frame_of(table.obs) for table in tables])
    if "panel" in obs:
        obs["panel"] = obs["panel"].astype(object).fillna("")
    order = np.argsort(np.asarray(obs.index, dtype=str), kind="stable")
    var = pd.DataFrame({"symbol": genes}, index=pd.Index(genes, name="gene_id", dtype=object))
    return Combined(obs.iloc[order], var, _combined_rows([_Part.of(table, genes) for table in tables], order, rows))


def combine_tables(tables: Sequence[AnnData]) -> AnnData:
    """Put gene tables of several centres side by side.

    A gene that no sample of one centre has mutated is wild type (0) in its profiled samples and NaN in the others: a
    gene table lists only genes with a variant, so a missing column says that nobody had one. A gene outside the panel
    that a centre gave to `read_maf` is NaN for all its samples.

    Returns:
        Samples x genes, samples and genes in order of name; `obs` as the tables have it.
    """
    import anndata

    whole = combined(tables)
    values = np.concatenate([np.zeros((0, len(whole.var)), dtype=np.float32), *whole.blocks])
    return anndata.AnnData(X=values, obs=whole.obs, var=whole.var)


@dataclass(frozen=True)
class _Part:
    """One gene table among those that are put side by side.

    Attributes:
        table: The table.
        profiled: Which samples were sequenced.
        columns: Where its genes stand among those of all.
        uncovered: What its panels lack.
    """

    table: AnnData
    profiled: NDArray[np.bool_]
    columns: NDArray[np.int64]
    uncovered: _Uncovered

    @classmethod
    def of(cls, table: AnnData, genes: Sequence[str]) -> _Part:
        """Return a table with what of it is needed, of the `genes` of all."""
        column_of = {gene: j for j, gene in enumerate(genes)}
        columns = np.array([column_of[str(gene)] for gene in table.var_names], dtype=np.int64)
        return cls(table, table.obs["profiled"].to_numpy(dtype=bool), columns, _Uncovered.by(table, genes))

    def rows(self, rows: NDArray[np.int64], genes: int) -> NDArray[np.float32]:
        """Return some samples with every gene of all."""
        block = np.where(self.profiled[rows, None], np.zeros(genes, dtype=np.float32), np.float32(np.nan))
        self.uncovered.leave_out(block, rows)
        block[:, self.columns] = dense(self.table[rows].X)
        return block


def _combined_rows(parts: Sequence[_Part], order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.float32]]:
    starts = np.cumsum([0, *(part.table.n_obs for part in parts)])
    genes = max((int(part.columns.max(initial=-1)) + 1 for part in parts), default=0)
    for first in range(0, len(order), size):
        wanted = order[first : first + size]
        block = np.empty((len(wanted), genes), dtype=np.float32)
        for part, start, stop in zip(parts, starts[:-1], starts[1:], strict=True):
            mine = np.flatnonzero((wanted >= start) & (wanted < stop))
            if mine.size:
                block[mine] = part.rows(wanted[mine] - start, genes)
        yield block
