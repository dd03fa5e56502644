"""What lies in a series and is no volume of it: localizers, projections, derived pictures, pages."""

from __future__ import annotations

from collections.abc import Sequence

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.distinctions import WORDS
from unibase.imaging.dicom.planes import Plane
from unibase.imaging.dicom.private import b_value
from unibase.imaging.reasons import UNSUPPORTED_IMAGE

KINDS = (
    ("localizer", frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVEY", "SCANO"})),
    ("maximum intensity projection", frozenset({"MIP", "MAX_IP", "MAXIP", "MAXIMUM", "PROJECTION IMAGE", "PROJECTION"})),
    ("minimum intensity projection", frozenset({"MIN_IP", "MINIP", "MINIMUM"})),
    ("volume rendering", frozenset({"VOLUME RENDERING", "VOLUME_RENDERED", "VRT", "SSD", "RENDERED"})),
    ("reformat", frozenset({"MPR", "CPR", "CURVED", "REFORMATTED"})),
    ("page", frozenset({"SCREEN SAVE", "SCREENSHOT", "DOSE REPORT", "DOSE_INFO", "REPORT"})),
)
"""Values of ImageType and FrameType that say of an image what it is; the first that fits names it."""

MAPS = {
    "ADC": "ADC map",
    "ADC_UNSPECIFIED": "ADC map",
    "EADC": "exponential ADC map",
    "FA": "fractional anisotropy map",
    "SUBTRACT": "subtraction",
    "SUBTRACTION": "subtraction",
    "SUB": "subtraction",
    "AVERAGE": "average",
    "MEAN": "average",
    "RELCBV": "perfusion map",
    "RELCBF": "perfusion map",
    "MTT": "perfusion map",
    "TTP": "perfusion map",
}
"""Derived images that have a name of their own."""

_PARTS = frozenset(WORDS) - frozenset(MAPS) | {"DIXON", "TRACEW", "TRACE"}
"""Derived images that scanners make beside the original ones of one acquisition: water, fat, phase."""


def aside_name(planes: Sequence[Plane]) -> list[str]:
    """Return for every plane what it is when it is set aside, else an empty text.

    A series that consists of one kind alone is that kind's volume: nothing is set aside from it.

    Args:
        planes: All planes of one series.

    Raises:
        Unusable: `unsupported-image` when no plane is a grey image with a place, naming what is missing.
    """
    names = [_without_place(plane) for plane in planes]
    if all(names):
        missing = planes[0].missing()
        if missing:
            message = f"{missing} is missing, so the image has no place in the patient."
            raise Unusable(UNSUPPORTED_IMAGE, message, "Use a volume series.")
        raise Unusable(UNSUPPORTED_IMAGE, "The image is in colour.", "Use a series of grey values.")
    kinds = [name or _kind(plane) for name, plane in zip(names, planes, strict=True)]
    if all(kinds):
        # Only such images: those with a place are the series, whatever they are.
        return names
    originals = any("ORIGINAL" in plane.kinds for plane, kind in zip(planes, kinds, strict=True) if not kind)
    if originals:
        kinds = [kind or _derived(plane) for kind, plane in zip(kinds, planes, strict=True)]
    return kinds


def _without_place(plane: Plane) -> str:
    if int(plane.header.get("SamplesPerPixel") or 1) != 1:
        return "picture in colour"
    return "image without a place" if plane.missing() else ""


def _kind(plane: Plane) -> str:
    said = set(plane.kinds)
    return next((name for name, words in KINDS if said & words), "")


def _derived(plane: Plane) -> str:
    if "DERIVED" not in plane.kinds or "ORIGINAL" in plane.kinds:
        return ""
    mapped = next((MAPS[item] for item in plane.kinds if item in MAPS), "")
    if mapped:
        return mapped
    weighted = (b_value(plane.header) or 0) > 0
    return "" if weighted or set(plane.kinds) & _PARTS else "derived image"
