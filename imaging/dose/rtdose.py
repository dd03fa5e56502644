"""RTDOSE to dose in Gy at any place of the patient (PS3.3 C.8.8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging.dicom.opened import read_dataset
from unibase.imaging.dicom.spacing import axes
from unibase.imaging.grid import Array
from unibase.imaging.reasons import UNSUPPORTED_DOSE

if TYPE_CHECKING:
    from pydicom import Dataset

GRID_TOLERANCE = 1e-3
"""How far the first offset of absolute planes may be from the place of the first plane in mm."""


@dataclass(frozen=True, eq=False)
class Dose:
    """One dose distribution.

    Attributes:
        array: Gy, planes (k, rows, columns), along the normal upwards.
        origin: Centre of the first voxel of the first plane in mm.
        directions: Directions (3, 3) of columns index, rows index and planes, one a row.
        spacing: Distance of columns, and of rows, in mm.
        offsets: Offset of each plane (k,) from the origin along the normal in mm.
        frame_of_reference_uid: Its frame of reference.
        sop_uid: SOPInstanceUID.
        summation: DoseSummationType: PLAN, FRACTION, BEAM, ...
        kind: DoseType: PHYSICAL or EFFECTIVE.
        series_uid: SeriesInstanceUID.
    """

    array: Array
    origin: Array
    directions: Array
    spacing: tuple[float, float]
    offsets: Array
    frame_of_reference_uid: str
    sop_uid: str
    summation: str
    kind: str
    series_uid: str

    def at(self, points: Array) -> Array:
        """Return the dose in Gy (n,) at points (n, 3) in mm, linear between voxel centres; NaN beyond the grid.

        Args:
            points: Places in the patient (LPS).
        """
        from scipy.ndimage import map_coordinates

        along = (points - self.origin) @ self.directions.T
        planes = np.interp(along[:, 2], self.offsets, np.arange(len(self.offsets)), left=np.nan, right=np.nan)
        index = np.array([planes, along[:, 1] / self.spacing[1], along[:, 0] / self.spacing[0]])
        ends = np.array(self.array.shape)[:, np.newaxis] - 1
        inside = np.isfinite(index).all(axis=0) & (index >= -1e-6).all(axis=0) & (index <= ends + 1e-6).all(axis=0)
        found = np.full(len(points), np.nan)
        found[inside] = map_coordinates(self.array, index[:, inside], order=1, mode="nearest")
        return found


def read_dose(path: Path) -> Dose:
    """Read an RTDOSE.

    Args:
        path: The file.

    Raises:
        Unusable: `truncated-file`; `unsupported-dose` for a dose that is not in Gy, an error of a dose, or no volume.
    """
    try:
        dataset = read_dataset(path, pixels=True)
    except Exception:
        raise Unusable(TRUNCATED_FILE, "The dose file cannot be parsed.", "Export it again.") from None
    _check(dataset)
    try:
        stored = dataset.pixel_array
    except Exception:
        raise Unusable(TRUNCATED_FILE, "The pixel data of the dose ends too early.", "Export it again.") from None
    array = np.asarray(stored, dtype=np.float64) * float(dataset.DoseGridScaling)
    array = array[np.newaxis] if array.ndim == 2 else array
    row, column, normal = axes(np.array([float(item) for item in dataset.ImageOrientationPatient]))
    origin = np.array([float(item) for item in dataset.ImagePositionPatient])
    offsets = _offsets(dataset, len(array), float(origin @ normal))
    order = np.argsort(offsets)
    return Dose(
        array[order],
        origin,
        np.array([row, column, normal]),
        (float(dataset.PixelSpacing[1]), float(dataset.PixelSpacing[0])),
        offsets[order],
        str(dataset.get("FrameOfReferenceUID", "")),
        str(dataset.get("SOPInstanceUID", "")),
        str(dataset.get("DoseSummationType", "") or "").upper(),
        str(dataset.get("DoseType", "") or "").upper(),
        str(dataset.get("SeriesInstanceUID", "")),
    )


def _check(dataset: Dataset) -> None:
    unit, kind = str(dataset.get("DoseUnits", "")).upper(), str(dataset.get("DoseType", "")).upper()
    if unit != "GY" or kind == "ERROR":
        what = "Dose Units (3004,0002) is not GY" if unit != "GY" else "Dose Type (3004,0004) is ERROR"
        raise Unusable(UNSUPPORTED_DOSE, f"{what}.", "Export the physical or effective dose in Gy.")
    needed = ("DoseGridScaling", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID")
    absent = next((keyword for keyword in needed if not dataset.get(keyword)), "")
    if absent:
        raise Unusable(UNSUPPORTED_DOSE, f"{absent} is missing.", "Export the dose again.")


def _offsets(dataset: Dataset, planes: int, place: float) -> Array:
    """Return the offset of each plane from the first; Grid Frame Offset Vector holds offsets, or places along the normal."""
    said = dataset.get("GridFrameOffsetVector")
    values = np.array([float(item) for item in ([] if said is None else np.atleast_1d(said))])
    if planes == 1 and len(values) == 0:
        return np.zeros(1)
    # C.8.8.3.2: the first is 0, or the place of the first plane.
    begins = abs(values[0]) <= GRID_TOLERANCE or abs(values[0] - place) <= GRID_TOLERANCE if len(values) == planes else False
    offsets = values - values[0] if begins else values
    if not begins or len(set(np.sign(np.diff(offsets)))) > 1 or (np.diff(offsets) == 0).any():
        message = "Grid Frame Offset Vector (3004,000C) does not say where the planes lie."
        raise Unusable(UNSUPPORTED_DOSE, message, "Export the dose again.")
    return offsets
