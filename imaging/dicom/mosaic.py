"""Siemens mosaics: all slices of one moment as tiles of one picture.

The place of the picture is that of one large plane; Siemens' CSA header says how the slices follow one another
(published by the dcm2niix and nibabel projects: "Siemens mosaic format").
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.header import Header
from unibase.imaging.grid import Array
from unibase.imaging.reasons import MOSAIC

_SIEMENS_MR, _SIEMENS_CSA = "SIEMENS MR HEADER", "SIEMENS CSA HEADER"

OWN_GROUP, OWN_CREATOR = 0x7FDF, "UNIBASE MOSAIC"
"""Private group and creator of what de-identification keeps of a mosaic; the group comes after all others of a header."""

_CREATOR, _COUNT, _NORMAL = 0x0010, 0x1001, 0x1002


@dataclass(frozen=True, eq=False)
class Tile:
    """One slice of a mosaic.

    Attributes:
        position: Centre of its first voxel in mm.
        shape: Its rows and columns.
        corner: Row and column of its first voxel in the picture.
    """

    position: Array
    shape: tuple[int, int]
    corner: tuple[int, int]


def is_mosaic(header: Header) -> bool:
    """Whether a classic instance says that it is a mosaic.

    Args:
        header: Its header.
    """
    value = header.get("ImageType") or ()
    return "MOSAIC" in [str(item).upper() for item in ([value] if isinstance(value, str) else value)]


@dataclass(frozen=True, eq=False)
class Stacked:
    """How the slices of a mosaic follow one another.

    Attributes:
        count: Number of slices.
        normal: Direction (3,) in which they follow one another.
    """

    count: int
    normal: Array


def _stacked(header: Header) -> Stacked | None:
    """Return how the slices of a mosaic follow one another; None when its header does not tell it.

    Args:
        header: Header of a mosaic, as Siemens writes it or as de-identification leaves it (`carried`).
    """
    numbers = _carried(header)
    if numbers is not None:
        return numbers
    count, normal = _number_of_images(header), _csa_numbers(header, "SliceNormalVector")
    return Stacked(count, normal) if count and len(normal) == 3 else None


def tiles_of(header: Header) -> list[Tile]:
    """Return the slices of a mosaic.

    Args:
        header: Its header.

    Raises:
        Unusable: `mosaic` when the header lacks the number of slices, their normal or their distance: a mosaic is
            never read as one large slice.
    """
    lies = _stacked(header)
    distance = float(header.get("SpacingBetweenSlices") or 0)
    side = math.ceil(math.sqrt(lies.count)) if lies else 0
    rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    if lies is None or not distance > 0 or rows % side or columns % side:
        message = "The series is a Siemens mosaic, and its header does not say how its slices lie."
        raise Unusable(MOSAIC, message, "Export it with Siemens' private header, or as one file a slice.")
    orientation = [float(item) for item in header.get("ImageOrientationPatient")]
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    if abs(abs(float(np.cross(along_row, along_column) @ lies.normal)) - 1) > 1e-3:
        message = "The slices of the mosaic do not follow one another along their normal."
        raise Unusable(MOSAIC, message, "Export it as one file a slice.")
    spacing = [float(item) for item in header.get("PixelSpacing")]
    shape = rows // side, columns // side
    # The picture is centred where one slice is centred.
    shift = along_row * spacing[1] * (columns - shape[1]) / 2 + along_column * spacing[0] * (rows - shape[0]) / 2
    first = np.array([float(item) for item in header.get("ImagePositionPatient")]) + shift
    return [
        Tile(first + number * distance * lies.normal, shape, (number // side * shape[0], number % side * shape[1]))
        for number in range(lies.count)
    ]


def carried(header: Header, little: bool = True, implicit: bool = False) -> bytes:
    """Return the elements that say without Siemens' header how a mosaic lies: a private block of ours, to end a header with.

    Siemens' CSA header holds texts of the protocol and goes with de-identification; four numbers of it are kept here.

    Args:
        header: Header of a mosaic as the scanner wrote it.
        little: Whether bytes are in little endian.
        implicit: Whether elements go without their VR.

    Returns:
        The encoded elements; nothing when the header does not tell how its slices lie.
    """
    lies = _stacked(header)
    if lies is None:
        return b""
    order = "<" if little else ">"
    values = (
        (_CREATOR, b"LO", OWN_CREATOR.encode().ljust(14)),
        (_COUNT, b"US", struct.pack(f"{order}H", lies.count)),
        (_NORMAL, b"FD", struct.pack(f"{order}3d", *lies.normal)),
    )
    return b"".join(
        struct.pack(f"{order}HH", OWN_GROUP, element)
        + (struct.pack(f"{order}I", len(value)) if implicit else vr + struct.pack(f"{order}H", len(value)))
        + value
        for element, vr, value in values
    )


def _carried(header: Header) -> Stacked | None:
    try:
        block = header.private_block(OWN_GROUP, OWN_CREATOR)
        count, normal = block[_COUNT & 0xFF].value, block[_NORMAL & 0xFF].value
    except KeyError:
        return None
    # A file in implicit VR does not say what its private elements are.
    if isinstance(count, bytes):
        count = struct.unpack("<H", count)[0]
    if isinstance(normal, bytes):
        normal = struct.unpack("<3d", normal)
    return Stacked(int(count), np.array([float(item) for item in normal]))


def _number_of_images(header: Header) -> int:
    try:
        return int(header.private_block(0x0019, _SIEMENS_MR)[0x0A].value)
    except (KeyError, TypeError, ValueError):
        numbers = _csa_numbers(header, "NumberOfImagesInMosaic")
        return int(numbers[0]) if len(numbers) else 0


def _csa_numbers(header: Header, name: str) -> Array:
    """Return the numbers of one tag of Siemens' CSA image header (0029,xx10); empty when it is absent.

    The header is `SV10`, four bytes, the number of tags, 77; then each tag: name (64 bytes), multiplicity, VR (4
    bytes), a code, number of items, 77 or 205; then each item: four sizes, and the text padded to four bytes.
    """
    try:
        content = header.private_block(0x0029, _SIEMENS_CSA)[0x10].value
    except KeyError:
        return np.array([])
    if not isinstance(content, bytes) or content[:4] != b"SV10":
        return np.array([])
    try:
        return _csa_tag(content, name.encode())
    except (struct.error, ValueError):
        return np.array([])


def _csa_tag(content: bytes, wanted: bytes) -> Array:
    tags = struct.unpack_from("<I", content, 8)[0]
    place = 16
    for _ in range(min(tags, 1000)):
        name = content[place : place + 64].split(b"\0")[0]
        items = struct.unpack_from("<I", content, place + 76)[0]
        place += 84
        values = []
        for _ in range(min(items, 1000)):
            length = struct.unpack_from("<I", content, place + 4)[0]
            text = content[place + 16 : place + 16 + length].split(b"\0")[0].strip()
            place += 16 + (length + 3) // 4 * 4
            if text:
                values.append(text)
        if name == wanted:
            return np.array([float(value) for value in values])
    return np.array([])
