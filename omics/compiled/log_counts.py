"""Kernels of log counts and of the exact moments of genes."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FIXED_POINT = 2.0**32
"""Gene moments of logarithms are summed in units of 2^-32: exact sums, and an error of a mean below 2^-33."""


@njit(cache=True, nogil=True)
def fixed_moments(values):  # type: ignore[no-untyped-def]
    """Return the sum and the sum of squares of each gene of `values` (samples x genes), in units of 1 / FIXED_POINT."""
    n, genes = values.shape
    sums = np.zeros(genes, np.int64)
    squares = np.zeros(genes, np.int64)
    for i in range(n):
        for g in range(genes):
            value = np.float64(values[i, g])
            sums[g] += np.int64(np.rint(value * FIXED_POINT))
            squares[g] += np.int64(np.rint(value * value * FIXED_POINT))
    return sums, squares


_LN2 = math.log(2.0)
_ROUND = 1.5 * 2.0**52
_ROUND_BITS = 0x4338000000000000
"""Added to a number below 2^51, `_ROUND` leaves its nearest whole number in the low bits: a conversion without a call."""


# Division as numpy defines it: the check for zero that Python asks for would keep the compiler from vector code.
@njit(cache=True, nogil=True, error_model="numpy")
def log1p_rows(counts, target_sum):  # type: ignore[no-untyped-def]
    """Return (float32 log(1 + count * target_sum / total), totals, fixed-point gene sums and sums of squares).

    The logarithm splits off the binary exponent and sums the series of atanh up to its 13th power: relative error below
    3e-12 before rounding to float32, no branch and no call, so that the compiler makes vector code of it.

    `counts` are samples x genes.
    """
    n, genes = counts.shape
    out = np.empty((n, genes), np.float32)
    sizes = np.zeros(n)
    sums = np.zeros(genes, np.int64)
    squares = np.zeros(genes, np.int64)
    shifted = np.empty(genes, np.float64)
    bits = shifted.view(np.int64)
    exponent = np.empty(genes, np.float64)
    square_bits = exponent.view(np.int64)
    for i in range(n):
        total = np.int64(0)
        for g in range(genes):
            total += np.int64(counts[i, g])
        sizes[i] = total
        scale = target_sum / total if total > 0 else 0.0
        for g in range(genes):
            shifted[g] = 1.0 + counts[i, g] * scale
        for g in range(genes):
            # The exponent of x * sqrt(2) / 2 ... x * sqrt(2): the mantissa that is left lies around 1.
            raised = bits[g] - np.int64(0x3FE6A09E667F3BCD)
            exponent[g] = float(raised >> 52)
            bits[g] = (raised & np.int64(0x000FFFFFFFFFFFFF)) + np.int64(0x3FE6A09E667F3BCD)
        for g in range(genes):
            s = (shifted[g] - 1.0) / (shifted[g] + 1.0)
            z = s * s
            series = 1.0 + z * (
                0.3333333333333333
                + z
                * (
                    0.2
                    + z * (0.14285714285714285 + z * (0.1111111111111111 + z * (0.09090909090909091 + z * 0.07692307692307693)))
                )
            )
            shifted[g] = exponent[g] * _LN2 + 2.0 * s * series
        for g in range(genes):
            value = shifted[g]
            out[i, g] = value
            shifted[g] = value * FIXED_POINT + _ROUND
            exponent[g] = value * value * FIXED_POINT + _ROUND
        for g in range(genes):
            sums[g] += bits[g] - _ROUND_BITS
            squares[g] += square_bits[g] - _ROUND_BITS
    return out, sizes, sums, squares


@njit(cache=True, nogil=True)
def log_cpm_rows(counts, effective, prior):  # type: ignore[no-untyped-def]
    """log2((count + prior) / (effective + 2 * prior) * 1e6) of `counts` (samples x genes), row by row."""
    n, genes = counts.shape
    out = np.empty((n, genes))
    for i in range(n):
        adjusted = effective[i] + 2.0 * prior[i]
        for g in range(genes):
            out[i, g] = math.log2((counts[i, g] + prior[i]) / adjusted * 1e6)
    return out


@njit(cache=True, nogil=True)
def log2_ratio(counts, size_factor):  # type: ignore[no-untyped-def]
    """log2(count / size factor + 1) of `counts` (samples x genes), row by row, `size_factor` one for each."""
    n, genes = counts.shape
    out = np.empty((n, genes))
    for i in range(n):
        for g in range(genes):
            out[i, g] = math.log2(counts[i, g] / size_factor[i] + 1.0)
    return out
