"""What is told of a row, a field or a file of a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RowProblem:
    """One row, or one field of it, that was not understood. `row` counts from 1 without the header; 0 is the file."""

    row: int
    reason: str
    message: str
    column: str = ""
    refused: bool = True
