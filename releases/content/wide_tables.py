"""Tables wider than memory: read, put in order and written a block of subjects at a time.

What is held at once is one block of at most `CELLS` cells and, for each subject, how many rows it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl
import polars.selectors as cs

from unibase.groundwork.files import atomic_file

CELLS = 4_000_000
"""Cells of a block: 32 MB of float64; 2,000 subjects of 2,000 features."""

Source = pl.DataFrame | Path
"""A table in memory, or the Parquet file that holds it; a file in order of subject is read once, in any other order often."""


def scan(source: Source) -> pl.LazyFrame:
    """Return a lazy view of a table, the frame or Parquet file `source`.

    >>> scan(pl.DataFrame({"subject_id": [7]})).collect().height
    1
    """
    return source.lazy() if isinstance(source, pl.DataFrame) else pl.scan_parquet(source)


def columns(source: Source) -> list[str]:
    """Return the names of the columns of a table, the frame or Parquet file `source`.

    >>> columns(pl.DataFrame({"subject_id": [7]}))
    ['subject_id']
    """
    return source.columns if isinstance(source, pl.DataFrame) else list(pl.read_parquet_schema(source))


def subject_blocks(
    source: Source, subjects: pl.Series, order: Sequence[str] = (), column: str = "subject_id", cells: int = CELLS
) -> Iterator[pl.DataFrame]:
    """Yield the rows of `subjects`, in order of subject and then of `order`; at least one frame, which may be empty.

    A subject is never cut in two, so one with more rows than a block has makes a larger block. What is no finite number, as
    features of a region of one grey level are, is null: an empty cell.

    Args:
        source: The table; rows of other subjects, or of none, are left out.
        subjects: Which subjects, as int64.
        order: Further columns to order the rows of a subject by; those the table lacks do not count.
        column: The column that names the subject.
        cells: Most cells of a block.
    """
    rows = scan(source)
    names = columns(source)
    finite = [pl.when(cs.float().is_finite()).then(cs.float())]
    keys = list(dict.fromkeys([column, *(name for name in order if name in names)]))
    mine = pl.col(column).is_in(subjects.unique().implode()).fill_null(False)
    sizes = rows.filter(mine).group_by(column).agg(pl.len().alias("rows")).sort(column).collect()
    if not sizes.height:
        yield rows.clear().collect()
        return
    most = max(1, cells // max(1, len(names)))
    block = (sizes["rows"].cum_sum() - 1) // most
    ranges = sizes.with_columns(block.alias("block")).group_by("block").agg(low=pl.col(column).min(), high=pl.col(column).max())
    for low, high in ranges.sort("low").select("low", "high").iter_rows():
        # A range lets Parquet skip the row groups of other subjects by their statistics.
        found = rows.filter(pl.col(column).is_between(low, high) & mine).with_columns(finite).collect()
        yield found.sort(keys, nulls_last=False, maintain_order=True)


def write_blocks(blocks: Iterable[pl.DataFrame], path: Path | str) -> None:
    """Write `blocks` of one table to `path` as Parquet, a row group each: equal blocks give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with atomic_file(path) as temporary:
        writer = None
        for block in blocks:
            arrow = block.to_arrow(compat_level=pl.CompatLevel.oldest())
            if writer is None:
                plain = [f.with_type(pa.string()) if pa.types.is_large_string(f.type) else f for f in arrow.schema]
                writer = pq.ParquetWriter(temporary, pa.schema(plain), compression="zstd")
            writer.write_table(arrow.cast(writer.schema))
        if writer is not None:
            writer.close()


def slices(path: Path, names: Sequence[str], rows: int, size: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield `(first row, rows)` of the columns `names` of the Parquet file at `path`, which has `rows` rows, `size` at a time.

    >>> pl.DataFrame({"a": [1, 2, 3]}).write_parquet(getfixture("tmp_path") / "a.parquet")
    >>> [(first, part.height) for first, part in slices(getfixture("tmp_path") / "a.parquet", ["a"], 3, 2)]
    [(0, 2), (2, 1)]
    """
    for start in range(0, rows, size):
        yield start, pl.scan_parquet(path).select(names).slice(start, size).collect()
