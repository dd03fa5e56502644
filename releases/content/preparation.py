"""What the training subjects of each split teach of each variable: the mean that stands for what is missing, and the spread.

A scaler that is fitted on all subjects has seen the held-out ones. So what is fitted on training subjects alone goes with the
data, and another program, in any language, prepares held-out subjects with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import polars as pl
import polars.selectors as cs

from unibase.groundwork.files import write_json
from unibase.releases.content.wide_tables import CELLS

FILE = "preparation.json"
STEPS = 20
"""Steps in which a mean is told, to a standard deviation."""
MOST_LEVELS = 12
FIRST = 200
"""A variable of so many whole numbers, or fewer, is one of levels; whether it is one is asked of the `FIRST` rows first."""


class Learned(TypedDict):
    """What the training subjects teach of one variable: what stands for a missing value (`mean`), and the spread (`sd`)."""

    mean: float
    sd: float


def write_preparation(folder: Path, min_cell: int) -> None:
    """Write `preparation.json`: scheme, held out and variable of the table `analysis` to its mean and spread, coarsely.

    A variable that does not vary among the training subjects, or that fewer than half of them have, is left out. So are all of
    fewer than two times `min_cell` training subjects, and of a release of fewer than three times: what is there would tell of
    a few by being there.

    Args:
        folder: Release that is being built, with its tables `analysis` and `splits`.
        min_cell: Smallest count of persons that may be told.
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
            enough = len(subjects) >= 3 * min_cell and train.sum() >= 2 * min_cell
            usable = dict(_usable(names, values[train])) if enough else {}
            found.setdefault(scheme, {}).setdefault(held_out, {}).update(usable)
    write_json(folder / FILE, found)


def _usable(names: list[str], values: np.ndarray) -> Iterator[tuple[str, Learned]]:
    """Yield what is told of each variable that varies, and that half of the subjects have."""
    for name, column in zip(names, values.T, strict=True):
        known = column[~np.isnan(column)]
        if 2 * len(known) >= len(column) and known.min() < known.max():
            yield name, learn(known)


def learn(known: np.ndarray) -> Learned:
    """Return what may be told of the values that training subjects have of a variable, of which there are at least two.

    Whoever prepares a model publishes these numbers with it. The exact mean of a flag is a count over a count, of any mean the
    digits tell over how many subjects it was taken, and two parts of a split differ by the persons of a centre. So nothing
    here depends on how many subjects there are:

    - of two values the commoner one stands for a missing value, and half their distance is the spread;
    - of a few whole numbers it is their median, and the spread is told as 1, 2 or 5 times a power of ten;
    - of all others it is the mean in steps of a twentieth of the spread, or of up to twice that.

    Args:
        known: Values, none missing, shape (subjects,).

    Example:
        >>> learn(np.array([0.0] * 90 + [1.0] * 10)) == learn(np.array([0.0] * 97 + [1.0] * 3))
        True
        >>> learn(np.linspace(0, 100, 101))
        {'mean': 50.0, 'sd': 30.0}
    """
    low, high = float(known.min()), float(known.max())
    levels = _levels(known)
    if levels == 2:
        return {"mean": high if 2 * (known == high).sum() > len(known) else low, "sd": (high - low) / 2}
    spread = float(np.std(known, ddof=1))
    if levels:
        middle = float(np.quantile(known, 0.5, method="lower"))
        return {"mean": middle, "sd": _plain(_next(spread, (1, 2, 5, 10)))}
    step = _next(spread / STEPS, range(1, 11))
    return {"mean": _plain(round(float(np.mean(known)) / step) * step), "sd": _plain(round(spread / step) * step)}


def _levels(known: np.ndarray) -> int:
    """Return how many values there are, if two or a few whole numbers; else 0. The first rows tell most of them, without a sort."""
    if len(np.unique(known[:FIRST])) > MOST_LEVELS:
        return 0
    levels = np.unique(known)
    whole = len(levels) <= MOST_LEVELS and bool((levels == np.round(levels)).all())
    return len(levels) if whole or len(levels) == 2 else 0


def _next(number: float, digits: Sequence[int]) -> float:
    """Return the next number of one of these digits, the last of which is 10: of 1, 2, 5 and 10, 0.021 gives 0.05."""
    power = 10.0 ** np.floor(np.log10(number))
    return float(next(digit for digit in digits if digit >= number / power - 1e-9) * power)


def _plain(number: float) -> float:
    return float(f"{number:.4g}")


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
