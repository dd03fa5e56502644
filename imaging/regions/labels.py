"""Label images (NIfTI, NRRD, MetaImage): every label of every layer is a region, read once into boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Box, Boxed, label_boxes
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.plain.image import read_sitk
from unibase.imaging.plain.label_names import label_names
from unibase.imaging.plain.nifti_forms import notes_of_forms
from unibase.imaging.plain.paired_by_name import reader_of
from unibase.imaging.plain.whole import PICTURE_SUFFIXES, suffix_of
from unibase.imaging.regions.about import About
from unibase.imaging.regions.label_evidence import is_no_map
from unibase.imaging.regions.lattice import GridRule, place
from unibase.imaging.regions.mask import Mask, MaskRules, Roi, checked

MOST_LABELS = 65_535
"""A label above this is no number of a region: the file is an image, or damaged."""


def open_labels(path: Path, volume: Volume, rules: MaskRules) -> list[Roi]:
    """Open the regions of a label image.

    Zero and negative values are background. A file of several values per voxel has layers, whose labels may overlap.

    Args:
        path: The file.
        volume: The image that the regions belong to.
        rules: How masks are read; `label` and `label_channel` choose one label and one layer.

    Raises:
        Unusable: `unreadable-mask` (also when it is an image), `truncated-file`, `label-absent`, `empty-region`.
    """
    file = _read(path, volume)
    count = file.layers.shape[3]
    if count > 1 and rules.label_channel is None and not file.names and (file.layers == file.layers[..., :1]).all():
        count = 1  # Saved as a grey picture in colour: one mask, three times.
    on = _On(file.grid, file.layers.shape[:3], volume, rules.grid)
    rois = []
    for layer in _chosen_layers(count, rules.label_channel):
        labels, notes = _whole_numbers(file.layers[..., layer])
        notes = (*notes, *file.notes)
        for number, box in _boxes(labels, rules.label).items():
            name = file.names.get((layer, number)) or _fallback(path, count, layer, number)
            found = _Label(name, number, labels[box], tuple(part.start for part in box), notes)
            rois += _parts(found, on, layer) if rules.components else [Roi(name, number, _Read(found, on), layer=layer)]
    if not rois:
        if rules.label is not None:
            message = f"The mask holds no voxel of label {rules.label}."
            raise Unusable(reasons.LABEL_ABSENT, message, "Name a label that the mask has, or leave `label` out to take all.")
        raise _nothing(bool((file.layers < 0).any()))
    about = About(reader=reader_of(path))
    return [replace(roi, about=about) for roi in rois]


def _nothing(negative: bool) -> Unusable:
    """Return the refusal of a mask without a label, whether or not it holds negative values."""
    if negative:
        message = "The mask marks no voxel: all its values that are not 0 are negative, and those are background."
        return Unusable(reasons.EMPTY_REGION, message, "Write labels above 0; 255 in a signed type of 8 bits is -1.")
    return Unusable(reasons.EMPTY_REGION, "The mask marks no voxel.", "Check that the right mask was written.")


@dataclass(frozen=True)
class _File:
    """A label image: layers (z, y, x, layer), their grid, the names of labels by layer and number, and notes."""

    layers: Array
    grid: Grid
    names: Mapping[tuple[int, int], str]
    notes: tuple[str, ...]


def _read(path: Path, volume: Volume) -> _File:
    """Read a label image.

    Raises:
        Unusable: As `read_sitk`; `mask-geometry` when a plane is to go on a volume.
    """
    import SimpleITK as sitk

    try:
        image, dimensions = read_sitk(path)
    except Unusable as problem:
        raise Unusable(problem.reason, f"The mask cannot be used. {problem.message}", problem.remedy) from None
    layers = sitk.GetArrayFromImage(image)
    if layers.ndim == 3:
        layers = layers[..., np.newaxis]
    if dimensions != volume.dimensions and dimensions == 2:
        message = "The mask is a plane and the image is a volume."
        raise Unusable(reasons.MASK_GEOMETRY, message, "Draw the mask on this image.")
    grid = Grid.of(image)
    if suffix_of(path) in PICTURE_SUFFIXES and grid.size == volume.grid.size and volume.dimensions == 2:
        grid = volume.grid  # The pixels of a picture have no size of their own.
    names = label_names(path, {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()})
    return _File(layers, grid, names, notes_of_forms(path))


def _chosen_layers(count: int, channel: int | None) -> range:
    if channel is None:
        return range(count)
    if channel >= count:
        message = f"The mask has {count} layer{'s' if count > 1 else ''}, and label_channel asks for another (counted from 0)."
        raise Unusable(reasons.LABEL_ABSENT, message, "Name a layer that the mask has, or leave `label_channel` out to take all.")
    return range(channel, channel + 1)


def _fallback(path: Path, layers: int, layer: int, number: int) -> str:
    stem = path.name.split(".")[0]
    return f"{stem}:{number}" if layers == 1 else f"{stem}:{layer}:{number}"


def _whole_numbers(labels: Array) -> tuple[Array, tuple[str, ...]]:
    """Return labels as whole numbers, and what a user should know of them.

    Raises:
        Unusable: `unreadable-mask`.
    """
    remedy = "Write labels as whole numbers."
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise Unusable(reasons.UNREADABLE_MASK, "The mask holds values that are no number.", remedy)
        whole = labels.astype(np.int32)
        if not np.array_equal(whole, labels):
            raise Unusable(reasons.UNREADABLE_MASK, "The mask holds values that are no labels.", remedy)
        labels = whole
    if labels.size and int(labels.max()) > MOST_LABELS:
        raise Unusable(reasons.UNREADABLE_MASK, f"The mask holds values above {MOST_LABELS}, which are no labels.", remedy)
    negative = labels.dtype.kind == "i" and labels.size and int(labels.min()) < 0
    return labels, ("negative-values-are-background",) if negative else ()


def _boxes(labels: Array, label: int | None) -> dict[int, Box]:
    """Return the box of every label that is asked for, by its number.

    Raises:
        Unusable: `unreadable-mask` when neighbours seldom share a label.
    """
    boxes = label_boxes(labels)
    if is_no_map(labels, len(boxes)):
        message = f"The mask holds {len(boxes)} values, and neighbouring voxels seldom share one: it is no map of labels."
        remedy = "Name the file of labels, not the image; cut a map of probabilities at a threshold first."
        raise Unusable(reasons.UNREADABLE_MASK, message, remedy)
    return {number: box for number, box in boxes.items() if label in (None, number)}


@dataclass(frozen=True)
class _Label:
    """A label in its file: the box of it, and what is known of it."""

    name: str
    number: int
    labels: Array
    start: tuple[int, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _On:
    """The grid of a label image, the image it is to go on, and the rule for other grids."""

    grid: Grid
    shape: tuple[int, ...]
    volume: Volume
    rule: GridRule


@dataclass(frozen=True)
class _Read:
    label: _Label
    on: _On
    part: tuple[int, int] | None = None

    def __call__(self) -> Mask:
        inside = self.label.labels == self.label.number
        notes = self.label.notes
        if self.part is not None:
            inside = _components(inside)[0] == self.part[0]
            notes = (*notes, f"component-{self.part[0]}-of-{self.part[1]}")
        region = Boxed.of(inside, self.label.start, self.on.shape)
        placed = place(region, self.on.grid, self.on.volume.grid, self.on.rule)
        mask = Mask(self.label.name, placed.region, self.label.number, (*notes, *placed.notes), placed.coverage)
        return checked(mask)


def _components(inside: Array) -> tuple[Array, int]:
    """Return the connected parts of a mask (faces, edges and corners touch), numbered from the largest, and how many there are."""
    from scipy.ndimage import label

    parts, count = label(inside, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    # Equal sizes keep the order of their first voxel.
    order = np.argsort(-sizes, kind="stable")
    number = np.zeros(count + 1, dtype=np.int32)
    number[order + 1] = np.arange(1, count + 1)
    return number[parts], int(count)


def _parts(label: _Label, on: _On, layer: int) -> list[Roi]:
    """Return every connected part of a label as a region of its own, named `<name> part 1 of 3`."""
    _, count = _components(label.labels == label.number)
    if count == 1:
        return [Roi(label.name, label.number, _Read(label, on), layer=layer)]
    return [
        Roi(f"{label.name} part {part} of {count}", label.number, _Read(label, on, (part, count)), layer=layer)
        for part in range(1, count + 1)
    ]
