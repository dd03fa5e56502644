"""The Kaplan-Meier estimate of a release page: curve, confidence band, median and numbers at risk.

Method: Kaplan and Meier (1958); variance by Greenwood; band by log(-log S) (Kalbfleisch and Prentice), as
R's `survfit(..., conf.type = "log-log")`. Tests compare every number with R's survival and with lifelines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

NORMAL_975 = 1.959963984540054
"""The 97.5 % quantile of the standard normal law."""
PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Curve:
    """A survival curve at its distinct times, in rising order; all arrays have that length.

    Attributes:
        time: Distinct observed times (events and censorings).
        at_risk: Subjects at risk just before each time; the expected number where times are known in part.
        events: Events at each time, or the expected number.
        censored: Censorings at each time.
        survival: Estimate just after each time.
        lower: Lower limit of the pointwise 95 % band; NaN where S = 0; 1 before the first event.
        upper: Upper limit of the pointwise 95 % band.
        entries: When each subject came under observation, ascending; minus infinity for who was from the start.
        exits: When each left it, ascending.
    """

    time: NDArray[np.float64]
    at_risk: NDArray[np.float64]
    events: NDArray[np.float64]
    censored: NDArray[np.float64]
    survival: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    entries: NDArray[np.float64]
    exits: NDArray[np.float64]

    def number_at_risk(self, time: float) -> int:
        """Return how many subjects were followed just before `time`.

        >>> kaplan_meier([2.0, 3.0, 5.0], [1, 0, 1]).number_at_risk(3.0)
        2
        """
        return int(_at_risk(self.entries, self.exits, time))

    def at(self, time: float) -> float:
        """Return the estimate just after `time`.

        >>> curve = kaplan_meier([2.0, 3.0, 5.0], [1, 0, 1])
        >>> round(curve.at(2.0), 4), curve.at(5.0)
        (0.6667, 0.0)
        """
        place = int(np.searchsorted(self.time, time, side="right")) - 1
        return float(self.survival[place]) if place >= 0 else 1.0

    def median(self) -> tuple[float, float, float]:
        """Return the median and its 95 % limits (Brookmeyer and Crowley); NaN where it is not reached.

        As R's `quantile.survfit`: when the curve is flat at one half, the middle of that step.
        """
        return _crossing(self.time, self.survival), _crossing(self.time, self.lower), _crossing(self.time, self.upper)


def _crossing(time: NDArray[np.float64], level: NDArray[np.float64]) -> float:
    below = np.flatnonzero(level <= 0.5 + 1e-12)
    if not len(below):
        return float("nan")
    first = int(below[0])
    if abs(level[first] - 0.5) <= 1e-12:
        after = np.flatnonzero(level < 0.5 - 1e-12)
        end = time[int(after[0])] if len(after) else time[-1]
        return float((time[first] + end) / 2)
    return float(time[first])


def _at_risk(entries: NDArray[np.float64], exits: NDArray[np.float64], time: ArrayLike) -> NDArray[np.int64]:
    """Count who has `entry < time <= exit`, from both in rising order."""
    return np.asarray(np.searchsorted(entries, time, side="left") - np.searchsorted(exits, time, side="left"), dtype=np.int64)


def kaplan_meier(time: ArrayLike, event: ArrayLike, entry: ArrayLike | None = None) -> Curve:
    """Estimate survival from right-censored times, left-truncated ones included.

    Args:
        time: Follow-up times, shape (n,), finite and not negative, in any unit.
        event: True where the event was observed, shape (n,).
        entry: When each subject came under observation, shape (n,), in the same unit, as in R's `Surv(entry, time, event)`:
            at risk from there on, and never where `entry >= time`. At or below 0 is from the start.

    Raises:
        ValueError: If no subject is ever at risk, or a time is missing or negative.

    >>> kaplan_meier([2, 3, 5, 8], [True, False, True, True]).survival.tolist()
    [0.75, 0.75, 0.375, 0.0]
    """
    times = np.asarray(time, dtype=np.float64)
    observed = np.asarray(event, dtype=bool)
    starts = np.full(len(times), -np.inf) if entry is None else np.asarray(entry, dtype=np.float64)
    if not len(times) or not np.isfinite(times).all() or (times < 0).any() or np.isnan(starts).any():
        raise ValueError("survival needs at least one subject and finite times of at least 0")
    seen = starts < times
    times, observed = times[seen], observed[seen]
    starts = np.where(starts[seen] <= 0, -np.inf, starts[seen])
    if not len(times):
        raise ValueError("survival needs at least one subject: all entered when they had left")
    distinct, place = np.unique(times, return_inverse=True)
    events = np.bincount(place[observed], minlength=len(distinct)).astype(np.float64)
    leaving = np.bincount(place, minlength=len(distinct)).astype(np.float64)
    entries, exits = np.sort(starts), np.sort(times)
    at_risk = _at_risk(entries, exits, distinct).astype(np.float64)
    survival = np.cumprod(1.0 - events / at_risk, dtype=np.float64)
    return with_band(Curve(distinct, at_risk, events, leaving - events, survival, survival, survival, entries, exits))


def with_band(curve: Curve) -> Curve:
    """Return a curve with the limits of its band, from its numbers of events and at risk.

    Args:
        curve: The estimate; its `lower` and `upper` are not read.
    """
    lower, upper = _band(curve.survival, curve.events, curve.at_risk)
    return replace(curve, lower=lower, upper=upper)


def _band(
    survival: NDArray[np.float64], events: NDArray[np.float64], at_risk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the limits of the band at each time."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        spread = NORMAL_975 * np.sqrt(greenwood) / np.log(survival)
        lower = survival ** np.exp(-spread)
        upper = survival ** np.exp(spread)
    # The transformation has no value at S = 1 nor at S = 0, and R says NA to both; before the first event the band is
    # drawn as the estimate itself.
    certain = survival == 1.0
    lower[certain] = upper[certain] = 1.0
    gone = survival <= 0.0
    lower[gone] = upper[gone] = np.nan
    return lower, upper


def concordance(risk: ArrayLike, time: ArrayLike, event: ArrayLike, entry: ArrayLike | None = None) -> float:
    """Return Harrell's C: of the pairs of which one is known to fail first, in how many that one has the higher risk.

    Ties of the risk count one half (Harrell, Lee and Mark, Stat Med 1996;15:361). With late entry a pair counts where the
    other is under observation when the first fails.

    Args:
        risk: Higher for who should fail earlier, shape (subjects,).
        time: End of follow-up, shape (subjects,).
        event: Whether it is the event, shape (subjects,).
        entry: When each came under observation, shape (subjects,); from the start where it is None.

    Returns:
        NaN where no pair can be compared.

    Example:
        >>> concordance([3.0, 2.0, 1.0], [1, 2, 3], [True, True, False])
        1.0
    """
    scores, ends, happened = np.asarray(risk, np.float64), np.asarray(time, np.float64), np.asarray(event, bool)
    start = np.full(len(ends), -np.inf) if entry is None else np.asarray(entry, np.float64)
    alike, pairs = 0.0, 0
    first = np.flatnonzero(happened)
    # A block of events beside all subjects: fast for the few of a bootstrap sample, and small for the many of a register.
    size = max(1, PAIRS_AT_ONCE // max(1, len(ends)))
    for places in (first[low : low + size, None] for low in range(0, len(first), size)):
        later = (ends > ends[places]) | ((ends == ends[places]) & ~happened)
        compared = later & (start < ends[places])
        pairs += int(compared.sum())
        alike += float((compared & (scores < scores[places])).sum()) + 0.5 * float((compared & (scores == scores[places])).sum())
    return alike / pairs if pairs else math.nan
