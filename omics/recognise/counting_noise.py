"""What counting leaves in whole numbers, and what a factor, a length or a rounding takes from it.

Reads of one library scatter at least as Poisson's law says, whatever biology adds; and how many genes have 5, 6, 7 ... reads
changes smoothly. Values that were divided and rounded scatter less, or have combs. Where persons differ more than reads scatter,
the two samples that are most alike still tell it: given a gene's reads in both, how they part is at least binomial.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Values = NDArray[np.float64]

_WINDOWS = ((0.3, 1.0), (1.0, 4.0))
"""Mean counts of the genes that are looked at: where counting scatters most beside biology."""
_QUANTILES = (0.05, 0.1, 0.25)
_FEWEST_GENES, _MOST_GENES, _MOST_SAMPLES = 100, 4000, 48
_TWINS = 6
"""Simulated matrices of pure counting noise that a matrix is compared with; seeded, so that the answer is one."""
_LENGTHS = 0.5
"""Median distance, as a natural logarithm, that dividing by the genes' lengths brings; a tumour among normals has 0.3 to 0.6 and is asked about in part."""
_HIGHEST = 40
"""Largest value of the histogram that is looked at for combs."""
_STEP = 5
"""Numbers whose curves a step of the histogram at one place bends."""


def less_than_counting(x: Values) -> str:
    """Say so when genes of few reads vary less between samples than reads can, else nothing.

    Compared are low quantiles over genes of variance / mean with those of simulated reads of the same means and depths. A matrix
    from which rare genes were filtered is not looked at: what is left of them varies less by the choice.

    Args:
        x: Samples x genes, whole numbers.
    """
    x = x[:: max(1, len(x) // _MOST_SAMPLES)]
    depth = x.sum(axis=1)
    if len(x) < 4 or (depth <= 0).any():
        return ""
    if _filtered(x):
        return ""
    size = depth / depth.mean()
    scaled = x / size[:, None]
    mean = scaled.mean(axis=0)
    for low, high in _WINDOWS:
        genes = np.flatnonzero((mean >= low) & (mean <= high))
        genes = genes[:: max(1, len(genes) // _MOST_GENES)]
        if len(genes) >= _FEWEST_GENES and _below_twins(scaled[:, genes], size, (low, high)):
            return "genes of few reads vary less between samples than reads can"
    return ""


def _below_twins(scaled: Values, size: Values, window: tuple[float, float]) -> bool:
    found = np.quantile(_ratios(scaled), _QUANTILES)
    rng = np.random.default_rng(17)
    mean = scaled.mean(axis=0)
    twins = []
    for _ in range(_TWINS):
        twin = rng.poisson(mean * size[:, None]) / size[:, None]
        level = twin.mean(axis=0)
        inside = twin[:, (level >= window[0]) & (level <= window[1])]
        if inside.shape[1] < _FEWEST_GENES // 2:
            return False
        twins.append(np.quantile(_ratios(inside), _QUANTILES))
    expected, spread = np.mean(twins, axis=0), np.std(twins, axis=0, ddof=1)
    return bool((found < expected * 0.95 - 5 * spread).any())


def _ratios(scaled: Values) -> Values:
    return np.asarray(scaled.var(axis=0, ddof=1) / scaled.mean(axis=0))


_SUMS = (2, 3, 4)
"""Reads of a gene in two samples together, of which the parting is looked at: what a division leaves least of."""


def parted_too_evenly(x: Values) -> str:
    """Say so when the few reads of a gene part between two like samples more evenly than reads can, else nothing.

    Given their sum, Poisson counts of two samples are binomial, and whatever differs between them adds variance. A division takes
    variance away and puts nothing in its place. Each sample is compared with the one that it follows best; a quarter of the samples,
    at least three, must say the same, so that a copy of one sample condemns no matrix.

    Args:
        x: Samples x genes, whole numbers.
    """
    x = x[:: max(1, len(x) // _MOST_SAMPLES)]
    if len(x) < 4 or (x.sum(axis=1) <= 0).any() or _filtered(x):
        return ""
    fewest = max(3, len(x) // 4) - 1
    pairs = _most_alike(x)
    for total in _SUMS:
        told = sorted(found for i, j in pairs if (found := _parting(x[i], x[j], total)))
        if len(told) > fewest and told[fewest][0] < 0.93 and told[fewest][1] < -4:
            return "the few reads of rare genes part between like samples more evenly than reads can"
    return ""


def _filtered(x: Values) -> bool:
    """Whether rare genes were taken out: those that one sample alone has, and those that none has."""
    return bool(((x > 0).sum(axis=0) == 1).mean() < 0.002 and (x == 0).all(axis=0).mean() < 0.02)


def _most_alike(x: Values) -> list[tuple[int, int]]:
    """Return each sample and the one that it follows best; equal columns are copies, which tell nothing."""
    genes = np.flatnonzero(x.mean(axis=0) > 5)
    if len(genes) < _FEWEST_GENES:
        return []
    some = x[:, genes[:: max(1, len(genes) // _MOST_GENES)]]
    depth = x.sum(axis=1, keepdims=True)
    like = np.corrcoef(np.log1p(some / depth * np.median(depth)))
    like[(x[:, None, genes[:200]] == x[None, :, genes[:200]]).all(axis=2)] = -1
    return [(i, int(j)) for i, j in enumerate(like.argmax(axis=1)) if like[i, j] > 0]


def _parting(first: Values, second: Values, total: int) -> tuple[float, float] | None:
    """Return variance over that of the binomial, of genes with `total` reads in both together, and how many errors it is below 1."""
    genes = first + second == total
    if genes.sum() < _FEWEST_GENES:
        return None
    share = first[genes].sum() / (total * genes.sum())
    if not 0.02 < share < 0.98:
        return None
    ratio = (first[genes] - total * share) ** 2 / (total * share * (1 - share))
    error = ratio.std() / np.sqrt(len(ratio))
    return float(ratio.mean()), float((ratio.mean() - 1) / max(error, 1e-9))


def combed(x: Values) -> str:
    """Say so when some small whole numbers come much more often than their neighbours: what rounding leaves after a division.

    Each sample's histogram is compared with the geometric mean of what lies on both sides; over all, the excess follows chi-square.
    The worst stretch is left out: a filter for expressed genes leaves one step, and a division leaves teeth all over.

    Args:
        x: Samples x genes, whole numbers.
    """
    terms, known = np.zeros(_HIGHEST - 3), np.zeros(_HIGHEST - 3)
    for row in x:
        counts = np.bincount(row[(row > 0) & (row <= _HIGHEST + 2)].astype(np.int64), minlength=_HIGHEST + 3).astype(float)
        here, before, after = counts[3:_HIGHEST], counts[2 : _HIGHEST - 1], counts[4 : _HIGHEST + 1]
        wide_before, wide_after = counts[1 : _HIGHEST - 2], counts[5 : _HIGHEST + 2]
        # The curve through two neighbours on each side (weights of a cubic), which bends as a histogram does.
        smooth = (4 * (before + after) - (wide_before + wide_after)) / 6
        spread = here + (16 * (before + after) + (wide_before + wide_after)) / 36
        enough = (spread > 0) & (here + before + after >= 15)
        terms[enough] += (here - smooth)[enough] ** 2 / spread[enough]
        known += enough
    worst = int(np.argmax(np.convolve(terms, np.ones(_STEP), mode="valid")))
    rest = np.r_[0:worst, worst + _STEP : len(terms)]
    total, freedom = float(terms[rest].sum()), float(known[rest].sum())
    if freedom < 20:
        return ""
    # Neighbouring terms share values: the sum scatters about twice as far as chi-square's.
    excess = (total - freedom) / np.sqrt(2 * freedom) / 2
    return "some small whole numbers come more often than their neighbours" if excess > 6 and total > 1.6 * freedom else ""


def coverage_sums(x: Values) -> bool:
    """Whether genes without a read stand beside genes of many, and next to none has fewer than ten: sums of covered bases, as recount3's.

    `x`: samples x genes, whole numbers.

    >>> coverage_sums(np.array([[0.0, 101.0, 202.0, 0.0] * 300]))
    True
    """
    few = x[(x > 0) & (x <= 300)]
    return bool(few.size >= 500 and (x == 0).mean() >= 0.01 and (few < 10).mean() < 0.05)


def raised_by_one(x: Values) -> bool:
    """Whether 1 was added to every count: there is no zero, and 1 stands where zeros would, far more often than 2.

    `x`: samples x genes, whole numbers.

    >>> raised_by_one(np.array([[1.0] * 300 + [2.0] * 100 + [9.0] * 600]))
    True
    """
    ones = float((x == 1).mean())
    return bool(x.shape[1] >= 1000 and x.min() >= 1 and ones >= 0.03 and ones > 2 * (x == 2).mean())


def stray_samples(x: Values) -> list[int]:
    """Return the samples that follow the others far less closely than those follow each other: they may be of another unit.

    Args:
        x: Samples x genes, whole numbers.
    """
    depth = x.sum(axis=1)
    if (depth <= 0).any():
        return []
    # Rounding of TPM leaves a sum of a million, which no library among larger or smaller ones has by chance.
    million = np.abs(depth / 1e6 - 1) < 0.002
    if 0 < million.sum() < len(x) and x.shape[1] >= 1000 and abs(np.log(np.median(depth[~million]) / 1e6)) > 0.2:
        return [int(place) for place in np.flatnonzero(million)]
    if len(x) < 5:
        return []
    scaled = x / depth[:, None] * np.median(depth)
    profile = np.median(scaled, axis=0)
    genes = np.flatnonzero(profile >= 30)
    if len(genes) < _FEWEST_GENES:
        return []
    logs = np.log(np.maximum(scaled[:, genes], 0.5)) - np.log(profile[genes])
    spread = np.median(np.abs(logs - np.median(logs, axis=1, keepdims=True)), axis=1)
    first, second = np.sort(spread)[::-1][:2]
    far = first > 1.7 * second and first > 2 * np.median(spread) and first > _LENGTHS
    return [int(np.argmax(spread))] if far else []
