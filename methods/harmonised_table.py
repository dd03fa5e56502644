"""Columns of an analysis table harmonised, and how much of a feature its centre explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from unibase.methods.combat import ComBat, fit_combat
from unibase.methods.feature_blocks import Array


def harmonise_table(
    table: pl.DataFrame,
    columns: Sequence[str],
    *,
    centre: str = "centre",
    training: pl.Series | None = None,
    covariates: Sequence[str] = (),
    **options: Any,
) -> tuple[pl.DataFrame, ComBat]:
    """Harmonise columns of an analysis table, fitted on the rows where `training` is true; return it and the fit.

    Args:
        table: One row per subject.
        columns: Names of the columns.
        centre: Column with the centre.
        training: Rows that the fit sees; all without it.
        covariates: Columns whose effect is kept.
        options: Further arguments of `fit_combat`.

    Rows without any value in `columns` stay as they are and take no part in the fit.

    Raises:
        UserError: As `fit_combat` says.
    """
    present = table.select(pl.any_horizontal(pl.col(list(columns)).is_not_null())).to_series()
    chosen = present if training is None else present & training
    numbers = table.select(pl.col(list(columns)).cast(pl.Float64)).fill_null(np.nan).to_numpy()

    def part(rows: pl.Series) -> tuple[Array, list[str], dict[str, pl.Series]]:
        some = table.filter(rows)
        return numbers[rows.to_numpy()], some[centre].to_list(), {name: some[name] for name in covariates}

    values, labels, kept = part(chosen)
    model = fit_combat(values, labels, columns, covariates=kept, **options)
    values, labels, kept = part(present)
    result = numbers.copy()
    result[present.to_numpy()] = model.apply(values, labels, kept)
    changed = [pl.Series(name, result[:, n], dtype=pl.Float64).fill_nan(None) for n, name in enumerate(columns)]
    return table.with_columns(changed), model


def centre_effect(values: Array, centre: Sequence[str]) -> Array:
    """Return, per feature, the share of its variance that the centre explains (eta squared): 0 none, 1 all.

    Args:
        values: (subjects, features); missing values are NaN.
        centre: Centre of each subject.

    >>> centre_effect(np.array([[0.0, 1.0], [0.0, 2.0], [4.0, 1.0], [4.0, 2.0]]), ["lyon", "lyon", "CHU-été", "CHU-été"]).tolist()
    [1.0, 0.0]
    """
    values = np.asarray(values, dtype=np.float64)
    labels = np.asarray(list(centre), dtype=object).astype(str)
    mean = np.nanmean(values, axis=0)
    between = np.zeros(values.shape[1])
    for name in np.unique(labels):
        part = values[labels == name]
        there = np.sum(~np.isnan(part), axis=0)
        centre_mean = np.divide(np.nansum(part, axis=0), there, out=mean.copy(), where=there > 0)
        between += there * (centre_mean - mean) ** 2
    total = np.nansum((values - mean) ** 2, axis=0)
    found: Array = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return found
