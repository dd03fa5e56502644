"""Gene identifiers: Ensembl with or without version, symbols old and new, NCBI (Entrez) numbers, through one pinned table.

The table is a snapshot of the HUGO Gene Nomenclature Committee (see `data/README.md`); its content is checked against
the digest below each time it is read. A name that stands for several genes is never guessed: it stays as it is and is
listed.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable

if TYPE_CHECKING:
    from anndata import AnnData

SNAPSHOT = "hgnc_2024-07-23"
SHA256 = "af6b1051cfd7bdf702f214edd387e81f798b6a8c87e446c004cc42649b60c516"
ENSEMBL = re.compile(r"^(ENSG\d{11})(?:\.\d+)?(_PAR_Y)?$")
_DATE = re.compile(r"^(\d{1,2}-[A-Z][a-z]{2}|[A-Z][a-z]{2}-\d{1,2}|\d{4}-\d{2}-\d{2}( 00:00:00)?)$")

How = Literal["ensembl", "symbol", "previous", "alias", "entrez", "ambiguous", "unknown", "spreadsheet-date"]


@dataclass(frozen=True)
class Gene:
    """One approved gene; `ensembl` or `entrez` may be empty."""

    symbol: str
    ensembl: str
    entrez: str
    locus_type: str


@dataclass(frozen=True)
class Match:
    """What a name stands for: `gene` is None when that is unknown or not one gene."""

    source: str
    how: How
    gene: Gene | None


class GeneTable:
    """The pinned table, with an index per kind of identifier.

    Attributes:
        digest: SHA-256 of its content.
    """

    def __init__(self) -> None:
        content = gzip.decompress((Path(__file__).parent / "data" / f"{SNAPSHOT}.tsv.gz").read_bytes())
        self.digest = hashlib.sha256(content).hexdigest()
        if self.digest != SHA256:
            raise Unusable("changed-gene-table", f"The gene table {SNAPSHOT} is not the pinned one.", "Install unibase again.")
        self._symbol: dict[str, Gene] = {}
        self._ensembl: dict[str, Gene] = {}
        self._entrez: dict[str, Gene] = {}
        previous: dict[str, list[Gene]] = defaultdict(list)
        alias: dict[str, list[Gene]] = defaultdict(list)
        for line in content.decode().splitlines()[1:]:
            _, symbol, ensembl, entrez, old, other, locus = line.split("\t")
            gene = Gene(symbol, ensembl, entrez, locus)
            self._symbol[symbol] = gene
            if ensembl:
                self._ensembl.setdefault(ensembl, gene)
            if entrez:
                self._entrez[entrez] = gene
            for name in filter(None, old.split("|")):
                previous[name].append(gene)
            for name in filter(None, other.split("|")):
                alias[name].append(gene)
        self._previous = dict(previous)
        self._alias = dict(alias)

    def match(self, name: str) -> Match:
        """Find the gene a name stands for.

        An approved symbol wins over a previous one, a previous one over an alias (so MLL2 is KMT2D, whose symbol it was,
        not KMT2B, which some call so).
        """
        text = name.strip()
        found = ENSEMBL.match(text)
        if found:
            return Match(name, "ensembl", self._ensembl.get(found.group(1)))
        if text.isdigit():
            gene = self._entrez.get(text)
            return Match(name, "entrez" if gene else "unknown", gene)
        if text in self._symbol:
            return Match(name, "symbol", self._symbol[text])
        for how, index in (("previous", self._previous), ("alias", self._alias)):
            genes = index.get(text)
            if genes:
                return Match(name, how, genes[0]) if len(genes) == 1 else Match(name, "ambiguous", None)  # type: ignore[arg-type]
        return Match(name, "spreadsheet-date" if _DATE.match(text) else "unknown", None)


@cache
def gene_table() -> GeneTable:
    """Read the pinned table once."""
    return GeneTable()


def identifiers(names: Iterable[str]) -> list[str]:
    """Ensembl gene of each name, without version; names that stand for no one Ensembl gene stay as they are."""
    table = gene_table()
    out = []
    for name in names:
        found = ENSEMBL.match(name.strip())
        if found:
            # GENCODE lists genes of the pseudo-autosomal regions a second time for Y: they stay apart from their X copy.
            out.append(found.group(1) + (found.group(2) or ""))
        else:
            gene = table.match(name).gene
            out.append(gene.ensembl if gene is not None and gene.ensembl else name.strip())
    return out


def symbols(names: Iterable[str]) -> list[str]:
    """Approved symbol of each name; empty for Ensembl genes without one, the name itself for other unknown names."""
    table = gene_table()
    out = []
    for name in names:
        match = table.match(name)
        out.append(match.gene.symbol if match.gene else "" if match.how == "ensembl" else name.strip())
    return out


def ledger(names: Iterable[str]) -> pl.DataFrame:
    """List the names that are not approved symbols or Ensembl genes: source, how it was understood, symbol, gene_id."""
    table = gene_table()
    rows = []
    for name in sorted(set(names)):
        match = table.match(name)
        if match.how not in ("ensembl", "symbol"):
            gene = match.gene
            rows.append((name, match.how, gene.symbol if gene else None, gene.ensembl if gene else None))
    return pl.DataFrame(rows, schema=dict.fromkeys(("source", "how", "symbol", "gene_id"), pl.String()), orient="row")


def current_symbols(names: Iterable[str]) -> dict[str, str]:
    """Map names that are previous or alias symbols to the approved symbol; approved and unknown names are left out."""
    table = gene_table()
    out = {}
    for name in set(names):
        match = table.match(name)
        if match.how in ("previous", "alias") and match.gene is not None:
            out[name] = match.gene.symbol
    return out


def to_ensembl(adata: AnnData) -> AnnData:
    """Name features by Ensembl gene where the table knows one, and fill `var["symbol"]`; rows are not merged."""
    out = adata.copy()
    source = [str(name) for name in adata.var_names]
    out.var["symbol"] = symbols(source)
    if "gene_id_source" not in out.var:
        out.var["gene_id_source"] = source
    out.var.index = pd.Index(identifiers(source), name="gene_id", dtype=object)
    return out


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
