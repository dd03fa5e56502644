"""Secrets planted in objects as hospitals have them, under three policies: what is left in the copies.

    python benchmarks/planted_objects.py [OBJECT ...]

Twenty-five kinds of objects (ultrasound, reports, structure sets, plans, segmentations, presentations, PET, multi-frame ...)
hold texts of hospitals. In each text double brackets mark what may not be left. Images that would wait for a person are
accepted by a rule, so that their texts are tried. The judge shares nothing with the cleaner: every value in every decoding,
letters and digits alone; and the bytes of the whole file.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.planted_identifiers import KEY, LOOKUP, NUMBER, POLICIES, bare, values
from tests.imaging.deidentify_help import ct, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.deidentified import DeidentifyTask, deidentify_file
from unibase.imaging.confidentiality.study_rules import Rule
from unibase.imaging.options import DeidentifyOptions

_MARK = re.compile(r"\[\[(.+?)\]\]")
_ROOT = "1.2.840.10008.5.1.4.1.1."
_SHORT = 5
ACCEPTED = Rule(images={"SOPClass": ".*", "Modality": ".*"}, action="accept", reason="Seen by a person, for this trial.")


@dataclass
class Planted:
    """An object and its secrets.

    Attributes:
        ds: The object.
        secrets: What may not be left of it.
    """

    ds: FileDataset
    secrets: list[str] = field(default_factory=list)

    def say(self, text: str) -> str:
        """Return a text without the brackets; what they hold is a secret from now on. `text`: as it is written."""
        self.secrets += _MARK.findall(text)
        return _MARK.sub(r"\1", text)

    def set(self, level: Dataset | None = None, **texts: str | list[str]) -> Dataset:
        """Set texts with marked secrets by keyword.

        Args:
            level: Where; the object itself by default.
            **texts: Keyword to text, or to several.
        """
        level = self.ds if level is None else level
        for keyword, text in texts.items():
            setattr(level, keyword, [self.say(one) for one in text] if isinstance(text, list) else self.say(text))
        return level

    def item(self, **texts: str | list[str]) -> Dataset:
        """Return an item of a sequence with these texts. `**texts`: keyword to text."""
        return self.set(Dataset(), **texts)


_STAFF = {
    "ReferringPhysicianName": "[[KERVOAL]]^Ronan^^Dr", "OperatorsName": "[[LE BRIS]]^Maëlle", "PerformingPhysicianName": "[[Grand]]^[[Solenn]]",
    "InstitutionName": "[[CHU de Kermarec]]", "InstitutionalDepartmentName": "Radiologie B, [[Pr Quintin]]", "StationName": "[[KERM-CT02]]",
    "AccessionNumber": "[[A21045877]]", "StudyID": "[[E5512904]]", "DeviceSerialNumber": "[[SN7731902]]", "PatientAddress": "[[14 venelle des Ajoncs]]",
    "PatientTelephoneNumbers": "[[0298401277]]", "OtherPatientIDs": "[[HX7740126]]", "PatientMotherBirthName": "[[Abgrall]]^Denise",
    "ReferringPhysicianAddress": "[[3 quai de Kerstrat]]", "CurrentPatientLocation": "[[Chambre 4127]]", "RequestingService": "ONCO [[Dr Madec]]",
}  # fmt: skip


def planted(sop_class: str, modality: str, charset: str = "ISO_IR 192") -> Planted:
    """Return an object with the header of a hospital: patient, relatives, staff, place and numbers.

    Args:
        sop_class: The end of its SOP class UID, after the root of storage.
        modality: Its modality.
        charset: Its character set.
    """
    ds = ct(PatientID=NUMBER, PatientName="QUEMENEUR^ANAIS^MARIE", PatientBirthDate="19610709", PatientSex="F", Modality=modality)
    ds.SOPClassUID, ds.SpecificCharacterSet = _ROOT + sop_class, charset
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(ds, keyword, "20210227")
    made = Planted(ds, ["quemeneur", "anais", NUMBER, "19610709", "20210227"])
    made.set(**_STAFF)
    return made


def without_pixels(made: Planted) -> Planted:
    """Return the object without its pixels. `made`: the object."""
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
                    "SamplesPerPixel", "PhotometricInterpretation", "ImageType"):  # fmt: skip
        if keyword in made.ds:
            delattr(made.ds, keyword)
    return made


def code(meaning: str, value: str = "121071", scheme: str = "DCM") -> Dataset:
    """Return a code.

    Args:
        meaning: Its meaning.
        value: Its value.
        scheme: Its scheme.
    """
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, scheme, meaning
    return ds


NARRATIVES = (
    "Patiente de 59 ans, institutrice à [[Plouzévédé]], vue avec son mari [[Yannick]] le [[27 février 2021]].",
    "Nodule de 12 mm du lobe supérieur droit, stable depuis le [[03/01/2021]].",
    "Compte rendu dicté par le [[Dr Kervoal]], relu par [[Grand]], tapé par [[MLB]].",
    "Chambre [[4127]] lit [[2]], poste [[7733]].", "Hospitalisée en [[chambre B412]], téléphone [[02 98 40 12 77]].",
    "Sa soeur [[Nolwenn]] [[Quéméneur]] a été opérée en [[mars 2018]] à [[Landivisiau]].",
    "NIR [[2 61 07 29 019 142 44]], IPP [[P00318842]].", "Adresse : [[14, venelle des Ajoncs]], [[29400]] [[Landivisiau]].",
    "Contact : [[anais.quem@wanadoo.fr]] ou [[06.81.22.90.17]].", "Née le [[9 juillet 1961]] à [[Morlaix]].",
    "Examen comparé à celui du [[12.11.20]] et de [[nov. 2020]].", "Mère : [[Denise Abgrall]], décédée d'un cancer du sein en [[1999]].",
    "Copie au [[Dr LE BRIS]] et à Mme [[Masse]].", "Dossier [[A21045877]], \\\\[[srv-kermarec]]\\images\\[[quemeneur_a]]\\CT1.",
    "Signé électroniquement par [[ykerbrat]] le [[28/02/2021]] à 11:02.",
)  # fmt: skip


def report(sop_class: str, narratives: tuple[str, ...] = NARRATIVES) -> Planted:
    """Return a structured report with narratives.

    Args:
        sop_class: The end of its class.
        narratives: Its texts.
    """
    made = without_pixels(planted(sop_class, "SR"))
    made.ds.ValueType, made.ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ds.CompletionFlag, made.ds.VerificationFlag = "COMPLETE", "VERIFIED"
    made.ds.ConceptNameCodeSequence = Sequence([code("Radiology Report")])
    items = []
    for number, text in enumerate(narratives):
        item = made.item(TextValue=text)
        item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
        item.ConceptNameCodeSequence = Sequence([code(made.say("Finding [[Kerbrat]]") if number == 3 else "Finding")])
        items.append(item)
    person = made.item(PersonName="[[Kerguelen]]^[[Ewen]]")
    person.RelationshipType, person.ValueType = "HAS OBS CONTEXT", "PNAME"
    date = made.item(Date="20210227")
    date.RelationshipType, date.ValueType = "CONTAINS", "DATE"
    moment = made.item(DateTime="[[20210227]]101112")
    moment.RelationshipType, moment.ValueType = "CONTAINS", "DATETIME"
    made.ds.ContentSequence = Sequence([*items, person, date, moment])
    verifier = made.item(VerifyingObserverName="[[Tanguy-Rolland]]^Anne", VerifyingOrganization="[[CHU de Kermarec]]")
    verifier.VerificationDateTime = "20210228110200"
    made.ds.VerifyingObserverSequence = Sequence([verifier])
    return made


def measurements() -> Planted:
    """Return a report by TID 1500 with groups, tracking identifiers and an observer."""
    made = report("88.33", ())
    group, tracked, number, device = (Dataset() for _ in range(4))
    made.set(tracked, TextValue="Lésion [[Kerbrat]] [[270221]]")
    tracked.RelationshipType, tracked.ValueType = "HAS OBS CONTEXT", "TEXT"
    tracked.ConceptNameCodeSequence = Sequence([code("Tracking Identifier", "112039")])
    number.RelationshipType, number.ValueType = "CONTAINS", "NUM"
    number.ConceptNameCodeSequence = Sequence([code("Volume", "118565006", "SCT")])
    value = Dataset()
    value.NumericValue, value.MeasurementUnitsCodeSequence = "12.5", Sequence([code("mm3", "mm3", "UCUM")])
    number.MeasuredValueSequence = Sequence([value])
    made.set(device, TextValue="poste [[PC-KERBRAT]], utilisateur [[ykerbrat]]")
    device.RelationshipType, device.ValueType = "HAS OBS CONTEXT", "TEXT"
    device.ConceptNameCodeSequence = Sequence([code("Device Observer Name", "121013")])
    group.RelationshipType, group.ValueType, group.ContinuityOfContent = "CONTAINS", "CONTAINER", "SEPARATE"
    group.ConceptNameCodeSequence = Sequence([code("Measurement Group", "125007")])
    finding = Dataset()
    finding.RelationshipType, finding.ValueType = "CONTAINS", "CODE"
    finding.ConceptNameCodeSequence = Sequence([code("Finding")])
    finding.ConceptCodeSequence = Sequence([code(made.say("Nodule de Mme [[Quéméneur]]"), "99N1", "99KERM")])
    group.ContentSequence = Sequence([tracked, number, finding])
    made.ds.ContentSequence = Sequence([*made.ds.ContentSequence, device, group])
    return made


def ultrasound() -> Planted:
    """Return an ultrasound image with regions, comments and the free texts of a console."""
    made = planted("6.1", "US")
    made.set(StudyDescription="Echo foie [[QUEMENEUR]]", SeriesDescription="Obst [[27FEV21]] [[Dr Madec]]", ImageComments="foie chambre [[4127]] lit [[2]]",
             ProtocolName="Abdo [[Solenn]]", PatientComments="appeler le mari [[06 81 22 90 17]]", TransducerData="C5-1 [[KERMAREC]]",
             PerformedProcedureStepDescription="Echographie par [[M. Kerbrat]]", DerivationDescription="Capture [[ykerbrat]]", StageName="REPOS [[Nolwenn]]",
             ViewName="apicale [[270221]]", SoftwareVersions="EPIQ_7.0", InterventionDescription="repos [[Quemeneur A]]")  # fmt: skip
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 2
    made.ds.SequenceOfUltrasoundRegions = Sequence([region])
    return made


def structures() -> Planted:
    """Return a structure set with names of regions, observations and labels of its authors."""
    made = without_pixels(planted("481.3", "RTSTRUCT"))
    names = ("GTV [[QUEMENEUR]]", "PTV 50Gy [[Kerbrat]]", "Contours: [[Masse]]/[[Grand]]", "CTV [[270221]]", "Coeur [[Dr Madec]]", "[[Solenn]] essai", "GTV_[[ykerbrat]]", "Poumon D [[27/02]]")  # fmt: skip
    made.set(StructureSetLabel="RS [[QUEMENEUR A]]", StructureSetName="[[Kerbrat]]", StructureSetDescription="Contours par [[Solenn]] le [[27 fev 2021]], revus [[Masse]]/[[Grand]]",
             SeriesDescription="Contourage [[Dr Kervoal]]", ApprovalStatus="APPROVED", ReviewerName="[[Kerguelen]]^E")  # fmt: skip
    rois, seen = [], []
    for number, name in enumerate(names, 1):
        roi = made.item(ROIName=name, ROIDescription=f"{name} chambre [[4127]]")
        roi.ROINumber = number
        rois.append(roi)
        note = made.item(
            ROIInterpreter="[[Grand]]^[[Solenn]]", ROIObservationLabel=name, ROIObservationDescription="dessiné par [[ykerbrat]]"
        )
        note.ObservationNumber = note.ReferencedROINumber = number
        seen.append(note)
    made.ds.StructureSetROISequence, made.ds.RTROIObservationsSequence = Sequence(rois), Sequence(seen)
    return made


def plan() -> Planted:
    """Return a plan with labels, prescriptions, beams and approvals."""
    made = without_pixels(planted("481.5", "RTPLAN"))
    made.set(RTPlanLabel="SeinG_[[270221]]", RTPlanName="[[QUEMENEUR]]_SeinG", RTPlanDescription="Plan de [[Mme Kerbrat]], validé [[Grand]]", ReviewerName="[[Masse]]^Jean",
             TreatmentProtocols=["SBRT [[Madec]]"], PrescriptionDescription="50 Gy selon [[Dr Kervoal]] [[28/02/2021]]", PlanIntent="CURATIVE", TreatmentSites=["Sein G [[Anaïs]]"])  # fmt: skip
    beam = made.item(BeamName="ANT [[Quemeneur]]", BeamDescription="champ du [[27FEV21]]", TreatmentMachineName="[[TRUEBEAM-KERM]]",
                     InstitutionName="[[CHU de Kermarec]]", ManufacturerModelName="TDS")  # fmt: skip
    beam.BeamNumber = 1
    dose = made.item(DoseReferenceDescription="PTV [[Kerbrat]]")
    fixed = made.item(FixationDeviceLabel="MASQUE [[QUEM]]", FixationDeviceDescription="casier [[4127]] au nom de [[Quéméneur]]", SetupTechniqueDescription="comme [[Solenn]]", AccessoryCode="[[KMR7731]]")  # fmt: skip
    setup = Dataset()
    setup.FixationDeviceSequence, setup.PatientSetupNumber = Sequence([fixed]), 1
    made.ds.BeamSequence, made.ds.DoseReferenceSequence, made.ds.PatientSetupSequence = (
        Sequence([beam]),
        Sequence([dose]),
        Sequence([setup]),
    )
    return made


def treatment() -> Planted:
    """Return a record of a treatment."""
    made = without_pixels(planted("481.4", "RTRECORD"))
    session = made.item(
        BeamName="ANT [[Quemeneur]]",
        OperatorsName="[[Corre]]^[[Maëlle]]",
        TreatmentVerificationStatus="VERIFIED",
        BeamDescription="[[270221]] poste [[7733]]",
    )
    made.set(TreatmentSessionUID="2.25.1", SeriesDescription="Séance 3 [[Kerbrat]]", RTPlanLabel="SeinG [[27.02.21]]")
    machine = made.item(
        TreatmentMachineName="[[TRUEBEAM-KERM]]",
        InstitutionName="[[CHU de Kermarec]]",
        InstitutionAddress="[[bd Tanguy-Prigent]]",
        DeviceSerialNumber="[[H19-2277]]",
    )
    made.ds.TreatmentSessionBeamSequence, made.ds.TreatmentMachineSequence = Sequence([session]), Sequence([machine])
    return made


def segmentation() -> Planted:
    """Return a segmentation with labels, trackers and its creator."""
    made = planted("66.4", "SEG")
    made.set(
        ContentLabel="[[KERBRAT]]",
        ContentDescription="Segmentation du [[27/02/2021]] par [[Solenn]]",
        ContentCreatorName="[[Kerguelen]]^E",
        SeriesDescription="Seg [[ykerbrat]]",
    )
    items = []
    for number, name in enumerate(("Tumeur [[QUEMENEUR]]", "foie [[Grand]]/[[Masse]]", "Lesion [[270221]]", "[[Nolwenn]]"), 1):
        item = made.item(
            SegmentLabel=name,
            SegmentDescription=f"{name}, vu le [[27 février]]",
            TrackingID=f"{name} [[A21045877]]",
            SegmentAlgorithmName="[[kerbrat-net]] v2",
        )
        item.SegmentNumber, item.SegmentAlgorithmType = number, "MANUAL"
        item.SegmentedPropertyTypeCodeSequence = Sequence([code(made.say("Kyste de [[Kerbrat]]"), "99M", "99KERM")])
        items.append(item)
    made.ds.SegmentSequence = Sequence(items)
    return made


def encapsulated(kind: str) -> Planted:
    """Return an encapsulated PDF or CDA. `kind`: `pdf` or `cda`."""
    made = without_pixels(planted("104.1" if kind == "pdf" else "104.2", "DOC"))
    made.set(DocumentTitle="CR de [[Mme Quéméneur]] du [[27/02/2021]]", ContentDescription="[[Kerbrat]]")
    text = made.say("<name>[[Kerbrat]] [[Solenn]]</name> né le [[09/07/1961]]")
    made.ds.MIMETypeOfEncapsulatedDocument = "application/pdf" if kind == "pdf" else "text/XML"
    made.ds.EncapsulatedDocument = ((b"%PDF-1.4 " if kind == "pdf" else b"<ClinicalDocument>") + text.encode()).ljust(200)
    return made


def presentation() -> Planted:
    """Return a presentation state with texts and layers."""
    made = without_pixels(planted("11.1", "PR"))
    made.set(
        ContentLabel="[[QUEMENEUR]]", ContentDescription="Flèches de [[Kerbrat]] [[27/02]]", ContentCreatorName="[[Kerguelen]]^E"
    )
    texts = [
        made.item(UnformattedTextValue=one)
        for one in ("[[Quéméneur]] nodule", "vu [[Solenn]] [[270221]]", "ch [[4127]]", "Tel [[0681229017]]")
    ]
    for one in texts:
        one.BoundingBoxAnnotationUnits = "PIXEL"
    note = made.item(GraphicLayer="[[KERBRAT]]")
    note.TextObjectSequence = Sequence(texts)
    made.ds.GraphicAnnotationSequence = Sequence([note])
    made.ds.GraphicLayerSequence = Sequence(
        [made.item(GraphicLayer="[[KERBRAT]]", GraphicLayerDescription="de [[Solenn]] le [[28 fév]]")]
    )
    return made


def key_object() -> Planted:
    """Return a selection of key objects with its reason."""
    return report("88.59", ("Pour le staff du [[28/02/2021]], [[Dr Kerbrat]]", "à montrer à [[Solenn]]"))


def secondary() -> Planted:
    """Return a secondary capture with an overlay's texts and the devices that made it."""
    made = planted("7", "OT")
    made.set(SecondaryCaptureDeviceID="[[PC-KERBRAT]]", SecondaryCaptureDeviceManufacturer="Dell de [[Solenn]]", SecondaryCaptureDeviceManufacturerModelName="Latitude",
             ImageComments="capture C:/Users/[[ykerbrat]]/Desktop/[[quemeneur]].png", SeriesDescription="Scan ordonnance [[Dr Madec]]", DerivationDescription="scanné le [[27-02-2021]]")  # fmt: skip
    made.ds.ConversionType, made.ds.BurnedInAnnotation = "WSD", "NO"
    made.ds.add_new(0x60000010, "US", 8)
    made.ds.add_new(0x60000011, "US", 8)
    made.ds.add_new(0x60000022, "LO", made.say("ROI [[Kerbrat]]"))
    made.ds.add_new(0x60001500, "LO", made.say("[[Quemeneur]]"))
    made.ds.add_new(0x60003000, "OW", b"QUEMENEUR\0\0\0\0\0\0\0")
    return made


def resonance() -> Planted:
    """Return an MR image with names of protocols and blocks of Siemens, GE and Philips."""
    made = planted("4", "MR")
    made.set(ProtocolName="t2_tse_tra [[QUEMENEUR]]", SequenceName="*tse2d1_[[Kerbrat]]", SeriesDescription="t1_vibe [[Solenn]] [[270221]]", RequestedProcedureDescription="IRM foie [[Dr Madec]]",
             ScanOptions="[[KERBRAT]]", ReceiveCoilName="Body_18 [[Kerm]]", ContrastBolusAgent="Dotarem 15ml lot [[KM77319]]", AdditionalPatientHistory="cancer du sein [[1999]], suivie par [[Kervoal]]")  # fmt: skip
    ds, say = made.ds, made.say
    ds.add_new(0x00290010, "LO", "SIEMENS CSA HEADER")
    ds.add_new(0x00291010, "OB", say("SV10 [[Quemeneur]]^[[Anais]] [[KERMAREC-MR1]]").encode().ljust(64))
    ds.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    ds.add_new(0x0019100C, "IS", "800")
    ds.add_new(0x00191008, "CS", say("[[KERBRAT]]"))
    ds.add_new(0x00090010, "LO", "GEMS_IDEN_01")
    ds.add_new(0x00091001, "LO", say("GE_[[KERMAREC]]"))
    ds.add_new(0x00091002, "SH", say("[[KM01]]"))
    ds.add_new(0x00430010, "LO", "GEMS_PARM_01")
    ds.add_new(0x00431039, "IS", "1000")
    ds.add_new(0x00431060, "LO", say("[[ykerbrat]]"))
    ds.add_new(0x20010010, "LO", "Philips Imaging DD 001")
    ds.add_new(0x20011003, "FL", 800.0)
    ds.add_new(0x200110C8, "LO", say("ExamCard [[Kerbrat]]"))
    ds.add_new(0x20010011, "LO", say("[[KERBRAT]] PRIVATE"))
    ds.add_new(0x20011101, "LO", say("[[Solenn]] [[27/02/2021]]"))
    return made


def emission() -> Planted:
    """Return a PET image with the texts of its radiopharmaceutical."""
    made = planted("128", "PT")
    made.set(
        SeriesDescription="TEP FDG [[QUEMENEUR]]",
        ReconstructionMethod="OSEM 3i21s [[Kerbrat]]",
        ImageComments="glycémie 1.05 par [[IDE Corre]]",
    )
    drug = made.item(Radiopharmaceutical="FDG lot [[KM77319]]", RadiopharmaceuticalRoute="IV [[Kerbrat]]")
    drug.RadionuclideTotalDose, drug.RadiopharmaceuticalStartDateTime = "250000000", made.say("[[20210227]]093000")
    drug.RadionuclideCodeSequence = Sequence([code("^18^Fluorine", "C-111A1", "SRT")])
    made.ds.RadiopharmaceuticalInformationSequence = Sequence([drug])
    made.ds.RadiopharmaceuticalStartTime = "093000"
    return made


def heart() -> Planted:
    """Return an ECG of one channel with annotations, without pixels."""
    made = without_pixels(planted("9.1.1", "ECG"))
    made.set(SeriesDescription="ECG [[Kerbrat]]")
    wave = made.item(MultiplexGroupLabel="[[Solenn]]")
    wave.ChannelDefinitionSequence = Sequence(
        [made.item(ChannelLabel="V1 [[Kerbrat]]", ChannelDerivationDescription="de [[ykerbrat]]")]
    )
    wave.SamplingFrequency, wave.WaveformSampleInterpretation, wave.WaveformBitsAllocated = "500", "SS", 16
    wave.NumberOfWaveformChannels, wave.NumberOfWaveformSamples = 1, 8
    wave.add_new("WaveformData", "OW", bytes(range(16)))
    made.ds.WaveformSequence = Sequence([wave])
    notes = ("rythme sinusal, [[Mme Quemeneur]]", "lu par [[Masse]] le [[27/02/2021]]", "vu [[Dr Madec]], tel [[0298401277]]")
    made.ds.WaveformAnnotationSequence = Sequence([made.item(UnformattedTextValue=one) for one in notes])
    return made


def enhanced() -> Planted:
    """Return an enhanced CT of one frame with functional groups, dimensions and contributing equipment."""
    made = planted("2.1", "CT")
    made.ds.NumberOfFrames = "1"
    place = made.item(StackID="[[XK29ZQ]]", FrameComments="coupe de [[Solenn]] [[27/02]]")
    place.InStackPositionNumber = 1
    shared, frame = Dataset(), Dataset()
    frame.FrameContentSequence = Sequence([place])
    kernel = made.item(ConvolutionKernel="B30f [[Kerbrat]]", ReconstructionAlgorithm="[[XK29ZQ]]")
    shared.CTReconstructionSequence = Sequence([kernel])
    made.ds.SharedFunctionalGroupsSequence, made.ds.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence([frame])
    made.ds.DimensionIndexSequence = Sequence([made.item(DimensionDescriptionLabel="Stack [[Kerbrat]]")])
    made.ds.ContributingEquipmentSequence = Sequence([made.item(InstitutionName="[[CHU de Kermarec]]", StationName="[[WS-KERBRAT]]", ContributionDescription="exporté par [[ykerbrat]]", Manufacturer="ACME")])  # fmt: skip
    made.set(
        ProtocolName="TAP [[Quemeneur]]",
        AcquisitionProtocolName="TAP [[Solenn]]",
        AcquisitionProtocolDescription="routine de [[Dr Madec]] [[28/02/21]]",
    )
    return made


@dataclass(frozen=True)
class Kind:
    """A kind of object that holds its texts at the top level.

    Attributes:
        sop_class: The end of its class.
        modality: Its modality.
        texts: Keyword to text.
        image: Whether it has pixels.
    """

    sop_class: str
    modality: str
    texts: dict[str, str]
    image: bool = True

    def __call__(self) -> Planted:
        """Return the object."""
        made = planted(self.sop_class, self.modality)
        made.set(**self.texts)
        return made if self.image else without_pixels(made)


_OF_A_WARD = {
    "PatientComments": "voir soeur [[0681229017]]", "Allergies": "pénicilline dit [[Nolwenn]]", "MedicalAlerts": "vu [[Solenn]]", "Occupation": "[[institutrice]]",
    "AdmissionID": "[[ADM7731]]", "VisitComments": "ch [[4127]]", "PatientBirthName": "[[Kervella]]^A", "OtherPatientNames": "[[Titine]]", "EthnicGroup": "[[bretonne]]",
    "PatientReligiousPreference": "[[catholique]]", "MilitaryRank": "[[capitaine]]", "RegionOfResidence": "[[Finistère]]", "ResponsiblePerson": "[[Yannick]]^Q",
    "InsurancePlanIdentification": "[[MGEN7731]]", "IssuerOfPatientID": "[[CHU-KERM]]", "ReasonForStudy": "suspicion chez [[Mme Quemeneur]]",
    "AdmittingDiagnosesDescription": "cancer, fille de [[Denise]]", "ScheduledStationAETitle": "[[KERMCT1]]", "ClinicalTrialSubjectID": "[[BRE-014-QA]]",
    "ClinicalTrialSiteName": "[[Kermarec]]", "ClinicalTrialProtocolName": "essai [[Dr Madec]]", "ImagePresentationComments": "[[Solenn]]", "TextString": "[[Kerbrat]]",
    "TextComments": "tel [[0298401277]]", "FrameOfInterestDescription": "[[Quéméneur]] foie", "MultienergyDetectorType": "[[KERB9X]]",
}  # fmt: skip
KINDS = {
    "MG": Kind("1.2", "MG", {"ImageComments": "par [[Rose Corre]] (manip) ch. [[4127]]", "PartialViewDescription": "coupé par [[Mme Masse]]", "ViewPosition": "[[KERB9]]",
                             "AcquisitionDeviceProcessingDescription": "[[Kerbrat]] tissu", "BurnedInAnnotation": "NO"}),
    "RTDOSE": Kind("481.2", "RTDOSE", {"DoseComment": "somme [[27.02.21]] [[Solenn]], relue", "SeriesDescription": "[[QUEM]] dose"}, image=False),
    "ion plan": Kind("481.8", "RTPLAN", {"RTPlanLabel": "PRO_[[Kerbrat]]_[[2702]]", "RTPlanDescription": "champs du [[25/2]], [[QUE-ANA]]"}, image=False),
    "slide": Kind("77.1.6", "SM", {"ContainerIdentifier": "[[21H04477-A]]", "ImageComments": "lame de [[Quemeneur]]", "LabelText": "[[21H04477]] [[QUEMENEUR]]", "BarcodeValue": "[[21H04477A1]]"}),
    "registration": Kind("66.1", "REG", {"ContentLabel": "[[QUEM]]", "ContentDescription": "recalage [[ykerbrat]] [[27FEV]]", "ContentCreatorName": "[[Masse]]^P"}, image=False),
    "parametric map": Kind("30", "OT", {"ContentDescription": "ADC [[Kerbrat]]", "ContentLabel": "[[KERB9]]", "SeriesDescription": "ADC [[27 fev.]]"}),
    "CT of a ward": Kind("2", "CT", _OF_A_WARD),
}  # fmt: skip
OBJECTS: dict[str, Callable[[], Planted]] = {
    **KINDS,
    "US": ultrasound,
    "Basic Text SR": lambda: report("88.11"),
    "Enhanced SR": lambda: report("88.22"),
    "Comprehensive SR": lambda: report("88.33"),
    "TID 1500": measurements,
    "RTSTRUCT": structures,
    "RTPLAN": plan,
    "RT record": treatment,
    "SEG": segmentation,
    "PDF": lambda: encapsulated("pdf"),
    "CDA": lambda: encapsulated("cda"),
    "presentation": presentation,
    "key object": key_object,
    "SC": secondary,
    "MR": resonance,
    "PET": emission,
    "enhanced CT": enhanced,
    "ECG": heart,
}
"""Kind to what makes it."""


def texts_of(ds: Dataset) -> Iterator[tuple[str, str]]:
    """Yield where and what of every value but UIDs and pixels, byte strings in four decodings. `ds`: what was read back."""
    for where, value in values(ds):
        if where.endswith(" UI"):
            continue
        yield where, value
    for element in ds.iterall():
        if isinstance(element.value, bytes) and element.tag != 0x7FE00010:
            for encoding in ("latin-1", "utf-16-le", "utf-16-be"):
                yield f"{element.keyword or element.tag} {encoding}", element.value.decode(encoding, "replace")


def left_of(copy: Path, secrets: list[str]) -> list[tuple[str, str]]:
    """Return the secrets that are left in a copy, and where.

    Args:
        copy: The file.
        secrets: What was planted.
    """
    found, raw = set(), copy.read_bytes().lower()
    every = [(where, value, bare(value)) for where, value in texts_of(pydicom.dcmread(copy))]
    for secret in secrets:
        sought = bare(secret)
        for where, value, plain in every:
            numeric = where.endswith((" US", " DA", " TM", " DT", " IS", " DS", " FD", " FL"))
            if numeric and len(sought) < _SHORT:
                hit = False
            elif len(sought) < _SHORT or numeric:
                hit = sought in re.findall(r"[^\W_]+", value.casefold())
            else:
                hit = sought in plain
            found |= {(secret, where)} if hit else set()
        if len(secret) >= 8 and any(secret.lower().encode(one, "ignore") in raw for one in ("utf-8", "latin-1", "utf-16-le")):
            found.add((secret, "bytes"))
    return sorted(found)


def clean(made: Planted, policy: str, folder: Path, *, accepted: bool = True) -> tuple[str, list[tuple[str, str]]]:
    """De-identify an object; return `written` or the reason of the refusal, and what is left.

    Args:
        made: The object.
        policy: Name of the policy.
        folder: An empty folder to work in.
        accepted: Whether a rule of the study accepts its pixels.
    """
    source = save(made.ds, folder / "in.dcm")
    options = DeidentifyOptions(policy=policy, rules=(ACCEPTED,) if accepted else ())  # type: ignore[arg-type]
    try:
        result = deidentify_file(DeidentifyTask(source, folder / "out", "A", options, KEY, LOOKUP))
    except Unusable as problem:
        return f"{problem.reason}: {problem.message}", []
    return "written", left_of(Path(result["path"]), made.secrets)


def main() -> None:
    """Clean every object under every policy and print what is left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("objects", nargs="*", default=list(OBJECTS))
    planted_in_all, left = 0, Counter[tuple[str, str, str, str]]()
    with tempfile.TemporaryDirectory() as folder:
        for name in parser.parse_args().objects:
            for policy in POLICIES:
                made = OBJECTS[name]()
                planted_in_all += len(made.secrets)
                reason, found = clean(made, policy, Path(folder))
                print(f"{name}, {policy}: {len(made.secrets)} secrets, {reason}, left {len(found)}")
                left.update((policy, name, secret, where) for secret, where in found)
    print(f"{planted_in_all} planted; left: {len(left)}")
    for one in sorted(left):
        print(" ", *one, sep=" | ")


if __name__ == "__main__":
    main()
