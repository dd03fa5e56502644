"""How stable the radiomic features of a release are, put where a reader meets the feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pandas as pd

Stability = Mapping[str, tuple[float | None, float | None, bool]]
"""Column of the analysis table to ICC(2,1) over perturbed copies, its lower limit, and whether that is enough."""


def of_columns(robustness: pl.DataFrame | None) -> Stability:
    """Return what `robustness` tells of each column of the analysis table, named as `linking.asof.join` names it."""
    if robustness is None:
        return {}
    found = {}
    for row in robustness.filter(pl.col("kind") == "perturbation").iter_rows(named=True):
        feature = row["feature"].removeprefix(f"{row['image_type']}_")
        name = f"{row['Modality']}_{row['region']}_{row['image_type']}_{feature}"
        found[name] = (row["icc_2_1"], row["icc_2_1_low"], row["stable"])
    return found


def annotated(var: pd.DataFrame, stable: Stability) -> pd.DataFrame:
    """Return the variables of a modality, `var`, with `icc_2_1`, `icc_2_1_low` and `stable` beside them, when any is known."""
    if not any(str(name) in stable for name in var.index):
        return var
    unknown = (None, None, False)
    rows = [stable.get(str(name), unknown) for name in var.index]
    nan = float("nan")
    return var.assign(
        icc_2_1=[nan if value is None else value for value, _, _ in rows],
        icc_2_1_low=[nan if low is None else low for _, low, _ in rows],
        stable=[enough for _, _, enough in rows],
    )
