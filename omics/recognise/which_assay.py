"""Which assay a file is of, when nobody says it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.gene_copies import is_gene_level
from unibase.omics.assays.pseudobulk import are_cells
from unibase.omics.options import AssayName
from unibase.omics.readers.counts import is_10x
from unibase.omics.readers.lines import text_lines
from unibase.omics.readers.maf_blocks import is_annovar, is_maf
from unibase.omics.readers.olink import is_long_npx
from unibase.omics.readers.olink_wide import is_wide_npx
from unibase.omics.readers.rcc import is_rcc
from unibase.omics.readers.rearrangements import is_rearrangements
from unibase.omics.readers.segments import are_segments
from unibase.omics.readers.tabular import Table, read_table
from unibase.omics.reasons import NOT_RECOGNISED
from unibase.omics.recognise.names import Feature, look, plain, some_of
from unibase.omics.recognise.quantities import RUN
from unibase.omics.recognise.result_words import are_results

_COPIES = re.compile(r"(?i)data_(cna|log2_cna|linear_cna)|thresholded|gistic|by_genes")
_PROTEOMICS = re.compile(
    r"(?i)npx|olink|lfq|rppa|protein(?!.?coding)|proteome|maxquant|diann|[pg]g_matrix|tmt|itraq|somascan|somalogic|phospho"
)
_OF_PROTEINS = {"pgquantity", "pgmaxlfq", "proteingroup", "precursorid", "maxpepprob", "peptidetarget", "nproteotypicsequences"}
"""Titles of tables of proteins alone, whatever names them."""
_PHOSPHO = re.compile(r"[_ ]p[STY]\d+")
"""Antibodies against phosphorylated proteins."""
_RECORDS = 200
"""Records of a VCF that are looked at."""


def assay_of(path: Path) -> AssayName:
    """Return the assay that a file is of, by its first lines, its titles and its names.

    Raises:
        Unusable: `not-recognised` when nothing shows it.
        UserError: If there is nothing at `path`.
    """
    if not path.exists():
        raise UserError(f"There is nothing at {path}. Check the path.")
    if path.suffix in (".h5ad", ".zarr"):
        return "single_cell" if are_cells(path) else "rna"
    if is_10x(path):
        return "single_cell"
    if path.is_dir():
        return "rna"
    by_lines = None if path.suffix in (".parquet", ".xlsx", ".xls") else _by_first_lines(path)
    if by_lines:
        return by_lines
    table = read_table(path)
    return _by_titles(table, path.name) or _by_names(table, path.name)


def _by_first_lines(path: Path) -> AssayName | None:
    lines = text_lines(path)
    first = next(lines, "")
    if first.startswith("##fileformat=VCF"):
        return _of_vcf(lines)
    if is_rearrangements(first.lstrip("#").split("\t")):
        return "rearrangements"
    titles = (
        first if not first.startswith("#") else next((line for line in islice(lines, _RECORDS) if not line.startswith("#")), "")
    )
    if is_maf(titles.split("\t")) or is_annovar(titles.split("\t")):
        return "mutations"
    return "nanostring" if path.suffix.lower() in (".rcc", ".dcc") and is_rcc(path) else None


def _of_vcf(lines: Iterator[str]) -> AssayName:
    """Return what a VCF holds, by its first records: structural variants alone are rearrangements."""
    records = (cells[4] for line in lines if not line.startswith("#") and len(cells := line.split("\t", 5)) > 5)
    alleles = [allele for cell in islice(records, _RECORDS) for allele in cell.split(",")]
    structural = [bool(re.search(r"[\[\]]|^<(?!NON_REF|\*)", allele)) for allele in alleles]
    return "rearrangements" if structural and all(structural) else "mutations"


def _by_titles(table: Table, name: str) -> AssayName | None:
    titles = {plain(title) for title in table.titles}
    if is_maf(table.titles) or is_annovar(table.titles):
        return "mutations"
    if is_rearrangements(table.titles):
        return "rearrangements"
    if are_results(table.titles):
        return "results"
    if {"codeclass", "accession"} <= titles:
        return "nanostring"
    if is_gene_level(table) or (are_segments(table) and "geneid" not in titles):
        return "copy_number"
    if titles & {"cytoband", "chromosomearm"} or _COPIES.search(name):
        return "copy_number"
    runs = sum(bool(RUN.search(title)) for title in table.titles)
    if is_long_npx(table) or is_wide_npx(table) or titles & _OF_PROTEINS or runs > 1:
        return "proteomics"
    return None


def _by_names(table: Table, name: str) -> AssayName:
    if _share(table, "probe") >= 0.3:
        return "methylation"
    if _PROTEOMICS.search(name) or _phospho(table):
        return "proteomics"
    genes, proteins = _share(table, "gene"), _share(table, "protein")
    titled = {plain(title) for title in table.titles} & {"geneid", "gene", "hugosymbol", "genename"}
    if max(genes, proteins) >= 0.3 or titled:
        return "rna" if genes >= proteins else "proteomics"
    raise Unusable(
        NOT_RECOGNISED,
        "Nothing shows of which assay the file is.",
        "Name it: --assay rna, mutations, methylation, copy_number, proteomics, single_cell, rearrangements, nanostring or results.",
    )


def _share(table: Table, feature: Feature) -> float:
    texts = [i for i in range(len(table.titles)) if not table.is_number(i)]
    sides = [table.texts(i) for i in texts] + ([[title for title in table.titles if title]] if table.titled else [])
    return max((look(names, feature).share for names in sides), default=0.0)


def _phospho(table: Table) -> bool:
    """Whether a twentieth of the names on a side are of antibodies against phosphorylated proteins."""
    sides = [table.texts(i) for i in range(len(table.titles)) if not table.is_number(i)] + [list(table.titles)]
    return any(sum(bool(_PHOSPHO.search(name)) for name in some_of(names)) >= max(3, len(some_of(names)) / 20) for names in sides)
