"""What the numbers of a matrix mean, told from several independent pieces of evidence; one threshold tells nothing.

Counts are whole, of libraries of unequal size, without gaps among the small ones. What was divided by a library's size, a gene's
length or a quantile, or turned into logarithms, keeps a trace of it in every sample: equal sums, an equal quantile, size factors
of one, whole multiples of one number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unibase.omics.recognise.counting_noise import combed, coverage_sums, less_than_counting, parted_too_evenly, raised_by_one
from unibase.omics.recognise.ranks import SAID, are_ranks

type Values = NDArray[np.float64]
NOISE = 1e-3
"""Largest distance from a whole number that counts as noise of a float format."""


@dataclass(frozen=True)
class Told:
    """A unit and why.

    Attributes:
        unit: As the study file's key `unit` names it, or what the values look like when no such unit fits.
        evidence: Sentences for a person.
        kind: How gates go on: `counts`, `noisy-counts`, `estimated-counts`; `unclear`, which is asked about; or a kind that is refused.
    """

    unit: str
    kind: str
    evidence: tuple[str, ...]


def rna_unit(values: NDArray[np.generic]) -> Told:
    """Tell what a samples x genes matrix of expression holds; missing cells are left aside.

    Args:
        values: Samples x genes.
    """
    x = np.asarray(values, dtype=np.float64)
    known = x[np.isfinite(x)]
    if known.size == 0 or (known.min() == known.max() and known.min() != 0):
        return Told("one value", "constant", ("all cells have one value",))
    if known.min() < 0:
        return _below_zero(x, known)
    if are_ranks(x):
        return Told("ranks or percentiles", "calls", (SAID,))
    whole = np.rint(known)
    if (whole == known).all():
        return _whole_numbers(x, known)
    if np.abs(known - whole).max() <= NOISE and known.max() > 1:
        told = _whole_numbers(np.rint(x), whole)
        return Told("counts", "noisy-counts", ("within 0.001 of whole numbers",)) if told.kind == "counts" else told
    if known.max() <= 1:
        return Told("fractions", "fraction", ("no value exceeds 1",))
    return _fractional(x, known)


def _below_zero(x: Values, known: Values) -> Told:
    lowest = float(known.min())
    if abs(lowest - np.log2(0.001)) < 1e-3 and (known == known.min()).mean() > 0.01:
        return Told(
            "log2(value + 0.001)", "negative", ("the lowest value, of many cells, is log2(0.001): Toil's and Xena's TPM or FPKM",)
        )
    with np.errstate(invalid="ignore"):
        centred = np.nanmedian(np.abs(np.nanmean(x, axis=0))) < 0.01 if len(x) > 2 else False
    if centred:
        return Told("z-scores or centred logarithms", "negative", ("the mean of each gene is zero",))
    return Told("logarithms or centred values", "negative", ("values lie below zero",))


def _whole_numbers(x: Values, known: Values) -> Told:
    evidence = ["all values are whole numbers"]
    cells = int((known > 0).sum())
    if known.max() <= 1 and cells > 20:
        return Told("ones and zeros", "calls", ("no value exceeds 1",))
    if cells >= 5000 and known.max() < 30:
        return Told("calls or rounded logarithms", "calls", ("no value exceeds 30: libraries have genes of thousands of reads",))
    if cells > 20 and known.max() < 30 and (known == 2).mean() >= 0.3:
        return Told("copies of genes", "calls", ("no value exceeds 30 and most are 2, as of genes with two copies",))
    sums = np.nansum(x, axis=1)
    sums = sums[sums > 0]
    other = _of_one_sum(sums, x.shape[1]) or _of_many_bases(x) or _raised(x) or _multiplied(known) or _divided(x) or _too_even(x)
    if other := other or _unclear(x):
        return other
    if len(sums) > 1:
        evidence.append(f"sums of samples differ by a factor of {sums.max() / sums.min():.2g}")
    return Told("counts", "counts", tuple(evidence))


def _of_one_sum(sums: Values, genes: int) -> Told | None:
    if len(sums) < 2 or genes < 100:
        return None
    if np.abs(sums / 1e6 - 1).max() < 0.03 and np.ptp(sums) > 0:
        return Told("TPM or CPM, rounded", "per-million", ("each sample adds up to about a million",))
    if np.ptp(sums) <= 0.002 * sums.mean():
        return Told("values scaled to one sum", "per-million", ("all samples have the same sum: libraries never have",))
    return None


def _multiplied(known: Values) -> Told | None:
    """Tell counts of which each is a multiple of one number: both reads of a pair were counted, or they were multiplied."""
    some = known[known > 0].astype(np.int64)
    divisor = int(np.gcd.reduce(some)) if some.size >= 1000 else 1
    if divisor == 1:
        return None
    return Told("counts multiplied by a factor", "scaled", (f"every value is a multiple of {divisor}",))


def _of_many_bases(x: Values) -> Told | None:
    if not coverage_sums(x):
        return None
    return Told("sums of covered bases (recount3)", "coverage", ("genes have no read or many, and next to none a few",))


def _raised(x: Values) -> Told | None:
    if not raised_by_one(x):
        return None
    return Told("counts with 1 added", "raised", ("no value is 0, and 1 stands where zeros would",))


def _divided(x: Values) -> Told | None:
    if _gaps(x):
        return Told("counts divided by a factor, rounded", "scaled", ("small whole numbers are missing that counts would have",))
    quantile = _equal_quantile(x)
    if quantile and quantile >= 200:
        said = f"the upper quartile of every sample is {quantile:.0f}"
        return Told("values scaled to one quantile, rounded", "scaled", (said,))
    if _unit_size_factors(x, 1e-3):
        return Told("counts divided by size factors, rounded", "scaled", ("the size factor of every sample is 1",))
    comb = combed(x)
    return Told("counts divided or multiplied by a factor, rounded", "combed", (comb,)) if comb else None


def _too_even(x: Values) -> Told | None:
    said = less_than_counting(x) or parted_too_evenly(x)
    return Told("FPKM, TPM or normalised values, rounded", "scaled", (said,)) if said else None


_MANY_GENES, _SHALLOW = 8_000, 1e6
"""Genes that a sample of rounded FPKM has, at least, and what its values add up to, at most: shallow libraries have both, too."""


def _unclear(x: Values) -> Told | None:
    """Tell what counts seldom look like, and rounded values often: nobody can tell, and the user is asked."""
    said = _no_single_reads(x)
    if not said and np.median((x > 0).sum(axis=1)) >= _MANY_GENES and np.median(np.nansum(x, axis=1)) < _SHALLOW:
        said = f"samples have values of {_MANY_GENES:,} genes and more, which add up to less than a million"
    return Told("counts, or values that were divided and rounded", "unclear", (said,)) if said else None


def _gaps(x: Values) -> bool:
    """Whether a sample lacks small whole numbers of which it has the neighbours: what a factor above one leaves when it is rounded."""
    for row in x:
        small = row[(row > 0) & (row <= 64)].astype(np.int64)
        counts = np.bincount(small, minlength=65)[1:65].astype(float)
        if counts.sum() < 60:
            continue
        # What both sides have: a filter for expressed genes leaves an edge, and no gap.
        sides = np.convolve(np.pad(counts, (2, 1)), [0.5, 0.5], mode="valid")
        around = np.minimum(sides[:-2], np.append(sides[3:], 0.0))
        empty = np.exp(-around)
        missing = float(around[counts == 0].sum())
        expected, spread = float((around * empty).sum()), float((around**2 * empty * (1 - empty)).sum()) ** 0.5
        if missing > expected + 6 * spread + 8:
            return True
    return False


def _no_single_reads(x: Values) -> str:
    """Say so when genes that are not in every sample have more than one or two wherever they are: single reads are what they have.

    Of real counts (TCGA-LUAD, airway) 69 to 97 % of the genes that a sample lacks have a single read in another.
    """
    absent = (x == 0).mean(axis=0)
    # A matrix from which rare genes were filtered has lost what is looked at here.
    if len(x) < 3 or (absent == 1).mean() < 0.02:
        return ""
    rare = x[:, (absent >= 0.5) & (absent < 1)]
    found = rare[rare > 0]
    some = x[:, (absent > 0) & ((x > 0).sum(axis=0) >= 2)]
    if found.size < 100 or (found % 10 == 0).all() or some.shape[1] < 100:
        return ""
    least = np.where(some > 0, some, np.inf).min(axis=0)
    if (found <= 2).mean() >= 0.5 and (least == 1).mean() >= 0.58:
        return ""
    return "genes that some samples lack have no single reads in the others"


def _equal_quantile(x: Values) -> float:
    """Return the upper quartile of the values above zero, or of all, when all samples share it and their sums differ; else 0."""
    if len(x) < 3 or x.shape[1] < 100:
        return 0.0
    sums = np.nansum(x, axis=1)
    if (sums <= 0).any() or np.ptp(sums) < 0.01 * sums.mean():
        return 0.0
    for above_zero in (True, False):
        for q in (0.75, 0.5):
            found = np.array([np.quantile(row[row > 0] if above_zero else row[np.isfinite(row)], q) for row in x])
            if found.min() > 0 and np.ptp(found) <= 5e-3 * found.mean():
                return float(found.mean())
    return 0.0


def _unit_size_factors(x: Values, tolerance: float) -> bool:
    """Whether the medians of ratios (DESeq2's size factors) are one for all samples though their sums differ."""
    if len(x) < 3:
        return False
    common = x[:, (x > 0).all(axis=0)]
    if common.shape[1] < 100:
        return False
    logs = np.log(common)
    factors = np.median(logs - logs.mean(axis=0), axis=1)
    sums = np.log(x.sum(axis=1))
    return bool(np.abs(factors).max() < tolerance and np.ptp(sums) > 20 * tolerance)


def _fractional(x: Values, known: Values) -> Told:
    sums = np.where(np.isfinite(x), x, 0).sum(axis=1)
    positive = sums[sums > 0]
    whole_multiples = _multiples(x)
    if positive.size and np.abs(positive / 1e6 - 1).max() < 0.02:
        if whole_multiples:
            return Told("CPM", "per-million", ("each sample adds up to a million", "its values are multiples of one number"))
        return Told("TPM", "per-million", ("each sample adds up to a million",))
    logs = _logarithms(x, known) if known.max() < 60 else None
    if logs:
        return logs
    quantile = _equal_quantile(x)
    if quantile:
        said = "RSEM values of TCGA" if abs(quantile / 1000 - 1) < 0.01 else "values"
        return Told(f"{said} scaled to one quantile", "scaled", (f"the upper quartile of every sample is {quantile:.3g}",))
    if whole_multiples:
        return Told("counts divided by a size factor", "scaled", ("the values of each sample are whole multiples of one number",))
    if _unit_size_factors(x, 1e-6):
        return Told("counts divided by size factors", "scaled", ("the size factor of every sample is 1",))
    return _estimated_or_per_length(x, positive)


def _estimated_or_per_length(x: Values, sums: Values) -> Told:
    share = np.array([_share_whole(row) for row in x if (row > 0).any()])
    if len(share) > 1 and (share == 1).any() and share.min() < 0.9:
        return Told("samples of different units", "mixed", ("some samples hold whole numbers alone, and others do not",))
    if share.max() < 0.6 and _parts_of_whole(x):
        return Told("whole numbers divided by one number", "scaled", ("all values are whole multiples of one fraction",))
    if share.min() >= 0.2:
        said = f"{np.median(share):.0%} of the values above zero are whole, as of genes whose reads are all unique"
        return Told("expected counts", "estimated-counts", (said,))
    if np.median(sums) > 3e6:
        return Told(
            "FPKM-UQ, or counts estimated and scaled",
            "per-million",
            ("few values are whole", f"samples add up to some 10^{np.log10(np.median(sums)):.0f}"),
        )
    said = f"{np.median(share):.1%} of the values above zero are whole"
    return Told(
        "FPKM, or values normalised otherwise",
        "per-million",
        (said, f"samples add up to some 10^{np.log10(np.median(sums)):.0f}, each to another sum"),
    )


def _parts_of_whole(x: Values) -> bool:
    """Whether all values are thirds, quarters, ... of whole numbers, but for the digits that they were written with."""
    known = x[np.isfinite(x) & (x > 0)]
    parts = np.unique(np.round(known - np.floor(known), 2))
    return known.size >= 100 and parts.size <= 4


_SIX_DIGITS = 10_000


def _share_whole(row: Values) -> float:
    positive = row[np.isfinite(row) & (row > 0)]
    # Six digits of a large value are whole, whatever it was.
    positive = positive[positive < _SIX_DIGITS] if (positive < _SIX_DIGITS).sum() >= 20 else positive
    return float((np.abs(positive - np.rint(positive)) <= NOISE).mean())


def _multiples(x: Values) -> bool:
    """Whether the small values of each sample are whole multiples of one number, which is not 1."""
    steps = []
    for row in x:
        positive = np.unique(row[np.isfinite(row) & (row > 0)])
        if positive.size < 20:
            return False
        step = _step(positive)
        if step is None:
            return False
        steps.append(step)
    tens = np.log10(steps)
    # Steps of 1, 0.1, 0.01 are how many digits were written.
    return not np.allclose(tens, np.rint(tens), atol=0.002)


def _step(positive: Values) -> float | None:
    for divisor in (1, 2, 3, 5):
        step = positive[0] / divisor
        ratios = positive[positive <= 15 * step] / step
        precise = abs(step) > 1e-3 or ratios.size < 40
        whole = np.rint(ratios)
        near = ratios.size >= 5 and (np.abs(ratios - whole) < 0.02).all()
        if near and precise and np.unique(whole).size >= 5:
            return float(step)
    return None


_BASES = ((2.0, "log2"), (np.e, "ln"), (10.0, "log10"))


def _logarithms(x: Values, known: Values) -> Told | None:
    for base, name in _BASES:
        with np.errstate(over="ignore"):
            back = base**known - 1
        if not np.isfinite(back).all() or back.max() > 1e12:
            continue
        slack = np.maximum(2e-3, np.log(base) * (back + 1) * 1e-4)
        near = np.abs(back - np.rint(back)) <= slack
        small = (back > 0.5) & (back < 500)
        if small.sum() >= 10 and near[small].all() and back.max() > 30:
            return Told(f"{name}(count + 1)", "log", (f"{base:.3g}^value - 1 is whole",))
        sums = np.nansum(base ** np.where(np.isfinite(x), x, 0) - 1, axis=1)
        if np.abs(sums / 1e6 - 1).max() < 0.05:
            return Told(
                f"{name}(TPM + 1) or {name}(CPM + 1)", "log", (f"{base:.3g}^value - 1 adds up to a million in each sample",)
            )
    if known.max() < 40:
        return Told("log2(FPKM + 1), or other logarithms", "log", ("no value exceeds 40",))
    return None
