"""Pixels of planes: decoded, checked to be whole, and rescaled plane by plane."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.opened import read_dataset
from unibase.imaging.dicom.planes import Plane
from unibase.imaging.dicom.rescale import Rescale, rescale_of
from unibase.imaging.grid import Array
from unibase.imaging.reasons import UNREADABLE_PIXELS, UNSUPPORTED_IMAGE

if TYPE_CHECKING:
    from pydicom import Dataset

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_NEEDED = [
    *_PIXELS,
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "ModalityLUTSequence",
    "Modality",
    "RescaleSlope",
    "RescaleIntercept",
]
"""What decoding asks of a header: the rest of it was read before."""


@dataclass(frozen=True)
class Pixels:
    """Rescaled pixels of some planes.

    Attributes:
        array: float64, z, y, x, in the order of the planes.
        stored_type: NumPy type in which SimpleITK reads the same files.
        digests: SHA-256 of every file, once.
    """

    array: Array
    stored_type: str
    digests: tuple[str, ...]


def read_pixels(planes: Sequence[Plane], factors: Sequence[float]) -> Pixels:
    """Read the pixels of planes of one size; each file is opened once.

    Args:
        planes: The planes in the order in which they are wanted.
        factors: What the rescaled values of each plane are multiplied with.

    Raises:
        Unusable: `truncated-file`, `unreadable-pixels`, `unsupported-image`.
    """
    array = np.empty((len(planes), *planes[0].shape))
    types = []
    by_file: dict[Path, list[int]] = {}
    for index, plane in enumerate(planes):
        by_file.setdefault(plane.path, []).append(index)
    digests = []
    for path, members in by_file.items():
        content = _content(path)
        digests.append(hashlib.sha256(content).hexdigest())
        frames = _decoded(content, path, [planes[index] for index in members])
        for index in members:
            stored = _stored(frames, planes[index])
            types.append(_rescaled(stored, planes[index], factors[index], array[index]))
    return Pixels(array, np.result_type(*types).name, tuple(digests))


def _stored(frames: Array, plane: Plane) -> Array:
    """Return the stored values (y, x) of a plane from those of its file (frames, y, x)."""
    stored: Array = frames[plane.frame or 0]
    if plane.tile:
        (row, column), (rows, columns) = plane.tile.corner, plane.tile.shape
        stored = stored[row : row + rows, column : column + columns]
    if stored.shape != plane.shape:
        raise Unusable(UNSUPPORTED_IMAGE, "The pixel data is no plane of grey values.", "Use a series of grey values.")
    return stored


def _rescaled(stored: Array, plane: Plane, factor: float, into: Array) -> str:
    """Write the rescaled values of a plane `into` its slice (y, x), and return the type that holds them."""
    rescale = rescale_of(plane)
    # Stored values go to their place in one pass where one step is all that is to be done.
    if rescale.slope != 1.0:
        np.multiply(stored, rescale.slope, out=into, dtype=np.float64)
        if rescale.intercept:
            into += rescale.intercept
    elif rescale.intercept:
        np.add(stored, rescale.intercept, out=into, dtype=np.float64)
    else:
        into[...] = stored
    if factor != 1.0:
        into *= factor
    whole = factor == 1.0 and np.issubdtype(stored.dtype, np.integer)
    return _rescaled_type(plane.header, rescale) if whole else "float64"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise Unusable(TRUNCATED_FILE, "A DICOM file of the series cannot be opened.", "Export the series again.") from None


def _decoded(content: bytes, path: Path, planes: Sequence[Plane]) -> Array:
    """Return the stored values of a file, one entry per frame; what is cut off is refused, not filled."""
    frames = 1 + max(plane.frame or 0 for plane in planes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = read_dataset(content, _NEEDED, pixels=True)
        except Exception:
            raise Unusable(TRUNCATED_FILE, "A DICOM file of the series ends too early.", "Export the series again.") from None
        _check_whole(dataset)
        if "ModalityLUTSequence" in dataset:
            raise Unusable(UNSUPPORTED_IMAGE, "The series uses a Modality LUT.", "Export it with rescale slope and intercept.")
        try:
            stored = dataset.pixel_array
        except Exception:
            if frames > 1:
                message = "The pixel data cannot be decoded, or ends too early."
                raise Unusable(UNREADABLE_PIXELS, message, "Export the series again, without compression.") from None
            stored = _decoded_by_simpleitk(path, dataset)
        stored = _down_to_bit_0(stored, dataset)
    if stored.ndim == 2:
        stored = stored[np.newaxis]
    if stored.ndim != 3 or len(stored) < frames:
        raise Unusable(UNSUPPORTED_IMAGE, "The pixel data is no plane of grey values.", "Use a series of grey values.")
    return stored


def _down_to_bit_0(stored: Array, dataset: Dataset) -> Array:
    """Return stored values whose lowest bit is bit 0: PS3.5 8.1.1 lets older files keep them higher in their word.

    Args:
        stored: Values as they stand in their words.
        dataset: The file: Bits Stored, High Bit.

    Raises:
        Unusable: `unsupported-image` for signed values, or a High Bit that leaves no room for them.
    """
    bits, high = dataset.get("BitsStored"), dataset.get("HighBit")
    if bits is None or high is None or int(high) == int(bits) - 1 or stored.dtype.kind == "f":
        return stored
    shift = int(high) + 1 - int(bits)
    if shift < 0 or int(dataset.get("PixelRepresentation") or 0) or dataset.file_meta.TransferSyntaxUID.is_compressed:
        message = "High Bit (0028,0102) and Bits Stored (0028,0101) contradict each other."
        raise Unusable(UNSUPPORTED_IMAGE, message, "Export the series again, without compression.")
    words = stored.dtype.newbyteorder("<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">")
    whole = np.frombuffer(dataset.PixelData, words, stored.size).reshape(stored.shape)
    lowered: Array = (whole >> shift) & (2 ** int(bits) - 1)
    return lowered


def _check_whole(dataset: Dataset) -> None:
    """Refuse pixel data that ends before the last plane; decoders fill what is cut off without a word."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    keyword = next((keyword for keyword in _PIXELS if keyword in dataset), "PixelData")
    transfer_syntax = dataset.file_meta.get("TransferSyntaxUID")
    if transfer_syntax is None:
        return
    if not transfer_syntax.is_compressed:
        bits = int(dataset.Rows) * int(dataset.Columns) * frames * int(dataset.get("BitsAllocated", 16))
        if keyword not in dataset or len(dataset[keyword].value) < bits // 8:
            raise Unusable(TRUNCATED_FILE, "The pixel data of a slice ends too early.", "Export the series again.")
    elif not _streams_end(dataset, frames):
        raise Unusable(TRUNCATED_FILE, "The compressed pixel data of a slice ends too early.", "Export the series again.")


def _streams_end(dataset: Dataset, frames: int) -> bool:
    """Whether JPEG, JPEG-LS or JPEG 2000 streams have their end markers."""
    from pydicom.encaps import generate_frames

    if not str(dataset.file_meta.TransferSyntaxUID).startswith("1.2.840.10008.1.2.4."):
        return True
    try:
        streams = list(generate_frames(dataset.PixelData, number_of_frames=frames))
    except Exception:
        return False
    ended = [stream.rstrip(b"\0").endswith(b"\xff\xd9") for stream in streams]
    return len(streams) >= frames and all(ended)


def _decoded_by_simpleitk(path: Path, dataset: Dataset) -> Array:
    """Return stored values that pydicom has no decoder for (JPEG Lossless); SimpleITK's GDCM has one.

    GDCM rescales what it reads: a whole slope and intercept are undone exactly, others are refused.
    """
    import SimpleITK as sitk

    message = "The pixel data of a slice cannot be decoded."
    refusal = Unusable(UNREADABLE_PIXELS, message, "Export the series without compression.")
    slope, intercept = float(dataset.get("RescaleSlope", 1) or 1), float(dataset.get("RescaleIntercept", 0) or 0)
    if not (slope.is_integer() and intercept.is_integer()):
        raise refusal
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        values: Array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0]
    except RuntimeError:
        raise refusal from None
    if str(dataset.get("Modality")) == "MR":
        # GDCM does not rescale MR; with a slope of its own it is left to those who know what it did.
        if (slope, intercept) != (1.0, 0.0):
            raise refusal
        return values
    restored = (values.astype(np.float64) - intercept) / slope
    return restored.astype(np.int64) if np.array_equal(restored, np.round(restored)) else restored


def _rescaled_type(header: Header, rescale: Rescale) -> str:
    """Return the NumPy type that holds all rescaled values: whole numbers stay whole when slope and intercept are.

    Args:
        header: Header of a plane.
        rescale: Its rescale.
    """
    slope, intercept = rescale.slope, rescale.intercept
    signed = int(header.get("PixelRepresentation") or 0) == 1
    bits, allocated = int(header.get("BitsStored") or 16), int(header.get("BitsAllocated") or 16)
    if (slope, intercept) == (1.0, 0.0):
        return f"{'' if signed else 'u'}int{max(8, allocated)}"
    if not (slope.is_integer() and intercept.is_integer()):
        return "float64"
    ends = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1]
    low, high = sorted(end * slope + intercept for end in ends)
    for name in ("uint8", "uint16", "uint32") if low >= 0 else ("int8", "int16", "int32"):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return name
    return "float64"


def padding_of(planes: Sequence[Plane]) -> tuple[float, float] | None:
    """Return the rescaled padding range that all slices declare (PS3.3 C.7.5.1.1.2), or None when they declare none in common.

    Args:
        planes: All planes of one volume.
    """
    found = set()
    for plane in planes:
        value = plane.header.get("PixelPaddingValue")
        if value is None:
            return None
        ends = float(value), float(plane.header.get("PixelPaddingRangeLimit", value) or value)
        rescale = rescale_of(plane)
        low, high = sorted(end * rescale.slope + rescale.intercept for end in ends)
        found.add((low, high))
    return found.pop() if len(found) == 1 else None
