"""One series to the masks that a model makes on its volumes: the unit of work of segmentation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from unibase.groundwork.files import atomic_folder, sha256_folder
from unibase.groundwork.outcomes import LeftOut
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array
from unibase.imaging.radiomics.selection import volumes_of
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.reasons import MODEL_FAILED, MODEL_LABELS
from unibase.imaging.regions.labels import open_labels
from unibase.imaging.regions.machine_made import Made, write_made
from unibase.imaging.regions.mask import AS_DRAWN
from unibase.imaging.segmenting.model_run import Command, image_of, run_model
from unibase.imaging.voxels.ome_zarr import exact


@dataclass(frozen=True)
class SegmentTask:
    """One unit: a series, and the model whose masks it gets.

    Attributes:
        series: The series and how its volumes are read.
        row: What a row of the SEGMENTED table says of the series.
        made: The model.
        folder: Where the masks of all series of the model go.
        command: What makes a mask; None where `files` has them.
        files: Masks that were made elsewhere.
        ignore_others: Whether values that the model does not name are passed over.
    """

    series: FeatureTask
    row: dict[str, object]
    made: Made
    folder: Path
    command: Command | None = None
    files: tuple[Path, ...] = ()
    ignore_others: bool = False

    @property
    def place(self) -> Path:
        """Folder of the masks of the series."""
        return self.folder / str(self.row["SeriesInstanceUID"])


@dataclass(frozen=True)
class Segmented:
    """The masks of a series.

    Attributes:
        masks: Rows of the SEGMENTED table, one a volume.
        left_out: Volumes that have none.
        folder: Where the masks stand, below the folder of all models.
        sha256: Digest of that folder.
    """

    masks: list[dict[str, object]]
    left_out: list[LeftOut]
    folder: str
    sha256: str


def segment_series(task: SegmentTask) -> Segmented:
    """Make the masks of a series, check them, and write them on the grids of its volumes.

    Args:
        task: The unit.

    Raises:
        Unusable: When no volume has a mask: as `radiomics.selection.volumes_of`, or the reason of the first volume.
    """
    rows: list[dict[str, object]] = []
    left_out: list[LeftOut] = []
    digests: dict[str, str] = {}
    problems: list[Unusable] = []
    with atomic_folder(task.place) as folder:
        for number, (name, read) in enumerate(volumes_of(task.series), 1):
            try:
                volume = read()
                labels = _checked(task, volume)
            except Unusable as problem:
                problems.append(problem)
                left_out.append(LeftOut.of(name, problem))
                continue
            file = f"{number}.nii.gz"
            _write(labels, volume, folder / file)
            digests[file] = volume.digest
            rows.append({**task.row, **dict(_told(task, name, file, labels))})
        if not rows:
            raise problems[0]
        write_made(Made(task.made.segmenter, task.made.version, task.made.weights, task.made.labels, digests), folder)
    below = task.place.relative_to(task.folder.parent).as_posix()
    return Segmented(rows, left_out, below, sha256_folder(task.place))


def _checked(task: SegmentTask, volume: Volume) -> Array:
    """Return the labels that the model gives a volume, on the volume's grid.

    Raises:
        Unusable: `model-failed`, `model-too-slow`, `model-labels`, `mask-geometry`, `unreadable-mask`, `truncated-file`.
    """
    if task.command is None:
        return _on_grid(task, _file_of(task, volume), volume)
    with TemporaryDirectory(prefix="unibase-model-") as name:
        folder = Path(name)
        _write(_for_a_model(volume.array), volume, image_of(folder))
        try:
            return _on_grid(task, run_model(task.command, folder), volume)
        except Unusable:
            _keep_log(task, folder / "log.txt")
            raise


def _for_a_model(array: Array) -> Array:
    """Return values as models read them: whole numbers as they are, others as float32."""
    kept = exact(array)
    return kept.astype(np.float32) if kept.dtype == np.float64 else kept


def _keep_log(task: SegmentTask, log: Path) -> None:
    """Keep what a model said before it failed; it saw pixels alone, and no name."""
    kept = task.folder / "logs" / f"{task.row['SeriesInstanceUID']}.txt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(log, kept)


def _on_grid(task: SegmentTask, path: Path, volume: Volume) -> Array:
    """Return a label image on the grid of a volume."""
    out = np.zeros(volume.grid.shape, dtype=np.uint16)
    for number, mask in _regions(path, volume):
        if number in task.made.labels:
            out[mask] = number
        elif not task.ignore_others:
            known = ", ".join(str(value) for value in sorted(task.made.labels))
            raise Unusable(MODEL_LABELS, f"The mask has the label {number}; the study file names {known}.")
    return out if max(task.made.labels) > 255 else out.astype(np.uint8)


def _regions(path: Path, volume: Volume) -> Iterator[tuple[int, Array]]:
    """Yield each label of a file with its voxels; none where the model marked nothing."""
    try:
        rois = open_labels(path, volume, AS_DRAWN)
    except Unusable as problem:
        if problem.reason == "empty-region":
            return
        raise
    for roi in rois:
        if roi.layer:
            raise Unusable(MODEL_LABELS, "The mask has several values a voxel; one was expected.")
        yield roi.number, roi.read().array


def _write(array: Array, volume: Volume, path: Path) -> None:
    import SimpleITK as sitk  # slow to import, and only here

    sitk.WriteImage(volume.grid.to_sitk(array), str(path), useCompression=True)


def _file_of(task: SegmentTask, volume: Volume) -> Path:
    """Return the mask of a volume that was made elsewhere.

    Raises:
        Unusable: `model-failed`.
    """
    if not volume.name and not volume.others and len(task.files) == 1:
        return task.files[0]
    mine = [path for path in task.files if path.name.split(".")[0] == volume.name]
    if len(mine) != 1:
        raise Unusable(
            MODEL_FAILED,
            f"{len(mine) or 'No'} files of the folder are the mask of this volume.",
            "Name the file by its series, and of a series of several volumes by its volume, in a folder named by the series.",
        )
    return mine[0]


def _told(task: SegmentTask, volume: str, file: str, labels: Array) -> Iterator[tuple[str, object]]:
    """Yield what a row of the SEGMENTED table says of a mask, by column."""
    yield "volume", volume
    yield "segmenter", task.made.segmenter
    yield "version", task.made.version
    yield "weights", task.made.weights or None
    yield "found", ", ".join(task.made.labels[int(value)] for value in np.unique(labels) if value)
    yield "path", f"{task.made.segmenter}/{task.row['SeriesInstanceUID']}/{file}"
