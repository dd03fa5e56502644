"""Enhanced (multi-frame) CT and MR to one volume: every frame is placed by its functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import ORIENTATION_TOLERANCE, Volume, axes, rescaled_type, slice_distance, unit_of
from unibase.imaging.grid import Grid


def read_multiframe(paths: Sequence[Path], *, suv: bool = True, even: bool = True) -> Volume:
    """Read one multi-frame image; arguments and refusals as `volumes.read_series`.

    Raises:
        Unusable: `several-volumes` when the file holds several time points or contrasts, and those of `read_series`.
    """
    import pydicom

    if len(paths) != 1:
        message = "The series consists of several multi-frame files."
        raise Unusable("several-volumes", message, "Split the series into one volume each.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(paths[0])
        except Exception:
            raise Unusable("truncated-file", "The DICOM file ends too early.", "Export the series again.") from None
        if "PerFrameFunctionalGroupsSequence" not in dataset:
            message = "The multi-frame file says nothing of the place of its frames."
            raise Unusable("unsupported-image", message, "Export it as an enhanced or a classic series.")
        if str(dataset.get("Modality")) == "PT" and suv:
            message = "SUV of enhanced multi-frame PET is not computed here."
            raise Unusable("suv-not-computable", message, "Export the series as classic PET, or as SUV.")
        try:
            stored = dataset.pixel_array
        except Exception:
            message = "The pixel data cannot be decoded, or ends too early."
            raise Unusable("unreadable-pixels", message, "Export the series again, without compression.") from None
    frames = dataset.PerFrameFunctionalGroupsSequence
    stored = stored.reshape(len(frames), int(dataset.Rows), int(dataset.Columns)) if stored.ndim in (2, 3) else stored
    if stored.ndim != 3:
        raise Unusable("unsupported-image", "The image is in colour.", "Use a series of grey values.")
    positions = np.array([_floats(dataset, frame, "PlanePositionSequence", "ImagePositionPatient") for frame in frames])
    orientations = np.array([_floats(dataset, frame, "PlaneOrientationSequence", "ImageOrientationPatient") for frame in frames])
    spacings = np.array([_floats(dataset, frame, "PixelMeasuresSequence", "PixelSpacing") for frame in frames])
    if np.ptp(orientations, axis=0).max() > ORIENTATION_TOLERANCE or np.ptp(spacings, axis=0).max() > 1e-4:
        message = "Frames differ in orientation or spacing: the file holds several stacks."
        raise Unusable("several-volumes", message, "Split it into one volume each.")
    row, column, normal = axes(orientations[0])
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    if len(positions) > 1 and np.diff(positions @ normal).min() < 1e-3:
        message = "Several frames lie at one position: several time points, contrasts or echoes."
        raise Unusable("several-volumes", message, "Split it into one volume each.")
    measures = _item(dataset, frames[0], "PixelMeasuresSequence")
    thickness = float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 0)
    distance, offsets = slice_distance(positions, row, column, normal, thickness, even=even)
    array = np.empty((len(frames), *stored.shape[1:]))
    types = []
    for place, index in enumerate(order):
        transformation = _item(dataset, frames[index], "PixelValueTransformationSequence", required=False)
        slope = float(transformation.RescaleSlope) if transformation is not None else 1.0
        intercept = float(transformation.RescaleIntercept) if transformation is not None else 0.0
        array[place] = stored[index] * slope + intercept
        types.append(rescaled_type(dataset, slope, intercept))
    return Volume(
        array,
        Grid(
            (int(dataset.Columns), int(dataset.Rows), len(frames)),
            (float(spacings[0][1]), float(spacings[0][0]), distance),
            (float(positions[0][0]), float(positions[0][1]), float(positions[0][2])),
            tuple(float(item) for item in np.column_stack([row, column, normal]).ravel()),
            offsets,
        ),
        str(dataset.get("Modality", "")),
        unit_of(dataset, suv),
        np.result_type(*types).name,
        str(dataset.get("StudyInstanceUID", "")),
        str(dataset.SeriesInstanceUID),
        str(dataset.get("FrameOfReferenceUID", "")),
        (str(dataset.SOPInstanceUID),),
        digest_of([sha256_file(paths[0])]),
    )


def _item(dataset: Any, frame: Any, sequence: str, required: bool = True) -> Any:
    """Return the functional group of a frame: its own, else the shared one."""
    for holder in (frame, *dataset.get("SharedFunctionalGroupsSequence", [])):
        if holder.get(sequence):
            return holder[sequence].value[0]
    if required:
        raise Unusable("unsupported-image", f"{sequence} is missing, so a frame has no place.", "Export the series again.")
    return None


def _floats(dataset: Any, frame: Any, sequence: str, keyword: str) -> list[float]:
    value = _item(dataset, frame, sequence).get(keyword)
    if not value:
        raise Unusable("unsupported-image", f"{keyword} is missing, so a frame has no place.", "Export the series again.")
    return [float(item) for item in value]
