"""What the command line calls on plain files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omics.gates import GateReport
    from omics.normalise import Method


def normalise_file(matrix: Path | str, out: Path | str, method: Method = "tmm") -> GateReport:
    """Read a count matrix, set aside the samples that cannot be used, normalise the others and write them.

    Args:
        matrix: What `counts.read_counts` reads.
        out: .h5ad, .zarr (all of it), .parquet, .tsv or .csv (values only, genes x samples).
        method: As `normalise.normalise` takes it.

    Returns:
        What the gates found; the caller shows it.
    """
    from omics.counts import read_counts
    from omics.gates import check_counts
    from omics.normalise import normalise
    from omics.store import write

    adata = read_counts(matrix)
    report = check_counts(adata)
    usable = report.apply(adata)
    write(normalise(usable, method), out)
    return report
