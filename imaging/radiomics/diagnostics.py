"""PyRadiomics' `diagnostics_` of regions: what it was given, and what resampling and re-segmentation made of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.groundwork.tables import write_parquet
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.radiomics.reference import quiet_radiomics, refusal_of
from unibase.imaging.radiomics.selection import Region, entry
from unibase.imaging.radiomics.settings import FeatureSettings, for_a_plane
from unibase.imaging.radiomics.task import FeatureTask, region_name
from unibase.imaging.regions.mask import Mask
from unibase.imaging.tables import DIAGNOSTICS

FOLDER = "diagnostics"
"""Where the diagnostics of each series stand, beside its features."""

Rows = list[dict[str, object]]


def diagnostic_rows(task: FeatureTask, volume: Volume, regions: Sequence[tuple[Region, Mask]], told: Rows) -> Rows:
    """Return a row of DIAGNOSTICS for each region of one volume.

    Args:
        task: The unit.
        volume: The image.
        regions: What was read on it.
        told: What has none is added, as entries of the unit's result.
    """
    rows: Rows = []
    for region, mask in regions:
        try:
            found = diagnostics_of(volume, mask.region, task.settings)
        except Unusable as problem:
            told.append(entry(f"{region.target} (diagnostics)", region.roi_name, problem))
            continue
        named = {
            "SeriesInstanceUID": volume.series_uid or task.series_uid or task.destination.stem,
            "volume": volume.name or None,
            "region": region_name(region.target, volume.name),
            "roi_name": region.roi_name,
            "source_digest": region.source_digest,
        }
        rows.append({**named, **found})
    return rows


def diagnostics_of(volume: Volume, region: Boxed, settings: FeatureSettings) -> dict[str, object]:
    """Return the `diagnostics_` that PyRadiomics itself gives for one region, without any feature.

    Numbers stay numbers; of all else stands what PyRadiomics' command line writes into a CSV, such as `(0.9, 0.9, 2.0)`.

    Args:
        volume: The image; PyRadiomics gets it in the type in which SimpleITK reads its files.
        region: The region; its mask holds the label of the parameter file, by default 1.
        settings: As PyRadiomics' parameter file.

    Raises:
        Unusable: As `reference.extract`, of the reasons that lie in image and mask.
    """
    import SimpleITK as sitk

    quiet_radiomics()
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    label = settings.label or 1
    flat = volume.dimensions == 2
    asked = for_a_plane(settings) if flat else settings
    extractor = RadiomicsFeatureExtractor()
    extractor.settings = {**extractor._getDefaultSettings(), **asked.setting, "label": label, "additionalInfo": True}
    # The mask lies on the grid of the image when it comes here: how it got there is in the notes of its row.
    for key in ("geometryTolerance", "label_channel", "correctMask"):
        extractor.settings.pop(key, None)
    extractor.enabledImagetypes, extractor.enabledFeatures = {}, {}
    images = [volume.to_sitk(stored_type=True), volume.grid.to_sitk(region.full().astype(np.uint32) * label)]
    image, mask = [one[:, :, 0] if flat else one for one in images]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = extractor.execute(image, mask, label=label)
        except ValueError as error:
            raise refusal_of(str(error)) from None
    types = {name: dict(own) for name, own in settings.image_types.items()}
    found = {**found, "diagnostics_Configuration_EnabledImageTypes": types}
    return {name: value if isinstance(value, int | float) else _written(value) for name, value in found.items()}


def _written(value: object) -> str:
    """Return a value as a CSV of PyRadiomics has it, numbers of NumPy as plain ones."""
    if isinstance(value, tuple):
        return str(tuple(item.item() if isinstance(item, np.generic) else item for item in value))
    return str(value)


def write_diagnostics(task: FeatureTask, rows: Rows) -> Path:
    """Write the diagnostics of the series of a `task`, `rows` of DIAGNOSTICS; return their file."""
    path = task.destination.parent / FOLDER / task.destination.name
    write_parquet(pl.DataFrame(rows, schema=DIAGNOSTICS.schema()), path)
    return path


def gather_diagnostics(files: Iterable[Path], destination: Path) -> None:
    """Write the diagnostics of many series as one table: Parquet, or CSV when its name ends in .csv.

    Args:
        files: What `write_diagnostics` wrote.
        destination: The file to write.
    """
    frames = [pl.read_parquet(path) for path in sorted(files)]
    frame = DIAGNOSTICS.conform(pl.concat([DIAGNOSTICS.empty(), *frames]))
    if destination.suffix.lower() == ".csv":
        frame.write_csv(destination)
    else:
        DIAGNOSTICS.write(frame, destination)
