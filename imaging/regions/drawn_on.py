"""On which volume of a series a region was drawn: by the images that it names, never by its place alone.

Volumes of one series (phases, echoes, b-values) lie at the same places, so a place cannot say it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import TYPE_CHECKING

from unibase.imaging.dicom.volume import PlaneKey, Volume

if TYPE_CHECKING:
    from pydicom import Dataset


def named_planes(items: Iterable[Dataset]) -> set[PlaneKey]:
    """Return the planes that image references, `items`, name (PS3.3 10.3): whole files, and single frames of them.

    >>> named_planes([{"ReferencedSOPInstanceUID": "1.2.3", "ReferencedFrameNumber": [2]}])
    {('1.2.3', 2)}
    """
    found: set[PlaneKey] = set()
    for item in items:
        uid = str(item.get("ReferencedSOPInstanceUID", "") or "")
        frames = item.get("ReferencedFrameNumber")
        numbers = [frames] if isinstance(frames, (int, str)) else list(frames or [])
        found |= {(uid, int(number)) for number in numbers} if numbers else {(uid, 0)}
    return found


def drawn_here(named: Set[PlaneKey], volume: Volume) -> bool | None:
    """Return whether planes that a region names are of this volume; None when they do not say it.

    Args:
        named: Planes as `named_planes` returns them; a whole file stands for all its frames.
        volume: The volume. One that is alone in its series is never asked.
    """
    if not volume.others or not named:
        return None
    if _among(named, volume.members):
        return True
    return False if _among(named, volume.others) else None


def _among(named: Set[PlaneKey], planes: frozenset[PlaneKey]) -> bool:
    if named & planes:
        return True
    whole = {uid for uid, number in named if number == 0}
    # A classic instance may be named with frame 1, which it has.
    single = {uid for uid, number in named if number == 1}
    return any(uid in whole or (number == 0 and uid in single) for uid, number in planes)


def references_of_set(dataset: Dataset) -> set[PlaneKey]:
    """Return the images that a structure set, `dataset`, as a whole says it was drawn on."""
    items = [
        image
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
        for series in study.get("RTReferencedSeriesSequence") or []
        for image in series.get("ContourImageSequence") or []
    ]
    return named_planes(items)


def references_of_segments(dataset: Dataset) -> set[PlaneKey]:
    """Return the images that a SEG, `dataset`, as a whole says it was made from."""
    items = [
        image
        for series in dataset.get("ReferencedSeriesSequence") or []
        for image in series.get("ReferencedInstanceSequence") or []
    ]
    return named_planes(items)
