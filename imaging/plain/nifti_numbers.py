"""Values of a NIfTI file that are no number: the library that SimpleITK reads NIfTI with (niftilib) makes each of them 0."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from unibase.imaging.grid import Array
from unibase.imaging.plain.whole import NIFTI_SUFFIXES, paired_file, suffix_of

_FLOATS = {16: "f4", 64: "f8"}
"""Data types of NIfTI that can hold what is no number (nifti1.h, `datatype`)."""


def with_no_numbers(array: Array, path: Path, volume: int = 0) -> Array:
    """Return the values of a volume, with NaN and infinities where its file has them.

    Args:
        array: float64 (z, y, x), as SimpleITK reads the volume.
        path: Its file, or the header of it (`.hdr`); what is no NIfTI or Analyze, or holds whole numbers, is left as it is.
        volume: Which volume of the fourth axis, from 0.
    """
    if suffix_of(path) not in NIFTI_SUFFIXES:
        return array
    with _opened(path) as stream:
        place = _place(stream.read(540))
    data = path if place is None or place.single else paired_file(path)
    if place is None or data is None:
        return array
    with _opened(data) as stream:
        stream.seek(place.offset + volume * array.size * place.kind.itemsize)
        values = np.frombuffer(stream.read(array.size * place.kind.itemsize), dtype=place.kind)
    if values.size == array.size and not (finite := np.isfinite(values)).all():
        strange = ~finite.reshape(array.shape)
        array[strange] = values[~finite]
    return array


def _opened(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked where it is gzip, whatever its name."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


@dataclass(frozen=True)
class _Place:
    """Where the floating numbers of a file begin: their type, the offset in bytes, and whether header and data are one file."""

    kind: np.dtype[np.floating]
    offset: int
    single: bool


def _place(header: bytes) -> _Place | None:
    """Return where the floating numbers of a NIfTI-1, NIfTI-2 or Analyze 7.5 header begin; None of other files."""
    if len(header) < 348:
        return None
    for order in "<>":
        (size,) = struct.unpack(f"{order}i", header[:4])
        if size not in (348, 540):
            continue
        (code,) = struct.unpack(f"{order}h", header[70:72] if size == 348 else header[12:14])
        magic = header[344:348] if size == 348 else header[4:8]
        (start,) = struct.unpack(f"{order}f", header[108:112]) if size == 348 else struct.unpack(f"{order}q", header[168:176])
        # In Analyze 7.5 the bytes of the magic are `smin`, and `vox_offset` stands at the same place.
        return _Place(np.dtype(order + _FLOATS[code]), int(start), magic[:2] == b"n+") if code in _FLOATS else None
    return None
