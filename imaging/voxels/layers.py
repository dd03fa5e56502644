"""Regions as label maps: as few maps as hold them without an overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unibase.imaging.boxed import Box, Boxed, bounding_box
from unibase.imaging.grid import Array
from unibase.imaging.regions.about import NOTHING, About


@dataclass(frozen=True)
class NamedRegion:
    """A region with the names by which a reader finds it.

    Attributes:
        name: Target of the study, such as GTV; of several lesions with a number.
        roi_name: Cleaned name in its file.
        region: Its voxels.
        about: What its file says of how it was made.
    """

    name: str
    roi_name: str
    region: Boxed
    about: About = NOTHING


@dataclass(frozen=True)
class Layer:
    """One label map: 0 is no region, n the n-th of its regions.

    Attributes:
        array: Unsigned integers (z, y, x), of a box of the image.
        regions: The regions of the map, in the order of their values from 1.
    """

    array: Array
    regions: tuple[NamedRegion, ...]

    def boxes(self) -> list[list[list[int]]]:
        """Return the box of each region in the map: first voxel and the one behind the last, along z, y, x."""
        found = [bounding_box(self.array == value) for value in range(1, len(self.regions) + 1)]
        return [[[part.start, part.stop] for part in box] for box in found]


def layers_of(regions: Sequence[NamedRegion], box: Box) -> list[Layer]:
    """Return label maps of a box of an image: each region in the first map in which it overlaps no other.

    A region that has no voxel in the box is in none.

    Args:
        regions: Regions of one image.
        box: The box, in indices (z, y, x) of the image.

    Example:
        >>> mask = np.ones((1, 1, 2), dtype=bool)
        >>> two = [NamedRegion("GTV", "gtv", Boxed.of(mask)), NamedRegion("NODE", "n1", Boxed.of(mask))]
        >>> [layer.array.tolist() for layer in layers_of(two, (slice(0, 1),) * 2 + (slice(0, 2),))]
        [[[[1, 1]]], [[[1, 1]]]]
    """
    shape = tuple(part.stop - part.start for part in box)
    maps: list[tuple[Array, list[NamedRegion]]] = []
    for one in regions:
        mask = one.region.part(box)
        if not mask.any():
            continue
        free = next((held for held in maps if not held[0][mask].any()), None)
        if free is None:
            free = (np.zeros(shape, dtype=np.uint16), [])
            maps.append(free)
        free[1].append(one)
        free[0][mask] = len(free[1])
    return [Layer(array.astype(np.uint8) if len(held) < 256 else array, tuple(held)) for array, held in maps]
