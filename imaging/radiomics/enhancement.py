"""The course of each region over the phases of its series, as rows of FEATURES."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.clocks import shared_clock
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.radiomics.enhancement_curve import describe_curve
from unibase.imaging.radiomics.feature_rows import region_rows
from unibase.imaging.radiomics.selection import Region, Selection, entry, select
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.reasons import NO_PHASE_TIMES
from unibase.imaging.regions.mask import Mask

PHASE = re.compile(r"(phase|volume|frame) \d+ of (\d+)")
"""Names of volumes that follow one another in time."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Place:
    """Which region it is on every phase: its target, its name, and its number among those of one name."""

    target: str
    roi_name: str
    number: int


@dataclass
class _Courses:
    """What was measured phase by phase: the phases, and of each region its mean on every one, and the last phase's region."""

    phases: list[Volume] = field(default_factory=list)
    means: dict[_Place, list[float]] = field(default_factory=lambda: defaultdict(list))
    last: dict[_Place, tuple[Region, Mask]] = field(default_factory=dict)

    def add(self, selection: Selection) -> None:
        """Add a phase; a region that cannot be read on it has no course."""
        volume = selection.volume
        # The header of a phase is all that is kept of it.
        self.phases.append(replace(volume, array=volume.array[:0]))
        seen: dict[tuple[str, str], int] = defaultdict(int)
        for region in selection.regions:
            number = seen[region.target, region.roi_name]
            seen[region.target, region.roi_name] += 1
            try:
                mask = region.read(volume)
            except Unusable:
                continue
            place = _Place(region.target, region.roi_name, number)
            self.means[place].append(float(mask.region.values(volume.array).mean()))
            self.last[place] = (region, mask)


def enhancement_rows(task: FeatureTask, rows: Sequence[Row], told: list[dict[str, object]]) -> list[dict[str, Any]]:
    """Return a row for the course of each region over all phases of the series of a unit.

    Args:
        task: The unit.
        rows: The FEATURES rows of its volumes: a course has the digest of its region there, so that a verdict holds for it.
        told: Regions without a course are added, as entries of the unit's result.
    """
    courses = _Courses()
    whole = replace(task, choices=task.choices.model_copy(update={"volumes": "all"}))
    refused = ""
    for name, selection in select(whole):
        if isinstance(selection, Unusable):
            refused = f"{name or 'The image'} cannot be used. {selection.message}"
        else:
            courses.add(selection)
    if len(courses.phases) < 2 and not refused:
        return []  # A series of one volume has no course, and nobody expects one.
    clock = shared_clock([phase.times for phase in courses.phases])
    problem = refused or _no_course(courses.phases, clock is not None)
    if problem or clock is None:
        for place in courses.last:
            _refuse(told, place, problem)
        return []
    found = []
    for place, means in courses.means.items():
        if len(means) < len(courses.phases):
            _refuse(told, place, "The region cannot be read on every phase.")
        else:
            found += _row(task, courses, place, clock, _digest_among(rows, place))
    return found


def _no_course(phases: Sequence[Volume], timed: bool) -> str:
    """Return why phases tell no course over time; empty when they do."""
    counts = {found[2] if (found := PHASE.fullmatch(phase.name)) else "" for phase in phases}
    if len(phases) < 2 or "" in counts:
        return "The series holds no phases that follow one another."
    if counts != {str(len(phases))}:
        return f"The series holds {len(phases)} of {' or '.join(sorted(counts))} phases."
    return "" if timed else "The headers do not say when the phases were acquired, or in another order than that of the phases."


def _refuse(told: list[dict[str, object]], place: _Place, message: str) -> None:
    problem = Unusable(NO_PHASE_TIMES, message, NO_PHASE_TIMES.remedy)
    told.append(entry(f"{place.target} (enhancement)", place.roi_name, problem))


def _digest_among(rows: Sequence[Row], place: _Place) -> str:
    """Return the digest of a region on the first volume on which it was measured; empty when it was on none."""
    mine = [row["source_digest"] for row in rows if row["roi_name"] == place.roi_name and row["region"].startswith(place.target)]
    distinct = list(dict.fromkeys(mine))
    return str(distinct[place.number]) if place.number < len(distinct) else ""


def _row(
    task: FeatureTask, courses: _Courses, place: _Place, clock: tuple[str, list[float]], digest: str
) -> list[dict[str, Any]]:
    region, mask = courses.last[place]
    name, seconds = clock
    last = courses.phases[-1]
    over = replace(last, name="", notes=(*last.notes, f"times-of-{name}"))
    told = dict(describe_curve(seconds, courses.means[place]))
    named = replace(region, source_digest=digest or region.source_digest)
    return region_rows(task, over, named, {"enhancement": told}, mask)
