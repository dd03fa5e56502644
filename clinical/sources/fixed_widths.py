"""Tables of fixed widths, such as those of the PMSI (RSS, RUM): lines whose fields stand at declared places, set down as Parquet of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from unibase.clinical.sources.csv_headers import ENCODINGS
from unibase.clinical.sources.record_bounds import cut, open_binary

Places = Mapping[str, tuple[int, int]]
"""First and last place of each column in a line, counted from 1, both included."""


def lay_out(path: Path, places: Places, target: Path) -> int:
    """Write the lines of a file as a table, one row a line.

    Args:
        path: The file, in UTF-8 or Windows-1252.
        places: Where its columns stand.
        target: The Parquet file.

    Returns:
        How many lines that are not blank end before the last column begins.
    """
    import pyarrow.parquet as pq

    encoding = _encoding(path)
    begins = max(first for first, _ in places.values())
    short = 0
    schema = pl.DataFrame(schema=dict.fromkeys(places, pl.String)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    with pq.ParquetWriter(target, schema) as writer:
        for block in _blocks(path):
            # `split`, for other signs that Python takes for the end of a line may stand in a text.
            lines = pl.Series("line", [line.rstrip("\r") for line in block.decode(encoding).removesuffix("\n").split("\n")])
            length = lines.str.len_chars()
            short += int(((length < begins) & (length > 0)).sum())
            cells = [
                lines.str.slice(first - 1, last - first + 1).str.strip_chars().alias(name)
                for name, (first, last) in places.items()
            ]
            frame = pl.DataFrame(cells).with_columns(
                pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in places
            )
            writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema))
    return short


def _encoding(path: Path) -> str:
    """Return the first encoding in which all bytes of a file have a meaning."""
    allowed = list(ENCODINGS)
    for block in _blocks(path):
        while True:
            try:
                block.decode(allowed[0])
                break
            except UnicodeDecodeError:
                allowed.pop(0)
    return allowed[0]


def _blocks(path: Path) -> Iterator[bytes]:
    with open_binary(path) as file:
        yield from cut(file, path, None)
