"""Gene identifiers: Ensembl with or without version, symbols old and new, NCBI (Entrez) numbers, through one pinned table.

The table is a snapshot of the HUGO Gene Nomenclature Committee (see `data/README.md`); its content is checked against
the digest below each time it is read. A name that stands for several genes is never guessed: it stays as it is and is
listed.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.omics.reasons import CHANGED_GENE_TABLE

if TYPE_CHECKING:
    from anndata import AnnData

SNAPSHOT = "hgnc_2024-07-23"
SHA256 = "af6b1051cfd7bdf702f214edd387e81f798b6a8c87e446c004cc42649b60c516"
ENSEMBL = re.compile(r"^(ENSG\d{11})(?:\.\d+)?(_PAR_Y)?$")
_ENSEMBL_OF_Y = re.compile(r"^ENSGR(\d{10})(?:\.\d+)?$")
"""How GENCODE named the pseudo-autosomal genes of Y before release 25."""
_MONTHS = (
    "jan(v|vier|uary)?|f[eé]v(r|rier)?|feb(ruary)?|mar(s|ch)?|a[pv]r(il)?|ma[iy]|ju(in|n|ne)|jui(l|ll|llet)?|jul(y)?|ao[uû]t?|aug(ust)?"
    "|sep(t|tembre|tember)?|o[ck]t(obre|ober)?|nov(embre|ember)?|d[eé][cz](embre|ember)?"
)
_DATE = re.compile(
    rf"^(\d{{1,2}}[-. ]({_MONTHS})\.?([-. ]\d{{2,4}})?|({_MONTHS})\.?[-. ]\d{{1,4}}|\d{{4}}-\d{{2}}-\d{{2}}([ T]00:00:00)?|\d{{1,2}}/\d{{1,2}}/\d{{2,4}})$",
    re.IGNORECASE,
)
_SERIAL = range(30_000, 60_000)
"""Days since 1900 as spreadsheets count them: 1982 to 2064."""
NO_NAME = frozenset({"", "NA", "NAN", "NULL", "NONE", "N/A", "#N/A", "?", "-", "--", "---", "UNKNOWN"})
"""What stands where a gene has no name."""
_COMPOUND = re.compile(r"^(?P<a>[^|;:,\s]+)\s*(?:\||;|:|,|\s\()\s*(?P<b>[^|;:,\s()]+)\)?(?:\|.*)?$")
_ENSEMBL_JOINED = re.compile(r"^(?:(?P<a>ENSG\d{11}(?:\.\d+)?)_(?P<b>.+)|(?P<c>.+)_(?P<d>ENSG\d{11}(?:\.\d+)?))$")

How = Literal["ensembl", "symbol", "previous", "alias", "entrez", "ambiguous", "unknown", "spreadsheet-date", "no-name"]


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
            raise Unusable(CHANGED_GENE_TABLE, f"The gene table {SNAPSHOT} is not the pinned one.", "Install unibase again.")
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
        of_y = _ENSEMBL_OF_Y.match(text)
        found = ENSEMBL.match(f"ENSG0{of_y.group(1)}" if of_y else text)
        if found:
            return Match(name, "ensembl", self._ensembl.get(found.group(1)))
        if text.upper() in NO_NAME:
            return Match(name, "no-name", None)
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
    """Read the pinned table once.

    >>> gene_table() is gene_table()
    True
    """
    return GeneTable()


def parts_of(name: str) -> tuple[str, ...]:
    """Return the names that one name is made of: `TP53|7157`, `TP53 (7157)`, `ENSG00000141510.18_TP53`; else the name alone.

    >>> parts_of("TP53|7157")
    ('TP53', '7157')
    """
    text = name.strip()
    joined = _ENSEMBL_JOINED.match(text)
    if joined and "_PAR_Y" not in text:
        return (joined["a"], joined["b"]) if joined["a"] else (joined["d"], joined["c"])
    found = _COMPOUND.match(text)
    return (found["a"], found["b"]) if found else (text,)


def understood(names: Iterable[str]) -> list[Match]:
    """Find the gene behind each name of one file, each name in the light of the others.

    - Of a compound name the Ensembl part is taken, else the approved symbol, else the NCBI number, else an older symbol.
    - A number is an NCBI number only in a file in which most names are numbers, or as a part of a compound name.
    - A previous or alias symbol is followed only when its approved symbol is not itself in the file, and when no other name of
      the file leads to the same gene: else different genes would be added up.
    """
    listed = [name.strip() for name in names]
    table = gene_table()
    distinct = list(dict.fromkeys(listed))
    numbers = sum(name.isdigit() for name in distinct) > len(distinct) / 2
    found = {name: _one_name(table, name, numbers) for name in distinct}
    taken = {match.gene.symbol for match in found.values() if match.gene and match.how not in ("previous", "alias")}
    several = Counter(m.gene.symbol for m in found.values() if m.gene and m.how in ("previous", "alias"))
    previous = Counter(m.gene.symbol for m in found.values() if m.gene and m.how == "previous")
    for name, match in found.items():
        if match.gene is None or match.how not in ("previous", "alias"):
            continue
        symbol = match.gene.symbol
        alone = several[symbol] == 1 or (match.how == "previous" and previous[symbol] == 1)
        if symbol in taken or not alone:
            found[name] = Match(name, "ambiguous", None)
    return [found[name] for name in listed]


def _one_name(table: GeneTable, name: str, numbers: bool) -> Match:
    if name.upper() in NO_NAME:
        return Match(name, "no-name", None)
    if name.isdigit():
        match = table.match(name)
        if numbers:
            return match
        return Match(name, "spreadsheet-date" if int(name) in _SERIAL else "unknown", None)
    whole = table.match(name)
    parts = parts_of(name)
    if whole.gene is not None or len(parts) == 1 or whole.how == "ensembl":
        return whole
    matches = [table.match(part) for part in parts if part.upper() not in NO_NAME]
    for how in ("ensembl", "symbol", "entrez", "previous", "alias"):
        for match in matches:
            if match.how == how and (match.gene is not None or how == "ensembl"):
                return Match(name, match.how, match.gene)
    return Match(name, "unknown", None)


def identifiers(names: Iterable[str]) -> list[str]:
    """Ensembl gene of each name, without version; names that stand for no one Ensembl gene stay as they are.

    >>> identifiers(["TP53", "ENSG00000141510.18", "no gene"])
    ['ENSG00000141510', 'ENSG00000141510', 'no gene']
    """
    out = []
    for match in understood(names):
        name = match.source.strip()
        ensembl = next((found for part in parts_of(name) if (found := ENSEMBL.match(part))), None)
        of_y = _ENSEMBL_OF_Y.match(name)
        if ensembl and match.how == "ensembl":
            # GENCODE lists genes of the pseudo-autosomal regions a second time for Y: they stay apart from their X copy.
            out.append(ensembl.group(1) + (ensembl.group(2) or ""))
        elif of_y:
            out.append(f"ENSG0{of_y.group(1)}_PAR_Y")
        else:
            out.append(match.gene.ensembl if match.gene is not None and match.gene.ensembl else name)
    return out


def symbols(names: Iterable[str]) -> list[str]:
    """Approved symbol of each name; empty for Ensembl genes without one, the name itself for other unknown names."""
    return [
        match.gene.symbol if match.gene else "" if match.how == "ensembl" else match.source.strip() for match in understood(names)
    ]


def ledger(names: Iterable[str]) -> pl.DataFrame:
    """List the names that are not approved symbols or Ensembl genes: source, how it was understood, symbol, gene_id."""
    rows = []
    for match in understood(sorted(set(names))):
        if match.how not in ("ensembl", "symbol"):
            gene = match.gene
            rows.append((match.source, match.how, gene.symbol if gene else None, gene.ensembl if gene else None))
    return pl.DataFrame(rows, schema=dict.fromkeys(("source", "how", "symbol", "gene_id"), pl.String()), orient="row")


def current_symbols(names: Iterable[str]) -> dict[str, str]:
    """Map names that are previous or alias symbols to the approved symbol; approved and unknown names are left out.

    >>> current_symbols(["HER2", "TP53", "no gene"])
    {'HER2': 'ERBB2'}
    """
    return {
        match.source: match.gene.symbol
        for match in understood(set(names))
        if match.how in ("previous", "alias") and match.gene is not None and len(parts_of(match.source)) == 1
    }


def to_ensembl(adata: AnnData) -> AnnData:
    """Name the features of `adata` by Ensembl gene where the table knows one, and fill `var["symbol"]`; rows are not merged."""
    out = adata.copy()
    source = [str(name) for name in adata.var_names]
    out.var["symbol"] = symbols(source)
    if "gene_id_source" not in out.var:
        out.var["gene_id_source"] = source
    out.var.index = pd.Index(identifiers(source), name="gene_id", dtype=object)
    return out


def merge_repeated(adata: AnnData) -> AnnData:
    """Add up the counts of genes that `adata` lists more than once; the first row's annotation stays."""
    if adata.var_names.is_unique:
        return adata
    first = ~adata.var_names.duplicated()
    target = {gene: i for i, gene in enumerate(adata.var_names[first])}
    where = np.array([target[gene] for gene in adata.var_names])
    values = np.asarray(adata.X)
    whole = np.issubdtype(values.dtype, np.integer)
    # In 64 bits: two counts that fit into 32 may have a sum that does not.
    summed = np.zeros((adata.n_obs, len(target)), dtype=np.int64 if whole else np.float64)
    for j, k in enumerate(where):
        summed[:, k] += values[:, j]
    merged = adata[:, first].copy()
    merged.X = summed.astype(values.dtype) if whole and summed.max(initial=0) <= np.iinfo(values.dtype).max else summed
    return merged
