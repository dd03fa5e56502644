"""Numbers as their source wrote them, out of the single precision in which MEDS keeps them."""

from __future__ import annotations

import polars as pl


def as_written(column: pl.Expr | str) -> pl.Expr:
    """Return a Float32 column as Float64 with the shortest decimal that it stands for: 33.9, not 33.900001525878906.

    A number of up to six digits, and nearly all of seven, comes out as it was written: single precision tells such numbers apart. The
    decimal is that of Ryū (Adams, PLDI 2018), with which Polars writes floating-point numbers.

    Example:
        >>> pl.DataFrame({"x": pl.Series([33.9], dtype=pl.Float32)}).select(as_written("x")).item()
        33.9
    """
    expression = pl.col(column) if isinstance(column, str) else column
    return expression.cast(pl.Float32).cast(pl.String).cast(pl.Float64)
