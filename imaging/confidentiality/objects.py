"""Which objects pass: those whose pixels are known to hold no text, and whose content the policy can clean."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.confidentiality.device_layouts import layout_of
from unibase.imaging.confidentiality.study_rules import FrozenRule
from unibase.imaging.confidentiality.texts.folding import fold

_BASE = "1.2.840.10008.5.1.4.1.1."
SUPPORTED = {
    _BASE + suffix: name
    for suffix, name in {
        "2": "CT",
        "2.1": "Enhanced CT",
        "2.2": "Legacy Converted Enhanced CT",
        "4": "MR",
        "4.1": "Enhanced MR",
        "4.2": "MR Spectroscopy",
        "4.3": "Enhanced MR Color",
        "4.4": "Legacy Converted Enhanced MR",
        "20": "Nuclear Medicine",
        "128": "PET",
        "130": "Enhanced PET",
        "128.1": "Legacy Converted Enhanced PET",
        "1": "Computed Radiography",
        "1.1": "Digital X-Ray, for presentation",
        "1.1.1": "Digital X-Ray, for processing",
        "1.2": "Mammography, for presentation",
        "1.2.1": "Mammography, for processing",
        "13.1.3": "Breast Tomosynthesis",
        "77.1.6": "Whole Slide Microscopy",
        "91.1": "Microscopy Bulk Simple Annotations",
        "30": "Parametric Map",
        "66.1": "Spatial Registration",
        "66.3": "Deformable Spatial Registration",
        "66.4": "Segmentation",
        "66.5": "Surface Segmentation",
        "66.7": "Label Map Segmentation",
        "67": "Real World Value Mapping",
        "481.2": "RT Dose",
        "481.3": "RT Structure Set",
        "481.5": "RT Plan",
        "481.1": "RT Image",
        "481.4": "RT Beams Treatment Record",
        "481.6": "RT Brachy Treatment Record",
        "481.7": "RT Treatment Summary Record",
        "481.8": "RT Ion Plan",
        "481.9": "RT Ion Beams Treatment Record",
        "11.1": "Grayscale Presentation State",
        "11.2": "Color Presentation State",
        "9.1.1": "12-lead ECG",
        "9.1.2": "General ECG",
        "9.1.3": "Ambulatory ECG",
        "9.1.4": "General 32-bit ECG",
        "9.2.1": "Hemodynamic Waveform",
        "9.5.1": "Arterial Pulse Waveform",
        "9.6.1": "Respiratory Waveform",
        "88.11": "Basic Text SR",
        "88.22": "Enhanced SR",
        "88.33": "Comprehensive SR",
        "88.34": "Comprehensive 3D SR",
        "88.35": "Extensible SR",
        "88.50": "Mammography CAD SR",
        "88.65": "Chest CAD SR",
        "88.59": "Key Object Selection",
        "88.67": "X-Ray Radiation Dose SR",
        "88.68": "Radiopharmaceutical Radiation Dose SR",
        "104.2": "Encapsulated CDA",
        "104.3": "Encapsulated STL",
        "104.4": "Encapsulated OBJ",
        "104.5": "Encapsulated MTL",
    }.items()
}
"""What passes when its header gives no cause for doubt."""
AT_RISK = {
    _BASE + suffix: name
    for suffix, name in {
        "3.1": "Ultrasound, several frames",
        "3": "Ultrasound, several frames, retired",
        "6": "Ultrasound, retired",
        "5": "Nuclear Medicine, retired",
        "6.1": "Ultrasound",
        "6.2": "Enhanced Ultrasound Volume",
        "7": "Secondary Capture",
        "7.1": "Secondary Capture, bitonal",
        "7.2": "Secondary Capture, grey 8 bits",
        "7.3": "Secondary Capture, grey",
        "7.4": "Secondary Capture, colour",
        "12.1": "X-Ray Angiography",
        "12.1.1": "Enhanced X-Ray Angiography",
        "12.2": "X-Ray Fluoroscopy",
        "12.2.1": "Enhanced X-Ray Fluoroscopy",
        "13.1.1": "X-Ray 3D Angiography",
        "1.3": "Intra-oral X-Ray, for presentation",
        "1.3.1": "Intra-oral X-Ray, for processing",
        "77.1.1": "Endoscopy",
        "77.1.2": "Microscopy",
        "77.1.4": "Photography",
        "77.1.5.1": "Ophthalmic Photography",
        "77.1.5.4": "Ophthalmic Tomography",
    }.items()
}
"""Images that usually show texts: released when a person decided of their pixels, or a rule of the study accepts the device."""
DOCUMENTS = {
    _BASE + suffix: name
    for suffix, name in {
        "104.1": "Encapsulated PDF",
        "9.4.1": "Basic Voice Audio",
        "9.4.2": "General Audio",
        "88.40": "Procedure Log",
    }.items()
}
"""Documents that name persons in a form that no rule reads."""
OF_NO_EXAM = {"1.2.840.10008.1.3.10": "the directory of a medium", "1.2.840.10008.5.1.4.39.1": "a palette of colours"}
"""Files that are of no exam: a study needs none of them."""
_PROJECTION = frozenset({_BASE + suffix for suffix in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "13.1.3", "481.1")})
_CROSS_SECTIONAL = frozenset({_BASE + suffix for suffix in ("2", "2.1", "2.2", "4", "4.1", "4.4", "20", "128", "130", "128.1")})
_SLIDES = _BASE + "77.1.6"
_PARAMETRIC_MAP = _BASE + "30"
CLINICAL_DOCUMENT, STL, OBJ, MTL = (_BASE + suffix for suffix in ("104.2", "104.3", "104.4", "104.5"))
EMBEDDED = {CLINICAL_DOCUMENT: b"text/XML", STL: b"model/stl", OBJ: b"model/obj", MTL: b"model/mtl"}
"""Documents that are read by their grammar and written anew, and their MIME types (PS3.3 C.24.2)."""
_STRUCTURED = frozenset(
    {CLINICAL_DOCUMENT}
    | {_BASE + suffix for suffix in ("88.11", "88.22", "88.33", "88.34", "88.35", "88.50", "88.59", "88.65", "88.67", "88.68")}
)
WAVEFORMS = frozenset({_BASE + suffix for suffix in ("9.1.1", "9.1.2", "9.1.3", "9.1.4", "9.2.1", "9.5.1", "9.6.1")})
"""Samples of the heart, of pressures and of breath: their data stay, and their annotations are cleaned as texts."""
_GROUPS = {
    "all": frozenset(SUPPORTED) - frozenset(EMBEDDED),
    "pictures": frozenset(SUPPORTED) - {_PARAMETRIC_MAP} - WAVEFORMS - frozenset(EMBEDDED),
    "images": _PROJECTION | _CROSS_SECTIONAL,
    "cross": _CROSS_SECTIONAL,
    "ct": frozenset({_BASE + suffix for suffix in ("2", "2.1", "2.2")}),
    "slides": frozenset({_SLIDES}),
}

SOP_CLASS = 0x00080016
FACTS = {
    SOP_CLASS: "SOPClassUID",
    0x00080008: "ImageType",
    0x00080060: "Modality",
    0x00280004: "PhotometricInterpretation",
    0x00280301: "BurnedInAnnotation",
    0x00280303: "LongitudinalTemporalInformationModified",
    0x00280002: "SamplesPerPixel",
    0x00280008: "NumberOfFrames",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280100: "BitsAllocated",
    0x0008001A: "RelatedGeneralSOPClassUID",
    0x00080064: "ConversionType",
    0x00080070: "Manufacturer",
    0x0008103E: "SeriesDescription",
    0x00081090: "ManufacturerModelName",
    0x00082111: "DerivationDescription",
    0x00181010: "SecondaryCaptureDeviceID",
    0x00181011: "HardcopyCreationDeviceID",
    0x00181012: "DateOfSecondaryCapture",
    0x00181016: "SecondaryCaptureDeviceManufacturer",
    0x00181018: "SecondaryCaptureDeviceManufacturerModelName",
    0x00181022: "VideoImageFormatAcquired",
    0x00181023: "DigitalImageFormatAcquired",
    0x00181030: "ProtocolName",
    0x00204000: "ImageComments",
    0x00280101: "BitsStored",
}
"""Attributes of the top level that decide whether an object passes."""
BINARY_FACTS = frozenset({0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101})
"""Those of VR US; the others are texts."""


class Permits(NamedTuple):
    """What lets an object pass beside its own header.

    Attributes:
        structured: Whether the policy cleans structured content.
        rules: The study's rules for images, in order.
        decided: Whether a person or a rule decided of the pixels, and they were treated so.
    """

    structured: bool
    rules: tuple[FrozenRule, ...] = ()
    decided: bool = False


def name_of(sop_class: str) -> str:
    """Return the name of a SOP class, or `unknown SOP class`.

    Args:
        sop_class: Its UID.

    Example:
        >>> name_of("1.2.840.10008.5.1.4.1.1.6.1")
        'Ultrasound'
    """
    return SUPPORTED.get(sop_class) or AT_RISK.get(sop_class) or DOCUMENTS.get(sop_class) or "unknown SOP class"


def refuse_unsupported(facts: Mapping[str, str], permits: Permits) -> None:
    """Raise when an object cannot be cleaned with certainty.

    `facts`: values of `FACTS` as texts; `permits`: what lets it pass beside its own header.

    Raises:
        Unusable: `unsupported-object` or `burned-in-annotation`.
    """
    problem = _problem(tuple(sorted(facts.items())), permits)
    if problem is not None:
        raise Unusable(*problem)


@lru_cache(maxsize=1024)
def _problem(facts: tuple[tuple[str, str], ...], permits: Permits) -> tuple[str, str, str] | None:
    # Files of a series say the same: the rules are asked once.
    try:
        _refuse(dict(facts), permits)
    except Unusable as problem:
        return problem.reason, problem.message, problem.remedy
    return None


def rule_for(facts: Mapping[str, str], rules: tuple[FrozenRule, ...]) -> FrozenRule | None:
    """Return the first rule of the study that is for an image.

    `facts`: values of `FACTS` as texts; `rules`: the study's rules for images, in order.
    """
    if not rules:
        return None
    said = {**facts, "SOPClass": name_of(facts.get("SOPClassUID", ""))}
    return next((rule for rule in rules if rule.matches(said)), None)


def _refuse(facts: Mapping[str, str], permits: Permits) -> None:
    sop_class = facts.get("SOPClassUID", "")
    if not sop_class:
        raise Unusable(reasons.MALFORMED_FILE, "SOPClassUID is absent.", reasons.MALFORMED_FILE.remedy)
    if sop_class not in SUPPORTED and sop_class not in AT_RISK:
        raise _unsupported(sop_class)
    if sop_class in _STRUCTURED and not permits.structured:
        raise Unusable(
            reasons.UNSUPPORTED_OBJECT,
            f"The policy does not clean structured content, and this is a structured report ({name_of(sop_class)}).",
            "Set deidentification.clean_structured_content: true (the policy `research` has it), or leave reports out.",
        )
    if permits.decided:
        return
    rule = rule_for(facts, permits.rules)
    if rule is not None and rule.action == "accept":
        return
    risk = "A rule of the study blanks images of this device." if rule is not None else at_risk(facts)
    if risk is not None:
        raise _burned(f"{risk} ({name_of(sop_class)}, {facts.get('Columns', '?')} x {facts.get('Rows', '?')} pixels)", sop_class)


def at_risk(facts: Mapping[str, str]) -> str | None:
    """Return why the pixels of an image may show who the person is, or None. `facts`: values of `FACTS` as texts."""
    sop_class = facts.get("SOPClassUID", "")
    if sop_class in AT_RISK:
        return "Images of this kind usually show the patient's name."
    for rule in catalogue():
        said = fold(facts.get(rule.attribute, "")).plain
        if sop_class in rule.objects and rule.pattern.fullmatch(said):
            return rule.why
    device = layout_of(facts) if sop_class in _GROUPS["images"] else None
    if device is not None:
        return f"Images of this device and size are known to show texts ({device.device})."
    if sop_class in _PROJECTION and facts.get("BurnedInAnnotation", "").upper() != "NO":
        return "A projection image that does not say BurnedInAnnotation NO may show the patient's name."
    return None


def _unsupported(sop_class: str) -> Unusable:
    if sop_class in OF_NO_EXAM:
        return Unusable(
            reasons.UNSUPPORTED_OBJECT,
            f"It is {OF_NO_EXAM[sop_class]} (DICOM), which is of no exam.",
            "Nothing: a study does not need it.",
        )
    if sop_class in DOCUMENTS:
        return Unusable(
            reasons.UNSUPPORTED_OBJECT,
            f"It is a document ({DOCUMENTS[sop_class]}) that names persons in a form that no rule reads.",
            "Leave it out, or export its pages as images (Secondary Capture), which `unibase pixels` lets a person review. "
            "What the study needs of it can come as a table of the centre, in `clinical`.",
        )
    return Unusable(
        reasons.UNSUPPORTED_OBJECT,
        "Objects of this SOP class may show or hold identities that no rule can find.",
        "Leave them out; images can be exported as a class that is known, such as Secondary Capture, and then be reviewed.",
    )


class PageRule(NamedTuple):
    """One row of `data/burned_in.csv`: what in a header says that the pixels may show text.

    Attributes:
        name: Its name.
        objects: SOP classes that it is asked of.
        attribute: Keyword of the attribute.
        pattern: What its whole value, folded, is.
        why: The reason, for the operator.
    """

    name: str
    objects: frozenset[str]
    attribute: str
    pattern: re.Pattern[str]
    why: str


@cache
def catalogue() -> tuple[PageRule, ...]:
    """Return the rules, in order: written for this project from the standard and from makers' conformance statements."""
    with open(Path(__file__).parent / "data" / "burned_in.csv", encoding="utf-8", newline="") as file:
        return tuple(
            PageRule(
                row["rule"],
                _GROUPS[row["objects"]],
                row["attribute"],
                re.compile(row["pattern"], re.IGNORECASE | re.DOTALL),
                row["why"],
            )
            for row in csv.DictReader(file)
        )


def _burned(what: str, sop_class: str) -> Unusable:
    device = "SOPClass: " + name_of(sop_class) + ", ManufacturerModelName: ..."
    return Unusable(
        reasons.BURNED_IN_ANNOTATION,
        what,
        "Decide of the pixels: `unibase pixels SOURCE REVIEW`, then deidentification.pixels: REVIEW/pixels.csv. Or, for a device that is "
        f"known to show nobody, deidentification.rules: [{{images: {{{device}}}, action: accept, reason: ...}}].",
    )


def pixel_bytes(facts: Mapping[str, str]) -> int | None:
    """Return how many bytes native pixels must have at least, or None when the header does not say.

    `facts`: values of `FACTS` as texts.
    """
    try:
        bits = int(facts["BitsAllocated"]) * int(facts["Rows"]) * int(facts["Columns"]) * int(facts["SamplesPerPixel"])
        return -(-bits * max(1, int(facts.get("NumberOfFrames") or 1)) // 8)
    except (KeyError, ValueError):
        return None
