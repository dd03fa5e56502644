"""What is told of a row, a field or a file of a source."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from unibase.clinical.reasons import UNREAD_COLUMN

_LISTED = 20
"""Columns that are named; of more the number is told."""


@dataclass(frozen=True)
class RowProblem:
    """One row, or one field of it, that was not understood. `row` counts from 1 without the header; 0 is the file."""

    row: int
    reason: str
    message: str
    column: str = ""
    refused: bool = True


def unread_columns(columns: Sequence[str], read: Collection[str], by: str = "no rule") -> list[RowProblem]:
    """Return what is to be told of the columns of a table that nothing reads.

    Args:
        columns: Its columns, in lower case.
        read: Those that are read, or named as left out.
        by: What reads none of the others.

    Example:
        >>> [one.message for one in unread_columns(["ipp", "poids"], {"ipp"})]
        ['1 columns are read by no rule: poids.']
    """
    left = [name for name in columns if name != "source_row" and name not in read]
    if not left:
        return []
    listed = ", ".join(left[:_LISTED]) + (f" and {len(left) - _LISTED} more" if len(left) > _LISTED else "")
    return [RowProblem(0, UNREAD_COLUMN, f"{len(left)} columns are read by {by}: {listed}.", refused=False)]
