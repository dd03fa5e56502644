"""Noise of a project's own in the numbers of its extract, so that two extracts share no value to its last digit.

Noise stays within what a measurement repeats to: where the release tells how far a radiomic feature agrees over perturbed
copies, half the width is sqrt(1 - ICC) of its spread, and never more than the request allows. It depends on the project's
key, the subject and the column alone: a further version of an extract averages nothing out. Days move for each subject as
one, by at most a week, and never over the index. Texts, flags and columns of a few values leave as they are.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl

from unibase.privacy.keys import Key
from unibase.releases.content.leaving import siphash

MOST_DAYS = 7
"""Days by which the dates of a subject move at most."""
FEW_VALUES = 10
"""A column of so few different values tells nobody apart, and leaves as it is."""
OF_DAYS = ("AVAL", "AVAL_MIN", "AVAL_MAX", "ENTRY")
"""Columns of `adtte` that count days from the index."""
_DIGITS = 6


@dataclass(frozen=True)
class Noise:
    """The noise of one project.

    Attributes:
        key: Key of the project.
        share: Most noise, as a share of a column's spread; 0 for none.
        icc: Column to how far its measurements agree, where the release tells it.
    """

    key: Key
    share: float
    icc: Mapping[str, float]

    def half_width(self, column: str) -> float:
        """Return half the width of the noise of a column, as a share of its spread.

        Args:
            column: Name of the column.
        """
        measured = self.icc.get(column)
        return self.share if measured is None else min(self.share, float(np.sqrt(max(0.0, 1.0 - measured))))

    def applied(self, frame: pl.DataFrame, subjects: pl.Series) -> pl.DataFrame:
        """Return a table of one row a subject with noise in its measured numbers.

        Args:
            frame: All subjects of the release, by whose values spread is told; `subject_id` and columns.
            subjects: Whose rows are kept.
        """
        names = [name for name, dtype in frame.schema.items() if dtype.is_numeric() and name != "subject_id"]
        noisy = [self._column(frame, name) for name in names if self.share and _tells_apart(frame[name])]
        return frame.with_columns(noisy).filter(pl.col("subject_id").is_in(subjects.implode()))

    def _column(self, frame: pl.DataFrame, name: str) -> pl.Series:
        values = frame[name].cast(pl.Float64).to_numpy()
        seen = values[np.isfinite(values)]
        part = self.half_width(name) * self._drawn(frame["subject_id"], name)
        # Where all are above 0, noise is a share of the value: small volumes stay volumes.
        moved = values * np.exp(part * np.log(seen).std()) if seen.min() > 0 else values + part * seen.std()
        told = np.round(moved) if frame.schema[name].is_integer() else _digits(moved)
        return pl.select(
            pl.when(frame[name].is_not_null()).then(pl.Series(name, told)).cast(frame.schema[name]).alias(name)
        ).to_series()

    def days(self, subjects: pl.Series) -> pl.DataFrame:
        """Return `subject_id` and `_moved`: by how many days the dates of each subject move, -7 to 7.

        Args:
            subjects: Subjects of the release.
        """
        drawn = np.floor((self._drawn(subjects, "days") + 1.0) / 2.0 * (2 * MOST_DAYS + 1)) - MOST_DAYS
        return pl.DataFrame({"subject_id": subjects, "_moved": (drawn * (self.share > 0)).astype(np.int64)})

    def _drawn(self, subjects: pl.Series, column: str) -> np.ndarray:
        """Return a number from -1 to 1 for each subject, which nobody without the key can tell."""
        secret = hmac.new(self.key.derive("extract/noise"), column.encode(), sha256).digest()[:16]
        words = siphash(subjects.cast(pl.Int64).to_numpy().astype(np.uint64), secret)
        return np.asarray(words.astype(np.float64) / 2.0**63 - 1.0)


def moved(days: str) -> pl.Expr:
    """Return days from the index moved by `_moved`: what lies after the index stays after it, what lies on it stays.

    Args:
        days: Column of whole days from the index.

    >>> rows = pl.DataFrame({"day": [-2, 0, 2, 90], "_moved": [3, 3, -3, -3]})
    >>> rows.select(moved("day"))["day"].to_list()
    [-1, 0, 1, 87]
    """
    day, later = pl.col(days), pl.col(days) + pl.col("_moved")
    before_or_after = pl.when(day > 0).then(pl.max_horizontal(later, 1)).otherwise(pl.min_horizontal(later, -1))
    return pl.when(day == 0).then(day).otherwise(before_or_after).cast(pl.Int64).alias(days)


def agreement(release: Path) -> dict[str, float]:
    """Return how far measurements of each column agree (ICC), where the dictionary of a release tells it.

    Args:
        release: Folder of the release.
    """
    words = pl.read_parquet(release / "dictionary" / "dictionary.parquet")
    if "icc_2_1" not in words.columns:
        return {}
    return dict(words.select("column", "icc_2_1").drop_nulls().iter_rows())


def _tells_apart(values: pl.Series) -> bool:
    seen = values.drop_nulls().cast(pl.Float64).drop_nans()
    return seen.is_finite().all() and seen.n_unique() > FEW_VALUES


def _digits(values: np.ndarray) -> np.ndarray:
    """Return numbers of six digits: more would be noise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(values))))
    factor = 10.0 ** (_DIGITS - 1 - np.nan_to_num(size, nan=0.0, posinf=0.0, neginf=0.0))
    return np.asarray(np.round(values * factor) / factor)
