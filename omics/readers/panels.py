"""Which panel each sample was sequenced with, and which genes and how many bases each panel covers.

What was sequenced decides what is a negative: a gene that a panel lacks is missing in its samples, never wild type. Read are GENIE's and
cBioPortal's matrix of gene panels, GENIE's table of samples, its `genomic_information.txt`, cBioPortal's gene panel files, and plain
tables.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.genes import current_symbols
from unibase.omics.readers.tabular import Table, content, read_table
from unibase.omics.recognise.names import plain

_WHOLE = frozenset(map(plain, ("WES", "WGS", "WXS", "exome", "genome", "whole exome", "whole genome")))
_SAMPLE = ("sampleid", "sample", "tumorsamplebarcode")
_PROFILES = {"mutations": ("mutations",), "structural_variants": ("structuralvariants", "sv", "fusions", "mutations")}
"""Columns of cBioPortal's gene matrix of each assay; a panel that says nothing of rearrangements is taken for that of the mutations."""
_PANEL = ("panel", "panelid", "genepanel", "seqassayid")
_GENE = ("hugosymbol", "gene", "genesymbol", "symbol")
_SIZE = ("megabases", "mb")


@dataclass(frozen=True)
class Panel:
    """What a panel covers.

    Attributes:
        genes: Approved symbols.
        megabases: Bases in which a variant could have been found, in millions; None where no file says it.
    """

    genes: frozenset[str]
    megabases: float | None = None


@dataclass(frozen=True)
class Panels:
    """Samples and their panels.

    Attributes:
        of: Name of the panel of each sample that was sequenced; empty for an exome or genome, which covers all genes.
        covered: What each panel covers, by its name.
    """

    of: Mapping[str, str] = field(default_factory=dict)
    covered: Mapping[str, Panel] = field(default_factory=dict)

    def megabases(self, sample: str, otherwise: float) -> float:
        """Return the size of a sample's panel in megabases, NaN where no file says it.

        Args:
            sample: Its name.
            otherwise: That of an exome or genome, and of samples without a panel.
        """
        name = self.of.get(sample, "")
        if not name:
            return otherwise
        size = self.covered[name].megabases
        return float("nan") if size is None else size


def read_panels(samples: Path | str, genes: Path | str, profile: str = "mutations") -> Panels:
    """Read which panel each sample was sequenced with, and what each covers.

    Args:
        samples: A table with a column of samples and one of panels: GENIE's `data_gene_matrix.txt` or `data_clinical_sample.txt`, or
            `sample,panel`. A sample without a panel was not sequenced; `WES` and `WGS` cover all genes.
        genes: GENIE's `genomic_information.txt`, cBioPortal's gene panel files (one behind the other), or a table `panel,gene` with
            or without `megabases`.
        profile: Column of a gene matrix that is of this assay: `mutations` or `structural_variants`.

    Raises:
        UserError: If a file or column is missing, a sample has two panels, or a panel has no genes.
    """
    of = read_sample_panels(samples, profile)
    covered = _covered(Path(genes))
    unknown = sorted({name for name in of.values() if name} - set(covered))
    if unknown:
        raise UserError(f"{genes} has no genes of the panel {unknown[0]} ({len(unknown)} such panels). Add them.")
    return Panels(of, covered)


def read_sample_panels(path: Path | str, profile: str = "mutations") -> dict[str, str]:
    """Read the panel of each sequenced sample; empty for an exome or genome. Arguments and errors as `read_panels` says.

    Args:
        path: The table of samples and panels.
        profile: Column of a gene matrix that is of this assay.
    """
    table = _table(Path(path), "samples and panels")
    sample, panel = _column(table, _SAMPLE), _column(table, (*_PROFILES[profile], *_PANEL))
    if sample is None or panel is None:
        raise UserError(f"{path} lacks a column of samples or of panels. It needs both, as in: sample,panel")
    found: dict[str, str] = {}
    for row, (name, said) in enumerate(zip(table.texts(sample), table.texts(panel), strict=True), start=1):
        if not said:
            continue
        if not name:
            raise UserError(f"Row {row} of {path} names no sample. Fill it in, or remove the row.")
        told = "" if plain(said) in _WHOLE else said
        if found.setdefault(name, told) != told:
            raise UserError(f"Row {row} of {path} gives a sample another panel than a row before. Keep the right one.")
    return found


def _table(path: Path, what: str) -> Table:
    if not path.exists():
        raise UserError(f"There is no table of {what} at {path}. Check the path in the study file.")
    try:
        return read_table(path)
    except Unusable as problem:
        raise UserError(f"The table of {what} {path}: {problem.message} {problem.remedy}") from None


def _column(table: Table, names: Iterable[str]) -> int | None:
    titles = [plain(title) for title in table.titles]
    return next((titles.index(name) for name in names if name in titles), None)


def _covered(path: Path) -> dict[str, Panel]:
    if path.exists() and b"gene_list:" in (data := content(path)[0]):
        text = data.decode(errors="replace")
        listed = re.findall(r"^stable_id:\s*(\S+)(?:.*\n)*?gene_list:\s*(.+)$", text, re.MULTILINE)
        return _panels({name: set(genes.split()) for name, genes in listed}, {})
    table = _table(path, "panels and genes")
    gene, panel = _column(table, _GENE), _column(table, ("seqassayid", "panel", "panelid", "genepanel", "stableid"))
    if gene is None or panel is None:
        raise UserError(f"{path} lacks a column of panels or of genes. It needs both, as in: panel,gene,megabases")
    rows = _exons(table)
    names, symbols = table.texts(panel), table.texts(gene)
    genes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if symbols[row]:
            genes[names[row]].add(symbols[row])
    return _panels(genes, _sizes(table, names, rows, path))


def _panels(genes: Mapping[str, set[str]], sizes: Mapping[str, float]) -> dict[str, Panel]:
    renamed = current_symbols(set().union(*genes.values()))
    return {
        name: Panel(frozenset(renamed.get(gene, gene) for gene in listed), sizes.get(name))
        for name, listed in genes.items()
        if listed
    }


def _exons(table: Table) -> list[int]:
    """Return the rows in which a mutation is looked for: of GENIE's intervals the exons that belong to the panel."""
    kind, included = _column(table, ("featuretype",)), _column(table, ("includeinpanel",))
    kinds = table.texts(kind) if kind is not None else []
    inside = table.texts(included) if included is not None else []
    return [
        row
        for row in range(table.frame.height)
        if (not kinds or kinds[row].lower() == "exon") and (not inside or inside[row].lower() in ("true", "1", "yes", "t"))
    ]


def _sizes(table: Table, names: Sequence[str], rows: Sequence[int], path: Path) -> dict[str, float]:
    """Return the megabases of each panel: as its column says, else those of its intervals together, each base once."""
    size = _column(table, _SIZE)
    if size is not None:
        return _said_sizes(names, table.values([size])[:, 0].tolist() if table.is_number(size) else [], rows, path)
    places = [
        _column(table, names_) for names_ in (("chromosome", "chrom", "chr"), ("startposition", "start"), ("endposition", "end"))
    ]
    chromosome, start, end = places
    if chromosome is None or start is None or end is None or not (table.is_number(start) and table.is_number(end)):
        return {}
    contigs, bounds = table.texts(chromosome), table.values([start, end])
    spans: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for row in rows:
        spans[names[row]].append((contigs[row].removeprefix("chr"), bounds[row, 0], bounds[row, 1]))
    return {name: _bases(mine) / 1e6 for name, mine in spans.items()}


def _said_sizes(names: Sequence[str], sizes: Sequence[float], rows: Sequence[int], path: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        value = sizes[row] if sizes else float("nan")
        if not value > 0 or found.setdefault(names[row], value) != value:
            raise UserError(f"Row {row + 1} of {path} has no size in megabases, or another than its panel has before. Mend it.")
    return found


def _bases(spans: list[tuple[str, float, float]]) -> float:
    """Return the bases that intervals (from 1, both ends included) cover together."""
    total, last = 0.0, ("", 0.0)
    for contig, start, end in sorted(spans):
        begun = max(start, last[1] + 1) if contig == last[0] else start
        total += max(0.0, end - begun + 1)
        last = (contig, max(end, last[1]) if contig == last[0] else end)
    return total
