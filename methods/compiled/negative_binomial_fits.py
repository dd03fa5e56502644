"""Kernels of negative binomial regression: fits, deviance and adjusted profile likelihood of each gene."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from unibase.methods.splines import coefficients

NO_COUNT = -1e8
"""Coefficient that stands for a mean of zero."""
TOLERANCE = 1e-6
"""Scoring stops when score times step falls below this: edgeR's rule, kept so that corrected counts are the same integers."""
FIRST_DAMPING = 1e-6
NEGLIGIBLE = 1e-13


@njit(cache=True, nogil=True)
def fit_each_group(y, level, groups, offset, phi):  # type: ignore[no-untyped-def]
    """Fit the mean of each of the `groups` of each gene of `y` (genes x samples), where the design is one of groups.

    Args:
        level: Group of each sample, from 0.
        offset, phi: Log offsets and dispersions, both genes x samples.
    """
    genes, n = y.shape
    out = np.empty((genes, groups))
    mean = np.empty((genes, n))
    for g in range(genes):
        for k in range(groups):
            total = 0.0
            start = 0.0
            number = 0
            for j in range(n):
                if level[j] == k:
                    total += y[g, j]
                    start += y[g, j] / math.exp(offset[g, j])
                    number += 1
            if total < 1e-10:
                out[g, k] = NO_COUNT
                for j in range(n):
                    if level[j] == k:
                        mean[g, j] = 0.0
                continue
            beta = math.log(start / number)
            for _ in range(50):
                score = 0.0
                information = 0.0
                for j in range(n):
                    if level[j] == k:
                        mu = math.exp(beta + offset[g, j])
                        spread = 1.0 + mu * phi[g, j]
                        score += (y[g, j] - mu) / spread
                        information += mu / spread
                step = score / information
                beta += step
                if abs(step) < 1e-10:
                    break
            out[g, k] = beta
            for j in range(n):
                if level[j] == k:
                    mean[g, j] = math.exp(beta + offset[g, j])
    return out, mean


@njit(cache=True, nogil=True)
def _deviance(y, mean, phi):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(y.size):
        m = max(mean[j], 1e-300)
        a = phi[j]
        if a < 1e-12:
            total += m - y[j] + (y[j] * math.log(y[j] / m) if y[j] > 0.0 else 0.0)
        else:
            part = (y[j] + 1.0 / a) * math.log((1.0 + m * a) / (1.0 + y[j] * a))
            if y[j] > 0.0:
                part += y[j] * math.log(y[j] / m)
            total += part
    return 2.0 * total


@njit(cache=True, nogil=True)
def _solve(matrix, vector, damping):  # type: ignore[no-untyped-def]
    """Solve (matrix + damping * I) z = vector by Cholesky's method; False when it is not positive definite."""
    p = vector.size
    low = np.zeros((p, p))
    for i in range(p):
        for j in range(i + 1):
            value = matrix[i, j] + (damping if i == j else 0.0)
            for k in range(j):
                value -= low[i, k] * low[j, k]
            if i == j:
                if value <= 0.0:
                    return False, vector
                low[i, i] = math.sqrt(value)
            else:
                low[i, j] = value / low[j, j]
    z = vector.copy()
    for i in range(p):
        for k in range(i):
            z[i] -= low[i, k] * z[k]
        z[i] /= low[i, i]
    for i in range(p - 1, -1, -1):
        for k in range(i + 1, p):
            z[i] -= low[k, i] * z[k]
        z[i] /= low[i, i]
    return True, z


@njit(cache=True, nogil=True)
def fit_each_gene(y, x, offset, phi):  # type: ignore[no-untyped-def]
    """Fit each gene of `y` (genes x samples) by Levenberg-Marquardt steps; return coefficients and fitted means.

    Args:
        x: Design, samples x coefficients.
        offset, phi: Log offsets and dispersions, both genes x samples.
    """
    genes, n = y.shape
    p = x.shape[1]
    out = np.empty((genes, p))
    means = np.empty((genes, n))
    information = np.empty((p, p))
    gram = np.zeros((p, p))
    for j in range(n):
        for a in range(p):
            for b in range(p):
                gram[a, b] += x[j, a] * x[j, b]
    score = np.empty(p)
    mean = np.empty(n)
    trial_mean = np.empty(n)
    for g in range(genes):
        total = 0.0
        weight_total = 0.0
        highest = 0.0
        for j in range(n):
            highest = max(highest, y[g, j])
            weight = math.exp(offset[g, j]) / (1.0 + phi[g, j] * math.exp(offset[g, j]))
            total += weight * y[g, j] / math.exp(offset[g, j])
            weight_total += weight
        if total <= 0.0:
            out[g] = NO_COUNT
            means[g] = 0.0
            continue
        # Start at the design's nearest to one mean for all samples.
        level = math.log(total / weight_total)
        target = np.zeros(p)
        for a in range(p):
            for j in range(n):
                target[a] += x[j, a] * level
        _, beta = _solve(gram, target, 0.0)
        for j in range(n):
            eta = offset[g, j]
            for a in range(p):
                eta += x[j, a] * beta[a]
            mean[j] = math.exp(eta)
        deviance = _deviance(y[g], mean, phi[g])
        damping = 0.0
        largest = 0.0
        for iteration in range(250):
            information[:] = 0.0
            score[:] = 0.0
            for j in range(n):
                spread = 1.0 + mean[j] * phi[g, j]
                weight = mean[j] / spread
                residual = (y[g, j] - mean[j]) / spread
                for a in range(p):
                    score[a] += x[j, a] * residual
                    for b in range(a + 1):
                        information[a, b] += x[j, a] * x[j, b] * weight
            for a in range(p):
                largest = max(largest, information[a, a])
            if iteration == 0:
                damping = max(largest * FIRST_DAMPING, NEGLIGIBLE)
            tries = 0
            settled = False
            while True:
                tries += 1
                good, step = _solve(information, score, damping)
                while not good:
                    damping *= 10.0
                    good, step = _solve(information, score, damping)
                trial = beta + step
                for j in range(n):
                    eta = offset[g, j]
                    for a in range(p):
                        eta += x[j, a] * trial[a]
                    trial_mean[j] = math.exp(min(eta, 700.0))
                trial_deviance = _deviance(y[g], trial_mean, phi[g])
                tiny = trial_deviance / highest < NEGLIGIBLE
                if trial_deviance <= deviance or tiny:
                    beta = trial
                    mean[:] = trial_mean
                    deviance = trial_deviance
                    settled = tiny
                    break
                damping *= 2.0
                if damping / largest > 1.0 / NEGLIGIBLE:
                    settled = True
                    break
            if settled:
                break
            distance = 0.0
            for a in range(p):
                distance += score[a] * step[a]
            if distance < TOLERANCE:
                break
            if tries == 1:
                damping /= 10.0
        out[g] = beta
        means[g] = mean
    return out, means


@njit(cache=True, nogil=True)
def adjusted_likelihoods(y, mean, design, phi):  # type: ignore[no-untyped-def]
    """Return the Cox-Reid adjusted profile likelihood of each gene of `y` around `mean` (both genes x samples).

    Args:
        design: Samples x coefficients.
        phi: Dispersion of each gene.
    """
    genes, n = y.shape
    p = design.shape[1]
    out = np.empty(genes)
    factor = np.empty((p, p))
    diagonal = np.empty(p)
    for g in range(genes):
        a = phi[g]
        total = 0.0
        factor[:] = 0.0
        for j in range(n):
            m = mean[g, j]
            count = y[g, j]
            if m <= 0.0:
                continue
            if a > 0.0:
                r = 1.0 / a
                log_sum = math.log(m + r)
                total += (
                    count * (math.log(m) - log_sum)
                    + r * (math.log(r) - log_sum)
                    + math.lgamma(count + r)
                    - math.lgamma(count + 1.0)
                    - math.lgamma(r)
                )
                weight = m / (1.0 + a * m)
            else:
                total += count * math.log(m) - m - math.lgamma(count + 1.0)
                weight = m
            for b in range(p):
                for c in range(b + 1):
                    factor[b, c] += weight * design[j, b] * design[j, c]
        # L D L' in place; what is nearly zero counts as 1e-10, as in a group without a count.
        adjustment = 0.0
        for b in range(p):
            for c in range(b):
                value = factor[b, c]
                for k in range(c):
                    value -= factor[b, k] * factor[c, k] * diagonal[k]
                factor[b, c] = value / diagonal[c] if diagonal[c] > 1e-10 else 0.0
            value = factor[b, b]
            for k in range(b):
                value -= factor[b, k] ** 2 * diagonal[k]
            diagonal[b] = value
            adjustment += 0.5 * math.log(max(value, 1e-10))
        out[g] = total - adjustment
    return out


@njit(cache=True, nogil=True)
def maxima_of_splines(x, values):  # type: ignore[no-untyped-def]
    """Return where the cubic spline through each row of `values` over the knots `x` is largest, near its largest knot."""
    """Where the cubic spline through each row of `values` over `x` is largest, near its largest knot."""
    rows, n = values.shape
    out = np.empty(rows)
    b = np.empty(n)
    c = np.empty(n)
    d = np.empty(n)
    for row in range(rows):
        y = values[row]
        coefficients(x, y, b, c, d)
        top = 0
        for i in range(1, n):
            if y[i] > y[top]:
                top = i
        best = y[top]
        place = x[top]
        for i in (top - 1, top):
            if i < 0 or i >= n - 1:
                continue
            linear, square, cube = b[i], c[i], d[i]
            inside = square * square - 3.0 * cube * linear
            if inside < 0.0:
                continue
            # Of the two stationary points of the cubic, the maximum.
            if cube == 0.0:
                if square >= 0.0:
                    continue
                at = -linear / (2.0 * square)
            else:
                at = (-square - math.sqrt(inside)) / (3.0 * cube)
            if 0.0 < at < x[i + 1] - x[i]:
                value = ((cube * at + square) * at + linear) * at + y[i]
                if value > best:
                    best = value
                    place = x[i] + at
        out[row] = place
    return out
