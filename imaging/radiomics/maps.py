"""Maps of features of plain files: NRRD as PyRadiomics writes them, or one OME-Zarr store a region and image type."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.engine.kernel_maps import FeatureMaps, Kernel, check_maps, feature_maps
from unibase.imaging.grid import Grid
from unibase.imaging.options import Choices, Regions
from unibase.imaging.radiomics.plain_units import Source, plan_source
from unibase.imaging.radiomics.selection import Region, problem_of, select
from unibase.imaging.radiomics.settings import FeatureSettings, for_a_plane
from unibase.imaging.radiomics.task import Asked
from unibase.imaging.tables import MAPS
from unibase.imaging.voxels.ome_zarr import write_channels

MapFormat = Literal["nrrd", "ome-zarr"]

Refused = tuple[str, Unusable]
"""A place, and why it has no maps."""


@dataclass(frozen=True)
class MapRun:
    """How maps are made.

    Attributes:
        settings: A PyRadiomics parameter file; `voxelSetting` is the kernel.
        regions: Target to patterns of ROI names; None takes every region.
        form: One NRRD file a feature, or one OME-Zarr store a region and image type, a channel for each feature.
    """

    settings: FeatureSettings
    regions: Regions | None = None
    form: MapFormat = "nrrd"

    @property
    def kernel(self) -> Kernel:
        """The kernel that the parameter file asks for."""
        voxel = self.settings.voxel
        return Kernel(voxel.get("kernelRadius", 1), voxel.get("maskedKernel", True), float(voxel.get("initValue", 0)))


def write_maps(source: Source, folder: Path, run: MapRun) -> tuple[pl.DataFrame, list[Refused]]:
    """Write the maps of every region of plain files, and the table `maps.parquet` of what each file is.

    Args:
        source: As `commands.extract_plain` takes it.
        folder: Where they go; files are named by the digest of image and mask.
        run: How they are made.

    Returns:
        The MAPS frame, and place and reason of what has none.

    Raises:
        UserError: If the settings ask for what maps do not take, or no region has a map.
    """
    check_maps(run.settings)
    with tempfile.TemporaryDirectory() as work:
        plan = plan_source(source, Path(work), Asked(run.settings, run.regions, Choices(several="each")))
    refused = [(one["unit"], Unusable(one["reason"], one["message"], one["remedy"])) for one in plan.refused]
    rows: list[dict[str, Any]] = []
    for unit in plan.units:
        try:
            for name, selection in select(unit.arguments):
                if isinstance(selection, Unusable):
                    raise selection
                place = f"{unit.key} {name}".strip()
                refused += [(f"{place}: {one['target'] or one['roi_name']}", problem_of(one)) for one in selection.refused]
                for region in selection.regions:
                    rows += _tried(region, selection.volume, folder, run, refused)
        except Unusable as problem:
            refused.append((unit.key, problem))
    if not rows:
        raise UserError("No region has a map.\n" + "\n".join(f"{place}: {why.message} {why.remedy}" for place, why in refused))
    return MAPS.write(pl.DataFrame(rows, schema=MAPS.schema()), folder / "maps.parquet"), refused


def _tried(region: Region, volume: Volume, folder: Path, run: MapRun, refused: list[Refused]) -> list[dict[str, object]]:
    """Return the rows of a region; why it has none is added to what is refused."""
    try:
        return list(_of_region(region, volume, folder, run))
    except Unusable as problem:
        refused.append((f"{volume.series_uid}: {region.target}", problem))
        return []


def _of_region(region: Region, volume: Volume, folder: Path, run: MapRun) -> Iterator[dict[str, object]]:
    drawn = region.read(volume)
    settings = for_a_plane(run.settings) if volume.dimensions == 2 else run.settings
    same = {
        "SeriesInstanceUID": volume.series_uid or region.source_digest,
        "region": region.target,
        "roi_name": region.roi_name,
        "source_digest": region.source_digest,
        "kernel_radius": run.kernel.radius,
        "masked": run.kernel.masked,
        "mask_notes": ", ".join(sorted({*drawn.notes, *volume.notes_of(drawn.region)})) or None,
        "settings_digest": run.settings.digest,
    }
    for maps in _maps_of(volume, drawn.region, settings, run.kernel):
        for feature, file, channel in _written(maps, volume.grid, folder, region.source_digest[:16], run.form):
            yield {**same, "image_type": maps.image_type, "feature": feature, "file": file, "channel": channel}


def _maps_of(volume: Volume, region: Boxed, settings: FeatureSettings, kernel: Kernel) -> Iterator[FeatureMaps]:
    spacing = volume.grid.spacing[::-1]
    return feature_maps(volume.array, region, spacing, settings, kernel, volume.stored_type)


def grid_of(maps: FeatureMaps, grid: Grid) -> Grid:
    """Return the grid of maps in the patient.

    `maps`: maps of a region; `grid`: the grid of the image that the region lies on.
    """
    depth, height, width = maps.array.shape[1:]
    origin = np.array(grid.origin) + grid.matrix @ (np.array(grid.spacing) * maps.start[::-1])
    (x, y, z) = (float(item) for item in origin)
    return Grid((width, height, depth), maps.spacing[::-1], (x, y, z), grid.direction)


def _written(maps: FeatureMaps, grid: Grid, folder: Path, name: str, form: MapFormat) -> Iterator[tuple[str, str, int | None]]:
    """Write maps; yield feature, file and channel of each."""
    own = grid_of(maps, grid)
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    if form == "ome-zarr":
        store = place / f"{maps.image_type}.ome.zarr"
        write_channels(maps.array, maps.columns, own, store)
        yield from ((feature, f"{name}/{store.name}", channel) for channel, feature in enumerate(maps.columns))
        return
    import SimpleITK as sitk

    for feature, array in zip(maps.columns, maps.array, strict=True):
        file = place / f"{maps.image_type}_{feature}.nrrd"
        sitk.WriteImage(own.to_sitk(array), str(file), useCompression=True)
        yield feature, f"{name}/{file.name}", None
