"""What a header says against its own volume: contradictions that are refused, and what a reader of the numbers must know."""

from __future__ import annotations

from collections.abc import Sequence

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.planes import Plane
from unibase.imaging.grid import Array
from unibase.imaging.reasons import GANTRY_TILT, MISSING_SLICE

LOSSY, APART, LACKING = "lossy-compressed", "gaps-between-slices", "fewer-slices-than-declared"
"""Notes of a volume: its pixels were compressed with loss; its slices lie well apart; its header declares more of them."""

APART_FROM = 1.5
"""Slices whose distance is this many times their thickness lie apart: what is between them was not seen."""

TILT = 0.5
"""Degrees of Gantry/Detector Tilt from which it is one."""


def check_tilt(planes: Sequence[Plane], normal: Array, sheared: bool) -> None:
    """Refuse a CT whose header tells a tilt of the gantry that its places do not show: one of the two is wrong.

    Args:
        planes: All planes of the volume.
        normal: Their normal (3,).
        sheared: Whether the places show a tilt.

    Raises:
        Unusable: `gantry-tilt`.
    """
    if sheared or len(planes) < 2 or abs(float(normal[2])) < 0.9999 or planes[0].text("Modality") != "CT":
        return
    if any(abs(_number(plane, "GantryDetectorTilt")) > TILT for plane in planes):
        message = "Gantry/Detector Tilt (0018,1120) tells a tilt, and orientation and places of the slices show none."
        remedy = "Export the series again; where its slices were straightened already, set the tilt to 0."
        raise Unusable(GANTRY_TILT, message, remedy)


def check_parts(planes: Sequence[Plane]) -> None:
    """Refuse an enhanced image that was stored in parts (a concatenation) of which one is missing.

    Args:
        planes: All planes of the volume.

    Raises:
        Unusable: `missing-slice`.
    """
    parts: dict[str, set[float]] = {}
    declared: dict[str, float] = {}
    for plane in planes:
        name = plane.text("ConcatenationUID")
        if name:
            parts.setdefault(name, set()).add(_number(plane, "InConcatenationNumber"))
            declared[name] = max(declared.get(name, 0.0), _number(plane, "InConcatenationTotalNumber"))
    if any(len(found) < max(declared[name], max(found)) for name, found in parts.items()):
        message = "A part of the enhanced image (In-concatenation Number, 0020,9162) is missing."
        raise Unusable(MISSING_SLICE, message, "Export the series again, complete.")


def cautions(planes: Sequence[Plane], distance: float) -> tuple[str, ...]:
    """Return what is to be known of a volume, as short codes.

    Args:
        planes: All planes of the volume.
        distance: Distance of its slices in mm.
    """
    first, found = planes[0], []
    if any(plane.text("LossyImageCompression") == "01" for plane in planes):
        found.append(LOSSY)
    thickness = _number(first, "SliceThickness")
    if len(planes) > 1 and thickness > 0 and distance > APART_FROM * thickness:
        found.append(APART)
    # Number of Slices (0054,0081) of a PET is that of each of its volumes.
    if first.text("Modality") == "PT" and len(planes) < _number(first, "NumberOfSlices"):
        found.append(LACKING)
    return tuple(sorted(found))


def _number(plane: Plane, keyword: str) -> float:
    try:
        return float(plane.header.get(keyword) or 0)
    except (TypeError, ValueError):
        return 0.0
