"""What is told of cells of a file that was set down as Parquet: kinds of cells by column, kept in the Parquet file itself.

Only kinds, columns and counts are kept, no text of a cell; the words for them stand here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from unibase.clinical.reasons import (
    DATE_SHOWN_IN_PART,
    MERGED_CELLS,
    NOT_COLLECTED,
    REPEATED_COLUMN,
    TITLE_LINE,
    UNREAD_CELL,
)
from unibase.clinical.sources.problem_rows import RowProblem

Kind = Literal["error", "formula", "missing", "part", "merged", "title", "repeated"]
Told = Counter[tuple[Kind, str]]
"""Cells of each kind and column; columns in lower case."""

_KEY = "unibase.cells"
_WORDS: dict[Kind, tuple[str, str]] = {
    "error": (UNREAD_CELL, "{} cells hold an error of the spreadsheet, such as #N/A: they are read as empty."),
    "formula": (UNREAD_CELL, "{} cells hold a formula whose result was not saved: they are read as empty."),
    "missing": (NOT_COLLECTED, "{} cells hold a value that the file declares as missing: they are read as empty."),
    "part": (DATE_SHOWN_IN_PART, "{} dates are shown without their day and are the first of a month: they are read as shown."),
    "merged": (MERGED_CELLS, "{} cells are the lower part of merged ones: they are read with the value of the whole."),
    "title": (TITLE_LINE, "{} lines above the header are not read."),
    "repeated": (REPEATED_COLUMN, "{} columns have this name: each is called by its place behind it."),
}


def kept(told: Told) -> dict[str, str]:
    """Return the metadata by which a Parquet file keeps what is `told` of its cells: counts by kind and column."""
    rows = [[kind, column, count] for (kind, column), count in sorted(told.items())]
    return {_KEY: json.dumps(rows)} if rows else {}


def told_of(metadata: dict[bytes, bytes] | None, columns: Sequence[str]) -> tuple[RowProblem, ...]:
    """Return what a Parquet file keeps of its cells; nothing of one that was not set down here.

    Args:
        metadata: Of the file.
        columns: Its columns, in lower case: no other name is told.
    """
    try:
        rows = json.loads((metadata or {}).get(_KEY.encode(), b"[]"))
        return tuple(_problems(rows, columns))
    except (ValueError, TypeError):  # of another program, under our key
        return ()


def _problems(rows: Iterable[tuple[Kind, str, int]], columns: Sequence[str]) -> Iterable[RowProblem]:
    for kind, column, count in rows:
        if kind in _WORDS and (not column or column in columns or kind == "repeated"):
            reason, words = _WORDS[kind]
            yield RowProblem(0, reason, words.format(int(count)), column, refused=False)


def ways_of(paths: Sequence[Path]) -> int:
    """Return in how many ways the files of one table, `paths`, are written: as CSV, as a workbook, and so on.

    >>> ways_of([Path("t.csv"), Path("unpacked-000-000.xlsx.parquet")])
    2
    """
    return len({tuple(part for part in path.name.lower().split(".")[1:] if not part.isdecimal()) for path in paths})
