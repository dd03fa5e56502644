"""What tells the volumes of one series apart, and how a person calls them.

`ATTRIBUTES` is the rule: in its order a series is split by each attribute that differs between its planes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from unibase.imaging.dicom.planes import Plane
from unibase.imaging.dicom.private import b_value, complex_part, gradient

Value = Hashable
Evidence = Literal["identity", "shared", "blocks", "order"]
"""How much a difference says.

identity: two values are two volumes, wherever the planes lie.
shared: two values are two volumes where planes share their places; else a value may change from slice to slice.
blocks: as identity, unless the values follow the way of the scanner: slice by slice, block by block, bed by bed.
order: a time. Planes that share a place are told apart by their order in it.
"""

NOISE = frozenset(
    {"ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "ND", "NORM", "DIS2D", "DIS3D", "DISTORTED", "NONE", "FIL", "MFSPLIT"}
)
"""Values of ImageType that say how an image was made, and not what it shows."""

WORDS = {
    "M": "magnitude",
    "M_FFE": "magnitude",
    "M_SE": "magnitude",
    "MAGNITUDE": "magnitude",
    "P": "phase",
    "PHASE": "phase",
    "PHASE MAP": "phase",
    "R": "real",
    "REAL": "real",
    "I": "imaginary",
    "IMAGINARY": "imaginary",
    "W": "water",
    "WATER": "water",
    "F": "fat",
    "FAT": "fat",
    "IP": "in phase",
    "IN_PHASE": "in phase",
    "OP": "out of phase",
    "OPP_PHASE": "out of phase",
    "OUT_PHASE": "out of phase",
    "OUT_OF_PHASE": "out of phase",
    "ADC": "ADC",
    "FA": "fractional anisotropy",
    "TRACEW": "trace",
    "TRACE": "trace",
    "SUB": "subtraction",
    "SUBTRACT": "subtraction",
    "SUBTRACTION": "subtraction",
    "T1": "T1",
    "T2": "T2",
    "T2_STAR": "T2*",
    "PROTON_DENSITY": "proton density",
}
"""What values of ImageType and FrameType are called."""

CONTRAST = {
    "PRE_CONTRAST": "before contrast",
    "POST_CONTRAST": "after contrast",
    "IMMEDIATE": "immediate phase",
    "DYNAMIC": "dynamic phase",
    "STEADY_STATE": "steady state",
    "DELAYED": "delayed phase",
    "ARTERIAL": "arterial phase",
    "CAPILLARY": "capillary phase",
    "VENOUS": "venous phase",
    "PORTAL_VENOUS": "portal venous phase",
}
"""Names of ContrastBolusAgentPhase (0018,9344)."""


@dataclass(frozen=True)
class Attribute:
    """One attribute that tells volumes apart.

    Attributes:
        name: DICOM keyword, as a refusal names it.
        value: Its value on a plane; None when it has none.
        label: How a person calls a value, given all values of the series and their planes; None counts them by `word`.
        evidence: How much a difference says.
        word: Of values that are counted: `phase` gives `phase 2 of 3`.
    """

    name: str
    value: Callable[[Plane], Value]
    label: Callable[[Value], str] | None
    evidence: Evidence = "identity"
    word: str = ""

    def names(self, values: Sequence[Value], planes: Sequence[Plane]) -> list[str]:
        """Return the names of all values that `planes` of one place in the patient have, in their order."""
        if self.label is not None:
            return [self.label(value) for value in values]
        word = _gated(self.word, planes)
        declared = _declared(planes) if self.name == "TemporalPositionIdentifier" else 0
        numbers = [value if isinstance(value, int) else 0 for value in values]
        if declared >= len(values) and all(1 <= number <= declared for number in numbers):
            return [f"{word} {number} of {declared}" for number in numbers]
        return [f"{word} {number} of {len(values)}" for number in range(1, len(values) + 1)]


def _number(keyword: str, *others: str) -> Callable[[Plane], Value]:
    def read(plane: Plane) -> Value:
        for name in (keyword, *others):
            value = plane.header.get(name)
            if isinstance(value, (list, tuple)) or hasattr(value, "append"):
                value = value[0] if len(value) else None
            if value not in (None, ""):
                try:
                    number = float(value)
                except (TypeError, ValueError):
                    continue
                return int(number) if number.is_integer() else number
        return None

    return read


def _text(keyword: str) -> Callable[[Plane], Value]:
    def read(plane: Plane) -> Value:
        value = plane.header.get(keyword)
        several = not isinstance(value, str) and hasattr(value, "__iter__")
        return (" ".join(str(item) for item in value) if several else plane.text(keyword)) or None

    return read


def _kind(plane: Plane) -> Value:
    """Return what ImageType says the image shows: its words; part of a complex image by standard or GE's own tag."""
    said = [item for item in plane.kinds if item not in NOISE and not item.startswith("CSA ")]
    words = {WORDS[item] for item in said if item in WORDS}
    part = plane.text("ComplexImageComponent").upper() or complex_part(plane.header)
    if part in WORDS:
        words.add(WORDS[part])
    return " ".join(sorted(words)) or " ".join(sorted({item.lower() for item in said})) or None


def _rounded_b(plane: Plane) -> Value:
    value = b_value(plane.header)
    return None if value is None else round(value)


def _contrast(plane: Plane) -> Value:
    return plane.text("ContrastBolusAgentPhase") or ("agent" if plane.text("ContrastBolusAgent") else None)


def _contrast_name(value: Value) -> str:
    if value is None:
        return "before contrast"
    return "with contrast" if value == "agent" else CONTRAST.get(str(value), str(value).lower().replace("_", " "))


def _corrected(plane: Plane) -> Value:
    value = plane.header.get("CorrectedImage") or ()
    return "ATTN" in ([value] if isinstance(value, str) else list(value)) if plane.text("Modality") == "PT" else None


def _time_slot(plane: Plane) -> Value:
    """Return which time slot or time slice a PET plane is of (PS3.3 C.8.9.4.1.9, Image Index)."""
    index, slices = _number("ImageIndex")(plane), _number("NumberOfSlices")(plane)
    if not isinstance(index, int) or not isinstance(slices, int) or index < 1 or slices < 1:
        return None
    return (index - 1) // slices + 1


def _moment(plane: Plane, *keywords: str) -> float | None:
    """Return the first of some times of a plane, in seconds of its own clock; with its day where the date is known."""
    for keyword in keywords:
        text = plane.text(keyword)
        found = re.match(r"(\d{8})?(\d{2})(\d{2})(\d{2})(\.\d+)?", text)
        if found is not None:
            date = found[1] or plane.text(keyword.replace("Time", "Date"))[:8]
            day = (int(date[:4]) * 12 + int(date[4:6])) * 31 + int(date[6:8]) if len(date) == 8 and date.isdigit() else 0
            clock = int(found[2]) * 3600 + int(found[3]) * 60 + int(found[4]) + float(found[5] or 0)
            return day * 86400.0 + clock
    return None


def acquired(plane: Plane) -> float | None:
    """Return when a plane was acquired, in seconds of an arbitrary clock."""
    return _moment(plane, "FrameAcquisitionDateTime", "AcquisitionDateTime", "AcquisitionTime")


def _shown(value: Value, form: str, absent: str) -> str:
    return absent if value is None else form.format(value)


def _called(form: str, absent: str) -> Callable[[Value], str]:
    return lambda value: _shown(value, form, absent)


def _plain(value: Value) -> str:
    return "other images" if value is None else str(value)


ATTRIBUTES = (
    Attribute("PatientPosition", _text("PatientPosition"), _called("{}", "without position")),
    Attribute("StackID", _text("StackID"), None, "blocks", "stack"),
    Attribute("ImageType", _kind, _plain),
    Attribute("DiffusionBValue", _rounded_b, _called("b={}", "without b-value")),
    Attribute("DiffusionGradientOrientation", lambda plane: gradient(plane.header), None, "shared", "direction"),
    Attribute("EchoTime", _number("EffectiveEchoTime", "EchoTime"), None, word="echo"),
    Attribute("EchoNumbers", _number("EchoNumbers"), None, word="echo"),
    Attribute("InversionTime", _number("InversionTime", "InversionTimes"), _called("TI {} ms", "without inversion")),
    Attribute("FlipAngle", _number("FlipAngle"), _called("flip angle {}", "without flip angle")),
    Attribute("RepetitionTime", _number("RepetitionTime"), _called("TR {} ms", "without TR"), "shared"),
    Attribute(
        "MonoenergeticEnergyEquivalent", _number("MonoenergeticEnergyEquivalent"), _called("monochromatic {} keV", "mixed")
    ),
    Attribute("KVP", _number("KVP"), _called("{} kVp", "without kVp")),
    Attribute("ConvolutionKernel", _text("ConvolutionKernel"), _called("kernel {}", "without kernel")),
    Attribute("FilterType", _text("FilterType"), _called("filter {}", "without filter"), "blocks"),
    Attribute("ReconstructionMethod", _text("ReconstructionMethod"), _plain, "shared"),
    Attribute("CorrectedImage", _corrected, lambda value: "corrected" if value else "not attenuation-corrected"),
    Attribute("ContrastBolusAgent", _contrast, _contrast_name),
    Attribute("TemporalPositionIdentifier", _number("TemporalPositionIndex", "TemporalPositionIdentifier"), None, word="phase"),
    Attribute("ImageIndex", _time_slot, None, "shared", "frame"),
    Attribute("NominalPercentageOfCardiacPhase", _number("NominalPercentageOfCardiacPhase"), None, word="gate"),
    Attribute("NominalPercentageOfRespiratoryPhase", _number("NominalPercentageOfRespiratoryPhase"), None, word="gate"),
    Attribute("SliceThickness", _number("SliceThickness"), _called("{} mm thick", "without thickness"), "blocks"),
    Attribute("AcquisitionNumber", _number("AcquisitionNumber"), None, "blocks", "acquisition"),
    Attribute("IrradiationEventUID", _text("IrradiationEventUID"), None, "blocks", "exposure"),
    Attribute("AcquisitionUID", _text("AcquisitionUID"), None, "blocks", "acquisition"),
    Attribute("SequenceName", _text("SequenceName"), None, "blocks", "sequence"),
    Attribute("ScanOptions", _text("ScanOptions"), None, "shared", "scan"),
    Attribute("ProtocolName", _text("ProtocolName"), None, "blocks", "protocol"),
    Attribute("SeriesDescription", _text("SeriesDescription"), None, "blocks", "part"),
    Attribute("TemporalPositionTimeOffset", _number("TemporalPositionTimeOffset"), None, "order", "phase"),
    Attribute("TriggerTime", _number("NominalCardiacTriggerDelayTime", "TriggerTime"), None, "order", "gate"),
    Attribute("FrameReferenceTime", _number("FrameReferenceTime"), None, "order", "frame"),
    Attribute("AcquisitionTime", acquired, None, "order", "phase"),
    Attribute("ContentTime", lambda plane: _moment(plane, "ContentTime"), None, "order", "phase"),
    Attribute("InstanceNumber", _number("InstanceNumber"), None, "order", "run"),
)
"""What tells the volumes of one series apart, in the order in which it is asked."""


def grouped(values: Sequence[Value], rounds: float = 0.005) -> dict[Value, list[int]]:
    """Return the places of equal values, in order of value.

    Args:
        values: A value for each plane.
        rounds: Numbers within this fraction of one another are one (headers round); whole numbers are never mixed.
    """
    numbers = sorted({value for value in values if isinstance(value, (int, float)) and math.isfinite(value)})
    stands: dict[Value, Value] = {}
    start = None
    for number in numbers:
        if start is None or number - start > rounds * abs(start) or (isinstance(number, int) and isinstance(start, int)):
            start = number
        stands[number] = start
    groups: dict[Value, list[int]] = {}
    for index, value in enumerate(values):
        groups.setdefault(stands.get(value, value), []).append(index)
    return {value: groups[value] for value in sorted(groups, key=_order)}


def _order(value: Value) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return 1, float(value), ""
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))


def _declared(planes: Sequence[Plane]) -> int:
    found = {_number("NumberOfTemporalPositions")(plane) for plane in planes}
    only = found.pop() if len(found) == 1 else None
    return only if isinstance(only, int) else 0


def _gated(word: str, planes: Sequence[Plane]) -> str:
    """Return `gate` or `frame` for the phases of a gated or dynamic PET series."""
    if word in ("phase", "frame", "acquisition"):
        said = str(planes[0].header.get("SeriesType") or "") + " ".join(planes[0].kinds)
        if "GATED" in said:
            return "gate"
        if "DYNAMIC" in said and planes[0].text("Modality") == "PT":
            return "frame"
    return word
