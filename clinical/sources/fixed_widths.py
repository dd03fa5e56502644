"""Tables of fixed widths, such as those of the PMSI (RSS, RUM): lines whose fields stand at declared places, set down as Parquet of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.clinical.sources.csv_headers import ENCODINGS
from unibase.clinical.sources.record_bounds import cut, open_binary

_END_OF_DOS = "\x1a"
Places = Mapping[str, tuple[int, int]]
"""First and last place of each column in a line, counted from 1, both included."""


@dataclass(frozen=True)
class LaidOut:
    """What is to be told of a file of fixed widths.

    Attributes:
        short: Lines that are not blank and end before the last column begins.
        encoding: Of its bytes.
        unnamed: Stretches of places that no column names and some line fills; the last may be open to the end of the line.
    """

    short: int
    encoding: str
    unnamed: tuple[str, ...]


def lay_out(path: Path, places: Places, target: Path) -> LaidOut:
    """Write the lines of a file as a table, one row a line.

    Args:
        path: The file, in UTF-8 or Windows-1252.
        places: Where its columns stand.
        target: The Parquet file.
    """
    import pyarrow.parquet as pq

    encoding = _encoding(path)
    begins = max(first for first, _ in places.values())
    gaps = dict(_gaps(places))
    short, filled = 0, set[str]()
    schema = pl.DataFrame(schema=dict.fromkeys(places, pl.String)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    with pq.ParquetWriter(target, schema) as writer:
        for lines in _lines(path, encoding):
            length = lines.str.len_chars()
            short += int(((length < begins) & (length > 0)).sum())
            filled |= {
                name for name, (start, size) in gaps.items() if (lines.str.slice(start, size).str.strip_chars() != "").any()
            }
            cells = [
                lines.str.slice(first - 1, last - first + 1).str.strip_chars().alias(name)
                for name, (first, last) in places.items()
            ]
            frame = pl.DataFrame(cells).with_columns(
                pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in places
            )
            writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema))
    return LaidOut(short, encoding, tuple(name for name in gaps if name in filled))


def _gaps(places: Places) -> Iterator[tuple[str, tuple[int, int | None]]]:
    """Yield the stretches of places that no column names, as `9-16`: where each begins, from 0, and how long it is."""
    at = 1
    for first, last in sorted(places.values()):
        if first > at:
            yield f"{at}-{first - 1}", (at - 1, first - at)
        at = max(at, last + 1)
    yield f"{at}-", (at - 1, None)


def _lines(path: Path, encoding: str) -> Iterator[pl.Series]:
    """Yield the lines of a file, some at a time; without the marks that begin a file of UTF-8, and end one of DOS."""
    first = True
    for block in _blocks(path):
        text = block.decode(encoding)
        if first:
            text, first = text.removeprefix("\ufeff"), False
        if text == _END_OF_DOS:
            continue
        # `split`, for other signs that Python takes for the end of a line may stand in a text.
        lines = text.removesuffix(_END_OF_DOS).removesuffix("\n").split("\n")
        yield pl.Series("line", [line.rstrip("\r") for line in lines], dtype=pl.String)


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
