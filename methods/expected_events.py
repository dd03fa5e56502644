"""A survival curve with numbers at risk where some times are known in part, and some subjects enter late.

Method: the self-consistency of Turnbull (J R Stat Soc B 1976;38:290) on whole units of time, with left truncation by his
conditional likelihood. Each step expects the events of every unit from the curve, and the curve is the product limit of
these. Units within an interval that no other one divides share its events as they did at the start: evenly. Tests
compare the likelihood with a general optimiser's, the curve with R's `survfit`, and, of exact times, every number with
`kaplan_meier`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unibase.methods.survival import Curve, kaplan_meier, with_band

_STEPS = 3000
_TOLERANCE = 1e-6
"""Largest change of survival at which the steps end."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class KnownTimes:
    """Times of subjects; all arrays have shape (subjects,), in one unit.

    Attributes:
        low: First unit at which the event can have been; of who is censored, the last unit without it.
        high: Last unit at which it can have been; `low` of who is censored.
        event: Whether the event was observed.
        entry: When each came under observation, at risk from there on; minus infinity from the start.
    """

    low: Floats
    high: Floats
    event: NDArray[np.bool_]
    entry: Floats

    def at_risk_some_time(self) -> KnownTimes:
        """Return the subjects who were under observation before their time ended; no event of theirs lies before it."""
        seen = self.entry < self.high
        after = np.where(np.isfinite(self.entry), np.floor(self.entry) + 1, self.low)
        low = np.minimum(np.maximum(self.low, after), self.high)
        return KnownTimes(low[seen], self.high[seen], self.event[seen], self.entry[seen])

    def reversed(self) -> KnownTimes:
        """Return the times to the end of follow-up: an event censors it, at the last unit known to be without one."""
        return KnownTimes(self.low, self.low, ~self.event, self.entry)

    def after(self, start: float) -> KnownTimes:
        """Return the times of whom is at risk after a `start`, on the condition that the event is not before it.

        Args:
            start: In the unit of the times.
        """
        kept = self.high > start
        entry = np.maximum(self.entry, start)
        return KnownTimes(self.low[kept], self.high[kept], self.event[kept], entry[kept]).at_risk_some_time()

    @property
    def exact(self) -> bool:
        """Whether every time is known."""
        return bool((self.low == self.high).all())

    @property
    def middle(self) -> Floats:
        """The middle of what is possible, shape (subjects,)."""
        return (self.low + self.high) / 2


def expected_curve(times: KnownTimes, unit: float = 1.0) -> Curve:
    """Estimate survival; `events` and `at_risk` are what is expected where times are known in part.

    Args:
        times: The subjects, in whole units.
        unit: How long a unit is in the times of the curve, such as months of a day.

    Raises:
        ValueError: If no subject is ever at risk.

    >>> never = np.full(4, -np.inf)
    >>> times = KnownTimes(np.array([1.0, 4, 4, 9]), np.array([3.0, 6, 6, 9]), np.array([True, True, True, False]), never)
    >>> curve = expected_curve(times)
    >>> round(curve.at(3), 6), round(curve.at(6), 6), curve.number_at_risk(4)
    (0.75, 0.25, 3)
    """
    known = times.at_risk_some_time()
    if known.exact:
        return kaplan_meier(known.low * unit, known.event, known.entry * unit)
    grid = _Grid.of(known)
    events = grid.expected()
    at_risk = grid.at_risk(events)
    told = (events > 0) | (grid.leaving > 0)
    falls = np.divide(events, at_risk, out=np.zeros(len(events)), where=at_risk > 0)
    survival = np.cumprod(1.0 - falls, dtype=np.float64)
    return with_band(
        Curve(
            grid.time[told] * unit,
            at_risk[told],
            events[told],
            grid.leaving[told],
            survival[told],
            np.empty(0),
            np.empty(0),
            np.sort(np.where(known.entry <= 0, -np.inf, known.entry * unit)),
            np.sort(grid.exits(events) * unit),
        )
    )


@dataclass(frozen=True)
class _Grid:
    """Every unit of time at which something can have been, and where the intervals of the subjects lie in it."""

    time: Floats
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    weight: Floats
    fixed: Floats
    entered: Floats
    leaving: Floats
    times: KnownTimes

    @classmethod
    def of(cls, times: KnownTimes) -> _Grid:
        time = _units(times)
        low, high = np.searchsorted(time, times.low), np.searchsorted(time, times.high, side="right") - 1
        part = times.event & (high > low)
        pairs, weight = np.unique(np.column_stack([low, high])[part], axis=0, return_counts=True)
        exact = np.bincount(low[times.event & ~part], minlength=len(time)).astype(np.float64)
        leaving = np.bincount(low[~times.event], minlength=len(time)).astype(np.float64)
        entered = np.searchsorted(np.sort(times.entry), time, side="left").astype(np.float64)
        return cls(time, pairs[:, 0], pairs[:, 1], weight.astype(np.float64), exact, entered, leaving, times)

    def at_risk(self, events: Floats) -> Floats:
        gone = np.cumsum(self.leaving + events) - self.leaving - events
        return np.maximum(self.entered - gone, 0.0)

    def expected(self) -> Floats:
        """Return the events expected at each unit, once they no longer change the curve."""
        mass = np.ones(len(self.time))
        before = np.zeros(len(self.time))
        for _ in range(_STEPS):
            events = self._shared(mass)
            at_risk = self.at_risk(events)
            hazard = np.divide(events, at_risk, out=np.zeros(len(events)), where=at_risk > 0)
            survival = np.cumprod(1.0 - np.minimum(hazard, 1.0), dtype=np.float64)
            if np.abs(survival - before).max() < _TOLERANCE:
                break
            before = survival
            mass = np.concatenate([[1.0], survival[:-1]]) * hazard
        return events

    def _shared(self, mass: Floats) -> Floats:
        """Return the exact events, and those of each interval as the mass lies in it."""
        below = np.concatenate([[0.0], np.cumsum(mass)])
        share = self.weight / np.maximum(below[self.last + 1] - below[self.first], 1e-300)
        size = len(mass) + 1
        rate = np.cumsum(np.bincount(self.first, share, size) - np.bincount(self.last + 1, share, size))[:-1]
        return self.fixed + mass * np.maximum(rate, 0.0)

    def exits(self, events: Floats) -> Floats:
        """Return when each subject left: where the time is known in part, when it is expected to have ended."""
        times = self.times
        low, high = np.searchsorted(self.time, times.low), np.searchsorted(self.time, times.high, side="right") - 1
        count, moment = (np.concatenate([[0.0], np.cumsum(of)]) for of in (events, events * self.time))
        inside = count[high + 1] - count[low]
        mean = np.divide(moment[high + 1] - moment[low], inside, out=times.middle.copy(), where=inside > 1e-9)
        return np.where(times.event & (times.high > times.low), mean, times.low)


def _units(times: KnownTimes) -> Floats:
    """Return the units at which an event or a censoring can be, in rising order."""
    part = times.event & (times.high > times.low)
    bounds = [times.low, times.high]
    if part.any():
        start, end = float(times.low[part].min()), float(times.high[part].max())
        bounds.append(np.arange(start, end + 1))
    return np.unique(np.concatenate(bounds))
