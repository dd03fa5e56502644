"""Cox's proportional hazards, for a few covariates: log hazard ratios, their errors, and a check of proportionality.

Method: Cox (J R Stat Soc B 1972;34:187), ties by Efron (J Am Stat Assoc 1977;72:557), late entry as counting process
(Andersen and Gill, Ann Stat 1982;10:1100). The check is Grambsch and Therneau's with ranked event times (Biometrika
1994;81:515). Tests compare estimates, errors and the check with lifelines, and with R's survival where R is installed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
MOST_STEPS = 30
FLAT = 1e-9
"""Change of the log partial likelihood under which the estimate stands."""


@dataclass(frozen=True)
class CoxFit:
    """A fitted model; arrays have one place per covariate.

    Attributes:
        log_ratio: Log hazard ratio of one unit of each covariate.
        error: Standard error of each.
        covariance: Inverse of the information, shape (covariates, covariates).
        residuals: Schoenfeld residuals, shape (events, covariates), in order of time.
        times: Time of each of these events.
        converged: Whether the estimate stands: it runs away where a covariate parts events from all others.
    """

    log_ratio: Floats
    error: Floats
    covariance: Floats
    residuals: Floats
    times: Floats
    converged: bool

    def proportionality(self) -> Floats:
        """Return for each covariate the p value against a log hazard ratio that changes with the rank of time, shape (covariates,)."""
        from scipy.stats import chi2, rankdata  # Heavy, and only a page asks.

        ranks = rankdata(self.times)
        centred = ranks - ranks.mean()
        scaled = len(ranks) * self.residuals @ self.covariance
        spread = len(ranks) * np.diag(self.covariance) * (centred**2).sum()
        return np.asarray(chi2.sf((centred @ scaled) ** 2 / spread, 1))


def cox(time: ArrayLike, event: ArrayLike, covariates: ArrayLike, entry: ArrayLike | None = None, ridge: float = 0.0) -> CoxFit:
    """Fit Cox's model by Newton's steps.

    Args:
        time: End of follow-up, shape (subjects,).
        event: Whether it is the event, shape (subjects,).
        covariates: Shape (subjects, covariates).
        entry: When each came under observation, shape (subjects,); from the start where it is None.
        ridge: Penalty: half of it times the sum of squared log ratios is taken off the log likelihood.

    Raises:
        ValueError: If there is no event.

    Example:
        >>> fit = cox([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 0, 1], [[1], [0], [1], [0], [1], [0]])
        >>> fit.converged, round(float(fit.log_ratio[0]), 3)
        (True, 0.274)
    """
    ends, happened = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=bool)
    start = np.full(len(ends), -np.inf) if entry is None else np.asarray(entry, dtype=np.float64)
    x = np.asarray(covariates, dtype=np.float64)
    if not happened.any():
        raise ValueError("no event")
    x = x - x.mean(axis=0)
    beta, found, converged = _climbed(_Data(ends, happened, start, x, ridge), np.zeros(x.shape[1]))
    covariance = np.asarray(np.linalg.pinv(found.information), dtype=np.float64)
    variance = np.diag(covariance)
    # Where events tell nothing of a covariate, rounding leaves a variance of about 0, on either side of it.
    steady = converged and bool((np.abs(beta) < 15).all() and (variance >= 0).all())
    return CoxFit(
        beta, np.sqrt(np.where(variance >= 0, variance, np.nan)), covariance, found.residuals, np.sort(ends[happened]), steady
    )


def _climbed(data: _Data, beta: Floats) -> tuple[Floats, _Partial, bool]:
    """Return the top of the likelihood by Newton's steps from `beta`, what it is there, and whether it is the top."""
    before, found = -math.inf, data.partial(beta)
    for _ in range(MOST_STEPS):
        if found.likelihood - before < FLAT:
            return beta, found, True
        before = found.likelihood
        step = np.linalg.pinv(found.information) @ found.score
        found = data.partial(beta + step)
        while (found.likelihood < before - FLAT or not found.is_finite()) and np.abs(step).max() > FLAT:
            step = step / 2
            found = data.partial(beta + step)
        if not found.is_finite():
            return beta, data.partial(beta), False
        beta = beta + step
    return beta, found, False


@dataclass(frozen=True)
class _Partial:
    """The partial likelihood at one point: log value, gradient, information, and the Schoenfeld residuals."""

    likelihood: float
    score: Floats
    information: Floats
    residuals: Floats

    def is_finite(self) -> bool:
        """Tell whether it is a number everywhere: where ratios grow without end, weights at risk are lost beside others."""
        return bool(np.isfinite(self.likelihood) and np.isfinite(self.information).all())


class _Data:
    """The subjects, and the event times with what is at risk at each: sums over risk sets are differences of running sums."""

    def __init__(self, ends: Floats, event: NDArray[np.bool_], start: Floats, x: Floats, ridge: float) -> None:
        self.x, self.ends, self.event, self.ridge = x, ends, event, ridge
        self.by_end, self.by_start = np.argsort(ends, kind="stable"), np.argsort(start, kind="stable")
        self.times, self.ties = np.unique(ends[event], return_counts=True)
        self.left = np.searchsorted(ends[self.by_end], self.times, side="left")
        self.entered = np.searchsorted(start[self.by_start], self.times, side="left")
        # Efron: of the tied events, a share has left the risk set already.
        self.place = np.repeat(np.arange(len(self.times)), self.ties)
        self.gone = np.concatenate([np.arange(count) / count for count in self.ties])
        self.of_event = np.searchsorted(self.times, ends[event])

    def at_risk(self, values: Floats) -> Floats:
        """Return the sum of a quantity over who is at risk at each event time, shape (times, ...)."""

        def running(order: NDArray[np.intp]) -> Floats:
            first = np.zeros((1, *values.shape[1:]))
            return np.concatenate([first, np.cumsum(values[order], axis=0)])

        return np.asarray(running(self.by_start)[self.entered] - running(self.by_end)[self.left])

    def failing(self, values: Floats) -> Floats:
        """Return the sum of a quantity over the events of each time, shape (times, ...)."""
        found = np.zeros((len(self.times), *values.shape[1:]))
        np.add.at(found, self.of_event, values[self.event])
        return found

    def partial(self, beta: Floats) -> _Partial:
        """Return the partial likelihood at `beta`, shape (covariates,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._at(beta, np.exp(self.x @ beta))

    def _at(self, beta: Floats, weight: Floats) -> _Partial:
        """Return the partial likelihood from the weights of the subjects, shape (subjects,)."""
        first = weight[:, None] * self.x
        second = first[:, :, None] * self.x[:, None, :]
        total, mean, square = (
            self.at_risk(values)[self.place]
            - self.gone.reshape(-1, *([1] * (values.ndim - 1))) * self.failing(values)[self.place]
            for values in (weight, first, second)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._of_sums(beta, total, mean, square)

    def _of_sums(self, beta: Floats, total: Floats, mean: Floats, square: Floats) -> _Partial:
        """Return the partial likelihood from the sums of weights, covariates and their products at risk, shape (events, ...)."""
        mean = mean / total[:, None]
        square = square / total[:, None, None] - mean[:, :, None] * mean[:, None, :]
        expected = np.zeros((len(self.times), self.x.shape[1]))
        np.add.at(expected, self.place, mean)
        order = np.argsort(self.ends[self.event], kind="stable")
        failed = self.x[self.event][order]
        residuals = failed - (expected / self.ties[:, None])[self.of_event[order]]
        value = float((failed @ beta).sum() - np.log(total).sum() - self.ridge / 2 * beta @ beta)
        score = failed.sum(axis=0) - mean.sum(axis=0) - self.ridge * beta
        return _Partial(value, score, square.sum(axis=0) + self.ridge * np.eye(len(beta)), residuals)
