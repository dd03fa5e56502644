"""Rearrangements of one mask: axes in another order, flipped, cropped, padded, in another convention, type and format.

Each file is written from the array by hand or by SimpleITK, so that the truth is the array of the start, voxel by voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from unibase.imaging.grid import Array

FORMATS = (".nii", ".nii.gz", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd", "ras.nrrd", "be.nrrd", "sform.nii")
KINDS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64", "int64")


@dataclass(frozen=True)
class Rearranged:
    """A mask in another arrangement.

    Attributes:
        path: Its file.
        want: What it marks on the image, boolean (z, y, x).
        how: What was done, for a message.
    """

    path: Path
    want: Array
    how: str


def image_of(array: Array, spacing: tuple[float, ...], origin: tuple[float, ...], direction: Array) -> Any:
    """Return an array (z, y, x) as an image in the room."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction.ravel().tolist())
    return image


def oblique(random: np.random.Generator) -> Array:
    """Return axes (3, 3) turned by any angle; every second time those of the room."""
    if random.random() < 0.5:
        return np.eye(3)
    turned, _ = np.linalg.qr(random.normal(size=(3, 3)))
    return turned * np.sign(np.linalg.det(turned))


def rearranged(mask: Any, folder: Path, number: int, random: np.random.Generator) -> Rearranged:
    """Write a mask image in a random arrangement.

    Args:
        mask: SimpleITK image of 0 and 1, on the grid of its image.
        folder: Where the file goes.
        number: Names it.
        random: Draws the arrangement.
    """
    order = [int(axis) for axis in random.permutation(3)]
    signs = [bool(random.integers(2)) for _ in range(3)]
    moved = sitk.Flip(sitk.PermuteAxes(mask, order), signs)
    want = sitk.GetArrayFromImage(mask) > 0
    if random.random() < 0.7:
        low = [int(random.integers(0, n // 2)) for n in moved.GetSize()]
        size = [int(random.integers(1, n - begin + 1)) for n, begin in zip(moved.GetSize(), low, strict=True)]
        want = want & _covered(mask, moved, low, size)
        moved = sitk.RegionOfInterest(moved, size, low)
    if random.random() < 0.5:
        before, after = ([int(random.integers(0, 4)) for _ in range(3)] for _ in range(2))
        moved = sitk.ConstantPad(moved, before, after, 0)
    kind, suffix = str(random.choice(KINDS)), str(random.choice(FORMATS))
    if ".nii" in suffix and kind == "int64":
        kind = "int32"
    path = folder / f"mask-{number}{suffix if suffix.startswith('.') else '.' + suffix.split('.')[1]}"
    _write(moved, path, kind, suffix)
    return Rearranged(path, want, f"{number}: order {order}, flips {signs}, {kind}, {suffix}, size {moved.GetSize()}")


def _covered(mask: Any, moved: Any, low: list[int], size: list[int]) -> Array:
    """Return which voxels of the mask lie in a crop of the moved one, by their places in the room."""
    inside = np.zeros(moved.GetSize()[::-1], dtype=np.uint8)
    inside[tuple(slice(begin, begin + n) for begin, n in zip(low[::-1], size[::-1], strict=True))] = 1
    image = sitk.GetImageFromArray(inside)
    image.CopyInformation(moved)
    back = sitk.Resample(image, mask, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)
    covered: Array = sitk.GetArrayFromImage(back) > 0
    return covered


def _write(image: Any, path: Path, kind: str, suffix: str) -> None:
    array = sitk.GetArrayFromImage(image).astype(kind)
    if suffix in ("ras.nrrd", "be.nrrd"):
        path.write_bytes(_nrrd(image, array, ras=suffix.startswith("ras")))
        return
    typed = sitk.GetImageFromArray(array)
    typed.CopyInformation(image)
    sitk.WriteImage(typed, str(path))
    if suffix == "sform.nii":
        # The form of scanners' converters: sform alone, no quaternion (nifti1.h, method 3).
        content = bytearray(path.read_bytes())
        content[252:254] = (0).to_bytes(2, "little")
        path.write_bytes(bytes(content))


def _nrrd(image: Any, array: Array, ras: bool) -> bytes:
    """Return an NRRD file by hand: in the RAS convention, or with its bytes in the other order."""
    sign = np.array([-1.0, -1.0, 1.0]) if ras else np.ones(3)
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    vectors = " ".join("(" + ",".join(repr(float(item)) for item in sign * axes[:, axis]) + ")" for axis in range(3))
    origin = ",".join(repr(float(item)) for item in sign * np.array(image.GetOrigin()))
    order = "<" if ras else ">"
    header = (
        f"NRRD0004\ntype: {array.dtype.name if array.dtype.kind in 'iu' else {4: 'float', 8: 'double'}[array.itemsize]}\n"
        f"dimension: 3\nspace: {'right-anterior-superior' if ras else 'left-posterior-superior'}\n"
        f"sizes: {' '.join(str(n) for n in image.GetSize())}\nspace directions: {vectors}\nkinds: domain domain domain\n"
        f"endian: {'little' if ras else 'big'}\nencoding: raw\nspace origin: ({origin})\n\n"
    )
    return header.encode() + array.astype(array.dtype.newbyteorder(order)).tobytes()
