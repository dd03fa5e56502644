"""Text tables as their tools write them: what separates cells, where the titles are, which cells are no number."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable


def guarded(read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Return what a reader returns; a file that it cannot read to its end is `truncated-file`."""
    try:
        frame = read()
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        raise Unusable(
            "truncated-file",
            f"The matrix cannot be read to its end ({type(error).__name__}).",
            "Copy the file again from its source.",
        ) from None
    return frame


def header_of(path: Path) -> tuple[list[str], int, str]:
    """Return the titles of a table, the lines above them, and what separates cells."""
    skip = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if is_gzip(path) else path.open(encoding="utf-8-sig") as file:
            line = file.readline()
            if line.startswith(("#1.2", "#1.3")):  # GCT: a line with the numbers of rows and columns follows
                file.readline()
                skip, line = 2, file.readline()
            while line.startswith("#"):
                skip += 1
                line = file.readline()
    except UnicodeDecodeError:
        raise Unusable("not-a-matrix", "The file is no UTF-8 text.", "Save it as a text table in UTF-8.") from None
    except (OSError, EOFError) as error:
        raise Unusable(
            "truncated-file", f"The matrix cannot be read ({type(error).__name__}).", "Copy the file again from its source."
        ) from None
    separator = max("\t,;", key=line.count)
    separator = separator if separator in line else " "
    if not line.strip() or separator not in line.strip():
        raise Unusable(
            "not-a-matrix", "The first line has no tab, comma, semicolon or blank.", "Give a table with a header line."
        )
    return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=separator))], skip, separator


def first_row_width(path: Path, skip: int, separator: str) -> int:
    """Return the number of cells in the line below the titles, 0 when there is none."""
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if is_gzip(path) else path.open(encoding="utf-8-sig") as file:
            for _ in range(skip + 1):
                file.readline()
            line = file.readline().rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError):
        return 0
    return len(next(csv.reader([line], delimiter=separator))) if line else 0


def is_gzip(path: Path) -> bool:
    """Whether a file is packed by gzip, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def numbers(text: pl.DataFrame, columns: list[str], *, decimal_comma: bool) -> pl.DataFrame:
    """Return text columns as numbers; with `decimal_comma` also those that French and German spreadsheets write.

    Raises:
        Unusable: `not-a-number`, with the first such cell.
    """
    out = []
    for position, name in enumerate(columns):
        stripped = text.get_column(name).str.strip_chars()
        if decimal_comma:
            stripped = stripped.str.replace(",", ".", literal=True)
        found = stripped.cast(pl.Float64(), strict=False)
        bad = (stripped.is_not_null() & (stripped != "") & found.is_null()).arg_true()
        if bad.len():
            raise Unusable(
                "not-a-number",
                f"Row {int(bad[0]) + 1}, value column {position + 1} of the matrix is not a number ({bad.len()} such cells in it).",
                "Correct the cell; missing values are written NA.",
            )
        out.append(found)
    return text.with_columns(out)


def unique(header: list[str]) -> list[str]:
    """Give names that come again a suffix: `#2`, `#3`, ..."""
    seen: Counter[str] = Counter()
    out = []
    for name in header:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return out
