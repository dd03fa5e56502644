"""The baseline: planted signs are found on centres never seen, nothing leaks, and what it cannot check it says."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines.utils import concordance_index

from unibase.groundwork.problems import UserError
from unibase.methods.survival import concordance
from unibase.releases.baseline import held_out
from unibase.releases.baseline.held_out import held_out_centres, martingale_residuals, scores_of
from unibase.releases.baseline.predictors import Outcome, prepare


def _study(size: int = 400, seed: int = 1) -> tuple[dict[str, np.ndarray], Outcome, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=size)
    truth = 1.2 * latent
    days, followed = np.ceil(rng.exponential(600 * np.exp(-truth))), rng.integers(200, 2000, size)
    genes = 0.8 * latent[:, None] + rng.normal(size=(size, 20))
    genes[rng.random(genes.shape) < 0.1] = np.nan
    places = [["lyon"], ["Paris"], ["CHU-été"], ["lyon", "Paris"]]
    centres = tuple(frozenset(places[i]) for i in rng.choice(4, size, p=[0.4, 0.3, 0.25, 0.05]))
    outcome = Outcome(np.arange(1, size + 1), np.minimum(days, followed), days <= followed, np.full(size, -np.inf), centres)
    return {"rna": genes, "noise": rng.normal(size=(size, 5))}, outcome, truth


def test_concordance_is_that_of_lifelines() -> None:
    rng = np.random.default_rng(2)
    time, event, risk = rng.integers(1, 40, 90), rng.random(90) < 0.6, rng.integers(0, 9, 90)
    assert concordance(risk, time, event) == pytest.approx(concordance_index(time, -risk, event))


def test_with_late_entry_a_pair_needs_both_under_observation() -> None:
    assert concordance([3, 2, 1], [1, 5, 6], [True, True, False], [0, 2, 0]) == 1.0
    assert np.isnan(concordance([3, 2], [1, 5], [True, False], [0, 2]))


def test_nobody_is_on_both_sides_and_every_centre_is_held_out_once() -> None:
    _, outcome, _ = _study()
    seen = list(held_out_centres(outcome))
    assert [centre for centre, _, _ in seen] == ["CHU-été", "Paris", "lyon"]
    for centre, train, test in seen:
        assert not set(train) & set(test)
        assert all(outcome.centres[i] == {centre} for i in test) and all(centre not in outcome.centres[i] for i in train)


def test_planted_signs_are_found_on_centres_never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "TREES", 20)
    monkeypatch.setattr(held_out, "SAMPLES", 10)
    modalities, outcome, truth = _study()
    scores = scores_of(modalities, outcome)
    assert len(scores) == 3 * 2 * 3
    for centre, _, test in held_out_centres(outcome):
        best = concordance(truth[test], outcome.time[test], outcome.event[test])
        of = {(one.model, one.modality): one for one in scores if one.centre == centre}
        assert abs(of["cox", "rna"].c - best) < 0.05 and of["forest", "rna"].c > 0.6
        assert of["cox", "noise"].c < 0.62
        assert of["cox", "rna"].low < of["cox", "rna"].c < of["cox", "rna"].high
    assert abs(np.mean([one.permuted for one in scores]) - 0.5) < 0.1
    again = scores_of(modalities, outcome)
    assert again == scores


def test_values_of_held_out_subjects_change_nothing_that_is_learned() -> None:
    modalities, outcome, _ = _study()
    _, train, test = next(held_out_centres(outcome))
    changed = modalities["rna"].copy()
    changed[test] += 1000
    one, other = (prepare(matrix[train], 10, 3) for matrix in (modalities["rna"], changed))
    assert np.array_equal(one.axes, other.axes) and np.array_equal(one.middle, other.middle)


def test_residuals_add_up_to_nothing() -> None:
    _, outcome, _ = _study()
    assert abs(martingale_residuals(outcome.time, outcome.event, outcome.entry).sum()) < 1e-8


def test_what_cannot_be_checked_is_refused() -> None:
    modalities, outcome, _ = _study()
    with pytest.raises(UserError, match="is the time or the event"):
        scores_of({"leak": outcome.time[:, None]}, outcome)
    alone = Outcome(outcome.subjects, outcome.time, outcome.event, outcome.entry, (frozenset({"lyon"}),) * len(outcome.subjects))
    with pytest.raises(UserError, match="fewer than two centres"):
        scores_of(modalities, alone)
    none = Outcome(outcome.subjects, outcome.time, outcome.event & False, outcome.entry, outcome.centres)
    with pytest.raises(UserError, match="No centre has 5 events"):
        scores_of(modalities, none)
