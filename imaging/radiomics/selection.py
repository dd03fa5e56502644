"""What one unit extracts: its image, and the regions that its targets ask for, each ready to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.dicom.volume import Volume, read_files, read_image, read_series
from unibase.imaging.options import Regions, check_habitats, check_regions, check_shells
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.regions.habitats import habitat, habitat_name
from unibase.imaging.regions.masks import Mask, Roi, open_masks
from unibase.imaging.regions.rtstruct import Gaps
from unibase.imaging.regions.shells import shell, shell_name
from unibase.imaging.regions.targets import match_regions

Engine = Literal["pyradiomics", "unibase"]
Mode = Literal["pyradiomics", "ibsi"]
Several = Literal["refuse", "each", "union"]
"""What to do when several ROIs of one file match one target: refuse the target, a row for each, or their union."""


@dataclass(frozen=True)
class FeatureTask:
    """One unit: a series, the files that hold its regions, and how to extract.

    Attributes:
        image_folder: Folder of the DICOM series, or a NIfTI or NRRD file.
        mask_paths: RTSTRUCT, SEG, NIfTI or NRRD files of its regions.
        settings: Extraction settings.
        regions: Target to patterns of ROI names; None makes every ROI its own target.
        destination: The FEATURES Parquet file to write.
        subject_id, centre, series_time: What the row says of the subject; None on plain files.
        series_uid: The series to read, when the folder holds several.
        image_files: The files of the image, when they share a folder with those of other series.
        engine, mode: Which engine, and which definition of the features.
        several: What to do when several ROIs match one target.
        resample: Resample masks that lie on another grid; `correctMask: true` in the settings asks for it too.
        threshold: Least fraction at which a voxel of a fractional SEG is inside.
        shells: Peritumoral shells to extract beside every region, as (inner, outer) in mm.
        gaps: What to do with slices between contours that carry none: `keep`, `fill` or `refuse`.
        habitats: Cut every region, beside itself, into this many parts by intensity; 0 for none.
    """

    image_folder: Path
    mask_paths: tuple[Path, ...]
    settings: FeatureSettings
    regions: Regions | None
    destination: Path
    subject_id: int | None = None
    centre: str | None = None
    series_time: datetime | None = None
    series_uid: str | None = None
    image_files: tuple[Path, ...] = ()
    engine: Engine = "pyradiomics"
    mode: Mode = "pyradiomics"
    several: Several = "refuse"
    resample: bool = False
    threshold: float = 0.5
    shells: tuple[tuple[float, float], ...] = ()
    gaps: Gaps = "keep"
    habitats: int = 0


@dataclass(frozen=True)
class Region:
    """A region that a target asks for.

    Attributes:
        target: Name of the target, or of one of its shells or habitats.
        roi_name: Name in the file; names of a union are joined by ` + `.
        source_digest: Digest of the image, the mask file and the numbers of the regions in it.
        drawn: Makes the mask as it was drawn; raises `Unusable` when it cannot be made.
        ends: Of a shell, its inner and outer distance in mm from what was drawn.
        habitat: Of a habitat, its number from 1, and how many there are.
    """

    target: str
    roi_name: str
    source_digest: str
    drawn: Callable[[], Mask]
    ends: tuple[float, float] | None = None
    habitat: tuple[int, int] | None = None

    def read(self, volume: Volume) -> Mask:
        """Return the mask on its image, the shell or habitat made; raises `Unusable` when there is none."""
        return self.of(self.drawn(), volume)

    def of(self, drawn: Mask, volume: Volume) -> Mask:
        """Return the region itself, or its shell or habitat: `drawn` and `volume` may be a changed copy."""
        if self.habitat is not None:
            return replace(drawn, array=habitat(volume.array, drawn.array, *self.habitat))
        if self.ends is None:
            return drawn
        array, notes = shell(drawn.array, volume.grid, *self.ends)
        return replace(drawn, array=array, notes=tuple(sorted({*drawn.notes, *notes})))


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


def check_task(task: FeatureTask) -> None:
    """Check what the type of a task cannot say.

    Raises:
        UserError: If engine and mode do not go together, a pattern or a shell is wrong, or an option is unknown.
    """
    if task.engine not in ("pyradiomics", "unibase") or task.mode not in ("pyradiomics", "ibsi"):
        raise UserError("engine must be pyradiomics or unibase, and mode pyradiomics or ibsi.")
    if task.engine == "pyradiomics" and task.mode == "ibsi":
        raise UserError("PyRadiomics does not compute IBSI's definitions. Choose engine: unibase for mode: ibsi.")
    if task.several not in ("refuse", "each", "union"):
        raise UserError("several must be refuse, each or union.")
    if task.gaps not in ("keep", "fill", "refuse"):
        raise UserError("gaps must be keep, fill or refuse.")
    check_shells(task.shells)
    check_habitats(task.habitats)
    if task.regions is not None:
        check_regions(task.regions)


def select(task: FeatureTask) -> Selection:
    """Read the image of a unit, open its mask files, and find the regions that its targets ask for.

    Raises:
        Unusable: `no-mask`, `no-region-matched`, the reasons of `volumes.read_series`, and those of
            `masks.open_masks` when no mask file can be opened.
    """
    check_task(task)
    if not task.mask_paths:
        message = "No RTSTRUCT, SEG or mask image belongs to this series."
        found = listed([], sorted(task.regions or ()), [])
        raise Unusable("no-mask", message, "Segment it, or leave the series out.", found)
    volume = _read(task)
    resample = task.resample or bool(task.settings.setting.get("correctMask"))
    flat: list[tuple[Path, Roi]] = []
    refused: list[dict[str, Any]] = []
    for path in task.mask_paths:
        try:
            flat += [(path, roi) for roi in open_masks(path, volume, resample=resample, threshold=task.threshold, gaps=task.gaps)]
        except Unusable as problem:
            # One file that is no mask must not take the regions of the others with it.
            refused.append(entry("", "", problem))
    if not flat:
        raise problem_of(refused[0])
    matches = match_regions([roi.roi_name for _, roi in flat], task.regions)
    digests = {path: sha256_file(path) for path in task.mask_paths}
    regions: list[Region] = []
    for target, positions in matches.found.items():
        by_file: dict[Path, list[Roi]] = {}
        for position in positions:
            by_file.setdefault(flat[position][0], []).append(flat[position][1])
        for path, rois in by_file.items():
            if len(rois) > 1 and task.several == "refuse":
                message = f"{len(rois)} regions of one file match the target {target}."
                remedy = "Narrow the patterns, or ask for each of them or for their union."
                refused += [entry(target, roi.roi_name, Unusable("ambiguous-region", message, remedy)) for roi in rois]
                continue
            groups = [rois] if len(rois) == 1 or task.several == "union" else [[roi] for roi in rois]
            for group in groups:
                # Lesions of one target share its name, so that they share columns; roi_name and digest tell them apart.
                source = digest_of([volume.digest, digests[path], [roi.number for roi in group]])
                regions += _with_parts(target, group, source, task)
    unused = sorted(flat[position][1].roi_name for position in matches.unused)
    if not regions and not any(item["target"] for item in refused):
        message = "No region of the series has a name that the patterns ask for."
        remedy = "Compare its names (unibase regions STUDY) with the patterns of the study file."
        raise Unusable("no-region-matched", message, remedy, listed(refused, matches.missing, unused))
    return Selection(volume, regions, refused, matches.missing, unused)


def listed(regions: list[dict[str, Any]], missing_targets: list[str], unused_rois: list[str]) -> dict[str, Any]:
    """Return what is told of the regions of a series, whether it could be used or not: every match and every miss."""
    return {
        "regions": sorted(regions, key=lambda item: (item["target"], item["roi_name"])),
        "missing_targets": missing_targets,
        "unused_rois": unused_rois,
    }


def entry(target: str, roi_name: str, problem: Unusable) -> dict[str, Any]:
    """Return how a refused region stands in the result of its unit."""
    said = {"reason": problem.reason, "message": problem.message, "remedy": problem.remedy}
    return {"target": target, "roi_name": roi_name, "status": "refused", **said}


def problem_of(refused: dict[str, Any], found: dict[str, Any] | None = None) -> Unusable:
    """Return the problem that an entry tells of, with what else was found in its series."""
    return Unusable(refused["reason"], refused["message"], refused["remedy"], found)


def _read(task: FeatureTask) -> Volume:
    if task.image_files:
        return read_files(task.image_files, task.series_uid)
    if task.image_folder.is_dir():
        return read_series(task.image_folder, task.series_uid)
    return read_image(task.image_folder)


def _with_parts(target: str, rois: Sequence[Roi], source: str, task: FeatureTask) -> list[Region]:
    """Return a region, its shells and its habitats; the mask is read once, and when that fails each of them says so."""
    drawn = cache(lambda: _union(rois))
    names = " + ".join(roi.roi_name for roi in rois)
    around = [Region(shell_name(target, *ends), names, source, drawn, ends) for ends in task.shells]
    parts = [(number, task.habitats) for number in range(1, task.habitats + 1)]
    within = [Region(habitat_name(target, *part), names, source, drawn, habitat=part) for part in parts]
    return [Region(target, names, source, drawn), *around, *within]


def _union(rois: Sequence[Roi]) -> Mask:
    masks = [roi.read() for roi in rois]
    if len(masks) == 1:
        return masks[0]
    array = masks[0].array.copy()
    for mask in masks[1:]:
        array |= mask.array
    notes = {note for mask in masks for note in mask.notes} | {"union"}
    return replace(masks[0], array=array, notes=tuple(sorted(notes)))
