"""Which assay a file is of, when nobody says it."""

from __future__ import annotations

import re
from pathlib import Path

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.options import AssayName
from unibase.omics.readers.lines import text_lines
from unibase.omics.readers.olink import is_long_npx
from unibase.omics.readers.rcc import is_rcc
from unibase.omics.readers.rearrangements import is_rearrangements
from unibase.omics.readers.tabular import Table, read_table
from unibase.omics.reasons import NOT_RECOGNISED
from unibase.omics.recognise.names import Feature, look, plain

_PLACE = (
    {"chromosome", "chrom", "chr", "contig"},
    {"start", "locstart", "startpos", "startbp"},
    {"end", "locend", "endpos", "endbp"},
)
_COPIES = re.compile(r"(?i)data_(cna|log2_cna|linear_cna)|thresholded|gistic|by_genes")
_PROTEOMICS = re.compile(r"(?i)npx|olink|lfq|rppa|protein(?!.?coding)|maxquant|diann|pg_matrix")


def assay_of(path: Path) -> AssayName:
    """Return the assay that a file is of, by its first lines, its titles and its names.

    Raises:
        Unusable: `not-recognised` when nothing shows it.
        UserError: If there is nothing at `path`.
    """
    if not path.exists():
        raise UserError(f"There is nothing at {path}. Check the path.")
    if path.is_dir() or path.suffix in (".h5ad", ".zarr", ".h5", ".mtx"):
        return "rna"
    if path.suffix not in (".parquet", ".xlsx", ".xls") and next(text_lines(path), "").startswith("##fileformat=VCF"):
        return "mutations"
    if path.suffix.lower() == ".rcc" and is_rcc(path):
        return "nanostring"
    table = read_table(path)
    titles = {plain(title) for title in table.titles}
    if {"variantclassification", "tumorsamplebarcode"} <= titles:
        return "mutations"
    if is_rearrangements(table.titles):
        return "rearrangements"
    if all(titles & names for names in _PLACE) and "geneid" not in titles:
        return "copy_number"
    if titles & {"cytoband", "chromosomearm"} or _COPIES.search(path.name):
        return "copy_number"
    if is_long_npx(table):
        return "proteomics"
    if _share(table, "probe") >= 0.3:
        return "methylation"
    if _PROTEOMICS.search(path.name):
        return "proteomics"
    genes, proteins = _share(table, "gene"), _share(table, "protein")
    if max(genes, proteins) >= 0.3 or titles & {"geneid", "gene", "hugosymbol", "genename"} or not table.titled:
        return "rna" if genes >= proteins else "proteomics"
    raise Unusable(
        NOT_RECOGNISED,
        "Nothing shows of which assay the file is.",
        "Name it: --assay rna, mutations, methylation, copy_number, proteomics, single_cell, rearrangements or nanostring.",
    )


def _share(table: Table, feature: Feature) -> float:
    texts = [i for i in range(len(table.titles)) if not table.is_number(i)]
    sides = [table.texts(i) for i in texts] + ([[title for title in table.titles if title]] if table.titled else [])
    return max((look(names, feature).share for names in sides), default=0.0)
