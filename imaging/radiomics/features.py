"""One series and its regions to one FEATURES table: the unit of work of radiomics.

The image is read once; every region that a target asks for is read, checked and extracted on its own, so that one
bad region does not take the others with it. The result lists every match, miss and refusal by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.groundwork.tables import FEATURES, Table
from unibase.groundwork.work import Unit
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array
from unibase.imaging.options import Regions
from unibase.imaging.radiomics.feature_words import pyradiomics_columns
from unibase.imaging.radiomics.reference import Features
from unibase.imaging.radiomics.selection import (
    Engine,
    FeatureTask,
    Mode,
    Region,
    Several,
    check_task,
    entry,
    listed,
    problem_of,
    select,
)
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.regions.masks import Mask
from unibase.imaging.regions.rtstruct import Gaps

__all__ = [
    "Engine",
    "FeatureTask",
    "Mode",
    "Several",
    "check_task",
    "collect",
    "extract_plain",
    "extract_region",
    "extract_regions",
    "extract_series",
    "extract_unit",
    "list_regions",
    "memory_bound",
    "plan_units",
    "stage_settings",
]


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
    selection = select(task)
    rows: list[dict[str, Any]] = []
    told = list(selection.refused)
    regions: list[tuple[Region, Mask]] = []
    for region in selection.regions:
        try:
            regions.append((region, region.read(selection.volume)))
        except Unusable as problem:
            told.append(entry(region.target, region.roi_name, problem))
    results = extract_regions(selection.volume, [mask.array for _, mask in regions], task.settings, task.engine, task.mode)
    for (region, mask), result in zip(regions, results, strict=True):
        if isinstance(result, Unusable):
            told.append(entry(region.target, region.roi_name, result))
            continue
        features, left_out = result
        rows += region_rows(task, selection.volume, region, features)
        notes = {*mask.notes, *(["padding-in-region"] if selection.volume.padded(mask.array) else [])}
        found = {"voxels": int(mask.array.sum()), "notes": sorted(notes), "refused_image_types": left_out}
        told.append({"target": region.target, "roi_name": region.roi_name, "status": "done", **found})
    matches = listed(told, selection.missing_targets, selection.unused_rois)
    if not rows:
        raise problem_of(next(item for item in told if item["target"]), matches)
    frame = FEATURES.write(ordered(pl.DataFrame(rows, infer_schema_length=None)), task.destination)
    return {
        "path": str(task.destination),
        "sha256": sha256_file(task.destination),
        "rows": frame.height,
        "engine": engine_name(task.engine),
        "mode": task.mode,
        "settings_digest": task.settings.digest,
        **matches,
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
    result = extract_regions(volume, [mask], settings, engine, mode)[0]
    if isinstance(result, Unusable):
        raise result
    return result


def extract_regions(
    volume: Volume, masks: Sequence[Array], settings: FeatureSettings, engine: Engine = "pyradiomics", mode: Mode = "pyradiomics"
) -> list[tuple[Features, dict[str, str]] | Unusable]:
    """Extract several regions of one image: for each what `extract_region` returns, or the problem that it raises.

    Our engine filters the image once for regions that lie close to one another.
    """
    results: list[tuple[Features, dict[str, str]] | Unusable | None] = []
    for mask in masks:
        try:
            _check_region(volume, mask, settings)
        except Unusable as problem:
            results.append(problem)
        else:
            results.append(None)
    sound = [number for number, result in enumerate(results) if result is None]
    for number, features in zip(sound, _run(volume, [masks[n] for n in sound], settings, engine, mode), strict=True):
        results[number] = features if isinstance(features, Unusable) else (features, _left_out(features, settings, mode))
    return [result for result in results if result is not None]


def _check_region(volume: Volume, mask: Array, settings: FeatureSettings) -> None:
    if mask.shape != volume.grid.shape:
        raise Unusable("mask-geometry", "The mask has another size than the image.", "Draw the mask on this image.")
    if not mask.any():
        raise Unusable("empty-region", "No voxel centre lies inside the region.", "The region is smaller than a voxel, or empty.")
    _check_finite(volume, mask, settings)


def _run(
    volume: Volume, masks: Sequence[Array], settings: FeatureSettings, engine: Engine, mode: Mode
) -> list[Features | Unusable]:
    """Features of each region, or why it has none."""
    if engine == "unibase":
        from unibase.imaging import engine as own

        spacing = (volume.grid.spacing[2], volume.grid.spacing[1], volume.grid.spacing[0])
        return [*own.extract_regions(volume.array, masks, spacing, settings, mode, volume.stored_type)]
    from unibase.imaging.radiomics import reference

    results: list[Features | Unusable] = []
    for mask in masks:
        try:
            results.append(reference.extract(volume, mask, settings))
        except Unusable as problem:
            results.append(problem)
    return results


def engine_name(engine: Engine) -> str:
    """Return what stands in the `engine` column: name and version."""
    if engine == "pyradiomics":
        from unibase.imaging.radiomics import reference

        return reference.engine_version()
    from unibase.imaging.engine import VERSION

    return f"unibase {VERSION}"


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
    threshold: float = 0.5,
    shells: tuple[tuple[float, float], ...] = (),
    gaps: Gaps = "keep",
    habitats: int = 0,
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
        threshold: Least fraction at which a voxel of a fractional SEG is inside.
        shells: Peritumoral shells beside every region, as (inner, outer) in mm.
        gaps: What to do with slices between contours that carry none.
        habitats: Parts of every region by intensity; 0 for none.
    """
    from unibase.imaging.dicom.series import NOT_IMAGES

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
            threshold,
            shells=shells,
            gaps=gaps,
            habitats=habitats,
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
    threshold: float = 0.5,
    shells: tuple[tuple[float, float], ...] = (),
    gaps: Gaps = "keep",
    habitats: int = 0,
) -> dict[str, Any]:
    """Return all that changes the result of a unit beside its input, as JSON: the `settings` of `run_units`."""
    return {
        "settings": settings.digest,
        "regions": None if regions is None else {target: list(patterns) for target, patterns in regions.items()},
        "engine": engine_name(engine),
        "mode": mode,
        "several": several,
        "resample": resample,
        "threshold": threshold,
        "shells": [list(pair) for pair in shells],
        "gaps": gaps,
        "habitats": habitats,
        "code": version("unibase"),
    }


def memory_bound(voxels: int, settings: FeatureSettings, engine: Engine = "pyradiomics", regions: int = 1) -> int:
    """Return how many bytes a worker needs at most for a unit, from the size of its image; known before any pixel is read.

    Measured by `benchmarks/radiomics_memory.py`: 0.45 GiB for the program and its libraries, 10 bytes a voxel for the
    image and what is read beside it, a byte a voxel per region, and 26 more when filters have to see the whole image.

    Args:
        voxels: Rows x Columns x slices.
        settings: Extraction settings.
        engine: Which engine.
        regions: How many regions of the series are extracted.
    """
    from unibase.imaging.radiomics.reference import reach

    local = reach(settings) is not None or (engine == "unibase" and set(settings.image_types) <= {"Original", "Wavelet"})
    return int(0.45 * 2**30) + voxels * (10 + regions + (0 if local else 26))


def collect(paths: Iterable[Path | str], destination: Path | str) -> pl.DataFrame:
    """Write the FEATURES files of many units as one table, rows by key, columns in one order, and return it."""
    frames = [pl.read_parquet(path) for path in sorted(Path(path) for path in paths)]
    frame = ordered(pl.concat(frames, how="diagonal")) if frames else FEATURES.empty()
    return FEATURES.write(frame, destination)


REGION_LIST = {
    "unit": pl.String,
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
    rows: list[dict[str, Any]] = []
    for unit, result in results.items():
        for region in result["regions"]:
            told = {key: value for key, value in region.items() if key in REGION_LIST}
            told |= {key: ", ".join(region[key]) or None for key in ("notes", "refused_image_types") if key in region}
            rows.append({"unit": unit, **told})
        rows += [{"unit": unit, "target": target, "status": "missing"} for target in result["missing_targets"]]
        rows += [{"unit": unit, "roi_name": name, "status": "unused"} for name in result["unused_rois"]]
    return pl.DataFrame(rows, schema=REGION_LIST).sort("unit", "status", "target", "roi_name")


def ordered(frame: pl.DataFrame, table: Table = FEATURES) -> pl.DataFrame:
    """Return a frame with feature columns as Float64 behind those the table declares: PyRadiomics' order, then by name."""
    identity = [column.name for column in table.columns]
    known = pyradiomics_columns()
    further = sorted(set(frame.columns) - set(identity) - set(known))
    features = [name for name in known if name in frame.columns] + further
    return frame.select(
        *[name for name in identity if name in frame.columns], *[pl.col(name).cast(pl.Float64) for name in features]
    )


def _files_of(root: Path, row: Mapping[str, Any], shared: Sequence[str]) -> list[Path]:
    folder = root / row["folder"]
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if row["folder"] not in shared:
        return files
    from unibase.imaging.dicom.series import read_header

    return [
        path
        for path in files
        if (header := read_header(path)) is not None and str(header.get("SeriesInstanceUID", "")) == row["SeriesInstanceUID"]
    ]


def region_rows(task: FeatureTask, volume: Volume, region: Region, features: Features) -> list[dict[str, Any]]:
    """Return the rows of one region: what names it, then its features, one row per image type."""
    identity = {
        "subject_id": task.subject_id,
        "centre": task.centre,
        "StudyInstanceUID": volume.study_uid or None,
        "SeriesInstanceUID": volume.series_uid or task.series_uid,
        "Modality": volume.modality or None,
        "series_time": task.series_time,
        "region": region.target,
        "roi_name": region.roi_name,
        "engine": engine_name(task.engine),
        "mode": task.mode,
        "settings_digest": task.settings.digest,
        "source_digest": region.source_digest,
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
    """Extract the features of plain files, without a study; see `imaging.commands.extract_plain`."""
    from unibase.imaging.commands import extract_plain as run

    return run(source, destination, settings, **options)
