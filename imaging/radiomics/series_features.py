"""One series and its regions to one FEATURES table: the unit of work of radiomics.

The image is read once; every region that a target asks for is read, checked and extracted on its own, so that one
bad region does not take the others with it. The result lists every match, miss and refusal by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.files import sha256_file
from unibase.groundwork.problems import Unusable
from unibase.groundwork.tables import FEATURES, Table
from unibase.imaging.dicom.pixel_quality import pixel_quality
from unibase.imaging.options import Choices, Engine, Mode, Several
from unibase.imaging.plain.whole import PICTURE_SUFFIXES, suffix_of
from unibase.imaging.radiomics.beside import Beside
from unibase.imaging.radiomics.deep import deep_rows
from unibase.imaging.radiomics.enhancement import enhancement_rows
from unibase.imaging.radiomics.extraction import engine_name, extract_region, extract_regions
from unibase.imaging.radiomics.feature_rows import region_rows
from unibase.imaging.radiomics.feature_words import pyradiomics_columns
from unibase.imaging.radiomics.of_dose import dose_rows
from unibase.imaging.radiomics.plan import Plan, plan_units, stage_settings
from unibase.imaging.radiomics.selection import Region, Selection, entry, select
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.radiomics.task import Asked, FeatureTask
from unibase.imaging.radiomics.told import Told, list_regions
from unibase.imaging.radiomics.volume_changes import change_rows
from unibase.imaging.regions.mask import Mask

__all__ = [
    "Asked",
    "Choices",
    "Engine",
    "FeatureTask",
    "Mode",
    "Plan",
    "Several",
    "collect",
    "extract_region",
    "extract_regions",
    "extract_series",
    "extract_unit",
    "list_regions",
    "memory_bound",
    "plan_units",
    "region_rows",
    "stage_settings",
]


def extract_series(task: FeatureTask) -> dict[str, Any]:
    """Extract the features of the series of a `task`, write them, and return what was found.

    Returns:
        A small JSON value: `path`, `sha256`, `beside` (its other files), `rows`, `engine`, `mode`, `settings_digest`, `volumes` (noise and truncation of
        each), `regions` (for every target
        and ROI that met: `target`, `roi_name`, `status`, and `reason`, `message`, `notes`, `refused_image_types`),
        `missing_targets`, `unused_rois`. Names of regions are those of the (cleaned) files.

    Raises:
        Unusable: When nothing can be extracted: the reasons of `volumes.read_series` and `masks.open_masks`, `no-mask`,
            `no-region-matched`, and, when every region is refused, the reason of the first.
    """
    beside, told = Beside(task), Told()
    rows, measured = _extract_volumes(task, told, beside)
    if task.choices.changes:
        changed, unclear = change_rows(rows)
        rows += changed
        told.of_all += [entry(target, roi_name, problem) for target, roi_name, problem in unclear]
    if task.choices.enhancement:
        rows += enhancement_rows(task, rows, told.of_all)
    files = beside.write()
    matches = told.listed()
    if not rows:
        raise told.first_problem()
    frame = FEATURES.write(ordered(pl.DataFrame(rows, infer_schema_length=None)), task.destination)
    return {
        "path": str(task.destination),
        "sha256": sha256_file(task.destination),
        "beside": files,
        "rows": frame.height,
        "engine": engine_name(task.choices.engine),
        "mode": task.choices.mode,
        "settings_digest": task.settings_digest,
        "volumes": measured,
        **asdict(matches),
    }


def _extract_volumes(task: FeatureTask, told: Told, beside: Beside) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the rows of all regions, and the quality of each volume; no voxel is held when the tables are made of them."""
    rows: list[dict[str, object]] = []
    measured: list[dict[str, object]] = []
    for name, selection in select(task):
        if isinstance(selection, Unusable):
            told.problems.append((name, selection))
        else:
            rows += _extract_volume(task, selection, told.on(name, selection), beside)
            measured.append({"volume": name, **asdict(pixel_quality(selection.volume.array, selection.volume.unit))})
    return rows, measured


def _extract_volume(
    task: FeatureTask, selection: Selection, told: list[dict[str, object]], beside: Beside
) -> list[dict[str, object]]:
    """Return the rows of the regions of one volume; add to `told` how each ended, and to `beside` what else is asked for."""
    rows: list[dict[str, object]] = []
    volume = selection.volume
    regions: list[tuple[Region, Mask]] = []
    for region in selection.regions:
        try:
            regions.append((region, region.read(volume)))
        except Unusable as problem:
            told.append(entry(region.target, region.roi_name, problem))
    masks = [mask.region for _, mask in regions]
    results = extract_regions(volume, masks, task.settings, task.choices.engine, task.choices.mode)
    for (region, mask), result in zip(regions, results, strict=True):
        if isinstance(result, Unusable):
            told.append(entry(region.target, region.roi_name, result))
            continue
        features, left_out = result
        own = {"pixels-without-size"} if suffix_of(task.image_folder) in PICTURE_SUFFIXES else set()
        notes = sorted({*mask.notes, *volume.notes_of(mask.region), *own})
        rows += region_rows(task, volume, region, features, replace(mask, notes=tuple(notes)))
        found = {"voxels": mask.region.voxels, "notes": notes, "refused_image_types": left_out}
        told.append({"target": region.target, "roi_name": region.roi_name, "status": "done", **found})
    if task.doses and regions:
        rows += dose_rows(task, volume, regions, told)
    if task.choices.deep_model:
        rows += deep_rows(task, volume, regions, told)
    beside.add(volume, regions, told)
    return rows


def extract_unit(_: object, task: FeatureTask) -> dict[str, Any]:
    """Run `extract_series` on a `task` as a unit of `groundwork.work.run_units`; `_`, what units share, is nothing."""
    return extract_series(task)


def memory_bound(voxels: int, settings: FeatureSettings, engine: Engine = "unibase", regions: int = 1) -> int:
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
    """Write the FEATURES files at `paths` as one table at `destination`, rows by key, columns in one order, and return it."""
    frames = [pl.read_parquet(path) for path in sorted(Path(path) for path in paths)]
    frame = ordered(pl.concat(frames, how="diagonal")) if frames else FEATURES.empty()
    return FEATURES.write(frame, destination)


def ordered(frame: pl.DataFrame, table: Table = FEATURES) -> pl.DataFrame:
    """Return a frame with feature columns as Float64 behind those the table declares: PyRadiomics' order, then by name."""
    identity = [column.name for column in table.columns]
    known = pyradiomics_columns()
    further = sorted(set(frame.columns) - set(identity) - set(known))
    features = [name for name in known if name in frame.columns] + further
    return frame.select(
        *[name for name in identity if name in frame.columns], *[pl.col(name).cast(pl.Float64) for name in features]
    )
