"""Special functions that compiled kernels need."""

from __future__ import annotations

import math

from numba import njit


@njit(cache=True, nogil=True)
def digamma(x: float) -> float:
    """Derivative of the logarithm of the gamma function, for x > 0 (recurrence and the asymptotic series).

    >>> round(digamma(1.0), 6)
    -0.577216
    """
    shift = 0.0
    while x < 10.0:
        shift -= 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    series = inverse * (
        1.0 / 12
        - inverse
        * (
            1.0 / 120
            - inverse * (1.0 / 252 - inverse * (1.0 / 240 - inverse * (1.0 / 132 - inverse * (691.0 / 32760 - inverse / 12))))
        )
    )
    return shift + math.log(x) - 0.5 / x - series
