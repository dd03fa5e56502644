"""What the training subjects of each split teach of each variable: the mean that stands for what is missing, and the spread.

A scaler that is fitted on all subjects has seen the held-out ones. So what is fitted on training subjects alone goes with the
data, and another program, in any language, prepares held-out subjects with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np
import polars as pl
import polars.selectors as cs

from unibase.groundwork.files import write_json
from unibase.releases.content.wide_tables import CELLS

FILE = "preparation.json"


class Learned(TypedDict):
    """What the training subjects teach of one variable: their mean, standard deviation (n - 1), and how many have a value."""

    mean: float
    sd: float
    known: int


def write_preparation(folder: Path) -> None:
    """Write `preparation.json`: scheme, held out and variable of the table `analysis` to its mean, spread and known values.

    A variable that does not vary among the training subjects, or that fewer than half of them have, is left out.

    Args:
        folder: Release that is being built, with its tables `analysis` and `splits`.
    """
    splits = pl.read_parquet(folder / "tables" / "splits.parquet").filter(pl.col("part") == "train")
    analysis = folder / "tables" / "analysis.parquet"
    subjects = pl.read_parquet(analysis, columns=["subject_id"])["subject_id"]
    found: dict[str, dict[str, dict[str, Learned]]] = {}
    trained = {
        (str(scheme), str(held_out)): subjects.is_in(rows["subject_id"].implode()).to_numpy()
        for (scheme, held_out), rows in splits.sort("scheme", "held_out").group_by("scheme", "held_out", maintain_order=True)
    }
    for names, values in _blocks(analysis, len(subjects)):
        for (scheme, held_out), train in trained.items():
            found.setdefault(scheme, {}).setdefault(held_out, {}).update(_usable(names, values[train]))
    write_json(folder / FILE, found)


def _usable(names: list[str], values: np.ndarray) -> dict[str, Learned]:
    learned = dict(zip(names, learn(values), strict=True))
    return {name: one for name, one in learned.items() if one["sd"] > 0 and 2 * one["known"] >= len(values)}


def learn(values: np.ndarray) -> list[Learned]:
    """Return what subjects teach of each variable.

    Args:
        values: Values of the training subjects, NaN where missing, shape (subjects, variables).

    Example:
        >>> learn(np.array([[1.0, np.nan], [3.0, np.nan]]))[0] == {"mean": 2.0, "sd": 2**0.5, "known": 2}
        True
    """
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(counts, 1)
    sd = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / np.maximum(counts - 1, 1))
    return [{"mean": float(m), "sd": float(s), "known": int(n)} for m, s, n in zip(mean, sd, counts, strict=True)]


def _blocks(analysis: Path, rows: int) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield names and values, shape (subjects, variables), of some numeric variables at a time."""
    schema = pl.read_parquet_schema(analysis)
    numeric = pl.DataFrame(schema=schema).select(cs.numeric()).columns
    names = [name for name in numeric if name != "subject_id"]
    size = max(1, CELLS // max(1, rows))
    for start in range(0, len(names), size):
        block = names[start : start + size]
        values = pl.col(block).cast(pl.Float64).fill_null(float("nan"))
        yield block, pl.read_parquet(analysis, columns=block).select(values).to_numpy()
