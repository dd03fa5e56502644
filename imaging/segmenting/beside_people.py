"""How far masks of models agree with those that people drew on the same image: the unit of work, a series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.radiomics.selection import volumes_of
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.regions.machine_made import Made, made_of
from unibase.imaging.regions.mask import Roi
from unibase.imaging.regions.masks import open_masks
from unibase.imaging.regions.targets import match_regions
from unibase.imaging.segmenting.mask_distance import agreement


@dataclass(frozen=True)
class _Opened:
    """The regions of a mask file, and the model that made them; None where people did."""

    rois: list[Roi]
    made: Made | None
    digest: str


@dataclass(frozen=True)
class _Drawn:
    """The regions of one mask file that people drew for a target, and the digest of the file."""

    target: str
    rois: list[Roi]
    digest: str


def compare_series(task: FeatureTask) -> list[dict[str, object]]:
    """Return how far each label of a model agrees with each mask file in which people drew the target that it is named like.

    A label is compared with the targets whose patterns its name fits; several regions of one file that fit are taken
    together. A model that marks nothing where people drew something has a Dice coefficient of 0. Where people drew nothing,
    there is nothing to compare.

    Args:
        task: The series, with mask files of both.
    """
    rows: list[dict[str, object]] = []
    for name, read in volumes_of(task):
        try:
            volume = read()
            rows += [{"volume": name, "Modality": volume.modality or None, **row} for row in _compared(volume, task)]
        except Unusable:
            continue  # the stages `index` and `features` tell of volumes that cannot be read
    return rows


def _compared(volume: Volume, task: FeatureTask) -> Iterator[dict[str, object]]:
    files = [_opened(path, volume, task) for path in task.mask_paths]
    people = [one for one in files if one.made is None]
    drawn = [found for one in people for found in _by_target(one, task)]
    for one in files:
        if one.made is None or any(roi.drawn_here is False for roi in one.rois):
            continue
        for value, label in sorted(one.made.labels.items()):
            wanted = match_regions([label], task.regions).found
            for other in drawn:
                if other.target in wanted:
                    yield from _row(volume, one, value, other)


def _opened(path: Path, volume: Volume, task: FeatureTask) -> _Opened:
    made = made_of(path)
    try:
        rois = open_masks(path, volume, task.mask_rules)
    except Unusable:
        return _Opened([], made, sha256_file(path))
    return _Opened(rois, made, sha256_file(path))


def _by_target(one: _Opened, task: FeatureTask) -> Iterator[_Drawn]:
    """Yield the regions of a file that people drew here, together for each target that asks for them."""
    rois = [roi for roi in one.rois if not roi.about.by_machine and roi.drawn_here is not False]
    for target, places in match_regions([roi.roi_name for roi in rois], task.regions).found.items():
        yield _Drawn(target, [rois[place] for place in places], one.digest)


def _row(volume: Volume, one: _Opened, value: int, other: _Drawn) -> Iterator[dict[str, object]]:
    assert one.made is not None
    try:
        people = reduce(or_, (roi.read().region for roi in other.rois))
    except Unusable:
        return  # the stage `features` tells why it cannot be read
    mine = [roi.read().region for roi in one.rois if roi.number == value]
    machine = reduce(or_, mine) if mine else Boxed.of(np.zeros(people.shape, dtype=bool))
    about = other.rois[0].about
    voxel = float(volume.grid.spacing[0] * volume.grid.spacing[1] * volume.grid.spacing[2])
    yield {
        "segmenter": one.made.segmenter,
        "model": one.made.model,
        "label": one.made.labels[value],
        "target": other.target,
        "roi_name": " + ".join(roi.roi_name for roi in other.rois),
        "mask_label": about.label or None,
        "mask_reader": about.reader or None,
        **asdict(agreement(machine, people, tuple(reversed(volume.grid.spacing)))),
        "volume_machine": machine.voxels * voxel,
        "volume_people": people.voxels * voxel,
        "source_digest": digest_of([one.digest, other.digest]),
    }
