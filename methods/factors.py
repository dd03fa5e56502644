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
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import EMPTY_SAMPLE, NO_COMMON_GENE, ZERO_QUANTILE
from unibase.methods.compiled.exact import AnyArray, FloatArray, exact_mean, geometric_mean
from unibase.methods.compiled.factor_rows import add_log_counts, median_ratio_of_rows, ordered_windows, tmm_of_rows

FactorMethod = Literal["tmm", "tmmwsp", "rle", "upperquartile", "none"]
LOG_RATIO_TRIM = 0.3
SUM_TRIM = 0.05


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
    """Total count per sample of samples x genes `counts`; integers are summed exactly.

    >>> library_sizes(np.array([[1, 2, 3], [0, 4, 4]])).tolist()
    [6.0, 8.0]
    """
    if np.issubdtype(counts.dtype, np.integer):
        return np.asarray(counts.sum(axis=1, dtype=np.int64), dtype=np.float64)
    return np.array([math.fsum(row) for row in counts], dtype=np.float64)


def expressed_genes(counts: AnyArray) -> NDArray[np.bool_]:
    """Genes with a positive count in any sample of samples x genes `counts`.

    >>> expressed_genes(np.array([[1, 0, 3], [0, 0, 4]])).tolist()
    [True, False, True]
    """
    return np.asarray(np.greater(counts, 0).any(axis=0))


def norm_factors(
    counts: AnyArray,
    method: FactorMethod = "tmm",
    library_size: FloatArray | None = None,
    names: Sequence[str] | None = None,
    *,
    reference: int | None = None,
    log_ratio_trim: float = LOG_RATIO_TRIM,
    sum_trim: float = SUM_TRIM,
    weighted: bool = True,
    quantile: float = 0.75,
) -> FloatArray:
    """Factors that multiply library sizes; their geometric mean is 1 (edgeR's convention).

    Args:
        counts: Samples x genes.
        method: See the module.
        library_size: Totals to use in place of the row sums.
        names: Sample names. When given, they settle ties in the choice of the reference sample, so the order of
            the samples does not matter; without them the first of the tied samples is taken, as edgeR does.
        reference: Position of the sample that TMM and TMMwsp compare with, in place of the one they would choose.
        log_ratio_trim: Share of genes that TMM and TMMwsp leave out at either end of the log ratios.
        sum_trim: The same for the mean abundances.
        weighted: Weigh the log ratios by their precision.
        quantile: Which quantile `upperquartile` takes.

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
        raw = _raw_quartiles(x, sizes, quantile)
    elif method == "rle":
        raw = _raw_rle(x, sizes)
    else:
        chosen = tmm_reference(x, method, sizes, names)
        if reference is not None:
            chosen = TmmReference(np.asarray(x[reference], dtype=np.float64), float(sizes[reference]))
        raw = tmm_raw(x, sizes, chosen, method, log_ratio_trim=log_ratio_trim, sum_trim=sum_trim, weighted=weighted)
    return np.asarray(raw / geometric_mean(raw))


def _raw_quartiles(x: AnyArray, sizes: FloatArray, quantile: float) -> FloatArray:
    raw = (upper_quartiles(x) if quantile == 0.75 else np.quantile(x, quantile, axis=1)) / sizes
    if raw.min() == 0:
        raise Unusable(
            ZERO_QUANTILE,
            f"The upper quartile of {int((raw == 0).sum())} samples is zero.",
            "Filter genes first, or use the method tmmwsp.",
        )
    return np.asarray(raw)


def _raw_rle(x: AnyArray, sizes: FloatArray) -> FloatArray:
    raw = _median_ratios(x, log_geometric_means(x), positive_only=False) / sizes
    if not (np.isfinite(raw) & (raw > 0)).all():
        raise Unusable(
            NO_COMMON_GENE,
            "The median ratio to the pseudo-reference is zero or undefined in some sample: too few genes are expressed in all.",
            "Use the method poscounts or tmmwsp.",
        )
    return np.asarray(raw)


def tmm_reference(counts: AnyArray, method: FactorMethod, sizes: FloatArray, names: Sequence[str] | None = None) -> TmmReference:
    """Choose the reference: the upper quartile closest to the mean for TMM, the largest sum of square roots for TMMwsp.

    Args:
        counts, sizes: Samples x genes, and the library size of each sample.
        method: `tmm` or `tmmwsp`.
        names: Names of the samples, the first of which wins a tie; their order without them.
    """
    score: FloatArray
    if method == "tmm":
        quartiles = upper_quartiles(counts) / sizes
        score = -np.abs(quartiles - exact_mean(quartiles)) if np.median(quartiles) >= 1e-20 else root_sums(counts)
    else:
        score = root_sums(counts)
    best = np.flatnonzero(score == score.max())
    chosen = int(best[0]) if names is None else int(min(best, key=lambda i: names[int(i)]))
    return TmmReference(
        np.asarray(counts[chosen], dtype=np.float64), float(sizes[chosen]), "" if names is None else str(names[chosen])
    )


def tmm_raw(
    counts: AnyArray,
    sizes: FloatArray,
    reference: TmmReference,
    method: FactorMethod = "tmm",
    *,
    log_ratio_trim: float = LOG_RATIO_TRIM,
    sum_trim: float = SUM_TRIM,
    weighted: bool = True,
) -> FloatArray:
    """Factor of each sample against `reference`, before the geometric mean is brought to 1; options as in `norm_factors`.

    Args:
        counts, sizes: Samples x genes, and the library size of each sample.
        method, log_ratio_trim, sum_trim, weighted: As `norm_factors` takes them.
    """
    if method == "tmmwsp":
        return np.array(
            [
                _tmmwsp_pair(np.asarray(row, np.float64), float(size), reference, log_ratio_trim, sum_trim, weighted)
                for row, size in zip(counts, sizes, strict=True)
            ]
        )
    return np.asarray(tmm_of_rows(counts, sizes, reference.counts, reference.library_size, log_ratio_trim, sum_trim, weighted))


def median_of_ratios(counts: AnyArray) -> FloatArray:
    """Size factors of samples x genes `counts` by the median of ratios, over genes positive in every sample.

    Anders and Huber, Genome Biology 2010.

    Raises:
        Unusable: `no-common-gene` when no gene is expressed in every sample.

    >>> median_of_ratios(np.array([[10, 20, 30], [20, 40, 60]])).round(4).tolist()
    [0.7071, 1.4142]
    """
    log_means = log_geometric_means(counts)
    if not np.isfinite(log_means).any():
        raise Unusable(
            NO_COMMON_GENE, "Every gene has a zero in some sample: no geometric mean is positive.", "Use poscounts or tmmwsp."
        )
    return median_of_ratios_against(counts, log_means)


def median_of_ratios_against(counts: AnyArray, log_geometric_means: FloatArray) -> FloatArray:
    """Size factors of samples x genes `counts` against `log_geometric_means` (natural; -inf: the gene does not count).

    Raises:
        Unusable: `empty-sample` when a sample has no positive count among the reference genes.
    """
    factors = _median_ratios(counts, log_geometric_means, positive_only=True)
    if not np.isfinite(factors).all():
        raise Unusable(EMPTY_SAMPLE, "A sample has no positive count among the reference genes.", "Remove that sample.")
    return factors


def ratio_medians(counts: AnyArray, log_geometric_means: FloatArray) -> FloatArray:
    """Median ratio of samples x genes `counts` to the means of `log_geometric_means`, zeros too (relative log expression)."""
    return _median_ratios(counts, log_geometric_means, positive_only=False)


def poscounts(counts: AnyArray) -> FloatArray:
    """Size factors by the median of ratios to geometric means over positive counts; their geometric mean is 1.

    >>> poscounts(np.array([[10, 20], [20, 40]])).round(4).tolist()
    [0.7071, 1.4142]
    """
    factors = median_of_ratios_against(counts, log_positive_means(counts))
    return np.asarray(factors / geometric_mean(factors))


def log_positive_means(counts: AnyArray) -> FloatArray:
    """Sum of the logs of the positive counts over the number of samples, zeros included; -inf for genes never seen."""
    sums = LogSums(counts.shape[1])
    sums.add(counts)
    return sums.positive_means()


def upper_quartiles(counts: AnyArray) -> FloatArray:
    """The 75 % quantile of each row of samples x genes `counts` (Hyndman and Fan's definition 7).

    >>> upper_quartiles(np.array([[0, 1, 2, 3, 10]])).tolist()
    [3.0]
    """
    return quartiles_of_windows(quartile_windows(counts, 0), counts.shape[1], 0)


def quartile_windows(counts: AnyArray, silent: int) -> FloatArray:
    """Order statistics of each row of `counts` from the upper quartile on: up to `silent` zeros can be left out later.

    The upper quartile over the genes that the whole cohort expresses is known only when all samples were seen. Leaving
    out genes that are zero in a sample moves its quartile up by a quarter of their number, so these few order
    statistics are all that has to be kept of a sample.
    """
    genes = counts.shape[1]
    width = min(genes - (3 * (genes - 1)) // 4, (silent + 3) // 4 + 2)
    first = (3 * (genes - 1)) // 4
    windows, found = ordered_windows(np.ascontiguousarray(counts), first, width)
    for row in np.flatnonzero(~found):
        windows[row] = np.sort(counts[row].astype(np.float64))[first : first + width]
    return np.asarray(windows)


def quartiles_of_windows(windows: FloatArray, genes: int, silent: int) -> FloatArray:
    """Upper quartile of each row of `windows` over `genes - silent` genes, where the `silent` ones are zero in all rows.

    >>> quartiles_of_windows(quartile_windows(np.array([[0, 1, 2, 3, 10]]), 1), 5, 1).tolist()
    [4.75]
    """
    left = genes - silent
    index = (left - 1) * 0.75
    low = math.floor(index)
    share = index - low
    offset = silent + low - (3 * (genes - 1)) // 4
    at_low = windows[:, offset]
    if share == 0.0 or offset + 1 >= windows.shape[1]:
        return np.array(at_low)
    return np.asarray((1.0 - share) * at_low + share * windows[:, offset + 1])


def _refuse_empty(sizes: FloatArray) -> None:
    empty = int((~(sizes > 0)).sum())
    if empty:
        raise Unusable(
            EMPTY_SAMPLE, f"{empty} samples have no count at all.", "Run gates.check_counts first; it sets them aside."
        )


def root_sums(counts: AnyArray) -> FloatArray:
    """Sum of the square roots of the counts per sample, correctly rounded.

    >>> root_sums(np.array([[1, 4, 9]])).tolist()
    [6.0]
    """
    return np.array([math.fsum(np.sqrt(np.asarray(row, dtype=np.float64))) for row in counts])


def log_geometric_means(counts: AnyArray) -> FloatArray:
    """Natural log of the geometric mean of each gene of samples x genes `counts`; -inf for genes with a zero.

    >>> log_geometric_means(np.array([[1, 0, 2], [4, 5, 2]])).round(4).tolist()
    [0.6931, -inf, 0.6931]
    """
    sums = LogSums(counts.shape[1])
    sums.add(counts)
    return sums.geometric_means()


class LogSums:
    """Sums of the logs of positive counts per gene, exact, so that chunks and orders of samples give the same bits.

    Each log is split into two whole numbers (units of 2^-32 and 2^-72), which are added up as integers.
    """

    def __init__(self, genes: int) -> None:
        self.samples = 0
        self._high = np.zeros(genes, np.int64)
        self._low = np.zeros(genes, np.int64)
        self._positive = np.zeros(genes, np.int64)

    def add(self, counts: AnyArray) -> None:
        """Take in samples x genes counts."""
        self.samples += counts.shape[0]
        add_log_counts(np.ascontiguousarray(counts), self._high, self._low, self._positive)

    def merge(self, other: LogSums) -> None:
        """Take in what another chunk summed up: `other` of the same genes."""
        self.samples += other.samples
        self._high += other._high
        self._low += other._low
        self._positive += other._positive

    def positive_means(self) -> FloatArray:
        """Sum over all samples by their number, zeros counted as ones; -inf for genes never seen."""
        # Rounded once, as R's rowMeans: in matrices with many ties the last bit of a size factor decides which of two
        # genes has the larger mean, and so which one VST's fast fit looks at.
        exact = self._high.astype(np.longdouble) / 2.0**32 + self._low.astype(np.longdouble) / 2.0**72
        return np.where(self._positive > 0, (exact / self.samples).astype(np.float64), -np.inf)

    def geometric_means(self) -> FloatArray:
        """Log of the geometric mean; -inf for genes with a zero."""
        return np.where(self._positive == self.samples, self.positive_means(), -np.inf)


def _median_ratios(counts: AnyArray, log_means: FloatArray, *, positive_only: bool) -> FloatArray:
    used = np.flatnonzero(np.isfinite(log_means))
    return np.asarray(median_ratio_of_rows(np.ascontiguousarray(counts[:, used]), log_means[used], positive_only))


def _tmmwsp_pair(
    counts: FloatArray, size: float, against: TmmReference, log_ratio_trim: float, sum_trim: float, weighted: bool
) -> float:
    reference, reference_size = against.counts, against.library_size
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
    kept = _middle(np.lexsort((shrunk, m)), log_ratio_trim) & _middle(np.argsort(a, kind="stable"), sum_trim)
    if not kept.any():
        return 1.0
    p, q, m = share[kept], share_reference[kept], m[kept]
    if not weighted:
        return float(2.0 ** (math.fsum(m) / m.size))
    variance = (1 - p) / p / size + (1 - q) / q / reference_size
    weight = (1 + 1e-6) / (variance + 1e-6)
    return float(2.0 ** (math.fsum(weight * m) / math.fsum(weight)))


def _middle(order: NDArray[np.int64], trim: float) -> NDArray[np.bool_]:
    n = order.size
    cut = int(n * trim)
    kept = np.zeros(n, dtype=bool)
    kept[order[cut : n - cut]] = True
    return kept
