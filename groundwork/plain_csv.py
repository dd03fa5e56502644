"""Tables as CSV that a spreadsheet opens without running anything in them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.groundwork.files import atomic_file

_FORMULA = r"^\s*[=+\-@\t\r]"
_NUMBER = r"^\s*[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?\s*$"


def no_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table in which no text is a formula to a spreadsheet: an apostrophe stands before what would be one.

    Args:
        frame: The table.

    Example:
        >>> no_formulas(pl.DataFrame({"message": ["=HYPERLINK(1)", "-1.5", "fine"]}))["message"].to_list()
        ["'=HYPERLINK(1)", '-1.5', 'fine']
    """
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    formula = {name: pl.col(name).str.contains(_FORMULA) & ~pl.col(name).str.contains(_NUMBER) for name in texts}
    return frame.with_columns(
        pl.when(formula[name]).then(pl.concat_str(pl.lit("'"), name)).otherwise(pl.col(name)).alias(name) for name in texts
    )


def write_plain_csv(frame: pl.DataFrame, path: Path | str, mode: int | None = None) -> None:
    """Write a table as CSV atomically, without formulas.

    Args:
        frame: The table.
        path: The file.
        mode: Permission bits, or None to leave the umask's.
    """
    with atomic_file(path, mode) as temporary:
        no_formulas(frame).write_csv(temporary)
