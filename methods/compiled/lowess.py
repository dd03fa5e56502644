"""Kernel of robust local regression (lowess)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _local_fit(x, y, at, left, right, robustness, robust, weight):  # type: ignore[no-untyped-def]
    n = x.size
    reach = max(at - x[left], x[right] - at)
    nearly, close = 0.999 * reach, 0.001 * reach
    total = 0.0
    end = left
    while end < n:
        weight[end] = 0.0
        distance = abs(x[end] - at)
        if distance <= nearly:
            value = 1.0
            if distance > close:
                value = (1.0 - (distance / reach) ** 3) ** 3
            if robust:
                value *= robustness[end]
            weight[end] = value
            total += value
        elif x[end] > at:
            break
        end += 1
    if total <= 0.0:
        return False, 0.0
    for j in range(left, end):
        weight[j] /= total
    if reach > 0.0:
        centre = 0.0
        for j in range(left, end):
            centre += weight[j] * x[j]
        slope = at - centre
        scatter = 0.0
        for j in range(left, end):
            scatter += weight[j] * (x[j] - centre) ** 2
        # With all weight in one place a slope means nothing.
        if math.sqrt(scatter) > 0.001 * (x[n - 1] - x[0]):
            slope /= scatter
            for j in range(left, end):
                weight[j] *= slope * (x[j] - centre) + 1.0
    fit = 0.0
    for j in range(left, end):
        fit += weight[j] * y[j]
    return True, fit


@njit(cache=True, nogil=True)
def lowess_at(x, y, span, iterations, delta):  # type: ignore[no-untyped-def]
    """Return the robust local linear fit of `y` at each `x`, ascending, as R's lowess does it (Cleveland 1979).

    Args:
        span: Share of the points that a local fit uses.
        iterations, delta: Passes that down-weight outliers; distance within which fits are interpolated.
    """
    n = x.size
    fit = y.copy()
    if n < 2:
        return fit
    window = max(2, min(n, int(span * n + 1e-7)))
    robustness = np.ones(n)
    weight = np.zeros(n)
    for iteration in range(iterations + 1):
        left, right = 0, window - 1
        done = -1
        i = 0
        while True:
            if right < n - 1 and x[i] - x[left] > x[right + 1] - x[i]:
                left += 1
                right += 1
                continue
            good, value = _local_fit(x, y, x[i], left, right, robustness, iteration > 0, weight)
            fit[i] = value if good else y[i]
            if done < i - 1:
                gap = x[i] - x[done]
                for j in range(done + 1, i):
                    share = (x[j] - x[done]) / gap
                    fit[j] = share * fit[i] + (1.0 - share) * fit[done]
            done = i
            limit = x[done] + delta
            i = done + 1
            while i < n and x[i] <= limit:
                if x[i] == x[done]:
                    fit[i] = fit[done]
                    done = i
                i += 1
            i = max(done + 1, i - 1)
            if done >= n - 1:
                break
        if iteration == iterations:
            break
        residual = np.abs(y - fit)
        scale = residual.sum() / n
        ordered = np.sort(residual)
        middle = n // 2
        bound = 6.0 * ordered[middle] if n % 2 == 1 else 3.0 * (ordered[middle] + ordered[n - middle - 1])
        if bound < 1e-7 * scale:
            break
        for j in range(n):
            r = residual[j]
            if r <= 0.001 * bound:
                robustness[j] = 1.0
            elif r <= 0.999 * bound:
                robustness[j] = (1.0 - (r / bound) ** 2) ** 2
            else:
                robustness[j] = 0.0
    return fit
