"""What `preparation.json` tells: enough to prepare a model, and no count of a few persons."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.releases import attack_cohorts
from unibase.releases.content.preparation import learn, write_preparation
from unibase.releases.disclosure import harmonised_counts

SIZES = (60, 58, 240, 1_000, 9)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", [(0.0, 1.0), (1.0, 2.0)])
def test_a_flag_tells_only_which_value_is_commoner(size: int, levels: tuple[float, float]) -> None:
    told = {ones: learn(np.where(np.arange(size) < ones, levels[1], levels[0]))["mean"] for ones in range(1, size)}
    assert {told[ones] for ones in range(1, size // 2 + 1)} == {levels[0]}
    assert {told[ones] for ones in range(size // 2 + 1, size)} == {levels[1]}


@given(st.integers(30, 400), st.integers(0, 10_000))
def test_a_mean_does_not_tell_over_how_many_it_was_taken(size: int, seed: int) -> None:
    values = np.round(np.random.default_rng(seed).uniform(0.1, 40, size), 1)
    told = learn(values)
    fits = [n for n in range(2, 500) if abs(round(told["mean"] * n * 10) - told["mean"] * n * 10) < 1e-6]
    assert len(fits) >= 20


@given(st.integers(30, 400), st.integers(0, 10_000))
def test_a_coarse_mean_serves_as_well(size: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(5, 2, size)
    told = learn(values)
    assert max(abs(told["mean"] - values.mean()), abs(told["sd"] - values.std(ddof=1))) <= 0.0501 * values.std(ddof=1)


ROWS = (
    # values, mean, sd
    ([0.0, 1.0] * 50, 0.0, 0.5),
    ([0.0] * 95 + [1.0] * 5, 0.0, 0.5),
    ([0.0] * 5 + [1.0] * 95, 1.0, 0.5),
    ([1.0] * 95 + [3.0] * 5, 1.0, 1.0),
    ([0.0, 1.0, 2.0, 3.0] * 25, 1.0, 2.0),
    (list(np.linspace(0, 1_000, 101)), 500.0, 300.0),
    (list(np.linspace(-0.001, 0.001, 101)), 0.0, 0.0006),
)


@pytest.mark.parametrize(("values", "mean", "sd"), ROWS)
def test_what_is_told(values: list[float], mean: float, sd: float) -> None:
    assert learn(np.array(values)) == {"mean": mean, "sd": sd}


@pytest.mark.parametrize(("min_cell", "told"), [(5, True), (10, True), (11, False), (14, False)])
def test_who_is_told_of(min_cell: int, told: bool, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    ids = list(range(40))
    analysis = {
        "subject_id": ids,
        "crp": [float(i) for i in ids],
        "same": [1.0] * 40,
        "seldom": [float(i) if i < 15 else None for i in ids],
        "centre": ["lyon", "CHU-été"] * 20,
        "flag": [i % 4 == 0 for i in ids],
    }
    pl.DataFrame(analysis).write_parquet(tmp_path / "tables" / "analysis.parquet")
    splits = {"subject_id": ids, "scheme": "centre", "held_out": "lyon", "part": ["test", "train"] * 20}
    pl.DataFrame(splits).write_parquet(tmp_path / "tables" / "splits.parquet")
    write_preparation(tmp_path, min_cell)
    found = json.loads((tmp_path / "preparation.json").read_text(encoding="utf-8"))
    # 40 subjects, 20 of them to learn from.
    assert found == {"centre": {"lyon": {"crp": {"mean": 19.8, "sd": 12.0}} if told else {}}}


def test_fits_of_models_are_told_in_multiples() -> None:
    fit = {"digest": "d", "samples": 57, "history": [{"digest": "c", "samples": 51}, {"digest": "d", "samples": 57}]}
    told = harmonised_counts.of_models({"models": {"rna": fit}, "min": 1}, 10)
    assert told["models"]["rna"]["samples"] == 50 and {one["samples"] for one in told["models"]["rna"]["history"]} == {50}
    assert told["min"] == 1 and harmonised_counts.of_models({"min": 1}, 10) == {"min": 1}


def test_an_attacker_finds_counts_in_exact_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = attack_cohorts.Tally()
    attack_cohorts.attack(1, tmp_path / "as it is", tally)
    assert (tally.small_recovered, tally.narrowed) == ([], [])

    def exact(known: np.ndarray) -> dict[str, float]:
        return {"mean": float(known.mean()), "sd": float(known.std(ddof=1)), "known": len(known)}

    monkeypatch.setattr("unibase.releases.content.preparation.learn", exact)
    attack_cohorts.attack(1, tmp_path / "exact", tally)
    assert any(one.startswith("seed 1, crp") for one in tally.small_recovered)
