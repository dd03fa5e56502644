"""Kernels of library-size factors: trimmed means, medians of ratios, windows of quantiles."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from unibase.methods.compiled.exact import median_inplace, select

ABUNDANCE_FLOOR = -1e10
_COUNT_BINS = 8192
_BINS = 2048


@njit(cache=True, nogil=True)
def add_log_counts(counts, high, low, positive):  # type: ignore[no-untyped-def]
    """Add the logs of samples x genes `counts` to each gene's `high` and `low`, and the `positive` ones' number, in place."""
    for i in range(counts.shape[0]):
        for g in range(counts.shape[1]):
            if counts[i, g] > 0:
                scaled = math.log(float(counts[i, g])) * 4294967296.0
                whole = math.floor(scaled)
                high[g] += np.int64(whole)
                low[g] += np.int64((scaled - whole) * 1099511627776.0)
                positive[g] += 1


@njit(cache=True, nogil=True)
def median_ratio_of_rows(counts, log_means, positive_only):  # type: ignore[no-untyped-def]
    """Return each sample's median ratio of `counts` to the means of `log_means`; `positive_only` leaves zeros out."""
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
def ordered_windows(counts, first, width):  # type: ignore[no-untyped-def]
    """Return the order statistics `first` to `first + width - 1` (from 0) of each row of `counts`, and which rows have them.

    They are read off a tally of small whole numbers. A row that has others in the window is left to a sort: NumPy's own, for
    to compile one takes seconds.

    Args:
        counts: Samples x genes.
        first, width: Where the window begins, and how many values it has.

    Returns:
        Shape (samples, width); and bool, one per sample.
    """
    n, genes = counts.shape
    out = np.empty((n, width))
    found = np.zeros(n, np.bool_)
    tally = np.empty(_COUNT_BINS, np.int64)
    for i in range(n):
        tally[:] = 0
        whole = True
        for g in range(genes):
            count = counts[i, g]
            if count < _COUNT_BINS:
                bin_ = int(count)
                whole = whole and bin_ == count
                tally[bin_] += 1
        written = 0
        seen = 0
        for bin_ in range(_COUNT_BINS):
            seen += tally[bin_]
            while written < width and first + written < seen:
                out[i, written] = bin_
                written += 1
            if written == width:
                break
        found[i] = whole and written == width
    return out, found


@njit(cache=True, nogil=True)
def _trim_bounds(values, n, trim, tally, place, scratch):  # type: ignore[no-untyped-def]
    """Return (low, keep_low, high, keep_high): which values survive trimming by average rank.

    A value stays when its rank, averaged over ties, lies in [floor(n * trim) + 1, n - floor(n * trim)]. The two order
    statistics are looked for only in the bins of a histogram that hold them, in linear time.
    """
    first = math.floor(n * trim) + 1
    last = n + 1 - first
    smallest = largest = values[0]
    for i in range(1, n):
        smallest = min(smallest, values[i])
        largest = max(largest, values[i])
    if smallest == largest:
        middle = (n + 1) / 2.0
        kept = first <= middle <= last
        return smallest, kept, largest, kept
    tally[:] = 0
    scale = (_BINS - 1) / (largest - smallest)
    for i in range(n):
        bin_ = int((values[i] - smallest) * scale)
        place[i] = bin_
        tally[bin_] += 1
    low, below, same = _order_statistic(values, n, first, tally, place, scratch)
    keep_low = first <= below + (same + 1) / 2.0 <= last
    high, below, same = _order_statistic(values, n, last, tally, place, scratch)
    keep_high = first <= below + (same + 1) / 2.0 <= last
    return low, keep_low, high, keep_high


@njit(cache=True, nogil=True)
def _order_statistic(values, n, rank, tally, place, scratch):  # type: ignore[no-untyped-def]
    """Return (value of that rank, how many lie below, how many equal it)."""
    before = 0
    bin_ = 0
    while before + tally[bin_] < rank:
        before += tally[bin_]
        bin_ += 1
    inside = 0
    for i in range(n):
        if place[i] == bin_:
            scratch[inside] = values[i]
            inside += 1
    value = select(scratch, inside, rank - before - 1)
    below = before
    same = 0
    for i in range(inside):
        below += scratch[i] < value
        same += scratch[i] == value
    return value, below, same


@njit(cache=True, nogil=True, error_model="numpy")
def tmm_of_rows(counts, sizes, reference, reference_size, log_ratio_trim, sum_trim, precise):  # type: ignore[no-untyped-def]
    """Return the trimmed mean of M-values of each sample against a `reference`, before scaling (Robinson and Oshlack 2010).

    Args:
        counts, sizes: Samples x genes, and the library size of each sample.
        reference, reference_size: Counts of the reference library, one per gene, and their total.
        log_ratio_trim, sum_trim, precise: Shares trimmed of M and A at both ends; whether M values are weighted by
            precision.
    """
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
    scratch = np.empty(seen)
    place = np.empty(seen, np.int32)
    tally = np.empty(_BINS, np.int64)
    # Small counts recur thousands of times in a library: their logs and variances are looked up.
    table = 1024
    share_of = np.empty(table)
    log_of = np.empty(table)
    var_of = np.empty(table)
    for i in range(n):
        size = sizes[i]
        for whole in range(1, table):
            share_of[whole] = whole / size
            log_of[whole] = math.log2(share_of[whole])
            var_of[whole] = (size - whole) / size / whole
        used = 0
        largest = 0.0
        for k in range(seen):
            raw = counts[i, where[k]]
            if raw > 0:
                whole = int(raw)
                if whole < table and whole == raw:
                    share, log_share, var = share_of[whole], log_of[whole], var_of[whole]
                else:
                    count = float(raw)
                    share = count / size
                    log_share = math.log2(share)
                    var = (size - count) / size / count
                m = math.log2(share / share_ref[k])
                a = (log_share + log_ref[k]) / 2.0
                if a > ABUNDANCE_FLOOR:
                    ratio[used] = m
                    abundance[used] = a
                    variance[used] = var + var_ref[k]
                    largest = max(largest, abs(m))
                    used += 1
        if used == 0 or largest < 1e-6:
            continue
        m_low, m_low_in, m_high, m_high_in = _trim_bounds(ratio, used, log_ratio_trim, tally, place, scratch)
        a_low, a_low_in, a_high, a_high_in = _trim_bounds(abundance, used, sum_trim, tally, place, scratch)
        weighted = 0.0
        weights = 0.0
        for k in range(used):
            m = ratio[k]
            if m < m_low or m > m_high or (m == m_low and not m_low_in) or (m == m_high and not m_high_in):
                continue
            a = abundance[k]
            if a < a_low or a > a_high or (a == a_low and not a_low_in) or (a == a_high and not a_high_in):
                continue
            weight = 1.0 / variance[k] if precise else 1.0
            weighted += m * weight
            weights += weight
        if weights > 0.0:
            out[i] = 2.0 ** (weighted / weights)
    return out
