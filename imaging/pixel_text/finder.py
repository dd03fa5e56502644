"""What of the texts that were read is to be blanked: all but the marks of an image, whatever it says.

A mark is a side, an axis, a number of a scale, or a setting with its unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from unibase.imaging.grid import Array
from unibase.imaging.pixel_text.boxes import Box, joined
from unibase.imaging.pixel_text.recognition import Line, lines_in

MARK = re.compile(
    r"(?:[RLDGAPHFSI]{1,2}|(?:M\.?[L1I]\.?[O0]|CC?|AP|PA|LAT|SUP|INF)|[+-]?\d{1,2}|[+-]?\d{1,3}[.,]\d{1,2}|"
    r"(?:[+-]?\d{1,4}(?:[.,]\d{1,2})? ?)?(?:cm|mm|dB|MHz|kHz|Hz|fps|bpm|%|kV|kVp|mA|mAs|ms|s|cm/s|HU|°))",
    re.IGNORECASE,
)
"""What stays: sides and axes, numbers of a scale, units and settings with theirs; with what a reader takes for O and L."""
_SURE, _HIGHEST_MARK = 0.7, 3
_MARGIN = 2
_SAME_PLACE, _WHOLE = 0.7, 0.6
"""Share of a box within another from which both are one place, and of its area from which its reading is of all of it."""


def stays(line: Line) -> bool:
    """Return whether a line is a mark of the image and names nobody.

    Args:
        line: What was read; with doubt it does not stay, nor when its box is so high that it is a turned line.

    Example:
        >>> stays(Line(Box(0, 0, 9, 9), "7.5 MHz", 0.97)), stays(Line(Box(0, 0, 9, 9), "DUPONT", 0.99))
        (True, False)
    """
    return (
        line.score >= _SURE
        and line.box.height <= _HIGHEST_MARK * line.box.width
        and MARK.fullmatch(line.text.strip()) is not None
    )


def to_blank(frames: Sequence[Array]) -> tuple[Box, ...]:
    """Return the boxes of the texts in some frames that are no marks, joined.

    Args:
        frames: Frames of one image, each of shape (rows, columns, samples).

    Raises:
        UserError: If the extra is not installed.
    """
    return joined([box for frame in frames for box in texts_of(lines_in(as_shown(frame)))])


def texts_of(lines: Sequence[Line]) -> list[Box]:
    """Return the boxes of lines that are no marks, with a margin; of several readings of one place the surest counts.

    Args:
        lines: What was read of a picture, the same place at several sizes.

    Example:
        >>> texts_of([Line(Box(0, 0, 30, 12), "ML.O", 0.87), Line(Box(0, 0, 31, 12), "MLO", 0.99)])
        []
    """
    places: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: -line.box.width * line.box.height):
        same = next((place for place in places if _is_of(line, place[0])), None)
        if same is None:
            places.append([line])
        else:
            same.append(line)
    marks = [place[0].box for place in places if stays(_surest(place))]
    return [_with_margin(line.box, marks) for place in places if not stays(_surest(place)) for line in place]


def _with_margin(box: Box, marks: Sequence[Box]) -> Box:
    # The edge of a large letter may stand outside of what the detector marks; but a mark beside it stays.
    grown = box.grown(max(_MARGIN, min(box.width, box.height) // 6))
    return box.grown(_MARGIN) if any(_shared(mark, grown) for mark in marks) else grown


def _is_of(line: Line, whole: Line) -> bool:
    """Whether a line is a reading of the same place, or of a part of it that says nothing else."""
    if _shared(line.box, whole.box) < _SAME_PLACE:
        return False
    return _area(line) >= _WHOLE * _area(whole) or _says(line) in _says(whole)


def _surest(place: Sequence[Line]) -> Line:
    whole = place[0]
    of_all = (line for line in place if _area(line) >= _WHOLE * _area(whole) or _says(line) == _says(whole))
    return max(of_all, key=lambda line: line.score)


def _says(line: Line) -> str:
    return re.sub(r"[\W_]", "", line.text.lower())


def _area(line: Line) -> int:
    return line.box.width * line.box.height


def _shared(box: Box, other: Box) -> float:
    """Return which share of a box lies within another."""
    wide = min(box.x + box.width, other.x + other.width) - max(box.x, other.x)
    high = min(box.y + box.height, other.y + other.height) - max(box.y, other.y)
    return max(wide, 0) * max(high, 0) / (box.width * box.height)


def looked_at(values: Array) -> Iterator[Array]:
    """Yield the frames in which the texts of an image are sought.

    Of several the first, middle and last, and the brightest and darkest value of all.

    Args:
        values: Shape (frames, rows, columns, samples).
    """
    count = len(values)
    for number in sorted({0, count // 2, count - 1}):
        yield values[number]
    if count > 1:
        yield values.max(axis=0)
        yield values.min(axis=0)


def as_shown(values: Array) -> Array:
    """Return a frame as 8-bit grey or colour values, shape (rows, columns) or (rows, columns, 3), over the range that it has.

    Args:
        values: Stored values, shape (rows, columns, samples).
    """
    if values.shape[2] >= 3 and values.dtype == np.uint8:
        return np.ascontiguousarray(values[:, :, :3])
    grey = values[:, :, 0].astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    return ((grey - low) * (255 / max(high - low, 1))).astype(np.uint8)
