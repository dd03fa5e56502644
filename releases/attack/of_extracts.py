"""Attackers who hold two opened extracts: whose rows are one person's, by columns that both have, and by ones that they have not.

Two ways by shared columns: values equal to the last digit, and rows that lie nearest to one another in all columns at once.
By columns that are not shared, who knows how such columns go together (here: from the release itself, the most that can be
known) foretells those of the second extract from those of the first. The custodian's key says which joins are right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment

from unibase.privacy.keys import Key
from unibase.privacy.pseudonyms import subject_id
from unibase.releases.attack.found import Attack

_TABLES = ("subjects", "analysis", "adtte")
_LEAST_KNOWN = 0.5
"""A column that is empty for more of the subjects is not used."""


@dataclass(frozen=True)
class Opened:
    """An extract as its recipient has it.

    Attributes:
        values: (subjects, columns) numbers of the extract, NaN where there is none.
        names: The columns.
        persons: Whose row each is: subject_id in the release, which the key tells.
    """

    values: np.ndarray
    names: tuple[str, ...]
    persons: np.ndarray


def attack_extracts(release: Path, first: Path, second: Path, key: Key) -> list[Attack]:
    """Run all attackers of two extracts of a release.

    Args:
        release: Folder of the release.
        first: Folder of an opened extract of it.
        second: Folder of another one.
        key: The custodian's key, which says which joins are right.

    Raises:
        OSError: If a table is not there.
    """
    people = pl.read_parquet(release / "tables" / "subjects.parquet", columns=["subject_id"])["subject_id"]
    one, two = (opened(folder, people, key) for folder in (first, second))
    whole = Opened(*numbers_of(_frames(release)), np.array([]))
    most = len(np.intersect1d(one.persons, two.persons))
    found = {
        "shared-exact": (by_equal_values(one, two), "two extracts: values of both"),
        "shared-nearest": (by_nearest(one, two), "two extracts: all values of both at once"),
        "unshared": (by_foretold(one, two, whole), "two extracts: how columns of one foretell those of the other"),
    }
    return [Attack(name, right, most, knows) for name, (right, knows) in found.items()]


def opened(folder: Path, people: pl.Series, key: Key) -> Opened:
    """Return an extract, and whose rows its rows are.

    Args:
        folder: The opened extract.
        people: Subjects of the release.
        key: The custodian's key.
    """
    about = json.loads((folder / "extract.json").read_text(encoding="utf-8"))
    project = Key(key.derive(f"extract/{about['project']}"))
    known = {subject_id(project, str(one)): one for one in people}
    frames = _frames(folder)
    values, names = numbers_of(frames)
    return Opened(values, names, np.array([known[one] for one in rows_of(frames)], dtype=np.int64))


def by_equal_values(one: Opened, two: Opened) -> int:
    """Return how many subjects are joined rightly by values that one row alone has in each extract.

    Args:
        one: An extract.
        two: Another.
    """
    votes = np.zeros((len(one.persons), len(two.persons)))
    for name in set(one.names) & set(two.names):
        left, right = one.values[:, one.names.index(name)], two.values[:, two.names.index(name)]
        alone = [np.where(_counts(side) == 1, side, np.nan) for side in (left, right)]
        votes += alone[0][:, None] == alone[1][None, :]
    best = votes.argmax(axis=1)
    claimed = votes[np.arange(len(best)), best] > 0
    return int((claimed & (one.persons == two.persons[best])).sum())


def by_nearest(one: Opened, two: Opened) -> int:
    """Return how many are joined rightly where rows are paired so that all distances together are least.

    Args:
        one: An extract.
        two: Another.
    """
    shared = sorted(set(one.names) & set(two.names))
    if not shared:
        return 0
    left, right = (_standard(side.values[:, [side.names.index(name) for name in shared]]) for side in (one, two))
    return _paired(left, right, one, two)


def by_foretold(one: Opened, two: Opened, whole: Opened) -> int:
    """Return how many are joined rightly by columns of the second foretold from other columns of the first.

    Args:
        one: An extract.
        two: Another.
        whole: The release, on whose subjects it is learned how columns go together.
    """
    mine = [name for name in one.names if name not in two.names and name in whole.names]
    theirs = [name for name in two.names if name not in one.names and name in whole.names]
    if not mine or not theirs:
        return 0
    given, wanted = (_standard(whole.values[:, [whole.names.index(name) for name in names]]) for names in (mine, theirs))
    ridge = given.T @ given + 0.01 * len(given) * np.eye(given.shape[1])
    foretold = _standard(one.values[:, [one.names.index(name) for name in mine]]) @ np.linalg.solve(ridge, given.T @ wanted)
    return _paired(_standard(foretold), _standard(two.values[:, [two.names.index(name) for name in theirs]]), one, two)


def _paired(left: np.ndarray, right: np.ndarray, one: Opened, two: Opened) -> int:
    apart = (left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2 * left @ right.T
    rows, columns = linear_sum_assignment(apart)
    return int((one.persons[rows] == two.persons[columns]).sum())


def _standard(values: np.ndarray) -> np.ndarray:
    """Return columns in their ranks' place of a normal sample's scale, 0 where there is no value."""
    filled = np.where(np.isfinite(values), values, np.nan)
    middle, spread = np.nanmedian(filled, axis=0), np.nanstd(filled, axis=0)
    scaled = (filled - middle) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.nan_to_num(np.clip(scaled, -4, 4)))


def _counts(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True, equal_nan=False)
    return np.asarray(counts[inverse])


def numbers_of(frames: Mapping[str, pl.DataFrame]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the numbers of tables of one row a subject, in the order of `rows_of`, and the names of their columns.

    Args:
        frames: The tables, with `subject_id`; of endpoints (`adtte`) the time to each counts.
    """
    ids = pl.DataFrame({"subject_id": rows_of(frames)}, schema={"subject_id": pl.Int64})
    columns: dict[str, np.ndarray] = {}
    for frame in map(_one_row, frames.values()):
        numbers = [name for name, dtype in frame.schema.items() if dtype.is_numeric() and name != "subject_id"]
        joined = ids.join(frame.select("subject_id", *numbers), on="subject_id", how="left", maintain_order="left")
        columns |= {name: joined[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in numbers}
    kept = {name: values for name, values in columns.items() if np.isfinite(values).mean() >= _LEAST_KNOWN}
    return np.column_stack(list(kept.values())) if kept else np.empty((len(ids), 0)), tuple(kept)


def rows_of(frames: Mapping[str, pl.DataFrame]) -> list[int]:
    """Return the subjects of tables in order. `frames`: the tables."""
    return sorted({one for frame in frames.values() for one in frame["subject_id"].to_list()})


def _one_row(frame: pl.DataFrame) -> pl.DataFrame:
    if {"PARAMCD", "AVAL"} <= set(frame.columns):
        return frame.pivot("PARAMCD", index="subject_id", values="AVAL", aggregate_function="first")
    return frame.unique("subject_id", maintain_order=True)


def _frames(folder: Path) -> Mapping[str, pl.DataFrame]:
    """Return the tables of numbers of a release or an extract."""
    found = {name: folder / "tables" / f"{name}.parquet" for name in _TABLES}
    return {name: pl.read_parquet(path) for name, path in found.items() if path.exists()}
