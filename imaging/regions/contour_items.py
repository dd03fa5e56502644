"""Contours as they stand in a structure set: the items of a region, the points of an item, and outlines that stand twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.grid import Array

if TYPE_CHECKING:
    from pydicom import Dataset


def contours_by_number(dataset: Dataset) -> dict[int, list[Dataset]]:
    """Return the contours of each ROI number; some writers give a region several items of the ROI Contour Sequence.

    Args:
        dataset: The structure set.
    """
    contours: dict[int, list[Dataset]] = defaultdict(list)
    for item in dataset.get("ROIContourSequence") or []:
        contours[int(item.ReferencedROINumber)] += item.get("ContourSequence") or []
    return contours


def points_of(item: Dataset) -> Array:
    """Return Contour Data as an array (n, 3) in mm.

    Args:
        item: Item of the Contour Sequence.

    Raises:
        Unusable: `broken-contour`.
    """
    # The bytes as they are in the file: pydicom makes an object of every number, which is ten times slower. Beyond
    # 64 KiB explicit transfer syntaxes cannot hold a DS at all and it is written as UN (PS3.5 6.2.2), with the same bytes.
    element = item.get_item("ContourData")
    data = element.value if element is not None else None
    if isinstance(data, bytes):
        data = data.decode("ascii", "replace").strip(" \0").split("\\")
    try:
        values = np.array(data if data not in (None, [""]) else [], dtype=np.float64)
    except ValueError:
        values = np.array([np.nan])
    if len(values) % 3 or not np.isfinite(values).all():
        raise Unusable(
            reasons.BROKEN_CONTOUR, "Contour Data (3006,0050) is not made of points.", "Export the structure set again."
        )
    declared = item.get("NumberOfContourPoints")
    if declared not in (None, "", 0) and int(declared) != len(values) // 3:
        message = "A contour has more or fewer points than Number of Contour Points (3006,0046) declares."
        raise Unusable(reasons.BROKEN_CONTOUR, message, "Export the structure set again.")
    return values.reshape(-1, 3)


def without_copies(outlines: Sequence[Array]) -> list[Array]:
    """Return outlines (n, 3) without further copies of one, whatever point or way they begin with: even-odd would take both out.

    Args:
        outlines: Points of each in mm.

    Example:
        >>> import numpy as np
        >>> square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
        >>> len(without_copies([square, square[::-1], square + 1]))
        2
    """
    kept: dict[bytes, Array] = {}
    for outline in outlines:
        points = outline[:-1] if len(outline) > 3 and np.array_equal(outline[0], outline[-1]) else outline
        ordered = points[np.lexsort(points.T)]
        kept.setdefault(ordered.tobytes(), outline)
    return list(kept.values())
