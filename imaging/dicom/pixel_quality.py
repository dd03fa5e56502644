"""How good the pixels of a volume are: their noise, and how much of the body the field of view cuts off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unibase.imaging.grid import Array

LOOKED_AT = 11
"""Slices that are looked at, spread evenly: more tell little more and cost as much each."""

LEAST = 64
"""Fewest coefficients inside the body from which noise is told."""

AIR = -500.0
"""HU below which a voxel of a CT is air."""

TISSUE = -300.0
"""HU above which a voxel of a CT is tissue: the couch is mostly below."""

OUTSIDE = -1100.0
"""HU below which a voxel of a CT was not scanned: values outside the circle of reconstruction."""


@dataclass(frozen=True)
class PixelQuality:
    """What the pixels of a volume tell of it; None where it cannot be told.

    Attributes:
        noise: Standard deviation of the noise inside the body, in the unit of the volume.
        truncation: Of a CT, the share of the border of the field of view at which tissue lies: 0 when the field holds the
            whole body.
    """

    noise: float | None = None
    truncation: float | None = None


def pixel_quality(array: Array, unit: str) -> PixelQuality:
    """Return the noise of a volume, and of a CT how much of the body its field of view cuts off.

    Args:
        array: Values (z, y, x).
        unit: Their unit; `HU` makes it a CT.

    Example:
        >>> import numpy as np
        >>> noisy = np.random.default_rng(1).normal(40, 12, (3, 64, 64))
        >>> abs(pixel_quality(noisy, "HU").noise / 12 - 1) < 0.08, pixel_quality(noisy, "HU").truncation
        (True, 1.0)
    """
    return PixelQuality(_noise(array, unit), _truncation(array) if unit == "HU" else None)


def _slices(array: Array) -> Iterator[Array]:
    for number in sorted(set(np.linspace(0, len(array) - 1, LOOKED_AT).round().astype(int).tolist())):
        yield array[number]


def _noise(array: Array, unit: str) -> float | None:
    """Return the median over slices of the robust deviation of the finest diagonal detail inside the body.

    The deviation is the median absolute coefficient over 0.6745 (Donoho and Johnstone 1994), with coif1 as in
    `radiomics.perturbations`; outside the body CT is cut off and MR and PET are zero, so that nothing is told there.
    """
    import pywt  # Heavy, and an index does not need it.

    levels = []
    floor = AIR if unit == "HU" else _floor(array)
    for plane in _slices(array):
        even = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
        if min(even.shape) < 8 or not np.isfinite(even).all():
            continue
        down = pywt.dwt(even, "coif1", mode="periodization", axis=0)[1]
        above = even > floor
        blocks = above[::2, ::2] & above[1::2, ::2] & above[::2, 1::2] & above[1::2, 1::2]
        # Six pixels decide a coefficient: those that the edge of the body touches tell of the edge.
        body = _shrunk(blocks)
        inside = np.abs(pywt.dwt(down, "coif1", mode="periodization", axis=1)[1][body])
        if inside.size >= LEAST:
            levels.append(float(np.median(inside)) / 0.6745)
    return float(np.median(levels)) if levels else None


def _shrunk(plane: Array) -> Array:
    """Return where all 5 x 5 pixels around a pixel are set; none is beyond the edge."""
    for axis in range(2):
        wide = np.moveaxis(np.pad(plane, [(2, 2) if other == axis else (0, 0) for other in range(2)]), axis, 0)
        n = plane.shape[axis]
        plane = np.moveaxis(np.logical_and.reduce([wide[first : first + n] for first in range(5)]), 0, axis)
    return plane


def _floor(array: Array) -> float:
    """Return a value between the background and the body: half the mean of what is above zero."""
    values = np.concatenate([plane.ravel() for plane in _slices(array)])
    positive = values[values > 0]
    return 0.5 * float(positive.mean()) if positive.size else float("inf")


def _truncation(array: Array) -> float | None:
    border, tissue = 0, 0
    for plane in _slices(array):
        scanned = plane > OUTSIDE
        inner = np.zeros_like(scanned)
        middle = scanned[1:-1, 1:-1]
        inner[1:-1, 1:-1] = middle & scanned[:-2, 1:-1] & scanned[2:, 1:-1] & scanned[1:-1, :-2] & scanned[1:-1, 2:]
        edge = scanned & ~inner
        border += int(edge.sum())
        tissue += int((edge & (plane > TISSUE)).sum())
    return tissue / border if border else None
