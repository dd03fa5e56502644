"""Which regions of one image share their filtered images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

Box = tuple[slice, ...]


def union(boxes: Sequence[Box]) -> Box:
    """The smallest box around boxes.

    >>> union([(slice(0, 2),), (slice(1, 5),)])
    (slice(0, 5, None),)
    """
    return tuple(slice(min(b.start for b in parts), max(b.stop for b in parts)) for parts in zip(*boxes, strict=True))


def within(box: Box, around: Box) -> Box:
    """Return a `box` in the indices of one, `around`, that holds it.

    >>> within((slice(3, 5),), (slice(2, 9),))
    (slice(1, 3, None),)
    """
    return tuple(slice(b.start - a.start, b.stop - a.start) for b, a in zip(box, around, strict=True))


def neighbours(boxes: Mapping[int, Box], reach: Sequence[int]) -> list[list[int]]:
    """Group regions so that filtering the box around a group reads no more voxels than one after the other.

    Args:
        boxes: Bounding box of each region, by its number.
        reach: How many voxels around a box a filter reads on each axis.
    """
    groups: list[list[int]] = []
    around: list[Box] = []
    costs: list[int] = []

    def read(box: Box) -> int:
        return prod(b.stop - b.start + 2 * r for b, r in zip(box, reach, strict=True))

    for number, own in boxes.items():
        alone = read(own)
        for place, group in enumerate(groups):
            both = union([around[place], own])
            if (cost := read(both)) <= costs[place] + alone:
                group.append(number)
                around[place], costs[place] = both, cost
                break
        else:
            groups.append([number])
            around.append(own)
            costs.append(alone)
    return groups
