"""Where a large picture may hold letters too small for the reader at its own size: rows of thin strokes above the grain around.

The reader looks closer at these places alone; reading all of a large picture at twice its size would take four times as long.
"""

from __future__ import annotations

import numpy as np

from unibase.imaging.grid import Array
from unibase.imaging.pixel_text.boxes import Box

_STROKE, _CELL = 5, 64
"""Pixels: what is thinner than the first is a stroke; the grain is measured in cells of the second."""
_GRAINS, _LEAST = 2.0, 10
"""A stroke stands out by so many times the median of its cell, and by so many of 255 more."""
_GAP, _LOWEST, _HIGHEST, _SHORTEST = 9, 4, 20, 14
"""Pixels: letters closer than the first are one row; rows are so high and so long."""
_INK = (0.12, 0.85)
"""Share of a row's box that is ink: less is a scratch, more an area."""


def small_rows(picture: Array) -> list[Box]:
    """Return where rows of small letters may stand, light on dark or dark on light, upright or turned; most are none.

    Candidates of a top-hat transform, as in Serra, Image Analysis and Mathematical Morphology (1982).

    Args:
        picture: 8-bit values, shape (rows, columns) or (rows, columns, 3).
    """
    import cv2  # Comes with the extra.

    grey = picture if picture.ndim == 2 else np.asarray(picture.max(axis=2))
    kernel = np.ones((_STROKE, _STROKE), np.uint8)
    found: list[Box] = []
    for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        strokes = np.asarray(cv2.morphologyEx(grey, how, kernel))
        ink = (strokes > _GRAINS * _grain(strokes) + _LEAST).astype(np.uint8)
        found += _rows_of(ink) + [Box(one.y, one.x, one.height, one.width) for one in _rows_of(np.ascontiguousarray(ink.T))]
    return found


def _grain(strokes: Array) -> Array:
    """Return the median of each cell, at every pixel of it."""
    rows, columns = strokes.shape
    high, wide = -(-rows // _CELL), -(-columns // _CELL)
    whole = np.pad(strokes, ((0, high * _CELL - rows), (0, wide * _CELL - columns)), mode="edge")
    cells = whole.reshape(high, _CELL, wide, _CELL).transpose(0, 2, 1, 3).reshape(high, wide, -1)
    medians = np.median(cells[:, :, ::7], axis=2)
    return np.repeat(np.repeat(medians, _CELL, axis=0), _CELL, axis=1)[:rows, :columns]


def _rows_of(ink: Array) -> list[Box]:
    """Return the boxes of what lies side by side and is as high, as long and as full as a row of small letters."""
    import cv2

    near = np.asarray(cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, _GAP), np.uint8)))
    _, labels, about, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    amount = np.bincount(labels.ravel(), weights=ink.ravel(), minlength=len(about))
    fits = (about[:, 3] >= _LOWEST) & (about[:, 3] <= _HIGHEST) & (about[:, 2] >= np.maximum(_SHORTEST, 1.5 * about[:, 3]))
    share = amount / (about[:, 2] * about[:, 3])
    fits &= (share >= _INK[0]) & (share <= _INK[1])
    fits[0] = False
    return [Box(*(int(value) for value in one[:4])) for one in about[fits]]
