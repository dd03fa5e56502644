"""Values of a NIfTI file that are no number: the library that SimpleITK reads NIfTI with (niftilib) makes each of them 0."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from unibase.imaging.grid import Array

_FLOATS = {16: "f4", 64: "f8"}
"""Data types of NIfTI that can hold what is no number (nifti1.h, `datatype`)."""


def with_no_numbers(array: Array, path: Path, volume: int = 0) -> Array:
    """Return the values of a volume, with NaN and infinities where its file has them.

    Args:
        array: float64 (z, y, x), as SimpleITK reads the volume.
        path: Its file; what is no NIfTI in one file, or holds whole numbers, is left as it is.
        volume: Which volume of the fourth axis, from 0.
    """
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return array
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    with cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb") as stream:
        place = _place(stream.read(540))
        if place is None:
            return array
        kind, offset = place
        stream.seek(offset + volume * array.size * kind.itemsize)
        values = np.frombuffer(stream.read(array.size * kind.itemsize), dtype=kind)
    if values.size == array.size and not (finite := np.isfinite(values)).all():
        strange = ~finite.reshape(array.shape)
        array[strange] = values[~finite]
    return array


def _place(header: bytes) -> tuple[np.dtype[np.floating], int] | None:
    """Return the type of floating numbers and where they begin, in NIfTI-1 or NIfTI-2; None of other files."""
    for order in "<>":
        (size,) = struct.unpack(f"{order}i", header[:4])
        if size in (348, 540):
            (code,) = struct.unpack(f"{order}h", header[70:72] if size == 348 else header[12:14])
            single = header[344:347] == b"n+1" or header[4:7] == b"n+2"
            (start,) = struct.unpack(f"{order}f", header[108:112]) if size == 348 else struct.unpack(f"{order}q", header[168:176])
            return (np.dtype(order + _FLOATS[code]), int(start)) if single and code in _FLOATS else None
    return None
