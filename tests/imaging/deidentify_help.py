"""What the tests of de-identification share: a key, a ledger, DICOM files made by pydicom, and a run of one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from unibase.imaging.confidentiality.deidentified import DeidentifyTask, deidentify_file
from unibase.imaging.options import DeidentifyOptions
from unibase.privacy.keys import Key
from unibase.privacy.subjects import Subject, SubjectLookup

KEY = Key(bytes(range(32)))
SUBJECT = Subject(9_001_234_567_890, -731)
PATIENT_ID = "IPP0081234"
PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"


class AnyPatient(SubjectLookup):
    """A ledger that knows everyone: one subject, whatever the number."""

    def find(self, centre: str, system: str, identifier: str) -> Subject | None:
        return SUBJECT if identifier.strip() else None


LOOKUP = SubjectLookup({("A", "ipp", PATIENT_ID): SUBJECT})
ANYONE = AnyPatient({})


def ct(**attributes: Any) -> FileDataset:
    """Return a small CT instance of an invented patient; `attributes` are set on it by keyword."""
    ds = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=bytes(128))
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CT_CLASS
    ds.SOPInstanceUID = "1.2.3.4.55.6.7.1001"
    ds.StudyDate, ds.SeriesDate, ds.AcquisitionDate, ds.ContentDate = "20190312", "20190312", "20190312", "20190313"
    ds.StudyTime, ds.SeriesTime = "101500", "101700.5"
    ds.AccessionNumber = "ACC7788991"
    ds.Modality = "CT"
    ds.Manufacturer = "SIEMENS"
    ds.ReferringPhysicianName = "LEGRAND^Aline"
    ds.StudyDescription = "CT thorax"
    ds.PatientName = "Dupontel^Éléonore"
    ds.PatientID = PATIENT_ID
    ds.PatientBirthDate = "19480611"
    ds.PatientSex = "F"
    ds.PatientAge = "070Y"
    ds.PatientWeight = "61.5"
    ds.StudyInstanceUID = "1.2.3.4.55.6.7.1"
    ds.SeriesInstanceUID = "1.2.3.4.55.6.7.10"
    ds.StudyID = ""
    ds.SeriesNumber, ds.InstanceNumber = 2, 1
    ds.FrameOfReferenceUID = "1.2.3.4.55.6.7.99"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = np.random.default_rng(5).integers(0, 4095, (8, 8), dtype=np.uint16).tobytes()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def save(ds: Dataset, path: Path, transfer_syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a data set with a transfer syntax; pydicom encodes it, deflating too."""
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def run(
    source: Path,
    root: Path,
    lookup: SubjectLookup = LOOKUP,
    options: DeidentifyOptions | None = None,
    **more: Any,
) -> tuple[dict[str, Any], pydicom.FileDataset, bytes]:
    """De-identify one file; return the result, the copy as pydicom reads it, and its bytes."""
    result = deidentify_file(DeidentifyTask(source, root, "A", options or DeidentifyOptions(), KEY, lookup, **more))
    content = Path(result["path"]).read_bytes()
    return result, pydicom.dcmread(result["path"]), content


def both_paths(source: Path, lookup: SubjectLookup, options: DeidentifyOptions) -> tuple[bytes | None, bytes]:
    """Return the header of the fast path (None when it declines) and of the complete path, before verification."""
    from unibase.imaging.confidentiality import deidentified as room
    from unibase.imaging.confidentiality.fast import NotFast
    from unibase.imaging.confidentiality.policy import policy_of

    task = DeidentifyTask(source, "", "A", options, KEY, lookup)
    policy = policy_of(options)
    with room.Source(source) as opened:
        slow = room._clean(task, policy, opened, opened.tree_header())[0]
        try:
            fast = room._clean(task, policy, opened, opened.fast_header(policy))[0]
        except NotFast:
            fast = None
    return fast, slow


def every_element(ds: Dataset, visit: Callable[[Any, int], None], depth: int = 0) -> None:
    """Call `visit(element, depth)` on every element at every depth, in pydicom's own reading."""
    for element in ds:
        visit(element, depth)
        if element.VR == "SQ":
            for item in element.value:
                every_element(item, visit, depth + 1)
