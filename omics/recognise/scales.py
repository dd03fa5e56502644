"""What the numbers of methylation, proteins and copy number mean."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from unibase.omics.recognise.expression_unit import Told, Values
from unibase.omics.recognise.ranks import SAID, are_ranks

_LOG2_MEDIANS = (21.0, 34.0)
"""Medians of log2 intensities of mass spectrometers. Natural logarithms of intensities with a median of 2^30 have less than 20.8; from there
to 18 both are found, and the study file must say which it is."""
_HIGHEST_LOGARITHM = 64.0
"""No intensity's log2 is above this."""
RANKS, ONES_AND_ZEROS, Z_SCORES = "ranks or percentiles", "ones and zeros", "z-scores"
TO_COHORT = "ratios to the middle of the file's own samples"
LOST = frozenset((RANKS, ONES_AND_ZEROS, Z_SCORES))
"""What tells nothing of the scale that it was made of."""


def _span(lowest: float, highest: float) -> str:
    """Say where values lie by round bounds: the bounds themselves would be values of persons."""
    bounds = (-100.0, -1.0, 0.0, 1.0, 10.0, 100.0, 1000.0)
    above = max((bound for bound in bounds if bound <= lowest), default=None)
    below = min((bound for bound in bounds if bound >= highest), default=None)
    low = "below -100" if above is None else f"from {above:g}"
    return f"all values {low}, some above 1000" if below is None else f"all values {low} to {below:g}"


_M_SPAN = 9.0
"""From the 1st to the 99th percentile of a sample: M-values of arrays reach over 10.6 to 12, natural logarithms over 8.3 at most."""


_M_WIDEST = 18.0
"""No natural logarithm spans so much: its beta values would lie below 1e-4."""
_M_HUMPS = 5.35
"""Between the median of what is methylated and of what is not: M-values of tumours have 5.5 to 6.8, their natural logarithms 3.8 to 4.8."""


def _log2_of_an_array(samples: list[Values]) -> bool:
    """Whether logits reach as far and lie as far apart as to base 2: those to base e are the same, times 0.69."""
    span = _span_of_most(samples)
    return span >= _M_WIDEST or (span >= _M_SPAN and _humps_apart(samples) >= _M_HUMPS)


def _humps_apart(samples: list[Values]) -> float:
    """Return the distance between the medians of values above and below zero, of the sample in the middle."""
    return float(
        np.median([float(np.median(row[row > 0]) - np.median(row[row < 0])) for row in samples if (row > 0).any()] or [0.0])
    )


def _span_of_most(samples: list[Values]) -> float:
    low, high = np.median([np.quantile(row, (0.01, 0.99)) for row in samples], axis=0)
    return float(high - low)


def methylation_unit(values: Values) -> Told:
    """Tell whether samples x probes are beta values, M-values, percent, or something else.

    Beta values have a floor and a roof and stand near both; M-values are their logits, so that a quarter of them at least lies
    beyond 2 on either side; percent reach beyond 1 in every sample.

    >>> methylation_unit(np.linspace(0, 1, 400).reshape(4, 100) ** 2).unit
    'beta'
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return Told("beta", "beta", ("no value at all",))
    lowest, highest = float(known.min()), float(known.max())
    said = _span(lowest, highest)
    if known.size >= 100 and are_ranks(values):
        return Told(RANKS, "other", (said, SAID))
    per_sample = [row[np.isfinite(row)] for row in values if np.isfinite(row).any()]
    if lowest >= 0 and highest <= 1:
        if known.size >= 100 and np.mean(known < 0.01) > 0.9:
            return Told("detection p-values", "other", (said, "nine tenths are below 0.01"))
        if known.size >= 100 and np.isin(known, (0.0, 1.0)).all():
            return Told("ones and zeros", "other", (said,))
        if _of_one_mean(values):
            return Told("values centred by probe", "other", (said, "the mean of each probe is the same"))
        if len(values) > 2 and known.size >= 300 and _spread_by_probe(values):
            return Told("values stretched by probe", "other", (said, "each probe reaches from 0 to 1"))
        return Told("beta", "beta", (said,))
    if lowest >= 0 and highest <= 100 and all(row.max() > 1.5 for row in per_sample) and (highest > 20 or known.size < 20):
        beyond = np.mean(known > 1)
        if beyond > 0.5:
            return Told("percent", "percent", (said, f"{beyond:.0%} of them above 1"))
    if lowest < 0 and highest < 30 and lowest > -30:
        return _logits(known, per_sample, said)
    return Told("intensities, or no methylation", "other", (said,))


def _spread_by_probe(values: Values) -> bool:
    """Whether nine tenths of the probes have a 0 and a 1, as a scaling of each between its extremes leaves."""
    return bool(np.mean((values == 0).any(axis=0) & (values == 1).any(axis=0)) >= 0.9)


def _of_one_mean(values: Values) -> bool:
    """Whether all probes have one mean over the samples, as residuals have: half of an array is methylated, and half is not."""
    if values.shape[1] < 100 or len(values) < 3:
        return False
    means = np.nanmean(values[:, np.isfinite(values).all(axis=0)], axis=0)
    return means.size >= 100 and float(means.std()) < 0.01


def _logits(known: Values, per_sample: list[Values], said: str) -> Told:
    """Tell M-values from natural logarithms and from differences, of values on both sides of zero."""
    beyond = np.mean(np.abs(known) > 2)
    said_beyond = f"{beyond:.0%} of them beyond 2 and -2"
    if beyond < 0.25 or not all(row.min() < 0 for row in per_sample):
        return Told("differences, z-scores or centred values", "other", (said, said_beyond))
    if known.size >= 100 and not _log2_of_an_array(per_sample):
        return Told("M-values, or natural logarithms", "other", (said, said_beyond, "narrower than log2 of an array"))
    return Told("M", "M", (said, said_beyond))


def protein_unit(values: Values, name: str = "") -> Told:
    """Tell whether samples x proteins are intensities or logarithms.

    Args:
        values: Samples x proteins; zero is missing.
        name: Name of the file, which may say that it holds Olink's NPX.
    """
    known = values[np.isfinite(values) & (values != 0)]
    if not known.size:
        return Told("intensities", "intensities", ("no value at all",))
    lowest, highest, median = float(known.min()), float(known.max()), float(np.median(known))
    said = _span(lowest, highest)
    rows = [row[np.isfinite(row) & (row != 0)] for row in values]
    low = [bool(row.max() < _HIGHEST_LOGARITHM) for row in rows if row.size]
    if are_ranks(np.where(values == 0, np.nan, values)):
        return Told(RANKS, "other", (said, SAID))
    if known.size >= 100 and np.isin(values[np.isfinite(values)], (0.0, 1.0)).all():
        return Told(ONES_AND_ZEROS, "other", (said,))
    if lowest < 0:
        return _ratios(values, said) if highest < _HIGHEST_LOGARITHM else Told("intensities less a background", "other", (said,))
    whole = bool((known == np.rint(known)).all())
    if whole and highest < 1000 and median < 40:
        return Told("spectral counts, or small intensities", "other", (said, "whole numbers, half of them below 40"))
    if any(low) and not all(low):
        return Told("logarithms or counts in some samples and intensities in others", "other", (said,))
    if whole:
        return Told("intensities", "intensities", (said, "whole numbers"))
    if highest >= _HIGHEST_LOGARITHM:
        if highest < 1000 and median < 40:
            return Told("ratios, percent or small intensities", "other", (said,))
        return Told("intensities", "intensities", (said, "above what logarithms reach"))
    if re.search(r"(?i)npx|olink", name):
        return Told("NPX", "log2", (said, "the file's name says NPX"))
    if _LOG2_MEDIANS[0] <= median <= _LOG2_MEDIANS[1] and lowest > 1:
        return Told("log2 intensities", "log2", (said, "the range of log2 of a mass spectrometer's intensities"))
    return Told("logarithms of an unknown base, or ratios", "other", (said,))


def _ratios(values: Values, said: str) -> Told:
    with np.errstate(invalid="ignore"):
        means = np.nanmean(values, axis=0)
        # R divides by n - 1, scikit-learn by n.
        spreads = [float(np.nanmedian(np.nanstd(values, axis=0, ddof=less))) for less in (0, 1)]
    if len(values) > 3 and np.nanmedian(np.abs(means)) < 1e-3 and min(abs(spread - 1) for spread in spreads) < 0.02:
        return Told(Z_SCORES, "other", (said, "mean 0 and spread 1 of each protein"))
    if len(values) > 3 and values.shape[1] >= _MANY_PROTEINS and _around_their_own_middle(values, spreads[0]):
        return Told(TO_COHORT, "other", (said, "mean or median of each protein is 0: another patient would change every value"))
    return Told("log2 ratio", "log2", (said, "values lie below zero"))


_MANY_PROTEINS = 20
"""So many have a median of 0 by no chance."""


def _around_their_own_middle(values: Values, spread: float) -> bool:
    """Whether nine tenths of the proteins have a mean or median of 0 over the samples, up to what was rounded away."""
    measured = values[:, np.isfinite(values).sum(axis=0) > 3]
    if not measured.size or not spread > 0:
        return False
    middles = (np.nanmean(measured, axis=0), np.nanmedian(measured, axis=0))
    return any(float(np.mean(np.abs(middle) < 1e-3 * max(spread, 0.1))) >= 0.9 for middle in middles)


def segment_unit(values: Values, weights: NDArray[np.float64], samples: NDArray[np.int64]) -> Told:
    """Tell whether levels of segments are log2 ratios, absolute copies, or something else.

    Args:
        values: Level of each segment.
        weights: Its length.
        samples: Number of its sample.
    """
    known = np.isfinite(values)
    values, weights, samples = values[known], weights[known], samples[known]
    if not values.size:
        return Told("log2 ratio", "log2 ratio", ("no value at all",))
    lowest, highest = float(values.min()), float(values.max())
    medians = np.array([_weighted_median(values[samples == s], weights[samples == s]) for s in np.unique(samples)])
    said = _span(lowest, highest)
    whole = bool((values == np.rint(values)).all())
    middle = float(np.median(medians))
    if lowest < 0:
        if whole and values.size > 3 and lowest >= -2 and highest <= 2 and np.unique(values).size > 2:
            return Told("calls (-2 to 2)", "other", (said, "whole numbers alone"))
        if medians.max() >= 1.5 or lowest < -60:
            return Told("samples of different units", "other", (said,))
        return Told("log2 ratio", "log2 ratio", (said,))
    if (values == 0).all():
        return Told("log2 ratio", "log2 ratio", ("all are 0",))
    if whole:
        if medians.max() <= 8 and (1.5 <= middle <= 4.5 or ((medians >= 2).any() and medians.min() >= 1)):
            return Told("absolute copies", "absolute copies", (said, "whole numbers around 2"))
        return Told("copies, ratios or calls", "other", (said, "whole numbers alone"))
    if 1.5 <= middle <= 4.5 and medians.min() >= 0.8:
        return Told("absolute copies", "absolute copies", (said, "around 2, none below 0"))
    if 0.7 <= middle <= 1.3 and lowest >= 0 and values.size > 3 and medians.min() > 0.5:
        return Told("ratios", "other", (said, "around 1, none below 0"))
    if medians.max() < 1.0:
        return Told("log2 ratio", "log2 ratio", (said, "around 0"))
    return Told("copies or ratios", "other", (said,))


def _weighted_median(values: Values, weights: Values) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
