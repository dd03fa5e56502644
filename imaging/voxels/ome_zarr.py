"""One volume and its label maps as an OME-Zarr 0.5 store (https://ngff.openmicroscopy.org/0.5).

The image is one array in chunks of `CHUNK` voxels, all in one shard: a patch costs the chunks that it meets, and a store
is a handful of files. Values are those of the volume, in the smallest type that holds each of them exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from unibase.groundwork.files import Json
from unibase.imaging.grid import Array, Grid
from unibase.imaging.voxels.layers import Layer, NamedRegion

if TYPE_CHECKING:
    import zarr

CHUNK = 64
"""Voxels of a chunk along each axis: 27 of them hold any patch of 96 x 96 x 96."""
LEVEL = 5
"""Effort of zstd."""
ABOUT = "unibase"
"""The attribute of a store that tells whose and what it is, beside `ome`."""


@dataclass(frozen=True)
class Stored:
    """What one store holds.

    Attributes:
        array: The image, (z, y, x).
        grid: Where its voxel centres lie.
        unit: Unit of its values.
        layers: Its label maps, on the same grid.
        facts: What else a reader should know: JSON values by the names of the VOXELS table.
    """

    array: Array
    grid: Grid
    unit: str
    layers: Sequence[Layer]
    facts: Mapping[str, Any]


def exact(array: Array) -> Array:
    """Return an array in the smallest type that holds each of its values exactly.

    Args:
        array: Numbers, (z, y, x); of finite values.

    Example:
        >>> exact(np.array([[[-1024.0, 3071.0]]])).dtype, exact(np.array([[[0.5]]])).dtype, exact(np.array([[[0.1]]])).dtype
        (dtype('int16'), dtype('float32'), dtype('float64'))
    """
    for kind in (np.uint8, np.int16, np.int32):
        bounds = np.iinfo(kind)
        if array.min() >= bounds.min and array.max() <= bounds.max and np.array_equal(array, np.rint(array)):
            return array.astype(kind)
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    return single if np.array_equal(single, array) else array


def write_store(stored: Stored, folder: Path) -> None:
    """Write a store into a folder that does not exist yet; equal contents give equal bytes.

    Args:
        stored: What it holds.
        folder: The folder, as a rule named `*.ome.zarr`.
    """
    import zarr

    root = zarr.create_group(folder, zarr_format=3)
    _write_array(root, "0", stored.array)
    root.attrs.update({"ome": {"version": "0.5", "multiscales": [_multiscale("image", stored.grid)]}, ABOUT: _about(stored)})
    if not stored.layers:
        return
    labels = root.create_group("labels")
    names = [f"regions-{place}" if place > 1 else "regions" for place in range(1, len(stored.layers) + 1)]
    labels.attrs.update({"ome": {"version": "0.5", "labels": names}})
    for name, layer in zip(names, stored.layers, strict=True):
        group = labels.create_group(name)
        _write_array(group, "0", layer.array)
        named = zip(layer.regions, layer.boxes(), strict=True)
        values: list[Json] = [
            {"label-value": value, "name": one.name, "roi_name": one.roi_name, "box": box, **dict(_made(one))}
            for value, (one, box) in enumerate(named, 1)
        ]
        label: dict[str, Json] = {"properties": values, "source": {"image": "../../"}}
        group.attrs.update({"ome": {"version": "0.5", "multiscales": [_multiscale(name, stored.grid)], "image-label": label}})


def _made(region: NamedRegion) -> Iterator[tuple[str, str]]:
    """Yield how a region was made, as far as its file says it."""
    if region.about.algorithm:
        yield "algorithm", region.about.algorithm
    if region.about.model:
        yield "model", region.about.model


def write_channels(array: Array, names: Sequence[str], grid: Grid, folder: Path) -> None:
    """Write several maps on one grid as a store with a channel for each; one that stands there is replaced.

    Args:
        array: The maps, float64 (channel, z, y, x).
        names: Name of each channel.
        grid: Where voxel centres lie.
        folder: The folder, as a rule named `*.ome.zarr`.
    """
    import zarr

    root = zarr.create_group(folder, zarr_format=3, overwrite=True)
    made = root.create_array(
        "0",
        shape=array.shape,
        dtype=array.dtype,
        chunks=(1, *array.shape[1:]),
        fill_value=0,
        dimension_names=("c", "z", "y", "x"),
    )
    made[...] = array
    scales = _multiscale("maps", grid, channels=True)
    place = {"spacing": list(grid.spacing), "origin": list(grid.origin), "direction": list(grid.direction)}
    channels: list[Json] = [{"label": name, "active": False} for name in names]
    about: dict[str, Json] = {**place, "coordinates": "LPS", "channels": list(names)}
    ome: dict[str, Json] = {"version": "0.5", "multiscales": [scales], "omero": {"channels": channels}}
    root.attrs.update({"ome": ome, ABOUT: {**about}})


def _write_array(group: zarr.Group, name: str, array: Array) -> None:
    from zarr.codecs import BloscCodec

    # The values of a PET are few multiples of a number: their bytes repeat as wholes, which bits in planes would hide.
    shuffle: Literal["noshuffle", "bitshuffle"] = "noshuffle" if array.dtype.kind == "f" else "bitshuffle"
    whole = tuple(-(-n // CHUNK) * CHUNK for n in array.shape)
    made = group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=(CHUNK,) * 3,
        shards=whole,
        compressors=[BloscCodec(cname="zstd", clevel=LEVEL, shuffle=shuffle, typesize=array.dtype.itemsize)],
        fill_value=0,
        dimension_names=("z", "y", "x"),
    )
    made[...] = array


def _multiscale(name: str, grid: Grid, channels: bool = False) -> dict[str, Json]:
    space = [{"name": axis, "type": "space", "unit": "millimeter"} for axis in "zyx"]
    axes = [*([{"name": "c", "type": "channel"}] if channels else []), *space]
    moves: list[Json] = [
        {"type": "scale", "scale": [*([1.0] if channels else []), *reversed(grid.spacing)]},
        {"type": "translation", "translation": [*([0.0] if channels else []), *reversed(grid.origin)]},
    ]
    return {"name": name, "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": moves}]}


def _about(stored: Stored) -> dict[str, Json]:
    """Return what OME-Zarr has no word for: the direction of oblique axes, the unit of the values, and the facts."""
    grid = stored.grid
    place = {"size": grid.size, "spacing": grid.spacing, "origin": grid.origin, "direction": grid.direction}
    return {**stored.facts, **{key: list(value) for key, value in place.items()}, "coordinates": "LPS", "unit": stored.unit}
