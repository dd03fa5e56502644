"""Where the planes of one volume lie: their directions, their distance, and what is no even grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.grid import Array
from unibase.imaging.reasons import DUPLICATE_SLICE, GANTRY_TILT, INCONSISTENT_SERIES, MISSING_SLICE, UNSUPPORTED_IMAGE

POSITION_TOLERANCE = 0.05
"""How far a slice may lie from its place on the even grid, as a fraction of the slice distance (headers round)."""

ROUNDING_LIMIT = 0.25
"""Beyond this fraction of the slice distance no rounding of the header explains where a slice lies."""

ORIENTATION_TOLERANCE = 5e-4
"""How far direction cosines may differ between slices: 0.25 mm at the far end of 500 mm."""

SQUARE_TOLERANCE = 1e-3
"""How far the two directions may be from a pair of right-angled unit vectors."""

SHOWN_GAPS = 5
"""How many places of missing slices a refusal names."""


def axes(orientation: Array) -> tuple[Array, Array, Array]:
    """Return the directions (3,) of rows, columns and normal of ImageOrientationPatient (6,).

    Raises:
        Unusable: `inconsistent-series` when it is no pair of right-angled unit vectors.
    """
    row, column = orientation[:3], orientation[3:]
    square = abs(np.linalg.norm(row) - 1) + abs(np.linalg.norm(column) - 1) + abs(float(row @ column))
    if not square <= SQUARE_TOLERANCE:
        raise Unusable(
            INCONSISTENT_SERIES, "ImageOrientationPatient is no pair of right-angled unit vectors.", "Check the export."
        )
    return row, column, np.cross(row, column)


def common_axes(orientations: Array) -> tuple[Array, Array, Array]:
    """Return the directions (3,) of planes, orientations (n, 6), that differ by no more than rounding and jitter.

    Within 1e-4 it is that of the first; beyond, their mean made right-angled, so that no single slice decides.
    """
    if np.ptp(orientations, axis=0).max() <= 1e-4:
        return axes(orientations[0])
    row, column, _ = axes(orientations.mean(axis=0))
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    return axes(np.concatenate([row, column / np.linalg.norm(column)]))


def rounding(values: Sequence[Any]) -> float:
    """Return the step to which some numbers of a header are rounded in mm: 0.1 for one decimal; 0 when they are whole.

    Whole numbers are no evidence of rounding: distances of whole millimetres are common.

    Args:
        values: Texts of the numbers as the file writes them.
    """
    decimals = 0
    for value in values:
        text = str(value).strip().lower()
        if "e" in text:
            return 0.0
        decimals = max(decimals, len(text.partition(".")[2].rstrip("0")))
    return 10.0**-decimals if decimals else 0.0


def slice_distance(
    positions: Array,
    row: Array,
    column: Array,
    normal: Array,
    thickness: float,
    *,
    even: bool = True,
    rounded: float = 0.0,
) -> tuple[float, tuple[float, ...]]:
    """Return the distance of the slices in mm, and their offsets from the first one when they are uneven.

    Args:
        positions: Image positions, shape (n, 3), ordered along `normal`.
        row: Direction of the rows.
        column: Direction of the columns.
        normal: Normal of the planes.
        thickness: What to take for a single slice, in mm.
        even: Refuse uneven distances.
        rounded: Step to which the header rounds positions, in mm.

    Raises:
        Unusable: `duplicate-slice`, `gantry-tilt`, `missing-slice`, `unsupported-image`.
    """
    count = len(positions)
    if count == 1:
        if not thickness > 0:
            message = "A single slice without SliceThickness has no volume."
            raise Unusable(UNSUPPORTED_IMAGE, message, "Give the thickness in the header.")
        return float(thickness), ()
    offsets = (positions - positions[0]) @ normal
    steps = np.diff(offsets)
    typical = float(np.median(steps))
    if typical <= 1e-3 or steps.min() < 0.05 * typical:
        message = "Several slices lie at one position, and nothing in the header tells them apart."
        raise Unusable(DUPLICATE_SLICE, message, "Split the series into volumes, or remove the copy.")
    distance = float(offsets[-1] / (count - 1))
    # Both ends of the grid are rounded too, so a place may be off by a whole step.
    tolerance = max(POSITION_TOLERANCE * distance, min(rounded, ROUNDING_LIMIT * distance))
    drift = (positions - positions[0]) @ np.column_stack([row, column])
    if np.abs(drift).max() > tolerance + 1e-3 * count * distance:
        message = "The slices are shifted against one another: the gantry was tilted."
        raise Unusable(GANTRY_TILT, message, "Resample the series to a right-angled grid.")
    if np.abs(offsets - np.arange(count) * distance).max() > tolerance:
        if even:
            raise _uneven(offsets + float(positions[0] @ normal), steps)
        return typical, tuple(float(item) for item in offsets)
    return distance, ()


def _uneven(places: Array, steps: Array) -> Unusable:
    """Return the refusal of uneven slices, with the places where some are missing when they are a multiple apart."""
    # The usual step is the most frequent one: when many slices are lost the median may be a gap.
    usual = float(np.quantile(steps, 0.25, method="lower"))
    missing: list[float] = []
    for place, step in zip(places, steps, strict=False):
        count = round(float(step) / usual)
        if abs(step - count * usual) > 0.25 * usual:
            missing = []
            break
        missing += [float(place) + number * usual for number in range(1, count)]
    remedy = "Export the series again, complete."
    if not missing:
        return Unusable(MISSING_SLICE, "The distances of the slices are uneven: two series were joined, or slices lost.", remedy)
    shown = ", ".join(f"{place:.1f}" for place in missing[:SHOWN_GAPS])
    more = f" and {len(missing) - SHOWN_GAPS} more" if len(missing) > SHOWN_GAPS else ""
    what = "1 slice is missing" if len(missing) == 1 else f"{len(missing)} slices are missing"
    message = f"{what} among {len(places)}, at {shown}{more} mm along the normal of the planes."
    return Unusable(MISSING_SLICE, message, remedy)
