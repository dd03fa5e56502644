"""When planes that share no place, and differ in number or time of acquisition, are one scan nevertheless.

A scanner numbers and times its slices as it goes: slice by slice, rotation by rotation, bed by bed, package by
package. Two acquisitions leave another trace: few long blocks, or slices that alternate at half their thickness.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unibase.imaging.dicom.distinctions import Value, acquired
from unibase.imaging.dicom.planes import Plane
from unibase.imaging.grid import Array

PAUSE = 20.0
"""Seconds without a slice after which a CT or MR scan is another one, unless all its steps are alike."""

BED_PAUSE = 900.0
"""Seconds between two beds of a PET after which it is another scan."""

STEPS = 4
"""From this many blocks of one size on, a scan went step by step (a rotation, a bed, a station each)."""

OVERLAP = 1.5
"""Slices thicker than this many distances between neighbours overlap: MR packages do not, two volumes do."""


def time_clusters(groups: dict[Value, list[int]]) -> dict[Value, list[int]]:
    """Return planes by time, grouped where no pause lies between them."""
    times = sorted(value for value in groups if isinstance(value, (int, float)))
    if len(times) < len(groups) or len(times) < 2:
        return {None: [index for members in groups.values() for index in members]}
    steps = np.diff(times)
    pause = max(PAUSE, 10 * float(np.median(steps))) if len(steps) > 2 else PAUSE
    clusters: dict[Value, list[int]] = {}
    start = times[0]
    for previous, time in zip([times[0], *times], times, strict=False):
        if time - previous > pause:
            start = time
        clusters.setdefault(start, []).extend(groups[time])
    return clusters


def follows_the_scanner(planes: Sequence[Plane], where: Sequence[int], groups: dict[Value, list[int]], keyword: str) -> bool:
    """Whether the groups are what one scan leaves.

    Args:
        planes: The planes, none of which share a place.
        where: The number of the place of each.
        groups: Places in `planes` by value of the attribute.
        keyword: The attribute.
    """
    if 2 * len(groups) > len(planes):
        return True
    group_of = {index: number for number, members in enumerate(groups.values()) for index in members}
    order = np.argsort(where)
    run = np.array([group_of[int(index)] for index in order])
    modality = planes[0].text("Modality")
    contiguous = int((np.diff(run) != 0).sum()) + 1 == len(groups)
    if not contiguous:
        return modality == "MR" and not _overlap(planes, order)
    if modality in ("PT", "NM"):
        return _longest_pause(planes, list(groups.values())) <= BED_PAUSE
    if keyword == "TriggerTime" or (keyword == "AcquisitionTime" and modality != "CT"):
        return True
    sizes = np.bincount(run)[1:-1]
    return len(groups) >= STEPS and bool(np.ptp(sizes) == 0)


def _overlap(planes: Sequence[Plane], order: Array) -> bool:
    normal = np.cross(planes[0].orientation[:3], planes[0].orientation[3:])
    distance = float(np.median(np.diff(np.array([planes[int(index)].position for index in order]) @ normal)))
    return float(planes[0].header.get("SliceThickness") or 0) > OVERLAP * distance


def _longest_pause(planes: Sequence[Plane], groups: Sequence[Sequence[int]]) -> float:
    """Return the longest time in seconds between neighbouring groups in order of time; 0 without times."""
    starts = []
    for members in groups:
        times = [time for index in members if (time := acquired(planes[index])) is not None]
        if not times:
            return 0.0
        starts.append(min(times))
    return float(np.diff(sorted(starts)).max())
