"""Numbers as hospitals write them: 12,1 and 12.1, 1 234,5 and 1,234.5 and 1'234.5.

A separator before exactly three digits may part thousands or decimals; every other one says itself what it is. Infinity and NaN, which
programs write for what is missing, are no numbers.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

_THOUSANDS = r"(\d)[ \u00a0\u202f\u2009'\u2019](\d{3})"
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_DOUBTFUL = {",": r"^[+-]?[1-9]\d{0,2},\d{3}$", ".": r"^[+-]?[1-9]\d{0,2}\.\d{3}$"}
_GROUPED = {",": r"^[+-]?[1-9]\d{0,2}(?:,\d{3}){2,}$|^[+-]?[1-9]\d{0,2}(?:,\d{3})+\.\d*$",
            ".": r"^[+-]?[1-9]\d{0,2}(?:\.\d{3}){2,}$|^[+-]?[1-9]\d{0,2}(?:\.\d{3})+,\d*$"}  # fmt: skip
"""Numbers whose thousands are parted by this sign, for no decimals can be."""


def plain_number(text: pl.Expr, decimal: Literal[".", ","] | None = None) -> tuple[pl.Expr, pl.Expr]:
    """Return texts as Python writes numbers, null where they are none, and which of them may mean two numbers.

    Args:
        text: Numbers as they are written.
        decimal: What parts the decimals, where the source says so: it decides on `1,234` and `1.234`. Without it the comma is doubtful,
            and the point parts decimals.

    Example:
        >>> frame = pl.DataFrame({"n": ["1 234,5", "1.234,5", "12,1", "1,234", "inf"]})
        >>> frame.select(plain_number(pl.col("n"))[0])["n"].to_list()
        ['1234.5', '1234.5', '12.1', '1.234', None]
        >>> frame.select(plain_number(pl.col("n"))[1])["n"].to_list()
        [False, False, False, True, False]
    """
    bare = text.str.strip_chars().str.replace("\u2212", "-", literal=True)
    # Twice, for the digit between two separators belongs to both.
    bare = bare.str.replace_all(_THOUSANDS, "${1}${2}").str.replace_all(_THOUSANDS, "${1}${2}")
    thousands = {sign: bare.str.contains(grouped) for sign, grouped in _GROUPED.items()}
    if decimal is not None:
        other = "," if decimal == "." else "."
        thousands[other] = thousands[other] | bare.str.contains(_DOUBTFUL[other])
    doubtful = bare.str.contains(_DOUBTFUL[","]) if decimal is None else pl.lit(False)
    commas, points = (bare.str.replace_all(sign, "", literal=True) for sign in (",", "."))
    without = pl.when(thousands[","]).then(commas).when(thousands["."]).then(points).otherwise(bare)
    pointed = without.str.replace(",", ".", literal=True)
    return pl.when(pointed.str.contains(_NUMBER)).then(pointed), doubtful
