"""Survival curves of which no step tells of a few persons: whole months, steps of at least `min_cell` events, rounded counts.

Each step stands at the end of a whole month, so that no time of a person is on the page. Events since the beginning, and
the effective number at risk over a step, are rounded to multiples of `min_cell`; curve, band, median and the numbers
beneath are computed from these alone. The effective number at risk is the one for which events / number is the fall of
the Kaplan-Meier estimate over the step, so that censoring and late entry weigh as they do there. Where times are known in
part, the events are those that the estimate expects in a step: at least so many persons can have theirs in it.

Sources: Kaplan and Meier (1958); Greenwood (1926) and Kalbfleisch and Prentice for the band; median by linear
interpolation over a step, as in a life table (Lee and Wang, Statistical Methods for Survival Data Analysis, chapter 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unibase.methods.survival import NORMAL_975, Curve

_ALMOST = 1e-6
"""What a sum of expected events may miss of a whole number."""


@dataclass(frozen=True)
class Step:
    """One step: the whole month at its end, and the estimate with its 95 % limits from there on."""

    month: int
    survival: float
    lower: float
    upper: float


@dataclass(frozen=True)
class SteppedCurve:
    """A curve that may be shown.

    Attributes:
        start: Whole month from which it is drawn.
        end: Whole month to which it is drawn.
        steps: In order of time.
    """

    start: int
    end: int
    steps: tuple[Step, ...]

    def median(self) -> tuple[int | None, int | None, int | None]:
        """Return the median and its 95 % limits in whole months; None where the drawn curve does not reach it."""
        return tuple(_half(self, name) for name in ("survival", "lower", "upper"))  # type: ignore[return-value]


def rounded(count: int, min_cell: int) -> int:
    """Return a count as the nearest multiple of `min_cell`; half goes up.

    >>> [rounded(n, 11) for n in (0, 5, 6, 90)]
    [0, 0, 11, 88]
    """
    return min_cell * math.floor(count / min_cell + 0.5)


def stepped(curve: Curve, start: int, min_cell: int) -> SteppedCurve | None:
    """Return the curve in steps of at least `min_cell` events; None where there are too few persons or events to draw one.

    Args:
        curve: The estimate, times in months.
        start: Whole month from which it is drawn.
        min_cell: Fewest events of a step.
    """
    if len(curve.exits) < min_cell or 0 < round(curve.events.sum()) < min_cell:
        return None
    months = _ends(curve, start, min_cell)
    steps: list[Step] = []
    level, variance, happened = 1.0, 0.0, 0.0
    before: float = start or -1  # A step from the beginning has the events of time 0, too.
    for month in months:
        until = happened + _events(curve, before, month)
        events = rounded(_whole(until), min_cell) - rounded(_whole(happened), min_cell)
        ratio = curve.at(month) / curve.at(before)
        effective = (until - happened) / (1.0 - ratio)
        at_risk = max(rounded(round(effective), min_cell), events)
        level *= 1.0 - events / at_risk
        variance += events / (at_risk * (at_risk - events)) if at_risk > events else math.inf
        steps.append(Step(month, level, *_band(level, variance)))
        happened, before = until, month
    last = months[-1] if months else start
    end = last if _whole(happened) < _whole(float(curve.events.sum())) else max(last, _followed(curve, start, min_cell))
    return SteppedCurve(start, end, tuple(steps)) if end > start else None


def _whole(expected: float) -> int:
    """Return an expected number of persons as the nearest whole one."""
    return math.floor(expected + 0.5)


def _events(curve: Curve, after: float, until: float) -> float:
    return float(curve.events[(curve.time > after) & (curve.time <= until)].sum())


def _ends(curve: Curve, start: int, min_cell: int) -> list[int]:
    """Return the whole months at which steps end; events after the last of them are too few for a step."""
    ends: list[int] = []
    month, waiting = start, 0.0
    # Events of time 0 are those of the first month, which there is where nobody has a later time as well.
    by_month = np.bincount(np.ceil(curve.time).astype(np.int64), weights=curve.events, minlength=2)
    by_month[1] += by_month[0]
    for month in range(start + 1, len(by_month)):
        waiting += float(by_month[month])
        if waiting >= min_cell - _ALMOST:
            ends.append(month)
            waiting = 0.0
    return ends


def _followed(curve: Curve, start: int, min_cell: int) -> int:
    """Return the last whole month at which at least `min_cell` are at risk."""
    last = int(curve.time[-1])
    return max((m for m in range(start, last + 1) if curve.number_at_risk(m) >= min_cell), default=start)


def _band(level: float, variance: float) -> tuple[float, float]:
    if level >= 1.0:
        return 1.0, 1.0
    if level <= 0.0 or not math.isfinite(variance):
        return 0.0, math.nan
    spread = NORMAL_975 * math.sqrt(variance) / math.log(level)
    return level ** math.exp(-spread), level ** math.exp(spread)


def _half(curve: SteppedCurve, name: str) -> int | None:
    month, level = curve.start, 1.0
    for step in curve.steps:
        reached = float(getattr(step, name))
        if reached <= 0.5:
            return round(month + (step.month - month) * (level - 0.5) / (level - reached))
        month, level = step.month, reached
    return None
