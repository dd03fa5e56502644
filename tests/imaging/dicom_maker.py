"""Small DICOM objects for tests: classic image series, structure sets and segmentations with known content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def uid(number: int, sub: int = 0) -> str:
    return f"1.2.826.0.1.3680043.8.498.{number}.{sub}" if sub else f"1.2.826.0.1.3680043.8.498.{number}"


def base(modality: str, sop: str, series: str, study: str, patient: str = "1001") -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CLASSES[modality]
    dataset.file_meta.MediaStorageSOPInstanceUID = sop
    dataset.SOPClassUID = CLASSES[modality]
    dataset.SOPInstanceUID = sop
    dataset.SeriesInstanceUID = series
    dataset.StudyInstanceUID = study
    dataset.PatientID = patient
    dataset.PatientName = "TEST^CASE"
    dataset.PatientBirthDate = "19600101"
    dataset.PatientSex = "F"
    dataset.StudyID = "1"
    dataset.StudyDate = "20200102"
    dataset.StudyTime = "101500"
    dataset.AccessionNumber = "1"
    dataset.ReferringPhysicianName = ""
    dataset.Modality = modality
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    dataset.Manufacturer = "Test"
    return dataset


def geometry(
    orientation: Sequence[float], origin: Sequence[float], offsets: Sequence[float], shear: Sequence[float] = (0, 0)
) -> list[np.ndarray]:
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(row, column)
    return [np.array(origin) + offset * normal + offset * (shear[0] * row + shear[1] * column) for offset in offsets]


def write_series(
    folder: Path,
    array: np.ndarray,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    orientation: Sequence[float] = AXIAL,
    offsets: Sequence[float] | None = None,
    shear: Sequence[float] = (0, 0),
    modality: str = "CT",
    number: int = 1,
    study: int = 500,
    frame: int = 900,
    patient: str = "1001",
    slope: float = 1.0,
    intercept: float = 0.0,
    reverse_names: bool = False,
    **attributes: Any,
) -> list[Path]:
    """Write `array` (z, y, x; stored values) as a series; spacing is x, y, z. Returns the files in order of slices."""
    folder.mkdir(parents=True, exist_ok=True)
    offsets = [index * spacing[2] for index in range(len(array))] if offsets is None else list(offsets)
    places = geometry(orientation, origin, offsets, shear)
    paths = []
    for index, (plane, place) in enumerate(zip(array, places, strict=True)):
        dataset = base(modality, uid(number, index + 1), uid(number), uid(study), patient)
        dataset.FrameOfReferenceUID = uid(frame)
        dataset.SeriesDate, dataset.SeriesTime = "20200102", "102000"
        dataset.AcquisitionDate, dataset.AcquisitionTime = "20200102", "102100"
        dataset.Rows, dataset.Columns = plane.shape
        dataset.PixelSpacing = [float(f"{spacing[1]:.10g}"), float(f"{spacing[0]:.10g}")]
        dataset.SliceThickness = float(spacing[2])
        dataset.ImagePositionPatient = [float(f"{item:.12g}") for item in place]
        dataset.ImageOrientationPatient = [float(f"{item:.12g}") for item in orientation]
        dataset.InstanceNumber = index + 1
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = 1
        if modality != "MR":
            dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        dataset.PixelData = np.ascontiguousarray(plane, dtype="<i2").tobytes()
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        name = f"{len(array) - index:04d}.dcm" if reverse_names else f"{index:04d}.dcm"
        dataset.save_as(folder / name, enforce_file_format=True)
        paths.append(folder / name)
    return paths


def write_rtstruct(
    path: Path,
    rois: Sequence[tuple[str, Sequence[Any]]],
    *,
    frame: int = 900,
    series: int | None = 1,
    frames: dict[str, int] | None = None,
    geometric_type: str = "CLOSED_PLANAR",
    study: int = 500,
    number: int = 77,
    patient: str = "1001",
) -> Path:
    """Write a structure set; every ROI is (name, contours), a contour (n, 3) in mm, or (kind, points) to set its kind."""
    dataset = base("RTSTRUCT", uid(number, 1), uid(number), uid(study), patient)
    dataset.StructureSetLabel = "TEST"
    dataset.StructureSetDate, dataset.StructureSetTime = "20200102", "120000"
    dataset.SeriesDate, dataset.SeriesTime = "20200102", "120000"
    reference = Dataset()
    reference.FrameOfReferenceUID = uid(frame)
    if series is not None:
        series_item = Dataset()
        series_item.SeriesInstanceUID = uid(series)
        study_item = Dataset()
        study_item.ReferencedSOPClassUID, study_item.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", uid(study)
        study_item.RTReferencedSeriesSequence = [series_item]
        reference.RTReferencedStudySequence = [study_item]
    dataset.ReferencedFrameOfReferenceSequence = [reference]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for index, (name, contours) in enumerate(rois, start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = index, name, "MANUAL"
        roi.ReferencedFrameOfReferenceUID = uid((frames or {}).get(name, frame))
        dataset.StructureSetROISequence.append(roi)
        drawn = Dataset()
        drawn.ReferencedROINumber, drawn.ContourSequence = index, []
        for contour in contours:
            kind, points = contour if isinstance(contour, tuple) else (geometric_type, contour)
            item = Dataset()
            item.ContourGeometricType = kind
            item.NumberOfContourPoints = len(points)
            item.ContourData = [f"{value:.10g}"[:16] for value in np.asarray(points, dtype=float).ravel()]
            drawn.ContourSequence.append(item)
        dataset.ROIContourSequence.append(drawn)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def read(path: Path) -> pydicom.Dataset:
    return pydicom.dcmread(path)
