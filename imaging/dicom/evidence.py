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

HALF_A_DAY = 43200.0
"""Seconds beyond which two times of one date are two sides of midnight."""

STEPS = 4
"""From this many blocks of one size on, a scan went step by step (a rotation, a bed, a station each)."""

OVERLAP = 1.5
"""Slices thicker than this many distances between neighbours overlap: MR packages do not, two volumes do."""


def time_clusters(groups: dict[Value, list[int]]) -> dict[Value, list[int]]:
    """Return planes by time, grouped where no pause lies between them.

    Args:
        groups: Indices of planes by the time at which they were taken, in seconds.
    """
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


def across_midnight(times: Sequence[Value]) -> list[Value]:
    """Return times of one scan, those after midnight on the next day where the date beside them was not changed.

    Args:
        times: In seconds, all of one date or with their days.

    Example:
        >>> across_midnight([86390.0, 70.0])
        [86390.0, 86470.0]
    """
    known = [time for time in times if isinstance(time, (int, float))]
    if len(known) < len(times) or not HALF_A_DAY < max(known) - min(known) < 2 * HALF_A_DAY:
        return list(times)
    return [time + 2 * HALF_A_DAY if max(known) - time > HALF_A_DAY else time for time in known]


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
    if keyword == "ContentTime" and contiguous:
        # Images are written when they are reconstructed: only times that alternate by slice tell two acquisitions.
        return True
    if not contiguous:
        return modality == "MR" and not _overlap(planes, order)
    if modality in ("PT", "NM"):
        return _longest_pause(planes, list(groups.values())) <= BED_PAUSE
    if keyword == "TriggerTime" or (keyword == "AcquisitionTime" and modality != "CT"):
        return True
    sizes = np.bincount(run)[1:-1]
    return len(groups) >= STEPS and bool(np.ptp(sizes) == 0)


def runs_by_number(planes: Sequence[Plane], where: Sequence[int]) -> dict[Value, list[int]]:
    """Return planes by the run that Instance Number makes over them; one group unless it goes through the places twice or more.

    Two acquisitions of one series are numbered one after the other: the number runs along all places, and begins again.

    Args:
        planes: The planes, none of which share a place.
        where: The number of the place of each.
    """
    numbers = [plane.text("InstanceNumber") for plane in planes]
    if not all(number.isdigit() for number in numbers) or len(set(numbers)) < len(numbers):
        return {1: list(range(len(planes)))}
    return _runs([float(number) for number in numbers], where)


def runs_by_time(planes: Sequence[Plane], where: Sequence[int]) -> dict[Value, list[int]]:
    """Return planes by the run that their time of acquisition makes over them; one group unless it goes through them twice or more.

    `planes`: the planes, none of which share a place; `where`: the number of the place of each.
    """
    times = [acquired(plane) for plane in planes]
    known = [time for time in times if time is not None]
    if len(known) < len(planes):
        return {1: list(range(len(planes)))}
    return _runs(known, where)


def _runs(values: Sequence[float], where: Sequence[int]) -> dict[Value, list[int]]:
    """Return indices by the run that some values make through the places; one group unless it goes through them twice or more."""
    whole: dict[Value, list[int]] = {1: list(range(len(values)))}
    if len(values) < 6:
        return whole
    order = sorted(range(len(values)), key=lambda index: (values[index], where[index]))
    steps = np.diff([where[index] for index in order])
    back = steps < 0 if (steps > 0).sum() >= (steps < 0).sum() else steps > 0
    runs = np.split(np.array(order), np.flatnonzero(back) + 1)
    extents = [np.ptp([where[int(index)] for index in run]) for run in runs]
    if len(runs) > len(values) // 3 or min(extents) < 0.5 * (len(values) - 1):
        return whole
    return {number: [int(index) for index in run] for number, run in enumerate(runs, start=1)}


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
