"""Boxes of an image made black: outside them not one stored value changes.

A native image is changed where it stands. A compressed or big-endian one is decoded and written in Explicit VR Little Endian: a
lossless one keeps every value outside the boxes, a lossy one the values that its decoder gives, and what says that it was lossy.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.dicom.opened import read_dataset
from unibase.imaging.grid import Array
from unibase.imaging.pixel_text.boxes import Box

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

_YBR = "YBR_FULL"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_WORDS = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
"""Bytes of a word by VR."""
_AFTER_DECODING = {"YBR_FULL_422": _YBR, "YBR_ICT": "RGB", "YBR_RCT": "RGB"}


def blanked(content: bytes, boxes: Sequence[Box]) -> bytes:
    """Return the file with boxes made black in every frame, and BurnedInAnnotation NO.

    Args:
        content: A DICOM file with pixels of 8, 16 or 32 bits.
        boxes: The boxes, in pixels; what of them lies outside the image does not count.

    Raises:
        Unusable: `unreadable-pixels`, when the pixels cannot be decoded or are not of that kind.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _rewritten(read_dataset(content, pixels=True), boxes)
    except Unusable:
        raise
    except Exception:  # Whatever a parser raises of an odd header: its text may hold a value.
        raise Unusable(
            reasons.UNREADABLE_PIXELS,
            "The header cannot be written again, so nothing in the pixels can be blanked.",
            "Export the image again from its source.",
        ) from None


def _rewritten(dataset: FileDataset, boxes: Sequence[Box]) -> bytes:
    import pydicom

    stored = stored_values(dataset)
    colour = str(dataset.PhotometricInterpretation)
    for box in boxes:
        part = box.within(stored.shape[2], stored.shape[1])
        if part is not None:
            stored[:, part.y : part.y + part.height, part.x : part.x + part.width] = _black(stored, colour)
    _write_native(dataset, stored)
    dataset.BurnedInAnnotation = "NO"
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=False)
    return out.getvalue()


def stored_values(dataset: FileDataset) -> Array:
    """Return the stored values of an image, shape (frames, rows, columns, samples), and set its header to what they are.

    Args:
        dataset: The image; its PhotometricInterpretation and PlanarConfiguration become those of the values.

    Raises:
        Unusable: `unreadable-pixels`.
    """
    try:
        values = _values(dataset)
    except Exception:
        raise Unusable(
            reasons.UNREADABLE_PIXELS,
            "The pixels cannot be decoded, so nothing in them can be blanked.",
            "Export the image without compression.",
        ) from None
    if values.shape[3] > 1:
        dataset.PlanarConfiguration = 0
    return values


def _values(dataset: FileDataset) -> Array:
    """Return the stored values, shape (frames, rows, columns, samples); raises what the decoders raise."""
    rows, columns, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel") or 1)
    frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    colour = str(dataset.get("PhotometricInterpretation") or "")
    if _is_rewritten(dataset) or colour == "YBR_FULL_422":
        values = _decoded(dataset)
        dataset.PhotometricInterpretation = _AFTER_DECODING.get(colour, colour)
    else:
        sign = "i" if int(dataset.get("PixelRepresentation") or 0) else "u"
        kind = np.dtype(f"<{sign}{int(dataset.BitsAllocated) // 8}")
        values = np.frombuffer(dataset.PixelData, kind, count=rows * columns * samples * frames)
        if samples > 1 and int(dataset.get("PlanarConfiguration") or 0) == 1:
            values = values.reshape(frames, samples, rows, columns).transpose(0, 2, 3, 1)
    # A copy: what comes from a buffer cannot be written.
    values = np.array(values).reshape(frames, rows, columns, samples)
    if 8 * values.dtype.itemsize != int(dataset.BitsAllocated) or values.dtype.kind not in "iu":
        raise ValueError("decoded to another size")
    return values


def _is_rewritten(dataset: FileDataset) -> bool:
    """Return whether the image is compressed or big endian: it is written in another syntax than its own."""
    return bool(dataset.file_meta.TransferSyntaxUID.is_compressed) or dataset.file_meta.TransferSyntaxUID == _BIG_ENDIAN


def _decoded(dataset: FileDataset) -> Array:
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is not None and decoder.is_available:
        try:
            return np.asarray(decoder.as_array(dataset, raw=True)[0])
        except RuntimeError:  # JPEG of 12 bits, say, which its plugins do not read.
            pass
    return _decoded_by_gdcm(dataset)


def _decoded_by_gdcm(dataset: FileDataset) -> Array:
    """Return stored values of what pydicom has no decoder for (JPEG Lossless), by the GDCM that SimpleITK brings."""
    import tempfile
    from pathlib import Path

    import pydicom
    import SimpleITK as sitk

    bare = pydicom.Dataset()
    for keyword in (
        "SOPClassUID", "SOPInstanceUID", "SamplesPerPixel", "PlanarConfiguration", "NumberOfFrames",
        "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
    ):  # fmt: skip
        # Without a rescale slope GDCM gives the values as they are stored.
        if keyword in dataset:
            bare[keyword] = dataset[keyword]
    # ITK turns MONOCHROME1 round and YBR to RGB: called these, the values stay as they are stored.
    bare.PhotometricInterpretation = "RGB" if int(dataset.get("SamplesPerPixel") or 1) > 1 else "MONOCHROME2"
    bare["PixelData"].is_undefined_length = True
    bare.file_meta, bare.preamble = dataset.file_meta, bytes(128)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.dcm"
        pydicom.dcmwrite(path, bare, enforce_file_format=False)
        return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(path.as_posix())))


def _black(values: Array, colour: str) -> Array:
    """Return what stands for black in every sample: the darkest stored value, or the lightest where it is shown dark."""
    if values.shape[3] == 1:
        return np.array([values.max() if colour == "MONOCHROME1" else values.min()], dtype=values.dtype)
    middle = 1 << (8 * values.dtype.itemsize - 1)
    return np.array([0, middle, middle] if colour == _YBR else [0] * values.shape[3], dtype=values.dtype)


def _write_native(dataset: FileDataset, values: Array) -> None:
    from pydicom.uid import ExplicitVRLittleEndian

    if dataset.file_meta.TransferSyntaxUID == _BIG_ENDIAN:
        _swap_words(dataset)
    if _is_rewritten(dataset):
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            dataset.pop(keyword, None)
    content = values.astype(values.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    element = dataset["PixelData"]
    element.VR = "OB" if values.dtype.itemsize == 1 and not dataset.file_meta.TransferSyntaxUID.is_implicit_VR else "OW"
    element.is_undefined_length = False


def _swap_words(dataset: Dataset) -> None:
    """Turn round the words of values of bytes (OW, OL, OF, OD, OV) at every depth: pydicom writes them as they stood in big endian."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _swap_words(item)
        elif element.VR in _WORDS and element.value:
            size = _WORDS[element.VR]
            element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()
