"""Quantiles that at least `min_cell` persons stand on either side of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BOX_WHY = "A quantile is shown where enough persons stand on either side of it."
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Quantiles:
    """The 10, 25, 50, 75 and 90 % quantiles, to three significant digits; None where too few stand on either side."""

    p10: float | None
    q1: float | None
    median: float
    q3: float | None
    p90: float | None

    @property
    def known(self) -> list[float]:
        """Those that are shown, in order."""
        return [value for value in (self.p10, self.q1, self.median, self.q3, self.p90) if value is not None]


def quantiles(values: np.ndarray, min_cell: int) -> Quantiles | None:
    """Return the quantiles of finite values, shape (persons,); None where not even the median may be shown.

    At least `min_cell` persons stand beyond each that is shown.

    >>> quantiles(np.arange(20.0), 5).known
    [4.75, 9.5, 14.2]
    """
    values = values[np.isfinite(values)]
    if len(values) < 2 * min_cell:
        return None
    found = [
        float(f"{np.quantile(values, level):.3g}") if min(level, 1 - level) * len(values) >= min_cell - 1e-9 else None
        for level in LEVELS
    ]
    return Quantiles(*found)  # type: ignore[arg-type]
