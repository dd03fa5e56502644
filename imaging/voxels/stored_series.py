"""One series to its stores of voxels: the unit of work of images for training."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unibase.groundwork.files import atomic_folder, sha256_folder
from unibase.groundwork.outcomes import LeftOut
from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Box
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Grid
from unibase.imaging.radiomics.selection import Selection, problem_of, select_on, volumes_of
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.reasons import MAY_SHOW_A_FACE, SUPERSEDED
from unibase.imaging.regions.habitats import habitat_name
from unibase.imaging.regions.shells import shell_name
from unibase.imaging.voxels.canonical import Turn, turn_of
from unibase.imaging.voxels.faces import may_show_a_face, says_of_faces
from unibase.imaging.voxels.layers import NamedRegion, layers_of
from unibase.imaging.voxels.ome_zarr import Stored, exact, write_store

Kind = Literal["regions", "volumes"]
"""What is stored: the box around each region, or whole volumes."""


@dataclass(frozen=True)
class VoxelTask:
    """One unit: a series, the regions that are asked for, and what is stored of it.

    Attributes:
        series: The series and how its regions are read.
        row: Its row of the SERIES table.
        folder: Where stores of all series go.
        kind: What is stored.
        margin: What is kept around a region, in mm.
        heads: Whether images that may show a face are stored.
    """

    series: FeatureTask
    row: dict[str, Any]
    folder: Path
    kind: Kind
    margin: float
    heads: bool


@dataclass(frozen=True)
class _LeftOut:
    """A volume, or a region of one, that is not stored, and why."""

    part: str
    problem: Unusable


@dataclass(frozen=True)
class _Turned:
    """A volume in the orientation of the patient, with its regions, and those that cannot be read."""

    volume: Volume
    turn: Turn
    regions: list[NamedRegion]
    left_out: list[_LeftOut]
    unknown: list[str]
    """Names of regions that are asked for and of which the image does not say where they lie."""


@dataclass(frozen=True)
class Stores:
    """What became of the volumes of a series.

    Attributes:
        stores: Rows of the VOXELS table, times as text.
        left_out: Volumes and regions that are not stored.
    """

    stores: list[dict[str, object]]
    left_out: list[LeftOut]


def store_series(task: VoxelTask) -> Stores:
    """Write the stores of a series, and return what they hold.

    Args:
        task: The unit.

    Raises:
        Unusable: When nothing can be stored: as `radiomics.selection.volumes_of`, and the reason of what was left out first.
    """
    place = task.folder / str(task.row["SeriesInstanceUID"])
    rows: list[dict[str, object]] = []
    left_out: list[_LeftOut] = []
    with atomic_folder(place) as made:
        for name, read in volumes_of(task.series):
            try:
                found = _turned(task, read())
            except Unusable as problem:
                left_out.append(_LeftOut(name, problem))
                continue
            left_out += found.left_out
            for file, stored in _stores(task, found):
                rows.append(_write(task, stored, _free(made, file)))
        if not rows:
            raise left_out[0].problem
    return Stores(rows, [LeftOut.of(one.part, one.problem) for one in left_out])


def _free(folder: Path, stem: str) -> Path:
    """Return a folder that is not there yet: names that differ in more than letters and digits may share a stem."""
    names = [f"{stem}.ome.zarr", *(f"{stem}-{number}.ome.zarr" for number in range(2, 1000))]
    return next(folder / name for name in names if not (folder / name).exists())


def _turned(task: VoxelTask, volume: Volume) -> _Turned:
    """Return a volume turned, with the regions that its targets ask for.

    Raises:
        Unusable: If it may show a face, or boxes are asked for and no region can be used.
    """
    turn = turn_of(volume.grid)
    if not task.heads and _shows_a_face(task, turn):
        raise Unusable(MAY_SHOW_A_FACE)
    selection, left_out = _selected(task, volume)
    named: list[NamedRegion] = []
    unknown = set(selection.missing_targets) | {one["target"] for one in selection.refused if _hides(one)}
    for region in selection.regions:
        try:
            mask = region.read(volume)
        except Unusable as problem:
            left_out.append(_LeftOut(f"{volume.name} {region.roi_name}".strip(), problem))
            unknown.add(region.target)
            continue
        name = _free_name(region.target, {one.name for one in named}, task.series.regions or ())
        named.append(NamedRegion(name, region.roi_name, turn.region(mask.region), region.about))
    if task.kind == "regions" and not named:
        raise left_out[0].problem
    return _Turned(volume, turn, named, left_out, _with_parts(unknown, task.series))


def _hides(refused: Mapping[str, object]) -> bool:
    """Return whether a region that is set aside leaves open where its target lies: not where another one holds in its place."""
    return refused["reason"] != SUPERSEDED


def _shows_a_face(task: VoxelTask, turn: Turn) -> bool:
    height = turn.grid.size[2] * turn.grid.spacing[2]
    return may_show_a_face(task.row["BodyPartExamined"], height, _said_of_faces(task.series))


def _with_parts(unknown: Set[str], series: FeatureTask) -> list[str]:
    """Return names of regions and of their shells and habitats, in the order of the study; a file that cannot be opened hides any."""
    targets = [target for target in series.regions or () if "" in unknown or target in unknown]
    choices = series.choices
    shells = [shell_name(target, *ends) for target in targets for ends in choices.shells]
    parts = range(1, choices.habitats + 1)
    habitats = [habitat_name(target, number, choices.habitats) for target in targets for number in parts]
    return list(dict.fromkeys([*targets, *shells, *habitats, *sorted(unknown - {""} - set(targets))]))


def _said_of_faces(series: FeatureTask) -> str | None:
    """Return what the headers of a series of DICOM say of faces; a plain image says nothing."""
    if not series.image_files and not series.image_folder.is_dir():
        return None
    return says_of_faces(series.image_files or sorted(series.image_folder.iterdir()), series.series_uid)


def _free_name(target: str, taken: Collection[str], targets: Collection[str]) -> str:
    """Return the name of a region: its target, or, for further lesions, with a number that makes it no other target's name."""
    numbered = (f"{target}-{number}" for number in count(2))
    return next(one for one in chain([target], numbered) if one not in taken and (one == target or one not in targets))


def _selected(task: VoxelTask, volume: Volume) -> tuple[Selection, list[_LeftOut]]:
    """Return the regions that the targets ask for on a volume, and why there are none, and what is ambiguous."""
    none = Selection(volume, [], missing_targets=list(task.series.regions or ()))
    if not task.series.mask_paths:
        return none, []
    try:
        selection = select_on(volume, task.series)
    except Unusable as problem:
        return none, [_LeftOut(volume.name, problem)]
    refused = [(f"{volume.name} {one['roi_name']}".strip(), problem_of(one)) for one in selection.refused]
    return selection, [_LeftOut(*one) for one in refused]


def _stores(task: VoxelTask, found: _Turned) -> Iterator[tuple[str, Stored]]:
    """Yield the stores of one volume, with the beginnings of their names."""
    stem = _file_name(found.volume.name) or "volume"
    array = exact(found.turn.array(found.volume.array))
    if task.kind == "volumes":
        whole = tuple(slice(0, n) for n in array.shape)
        yield stem, _stored(task, found, array, whole, "")
        return
    margin = [int(np.ceil(task.margin / distance)) for distance in reversed(found.turn.grid.spacing)]
    for one in found.regions:
        box = one.region.grown(margin)
        yield f"{stem}-{_file_name(one.name)}", _stored(task, found, array, box, one.name)


def _stored(task: VoxelTask, found: _Turned, array: np.ndarray, box: Box, region: str) -> Stored:
    grid = _cut(found.turn.grid, box)
    layers = layers_of(found.regions, box)
    facts = {
        "subject_id": task.row["subject_id"],
        "SeriesInstanceUID": task.row["SeriesInstanceUID"],
        "Modality": found.volume.modality,
        "volume": found.volume.name,
        "region": region,
        "regions": [one.name for layer in layers for one in layer.regions],
        "unknown_regions": found.unknown,
        "may_show_a_face": _shows_a_face(task, found.turn),
        "machine_regions": [one.name for layer in layers for one in layer.regions if one.about.by_machine],
    }
    return Stored(np.ascontiguousarray(array[box]), grid, found.volume.unit, layers, facts)


def _cut(grid: Grid, box: Box) -> Grid:
    """Return the grid of a box of a volume."""
    first = np.array([part.start for part in reversed(box)], dtype=np.float64)
    origin = np.array(grid.origin) + grid.matrix @ (np.array(grid.spacing) * first)
    size = [part.stop - part.start for part in reversed(box)]
    place = float(origin[0]), float(origin[1]), float(origin[2])
    return Grid((size[0], size[1], size[2]), grid.spacing, place, grid.direction)


def _write(task: VoxelTask, stored: Stored, folder: Path) -> dict[str, object]:
    """Write a store and return its row of the VOXELS table."""
    write_store(stored, folder)
    row, grid = task.row, stored.grid
    said = {name: row[name] for name in ("subject_id", "centre", "StudyInstanceUID", "SeriesInstanceUID", "Modality")}
    about = {name: row[name] for name in ("BodyPartExamined", "Manufacturer", "ManufacturerModelName")}
    time = row["series_time"]
    return {
        **said,
        "volume": stored.facts["volume"],
        "region": stored.facts["region"],
        "regions": ", ".join(stored.facts["regions"]) or None,
        "unknown_regions": ", ".join(stored.facts["unknown_regions"]) or None,
        "machine_regions": ", ".join(stored.facts["machine_regions"]) or None,
        "path": f"{row['SeriesInstanceUID']}/{folder.name}",
        "digest": sha256_folder(folder),
        "series_time": time and time.isoformat(),
        "unit": stored.unit or None,
        "data_type": stored.array.dtype.name,
        **{f"size_{axis}": n for axis, n in zip("xyz", grid.size, strict=True)},
        **{f"spacing_{axis}": distance for axis, distance in zip("xyz", grid.spacing, strict=True)},
        "oblique": not np.array_equal(np.abs(grid.matrix), np.eye(3)),
        "may_show_a_face": stored.facts["may_show_a_face"],
        **about,
    }


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def keep_only(folder: Path, series: Sequence[str]) -> None:
    """Remove the stores of series that are no more.

    Args:
        folder: Where stores of all series are.
        series: The SeriesInstanceUIDs that stay.
    """
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.name not in series:
            shutil.rmtree(path)
