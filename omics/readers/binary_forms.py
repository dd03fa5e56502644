"""Files that hold no text: which form they are of, and what to give in their place."""

from __future__ import annotations

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
