"""DICOM files opened whatever their maker left out: without the preamble, or cut short before anything that is an image."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unibase.groundwork.inflating import refuse_bomb
from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE

if TYPE_CHECKING:
    from pydicom import FileDataset

_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")
"""Groups with which a data set begins: file meta information, or the identification of an image."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_DEFLATED, _LONGEST_META = b"1.2.840.10008.1.2.1.99", 2**16
_PIXEL_CLASSES = ("2", "2.1", "2.2", "4", "4.1", "4.3", "4.4", "128", "128.1", "130", "20")
"""Classes of CT, MR, PET and nuclear medicine, below the root of storage classes: each of their instances has pixels."""


def without_preamble(start: bytes) -> bool:
    """Whether bytes begin a DICOM data set that lacks the 128 bytes and the prefix in front.

    Args:
        start: The first 132 bytes of a file, or fewer.

    Example:
        >>> without_preamble(b"\\x08\\x00\\x05\\x00CS"), without_preamble(b"\\x08\\x00 text"), without_preamble(b"PK\\x03\\x04")
        (True, False, False)
    """
    if start[128:132] == b"DICM" or start[:2] not in _FIRST_GROUPS or len(start) < 8 - 2:
        return False
    element = int.from_bytes(start[2:4], "little")
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return element <= 0x20 and (explicit or int.from_bytes(start[4:8], "little") <= 0xFF)


def begins_as_dicom(path: Path) -> bool:
    """Return whether a file begins as DICOM does, with or without its preamble; no other is worth loading pydicom for.

    Args:
        path: Any file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        start = stream.read(132)
    return start[128:132] == b"DICM" or without_preamble(start)


def read_dataset(source: Path | bytes, keywords: Sequence[str] | None = None, *, pixels: bool = False) -> FileDataset:
    """Return the data set of a file or of its bytes; one without a preamble is read too.

    Args:
        source: The file, or all its bytes.
        keywords: What alone to read; None reads all.
        pixels: Whether the pixel data is read.

    Raises:
        Unusable: `inflates-too-far`.
        InvalidDicomError: If it is no DICOM; whatever else pydicom raises for a broken file.
    """
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if isinstance(source, bytes):
        start = source[:132]
    else:
        with source.open("rb") as stream:
            start = stream.read(132)
    bare = without_preamble(start)
    if isinstance(source, Path):
        _refuse_what_inflates(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = io.BytesIO(source) if isinstance(source, bytes) else source
        tags: Any = None if keywords is None else list(keywords)
        dataset = pydicom.dcmread(opened, stop_before_pixels=not pixels, specific_tags=tags, force=bare)
    if bare and "TransferSyntaxUID" not in dataset.file_meta:
        # Files of this kind are older than Part 10: they hold what was sent, in one of the two plain encodings.
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _refuse_what_inflates(path: Path) -> None:
    """Refuse a deflated data set that inflates without end, before pydicom inflates it whole."""
    with path.open("rb") as stream:
        start = stream.read(_LONGEST_META)
    length = int.from_bytes(start[140:144], "little") + 144
    if _DEFLATED in start[144:length]:
        refuse_bomb(path, length)


def check_not_cut(header: Any) -> None:
    """Refuse a file that says it is a CT, MR or PET image and ends before its rows: it was cut.

    Args:
        header: What could be read of it.

    Raises:
        Unusable: `truncated-file`.
    """
    said = str(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or "")
    if said.startswith(_STORAGE) and said.removeprefix(_STORAGE) in _PIXEL_CLASSES:
        raise Unusable(TRUNCATED_FILE, "A DICOM image ends within its header.", "Export the series again.")
