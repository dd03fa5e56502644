"""What a baseline learns from: each modality as numbers, prepared on training subjects alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unibase.groundwork.problems import UserError
from unibase.releases.content import manifest
from unibase.releases.content.staging_words import ORDER, rank
from unibase.releases.read.known_times import with_known_times
from unibase.releases.read.open import read_matrix

Floats = NDArray[np.float64]
DESCRIBED = ("AGE", "SEX", "STAGE", "T", "N", "M", "CHARLSON")
"""Columns of `subjects` that the clinical modality is joined by: known at the index."""


@dataclass(frozen=True)
class Outcome:
    """The subjects of one endpoint, in rising order of `subject_id`; all arrays have one place for each.

    Attributes:
        subjects: `subject_id`.
        time: End of follow-up in days.
        event: Whether it is the event.
        entry: When the subject came under observation; minus infinity from the start.
        centres: Every centre that knows the subject.
    """

    subjects: NDArray[np.int64]
    time: Floats
    event: NDArray[np.bool_]
    entry: Floats
    centres: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Preparation:
    """How the values of a modality become predictors, learned on training subjects.

    Attributes:
        variables: Which variables are used, as places in the matrix.
        middle: Mean of each, which stands for what is missing.
        spread: Standard deviation of each.
        axes: Principal axes, shape (variables, components).
    """

    variables: NDArray[np.intp]
    middle: Floats
    spread: Floats
    axes: Floats

    def apply(self, matrix: Floats) -> Floats:
        """Return the predictors, shape (subjects, components).

        Args:
            matrix: Values as released, NaN where missing, shape (subjects, all variables).
        """
        chosen = matrix[:, self.variables]
        return np.asarray(np.where(np.isnan(chosen), 0.0, (chosen - self.middle) / self.spread) @ self.axes)


def prepare(matrix: Floats, most_variables: int, most_components: int) -> Preparation:
    """Learn imputation, scaling and principal components.

    Args:
        matrix: Values of the training subjects, NaN where missing, shape (subjects, variables).
        most_variables: How many variables are kept, those known most often and varying most.
        most_components: How many components at most.
    """
    known = ~np.isnan(matrix)
    counts = known.sum(axis=0)
    middle = np.where(counts > 0, np.where(known, matrix, 0.0).sum(axis=0) / np.maximum(counts, 1), 0.0)
    spread = np.sqrt(np.where(known, (matrix - middle) ** 2, 0.0).sum(axis=0) / np.maximum(counts - 1, 1))
    usable = np.flatnonzero((spread > 0) & (2 * counts >= len(matrix)))
    kept = np.sort(usable[np.argsort(-spread[usable], kind="stable")[:most_variables]])
    scaled = np.where(known[:, kept], (matrix[:, kept] - middle[kept]) / np.where(spread[kept] > 0, spread[kept], 1.0), 0.0)
    _, _, axes = np.linalg.svd(scaled, full_matrices=False)
    size = min(most_components, len(axes)) if kept.size else 0
    # Which way an axis points is arbitrary: the largest weight is made positive, so that results repeat.
    turned = [axis * np.sign(axis[np.abs(axis).argmax()]) for axis in axes[:size]]
    return Preparation(kept, middle[kept], spread[kept], np.array(turned).reshape(size, kept.size).T)


def read_outcome(folder: Path, endpoint: str) -> Outcome:
    """Read the subjects of an endpoint whose time ends after they came under observation; one known in part ends at its middle.

    Args:
        folder: Folder of the release.
        endpoint: PARAMCD, such as `OS`.

    Raises:
        UserError: If the release has no such endpoint.
    """
    adtte = pl.read_parquet(folder / "tables" / "adtte.parquet")
    if endpoint not in adtte["PARAMCD"]:
        known = ", ".join(adtte["PARAMCD"].unique().sort()) or "none"
        raise UserError(f"The release has no endpoint {endpoint}. It has: {known}.")
    middle = ((pl.col("_low") + pl.col("_high")) / 2).alias("_time")
    rows = with_known_times(adtte.filter(pl.col("PARAMCD") == endpoint)).with_columns(middle, pl.col("_entry").fill_null(-np.inf))
    rows = rows.filter(pl.col("_entry") < pl.col("_time")).unique("subject_id", keep="first", maintain_order=True)
    subjects = pl.read_parquet(folder / "tables" / "subjects.parquet")
    column = next((name for name in ("centres", "centre") if name in subjects.columns), None)
    centre = pl.col(column).fill_null("") if column else pl.lit("")
    rows = rows.join(subjects.select("subject_id", centre.alias("_centres")), on="subject_id").sort("subject_id")
    return Outcome(
        rows["subject_id"].to_numpy(),
        rows["_time"].to_numpy(),
        rows["_event"].to_numpy(),
        rows["_entry"].to_numpy(),
        tuple(frozenset(name for name in text.split(";") if name) for text in rows["_centres"]),
    )


def read_modalities(folder: Path, subjects: Sequence[int]) -> Mapping[str, Floats]:
    """Read every modality of a release as a matrix of the given subjects; NaN where missing, shape (subjects, variables) each.

    The clinical modality has age, sex, stage and their kin beside the values of the analysis table; T, N, M and stage as their
    places in the order of their categories.

    Args:
        folder: Folder of the release.
        subjects: `subject_id` in the order of the rows.
    """
    found: dict[str, Floats] = {}
    for name in manifest.read(folder)["modalities"]:
        found[name] = read_matrix(folder, name, subjects)
    found["clinical"] = np.column_stack([found.get("clinical", np.empty((len(subjects), 0))), _described(folder, subjects)])
    return {name: matrix for name, matrix in found.items() if matrix.shape[1]}


def _described(folder: Path, subjects: Sequence[int]) -> Floats:
    frame = pl.read_parquet(folder / "tables" / "subjects.parquet")
    wanted = pl.DataFrame({"subject_id": pl.Series(list(subjects), dtype=pl.Int64)})
    frame = wanted.join(frame, on="subject_id", how="left", maintain_order="left")
    columns = [_numbers(frame[name]) for name in DESCRIBED if name in frame.columns]
    return np.column_stack(columns) if columns else np.empty((len(subjects), 0))


def _numbers(values: pl.Series) -> Floats:
    if values.dtype.is_numeric():
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    levels = values.drop_nulls().unique().to_list()
    ordered = sorted(levels, key=lambda level: rank(values.name, level) if values.name in ORDER else (0, level))
    places = {level: float(place) for place, level in enumerate(ordered)}
    return np.array([places.get(value, np.nan) if value is not None else np.nan for value in values.to_list()])
