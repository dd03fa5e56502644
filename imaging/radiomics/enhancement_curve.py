"""Semi-quantitative description of a curve of enhancement: what is read from it without a model of the tissue.

The definitions are the usual ones (QIBA DCE-MRI profile; Hylton 2006 for the signal enhancement ratio). The first phase is the
baseline.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ENHANCEMENT = {
    "dce_Baseline": ("intensity", "Mean intensity of the region in the first phase."),
    "dce_Peak": ("intensity", "Largest mean intensity of the region over all phases."),
    "dce_PeakEnhancement": ("%", "Rise from baseline to peak, of the baseline."),
    "dce_TimeToPeak": ("s", "Time from the first phase to that of the peak."),
    "dce_WashIn": ("intensity/s", "Rise from baseline to peak over the time to peak; null when the first phase is the peak."),
    "dce_RelativeWashIn": ("%/s", "Wash-in, of the baseline."),
    "dce_WashOut": ("intensity/s", "Fall from the peak to the last phase over the time between; null when the last is the peak."),
    "dce_RelativeWashOut": ("%/s", "Wash-out, of the baseline."),
    "dce_EnhancementRatio": ("1", "Rise of the second phase over that of the last (signal enhancement ratio)."),
    "dce_AreaUnderCurve": ("%.s", "Area under the relative enhancement from the first to the last phase, by trapezoids."),
}
"""Columns of a FEATURES table with unit and meaning. What is relative is null for a baseline that is not above 0."""


def describe_curve(seconds: Sequence[float], means: Sequence[float]) -> list[tuple[str, float | None]]:
    """Return the columns of `ENHANCEMENT` and their values for one curve.

    Args:
        seconds: Times of the phases (n,), rising, at least two.
        means: Mean intensity of the region in each phase (n,).

    Example:
        >>> told = dict(describe_curve([0, 60, 120], [100, 250, 220]))
        >>> told["dce_WashIn"], told["dce_WashOut"], told["dce_TimeToPeak"], told["dce_EnhancementRatio"]
        (2.5, 0.5, 60.0, 1.25)
    """
    times, curve = np.asarray(seconds, dtype=np.float64), np.asarray(means, dtype=np.float64)
    base, last, top = float(curve[0]), float(curve[-1]), int(curve.argmax())
    peak, to_peak = float(curve[top]), float(times[top] - times[0])
    wash_in = (peak - base) / to_peak if to_peak > 0 else None
    wash_out = (peak - last) / float(times[-1] - times[top]) if top < len(curve) - 1 else None
    relative = 100 / base if base > 0 else None
    found = (
        base,
        peak,
        _times(peak - base, relative),
        to_peak,
        wash_in,
        _times(wash_in, relative),
        wash_out,
        _times(wash_out, relative),
        (float(curve[1]) - base) / (last - base) if last != base else None,
        _times(float(np.trapezoid(curve - base, times)), relative),
    )
    return list(zip(ENHANCEMENT, found, strict=True))


def _times(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None else value * factor
