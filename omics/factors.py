"""Library-size factors of bulk RNA-seq counts, one per sample.

Counts are samples x genes, non-negative, one row per sample. Methods and their sources:

- TMM: Robinson and Oshlack, Genome Biology 2010, 11:R25. Reference library: upper quartile closest to the mean.
- TMM with singleton pairing: the variant for many zeros, as edgeR's manual describes it.
- Relative log expression and median of ratios: Anders and Huber, Genome Biology 2010, 11:R106.
- Upper quartile: Bullard et al., BMC Bioinformatics 2010, 11:94.
- Positive counts: the median of ratios over geometric means that take zeros as ones without leaving them out of the
  number of samples, as DESeq2's manual describes it.

Oracle: edgeR 3.40.2 `calcNormFactors` and DESeq2 1.38.3 `estimateSizeFactors`, live in the tests where R is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundwork.problems import Unusable
from omics.kernels import AnyArray, FloatArray, exact_mean, geometric_mean, median_inplace, quantile7, select

FactorMethod = Literal["tmm", "tmmwsp", "rle", "upperquartile", "none"]
LOG_RATIO_TRIM = 0.3
SUM_TRIM = 0.05
ABUNDANCE_FLOOR = -1e10


@dataclass(frozen=True)
class TmmReference:
    """The library that others are compared with.

    Attributes:
        counts: Its counts per gene, float64.
        library_size: Its total.
        name: Name of the sample, empty when not known.
    """

    counts: FloatArray
    library_size: float
    name: str = ""


def library_sizes(counts: AnyArray) -> FloatArray:
    """Total count per sample; integers are summed exactly."""
    if np.issubdtype(counts.dtype, np.integer):
        return np.asarray(counts.sum(axis=1, dtype=np.int64), dtype=np.float64)
    return np.array([math.fsum(row) for row in counts], dtype=np.float64)


def expressed_genes(counts: AnyArray) -> NDArray[np.bool_]:
    """Genes with a positive count in any sample."""
    return np.asarray(np.greater(counts, 0).any(axis=0))


def norm_factors(
    counts: AnyArray,
    method: FactorMethod = "tmm",
    library_size: FloatArray | None = None,
    names: Sequence[str] | None = None,
) -> FloatArray:
    """Factors that multiply library sizes; their geometric mean is 1 (edgeR's convention).

    Args:
        counts: Samples x genes.
        method: See the module.
        library_size: Totals to use in place of the row sums.
        names: Sample names. When given, they settle ties in the choice of the reference sample, so the order of
            the samples does not matter; without them the first of the tied samples is taken, as edgeR does.

    Raises:
        Unusable: `empty-sample` when a total is zero; `zero-quantile` when the upper quartile of a sample is zero.
    """
    sizes = library_sizes(counts) if library_size is None else np.asarray(library_size, dtype=np.float64)
    _refuse_empty(sizes)
    keep = expressed_genes(counts)
    x = np.ascontiguousarray(counts if keep.all() else counts[:, keep])
    if x.shape[1] == 0 or x.shape[0] == 1 or method == "none":
        return np.ones(x.shape[0])
    if method == "upperquartile":
        raw = upper_quartiles(x) / sizes
        if raw.min() == 0:
            raise Unusable(
                "zero-quantile",
                f"The upper quartile of {int((raw == 0).sum())} samples is zero.",
                "Filter genes first, or use the method tmmwsp.",
            )
    elif method == "rle":
        raw = _median_ratios(x, _log_geometric_means(x), positive_only=False) / sizes
        if not (np.isfinite(raw) & (raw > 0)).all():
            raise Unusable(
                "no-common-gene",
                "The median ratio to the pseudo-reference is zero or undefined in some sample: too few genes are expressed in all.",
                "Use the method poscounts or tmmwsp.",
            )
    else:
        reference = tmm_reference(x, method, sizes, names)
        raw = tmm_raw(x, sizes, reference, method)
    return np.asarray(raw / geometric_mean(raw))


def tmm_reference(counts: AnyArray, method: FactorMethod, sizes: FloatArray, names: Sequence[str] | None = None) -> TmmReference:
    """Choose the reference library: the upper quartile closest to the mean for TMM, the largest sum of square roots for TMMwsp."""
    score: FloatArray
    if method == "tmm":
        quartiles = upper_quartiles(counts) / sizes
        score = -np.abs(quartiles - exact_mean(quartiles)) if np.median(quartiles) >= 1e-20 else _root_sums(counts)
    else:
        score = _root_sums(counts)
    best = np.flatnonzero(score == score.max())
    chosen = int(best[0]) if names is None else int(min(best, key=lambda i: names[int(i)]))
    return TmmReference(
        np.asarray(counts[chosen], dtype=np.float64), float(sizes[chosen]), "" if names is None else str(names[chosen])
    )


def tmm_raw(counts: AnyArray, sizes: FloatArray, reference: TmmReference, method: FactorMethod = "tmm") -> FloatArray:
    """Factor of each sample against `reference`, before the geometric mean is brought to 1."""
    if method == "tmmwsp":
        return np.array(
            [
                _tmmwsp_pair(np.asarray(row, np.float64), reference.counts, float(size), reference.library_size)
                for row, size in zip(counts, sizes, strict=True)
            ]
        )
    return np.asarray(_tmm_rows(counts, sizes, reference.counts, reference.library_size, LOG_RATIO_TRIM, SUM_TRIM))


def median_of_ratios(counts: AnyArray) -> FloatArray:
    """Size factors by the median of ratios to the geometric means, over genes positive in every sample.

    Raises:
        Unusable: `no-common-gene` when no gene is expressed in every sample.
    """
    log_means = _log_geometric_means(counts)
    if not np.isfinite(log_means).any():
        raise Unusable(
            "no-common-gene", "Every gene has a zero in some sample: no geometric mean is positive.", "Use poscounts or tmmwsp."
        )
    return median_of_ratios_against(counts, log_means)


def median_of_ratios_against(counts: AnyArray, log_geometric_means: FloatArray) -> FloatArray:
    """Size factors against log geometric means (natural log; -inf for genes that do not count)."""
    factors = _median_ratios(counts, log_geometric_means, positive_only=True)
    if not np.isfinite(factors).all():
        raise Unusable("empty-sample", "A sample has no positive count among the reference genes.", "Remove that sample.")
    return factors


def poscounts(counts: AnyArray) -> FloatArray:
    """Size factors by the median of ratios to geometric means over positive counts; their geometric mean is 1."""
    factors = median_of_ratios_against(counts, log_positive_means(counts))
    return np.asarray(factors / geometric_mean(factors))


def log_positive_means(counts: AnyArray) -> FloatArray:
    """Sum of the logs of the positive counts over the number of samples, zeros included; -inf for genes never seen."""
    positive = np.greater(counts, 0)
    logs = np.log(np.where(positive, counts, 1))
    means = _exact_column_sums(logs) / counts.shape[0]
    return np.where(positive.any(axis=0), means, -np.inf)


def upper_quartiles(counts: AnyArray) -> FloatArray:
    """The 75 % quantile of each row (Hyndman and Fan's definition 7)."""
    return np.asarray(_row_quantiles(np.ascontiguousarray(counts), 0.75))


def _refuse_empty(sizes: FloatArray) -> None:
    empty = int((~(sizes > 0)).sum())
    if empty:
        raise Unusable(
            "empty-sample", f"{empty} samples have no count at all.", "Run gates.check_counts first; it sets them aside."
        )


def _root_sums(counts: AnyArray) -> FloatArray:
    return np.array([math.fsum(np.sqrt(np.asarray(row, dtype=np.float64))) for row in counts])


def _log_geometric_means(counts: AnyArray) -> FloatArray:
    out = np.full(counts.shape[1], -np.inf)
    everywhere = np.flatnonzero(np.asarray(np.greater(counts, 0).all(axis=0)))
    if everywhere.size:
        out[everywhere] = _exact_column_sums(np.log(np.asarray(counts[:, everywhere], dtype=np.float64))) / counts.shape[0]
    return out


def _exact_column_sums(values: FloatArray) -> FloatArray:
    # fsum, so that a matrix with its samples in another order gives the same bits.
    return np.array([math.fsum(column) for column in values.T], dtype=np.float64)


def _median_ratios(counts: AnyArray, log_means: FloatArray, *, positive_only: bool) -> FloatArray:
    used = np.flatnonzero(np.isfinite(log_means))
    return np.asarray(_median_ratio_rows(np.ascontiguousarray(counts[:, used]), log_means[used], positive_only))


@njit(cache=True, nogil=True)
def _median_ratio_rows(counts, log_means, positive_only):  # type: ignore[no-untyped-def]
    n, genes = counts.shape
    out = np.empty(n)
    buffer = np.empty(genes)
    for i in range(n):
        used = 0
        for g in range(genes):
            count = float(counts[i, g])
            if positive_only:
                if count > 0.0:
                    buffer[used] = math.log(count) - log_means[g]
                    used += 1
            else:
                buffer[used] = count / math.exp(log_means[g])
                used += 1
        middle = median_inplace(buffer, used)
        out[i] = math.exp(middle) if positive_only else middle
    return out


@njit(cache=True, nogil=True)
def _row_quantiles(counts, probability):  # type: ignore[no-untyped-def]
    n, genes = counts.shape
    out = np.empty(n)
    buffer = np.empty(genes)
    for i in range(n):
        for g in range(genes):
            buffer[g] = counts[i, g]
        out[i] = quantile7(buffer, genes, probability)
    return out


@njit(cache=True, nogil=True)
def _trim_bounds(values, buffer, n, trim):  # type: ignore[no-untyped-def]
    """Return (low, keep_low, high, keep_high): which values survive trimming by average rank.

    A value stays when its rank, averaged over ties, lies in [floor(n * trim) + 1, n - floor(n * trim)].
    """
    first = math.floor(n * trim) + 1
    last = n + 1 - first
    for i in range(n):
        buffer[i] = values[i]
    low = select(buffer, n, first - 1)
    high = select(buffer, n, last - 1)
    below_low = same_low = below_high = same_high = 0
    for i in range(n):
        value = values[i]
        below_low += value < low
        same_low += value == low
        below_high += value < high
        same_high += value == high
    rank_low = below_low + (same_low + 1) / 2.0
    rank_high = below_high + (same_high + 1) / 2.0
    return low, first <= rank_low <= last, high, first <= rank_high <= last


@njit(cache=True, nogil=True)
def _tmm_rows(counts, sizes, reference, reference_size, log_ratio_trim, sum_trim):  # type: ignore[no-untyped-def]
    n, genes = counts.shape
    out = np.ones(n)
    seen = 0
    where = np.empty(genes, np.int64)
    for g in range(genes):
        if reference[g] > 0.0:
            where[seen] = g
            seen += 1
    share_ref = np.empty(seen)
    log_ref = np.empty(seen)
    var_ref = np.empty(seen)
    for k in range(seen):
        count = reference[where[k]]
        share_ref[k] = count / reference_size
        log_ref[k] = math.log2(share_ref[k])
        var_ref[k] = (reference_size - count) / reference_size / count
    ratio = np.empty(seen)
    abundance = np.empty(seen)
    variance = np.empty(seen)
    buffer = np.empty(seen)
    # Small counts recur thousands of times in a library: their logs and variances are looked up.
    table = 1024
    log_of = np.empty(table)
    for i in range(n):
        size = sizes[i]
        for count_value in range(1, table):
            log_of[count_value] = math.log2(count_value / size)
        used = 0
        largest = 0.0
        for k in range(seen):
            raw = counts[i, where[k]]
            if raw > 0:
                count = float(raw)
                share = count / size
                whole = int(raw)
                log_share = log_of[whole] if whole < table and whole == raw else math.log2(share)
                m = math.log2(share / share_ref[k])
                a = (log_share + log_ref[k]) / 2.0
                if a > ABUNDANCE_FLOOR:
                    ratio[used] = m
                    abundance[used] = a
                    variance[used] = (size - count) / size / count + var_ref[k]
                    largest = max(largest, abs(m))
                    used += 1
        if used == 0 or largest < 1e-6:
            continue
        m_low, m_low_in, m_high, m_high_in = _trim_bounds(ratio, buffer, used, log_ratio_trim)
        a_low, a_low_in, a_high, a_high_in = _trim_bounds(abundance, buffer, used, sum_trim)
        weighted = 0.0
        weights = 0.0
        for k in range(used):
            m = ratio[k]
            if m < m_low or m > m_high or (m == m_low and not m_low_in) or (m == m_high and not m_high_in):
                continue
            a = abundance[k]
            if a < a_low or a > a_high or (a == a_low and not a_low_in) or (a == a_high and not a_high_in):
                continue
            weighted += m / variance[k]
            weights += 1.0 / variance[k]
        if weights > 0.0:
            out[i] = 2.0 ** (weighted / weights)
    return out


def _tmmwsp_pair(counts: FloatArray, reference: FloatArray, size: float, reference_size: float) -> float:
    here, there = counts > 1e-14, reference > 1e-14
    both = here & there
    lone, lone_reference = counts[here & ~there], reference[there & ~here]
    pairs = min(lone.size, lone_reference.size)
    # Counts that are positive in one library only are paired up, largest with largest; what stays single is left out.
    x = np.concatenate([counts[both], np.sort(lone)[::-1][:pairs]])
    y = np.concatenate([reference[both], np.sort(lone_reference)[::-1][:pairs]])
    n = x.size
    if n == 0:
        return 1.0
    share, share_reference = x / size, y / reference_size
    m = np.array([math.log2(value) for value in share / share_reference])
    if np.abs(m).max() < 1e-6:
        return 1.0
    a = np.array([0.5 * math.log2(value) for value in share * share_reference])
    shrunk = np.array([math.log2(v) for v in ((x + 0.5) / (size + 0.5)) / ((y + 0.5) / (reference_size + 0.5))])
    kept = _middle(np.lexsort((shrunk, m)), LOG_RATIO_TRIM) & _middle(np.argsort(a, kind="stable"), SUM_TRIM)
    if not kept.any():
        return 1.0
    p, q, m = share[kept], share_reference[kept], m[kept]
    variance = (1 - p) / p / size + (1 - q) / q / reference_size
    weight = (1 + 1e-6) / (variance + 1e-6)
    return float(2.0 ** (math.fsum(weight * m) / math.fsum(weight)))


def _middle(order: NDArray[np.int64], trim: float) -> NDArray[np.bool_]:
    n = order.size
    cut = int(n * trim)
    kept = np.zeros(n, dtype=bool)
    kept[order[cut : n - cut]] = True
    return kept
