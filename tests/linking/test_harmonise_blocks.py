"""Harmonisation by blocks, its arrays in files: the values of the whole in memory, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unibase.linking.harmonised.beside_raw import Asked, Harmonised, Sample, harmonise_values
from unibase.linking.options import HarmoniseRule
from unibase.methods import feature_blocks
from unibase.methods.steady_products import product, projections

SUBJECTS, FEATURES = 61, 153


def harmonised(values: np.ndarray, options: dict[str, Any], room: feature_blocks.Room) -> Harmonised:
    centre = [None if n == 5 else f"c{n % 3}" for n in range(SUBJECTS)]
    age = pl.Series([float(40 + 7 * n % 31) for n in range(SUBJECTS)])
    rule = HarmoniseRule.model_validate({"others": "leave_out", "covariates": ["AGE"]} | options)
    names, training = [f"f{n}" for n in range(FEATURES)], [n % 4 > 0 for n in range(SUBJECTS)]
    return harmonise_values(values, names, Sample(centre, training, {"AGE": age}), Asked("rna", rule, room=room))


@pytest.mark.parametrize("options", [{}, {"reference": "c1"}, {"mean_only": True}, {"empirical_bayes": False}])
@pytest.mark.parametrize("missing", [0.0, 0.02])
def test_blocks_on_disk_give_the_same_bits(
    options: dict[str, Any], missing: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(8)
    centre = np.arange(SUBJECTS) % 3
    values = (
        rng.normal(5, 2, (SUBJECTS, FEATURES)) * np.array([1, 2, 0.5])[centre][:, None] + rng.normal(0, 1, (3, FEATURES))[centre]
    )
    values[rng.random(values.shape) < missing] = np.nan
    whole = harmonised(values, options, feature_blocks.in_memory)
    monkeypatch.setattr(feature_blocks, "BLOCK", 20)
    monkeypatch.setattr(feature_blocks, "_CELLS", 7 * FEATURES)
    parts = harmonised(values, options, feature_blocks.OnDisk(tmp_path))
    assert any(tmp_path.iterdir())
    np.testing.assert_array_equal(parts.values, whole.values)
    assert parts.model.to_json() == whole.model.to_json()
    assert parts.record == whole.record
    assert parts.fitted == whole.fitted


@pytest.mark.parametrize("columns", [0, 1, 2, 5, 17])
def test_a_value_of_a_product_does_not_depend_on_its_neighbours(columns: int) -> None:
    rng = np.random.default_rng(columns)
    rows, few, right = rng.normal(size=(70, 61)), rng.normal(size=(61, columns)), rng.normal(size=(columns, 43))
    projected = projections(rows, few)
    np.testing.assert_allclose(projected, rows @ few, rtol=1e-12, atol=1e-12)
    left = np.random.default_rng(7).normal(size=(70, columns))
    together = product(left, right)
    np.testing.assert_allclose(together, left @ right, rtol=1e-12, atol=1e-12)
    for at in range(0, 70, 9):
        for size in (1, 2, 3, 8):
            part = slice(at, at + size)
            assert np.array_equal(product(left[part], right[:, :11]), together[part, :11])
            assert np.array_equal(projections(rows[part], few), projected[part])
