"""The results of one series: a Segmentation of its regions, and a report of what was measured in them, for each volume."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from unibase.groundwork.problems import Unusable
from unibase.groundwork.tables import FEATURES
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.radiomics.selection import select_on, volumes_of
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.regions.mask import Mask
from unibase.imaging.sending.results import Measured, report, segmentation, write_object

_IDENTITY = frozenset(column.name for column in FEATURES.columns)


@dataclass(frozen=True)
class Written:
    """What was written of a series, and what was not.

    Attributes:
        paths: SEG and SR of each volume with regions.
        left_out: Volumes and regions without, with why.
    """

    paths: list[Path]
    left_out: list[tuple[str, Unusable]]


@dataclass(frozen=True)
class _Sent:
    """A region that is sent: its mask, the digest that its features know it by, and the model that made it, if one did."""

    mask: Mask
    digest: str
    model: str


def write_results(task: FeatureTask, rows: Sequence[Mapping[str, object]], folder: Path) -> Written:
    """Write the results of a series.

    Args:
        task: The series, and which of its regions are measured.
        rows: Its rows of the FEATURES table.
        folder: Where the objects go.
    """
    by_source: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    for row in rows:
        by_source[str(row["source_digest"])].append(row)
    written = Written([], [])
    for name, read in volumes_of(task):
        try:
            volume = read()
            regions = list(_named(volume, task, written))
            if not regions:
                continue
            images = _images(volume, task)
            machine = {one.mask.roi_name: one.model for one in regions if one.model}
            seg = segmentation(volume, images, [one.mask for one in regions], machine)
        except Unusable as problem:
            written.left_out.append((name, problem))
            continue
        written.paths.append(write_object(seg, folder))
        measured = [_measured(one.mask.roi_name, row) for one in regions for row in by_source.get(one.digest, ())]
        if measured:
            written.paths.append(write_object(report(seg, images, measured), folder))
    return written


def _named(volume: Volume, task: FeatureTask, written: Written) -> Iterator[_Sent]:
    """Yield each region, named by its target."""
    count: Counter[str] = Counter()
    for region in select_on(volume, task).regions if task.mask_paths else ():
        try:
            mask = region.read(volume)
        except Unusable as problem:
            written.left_out.append((f"{volume.name} {region.roi_name}".strip(), problem))
            continue
        count[region.target] += 1
        number = count[region.target]
        name = region.target if number == 1 else f"{region.target}-{number}"
        model = (region.about.model or "a model that its file does not name") if region.about.by_machine else ""
        yield _Sent(replace(mask, roi_name=name), region.source_digest, model)


def _images(volume: Volume, task: FeatureTask) -> list[Dataset]:
    """Return the headers of the files of a volume."""
    files = task.image_files or tuple(path for path in sorted(task.image_folder.iterdir()) if path.is_file())
    wanted = set(volume.instance_uids)
    headers = (pydicom.dcmread(path, stop_before_pixels=True) for path in files)
    return [one for one in headers if str(one.SOPInstanceUID) in wanted]


def _measured(name: str, row: Mapping[str, object]) -> Measured:
    values = {key: value for key, value in row.items() if key not in _IDENTITY and isinstance(value, float)}
    return Measured(name, values, str(row["image_type"]))
