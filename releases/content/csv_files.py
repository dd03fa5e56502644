"""Tables as CSV that R and others read: ISO dates, empty for missing, shortest exact decimals."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from unibase.groundwork.plain_csv import no_formulas


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write `frame` to `path` as CSV that R and others read: ISO dates, empty for missing, shortest exact decimals.

    >>> write_csv(pl.DataFrame({"subject_id": [7], "AGE": [None]}), getfixture("tmp_path") / "subjects.csv")
    >>> print((getfixture("tmp_path") / "subjects.csv").read_text())
    subject_id,AGE
    7,
    """
    write_csv_blocks([frame], path)


def write_csv_blocks(blocks: Iterable[pl.DataFrame], path: Path) -> None:
    """Write the `blocks` of one table to `path` as one CSV file; see `write_csv`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for place, block in enumerate(blocks):
            no_formulas(_for_csv(block)).write_csv(
                file, include_header=not place, datetime_format="%Y-%m-%dT%H:%M:%S", float_scientific=None
            )


def _for_csv(frame: pl.DataFrame) -> pl.DataFrame:
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    # R reads TRUE and FALSE as logical, but takes true and false for text.
    words = {
        name: pl.when(pl.col(name)).then(pl.lit("TRUE")).when(~pl.col(name)).then(pl.lit("FALSE")).alias(name)
        for name, dtype in frame.schema.items()
        if dtype == pl.Boolean
    }
    flat = frame.with_columns(*words.values())
    return flat.with_columns(pl.col(name).map_elements(_json_text, return_dtype=pl.String) for name in nested)


def _json_text(value: object) -> str:
    import json

    return json.dumps(value.to_list() if isinstance(value, pl.Series) else value, default=str)
