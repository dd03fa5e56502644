"""Models checked on centres that they never saw: Cox's model and a forest, for each modality and for all of them together.

Cox's model is ridge-penalised, on principal components. The forest learns martingale residuals of the model without
predictors (Therneau, Grambsch and Fleming, Biometrika 1990;77:147). Fusion is late: the mean of the modalities' risks, each in
standard deviations of its training subjects. C is Harrell's; its limits are of 200 bootstrap samples of the held-out subjects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import UserError
from unibase.methods.cox import cox
from unibase.methods.survival import concordance, kaplan_meier
from unibase.releases.baseline.predictors import Floats, Outcome, prepare, read_modalities, read_outcome
from unibase.releases.content import manifest

FUSED = "all modalities"
LEAST_EVENTS = 5
"""Fewest events of the training subjects, and of the held-out ones, that anything is said of."""
SAMPLES, SEED, TREES = 200, 20_240_101, 200
RIDGE = 1.0
MOST_VARIABLES, MOST_COMPONENTS = 1000, 10
Places = NDArray[np.intp]
Learner = Callable[[Floats, Outcome, Places], Callable[[Floats], Floats]]
"""Learns from the predictors of training subjects; what it returns gives the risk of others."""


@dataclass(frozen=True)
class Score:
    """How well one model tells who fails first, in one held-out centre.

    Attributes:
        model: `cox` or `forest`.
        modality: What it learned from.
        centre: The centre that it never saw.
        subjects: Held-out subjects.
        events: Of them, with the event.
        c: Harrell's C.
        low: Lower 95 % limit.
        high: Upper 95 % limit.
        permuted: C of the same model learned from shuffled outcomes: about one half, or something leaks.
    """

    model: str
    modality: str
    centre: str
    subjects: int
    events: int
    c: float
    low: float
    high: float
    permuted: float


def baseline(folder: Path | str, endpoint: str = "OS") -> list[Score]:
    """Learn on all centres but one, and score that one, for each centre in turn.

    Persons whom several centres know are held out with none and learned from with none.

    Args:
        folder: Folder of the release.
        endpoint: PARAMCD of the endpoint.

    Raises:
        UserError: If it is no release, has no such endpoint, fewer than two centres, or too few events.
    """
    manifest.read(folder)
    outcome = read_outcome(Path(folder), endpoint)
    return scores_of(read_modalities(Path(folder), [int(subject) for subject in outcome.subjects]), outcome)


def scores_of(modalities: Mapping[str, Floats], outcome: Outcome) -> list[Score]:
    """Return the scores of every model, modality and held-out centre; see `baseline`.

    Args:
        modalities: Name to values of the subjects, NaN where missing, shape (subjects, variables).
        outcome: The subjects.

    Raises:
        UserError: If a variable is the outcome itself, there are fewer than two centres, or too few events.
    """
    _refuse_outcome(modalities, outcome)
    scores: list[Score] = []
    for centre, train, test in held_out_centres(outcome):
        if min(int(outcome.event[part].sum()) for part in (train, test)) >= LEAST_EVENTS:
            scores += _scores(modalities, outcome, centre, train, test)
    if not scores:
        raise UserError(f"No centre has {LEAST_EVENTS} events and as many outside it, so no model can be checked.")
    return scores


def held_out_centres(outcome: Outcome) -> Iterator[tuple[str, Places, Places]]:
    """Yield each centre with the places of training and of held-out subjects; nobody is in both.

    Args:
        outcome: The subjects.

    Raises:
        UserError: If fewer than two centres have subjects.
    """
    centres = sorted({name for names in outcome.centres for name in names})
    if len(centres) < 2:
        raise UserError("Subjects of fewer than two centres: none can be held out.")
    for centre in centres:
        test = np.flatnonzero([names == {centre} for names in outcome.centres])
        train = np.flatnonzero([bool(names) and centre not in names for names in outcome.centres])
        yield centre, train, test


def _refuse_outcome(modalities: Mapping[str, Floats], outcome: Outcome) -> None:
    """Refuse a predictor that is the outcome itself.

    Raises:
        UserError: With the modality.
    """
    for name, matrix in modalities.items():
        for goal in (outcome.time, outcome.event.astype(float)):
            known = ~np.isnan(matrix)
            same = np.where(known, matrix == goal[:, None], True).all(axis=0) & (known.sum(axis=0) > 1)
            if same.any():
                raise UserError(f"A variable of {name} is the time or the event of the endpoint: take it out of the predictors.")


def _scores(modalities: Mapping[str, Floats], outcome: Outcome, centre: str, train: Places, test: Places) -> Iterator[Score]:
    shuffled = _shuffled(outcome, train)
    for model, learner in (("cox", _cox), ("forest", _forest)):
        risks = {name: _risk(matrix, outcome, train, test, learner) for name, matrix in modalities.items()}
        control = {name: _risk(matrix, shuffled, train, test, learner) for name, matrix in modalities.items()}
        for each in (risks, control):
            each[FUSED] = np.mean(list(each.values()), axis=0)
        for name, risk in risks.items():
            c, permuted = (_concordance(one, outcome, test) for one in (risk, control[name]))
            low, high = _limits(risk, outcome, test)
            yield Score(model, name, centre, len(test), int(outcome.event[test].sum()), c, low, high, permuted)


def _risk(matrix: Floats, outcome: Outcome, train: Places, test: Places, learner: Learner) -> Floats:
    """Return the risk of held-out subjects in standard deviations of the training subjects', shape (held-out subjects,)."""
    events = int(outcome.event[train].sum())
    prepared = prepare(matrix[train], MOST_VARIABLES, max(1, min(MOST_COMPONENTS, events // 5)))
    seen, unseen = prepared.apply(matrix[train]), prepared.apply(matrix[test])
    if not seen.shape[1]:
        return np.zeros(len(test))
    predict = learner(seen, outcome, train)
    spread = float(predict(seen).std())
    return (predict(unseen) - float(predict(seen).mean())) / spread if spread > 0 else np.zeros(len(test))


def _cox(seen: Floats, outcome: Outcome, train: Places) -> Callable[[Floats], Floats]:
    spread = np.maximum(seen.std(axis=0), 1e-12)
    fit = cox(outcome.time[train], outcome.event[train], seen / spread, outcome.entry[train], RIDGE)
    return lambda predictors: np.asarray(predictors / spread @ fit.log_ratio)


def _forest(seen: Floats, outcome: Outcome, train: Places) -> Callable[[Floats], Floats]:
    # Heavy, and only a baseline learns. It has no type hints.
    from sklearn.ensemble import RandomForestRegressor  # type: ignore[import-untyped]

    residuals = martingale_residuals(outcome.time[train], outcome.event[train], outcome.entry[train])
    forest = RandomForestRegressor(TREES, min_samples_leaf=5, max_features="sqrt", random_state=SEED, n_jobs=1).fit(
        seen, residuals
    )
    return lambda predictors: np.asarray(forest.predict(predictors))


def martingale_residuals(time: Floats, event: NDArray[np.bool_], entry: Floats) -> Floats:
    """Return events less those expected by the Nelson-Aalen estimate without predictors, shape (subjects,).

    Args:
        time: End of follow-up, shape (subjects,).
        event: Whether it is the event, shape (subjects,).
        entry: When each came under observation, shape (subjects,).
    """
    curve = kaplan_meier(time, event, entry)
    hazard = np.concatenate([[0.0], np.cumsum(curve.events / np.maximum(curve.at_risk, 1))])
    until = hazard[np.searchsorted(curve.time, time, side="right")]
    return np.asarray(event - (until - hazard[np.searchsorted(curve.time, entry, side="right")]))


def _shuffled(outcome: Outcome, train: Places) -> Outcome:
    """Return the outcome with those of the training subjects dealt anew among them."""
    places = np.arange(len(outcome.subjects))
    places[train] = np.random.default_rng(SEED).permutation(train)
    return replace(outcome, time=outcome.time[places], event=outcome.event[places], entry=outcome.entry[places])


def _concordance(risk: Floats, outcome: Outcome, test: Places) -> float:
    return concordance(risk, outcome.time[test], outcome.event[test], outcome.entry[test])


def _limits(risk: Floats, outcome: Outcome, test: Places) -> tuple[float, float]:
    rng = np.random.default_rng(SEED)
    draws = (rng.integers(0, len(test), len(test)) for _ in range(SAMPLES))
    found = np.array([_concordance(risk[draw], outcome, test[draw]) for draw in draws])
    low, high = np.nanquantile(found, [0.025, 0.975]) if np.isfinite(found).any() else (np.nan, np.nan)
    return float(low), float(high)
