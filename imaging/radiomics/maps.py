"""Maps of features of plain files: NRRD as PyRadiomics writes them, or one OME-Zarr store a region and image type."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from unibase.groundwork.files import sha256_file, sha256_folder
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.tables import write_parquet
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.engine.kernel_maps import FeatureMaps, Kernel, check_maps, feature_maps
from unibase.imaging.grid import Grid
from unibase.imaging.options import Choices, MapFormat, Regions
from unibase.imaging.radiomics.plain_units import Source, plan_source
from unibase.imaging.radiomics.selection import Region, entry, problem_of, select
from unibase.imaging.radiomics.settings import FeatureSettings, for_a_plane
from unibase.imaging.radiomics.task import Asked, FeatureTask, MapWay
from unibase.imaging.radiomics.verdicts import Verdict, judged
from unibase.imaging.regions.mask import Mask
from unibase.imaging.tables import MAPS
from unibase.imaging.voxels.ome_zarr import write_channels

FOLDER = "maps"
"""Where the maps of each series stand, beside its features."""

Refused = tuple[str, Unusable]
"""A place, and why it has no maps."""

Rows = list[dict[str, object]]


@dataclass(frozen=True)
class MapRun:
    """How maps of plain files are made.

    Attributes:
        way: Settings, and form of the files.
        regions: Target to patterns of ROI names; None takes every region.
    """

    way: MapWay
    regions: Regions | None = None


def kernel_of(settings: FeatureSettings) -> Kernel:
    """Return the kernel that a parameter file asks for.

    >>> from unibase.imaging.radiomics.settings import make_settings
    >>> kernel_of(make_settings({"voxelSetting": {"kernelRadius": 2}})).radius
    2
    """
    voxel = settings.voxel
    return Kernel(voxel.get("kernelRadius", 1), voxel.get("maskedKernel", True), float(voxel.get("initValue", 0)))


def map_rows(task: FeatureTask, volume: Volume, regions: Sequence[tuple[Region, Mask]], told: Rows) -> Rows:
    """Write the maps of the regions of one volume below `maps` beside the features; return their rows of MAPS.

    Args:
        task: The unit; it asks for maps.
        volume: The image.
        regions: What was read on it; shells and habitats have none.
        told: What has none is added, as entries of the unit's result.
    """
    assert task.maps is not None
    rows: Rows = []
    for region, _ in regions:
        if region.ends is not None or region.habitat is not None:
            continue
        try:
            made = list(_of_region(region, volume, task.destination.parent / FOLDER, task.maps))
        except Unusable as problem:
            told.append(entry(f"{region.target} (maps)", region.roi_name, problem))
        else:
            rows += [{"subject_id": task.subject_id, "centre": task.centre, **row} for row in made]
    return rows


def write_map_rows(task: FeatureTask, rows: Rows) -> list[Path]:
    """Write the `rows` of MAPS of the series of a `task`; return their file and the maps."""
    folder = task.destination.parent / FOLDER
    path = folder / task.destination.name
    write_parquet(pl.DataFrame(rows, schema=MAPS.schema()), path)
    return [path, *sorted({folder / str(row["file"]) for row in rows})]


def gather_maps(files: Iterable[Path], destination: Path, folder: str, verdicts: Sequence[Verdict] = ()) -> pl.DataFrame:
    """Write what the maps of many series are as one table, and return it.

    Args:
        files: Tables that `write_map_rows` wrote.
        destination: The Parquet file to write.
        folder: Where the maps lie, relative to that file.
        verdicts: What a reviewer decided; maps of regions that are refused are not listed.
    """
    frames = [pl.read_parquet(path) for path in sorted(files)]
    place = pl.concat_str(pl.lit(f"{folder}/"), "file").alias("file")
    maps = judged(pl.concat([MAPS.empty(), *frames]), verdicts).features
    return MAPS.write(maps.with_columns(place), destination)


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
    check_maps(run.way.settings)
    with tempfile.TemporaryDirectory() as work:
        plan = plan_source(source, Path(work), Asked(run.way.settings, run.regions, Choices(several="each")))
    refused = [(one["unit"], Unusable(one["reason"], one["message"], one["remedy"])) for one in plan.refused]
    rows: list[dict[str, object]] = []
    for unit in plan.units:
        try:
            for name, selection in select(unit.arguments):
                if isinstance(selection, Unusable):
                    raise selection
                place = f"{unit.key} {name}".strip()
                refused += [(f"{place}: {one['target'] or one['roi_name']}", problem_of(one)) for one in selection.refused]
                for region in selection.regions:
                    rows += _tried(region, selection.volume, folder, run.way, refused)
        except Unusable as problem:
            refused.append((unit.key, problem))
    if not rows:
        raise UserError("No region has a map.\n" + "\n".join(f"{place}: {why.message} {why.remedy}" for place, why in refused))
    return MAPS.write(pl.DataFrame(rows, schema=MAPS.schema()), folder / "maps.parquet"), refused


def _tried(region: Region, volume: Volume, folder: Path, way: MapWay, refused: list[Refused]) -> list[dict[str, object]]:
    """Return the rows of a region; why it has none is added to what is refused."""
    try:
        return list(_of_region(region, volume, folder, way))
    except Unusable as problem:
        refused.append((f"{volume.series_uid}: {region.target}", problem))
        return []


def _of_region(region: Region, volume: Volume, folder: Path, way: MapWay) -> Iterator[dict[str, object]]:
    drawn = region.read(volume)
    settings = for_a_plane(way.settings) if volume.dimensions == 2 else way.settings
    kernel = kernel_of(settings)
    same = {
        "SeriesInstanceUID": volume.series_uid or region.source_digest,
        "region": region.target,
        "roi_name": region.roi_name,
        "source_digest": region.source_digest,
        "kernel_radius": kernel.radius,
        "masked": kernel.masked,
        "mask_notes": ", ".join(sorted({*drawn.notes, *volume.notes_of(drawn.region)})) or None,
        "settings_digest": way.settings.digest,
    }
    for maps in _maps_of(volume, drawn.region, settings, kernel):
        for one in _written(maps, volume.grid, folder, region.source_digest[:16], way.form):
            yield {**same, "image_type": maps.image_type, **asdict(one)}


def _maps_of(volume: Volume, region: Boxed, settings: FeatureSettings, kernel: Kernel) -> Iterator[FeatureMaps]:
    spacing = volume.grid.spacing[::-1]
    return feature_maps(volume.array, region, spacing, settings, kernel, volume.stored_type)


@dataclass(frozen=True)
class _Written:
    """A map that was written: the columns of MAPS of these names."""

    feature: str
    file: str
    digest: str
    channel: int | None


def grid_of(maps: FeatureMaps, grid: Grid) -> Grid:
    """Return the grid of maps in the patient.

    `maps`: maps of a region; `grid`: the grid of the image that the region lies on.
    """
    depth, height, width = maps.array.shape[1:]
    origin = np.array(grid.origin) + grid.matrix @ (np.array(grid.spacing) * maps.start[::-1])
    (x, y, z) = (float(item) for item in origin)
    return Grid((width, height, depth), maps.spacing[::-1], (x, y, z), grid.direction)


def _written(maps: FeatureMaps, grid: Grid, folder: Path, name: str, form: MapFormat) -> Iterator[_Written]:
    """Write maps; yield what each is."""
    own = grid_of(maps, grid)
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    if form == "ome-zarr":
        store = place / f"{maps.image_type}.ome.zarr"
        write_channels(maps.array, maps.columns, own, store)
        digest = sha256_folder(store)
        yield from (_Written(feature, f"{name}/{store.name}", digest, channel) for channel, feature in enumerate(maps.columns))
        return
    import SimpleITK as sitk

    for feature, array in zip(maps.columns, maps.array, strict=True):
        file = place / f"{maps.image_type}_{feature}.nrrd"
        sitk.WriteImage(own.to_sitk(array), str(file), useCompression=True)
        yield _Written(feature, f"{name}/{file.name}", sha256_file(file), None)
