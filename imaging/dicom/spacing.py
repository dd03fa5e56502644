"""Where the planes of one volume lie: their directions, their distance, and what is no even grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.read_as import Reading
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

FILLED_IN_A_ROW = 3
"""How many missing slices in a row may be filled: beyond, nothing is known of what lay between."""

FILLED_SHARE = 0.2
"""Largest share of filled slices in a volume."""

SHOWN_GAPS = 5
"""How many places of missing slices a refusal names."""


def axes(orientation: Array) -> tuple[Array, Array, Array]:
    """Return the directions (3,) of rows, columns and normal of ImageOrientationPatient (6,).

    Args:
        orientation: Six direction cosines: of the rows, then of the columns.

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


def rounding(values: Sequence[object]) -> float:
    """Return the step to which some numbers of a header are rounded in mm: 0.1 for one decimal; 0 when they are whole.

    Whole numbers are no evidence of rounding: distances of whole millimetres are common.

    Args:
        values: Texts of the numbers as the file writes them.

    >>> rounding(["1.25", "2.5"]), rounding([3])
    (0.01, 0.0)
    """
    decimals = 0
    for value in values:
        text = str(value).strip().lower()
        if "e" in text:
            return 0.0
        decimals = max(decimals, len(text.partition(".")[2].rstrip("0")))
    return 10.0**-decimals if decimals else 0.0


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the slices of one volume lie along their normal.

    Attributes:
        distance: Distance of neighbouring slices of the grid in mm.
        places: Number of each slice on that grid, from 0; numbers that are left out are missing slices to fill.
        offsets: Offsets from the first slice in mm when they are uneven and no grid; else empty.
        drift: Shift (n, 2) of each slice along rows and columns in mm when the gantry was tilted; else None.
    """

    distance: float
    places: tuple[int, ...]
    offsets: tuple[float, ...] = ()
    drift: Array | None = None

    @property
    def count(self) -> int:
        """Slices of the grid, those to fill included."""
        return self.places[-1] + 1

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the slices to fill."""
        return tuple(sorted(set(range(self.count)) - set(self.places)))


def place_slices(positions: Array, directions: Array, thickness: float, reading: Reading, rounded: float = 0.0) -> Placement:
    """Return where slices lie: on an even grid, or what is asked for instead.

    Args:
        positions: Image positions (n, 3) in mm, ordered along the normal.
        directions: Directions (3, 3) of rows, columns and normal, one a row.
        thickness: What to take for a single slice, in mm.
        reading: Whether uneven distances, a tilt and missing slices are taken.
        rounded: Step to which the header rounds positions, in mm.

    Returns:
        The distance and what is uneven, shifted or to be filled.

    Raises:
        Unusable: `duplicate-slice`, `gantry-tilt`, `missing-slice`, `unsupported-image`.
    """
    count = len(positions)
    if count == 1:
        if not thickness > 0:
            message = "A single slice without SliceThickness has no volume."
            raise Unusable(UNSUPPORTED_IMAGE, message, "Give the thickness in the header.")
        return Placement(float(thickness), (0,))
    offsets = (positions - positions[0]) @ directions[2]
    steps = np.diff(offsets)
    typical = float(np.median(steps))
    if typical <= 1e-3 or steps.min() < 0.05 * typical:
        message = "Several slices lie at one position, and nothing in the header tells them apart."
        raise Unusable(DUPLICATE_SLICE, message, "Split the series into volumes, or remove the copy.")
    distance = float(offsets[-1] / (count - 1))
    drift = _drift(positions, offsets, directions, distance, rounded)
    if drift is not None and reading.tilt == "refuse":
        raise Unusable(GANTRY_TILT)
    if np.abs(offsets - np.arange(count) * distance).max() <= _tolerance(distance, rounded):
        return Placement(distance, tuple(range(count)), drift=drift)
    if not reading.even:
        return Placement(typical, tuple(range(count)), tuple(float(item) for item in offsets), drift)
    along = offsets + float(positions[0] @ directions[2])
    if reading.missing_slices == "refuse":
        raise _uneven(along, steps)
    return _filled(along, steps, drift, rounded)


def _tolerance(distance: float, rounded: float) -> float:
    # Both ends of the grid are rounded too, so a place may be off by a whole step.
    return max(POSITION_TOLERANCE * distance, min(rounded, ROUNDING_LIMIT * distance))


def _drift(positions: Array, offsets: Array, directions: Array, distance: float, rounded: float) -> Array | None:
    """Return how far each slice is shifted in its plane (n, 2) in mm; None when no tilt shows.

    Raises:
        Unusable: `gantry-tilt` when the shift does not grow evenly, as that of a tilt does.
    """
    drift: Array = (positions - positions[0]) @ directions[:2].T
    tolerance = _tolerance(distance, rounded)
    if np.abs(drift).max() <= tolerance + 1e-3 * len(positions) * distance:
        return None
    slope = offsets @ drift / float(offsets @ offsets)
    if np.abs(drift - np.outer(offsets, slope)).max() > tolerance:
        message = "The slices are shifted against one another, and not evenly, as a tilted gantry shifts them."
        raise Unusable(GANTRY_TILT, message, "Export the series again.")
    return drift


def _filled(along: Array, steps: Array, drift: Array | None, rounded: float) -> Placement:
    """Return the grid with places for the slices that are missing.

    Args:
        along: Places (n,) of the slices along the normal in mm.
        steps: Their distances (n - 1,) in mm.
        drift: As `Placement.drift`.
        rounded: Step to which the header rounds, in mm.

    Raises:
        Unusable: `missing-slice` when distances are no multiples of one, or too many slices are missing.
    """
    counts = np.round(steps / _usual(steps)).astype(int)
    places = np.concatenate([[0], np.cumsum(counts)])
    offsets = along - along[0]
    distance = float(offsets[-1] / places[-1])
    if counts.min() < 1 or np.abs(offsets - places * distance).max() > _tolerance(distance, rounded):
        raise _uneven(along, steps)
    missing = int(places[-1]) + 1 - len(places)
    if counts.max() - 1 > FILLED_IN_A_ROW or missing > FILLED_SHARE * (places[-1] + 1):
        said = _uneven(along, steps)
        message = f"{said.message} That is more than can be filled: {FILLED_IN_A_ROW} in a row, a fifth of all."
        raise Unusable(MISSING_SLICE, message, "Export the series again, complete.")
    return Placement(distance, tuple(int(place) for place in places), drift=drift)


def _usual(steps: Array) -> float:
    # The usual step is the most frequent one: when many slices are lost the median may be a gap.
    return float(np.quantile(steps, 0.25, method="lower"))


def _uneven(places: Array, steps: Array) -> Unusable:
    """Return the refusal of uneven slices, with the places where some are missing when they are a multiple apart."""
    usual = _usual(steps)
    missing: list[float] = []
    for place, step in zip(places, steps, strict=False):
        count = round(float(step) / usual)
        if abs(step - count * usual) > 0.25 * usual:
            missing = []
            break
        missing += [float(place) + number * usual for number in range(1, count)]
    if not missing:
        message = "The distances of the slices are uneven: two series were joined, or slices lost."
        return Unusable(MISSING_SLICE, message, "Export the series again, complete.")
    shown = ", ".join(f"{place:.1f}" for place in missing[:SHOWN_GAPS])
    more = f" and {len(missing) - SHOWN_GAPS} more" if len(missing) > SHOWN_GAPS else ""
    what = "1 slice is missing" if len(missing) == 1 else f"{len(missing)} slices are missing"
    return Unusable(MISSING_SLICE, f"{what} among {len(places)}, at {shown}{more} mm along the normal of the planes.")
