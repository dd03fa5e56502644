"""DICOM files as scanners write them: CT, PET and RTSTRUCT headers full of identifiers, valid to PS3.3.

Everything in a header is a function of the seed; nothing is drawn from the clock.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
)

from unibase.simulation.invented_persons import Person, Registration
from unibase.simulation.phantom import Chest, Grid, Region, Scanner
from unibase.simulation.seeds import source_uid, stream

IMPLEMENTATION_UID = UID("1.2.826.0.1.3680043.8.498.1")

Seen = Callable[[Dataset], None]
"""Called with a dataset that was written, to note its identifiers in the truth."""


@dataclass(frozen=True)
class Study:
    """One examination of one person in one centre.

    Attributes:
        seed: Seed of the cohort.
        person: Who.
        registration: As whom.
        scanner: On what.
        when: Start of the examination.
        visit: `baseline`, `follow-up` or another name that is unique for the person.
        folder: Folder of its files.
    """

    seed: int
    person: Person
    registration: Registration
    scanner: Scanner
    when: datetime
    visit: str
    folder: Path

    def uid(self, *purpose: str | int) -> UID:
        """Return the UID of a part of the study."""
        return source_uid(self.seed, self.registration.centre, self.person.index, self.visit, *purpose)

    @property
    def accession(self) -> str:
        """Accession number of the request."""
        return f"{self.registration.centre}{self.when:%y%m}{(self.person.index * 389 + 70_001) % 999_983:06d}"


@dataclass(frozen=True)
class SeriesFiles:
    """A series as written: its UID, the datasets in the order of z, and their files."""

    uid: UID
    modality: str
    datasets: list[FileDataset]
    paths: list[Path]


def physician(seed: int, centre: str, role: str) -> str:
    """Return the name of a physician of a centre, in DICOM's form.

    Args:
        seed: Seed of the tree.
        centre: Name of the centre.
        role: Role, which with seed and centre decides who it is.
    """
    from unibase.simulation.invented_identities import FAMILY_NAMES, GIVEN_FEMALE

    rng = stream(seed, "physician", centre, role)
    return f"{FAMILY_NAMES[int(rng.integers(len(FAMILY_NAMES)))]}^{GIVEN_FEMALE[int(rng.integers(len(GIVEN_FEMALE)))]}^^Dr"


def _person_name(registration: Registration) -> str:
    """Return the PatientName of a registration."""
    identity = registration.identity
    return f"{identity.used_family_name}^{identity.first_name}"


@dataclass(frozen=True)
class NewSeries:
    """What a series is, before it has an image.

    Attributes:
        sop_class: SOP Class UID.
        modality: DICOM Modality.
        name: What names the series inside its study.
        number: Series Number.
        seconds: Seconds after the start of the examination.
    """

    sop_class: UID
    modality: str
    name: str
    number: int
    seconds: int


def base_dataset(study: Study, series: NewSeries) -> FileDataset:
    """Return the header that the instances of a series share: patient, study, series, equipment, private elements.

    Args:
        study: The examination that the files belong to.
        series: The series.
    """
    identity, centre = study.registration.identity, study.registration.centre
    when = study.when + timedelta(seconds=series.seconds)
    ds = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    ds.SpecificCharacterSet = study.scanner.character_set
    ds.InstanceCreationDate, ds.InstanceCreationTime = f"{when:%Y%m%d}", f"{when:%H%M%S}"
    ds.SOPClassUID = series.sop_class
    ds.StudyDate, ds.StudyTime = f"{study.when:%Y%m%d}", f"{study.when:%H%M%S}.000000"
    ds.SeriesDate, ds.SeriesTime = f"{when:%Y%m%d}", f"{when:%H%M%S}.000000"
    ds.ContentDate, ds.ContentTime = ds.SeriesDate, ds.SeriesTime
    ds.AccessionNumber = study.accession
    ds.Modality = series.modality
    _equipment(ds, study)
    _patient(ds, study)
    ds.BodyPartExamined = "CHEST"
    ds.DeviceSerialNumber = str(7_340_000 + 17 * sum(ord(c) for c in centre))
    ds.SoftwareVersions = "syngo CT 2012B" if study.scanner.manufacturer == "SIEMENS" else "V4.1"
    ds.ProtocolName = f"{series.modality} thorax {identity.used_family_name}"[:64]
    ds.StudyInstanceUID = study.uid("study")
    ds.SeriesInstanceUID = study.uid("series", series.name)
    ds.StudyID = f"{(study.person.index * 1717 + 60_021_000) % 99_999_989}"
    ds.SeriesNumber = series.number
    ds.SeriesDescription = {"ct": "TDM 3.0 mm", "pet": "TEP AC"}.get(series.name, series.name)
    ds.FrameOfReferenceUID = study.uid("frame")
    ds.PositionReferenceIndicator = ""
    ds.AdmissionID = f"S{(study.person.index * 9697 + 50_000_003) % 99_999_989:08d}"
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = study.accession, f"{study.accession}-1"
    ds.RequestAttributesSequence = Sequence([request])
    ds.PerformedProcedureStepStartDate, ds.PerformedProcedureStepStartTime = ds.StudyDate, ds.StudyTime
    _private(ds, study, series.name)
    return ds


def _equipment(ds: Dataset, study: Study) -> None:
    centre = study.registration.centre
    ds.Manufacturer = study.scanner.manufacturer
    ds.InstitutionName = f"Hôpital {centre} - Centre de lutte contre le cancer"
    ds.InstitutionAddress = f"1 rue de l'Hôpital-{centre}, 35000 Rennes"
    ds.ReferringPhysicianName = physician(study.seed, centre, "referring")
    ds.StationName = f"TEP{centre}01"
    ds.StudyDescription = "TEP-TDM THORAX" if study.visit == "baseline" else "TDM THORAX SUIVI"
    ds.InstitutionalDepartmentName = "Médecine nucléaire"
    ds.PerformingPhysicianName = physician(study.seed, centre, "performing")
    ds.NameOfPhysiciansReadingStudy = physician(study.seed, centre, "reading")
    ds.OperatorsName = physician(study.seed, centre, "operator")
    ds.ManufacturerModelName = study.scanner.model


def _patient(ds: Dataset, study: Study) -> None:
    identity, centre = study.registration.identity, study.registration.centre
    ds.PatientName = _person_name(study.registration)
    ds.PatientID = study.registration.ipp
    ds.IssuerOfPatientID = f"HOPITAL-{centre}"
    ds.PatientBirthDate = identity.birth_date.replace("-", "")
    ds.PatientSex = identity.sex
    if identity.ins:
        other = Dataset()
        other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = identity.ins, "INS-NIR", "TEXT"
        ds.OtherPatientIDsSequence = Sequence([other])
    ds.PatientBirthName = f"{identity.birth_family_name}^{identity.first_name}"
    ds.PatientAge = f"{(study.when.date() - date.fromisoformat(identity.birth_date)).days // 365:03d}Y"
    ds.PatientSize = f"{study.person.course.height_cm / 100:.2f}"
    ds.PatientWeight = f"{study.person.course.weight_kg:.1f}"
    ds.PatientAddress = identity.address[:64]
    ds.PatientTelephoneNumbers = identity.phone
    title = "Mme" if identity.sex == "F" else "M."
    ds.AdditionalPatientHistory = (
        f"{title} {identity.used_family_name} {identity.first_name}, bilan initial, adressé(e) par le Dr Kerdoncuff"
    )
    ds.PatientComments = f"IPP {study.registration.ipp}; né(e) à {identity.birth_place_name}"


def _private(ds: Dataset, study: Study, series: str) -> None:
    """Add what vendors keep in private elements: the name, the number and a date again."""
    identity = study.registration.identity
    block = ds.private_block(0x0009, f"{study.scanner.manufacturer.split()[0]} SIMULATED HEADER", create=True)
    block.add_new(0x10, "LO", f"{identity.used_family_name} {identity.first_name}"[:64])
    block.add_new(0x11, "DA", f"{study.when:%Y%m%d}")
    block.add_new(0x12, "UI", study.uid("private", series))
    block.add_new(
        0x13, "OB", f"{identity.birth_family_name}|{study.registration.ipp}|{identity.birth_date}|".encode().ljust(96, b"\0")
    )


def instance_of(base: FileDataset) -> FileDataset:
    """Return a header of its own that starts as `base`; sequences are shared, for no instance changes them."""
    # FileDataset's own copy shares its elements with the original.
    elements = {tag: copy.copy(element) for tag, element in base.items()}
    return FileDataset("", elements, file_meta=FileMetaDataset(), preamble=b"\0" * 128)


def save(ds: FileDataset, path: Path, implicit_vr: bool = False) -> None:
    """Write one instance in little endian, explicit VR unless the archive says otherwise, with file meta information.

    Args:
        ds: The DICOM header.
        path: The file.
        implicit_vr: Whether to write implicit VR.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit_vr else ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.SourceApplicationEntityTitle = ds.get("StationName", "SIMULATION")[:16]
    ds.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def place_plane(ds: Dataset, grid: Grid, k: int) -> None:
    """Say where slice `k` of a grid lies.

    `ds`: header to write to; `grid`: the grid; `k`: number of the slice, from 0.
    """
    x, y, z = grid.origin
    ds.ImagePositionPatient = [f"{x:.4f}", f"{y:.4f}", f"{z + k * grid.spacing[2]:.4f}"]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [grid.spacing[1], grid.spacing[0]]
    ds.SliceThickness = grid.spacing[2]
    ds.SliceLocation = f"{z + k * grid.spacing[2]:.4f}"


def set_pixels(ds: Dataset, plane: np.ndarray) -> None:
    """Store a plane as whole numbers of 16 bits.

    Args:
        ds: Header to write to.
        plane: Stored values (y, x).
    """
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = plane.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = 1
    ds.PixelData = plane.astype("<i2").tobytes()


def write_ct(study: Study, chest: Chest, hounsfield: np.ndarray, seen: Seen) -> SeriesFiles:
    """Write a CT series, one file a slice.

    Args:
        study: The examination that the file belongs to.
        chest: The person's anatomy.
        hounsfield: Hounsfield units, shape (z, y, x).
        seen: Notes the identifiers of the header that is written.
    """
    base = base_dataset(study, NewSeries(CTImageStorage, "CT", "ct", 2, 20))
    base.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    base.AcquisitionDate, base.AcquisitionNumber = base.SeriesDate, 1
    base.KVP, base.XRayTubeCurrent, base.ExposureTime, base.ConvolutionKernel = 120, 110, 500, study.scanner.kernel
    base.DateOfLastCalibration = f"{study.when - timedelta(days=9):%Y%m%d}"
    base.PatientPosition = "HFS"
    base.RescaleIntercept, base.RescaleSlope, base.RescaleType = -1024, 1, "HU"
    base.WindowCenter, base.WindowWidth = 40, 400
    base.ImageComments = f"Contrôle qualité fait pour {study.registration.identity.used_family_name}"
    count = len(hounsfield)
    datasets, paths = [], []
    for k, plane in enumerate(hounsfield):
        ds = instance_of(base)
        number = count - k if study.scanner.feet_first_numbering else k + 1
        ds.SOPInstanceUID = study.uid("ct", k)
        ds.InstanceNumber = number
        moment = study.when + timedelta(seconds=20, milliseconds=250 * number)
        ds.AcquisitionTime = ds.ContentTime = f"{moment:%H%M%S.%f}"
        place_plane(ds, chest.ct, k)
        set_pixels(ds, plane.astype(np.int32) + 1024)
        path = study.folder / "ct" / f"CT{number:05d}.dcm"
        save(ds, path, study.scanner.implicit_vr)
        datasets.append(ds)
        paths.append(path)
        seen(ds)
    return SeriesFiles(base.SeriesInstanceUID, "CT", datasets, paths)


def write_rtstruct(study: Study, series: SeriesFiles, regions: dict[str, Region], grid: Grid, seen: Seen) -> Path:
    """Write the outlines of regions as an RTSTRUCT that refers to every slice of `series`.

    Args:
        study: The examination that the file belongs to.
        series: Files of the series that was drawn on.
        regions: Regions by their names.
        grid: Grid of the image.
        seen: Notes the identifiers of the header that is written.
    """
    name = f"rtstruct-{series.modality.lower()}"
    ds = base_dataset(study, NewSeries(RTStructureSetStorage, "RTSTRUCT", name, 10 if series.modality == "CT" else 11, 86_400))
    del ds.BodyPartExamined
    ds.SOPInstanceUID = study.uid(name)
    ds.SeriesDescription = f"Contours {series.modality}"
    ds.InstanceNumber = 1
    ds.StructureSetLabel = f"CONTOURS {series.modality}"
    ds.StructureSetName = study.registration.identity.used_family_name[:64]
    ds.StructureSetDate, ds.StructureSetTime = ds.SeriesDate, ds.SeriesTime
    ds.ApprovalStatus, ds.ReviewDate, ds.ReviewTime = "APPROVED", ds.SeriesDate, ds.SeriesTime
    ds.ReviewerName = physician(study.seed, study.registration.centre, "reading")
    images = [_reference(image) for image in series.datasets]
    ds.ReferencedFrameOfReferenceSequence = Sequence([_referenced_frame(study, series, images)])
    rois, contours, observations = [], [], []
    for number, (roi_name, region) in enumerate(regions.items(), start=1):
        rois.append(_roi(study, number, roi_name))
        contours.append(_contours(number, region, series, images))
        observations.append(_roi_observation(study, number))
    ds.StructureSetROISequence, ds.ROIContourSequence = Sequence(rois), Sequence(contours)
    ds.RTROIObservationsSequence = Sequence(observations)
    path = study.folder / name / f"RS{series.modality}.dcm"
    save(ds, path)
    seen(ds)
    return path


def _roi(study: Study, number: int, name: str) -> Dataset:
    roi = Dataset()
    roi.ROINumber, roi.ReferencedFrameOfReferenceUID = number, study.uid("frame")
    roi.ROIName, roi.ROIGenerationAlgorithm = name, "MANUAL"
    return roi


def _roi_observation(study: Study, number: int) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = "GTV" if number == 1 else "ORGAN"
    observation.ROIInterpreter = physician(study.seed, study.registration.centre, "reading")
    return observation


def _referenced_frame(study: Study, series: SeriesFiles, images: list[Dataset]) -> Dataset:
    series_item = Dataset()
    series_item.SeriesInstanceUID, series_item.ContourImageSequence = series.uid, Sequence(images)
    study_item = Dataset()
    study_item.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study_item.ReferencedSOPInstanceUID = study.uid("study")
    study_item.RTReferencedSeriesSequence = Sequence([series_item])
    frame = Dataset()
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = study.uid("frame"), Sequence([study_item])
    return frame


def _contours(number: int, region: Region, series: SeriesFiles, images: list[Dataset]) -> Dataset:
    """Return the outlines of a region, one a slice."""
    item = Dataset()
    item.ROIDisplayColor, item.ReferencedROINumber = [255, 64 * number, 0], number
    item.ContourSequence = Sequence()
    for k, image in enumerate(series.datasets):
        z = float(image.ImagePositionPatient[2])
        polygon = region.outline(z)
        if polygon is None:
            continue
        contour = Dataset()
        contour.ContourImageSequence = Sequence([images[k]])
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(polygon)
        contour.ContourData = [f"{value:.3f}" for x, y in polygon for value in (x, y, z)]
        item.ContourSequence.append(contour)
    return item


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item


def study_start(seed: int, person: Person, day: date, visit: str) -> datetime:
    """Return when an examination of a day starts.

    Args:
        seed: Seed of the tree.
        person: The simulated person.
        day: The day.
        visit: Name of the visit: baseline or progression.
    """
    rng = stream(seed, "study-time", person.index, visit)
    return datetime(day.year, day.month, day.day, int(rng.integers(8, 17)), int(rng.integers(60)), int(rng.integers(60)))
