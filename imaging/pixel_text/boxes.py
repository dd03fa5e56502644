"""Rectangles in pixels: written, read, joined; and those that the header of an ultrasound image gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


_MORE = 1.25
"""Two boxes become one when that holds at most so many times the pixels of both."""


class Box(NamedTuple):
    """A rectangle in pixels: its left upper corner, counted from 0, its width and its height."""

    x: int
    y: int
    width: int
    height: int

    def within(self, columns: int, rows: int) -> Box | None:
        """Return the part of the box that lies in an image, or None.

        Args:
            columns: Width of the image in pixels.
            rows: Its height.
        """
        left, top = max(self.x, 0), max(self.y, 0)
        right, bottom = min(self.x + self.width, columns), min(self.y + self.height, rows)
        return Box(left, top, right - left, bottom - top) if left < right and top < bottom else None

    def grown(self, by: int) -> Box:
        """Return the box with a margin.

        Args:
            by: Pixels on each side.
        """
        return Box(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)


def written(boxes: Iterable[Box]) -> str:
    """Return boxes as a cell of a table holds them.

    Args:
        boxes: The boxes.

    Example:
        >>> written([Box(0, 0, 640, 40), Box(10, 460, 80, 20)])
        '0,0,640,40;10,460,80,20'
    """
    return ";".join(",".join(map(str, one)) for one in boxes)


def parsed(text: str) -> tuple[Box, ...]:
    """Return the boxes that a cell holds.

    Args:
        text: `x,y,width,height`, several separated by semicolons; may be empty.

    Raises:
        ValueError: If it is not of that form, or a width or height is below 1.

    Example:
        >>> parsed("0,0,640,40")
        (Box(x=0, y=0, width=640, height=40),)
    """
    found = tuple(Box(*map(int, part.split(","))) for part in text.split(";") if part.strip())
    if any(one.width < 1 or one.height < 1 for one in found):
        raise ValueError("a box has a width and a height of 1 or more")
    return found


def joined(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Return boxes in reading order; two that overlap become the box around both, unless that is much more than the two.

    A line across another one would take along what lies between their ends.

    Args:
        boxes: The boxes.

    Example:
        >>> joined([Box(0, 0, 10, 10), Box(5, 5, 10, 10), Box(50, 0, 5, 5)])
        (Box(x=0, y=0, width=15, height=15), Box(x=50, y=0, width=5, height=5))
        >>> joined([Box(0, 10, 50, 5), Box(20, 0, 5, 40)])
        (Box(x=20, y=0, width=5, height=40), Box(x=0, y=10, width=50, height=5))
    """
    todo, found = list(boxes), list[Box]()
    while todo:
        one = todo.pop()
        touching = next((other for other in found if _are_one(one, other)), None)
        if touching is None:
            found.append(one)
        else:
            found.remove(touching)
            todo.append(_around(one, touching))
    return tuple(sorted(found, key=lambda box: (box.y, box.x)))


def _are_one(one: Box, other: Box) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    overlap = across and one.y < other.y + other.height and other.y < one.y + one.height
    around = _around(one, other)
    return overlap and around.width * around.height <= _MORE * (one.width * one.height + other.width * other.height)


def _around(one: Box, other: Box) -> Box:
    left, top = min(one.x, other.x), min(one.y, other.y)
    right, bottom = max(one.x + one.width, other.x + other.width), max(one.y + one.height, other.y + other.height)
    return Box(left, top, right - left, bottom - top)


def outside_regions(dataset: Dataset) -> tuple[Box, ...]:
    """Return what of an ultrasound image lies outside its regions (0018,6011): there its maker writes names and settings.

    The regions are joined to the rectangle around all of them; PS3.3 C.8.5.5.

    Args:
        dataset: The image, with Rows and Columns.
    """
    corners = [
        [
            int(item.get(key, -1))
            for key in ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
        ]
        for item in dataset.get("SequenceOfUltrasoundRegions") or []
    ]
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    corners = [one for one in corners if 0 <= one[0] < one[2] < columns and 0 <= one[1] < one[3] < rows]
    if not corners:
        return ()
    left, top = min(one[0] for one in corners), min(one[1] for one in corners)
    right, bottom = max(one[2] for one in corners) + 1, max(one[3] for one in corners) + 1
    edges = (
        Box(0, 0, columns, top),
        Box(0, bottom, columns, rows - bottom),
        Box(0, top, left, bottom - top),
        Box(right, top, columns - right, bottom - top),
    )
    return tuple(one for one in edges if one.width > 0 and one.height > 0)
