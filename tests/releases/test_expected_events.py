"""Survival with numbers at risk where times are known in part: against a general optimiser, R, and the curve of exact times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from tests.releases.test_partial_times import in_r, intervals
from unibase.methods.expected_events import KnownTimes, expected_curve
from unibase.methods.survival import kaplan_meier


def drawn(seed: int, size: int = 14, late: bool = True) -> KnownTimes:
    """Few subjects on few days; a third with an interval, a third censored, half of them late."""
    draw = np.random.default_rng(seed)
    low = draw.integers(1, 9, size).astype(float)
    kind = draw.integers(0, 3, size)
    high = np.where(kind == 1, low + draw.integers(1, 4, size), low)
    entry = np.where(draw.random(size) < 0.5, draw.integers(0, 6, size), -np.inf) if late else np.full(size, -np.inf)
    return KnownTimes(low, high, kind < 2, entry).at_risk_some_time()


def likelihood(times: KnownTimes, survival: np.ndarray) -> float:
    """The log of the chance of what was seen, given entry; `survival` after each day from the first."""
    ends = np.concatenate([[1.0], survival])
    total = 0.0
    for low, high, event, entry in zip(times.low, times.high, times.event, times.entry, strict=True):
        from_there = ends[max(int(entry), 0)] if np.isfinite(entry) else 1.0
        mass = ends[int(low) - 1] - ends[int(high)] if event else ends[int(low)]
        total += np.log(max(mass, 1e-12) / max(from_there, 1e-12))
    return float(total)


@pytest.mark.parametrize("seed", range(6))
def test_no_curve_makes_what_was_seen_likelier(seed: int) -> None:
    times = drawn(seed)
    curve = expected_curve(times)
    days = np.arange(1, int(times.high.max()) + 1)
    ours = likelihood(times, np.array([curve.at(day) for day in days]))

    def worse(logits: np.ndarray) -> float:
        return -likelihood(times, np.cumprod(1 / (1 + np.exp(logits))))

    found = minimize(worse, np.full(len(days), -2.0), method="L-BFGS-B", bounds=[(-20, 20)] * len(days))
    assert ours >= -found.fun - 0.01


@pytest.mark.parametrize("seed", range(1))
def test_the_curve_is_that_of_r_but_within_intervals(tmp_path: Path, seed: int) -> None:
    frame = intervals(seed)
    high, low = frame["high"].to_numpy(), frame["low"].to_numpy().astype(float)
    event = np.isfinite(high)
    curve = expected_curve(KnownTimes(low, np.where(event, high, low), event, np.full(len(low), -np.inf)))
    script = """library(survival); d$high[is.infinite(d$high)] <- NA
    d$low <- d$low - ifelse(!is.na(d$high) & d$high > d$low, .25, 0)
    f <- survfit(Surv(low, high, type = "interval2") ~ 1, d); out <- summary(f, times = 5:60 + .25, extend = TRUE)$surv"""
    r = np.array(in_r(tmp_path, frame, script))
    # Within an interval the events may stand anywhere; R has them in its middle.
    assert np.median(np.abs(np.array([curve.at(day) for day in range(5, 61)]) - r)) < 4e-3


@pytest.mark.parametrize("late", [False, True])
def test_exact_times_are_kaplan_and_meier(late: bool) -> None:
    times = drawn(3, 60, late)
    exact = KnownTimes(times.low, times.low, times.event, times.entry)
    ours, theirs = expected_curve(exact, 0.5), kaplan_meier(exact.low * 0.5, exact.event, exact.entry * 0.5)
    for name in ("time", "at_risk", "events", "censored", "survival", "lower", "upper", "entries", "exits"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_one_interval_among_exact_times_shares_one_event() -> None:
    """Numbers by hand: the death of day 2 to 3 falls half on each, and at day 5 four less one are left."""
    never = np.full(4, -np.inf)
    times = KnownTimes(np.array([2.0, 5, 5, 7]), np.array([3.0, 5, 5, 7]), np.array([True, True, False, True]), never)
    curve = expected_curve(times)
    assert curve.time.tolist() == [2, 3, 5, 7]
    np.testing.assert_allclose(curve.events, [0.5, 0.5, 1, 1])
    np.testing.assert_allclose(curve.at_risk, [4, 3.5, 3, 1])
    np.testing.assert_allclose(curve.survival, [0.875, 0.75, 0.5, 0])
    assert [curve.number_at_risk(day) for day in (2, 3, 5, 6)] == [4, 3, 3, 1]


def test_nobody_at_risk_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one subject"):
        expected_curve(KnownTimes(np.array([2.0]), np.array([2.0]), np.array([True]), np.array([5.0])))
