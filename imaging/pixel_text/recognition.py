"""Lines of text in a picture by optical character recognition: an extra, `unibase[ocr]`, whose models are in its package.

RapidOCR (PP-OCR models) reads the picture at two sizes, for its detector misses at one what it finds at the other: as it is
and at half its size, or a small one as it is and at twice its size. Large pictures are read by tiles that overlap, and at
twice their size where letters may be small.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from unibase.groundwork.problems import UserError
from unibase.imaging.grid import Array
from unibase.imaging.pixel_text.boxes import Box, joined
from unibase.imaging.pixel_text.fine_print import small_rows

LEAST_SCORE = 0.5
"""What is read with less is an edge of an organ, where the detector sees text too."""
_DOUBT, _ORGAN, _UPRIGHT = 0.7, 64, 2.5
_SMALL, _TILE, _OVERLAP = 700, 1408, 128
_FLAT = 12
_MOST, _MUCH = 300, 0.4
"""So many places, or so large a share of the picture, to look at closer: then all of it is read at twice its size."""
_HIGHEST, _FINE = 128, 24
"""Pixels: no line of text is higher than the first (or a sixth of the picture); one up to the second is looked at closer."""
_DETECTOR = {"Det.limit_side_len": 32, "Det.thresh": 0.2, "Det.box_thresh": 0.3}
"""Thresholds below those of the reader: faint lines are proposed too, and what is read in them decides."""


class Line(NamedTuple):
    """One line of text: where it stands, what was read, and how sure the reader is (0 to 1)."""

    box: Box
    text: str
    score: float


def is_installed() -> bool:
    """Return whether the extra `ocr` is there."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


def lines_in(picture: Array) -> list[Line]:
    """Return the lines of text in a picture, one for each size and tile at which it was read.

    Args:
        picture: 8-bit values, shape (rows, columns) or (rows, columns, 3).

    Raises:
        UserError: If the extra is not installed.
    """
    sizes = (1, 2) if max(picture.shape[:2]) <= _SMALL else (1, 0.5)
    found = [line for size in sizes for line in _lines_at(picture, size)]
    found += [other for line in found if _is_upright(line.box) for other in _turned(picture, line.box)]
    return found if 2 in sizes else [*found, *_looked_at_closer(picture, found)]


def _looked_at_closer(picture: Array, found: list[Line]) -> Iterator[Line]:
    """Yield what is read of a large picture at twice its size: where letters may be small, or all of it if that is much of it."""
    places = _close_places(picture, found)
    if sum(one.width * one.height for one in places) > _MUCH * picture.shape[0] * picture.shape[1]:
        yield from _lines_at(picture, 2)
    else:
        for box in places:
            yield from _closer(picture, box)


def _close_places(picture: Array, found: list[Line]) -> tuple[Box, ...]:
    """Return where to look closer: around small lines, whose first letters may be missed, and at rows of thin strokes."""
    around = [_around(line.box, 6) for line in found if line.box.height <= _FINE]
    around += [_around(box, 3) for box in small_rows(picture)]
    return joined(around) if len(around) <= _MOST else (Box(0, 0, picture.shape[1], picture.shape[0]),)


def _lines_at(picture: Array, size: float) -> Iterator[Line]:
    """Yield the lines that are read at one size, with boxes in pixels of the picture."""
    highest = max(_HIGHEST, min(picture.shape[:2]) / 6)
    for x, y, tile in _tiles(_resized(picture, size)):
        for corners, text, score in _read(_reader(), tile):
            box = _box(np.add(corners, (x, y)) / size)
            fits = min(box.width, box.height) <= highest and not _is_an_edge(box, text, score)
            if score >= LEAST_SCORE and any(map(str.isalnum, text)) and fits:
                yield Line(box, text, score)


def _is_an_edge(box: Box, text: str, score: float) -> bool:
    """Whether what was read is the edge of an organ: one character, large, about as wide as high, and read with doubt."""
    short, long = sorted((box.width, box.height))
    return score < _DOUBT and len(text.strip()) == 1 and short > _ORGAN and long <= 2 * short


def _around(box: Box, heights: int) -> Box:
    beside = heights * box.height
    return Box(box.x - beside, box.y - box.height, box.width + 2 * beside, 3 * box.height)


def _is_upright(box: Box) -> bool:
    return box.height > _UPRIGHT * box.width


def _turned(picture: Array, box: Box) -> Iterator[Line]:
    """Yield what is read around an upright box when the picture is turned by 90 degrees, to the left and to the right."""
    beside, high, wide = 6 * box.width, picture.shape[0], picture.shape[1]
    part = Box(box.x - box.width, box.y - beside, 3 * box.width, box.height + 2 * beside).within(wide, high)
    if part is None:
        return
    cut = picture[part.y : part.y + part.height, part.x : part.x + part.width]
    for turns in (1, 3):
        for line in _lines_at(np.ascontiguousarray(np.rot90(cut, turns)), 2):
            x, y, width, height = line.box
            left, top = (part.width - y - height, x) if turns == 1 else (y, part.height - x - width)
            yield line._replace(box=Box(part.x + left, part.y + top, height, width))


def _closer(picture: Array, box: Box) -> Iterator[Line]:
    part = box.within(picture.shape[1], picture.shape[0])
    if part is not None:
        cut = picture[part.y : part.y + part.height, part.x : part.x + part.width]
        for line in _lines_at(cut, 2):
            yield line._replace(box=line.box._replace(x=line.box.x + part.x, y=line.box.y + part.y))


def _resized(picture: Array, size: float) -> Array:
    import cv2  # Comes with the extra.

    how = cv2.INTER_CUBIC if size > 1 else cv2.INTER_AREA
    return picture if size == 1 else np.asarray(cv2.resize(picture, None, fx=size, fy=size, interpolation=how))


def _tiles(picture: Array) -> Iterator[tuple[int, int, Array]]:
    """Yield parts of a picture with the place of each; what is of one value has no text."""
    for y in _starts(picture.shape[0]):
        for x in _starts(picture.shape[1]):
            tile = picture[y : y + _TILE, x : x + _TILE]
            if int(tile.max()) - int(tile.min()) >= _FLAT:
                yield x, y, tile


def _starts(length: int) -> range:
    return range(0, max(length - _OVERLAP, 1), _TILE - _OVERLAP)


def _read(reader: Any, tile: Array) -> Iterator[tuple[Array, str, float]]:
    found = reader(np.repeat(tile[:, :, None], 3, axis=2) if tile.ndim == 2 else np.ascontiguousarray(tile), use_cls=False)
    if found.boxes is not None:
        for corners, text, score in zip(found.boxes, found.txts or (), found.scores or (), strict=True):
            yield np.asarray(corners), text, float(score)


def _box(corners: Array) -> Box:
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
    whole = {"Global.text_score": 0.0, "Global.log_level": "critical", "Global.max_side_len": 2 * _TILE}
    return RapidOCR(params={**one, **whole, **_DETECTOR})
