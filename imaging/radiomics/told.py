"""What is told of the regions of a series: every match, miss and refusal, over all its volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.radiomics.selection import Matches, Selection, entry, listed, problem_of

ELSEWHERE = frozenset({reasons.DRAWN_ELSEWHERE, reasons.NO_REGION_MATCHED})
"""Reasons of a volume that tell nothing when another volume of its series has what was asked for."""


@dataclass(frozen=True)
class _Ended:
    """How the regions of one volume ended; without its voxels, since a series may hold hundreds of volumes.

    Attributes:
        name: Name of the volume.
        entries: What is told of its regions.
        missing_targets: Targets that no region matched.
        unused_rois: Names of regions that no target asked for.
    """

    name: str
    entries: list[dict[str, object]]
    missing_targets: list[str]
    unused_rois: list[str]


@dataclass
class Told:
    """How the regions of the volumes of one series ended.

    Attributes:
        problems: Volumes that could not be used: name and problem.
        of_all: What is told of regions over all volumes.
    """

    problems: list[tuple[str, Unusable]] = field(default_factory=list)
    of_all: list[dict[str, object]] = field(default_factory=list)
    _volumes: list[_Ended] = field(default_factory=list)

    def on(self, name: str, selection: Selection) -> list[dict[str, Any]]:
        """Begin with the volume `name` and what its `selection` found; return the list to which its regions are added."""
        entries = list(selection.refused)
        self._volumes.append(_Ended(name, entries, selection.missing_targets, selection.unused_rois))
        return entries

    def listed(self) -> Matches:
        """Return what is told; a target is missing when no volume has it."""
        regions = [{**({"volume": one.name} if one.name else {}), **item} for one in self._volumes for item in one.entries]
        for name, problem in self.problems:
            if self._volumes and problem.reason not in ELSEWHERE:
                regions.append({"volume": name, **entry("", "", problem)})
        regions += self.of_all
        selections = self._volumes
        missing = set.intersection(*(set(one.missing_targets) for one in selections)) if selections else set()
        unused = set.intersection(*(set(one.unused_rois) for one in selections)) if selections else set()
        order = [name for one in selections[:1] for name in one.missing_targets if name in missing]
        rest = [name for one in selections[:1] for name in one.unused_rois if name in unused]
        return listed(regions, order, rest)

    def first_problem(self) -> Unusable:
        """Return why a series has no row at all: the first refused region, else the first refused volume."""
        for one in self._volumes:
            for item in one.entries:
                if item["target"]:
                    return problem_of(item, self.listed())
        telling = [problem for _, problem in self.problems if problem.reason not in ELSEWHERE]
        return (telling or [problem for _, problem in self.problems])[0]


REGION_LIST = {
    "unit": pl.String,
    "volume": pl.String,
    "target": pl.String,
    "roi_name": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "message": pl.String,
    "remedy": pl.String,
    "voxels": pl.Int64,
    "notes": pl.String,
    "refused_image_types": pl.String,
}
"""Columns of `list_regions`; status is done, refused, missing (a target without a region) or unused (a region without a target)."""


def list_regions(results: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """Return every match and miss of many units as one frame, sorted, columns `REGION_LIST`.

    Args:
        results: What `extract_series` returned, by any name of the unit.
    """
    rows: list[dict[str, object]] = []
    for unit, result in results.items():
        for region in result["regions"]:
            told = {key: value for key, value in region.items() if key in REGION_LIST}
            told |= {key: ", ".join(region[key]) or None for key in ("notes", "refused_image_types") if key in region}
            rows.append({"unit": unit, **told})
        rows += [{"unit": unit, "target": target, "status": "missing"} for target in result["missing_targets"]]
        rows += [{"unit": unit, "roi_name": name, "status": "unused"} for name in result["unused_rois"]]
    return pl.DataFrame(rows, schema=REGION_LIST).sort("unit", "status", "target", "roi_name", "volume")
