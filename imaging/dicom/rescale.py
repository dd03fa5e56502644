"""The unit of a volume: what its header says of it, never what its modality lets one hope.

`TYPES` names what RescaleType (0028,1054) says (PS3.3 C.11.1.1.2), `of_volume` what follows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.body import DIVISORS, SuvKind
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.planes import Plane
from unibase.imaging.reasons import INCONSISTENT_SERIES, UNSUPPORTED_IMAGE

TYPES = {
    "HU": "HU",
    "HOUNSFIELD": "HU",
    "HU_MOD": "modified HU",
    "US": "unspecified",
    "UNSPECIFIED": "unspecified",
    "MGML": "mg/ml",
    "OD": "10^-3 OD",
    "PCT": "%",
    "Z_EFF": "effective atomic number",
    "ED": "10^23 electrons/ml",
    "EDW": "electron density over water",
}
"""What values of RescaleType are called; others are told as they stand when they are a short word, else unspecified."""

NO_ATTENUATION = frozenset(
    {
        *("LOCALIZER", "EFF_ATOMIC_NUM", "EFFECTIVE_Z", "Z_EFF", "ZEFF", "ELECTRON_DENSITY", "RHO", "MAT_SPECIFIC"),
        *("MAT_FRACTIONAL", "MAT_VALUE_BASED", "IODINE", "IODINE_MAP", "IODINE MAP", "IODINE_DENSITY", "IODINE(WATER)"),
        *("WATER(IODINE)", "URICACID", "URIC_ACID", "RHO_Z", "RHO/Z", "PERFUSION", "CBF", "CBV", "MTT", "TTP", "TMAX"),
        *("BLOOD_FLOW", "BLOOD_VOLUME", "BLOOD FLOW", "BLOOD VOLUME", "PERMEABILITY", "LUNG_PERFUSION", "PBV"),
    }
)
"""Values of ImageType of a CT that is no measurement of attenuation (PS3.3 C.8.2.1.1.2, C.8.15.2.1.1): it has no HU unless it says so."""

NO_RESCALE = "stored values"
"""Unit of a CT whose header tells neither slope nor intercept."""

ARBITRARY = "arbitrary"
"""Unit of MR without a scale of its own."""

_REAL_WORLD = frozenset({"CT", "PT", "OT"})
_PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"


@dataclass(frozen=True)
class Rescale:
    """Stored to real values: `stored * slope + intercept`.

    Attributes:
        slope, intercept: The line.
        unit: What the header says of the result; empty when it says nothing.
        told: Whether the header holds a rescale at all.
    """

    slope: float
    intercept: float
    unit: str
    told: bool


def rescale_of(plane: Plane) -> Rescale:
    """Return the rescale of a plane: that of its frame, the shared one, that of the file, else a real-world mapping.

    Args:
        plane: One plane.

    Raises:
        Unusable: `unsupported-image` for a parametric map whose values stand in a table, or a slope of 0.
    """
    header = plane.header
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    if slope is None and intercept is None:
        mapped = _real_world(plane)
        if mapped is not None:
            return mapped
    said = plane.text("RescaleType")
    line = (1.0 if slope in (None, "") else float(slope), 0.0 if intercept in (None, "") else float(intercept))
    if not (math.isfinite(line[0]) and math.isfinite(line[1]) and line[0] != 0):
        message = "Rescale Slope (0028,1053) is 0, or it or Rescale Intercept (0028,1052) is no number."
        raise Unusable(UNSUPPORTED_IMAGE, message, "Export the series again, with its rescale.")
    return Rescale(*line, _named(said) if said else "", slope is not None and intercept is not None)


def of_volume(planes: Sequence[Plane], suv: SuvKind | None) -> str:
    """Return the unit of a volume with these planes.

    Args:
        planes: All planes of the volume.
        suv: Which SUV a PET becomes; None keeps the unit of its header.

    Raises:
        Unusable: `inconsistent-series` when the planes differ in it.
    """
    modality = planes[0].text("Modality")
    if modality == "PT" and suv:
        return DIVISORS[suv].unit
    rescales = [rescale_of(plane) for plane in planes]
    if len({(rescale.unit, rescale.told) for rescale in rescales}) > 1:
        message = "RescaleType, or the rescale itself, differs between the slices of one series."
        raise Unusable(INCONSISTENT_SERIES, message, "Export the series again, every slice in one unit.")
    rescale = rescales[0]
    if rescale.unit:
        return rescale.unit
    if modality == "CT":
        if not rescale.told:
            return NO_RESCALE
        return "unspecified" if NO_ATTENUATION & set(planes[0].kinds) else "HU"
    if modality == "PT":
        return planes[0].text("Units")
    return ARBITRARY if modality == "MR" else "unspecified"


def _named(said: str) -> str:
    if said.upper() in TYPES:
        return TYPES[said.upper()]
    return said if re.fullmatch(r"[A-Za-z][\w^/%.*-]{0,15}", said) else "unspecified"


def _real_world(plane: Plane) -> Rescale | None:
    """Return the first linear real-world value mapping (PS3.3 C.7.6.16.2.11); None without one that is meant for values.

    MR keeps its stored values: its mapping is a second scale beside them.
    """
    parametric = plane.text("SOPClassUID") == _PARAMETRIC_MAP
    if not parametric and plane.text("Modality") not in _REAL_WORLD:
        return None
    for item in plane.header.get("RealWorldValueMappingSequence") or ():
        slope, intercept = item.get("RealWorldValueSlope"), item.get("RealWorldValueIntercept")
        if slope is not None and intercept is not None:
            return Rescale(float(slope), float(intercept), _unit_code(item), True)
        if parametric and "RealWorldValueLUTData" in item:
            message = "The parametric map tells its values by a table."
            raise Unusable(UNSUPPORTED_IMAGE, message, "Export it with a linear real-world value mapping.")
    return None


def _unit_code(item: Header) -> str:
    codes = item.get("MeasurementUnitsCodeSequence")
    code = str(codes[0].get("CodeValue", "") or "").strip() if codes else ""
    if code in ("[hnsf'U]", "[HU]", "HU"):
        return "HU"
    return code if re.fullmatch(r"[\w^/%.*{}\[\]'()-]{1,24}", code) else "unspecified"
