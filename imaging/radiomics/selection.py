"""What one unit extracts: its image, and the regions that its targets ask for, each ready to be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial, reduce
from operator import or_
from pathlib import Path
from typing import Any

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.dicom.projections import projections_of
from unibase.imaging.dicom.volume import Volume, open_files
from unibase.imaging.options import volume_choice
from unibase.imaging.plain.image import plain_volumes
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.regions.about import NOTHING, About, together
from unibase.imaging.regions.habitats import habitat, habitat_name
from unibase.imaging.regions.mask import Mask, Roi
from unibase.imaging.regions.masks import open_masks
from unibase.imaging.regions.shells import shell, shell_name
from unibase.imaging.regions.targets import match_regions

CUT_NOTES = frozenset({"cut-off-at-edge", "contour-outside-slices"})
"""Notes that say that the image does not hold all of a region."""


@dataclass(frozen=True)
class Region:
    """A region that a target asks for.

    Attributes:
        target: Name of the target, or of one of its shells or habitats.
        roi_name: Name in the file; names of a union are joined by ` + `.
        source_digest: Digest of the image, the mask file and the numbers of the regions in it.
        drawn: Makes the mask as it was drawn; raises `Unusable` when it cannot be made.
        about: What the mask file says of itself.
        ends: Of a shell, its inner and outer distance in mm from what was drawn.
        habitat: Of a habitat, its number from 1, and how many there are.
    """

    target: str
    roi_name: str
    source_digest: str
    drawn: Callable[[], Mask]
    about: About = NOTHING
    ends: tuple[float, float] | None = None
    habitat: tuple[int, int] | None = None

    def read(self, volume: Volume) -> Mask:
        """Return the mask on its `volume`, the shell or habitat made; raises `Unusable` when there is none."""
        return self.of(self.drawn(), volume)

    def of(self, drawn: Mask, volume: Volume) -> Mask:
        """Return the region itself, or its shell or habitat: `drawn` and `volume` may be a changed copy."""
        if self.habitat is not None:
            return replace(drawn, region=habitat(volume.array, drawn.region, *self.habitat))
        if self.ends is None:
            return drawn
        region, notes = shell(drawn.region, volume.grid, *self.ends)
        return replace(drawn, region=region, notes=tuple(sorted({*drawn.notes, *notes})))


@dataclass(frozen=True)
class Selection:
    """The image of a unit and what its targets found.

    Attributes:
        volume: The image.
        regions: The regions to extract.
        refused: Files that cannot be opened and targets that are ambiguous, as entries of the unit's result.
        missing_targets: Targets that no region matched.
        unused_rois: Names of regions that no target asked for.
    """

    volume: Volume
    regions: list[Region]
    refused: list[dict[str, Any]] = field(default_factory=list)
    missing_targets: list[str] = field(default_factory=list)
    unused_rois: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    """A region of a file: where it stands, and the digest of that file."""

    roi: Roi
    file: Path
    digest: str


def select(task: FeatureTask) -> Iterator[tuple[str, Selection | Unusable]]:
    """Read the volumes of a `task` one by one, open its mask files, and find the regions that its targets ask for.

    Each is given with its name. A volume that cannot be used is given as its problem: it does not take the others of
    its series with it.

    Raises:
        Unusable: `no-mask`, and the reasons of `volume.open_folder` and `no-volume-matched` for the series as a whole.
    """
    task.check()
    if not task.mask_paths:
        message = "No RTSTRUCT, SEG or mask image belongs to this series."
        found = listed([], sorted(task.regions or ()), [])
        raise Unusable(reasons.NO_MASK, message, "Segment it, or leave the series out.", asdict(found))
    for name, read in volumes_of(task):
        try:
            selection = select_on(read(), task)
        except Unusable as problem:
            yield name, problem
        else:
            yield name, selection


Named = tuple[str, Callable[[], Volume]]
"""Name of a volume of a series, and what reads it."""


def volumes_of(task: FeatureTask) -> list[Named]:
    """Return names and what reads each volume that the task asks for; patterns choose among several, and what is set aside.

    Args:
        task: The unit.

    Raises:
        Unusable: As `dicom.volume.open_folder`, and `no-volume-matched`.
    """
    if not task.image_files and not task.image_folder.is_dir():
        return _asked_for(plain_volumes(task.image_folder), task)
    files = task.image_files or sorted(path for path in task.image_folder.iterdir() if path.is_file() and path.name[0] != ".")
    planes = projections_of(files, task.series_uid)
    if planes:
        return _asked_for(planes, task)
    series = open_files(files, task.series_uid)
    if task.choices.volumes in ("drawn", "all"):
        return [(stack.name, partial(series.read, stack, task.reading)) for stack in series.volumes]
    return _asked_for([(stack.name, partial(series.read, stack, task.reading)) for stack in series.stacks], task)


def _asked_for(volumes: list[Named], task: FeatureTask) -> list[Named]:
    """Return the volumes whose names the task asks for; one that has none is always asked for."""
    if task.choices.volumes in ("drawn", "all") or len(volumes) == 1:
        return volumes
    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in volume_choice(task.choices.volumes)]
    wanted = [(name, read) for name, read in volumes if not name or any(one.fullmatch(name) for one in patterns)]
    if not wanted:
        message = f"None of the {len(volumes)} volumes of the series has a name that the patterns ask for."
        raise Unusable(reasons.NO_VOLUME_MATCHED, message, "Compare their names (unibase index) with features.volumes.")
    return wanted


def select_on(volume: Volume, task: FeatureTask) -> Selection:
    """Return the regions of a volume that the targets of its unit ask for.

    Args:
        volume: One of the volumes of the unit's image.
        task: The unit.

    Raises:
        Unusable: When no region can be used: the reason of the first file, `drawn-elsewhere` or `no-region-matched`.
    """
    flat, refused = _opened(task, volume)
    if not flat:
        raise problem_of(refused[0], listed(refused, sorted(task.regions or ()), []))
    if task.choices.volumes == "drawn":
        flat = [found for found in flat if found.roi.drawn_here is not False]
        if not flat:
            message = "The regions are drawn on other images of the series."
            raise Unusable(reasons.DRAWN_ELSEWHERE, message, "Say in features.volumes on which volumes they are to be measured.")
    matches = match_regions([found.roi.roi_name for found in flat], task.regions)
    regions: list[Region] = []
    seen: dict[tuple[str, str], int] = {}
    for target, positions in matches.found.items():
        groups, told = _groups(target, [flat[position] for position in positions], task)
        refused += told
        for group in groups:
            source = _source(volume, group)
            # Files that say one number twice, and parts of one label, are told apart by their order.
            again = seen.get((target, source), 0)
            seen[target, source] = again + 1
            regions += _with_parts(target, group, digest_of([source, again]) if again else source, task)
    unused = sorted(flat[position].roi.roi_name for position in matches.unused)
    if not regions and not any(item["target"] for item in refused):
        message = "No region of the series has a name that the patterns ask for."
        remedy = "Compare its names (unibase regions STUDY) with the patterns of the study file."
        raise Unusable(reasons.NO_REGION_MATCHED, message, remedy, asdict(listed(refused, matches.missing, unused)))
    return Selection(volume, regions, refused, matches.missing, unused)


@dataclass(frozen=True)
class Matches:
    """What is told of the regions of a series: every match and every miss.

    Attributes:
        regions: How each region ended.
        missing_targets: Targets that no ROI met.
        unused_rois: ROIs that no target asks for.
    """

    regions: list[dict[str, object]]
    missing_targets: list[str]
    unused_rois: list[str]


def listed(regions: list[dict[str, object]], missing_targets: list[str], unused_rois: list[str]) -> Matches:
    """Return what is told of the regions of a series, whether it could be used or not: every match and every miss.

    Args:
        regions, missing_targets, unused_rois: The matches; targets that no ROI met; ROIs that no target asks for.
    """
    in_order = sorted(regions, key=lambda item: (str(item["target"]), str(item["roi_name"])))
    return Matches(in_order, missing_targets, unused_rois)


def entry(target: str, roi_name: str, problem: Unusable) -> dict[str, object]:
    """Return how a refused region, of a `target` and `roi_name`, stands in the result of its unit, with its `problem`."""
    said = {"reason": problem.reason, "message": problem.message, "remedy": problem.remedy}
    return {"target": target, "roi_name": roi_name, "status": "refused", **said}


def problem_of(refused: Mapping[str, object], found: Matches | None = None) -> Unusable:
    """Return the problem that an entry, `refused`, tells of, with what else was `found` in its series."""
    reason, message, remedy = (str(refused[name]) for name in ("reason", "message", "remedy"))
    return Unusable(reason, message, remedy, None if found is None else asdict(found))


def _opened(task: FeatureTask, volume: Volume) -> tuple[list[_Found], list[dict[str, object]]]:
    """Return the regions of all mask files of a unit, and the files that cannot be opened; a copy of a file counts once."""
    flat: list[_Found] = []
    refused: list[dict[str, object]] = []
    seen = set()
    for path in task.mask_paths:
        try:
            digest = sha256_file(path) if path.is_file() else ""
            if digest in seen:
                continue
            seen.add(digest)
            flat += [_Found(roi, path, digest) for roi in open_masks(path, volume, task.mask_rules)]
        except Unusable as problem:
            # One file that is no mask must not take the regions of the others with it.
            refused.append(entry("", path.name, problem))
    return flat, refused


def _groups(target: str, found: list[_Found], task: FeatureTask) -> tuple[list[list[_Found]], list[dict[str, object]]]:
    """Return which regions of a target make one each, and those that are refused or set aside."""
    told: list[dict[str, object]] = []
    if task.choices.structure_sets == "newest-approved":
        found, told = _newest_approved(target, found)
    if len(found) > 1 and task.choices.several == "refuse":
        files = len({one.file for one in found})
        where = "one file" if files == 1 else f"{files} files"
        remedy = "Narrow the patterns, or ask for each of them, for their union or for the newest approved structure set."
        problem = Unusable(reasons.AMBIGUOUS_REGION, f"{len(found)} regions of {where} match the target {target}.", remedy)
        return [], told + [entry(target, one.roi.roi_name, problem) for one in found]
    if task.choices.several == "union" and found:
        return [found], told
    # Lesions of one target share its name, so that they share columns; roi_name and digest tell them apart.
    return [[one] for one in found], told


def _newest_approved(target: str, found: list[_Found]) -> tuple[list[_Found], list[dict[str, object]]]:
    """Return the regions of the structure set that was approved last, and all others as set aside."""
    approved = [one for one in found if one.roi.about.approved and one.roi.about.time is not None]
    newest = max((one.roi.about.time for one in approved if one.roi.about.time is not None), default=None)
    chosen = [one for one in approved if one.roi.about.time == newest]
    if len({one.file for one in chosen}) > 1:
        problem = Unusable(
            reasons.AMBIGUOUS_REGION,
            f"Several structure sets with the target {target} were approved at one time.",
            "Reject all but one, or ask for all structure sets.",
        )
        return [], [entry(target, one.roi.roi_name, problem) for one in found]
    remedy = "Approve the structure set that holds, or ask for all structure sets."
    told = []
    for one in found:
        if one not in chosen:
            why = (
                "A structure set that was approved later has this target."
                if chosen
                else "No approved structure set has this target."
            )
            told.append(
                entry(target, one.roi.roi_name, Unusable(reasons.SUPERSEDED if chosen else reasons.NOT_APPROVED, why, remedy))
            )
    return chosen, told


def _source(volume: Volume, group: Sequence[_Found]) -> str:
    """Return the digest of what a region comes from: the image, its mask files, and the numbers of the regions in them."""
    numbers = [one.roi.number if not one.roi.layer else [one.roi.number, one.roi.layer] for one in group]
    files = sorted({one.digest for one in group})
    return digest_of([volume.digest, files[0] if len(files) == 1 else files, numbers])


def _with_parts(target: str, group: Sequence[_Found], source: str, task: FeatureTask) -> list[Region]:
    """Return a region, its shells and its habitats; the mask is read once, and when that fails each of them says so."""
    rois = [one.roi for one in group]
    drawn = cache(lambda: _drawn(rois, len({one.file for one in group}), task))
    names = " + ".join(roi.roi_name for roi in rois)
    about = together([roi.about for roi in rois])
    around = [Region(shell_name(target, *ends), names, source, drawn, about, ends) for ends in task.choices.shells]
    parts = [(number, task.choices.habitats) for number in range(1, task.choices.habitats + 1)]
    within = [Region(habitat_name(target, *part), names, source, drawn, about, habitat=part) for part in parts]
    return [Region(target, names, source, drawn, about), *around, *within]


def _drawn(rois: Sequence[Roi], files: int, task: FeatureTask) -> Mask:
    masks = [roi.read() for roi in rois]
    mask = masks[0]
    if len(masks) > 1:
        notes = {note for one in masks for note in one.notes} | {"union"} | ({"union-of-files"} if files > 1 else set())
        region = reduce(or_, (one.region for one in masks))
        mask = replace(mask, region=region, notes=tuple(sorted(notes)), coverage=min(one.coverage for one in masks))
    if task.choices.cut_off == "refuse" and CUT_NOTES & set(mask.notes):
        message = f"The image holds {mask.coverage:.0%} of the region: the rest lies beyond its edge or slices."
        raise Unusable(reasons.CUT_OFF_BY_IMAGE, message, "Export the whole image, or ask to keep regions that are cut off.")
    return mask
