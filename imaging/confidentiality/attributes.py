"""Attributes of which the table of PS3.15 does not say enough: which texts machines write, which bytes are of use."""

from __future__ import annotations

from pydicom.datadict import tag_for_keyword


def _tags(keywords: str) -> frozenset[int]:
    return frozenset(_tag(one) for one in keywords.split())


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise LookupError(f"{keyword} is no keyword of the standard")
    return int(tag)


TECHNICAL = _tags(
    "Manufacturer ManufacturerModelName ManufacturerRelatedModelGroup ManufacturerModelVersion SoftwareVersions "
    "CodeValue ExtendedCodeValue LongCodeValue URNCodeValue CodingSchemeDesignator CodingSchemeVersion CodeMeaning ExtendedCodeMeaning "
    "CodingSchemeName CodingSchemeRegistry CodingSchemeURL CodingSchemeExternalID MappingResourceName "
    "PrivateCreatorReference PrivateDataElementName PrivateDataElementKeyword DimensionIndexPrivateCreator FunctionalGroupPrivateCreator "
    "DimensionDescriptionLabel StackID SequenceName PulseSequenceName ImagedNucleus TriggerSourceOrType CardiacFramingType PVCRejection "
    "Radiopharmaceutical RadiopharmaceuticalRoute ContrastBolusRoute FilterType TypeOfFilters CollimatorGridName AcquisitionMode DoseModeName "
    "ConvolutionKernel ReceiveCoilName TransmitCoilName MultiCoilConfiguration MultiCoilElementName ReceiveCoilManufacturerName "
    "TransmitCoilManufacturerName PlateType PhosphorType AcquisitionDeviceProcessingCode OutputPower TransducerData ProcessingFunction "
    "DetectorMode DetectorManufacturerName DetectorManufacturerModelName ImageFilter ApplicationName ApplicationVersion ApplicationManufacturer "
    "AlgorithmName AlgorithmVersion AlgorithmSource SegmentAlgorithmName ReconstructionMethod AttenuationCorrectionMethod ScatterCorrectionMethod "
    "DetectorLinesOfResponseUsed EnergyWindowName RescaleType WindowCenterWidthExplanation LUTExplanation LUTLabel ModalityLUTType "
    "SourceIsotopeName FluenceModeID ExposureControlModeDescription"
)
"""Texts that machines write or that a coding scheme gives: names of things, not sentences of people."""

LABELS = TECHNICAL - _tags(
    "Manufacturer ManufacturerModelName ManufacturerRelatedModelGroup ManufacturerModelVersion SoftwareVersions "
    "CodeValue ExtendedCodeValue LongCodeValue URNCodeValue CodingSchemeDesignator CodingSchemeVersion CodingSchemeURL PrivateCreatorReference "
    "PrivateDataElementName PrivateDataElementKeyword DimensionIndexPrivateCreator FunctionalGroupPrivateCreator "
    "DetectorManufacturerName DetectorManufacturerModelName ReceiveCoilManufacturerName TransmitCoilManufacturerName "
    "ApplicationVersion ApplicationManufacturer AlgorithmVersion"
)
"""Those of them that a protocol, a program's user or a local code list can fill: there no number is more than a day's."""

CODE_VALUE, CODING_SCHEME = _tag("CodeValue"), _tag("CodingSchemeDesignator")

FREE_CODES = _tags(
    "ImageType FrameType BodyPartExamined ContentLabel ScanOptions GraphicLayer FrameLaterality Laterality ImageLaterality"
)
"""Code strings that consoles, protocols and people fill with terms of their own."""

REGION_NAMES = _tags("ROIName ROIObservationLabel StructureSetLabel SegmentLabel")
"""What names a region: without it a structure set is of no use. Cleaned and kept where dates are, under `longitudinal` too."""

BINARY = _tags(
    "LUTData VectorGridData PointCoordinatesData VectorCoordinateData DoublePointCoordinatesData TrianglePointIndexList EdgePointIndexList "
    "VertexPointIndexList PrimitivePointIndexList LongPrimitivePointIndexList LongTrianglePointIndexList LongEdgePointIndexList "
    "LongVertexPointIndexList RecommendedDisplayCIELabValueList FloatingPointValues TrackPointIndexList AnnotationIndexList "
    "VerticesOfThePolygonalOutline FirstOrderPhaseCorrectionAngle SpectroscopyData CompensatorProximalThicknessMap "
    "CompensatorDistalThicknessMap BlockEdgeData VolumetricCurvePoints ExtendedOffsetTable ExtendedOffsetTableLengths"
)
"""Values of bytes that are numbers an analysis needs: kept, and searched; all other bytes go."""
BYTE_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})

PALETTES = _tags(
    "RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor "
    "AlphaPaletteColorLookupTableDescriptor PaletteColorLookupTableUID RedPaletteColorLookupTableData GreenPaletteColorLookupTableData "
    "BluePaletteColorLookupTableData AlphaPaletteColorLookupTableData SegmentedRedPaletteColorLookupTableData "
    "SegmentedGreenPaletteColorLookupTableData SegmentedBluePaletteColorLookupTableData SegmentedAlphaPaletteColorLookupTableData"
)
WITH_PALETTES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""SOP classes whose pixels may index a palette; in the others that pass it is unused."""

WAVEFORM_DATA = _tags("WaveformData WaveformPaddingValue ChannelMinimumValue ChannelMaximumValue")
"""Samples of waveforms: kept, and searched, in objects of waveforms alone; elsewhere they may be a voice."""

WAVEFORM_ANNOTATIONS = _tag("WaveformAnnotationSequence")
"""All that its module holds (PS3.3 C.10.10), which an object may lack: where it is not cleaned it goes whole, for none may be empty."""

ICC_PROFILE = _tag("ICCProfile")

OF_DOCUMENTS = {
    _tag("EncapsulatedDocument"): "OB",
    _tag("MIMETypeOfEncapsulatedDocument"): "LO",
    _tag("BurnedInAnnotation"): "CS",
    _tag("EncapsulatedDocumentLength"): "",
}
"""A document and what is said of it, with the VR of what stays in the objects whose document is written anew."""

NEVER = _tags(
    "PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar HL7InstanceIdentifier RetrieveURI RetrieveURL StorageURL "
    "PixelDataProviderURL FolderAccessURI FileAccessURI StoredInstanceBaseURI ContactURI ContactDisplayName OwnerID MACParametersSequence"
)
"""Not in the table, and of no use after: dates of birth in other calendars, addresses of servers, owners, signatures' parameters."""
SECURITY_GROUP = 0x0400
"""Signatures, certificates and attributes that another tool encrypted under its own key."""

DEVICE_AND_VOCABULARY_DATES = frozenset(
    {
        0x00080106,  # Context Group Version
        0x00080107,  # Context Group Local Version
        0x0014407C,  # Calibration Time
        0x0014407E,  # Calibration Date
        0x00181200,  # Date of Last Calibration
        0x00181201,  # Time of Last Calibration
        0x00181202,  # DateTime of Last Calibration
        0x00181203,  # Calibration DateTime
        0x00181204,  # Date of Manufacture
        0x00181205,  # Date of Installation
        0x0018700C,  # Date of Last Detector Calibration
        0x0018700E,  # Time of Last Detector Calibration
        0x0018936A,  # Source End DateTime
        0x00189369,  # Source Start DateTime
        0x00686226,  # Effective DateTime of an implant template
        0x00686270,  # Information Issue DateTime
        0x0072000A,  # Hanging Protocol Creation DateTime
        0x300A022C,  # Source Strength Reference Date
        0x300A022E,  # Source Strength Reference Time
    }
)
WELL_KNOWN_UIDS = frozenset(
    {
        0x0008010C,  # Coding Scheme UID
        0x00080117,  # Context UID
        0x00080118,  # Mapping Resource UID
    }
)
REFERENCED_STEP = 0x00081111
"""Holds references alone; where it may not be absent, they are replaced by pseudonyms like all others."""
STAND_INS = frozenset(
    {
        0x00080082,  # Institution Code Sequence
        0x00081072,  # Operator Identification Sequence
        0x00401101,  # Person Identification Code Sequence
        0x0040A073,  # Verifying Observer Sequence
    }
)
"""Sequences that are replaced (D) by one item which says that its content was removed; others are emptied."""
NARRATIVES = frozenset(
    {
        0x00102180,  # Occupation
        0x001021B0,  # Additional Patient History
        0x00104000,  # Patient Comments
        0x00380060,  # Service Episode ID
        0x00380062,  # Service Episode Description
        0x00384000,  # Visit Comments
        0x00321070,  # Requested Contrast Agent
        0x00324000,  # Study Comments
        0x00402400,  # Imaging Service Request Comments
        0x00400280,  # Comments on the Performed Procedure Step
        0x00401400,  # Requested Procedure Comments
        0x00400400,  # Comments on the Scheduled Procedure Step
        0x40080115,  # Interpretation Diagnosis Description
        0x4008010B,  # Interpretation Text
        0x40080300,  # Impressions
        0x40084000,  # Results Comments
    }
)
"""Narratives about the person: not cleaned word by word, whatever the options."""
REPLACED = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00120052, 0x00120053})
"""What says how a file was de-identified: written anew."""
