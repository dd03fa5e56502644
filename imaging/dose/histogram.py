"""What a region is given: dose-volume histogram and its metrics, by every voxel of the region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.dose.metric_names import FORM, check_metric
from unibase.imaging.dose.rtdose import Dose
from unibase.imaging.grid import Array, Grid
from unibase.imaging.reasons import UNSUPPORTED_DOSE


@dataclass(frozen=True)
class Fractions:
    """What turns dose into EQD2, the dose in 2 Gy fractions of the same effect (linear-quadratic).

    Attributes:
        count: Number of fractions in which the dose is given.
        alpha_beta: Alpha over beta of the tissue in Gy.
    """

    count: int
    alpha_beta: float

    def eqd2(self, dose: Array) -> Array:
        """Return the EQD2 in Gy (n,) of doses in Gy (n,): D (D / n + a/b) / (2 + a/b).

        Args:
            dose: Total doses.

        Example:
            >>> import numpy as np
            >>> Fractions(20, 10.0).eqd2(np.array([55.0])).round(2).tolist()
            [58.44]
        """
        effect: Array = dose * (dose / self.count + self.alpha_beta) / (2 + self.alpha_beta)
        return effect


WHOLE_COURSES = frozenset({"PLAN", "MULTI_PLAN", "PLAN_OVERVIEW", ""})
"""What a dose may sum when a number of fractions is that of all of it (PS3.3 C.8.8.3, Dose Summation Type)."""


def check_eqd2(dose: Dose) -> None:
    """Check that a dose can be turned to EQD2: physical, and of the whole course.

    Args:
        dose: The dose.

    Raises:
        Unusable: `unsupported-dose`.
    """
    if dose.kind == "EFFECTIVE":
        message = "Dose Type (3004,0004) is EFFECTIVE: fractions are in it already."
        raise Unusable(UNSUPPORTED_DOSE, message, "Measure it without EQD2, or export the physical dose.")
    if dose.summation not in WHOLE_COURSES:
        message = f"EQD2 needs the dose of the whole course, and Dose Summation Type (3004,000A) is {dose.summation}."
        raise Unusable(UNSUPPORTED_DOSE, message, "Export the dose of the plan, or measure it without EQD2.")


def dose_of(region: Boxed, grid: Grid, dose: Dose) -> Array:
    """Return the dose in Gy of each voxel (n,) of a region, at its centre; NaN where the dose grid ends before.

    Args:
        region: The region.
        grid: The grid of its image.
        dose: The dose.
    """
    index = np.argwhere(region.array)[:, ::-1] + np.array(region.start[::-1])
    points = np.array(grid.origin) + (index * np.array(grid.spacing)) @ grid.matrix.T
    return dose.at(points)


def metrics_of(doses: Array, voxel_cc: float, metrics: Sequence[str]) -> list[tuple[str, float, str]]:
    """Return name, value and unit of each metric; NaN where a volume is larger than the region.

    D of a volume is the dose that this volume gets at least: from the highest voxels down, linear between them. V of a dose
    is the share of the region that gets at least this dose.

    Args:
        doses: Dose in Gy of each voxel (n,), all finite.
        voxel_cc: Volume of a voxel in cc.
        metrics: As `check_metric` takes them.
    """
    falling = np.sort(doses)[::-1]
    return [(metric, *_value(metric, falling, voxel_cc)) for metric in metrics]


def _value(metric: str, falling: Array, voxel_cc: float) -> tuple[float, str]:
    found = FORM.fullmatch(check_metric(metric))
    assert found is not None
    if found["named"]:
        named = {"min": falling[-1], "mean": falling.mean(), "max": falling[0]}
        return float(named[found["named"].lower()]), "Gy"
    number = float(found["number"])
    if found["what"].upper() == "V":
        return float((falling >= number).mean() * 100), "%"
    volume = number / voxel_cc if (found["unit"] or "").lower() == "cc" else number / 100 * len(falling)
    if volume > len(falling):
        return float("nan"), "Gy"
    # A voxel stands for the middle of the volume that it adds.
    return float(np.interp(volume, np.arange(len(falling)) + 0.5, falling)), "Gy"
