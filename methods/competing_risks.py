"""Cumulative incidence where another event may come first: the probability of a cause by a time, with the others competing.

Method: Aalen and Johansen (Scand J Stat 1978;5:141); the complement of Kaplan and Meier, which takes competing events for censoring, is
too high. Tests compare R's `survfit(Surv(time, factor(event)) ~ 1)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unibase.methods.survival import kaplan_meier


@dataclass(frozen=True)
class Incidence:
    """The cumulative incidence of one cause at distinct times, in rising order; all arrays have that length.

    Attributes:
        time: Distinct observed times.
        incidence: Probability that the cause came by then.
        events: Events of the cause at each time.
        at_risk: Subjects at risk just before each time.
    """

    time: NDArray[np.float64]
    incidence: NDArray[np.float64]
    events: NDArray[np.float64]
    at_risk: NDArray[np.float64]

    def at(self, time: float) -> float:
        """Return the probability by a `time`, in the unit of the times."""
        place = int(np.searchsorted(self.time, time, side="right")) - 1
        return float(self.incidence[place]) if place >= 0 else 0.0


def cumulative_incidence(time: ArrayLike, cause: ArrayLike, of: int = 1, entry: ArrayLike | None = None) -> Incidence:
    """Estimate the cumulative incidence of one cause.

    Args:
        time: Follow-up times, shape (subjects,), finite and not negative, in any unit.
        cause: 0 for who is censored, else the number of what happened, shape (subjects,).
        of: The cause that is asked for.
        entry: When each subject came under observation, shape (subjects,), as in `survival.kaplan_meier`.

    Raises:
        ValueError: If no subject is ever at risk, or a time is missing or negative.

    >>> cumulative_incidence([1, 2, 3, 4], [1, 2, 1, 0]).incidence.tolist()
    [0.25, 0.25, 0.5, 0.5]
    """
    times, causes = np.asarray(time, dtype=np.float64), np.asarray(cause, dtype=np.int64)
    curve = kaplan_meier(times, causes != 0, entry)
    starts = np.full(len(times), -np.inf) if entry is None else np.asarray(entry, dtype=np.float64)
    mine = times[(causes == of) & (starts < times)]
    events = np.bincount(np.searchsorted(curve.time, mine), minlength=len(curve.time)).astype(np.float64)
    free = np.concatenate([[1.0], curve.survival[:-1]])
    return Incidence(curve.time, np.cumsum(free * events / curve.at_risk), events, curve.at_risk)
