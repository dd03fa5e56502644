"""One series and its regions to one FEATURES table: the unit of work of radiomics.

The image is read once; every region that a target asks for is read, checked and extracted on its own, so that one
bad region does not take the others with it. The result lists every match, miss and refusal by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from groundwork.files import digest_of, sha256_file
from groundwork.problems import Unusable, UserError
from groundwork.tables import FEATURES
from groundwork.work import Unit
from imaging.dictionary import pyradiomics_columns
from imaging.grid import Array
from imaging.masks import Mask, Roi, open_masks
from imaging.reference import Features
from imaging.regions import Matches, Regions, check_regions, match_regions
from imaging.settings import FeatureSettings
from imaging.shells import check_shells, shell, shell_name
from imaging.volumes import Volume, read_files, read_image, read_series

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


@dataclass(frozen=True)
class _Region:
    target: str
    roi: Roi
    mask_path: Path
    others: tuple[Roi, ...] = ()


def extract_series(task: FeatureTask) -> dict[str, Any]:
    """Extract the features of one series, write them, and return what was found.

    Returns:
        A small JSON value: `path`, `sha256`, `rows`, `engine`, `mode`, `settings_digest`, `regions` (for every target
        and ROI that met: `target`, `roi_name`, `status`, and `reason`, `message`, `notes`, `refused_image_types`),
        `missing_targets`, `unused_rois`. Names of regions are those of the (cleaned) files.

    Raises:
        Unusable: When nothing can be extracted: the reasons of `volumes.read_series` and `masks.open_masks`, `no-mask`,
            `no-region-matched`, and, when every region is refused, the reason of the first.
    """
    check_task(task)
    if not task.mask_paths:
        raise Unusable(
            "no-mask", "No RTSTRUCT, SEG or mask image belongs to this series.", "Segment it, or leave the series out."
        )
    volume = _read(task)
    opened = [(path, open_masks(path, volume, resample=_resample(task), threshold=task.threshold)) for path in task.mask_paths]
    chosen, refused, matches = _choose(opened, task)
    if not chosen and not refused:
        message = "No region of the series has a name that the patterns ask for."
        raise Unusable("no-region-matched", message, "Compare `unused_rois` of other series with the patterns of the study file.")
    digests = {path: sha256_file(path) for path in task.mask_paths}
    rows: list[dict[str, Any]] = []
    listed = list(refused)
    problems: list[Unusable] = [Unusable(entry["reason"], entry["message"], entry["remedy"]) for entry in refused]
    for region in chosen:
        numbers = [region.roi.number, *(roi.number for roi in region.others)]
        source = digest_of([volume.digest, digests[region.mask_path], numbers])
        for target, make in _wanted(region, volume, task):
            entry: dict[str, Any] = {"target": target, "roi_name": region.roi.roi_name}
            try:
                mask = make()
                features, left_out = extract_region(volume, mask.array, task.settings, task.engine, task.mode)
            except Unusable as problem:
                entry |= {"status": "refused", "reason": problem.reason, "message": problem.message, "remedy": problem.remedy}
                problems.append(problem)
            else:
                entry |= {"status": "done", "voxels": int(mask.array.sum()), "notes": list(mask.notes)}
                entry["refused_image_types"] = left_out
                rows += _rows(task, volume, replace(region, target=target), features, source)
            listed.append(entry)
    if not rows:
        raise problems[0]
    frame = FEATURES.write(ordered(pl.DataFrame(rows, infer_schema_length=None)), task.destination)
    return {
        "path": str(task.destination),
        "sha256": sha256_file(task.destination),
        "rows": frame.height,
        "engine": engine_name(task.engine),
        "mode": task.mode,
        "settings_digest": task.settings.digest,
        "regions": sorted(listed, key=lambda entry: (entry["target"], entry["roi_name"])),
        "missing_targets": matches.missing,
        "unused_rois": sorted(opened_names(opened)[position] for position in matches.unused),
    }


def extract_unit(_: object, task: FeatureTask) -> dict[str, Any]:
    """Run `extract_series` as a unit of `groundwork.work.run_units`; nothing is shared between units."""
    return extract_series(task)


def extract_region(
    volume: Volume, mask: Array, settings: FeatureSettings, engine: Engine = "pyradiomics", mode: Mode = "pyradiomics"
) -> tuple[Features, dict[str, str]]:
    """Extract one region.

    Args:
        volume: The image.
        mask: Boolean, z, y, x, on the grid of the image.
        settings: Extraction settings.
        engine: Which engine computes.
        mode: Which definitions.

    Returns:
        Features by image type, and the image types that were asked for and cannot be made, with the reason.

    Raises:
        Unusable: A region that has no features under these settings: `empty-region`, `region-too-small`,
            `empty-after-resegmentation`, `not-finite-in-region`, `not-finite-in-image`.
    """
    if mask.shape != volume.grid.shape:
        raise Unusable("mask-geometry", "The mask has another size than the image.", "Draw the mask on this image.")
    if not mask.any():
        raise Unusable("empty-region", "No voxel centre lies inside the region.", "The region is smaller than a voxel, or empty.")
    _check_finite(volume, mask, settings)
    if engine == "pyradiomics":
        from imaging import reference

        features = reference.extract(volume, mask, settings)
    else:
        from imaging import engine as own

        spacing = (volume.grid.spacing[2], volume.grid.spacing[1], volume.grid.spacing[0])
        features = own.extract(volume.array, mask, spacing, settings, mode, volume.stored_type)
    return features, _left_out(features, settings, mode)


def engine_name(engine: Engine) -> str:
    """Return what stands in the `engine` column: name and version."""
    if engine == "pyradiomics":
        from imaging import reference

        return reference.engine_version()
    from imaging.engine import VERSION

    return f"unibase {VERSION}"


def check_task(task: FeatureTask) -> None:
    """Check what the type of a task cannot say.

    Raises:
        UserError: If engine and mode do not go together, a pattern is wrong, or an option is unknown.
    """
    if task.engine not in ("pyradiomics", "unibase") or task.mode not in ("pyradiomics", "ibsi"):
        raise UserError("engine must be pyradiomics or unibase, and mode pyradiomics or ibsi.")
    if task.engine == "pyradiomics" and task.mode == "ibsi":
        raise UserError("PyRadiomics does not compute IBSI's definitions. Choose engine: unibase for mode: ibsi.")
    if task.several not in ("refuse", "each", "union"):
        raise UserError("several must be refuse, each or union.")
    check_shells(task.shells)
    if task.regions is not None:
        check_regions(task.regions)


def plan_units(
    series: pl.DataFrame,
    root: Path | str,
    destination: Path | str,
    settings: FeatureSettings,
    regions: Regions | None,
    *,
    modalities: Sequence[str] | None = None,
    engine: Engine = "pyradiomics",
    mode: Mode = "pyradiomics",
    several: Several = "refuse",
    resample: bool = False,
    shells: tuple[tuple[float, float], ...] = (),
) -> list[Unit]:
    """Return one unit per image series of a SERIES frame, with the masks that belong to it.

    A mask belongs to the series that it references. A series that no mask references takes the structure sets of the
    same study and frame of reference (contours drawn on the CT of a PET/CT serve the PET too). A series without any
    mask is a unit as well, and ends in quarantine as `no-mask`: in = out + quarantined.

    Args:
        series: SERIES frame.
        root: What its `folder` column is relative to.
        destination: Folder of the FEATURES files, `<SeriesInstanceUID>.parquet` each.
        settings: Extraction settings.
        regions: Target to patterns; None makes every ROI its own target.
        modalities: Which modalities to extract from; None takes all images.
        engine: Which engine.
        mode: Which definitions.
        several: What to do when several ROIs match one target.
        resample: Resample masks on other grids.
        shells: Peritumoral shells beside every region, as (inner, outer) in mm.
    """
    from imaging.index import NOT_IMAGES

    root, destination = Path(root), Path(destination)
    masks = series.filter(pl.col("Modality").is_in(["RTSTRUCT", "SEG"])).to_dicts()
    images = [
        row
        for row in series.to_dicts()
        if row["Modality"] not in NOT_IMAGES and (modalities is None or row["Modality"] in modalities)
    ]
    shared = series.group_by("folder").len().filter(pl.col("len") > 1)["folder"].to_list()
    units = []
    for row in images:
        same_study = [mask for mask in masks if mask["StudyInstanceUID"] == row["StudyInstanceUID"]]
        own = [mask for mask in masks if mask["ReferencedSeriesInstanceUID"] == row["SeriesInstanceUID"]]
        if not own:
            frame = row["FrameOfReferenceUID"]
            own = [
                mask
                for mask in same_study
                if frame and mask["FrameOfReferenceUID"] == frame and (mask["Modality"] == "RTSTRUCT" or resample)
            ]
        task = FeatureTask(
            root / row["folder"],
            tuple(path for mask in own for path in _files_of(root, mask, shared)),
            settings,
            regions,
            destination / f"{row['SeriesInstanceUID']}.parquet",
            row["subject_id"],
            row["centre"],
            row["series_time"],
            row["SeriesInstanceUID"],
            (),
            engine,
            mode,
            several,
            resample,
            shells=shells,
        )
        digest = digest_of([row["input_digest"], sorted(mask["input_digest"] for mask in own)])
        units.append(Unit(f"{row['folder']}:{row['SeriesInstanceUID']}", digest, task))
    return units


def stage_settings(
    settings: FeatureSettings,
    regions: Regions | None,
    *,
    engine: Engine = "pyradiomics",
    mode: Mode = "pyradiomics",
    several: Several = "refuse",
    resample: bool = False,
    shells: tuple[tuple[float, float], ...] = (),
) -> dict[str, Any]:
    """Return all that changes the result of a unit beside its input, as JSON: the `settings` of `run_units`."""
    return {
        "settings": settings.digest,
        "regions": None if regions is None else {target: list(patterns) for target, patterns in regions.items()},
        "engine": engine_name(engine),
        "mode": mode,
        "several": several,
        "resample": resample,
        "shells": [list(pair) for pair in shells],
        "code": version("unibase"),
    }


def collect(paths: Iterable[Path | str], destination: Path | str) -> pl.DataFrame:
    """Write the FEATURES files of many units as one table, rows by key, columns in one order, and return it."""
    frames = [pl.read_parquet(path) for path in sorted(Path(path) for path in paths)]
    frame = ordered(pl.concat(frames, how="diagonal")) if frames else FEATURES.empty()
    return FEATURES.write(frame, destination)


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a FEATURES frame with feature columns as Float64, in PyRadiomics' order, then others by name."""
    identity = [column.name for column in FEATURES.columns]
    known = pyradiomics_columns()
    further = sorted(set(frame.columns) - set(identity) - set(known))
    features = [name for name in known if name in frame.columns] + further
    return frame.select(
        *[name for name in identity if name in frame.columns], *[pl.col(name).cast(pl.Float64) for name in features]
    )


def _resample(task: FeatureTask) -> bool:
    return task.resample or bool(task.settings.setting.get("correctMask"))


def _read(task: FeatureTask) -> Volume:
    if task.image_files:
        return read_files(task.image_files, task.series_uid)
    if task.image_folder.is_dir():
        return read_series(task.image_folder, task.series_uid)
    return read_image(task.image_folder)


def _files_of(root: Path, row: Mapping[str, Any], shared: Sequence[str]) -> list[Path]:
    folder = root / row["folder"]
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if row["folder"] not in shared:
        return files
    from imaging.index import read_header

    return [
        path
        for path in files
        if (header := read_header(path)) is not None and str(header.get("SeriesInstanceUID", "")) == row["SeriesInstanceUID"]
    ]


def opened_names(opened: Sequence[tuple[Path, Sequence[Roi]]]) -> list[str]:
    """Return the ROI names of all opened files, in order."""
    return [roi.roi_name for _, rois in opened for roi in rois]


def _choose(
    opened: Sequence[tuple[Path, Sequence[Roi]]], task: FeatureTask
) -> tuple[list[_Region], list[dict[str, Any]], Matches]:
    """Return the regions to extract, those refused as ambiguous, and all matches."""
    flat = [(path, roi) for path, rois in opened for roi in rois]
    matches = match_regions([roi.roi_name for _, roi in flat], task.regions)
    chosen: list[_Region] = []
    refused: list[dict[str, Any]] = []
    for target, positions in matches.found.items():
        by_file: dict[Path, list[Roi]] = {}
        for position in positions:
            by_file.setdefault(flat[position][0], []).append(flat[position][1])
        for path, rois in by_file.items():
            if len(rois) == 1:
                chosen.append(_Region(target, rois[0], path))
            elif task.several == "each":
                chosen += [_Region(f"{target}/{roi.roi_name}#{roi.number}", roi, path) for roi in rois]
            elif task.several == "union":
                chosen.append(_Region(target, rois[0], path, tuple(rois[1:])))
            else:
                refused += [
                    {
                        "target": target,
                        "roi_name": roi.roi_name,
                        "status": "refused",
                        "reason": "ambiguous-region",
                        "message": f"{len(rois)} regions of one file match the target {target}.",
                        "remedy": "Narrow the patterns, or ask for each of them or for their union.",
                    }
                    for roi in rois
                ]
    return chosen, refused, matches


def _wanted(region: _Region, volume: Volume, task: FeatureTask) -> list[tuple[str, Callable[[], Mask]]]:
    """Return the targets that a region serves, itself and its shells, each with how its mask is made."""
    # The mask is read once; when that fails, each target fails with the same reason.
    read = cache(lambda: _read_mask(region))

    def shelled(inner: float, outer: float) -> Callable[[], Mask]:
        def make() -> Mask:
            mask = read()
            array, notes = shell(mask.array, volume.grid, inner, outer)
            return replace(mask, array=array, notes=tuple(sorted({*mask.notes, *notes})))

        return make

    shells = [(shell_name(region.target, inner, outer), shelled(inner, outer)) for inner, outer in task.shells]
    return [(region.target, read), *shells]


def _read_mask(region: _Region) -> Mask:
    mask = region.roi.read()
    if not region.others:
        return mask
    array = mask.array.copy()
    notes = set(mask.notes)
    for roi in region.others:
        other = roi.read()
        array |= other.array
        notes |= set(other.notes)
    return replace(mask, array=array, notes=tuple(sorted(notes | {"union"})))


def _rows(task: FeatureTask, volume: Volume, region: _Region, features: Features, source: str) -> list[dict[str, Any]]:
    names = " + ".join([region.roi.roi_name, *(roi.roi_name for roi in region.others)])
    identity = {
        "subject_id": task.subject_id,
        "centre": task.centre,
        "StudyInstanceUID": volume.study_uid or None,
        "SeriesInstanceUID": volume.series_uid or task.series_uid,
        "Modality": volume.modality or None,
        "series_time": task.series_time,
        "region": region.target,
        "roi_name": names,
        "engine": engine_name(task.engine),
        "mode": task.mode,
        "settings_digest": task.settings.digest,
        "source_digest": source,
    }
    return [{**identity, "image_type": image_type, **values} for image_type, values in sorted(features.items())]


def _check_finite(volume: Volume, mask: Array, settings: FeatureSettings) -> None:
    finite = np.isfinite(volume.array)
    if finite.all():
        return
    if not finite[mask].all():
        message = "The image holds values that are no number inside the region."
        raise Unusable("not-finite-in-region", message, "Cut them out of the region, or repair the image.")
    spreads = set(settings.image_types) != {"Original"} or settings.setting["normalize"]
    if spreads or settings.setting["resampledPixelSpacing"]:
        message = "The image holds values that are no number, which filters or resampling would spread into the region."
        raise Unusable("not-finite-in-image", message, "Replace them, or use the original image type without resampling.")


def _left_out(features: Features, settings: FeatureSettings, mode: Mode) -> dict[str, str]:
    """Return image types that were asked for and are absent: PyRadiomics leaves a LoG out when the image is too small."""
    if mode == "ibsi" or "LoG" not in settings.image_types or set(settings.feature_classes) <= {"shape", "shape2D"}:
        return {}
    names = [f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D" for sigma in settings.for_image_type("LoG").get("sigma") or ()]
    return {name: "image-too-small-for-filter" for name in names if name not in features}


def extract_plain(source: Any, destination: Path | str, settings: FeatureSettings, **options: Any) -> dict[str, Any]:
    """Extract the features of plain files, without a study; see `imaging.plain.extract_plain`."""
    from imaging.plain import extract_plain as run

    return run(source, destination, settings, **options)
