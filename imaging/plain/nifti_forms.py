"""Where a plain file says it lies, and programs may differ: the two forms of NIfTI (nifti1.h, methods 2 and 3), the space of NRRD."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unibase.imaging.grid import Array

ONE_PLACE = 0.1
"""How far the forms may place a voxel apart, in voxels, before that is said."""


@dataclass(frozen=True)
class _Header:
    """What a NIfTI-1 header says of its place: size and steps of the axes, the codes of both forms, and the forms (3, 4)."""

    size: tuple[int, ...]
    steps: Array
    codes: tuple[int, int]
    qform: Array
    sform: Array


def notes_of_forms(path: Path) -> tuple[str, ...]:
    """Return what of a file's own place programs may read differently, as short codes.

    `sform-qform-differ`: a NIfTI-1 file whose two forms place it differently; SimpleITK chooses one of them.
    `space-not-of-the-patient`: an NRRD whose space has axes that are not named by the patient, such as `scanner-xyz`; SimpleITK
    takes them for LPS.

    Args:
        path: The file, or the header of a pair.
    """
    if path.name.lower().endswith((".nrrd", ".nhdr")):
        return ("space-not-of-the-patient",) if _space(path) not in (None, *_OF_THE_PATIENT) else ()
    header = _read(path) if path.name.lower().endswith((".nii", ".nii.gz", ".hdr")) else None
    if header is None or min(header.codes) <= 0:
        return ()
    ends = np.array(np.meshgrid(*[(0, count - 1) for count in header.size], [1], indexing="ij")).reshape(4, -1)
    apart = np.linalg.norm((header.sform - header.qform) @ ends, axis=0).max()
    return ("sform-qform-differ",) if apart > ONE_PLACE * header.steps.min() else ()


_AXES = ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior", "lps", "ras", "las")
_OF_THE_PATIENT = tuple(f"{axes}{time}" for axes in _AXES for time in ("", "-time", "t"))
"""Spaces of NRRD that ITK turns to LPS (NRRD format definition, `space`), with their forms that have a fourth axis."""


def _space(path: Path) -> str | None:
    """Return the space that the header of an NRRD names, empty where it tells the number of its axes alone; None without one."""
    found = None
    with path.open("rb") as stream:
        for line in stream:
            key, _, value = line.decode("latin-1").partition(":")
            if not line.strip():
                break
            if key.strip().lower() == "space":
                found = value.strip().lower()
            elif key.strip().lower() == "space dimension":
                found = found or ""
    return found


def _read(path: Path) -> _Header | None:
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
        content = stream.read(348)
    if len(content) < 348 or content[344:347] not in (b"n+1", b"ni1"):
        return None
    order = "<" if content[:4] == struct.pack("<i", 348) else ">"
    handed, *pixdim = struct.unpack(f"{order}4f", content[76:92])
    b, c, d, *offset = struct.unpack(f"{order}6f", content[256:280])
    steps = np.array(pixdim) * (1, 1, -1 if handed < 0 else 1)
    return _Header(
        struct.unpack(f"{order}3h", content[42:48]),
        np.abs(steps),
        struct.unpack(f"{order}2h", content[252:256]),
        np.column_stack([_turn(b, c, d) * steps, offset]),
        np.reshape(struct.unpack(f"{order}12f", content[280:328]), (3, 4)),
    )


def _turn(b: float, c: float, d: float) -> Array:
    """Return the rotation (3, 3) of a unit quaternion given by its last three parts."""
    a = float(np.sqrt(max(1 - b * b - c * c - d * d, 0.0)))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
