"""Clinical variables that take every row of their window: counts, means, extremes and slopes."""

from __future__ import annotations

import numpy as np
import polars as pl

from unibase.groundwork.numbers import as_written
from unibase.groundwork.problems import UserError
from unibase.linking.options import ClinicalWindow
from unibase.linking.windows import ORDER, earliest, latest, one_vocabulary, within_gap


def aggregated_cells(
    rows: pl.DataFrame, bounds: pl.DataFrame, name: str, window: ClinicalWindow
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (`subject_id` and the variable's column, trace rows) of a variable that takes all its eligible rows.

    Args:
        rows: EVENTS in the window.
        bounds: `subject_id`, `lower`, `upper` of the index.
        name: Of the variable.
        window: How its rows become one value; a slope is per day.

    Raises:
        UserError: If its values come in several units.
    """
    rows = one_vocabulary(rows.join(bounds, on="subject_id", how="inner"))
    rows = rows.with_columns(earliest().alias("t_min"), latest().alias("t_max"))
    cells, used = _aggregate(rows, name, window)
    return cells, _clinical_trace(used, name)


def _clinical_trace(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(name).alias("variable"),
        pl.lit("clinical").alias("kind"),
        pl.col("t_min").alias("time_min"),
        pl.col("t_max").alias("time_max"),
    )


def one_unit(rows: pl.DataFrame, name: str, window: ClinicalWindow) -> None:
    """Refuse values in several units, which cannot be one variable.

    Args:
        rows: EVENTS of one variable.
        name: Of the variable.
        window: May name the unit that counts.

    Raises:
        UserError: If there are several units.
    """
    units = rows.filter(pl.col("numeric_value").is_not_null())["unit"].drop_nulls().unique().sort().to_list()
    if window.value in ("auto", "numeric") and len(units) > 1:
        raise UserError(
            f"windows.clinical.{name}: its values come in the units {', '.join(units)}. Convert them, or take one with `unit: {units[0]}`."
        )


def _aggregate(rows: pl.DataFrame, name: str, window: ClinicalWindow) -> tuple[pl.DataFrame, pl.DataFrame]:
    if window.choose in ("mean", "min", "max", "slope"):
        rows = rows.filter(pl.col("numeric_value").is_not_null())
    if window.choose == "slope":
        rows = rows.filter(pl.col("time").is_not_null())
    rows = rows.sort(["subject_id", "t_min", "t_max", *ORDER])
    near = rows.group_by("subject_id").agg(pl.col("t_min").max(), pl.col("upper").first()).filter(within_gap(window))
    rows = rows.join(near.select("subject_id"), on="subject_id", how="semi", maintain_order="left")
    if window.choose not in ("count", "any"):
        one_unit(rows, name, window)
    subjects, starts = np.unique(rows["subject_id"].to_numpy(), return_index=True)
    ends = np.append(starts[1:], rows.height)
    if window.choose == "count":
        values = pl.Series(name, (ends - starts).astype(np.int64))
    elif window.choose == "any":
        values = pl.Series(name, np.ones(len(subjects), dtype=bool))
    else:
        # Summed in the stated order, one subject after the other: the same bytes on any number of threads.
        numbers = rows.select(as_written("numeric_value")).to_series().to_numpy()
        values = pl.Series(name, _reduce(numbers, rows, starts, ends, window.choose), dtype=pl.Float64).fill_nan(None)
    return pl.DataFrame({"subject_id": pl.Series(subjects, dtype=pl.Int64), name: values}), rows


def _reduce(numbers: np.ndarray, rows: pl.DataFrame, starts: np.ndarray, ends: np.ndarray, how: str) -> np.ndarray:
    if len(starts) == 0:
        return np.empty(0)
    if how == "min":
        return np.minimum.reduceat(numbers, starts)
    if how == "max":
        return np.maximum.reduceat(numbers, starts)
    counts = ends - starts
    means = np.add.reduceat(numbers, starts) / counts
    if how == "mean":
        return np.asarray(means)
    days = (rows["time"] - rows["upper"]).dt.total_microseconds().to_numpy() / 86_400_000_000
    centred = days - np.repeat(np.add.reduceat(days, starts) / counts, counts)
    spread = np.add.reduceat(centred * centred, starts)
    covariance = np.add.reduceat(centred * (numbers - np.repeat(means, counts)), starts)
    distinct = np.maximum.reduceat(days, starts) > np.minimum.reduceat(days, starts)
    return np.asarray(np.divide(covariance, spread, out=np.full(len(starts), np.nan), where=distinct))
