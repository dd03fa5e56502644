"""This release in plain Python: pandas is all it needs, with pyarrow or fastparquet.

    from load_release import Release
    release = Release(".")
    for centre, train, test in release.held_out("centre"):
        x, unseen = release.predictors(train, test)     # imputed and scaled by the training subjects alone
        y = release.outcome("OS")                       # time in days, event, entry, earliest, latest

Subjects are the index of every table; who stands in `train` never stands in `test`. Only what was known at the index is
a predictor: the columns of `analysis` that are numbers, and of `subjects` what DESCRIBED names.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

DESCRIBED = ("AGE", "SEX", "STAGE", "T", "N", "M", "CHARLSON")
"""Columns of `subjects` that are known at the index; categories count by their place in order."""
ORDER = {
    "T": ("T0", "Tis", "T1", "T2", "T3", "T4", "TX"),
    "N": ("N0", "N1", "N2", "N3", "NX"),
    "M": ("M0", "M1", "MX"),
    "STAGE": ("0", "I", "II", "III", "IV"),
}


class Release:
    """The tables of a release that models of its subjects need.

    Attributes:
        subjects: One row a subject.
        analysis: One row a subject, as known at the index.
        adtte: Times to events, a row a subject and endpoint.
        splits: Which subject is in which part of which split.
    """

    def __init__(self, folder: Path | str = ".") -> None:
        """Read the tables.

        Args:
            folder: The release.

        Raises:
            OSError: If a table is not there; `splits` may be absent.
        """
        tables = Path(folder) / "tables"
        self.subjects = pd.read_parquet(tables / "subjects.parquet").set_index("subject_id").sort_index()
        self.analysis = pd.read_parquet(tables / "analysis.parquet").set_index("subject_id").sort_index()
        self.adtte = pd.read_parquet(tables / "adtte.parquet")
        path = tables / "splits.parquet"
        columns = ["subject_id", "scheme", "held_out", "part"]
        self.splits = pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=columns)

    def held_out(self, scheme: str = "centre") -> Iterator[tuple[str, pd.Index, pd.Index]]:
        """Yield what is held out, and the subjects to learn from and to be tested on.

        Centres can be held out of every release: persons of several centres are then on neither side.

        Args:
            scheme: `centre`, `folds` or another scheme of the table `splits`.

        Raises:
            KeyError: If the release has no such scheme.
        """
        mine = self.splits[self.splits["scheme"] == scheme]
        if mine.empty and scheme == "centre":
            yield from self._centres()
            return
        if mine.empty:
            raise KeyError(f"no scheme {scheme}; the release has: {', '.join(sorted(set(self.splits['scheme']))) or 'none'}")
        for held_out, rows in mine.groupby("held_out", sort=True):
            parts = {part: pd.Index(rows.loc[rows["part"] == part, "subject_id"]).sort_values() for part in ("train", "test")}
            yield str(held_out), parts["train"], parts["test"]

    def _centres(self) -> Iterator[tuple[str, pd.Index, pd.Index]]:
        column = "centres" if "centres" in self.subjects else "centre"
        known = self.subjects[column].fillna("").str.split(";")
        for centre in sorted({name for names in known for name in names if name}):
            test = known.index[[names == [centre] for names in known]]
            yield centre, known.index[[centre not in names and names != [""] for names in known]], test

    def outcome(self, endpoint: str = "OS") -> pd.DataFrame:
        """Return `time` in days, `event` and `entry` (the day of coming under observation, -1 from the start).

        A time known in part is the middle of what the known dates allow, see `bounds`. Subjects whose time is not known at
        all, and those who were never under observation, are left out.

        Args:
            endpoint: PARAMCD.

        Raises:
            KeyError: If the release has no such endpoint.
        """
        found = self.bounds(endpoint)
        part = int((found["event"] & (found["earliest"] < found["latest"])).sum())
        if part:
            warnings.warn(f"{part} times of {endpoint} are known in part: `time` is their middle", stacklevel=2)
        return found[["time", "event", "entry"]]

    def bounds(self, endpoint: str = "OS") -> pd.DataFrame:
        """Return what `outcome` does, with `earliest` and `latest`, between which each time lies.

        Who is censored counts to the last day known to be without the event, and has no end (`inf`). The two columns are what
        lifelines' `fit_interval_censoring` asks for.

        Args:
            endpoint: PARAMCD.

        Raises:
            KeyError: If the release has no such endpoint.
        """
        mine = self.adtte[self.adtte["PARAMCD"] == endpoint].set_index("subject_id")
        low, high = (_known(mine, bound) for bound in ("AVAL_MIN", "AVAL_MAX"))
        if low.notna().sum() == 0:
            if len(mine):
                raise KeyError(f"no time of {endpoint} is known")
            raise KeyError(f"no endpoint {endpoint}; the release has: {', '.join(sorted(set(self.adtte['PARAMCD']))) or 'none'}")
        event = mine["CNSR"] == 0
        entry = mine["ENTRY"].astype(float).fillna(-1.0) if "ENTRY" in mine else -1.0
        last = high.where(event, low)
        ends = {"time": (low + last) / 2, "event": event, "entry": entry, "earliest": low, "latest": high.where(event, np.inf)}
        found = pd.DataFrame(ends)[last.notna()]
        return found[found["entry"] < found["time"]].sort_index()

    def values(self) -> pd.DataFrame:
        """Return what is known of each subject at the index, as numbers; missing where it is not known."""
        numbers = self.analysis.select_dtypes("number").astype(float)
        described = {name: _as_numbers(self.subjects[name]) for name in DESCRIBED if name in self.subjects}
        return numbers.join(pd.DataFrame(described, index=self.subjects.index), how="outer")

    def preparation(self, train: pd.Index) -> pd.DataFrame:
        """Return `mean`, `sd` and `known` of each variable that varies and that at least half of the subjects have.

        Args:
            train: The subjects to learn from, and no others.
        """
        values = self.values().reindex(train)
        learned = pd.DataFrame({"mean": values.mean(), "sd": values.std(), "known": values.notna().sum()})
        return learned[(learned["sd"] > 0) & (2 * learned["known"] >= len(train))]

    def predictors(self, train: pd.Index, test: pd.Index, components: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the variables of training and of test subjects, in standard deviations of the training subjects.

        What is missing becomes 0, the mean of the training subjects.

        Args:
            train: The subjects to learn from.
            test: The subjects to be tested on.
            components: So many principal components of the training subjects in place of the variables; 0 for the variables.
        """
        learned, values = self.preparation(train), self.values()
        scaled = ((values[learned.index] - learned["mean"]) / learned["sd"]).fillna(0.0)
        if components:
            _, _, axes = np.linalg.svd(scaled.reindex(train).to_numpy(), full_matrices=False)
            # Which way an axis points is arbitrary: its largest weight is made positive, so that results repeat.
            turned = [axis * np.sign(axis[np.abs(axis).argmax()]) for axis in axes[:components]]
            names = [f"component {place + 1}" for place in range(len(turned))]
            scaled = pd.DataFrame(scaled.to_numpy() @ np.array(turned).T, index=scaled.index, columns=names)
        return scaled.reindex(train), scaled.reindex(test)


def _known(rows: pd.DataFrame, bound: str) -> pd.Series:
    """Return the times that are known, and of the others their bound."""
    exact = rows["AVAL"].astype(float)
    return exact.fillna(rows[bound].astype(float)) if bound in rows else exact


def _as_numbers(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(float)
    order = ORDER.get(str(column.name), ())

    def rank(level: str) -> tuple[int, str]:
        base = max((name for name in order if level.startswith(name)), key=len, default="")
        return (order.index(base) if base else len(order), level)

    levels = {level: float(place) for place, level in enumerate(sorted(column.dropna().unique(), key=rank))}
    return column.map(levels).astype(float)
