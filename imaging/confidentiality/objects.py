"""Which objects pass: those whose pixels are known to hold no text, and whose content the policy can clean."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from unibase.groundwork.problems import Unusable
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
        "88.22": "Enhanced SR",
        "88.33": "Comprehensive SR",
        "88.34": "Comprehensive 3D SR",
        "88.35": "Extensible SR",
        "88.59": "Key Object Selection",
        "88.67": "X-Ray Radiation Dose SR",
        "88.68": "Radiopharmaceutical Radiation Dose SR",
    }.items()
}
_PROJECTION = frozenset({_BASE + suffix for suffix in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "13.1.3")})
_CROSS_SECTIONAL = frozenset({_BASE + suffix for suffix in ("2", "2.1", "2.2", "4", "4.1", "4.4", "20", "128", "130", "128.1")})
_SLIDES = _BASE + "77.1.6"
_STRUCTURED = frozenset({_BASE + suffix for suffix in ("88.22", "88.33", "88.34", "88.35", "88.59", "88.67", "88.68")})
_GROUPS = {
    "all": frozenset(SUPPORTED),
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
    0x00280002: "SamplesPerPixel",
    0x00280008: "NumberOfFrames",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280100: "BitsAllocated",
    0x0008001A: "RelatedGeneralSOPClassUID",
    0x00080064: "ConversionType",
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


def refuse_unsupported(facts: Mapping[str, str], structured: bool) -> None:
    """Raise when an object cannot be cleaned with certainty.

    Args:
        facts: Values of `FACTS` as texts.
        structured: Whether the policy cleans structured content.

    Raises:
        Unusable: `unsupported-object` or `burned-in-annotation`.
    """
    problem = _problem(tuple(sorted(facts.items())), structured)
    if problem is not None:
        raise Unusable(*problem)


@lru_cache(maxsize=1024)
def _problem(facts: tuple[tuple[str, str], ...], structured: bool) -> tuple[str, str, str] | None:
    # Files of a series say the same: the rules are asked once.
    try:
        _refuse(dict(facts), structured)
    except Unusable as problem:
        return problem.reason, problem.message, problem.remedy
    return None


def _refuse(facts: Mapping[str, str], structured: bool) -> None:
    sop_class = facts.get("SOPClassUID", "")
    if sop_class not in SUPPORTED:
        raise Unusable(
            "unsupported-object",
            "Objects of this SOP class may show or hold identities that no rule can find.",
            "Leave them out, or have a person review them.",
        )
    if sop_class in _STRUCTURED and not structured:
        raise Unusable(
            "unsupported-object",
            "The policy does not clean structured content, and this is a structured report.",
            "Set clean_structured_content, or leave reports out.",
        )
    for rule in catalogue():
        if sop_class in rule.objects and rule.pattern.fullmatch(fold(facts.get(rule.attribute, "")).plain):
            raise _burned(rule.why)
    if sop_class in _PROJECTION and facts.get("BurnedInAnnotation", "").upper() != "NO":
        raise _burned("A projection image that does not say BurnedInAnnotation NO may show the patient's name.")


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


def _burned(what: str) -> Unusable:
    return Unusable("burned-in-annotation", what, "Clean the pixels with a tool for it and review them, or leave the image out.")


def pixel_bytes(facts: Mapping[str, str]) -> int | None:
    """Return how many bytes native pixels must have at least, or None when the header does not say."""
    try:
        bits = int(facts["BitsAllocated"]) * int(facts["Rows"]) * int(facts["Columns"]) * int(facts["SamplesPerPixel"])
        return -(-bits * max(1, int(facts.get("NumberOfFrames") or 1)) // 8)
    except (KeyError, ValueError):
        return None
