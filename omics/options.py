"""What a study names of its assays; apart, because the modules that read them take seconds to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Strand = Literal["unstranded", "forward", "reverse"]
AssayName = Literal["rna", "mutations", "methylation", "copy_number", "proteomics", "single_cell"]
View = Literal["gene", "truncating", "hotspot"]

CAPTURE_MEGABASES = 50.0
"""Callable size when a study gives none: what MAF summaries assume of an exome."""
MIN_CELLS = 10


@dataclass(frozen=True)
class CellColumns:
    """Where a file of single cells says what is needed.

    Attributes:
        sample, cell_type: Columns of `obs`.
        layer: Layer of the raw counts; None as `pseudobulk` says.
        min_cells: Fewest cells of a type in a sample.
    """

    sample: str = "sample"
    cell_type: str = "cell_type"
    layer: str | None = None
    min_cells: int = MIN_CELLS
