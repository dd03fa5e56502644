"""Texts found in pixels by optical character recognition: an extra, `unibase[ocr]`, whose models are in its package.

Each line is found by RapidOCR (PP-OCR models) on the image made two to four times as large, in the window of grey values
that the image itself has. A line stays when it is a mark of the image: a side, an axis, a scale, a setting with its unit. All else that
was read is to be blanked, whatever it says.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from unibase.groundwork.problems import UserError
from unibase.imaging.grid import Array
from unibase.imaging.pixel_text.boxes import Box, joined

MARK = re.compile(
    r"(?:[RLDGAPHFSI]{1,2}|(?:MLO|CC|AP|PA|LAT|SUP|INF)|[+-]?\d{1,2}|[+-]?\d{1,3}[.,]\d{1,2}|"
    r"[+-]?\d{1,4}(?:[.,]\d{1,2})? ?(?:cm|mm|dB|MHz|kHz|Hz|fps|bpm|%|kV|kVp|mA|mAs|ms|s|cm/s|HU|°))",
    re.IGNORECASE,
)
"""What stays: sides and axes, numbers of a scale, settings with their unit."""
_LEAST_SCORE = 0.5
_SURE = 0.85
_MARGIN = 2
_LARGE, _MOST_LARGE = 1280, 1600
"""Images are made as large as the first, in whole steps up to four; those longer than the second are taken as they are."""


class Line(NamedTuple):
    """One line of text: where it stands, what was read, and how sure the reader is (0 to 1)."""

    box: Box
    text: str
    score: float

    @property
    def stays(self) -> bool:
        """Whether it is a mark of the image and names nobody."""
        return self.score >= _SURE and MARK.fullmatch(self.text.strip()) is not None


def is_installed() -> bool:
    """Return whether the extra `ocr` is there."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


def _lines_in(values: Array) -> list[Line]:
    """Return the lines of text in one frame.

    Args:
        values: Stored values, shape (rows, columns, samples), 1 or 3 samples.

    Raises:
        UserError: If the extra is not installed.
    """
    reader = _reader()
    import cv2  # Comes with the extra.

    picture = as_shown(values)
    longest = max(picture.shape[:2])
    factor = min(max(2, round(_LARGE / longest)), 4) if longest <= _MOST_LARGE else 1
    large = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else picture
    found = reader(np.repeat(large[:, :, None], 3, axis=2) if large.ndim == 2 else large, use_cls=False)
    if found.boxes is None:
        return []
    read = zip(found.boxes, found.txts or (), found.scores or (), strict=True)
    # The detector also marks edges of organs: what no letter was read in, or only with doubt, is none.
    return [
        Line(_box(corners / factor), text, float(score))
        for corners, text, score in read
        if score >= _LEAST_SCORE and any(map(str.isalnum, text))
    ]


def to_blank(frames: Sequence[Array]) -> tuple[Box, ...]:
    """Return the boxes of the texts in some frames that are no marks, joined.

    Args:
        frames: Frames of one image, each of shape (rows, columns, samples).

    Raises:
        UserError: If the extra is not installed.
    """
    return joined([line.box.grown(_MARGIN) for frame in frames for line in _lines_in(frame) if not line.stays])


def looked_at(values: Array) -> Iterator[Array]:
    """Yield the frames in which the texts of an image are sought: of several, the first, middle and last, and the brightest of all.

    Args:
        values: Shape (frames, rows, columns, samples).
    """
    count = len(values)
    for number in sorted({0, count // 2, count - 1}):
        yield values[number]
    if count > 1:
        yield values.max(axis=0)


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


def _box(corners: Any) -> Box:
    left, top = np.floor(corners.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()
    return Box(left, top, right - left + 1, bottom - top + 1)


@cache
def _reader() -> Any:
    if not is_installed():
        raise UserError("Texts in pixels are found by an extra that is not installed. Install it: pip install 'unibase[ocr]'")
    from rapidocr import RapidOCR  # A second to load, and only where texts are sought.

    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    one = {f"EngineConfig.onnxruntime.{name}_op_num_threads": 1 for name in ("intra", "inter")}
    return RapidOCR(params={**one, "Global.text_score": 0.0, "Global.log_level": "critical"})
