"""Private attributes of makers that tell what a volume is: diffusion weighting and parts of complex images.

Places and encodings are those of the safe private attributes of PS3.15 Table E.3.10-1 and of the makers' published
conformance statements; each is looked up below its private creator, never by its bare tag.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from unibase.imaging.dicom.header import Header

_B_VALUES = (
    ("SIEMENS MR HEADER", 0x0019, 0x0C),
    ("Philips Imaging DD 001", 0x2001, 0x03),
    ("GEMS_PARM_01", 0x0043, 0x39),
    ("Image Private Header", 0x0065, 0x09),
)
_DIRECTIONS = (
    ("SIEMENS MR HEADER", 0x0019, (0x0E,)),
    ("Philips Imaging DD 005", 0x2005, (0xB0, 0xB1, 0xB2)),
    ("GEMS_ACQU_01", 0x0019, (0xBB, 0xBC, 0xBD)),
)
_CREATORS = range(0x10, 0x20)
_COMPLEX = {0: "M", 1: "P", 2: "R", 3: "I"}


def private_value(header: Header, group: int, creator: str, element: int) -> object:
    """Return a private value below its creator, or None.

    Args:
        header: Header of a plane or file.
        group: Number of the group.
        creator: Creator of the block.
        element: Last two digits of the element, from 0x00 to 0xFF.
    """
    # pydicom looks through all 240 places of a creator; makers use the first few, and most files have none at all.
    if not any((group, place) in header for place in _CREATORS):
        return None
    try:
        return header.private_block(group, creator)[element].value
    except (KeyError, AttributeError):
        return None


def private_numbers(value: Any) -> list[float]:
    """Return the numbers of a private value, whatever VR it was written with (UN of implicit files too).

    >>> private_numbers([1, "2.5"])
    [1.0, 2.5]
    """
    if value is None:
        return []
    if isinstance(value, bytes):
        text = value.decode("ascii", "replace").strip(" \0")
        try:
            return [float(item) for item in text.split("\\")]
        except ValueError:
            # UN holds the binary numbers of the VR that got lost: FD, else FL.
            code, size = ("d", 8) if len(value) % 8 == 0 else ("f", 4)
            return list(struct.unpack(f"<{len(value) // size}{code}", value)) if value and len(value) % size == 0 else []
    items = [value] if isinstance(value, (str, int, float)) else list(value)
    try:
        return [float(item) for item in items]
    except (TypeError, ValueError):
        return []


def b_value(header: Header) -> float | None:
    """Return the diffusion weighting in s/mm2: the standard attribute, else the maker's own; None when there is none.

    Args:
        header: Header of a plane.
    """
    if header.get("Modality") != "MR":
        return None
    standard = header.get("DiffusionBValue")
    if standard is None:
        standard = _in_sequence(header, "DiffusionBValue")
    if standard is not None:
        return float(standard)
    for creator, group, element in _B_VALUES:
        numbers = private_numbers(private_value(header, group, creator, element))
        if numbers:
            # GE adds 10^9 to the b-value of a trace image.
            return numbers[0] % 1e6 if numbers[0] >= 1e6 else numbers[0]
    # Siemens writes it into the name of the sequence too: `*ep_b800t`, `ep_b1000#12`.
    named = re.match(r"\*?ep\w*_b(\d+)", str(header.get("SequenceName") or ""))
    return float(named[1]) if named else None


def gradient(header: Header) -> tuple[float, ...] | None:
    """Return the direction of the diffusion gradient; None without one (b = 0, or a trace over all directions).

    Args:
        header: Header of a plane.
    """
    if header.get("Modality") != "MR":
        return None
    value = header.get("DiffusionGradientOrientation")
    if value is None:
        value = _in_sequence(header, "DiffusionGradientDirectionSequence", "DiffusionGradientOrientation")
    numbers = [] if value is None else [float(item) for item in value]
    for creator, group, elements in _DIRECTIONS:
        if not numbers:
            found = [private_numbers(private_value(header, group, creator, element)) for element in elements]
            numbers = [number for items in found for number in items]
    if len(numbers) != 3 or not any(numbers):
        return None
    return tuple(round(number, 3) for number in numbers)


def complex_part(header: Header) -> str:
    """Return M, P, R or I (magnitude, phase, real, imaginary) where GE says so, else an empty text.

    Args:
        header: Header of a plane.
    """
    numbers = private_numbers(private_value(header, 0x0043, "GEMS_PARM_01", 0x2F))
    return _COMPLEX.get(int(numbers[0]), "") if numbers else ""


def _in_sequence(header: Header, *keywords: str) -> object:
    """Return a value below `MRDiffusionSequence`, as classic files carry it."""
    item = header
    for keyword in ("MRDiffusionSequence", *keywords[:-1]):
        items = item.get(keyword)
        if not items:
            return None
        item = items[0]
    return item.get(keywords[-1])
