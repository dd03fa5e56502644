"""Back from the keyed number of a source row, as a release tells it, to the row of the hospital's export: with the key alone."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from unibase.releases.content.leaving import keyed_rows

_NAMED = re.compile(r"(?P<source>\S+), (?P<word>row|source_row) (?P<number>\d+)")
_AT_ONCE = 1_000_000
MOST_ROWS = 100_000_000
"""Rows of one source that are tried."""


def row_of(source: str, keyed: int, key: bytes, most: int = MOST_ROWS) -> int | None:
    """Return the number of a row, from 1, or None where none of the first `most` rows has the keyed number.

    Args:
        source: The table of the source, as the release names it.
        keyed: What the release has in place of the row's number.
        key: The secret of the study's rows (`leaving.rows_key`).
        most: How many rows are tried.

    Example:
        >>> told = keyed_rows(pl.Series(["lyon/a"]), pl.Series([417]), b"secret").item()
        >>> row_of("lyon/a", told, b"secret", 1_000), row_of("lyon/b", told, b"secret", 1_000)
        (417, None)
    """
    for start in range(1, most + 1, _AT_ONCE):
        rows = pl.Series(np.arange(start, min(start + _AT_ONCE, most + 1)))
        found = np.flatnonzero(keyed_rows(pl.repeat(source, len(rows), eager=True), rows, key).to_numpy() == keyed)
        if len(found):
            return int(rows[int(found[0])])
    return None


def with_row_numbers(text: str, key: bytes, most: int = MOST_ROWS) -> str:
    """Return an explanation with the numbers of the export in place of keyed ones; what is not found stays.

    Args:
        text: What `explain` says.
        key: The secret of the study's rows.
        most: How many rows of each source are tried.
    """

    def plain(found: re.Match[str]) -> str:
        row = row_of(found["source"], int(found["number"]), key, most)
        return found[0] if row is None else f"{found['source']}, {found['word']} {row}"

    return _NAMED.sub(plain, text)
