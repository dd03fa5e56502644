"""Files that hold no text: which form they are of, and what to give in their place."""

from __future__ import annotations

import re
from pathlib import Path

from unibase.groundwork.problems import Unusable
from unibase.omics.reasons import NOT_A_MATRIX

_FORMS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    # First bytes, what it is, and the way on.
    ((b"BCF",), "BCF", "Write it as VCF: bcftools view -Oz."),
    (
        (b"X\n\0", b"B\n\0", b"RDX", b"RDA"),
        "R's own format",
        "Write the table from R with write.csv; cells as h5ad (zellkonverter).",
    ),
    ((b"FEA1",), "Feather's first version", "Write it as Parquet, or as Feather's second version."),
    ((b"\x89HDF",), "HDF5 under another name", "Call an h5ad so; of other HDF5, write the table as text or Parquet."),
    ((b"BAM\1", b"CRAM"), "aligned reads", "Give the counts or the variants that were made of them."),
    (
        (b"IDAT",),
        "a scanner's raw intensities (IDAT)",
        "Give beta values or M-values, as SeSAMe or minfi make them of both channels.",
    ),
    (
        (b"@\0\0\0", b";\1"),
        "a scanner's raw intensities (CEL)",
        "Microarrays of expression have no counts and are no assay here.",
    ),
    (
        (b"\x01\xa1F\0i\0n\0n\0i\0g\0a\0n\0",),
        "raw spectra",
        "Give the table of proteins that MaxQuant, DIA-NN or FragPipe made of them.",
    ),
    ((b"\x0b\x0e\x0a\x0c",), "R's package qs", "Write the table from R with write.csv."),
)
_TEXTS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    # Texts that are no table.
    ((b"##fileformat=VCF",), "a VCF", "Give it as mutations or rearrangements; of copies the caller's table of segments."),
    ((b"%PDF",), "a PDF", "Give the table that it shows, as text or a workbook."),
    ((b"MTD\tmzTab",), "mzTab", "Give the tool's table of proteins, one row a protein and one column a sample."),
    ((b"{", b"[{"), "JSON", "Write it as a table: text, a workbook or Parquet."),
    (
        (b"<!DOCTYPE html", b"<!doctype html", b"<html", b"<HTML"),
        "a page of the web",
        "Download the file that the page links to.",
    ),
    ((b"<?xml",), "XML", "Write it as a table: text, a workbook or Parquet."),
    (
        (b"%%MatrixMarket",),
        "a sparse matrix without names",
        "Read it with scanpy, add sample and cell type, and give the h5ad as single_cell.",
    ),
)
_FASTQ = re.compile(rb"@[^\n]+\n[ACGTN]+\r?\n\+")


def is_loom(path: Path) -> bool:
    """Whether the file at `path` is loom: HDF5 of genes x cells.

    >>> is_loom(Path("cells.loom"))
    True
    """
    return path.name.lower().endswith(".loom")


def loom() -> Unusable:
    """Return what is said of a loom file, whose genes x cells no study can be told of as they are."""
    return Unusable(
        NOT_A_MATRIX,
        "This is loom, which is not read.",
        "Write it as h5ad (scanpy.read_loom, then write_h5ad), with columns of sample and cell type in obs, and give that as single_cell.",
    )


def no_text(start: bytes) -> Unusable:
    """Return what is said of a file that is no text, by its first bytes, unpacked.

    Args:
        start: The first bytes.

    >>> no_text(b"BCF\\x02\\x02").remedy
    'Write it as VCF: bcftools view -Oz.'
    """
    for marks, what, remedy in _FORMS:
        if start.startswith(marks):
            return Unusable(NOT_A_MATRIX, f"The file is {what}, which is not read.", remedy)
    return Unusable(
        NOT_A_MATRIX, "The file holds bytes that are no text.", "Give a text table, a spreadsheet, Parquet or Feather."
    )


def refuse_other_texts(start: bytes) -> None:
    """Refuse a text that is no table of any assay, by its beginning.

    Args:
        start: The first bytes, unpacked.

    Raises:
        Unusable: `not-a-matrix`, with what it is and the way on.

    >>> refuse_other_texts(b"gene\\tS1\\nTP53\\t5\\n")
    """
    for marks, what, remedy in _TEXTS:
        if start.lstrip(b"\xef\xbb\xbf \r\n").startswith(marks):
            raise Unusable(NOT_A_MATRIX, f"The file is {what}, which is not read.", remedy)
    if _FASTQ.match(start):
        raise Unusable(NOT_A_MATRIX, "The file holds reads (FASTQ).", "Give the counts or the variants that were made of them.")
