"""Survival from times that are known in part: a death of which the month is known, a progression between two visits.

Method: the nonparametric maximum likelihood estimate of Turnbull (J R Stat Soc B 1976;38:290) on his innermost intervals, by
self-consistency (EM). Convergence is judged by the conditions of Kuhn and Tucker that Gentleman and Geyer give (Biometrika
1994;81:618). Exact and right-censored times alone give the estimate of Kaplan and Meier. Tests compare R's `survfit` on
`Surv(left, right, type = "interval2")`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_STEPS = 50_000
_TOLERANCE = 1e-5
"""How far the conditions of Kuhn and Tucker may be missed: what is expected in an interval, for a mass of one."""
_LEAST = 1e-9
"""Mass below which an interval holds none."""


@dataclass(frozen=True)
class IntervalCurve:
    """A survival curve that falls somewhere within intervals; all arrays have the length of these.

    Attributes:
        left: First instant of each interval, in rising order.
        right: Last instant of each; where `left` is the same, the time is exact. Infinite for what lies beyond the last censoring.
        mass: Probability of the event in each.
        survival: Estimate after each.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    mass: NDArray[np.float64]
    survival: NDArray[np.float64]

    def at(self, time: float) -> float:
        """Return the estimate after all intervals that end by a `time`, in the unit of the times: the highest that it can be."""
        place = int(np.searchsorted(self.right, time, side="right")) - 1
        return float(self.survival[place]) if place >= 0 else 1.0

    def median(self) -> tuple[float, float]:
        """Return the interval in which the estimate falls to one half; NaN where it never does."""
        place = np.flatnonzero(self.survival <= 0.5 + 1e-9)
        if not len(place) or not np.isfinite(self.right[place[0]]):
            return float("nan"), float("nan")
        return float(self.left[place[0]]), float(self.right[place[0]])


def turnbull(earliest: ArrayLike, latest: ArrayLike) -> IntervalCurve:
    """Estimate survival where times are known as intervals.

    Args:
        earliest: First instant at which the event can have been, shape (subjects,); of who is censored the last instant without it.
        latest: Last instant at which it can have been, shape (subjects,), in the same unit; infinite or NaN for who is censored.

    Raises:
        ValueError: If there is no subject, or an interval that ends before it begins.

    >>> curve = turnbull([2, 3, 5, 8], [2, np.inf, 5, 8])  # exact and censored: the curve of Kaplan and Meier
    >>> curve.survival.round(6).tolist()
    [0.75, 0.375, 0.0]
    >>> turnbull([1, 4, 4], [3, 6, 6]).median()
    (4.0, 6.0)
    """
    low, high = np.asarray(earliest, dtype=np.float64), np.asarray(latest, dtype=np.float64)
    high = np.where(np.isnan(high), np.inf, high)
    if not len(low) or np.isnan(low).any() or (high < low).any():
        raise ValueError("an interval needs a beginning, and no earlier end")
    pairs, weights = np.unique(np.column_stack([low, high]), axis=0, return_counts=True)
    left, right = _innermost(pairs)
    first, last = _held(pairs, left, right)
    mass = _self_consistent(first, last, weights.astype(np.float64), len(left))
    kept = mass > 0
    mass = mass[kept]
    return IntervalCurve(left[kept], right[kept], mass, np.maximum(1.0 - np.cumsum(mass), 0.0).round(12))


_CLOSED, _END, _OPEN = 0, 1, 2
"""Order of what stands at one instant: an interval that begins there, one that ends there, and a censoring, which begins after it."""


def _innermost(pairs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the intervals from a beginning to the very next end, between which no other one begins or ends: only there is mass."""
    censored = np.isinf(pairs[:, 1])
    begins = np.column_stack([pairs[:, 0], np.where(censored, _OPEN, _CLOSED)])
    ends = np.column_stack([pairs[:, 1], np.full(len(pairs), _END)])
    marks = np.unique(np.concatenate([begins, ends]), axis=0)
    inner = (marks[:-1, 1] != _END) & (marks[1:, 1] == _END)
    return marks[:-1][inner, 0], marks[1:][inner, 0]


def _held(
    pairs: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first of the innermost intervals that lies in each observed one, and the last."""
    censored = np.isinf(pairs[:, 1])
    # What is censored at an instant holds no interval that is that instant alone.
    first = np.where(censored, np.searchsorted(right, pairs[:, 0], side="right"), np.searchsorted(left, pairs[:, 0], side="left"))
    return first.astype(np.int64), np.searchsorted(right, pairs[:, 1], side="right").astype(np.int64) - 1


def _self_consistent(
    first: NDArray[np.int64], last: NDArray[np.int64], weights: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Return the mass of each interval: what the observations expect there, given the masses themselves."""
    mass = np.full(count, 1.0 / count)
    total = weights.sum()
    for _ in range(_STEPS):
        before = np.concatenate([[0.0], np.cumsum(mass)])
        share = weights / np.maximum(before[last + 1] - before[first], 1e-300)
        change = np.bincount(first, share, count + 1) - np.bincount(last + 1, share, count + 1)
        gain = np.cumsum(change)[:count] / total
        if gain.max() <= 1 + _TOLERANCE and (gain[mass > 0] >= 1 - _TOLERANCE).all():
            break
        mass = mass * gain
        mass[mass < _LEAST] = 0.0
    return np.asarray(mass / mass.sum())
