"""A series split into the volumes it holds, each with a name; what is no volume is set aside by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.aside import aside_name
from unibase.imaging.dicom.distinctions import ATTRIBUTES, Attribute, Value, grouped
from unibase.imaging.dicom.evidence import across_midnight, follows_the_scanner, runs_by_number, runs_by_time, time_clusters
from unibase.imaging.dicom.planes import Plane
from unibase.imaging.dicom.spacing import ORIENTATION_TOLERANCE, common_axes
from unibase.imaging.grid import Array
from unibase.imaging.reasons import INCONSISTENT_SERIES

OTHER_PLANE = 0.87
"""Cosine of 30 degrees: beyond it a few planes across the others are a localizer."""


@dataclass(frozen=True)
class Stack:
    """The planes of one volume.

    Attributes:
        name: How a person calls the volume inside its series; empty when the series holds one alone.
        planes: Its planes, along their normal.
        aside: What it is when it is no volume to measure (`localizer`, `ADC map`), else empty.
    """

    name: str
    planes: tuple[Plane, ...]
    aside: str = ""


@dataclass(frozen=True)
class _Part:
    planes: list[Plane]
    labels: tuple[str, ...] = ()


def split(planes: Sequence[Plane]) -> list[Stack]:
    """Return the volumes of one series, and what is set aside.

    Args:
        planes: All planes of the series.

    Raises:
        Unusable: `unsupported-image` without any placed grey image, `inconsistent-series` when single planes differ
            from all others in what makes a volume.
    """
    for keyword in ("PatientID", "StudyInstanceUID"):
        if len({plane.text(keyword) for plane in planes}) > 1:
            message = f"{keyword} differs between the slices of one series: two exams bear one SeriesInstanceUID."
            raise Unusable(INCONSISTENT_SERIES, message, "Give each exam a SeriesInstanceUID of its own.")
    kinds = aside_name(planes)
    kept = [plane for plane, name in zip(planes, kinds, strict=True) if not name]
    aside: dict[str, list[Plane]] = {}
    for plane, name in zip(planes, kinds, strict=True):
        if name:
            aside.setdefault(name, []).append(plane)
    parts: list[_Part] = []
    for cluster in _clusters(kept, aside):
        found = [cluster]
        for attribute in ATTRIBUTES:
            found = [part for whole in found for part in _divided(whole, attribute)]
        parts += found
    largest = max(len(part.planes) for part in parts)
    volumes = [part for part in parts if len(part.planes) > 1 or largest < 3]
    for part in parts:
        if part not in volumes:
            aside.setdefault(", ".join(("single image", *part.labels)), []).extend(part.planes)
    names = _names(volumes)
    aside = {f"{name} (set aside)" if name in names else name: group for name, group in aside.items()}
    stacks = [Stack(name, _ordered(part.planes)) for name, part in zip(names, volumes, strict=True)]
    return stacks + [Stack(name, _aside(group), name) for name, group in sorted(aside.items())]


def _ordered(planes: Sequence[Plane]) -> tuple[Plane, ...]:
    normal = _normal(planes)
    places = np.array([plane.position for plane in planes]) @ normal
    return tuple(planes[index] for index in np.argsort(places, kind="stable"))


def _aside(planes: Sequence[Plane]) -> tuple[Plane, ...]:
    """Return what is set aside, along its normal when it is a stack too: a study may ask for it by its name."""
    parallel = not any(plane.missing() for plane in planes) and not any(_differs(planes[0], plane) for plane in planes)
    return _ordered(planes) if parallel else tuple(planes)


def _normal(planes: Sequence[Plane]) -> Array:
    return common_axes(np.array([plane.orientation for plane in planes]))[2]


def _names(parts: Sequence[_Part]) -> list[str]:
    if len(parts) == 1:
        return [""]
    names = [", ".join(part.labels) for part in parts]
    counts, seen = Counter(names), Counter[str]()
    for index, name in enumerate(names):
        seen[name] += 1
        if counts[name] > 1 or not name:
            names[index] = f"{name or 'volume'} ({seen[name]})"
    return names


def _clusters(planes: Sequence[Plane], aside: dict[str, list[Plane]]) -> list[_Part]:
    """Return the planes by what no volume mixes: frame of reference, modality, size, spacing and orientation."""
    groups: list[list[Plane]] = []
    for plane in planes:
        for group in groups:
            if not _differs(group[0], plane):
                group.append(plane)
                break
        else:
            groups.append([plane])
    groups.sort(key=len, reverse=True)
    main = groups[0]
    kept = [main]
    for group in groups[1:]:
        across = abs(float(_normal(group) @ _normal(main))) < OTHER_PLANE
        if across and len(group) <= 3 and len(group) * 3 <= len(main):
            aside.setdefault("localizer", []).extend(group)
        elif len(group) < min(3, len(main)):
            raise inconsistent(_differs(main[0], group[0]))
        else:
            kept.append(group)
    if len(kept) == 1:
        return [_Part(main)]
    return [_Part(group, (_view(group),)) for group in sorted(kept, key=lambda group: group[0].key)]


def inconsistent(keyword: str) -> Unusable:
    """Return the refusal of planes that differ in an attribute of the volume and form none of their own.

    Args:
        keyword: The attribute, by its DICOM keyword.

    >>> inconsistent("PixelSpacing").reason
    'inconsistent-series'
    """
    message = f"{keyword} differs between the slices of one series."
    return Unusable(INCONSISTENT_SERIES, message, "Split the series into volumes.")


def _differs(one: Plane, other: Plane) -> str:
    for keyword in ("Modality", "FrameOfReferenceUID"):
        if one.text(keyword) != other.text(keyword):
            return keyword
    if one.shape != other.shape:
        return "Rows" if one.shape[0] != other.shape[0] else "Columns"
    if np.abs(one.spacing - other.spacing).max() > 1e-4:
        return "PixelSpacing"
    if np.abs(one.orientation - other.orientation).max() > ORIENTATION_TOLERANCE:
        return "ImageOrientationPatient"
    return ""


def _view(planes: Sequence[Plane]) -> str:
    """Return `axial`, `coronal` or `sagittal`, with the matrix and spacing, which tell groups of one view apart."""
    view = ("sagittal", "coronal", "axial")[int(np.abs(_normal(planes)).argmax())]
    rows, columns = planes[0].shape
    return f"{view} {columns} x {rows} of {planes[0].spacing[1]:g} mm"


def places(planes: Sequence[Plane]) -> list[int]:
    """Return for every plane the number of its place along the normal; planes at one place share it."""
    offsets = np.array([plane.position for plane in planes]) @ _normal(planes)
    thickness = float(planes[0].header.get("SliceThickness") or 0)
    tolerance = max(1e-3, min(0.1, 0.05 * thickness)) if thickness else 0.01
    order = np.argsort(offsets, kind="stable")
    numbers = np.concatenate([[0], np.cumsum(np.diff(offsets[order]) > tolerance)])
    found = np.empty(len(planes), dtype=int)
    found[order] = numbers
    return [int(number) for number in found]


def _divided(part: _Part, attribute: Attribute) -> list[_Part]:
    """Return the parts into which an attribute splits some planes; the planes themselves when it says nothing."""
    if len(part.planes) == 1:
        return [part]
    values: Sequence[Value] = [attribute.value(plane) for plane in part.planes]
    if attribute.name in ("AcquisitionTime", "ContentTime"):
        values = across_midnight(values)
    groups = grouped(values, 0.0 if attribute.evidence == "order" else 0.005)
    if len(groups) == 1:
        return [part]
    where = places(part.planes)
    shared = len(set(where)) < len(where)
    if attribute.evidence == "identity":
        chosen: dict[Value, list[int]] | None = _told_by_identity(groups, shared, attribute)
    elif shared and attribute.name == "InstanceNumber":
        # A number alone does not say which of two images at one place is which.
        return [part]
    elif shared:
        chosen = _tidy(groups, where)
        if chosen is None and attribute.evidence == "order":
            chosen = _by_order(values, where) or _tidy(time_clusters(groups), where)
    else:
        chosen = _apart(part.planes, where, groups, attribute)
    if chosen is None or len(chosen) == 1:
        return [part]
    labels = attribute.names(list(chosen), part.planes)
    return [
        _Part([part.planes[index] for index in members], (*part.labels, label))
        for label, members in zip(labels, chosen.values(), strict=True)
    ]


def _told_by_identity(groups: dict[Value, list[int]], shared: bool, attribute: Attribute) -> dict[Value, list[int]]:
    sizes = [len(members) for members in groups.values()]
    if not shared and (2 * len(groups) > sum(sizes) > 3 or (min(sizes) == 1 and max(sizes) > 2)):
        raise inconsistent(attribute.name)
    return groups


def _tidy(groups: dict[Value, list[int]], where: Sequence[int]) -> dict[Value, list[int]] | None:
    """Return the groups when they part planes of one place and most of them are whole; else None."""
    repeated = sum(len(members) - len({where[index] for index in members}) for members in groups.values())
    sizes = sorted(len(members) for members in groups.values())
    whole = 2 * sizes[len(sizes) // 2] >= len(set(where))
    return groups if whole and repeated < len(where) - len(set(where)) else None


def _by_order(values: Sequence[Value], where: Sequence[int]) -> dict[Value, list[int]] | None:
    """Return the planes by the rank of their time at their place: first, second and so on; None when that is open."""
    at: dict[int, list[int]] = {}
    for index, place in enumerate(where):
        at.setdefault(place, []).append(index)
    counts = {len(members) for members in at.values()}
    if len(counts) > 1 or any(not isinstance(value, (int, float)) for value in values):
        return None
    ranks: dict[Value, list[int]] = {rank: [] for rank in range(1, counts.pop() + 1)}
    for members in at.values():
        times = [values[index] for index in members]
        if len(set(times)) < len(times):
            return None
        for rank, index in enumerate(sorted(members, key=lambda index: values[index]), start=1):  # type: ignore[arg-type, return-value]
            ranks[rank].append(index)
    return ranks


def _apart(
    planes: Sequence[Plane], where: Sequence[int], groups: dict[Value, list[int]], attribute: Attribute
) -> dict[Value, list[int]] | None:
    """Return the groups of planes that share no place, when they are two acquisitions and not the way of one scan."""
    if attribute.evidence == "shared" or attribute.name == "FrameReferenceTime":
        return None
    if attribute.name in ("AcquisitionTime", "ContentTime"):
        groups = time_clusters(groups)
    if len(groups) == 1 and attribute.name == "AcquisitionTime":
        groups = runs_by_time(planes, where)
    if attribute.name == "InstanceNumber":
        groups = runs_by_number(planes, where)
    if len(groups) == 1 or follows_the_scanner(planes, where, groups, attribute.name):
        return None
    return groups
