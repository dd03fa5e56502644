"""Inputs that are broken on purpose, each with the reason a pipeline should quarantine it under."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EncapsulatedPDFStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from unibase.simulation.dicom import NewSeries, Seen, Study, base_dataset, save

NOT_IN_BASE = ("BodyPartExamined", "PositionReferenceIndicator", "FrameOfReferenceUID")


def write_truncated_topogram(study: Study, seen: Seen) -> Path:
    """Write a CT localizer whose file ends in the middle of its pixels, as after a broken transfer.

    Args:
        study: The examination that the file belongs to.
        seen: Notes the identifiers of the header that is written.
    """
    ds = base_dataset(study, NewSeries(CTImageStorage, "CT", "topogram", 1, 5))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.AcquisitionNumber, ds.KVP, ds.InstanceNumber = 1, 120, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType, ds.PatientPosition = -1024, 1, "HU", "HFS"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-48, 0, 96], [1, 0, 0, 0, 0, -1]
    ds.PixelSpacing, ds.SliceThickness = [2, 2], 0.6
    ds.SOPInstanceUID = study.uid("topogram", 0)
    _pixels(ds, np.full((96, 96), 900, dtype=np.uint16))
    path = study.folder / "topogram" / "CT00001.dcm"
    save(ds, path)
    seen(ds)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 96 * 96])
    return path


def write_phantom(study: Study, seen: Seen) -> Path:
    """Write one slice of a quality-control phantom, which archives hold among patients: nobody's.

    Args:
        study: The examination that the file belongs to.
        seen: Notes the identifiers of the header that is written.
    """
    ds = base_dataset(study, NewSeries(CTImageStorage, "CT", "phantom", 1, 5))
    number = f"QC-FANTOME-{study.registration.centre}"
    ds.PatientName, ds.PatientID = "CONTROLE QUALITE^QUOTIDIEN", number
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "", "O", "000Y"
    for keyword in ("OtherPatientIDsSequence", "PatientBirthName", "PatientAddress", "PatientTelephoneNumbers", "PatientComments",
                    "AdditionalPatientHistory", "PatientSize", "PatientWeight"):  # fmt: skip
        if keyword in ds:
            delattr(ds, keyword)
    ds.StudyDescription, ds.ProtocolName = "CONTROLE QUALITE", "QC eau"
    for element in [element for element in ds if element.tag.is_private]:
        del ds[element.tag]
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.AcquisitionNumber, ds.KVP, ds.InstanceNumber = 1, 120, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType, ds.PatientPosition = -1024, 1, "HU", "HFS"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-96, -96, 0], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [2, 2], 5
    ds.StudyInstanceUID, ds.SOPInstanceUID = study.uid("phantom-study"), study.uid("phantom", 0)
    ds.FrameOfReferenceUID = study.uid("phantom-frame")
    water = np.hypot(*np.meshgrid(np.arange(96) - 47.5, np.arange(96) - 47.5)) < 40
    _pixels(ds, np.where(water, 1024, 24).astype(np.uint16))
    path = study.folder.parent.parent / number / f"{study.when:%Y%m%d}_qc" / "CT00001.dcm"
    save(ds, path)
    seen(ds)
    return path


def write_dose_screen(study: Study, seen: Seen) -> Path:
    """Write the scanner's dose screen, stored as a CT image: the name and number in its pixels, and said so in the header.

    Args:
        study: The examination that the file belongs to.
        seen: Notes the identifiers of the header that is written.
    """
    ds = base_dataset(study, NewSeries(CTImageStorage, "CT", "dose", 99, 300))
    ds.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    ds.AcquisitionNumber, ds.KVP, ds.InstanceNumber, ds.BurnedInAnnotation = 1, 120, 1, "YES"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType, ds.PatientPosition = 0, 1, "US", "HFS"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [1, 1], 1
    ds.SOPInstanceUID = study.uid("dose", 0)
    _pixels(ds, _drawn(_banner(study)).astype(np.uint16))
    path = study.folder / "dose" / "CT00001.dcm"
    save(ds, path)
    seen(ds)
    return path


def write_secondary_capture(study: Study, seen: Seen) -> Path:
    """Write a screenshot as Secondary Capture, the name and number in its pixels.

    Args:
        study: The examination that the file belongs to.
        seen: Notes the identifiers of the header that is written.
    """
    ds = base_dataset(study, NewSeries(SecondaryCaptureImageStorage, "OT", "capture", 90, 600))
    _drop(ds)
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.ConversionType, ds.BurnedInAnnotation, ds.InstanceNumber = "WSD", "YES", 1
    ds.SecondaryCaptureDeviceManufacturer = "Console"
    ds.SOPInstanceUID = study.uid("capture", 0)
    _pixels(ds, _drawn(_banner(study)))
    path = study.folder / "capture" / "SC00001.dcm"
    save(ds, path)
    seen(ds)
    return path


def write_ultrasound(study: Study, seen: Seen) -> Path:
    """Write an ultrasound image, whose banner names the patient, with no word of it in the header.

    Args:
        study: The examination that the file belongs to.
        seen: Notes the identifiers of the header that is written.
    """
    ds = base_dataset(study, NewSeries(UltrasoundImageStorage, "US", "echo", 91, 900))
    _drop(ds)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.InstanceNumber = 1
    ds.SOPInstanceUID = study.uid("echo", 0)
    image = _drawn(_banner(study)[:2])
    fan = np.hypot(*np.meshgrid(np.arange(256) - 128, np.arange(128))) < 110
    _pixels(ds, np.where(fan & (image == 0), 90, image).astype(np.uint8))
    path = study.folder / "echo" / "US00001.dcm"
    save(ds, path)
    seen(ds)
    return path


def write_pdf_report(study: Study, seen: Seen) -> Path:
    """Write a report as Encapsulated PDF: a page that names the patient.

    Args:
        study: The examination that the file belongs to.
        seen: Notes the identifiers of the header that is written.
    """
    ds = base_dataset(study, NewSeries(EncapsulatedPDFStorage, "DOC", "report", 92, 7200))
    _drop(ds)
    for keyword in ("ProtocolName", "RequestAttributesSequence"):
        delattr(ds, keyword)
    ds.SOPInstanceUID, ds.InstanceNumber = study.uid("report", 0), 1
    ds.ConversionType, ds.BurnedInAnnotation, ds.AcquisitionDateTime = "SYN", "YES", ""
    ds.ConceptNameCodeSequence = Sequence([_code("18748-4", "LN", "Diagnostic imaging report")])
    ds.DocumentTitle, ds.MIMETypeOfEncapsulatedDocument = "Compte rendu", "application/pdf"
    page = f"BT /F1 12 Tf 72 720 Td ({', '.join(_banner(study))}) Tj ET".encode("latin-1", "replace")
    content = (
        b"%PDF-1.4\n1 0 obj\n<< /Length " + str(len(page)).encode() + b" >>\nstream\n" + page + b"\nendstream\nendobj\n%%EOF\n"
    )
    ds.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    path = study.folder / "report" / "PDF00001.dcm"
    save(ds, path)
    seen(ds)
    return path


def _banner(study: Study) -> tuple[str, ...]:
    identity = study.registration.identity
    return (
        f"{identity.used_family_name} {identity.first_name}",
        study.registration.ipp,
        identity.birth_date,
        f"{study.when:%d/%m/%Y}",
    )


def _drop(ds: Dataset) -> None:
    for keyword in NOT_IN_BASE:
        if keyword in ds:
            delattr(ds, keyword)
    ds.Laterality = ""


def _pixels(ds: Dataset, plane: np.ndarray) -> None:
    bits = plane.dtype.itemsize * 8
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = plane.shape
    ds.PatientOrientation = ""
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    ds.PixelData = plane.tobytes()


def _drawn(lines: tuple[str, ...]) -> np.ndarray:
    """Return 128 x 256 pixels with lines of text, drawn in Pillow's own bitmap font."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (256, 128), 0)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default_imagefont()
    for k, line in enumerate(lines):
        plain = line.encode("latin-1", "replace").decode("latin-1")
        draw.text((6, 6 + 14 * k), plain, fill=255, font=font)
    return np.asarray(image, dtype=np.uint8)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
