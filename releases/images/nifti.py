"""Stores of voxels as NIfTI files: the same values on the same grid, for programs that read no zarr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Labels:
    """One label map of a store.

    Attributes:
        name: Of the map, such as `regions`.
        array: Unsigned integers (z, y, x).
        names: Name of each region by its value.
    """

    name: str
    array: Array
    names: Mapping[int, str]


@dataclass(frozen=True)
class Opened:
    """What a store holds.

    Attributes:
        array: The image, (z, y, x).
        about: Attributes of the store: `origin`, `spacing`, `direction` (x, y, z; LPS) and what else it tells.
        labels: Its label maps.
    """

    array: Array
    about: Mapping[str, Any]
    labels: Sequence[Labels]


def open_store(folder: Path) -> Opened:
    """Read a store of voxels.

    Args:
        folder: An `*.ome.zarr` folder that staging wrote.
    """
    import zarr

    root: Any = zarr.open_group(folder, mode="r")
    labels = []
    for name in root["labels"].attrs["ome"]["labels"] if "labels" in root else ():
        group: Any = root[f"labels/{name}"]
        names = {int(one["label-value"]): str(one["name"]) for one in group.attrs["ome"]["image-label"]["properties"]}
        labels.append(Labels(name, np.asarray(group["0"][...]), names))
    image: Any = root["0"]
    return Opened(np.asarray(image[...]), dict(root.attrs["unibase"]), labels)


def write_nifti(array: Array, about: Mapping[str, object], path: Path) -> None:
    """Write an array on the grid of a store as NIfTI; equal arrays give equal bytes.

    Args:
        array: (z, y, x), on the grid that `about` tells.
        about: Attributes of the store.
        path: A name that ends in `.nii.gz`.
    """
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    image.SetOrigin(about["origin"])
    image.SetSpacing(about["spacing"])
    image.SetDirection(about["direction"])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)


def write_beside(store: Path) -> None:
    """Write the image and the label maps of a store as NIfTI beside it: `volume.nii.gz`, `volume-regions.nii.gz`, ...

    `store`: an `*.ome.zarr` folder of a release.
    """
    opened = open_store(store)
    stem = store.name.removesuffix(".ome.zarr")
    write_nifti(opened.array, opened.about, store.with_name(f"{stem}.nii.gz"))
    for one in opened.labels:
        write_nifti(one.array, opened.about, store.with_name(f"{stem}-{one.name}.nii.gz"))
