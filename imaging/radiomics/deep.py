"""Deep features of a region: what a model given as ONNX returns for a box of 50 mm around the region's centre."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array
from unibase.imaging.radiomics.feature_rows import region_rows
from unibase.imaging.radiomics.selection import Region, entry
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.reasons import MODEL_UNFIT
from unibase.imaging.regions.mask import Mask

if TYPE_CHECKING:
    import onnxruntime

SIDE = 50.0
"""Side of the box in mm."""

USUAL_SIZE = 50
"""Voxels along an axis whose length the model leaves open."""

BEYOND = "box-beyond-image"
"""Note of a region whose box reaches beyond the image: there it holds the image's lowest value."""


@dataclass(frozen=True)
class Model:
    """A model that is ready to run.

    Attributes:
        session: What runs it.
        digest: SHA-256 of its file.
        size: Voxels of its box along z, y and x.
    """

    session: onnxruntime.InferenceSession
    digest: str
    size: tuple[int, int, int]

    def features(self, box: Array) -> Array:
        """Return the features (n,) of a box (z, y, x).

        Args:
            box: Intensities, scaled as the model was trained.

        Raises:
            Unusable: `model-unfit` when it fails or returns something else than finite numbers.
        """
        (given,) = self.session.get_inputs()
        try:
            found = np.asarray(self.session.run(None, {given.name: box[np.newaxis, np.newaxis].astype(np.float32)})[0])
        except Exception as error:  # Whatever the runtime throws is this model's reason.
            raise _unfit(f"The model fails on the box ({type(error).__name__}).") from None
        values = found.astype(np.float64).ravel()
        if not values.size or not np.isfinite(values).all():
            raise _unfit("The model returns values that are no number.")
        return values


def _unfit(message: str) -> Unusable:
    return Unusable(MODEL_UNFIT, message, MODEL_UNFIT.remedy)


def read_model(path: Path) -> Model:
    """Read a model of one input, float32 (1, 1, z, y, x); it runs on one thread of the processor, so that runs are equal.

    Args:
        path: The ONNX file.

    Raises:
        UserError: If the file is absent or no such model, or the extra `deep` is not installed.
    """
    try:
        import onnxruntime  # Heavy, and an extra.
    except ImportError:
        raise UserError("Deep features need the extra `deep`. Install it: pip install 'unibase[deep]'.") from None
    if not path.is_file():
        raise UserError(f"No model at {path}. Name an ONNX file (deep_model).")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception:
        raise UserError(f"{path} is no ONNX model that can be run. Export it again.") from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 5 or inputs[0].shape[1] not in (1, None):
        raise UserError(f"{path} does not take one box, float32 (1, 1, z, y, x). Give a model that does.")
    size = [n if isinstance(n, int) and n > 0 else USUAL_SIZE for n in inputs[0].shape[2:]]
    return Model(session, sha256_file(path), (size[0], size[1], size[2]))


_model = cache(read_model)


def deep_rows(
    task: FeatureTask, volume: Volume, regions: Sequence[tuple[Region, Mask]], told: list[dict[str, object]]
) -> list[dict[str, object]]:
    """Return a row for each region with the features of the model that its unit asks for.

    Args:
        task: The unit.
        volume: The image.
        regions: What was read on it; shells and habitats have none.
        told: What has none is added, as entries of the unit's result.
    """
    return list(_rows(task, volume, regions, told))


def _rows(
    task: FeatureTask, volume: Volume, regions: Sequence[tuple[Region, Mask]], told: list[dict[str, object]]
) -> Iterator[dict[str, object]]:
    model = _model(Path(task.choices.deep_model))
    low, high = task.choices.deep_low, task.choices.deep_high
    on = replace(volume, notes=(*volume.notes, f"model-{model.digest}", f"scaled-from-{low:g}-to-{high:g}"))
    for region, mask in regions:
        if region.ends is not None or region.habitat is not None:
            continue
        try:
            box, whole = box_around(volume, mask.region, model.size)
            values = model.features((box - low) / (high - low))
        except Unusable as problem:
            told.append(entry(f"{region.target} (deep)", region.roi_name, problem))
            continue
        noted = mask if whole else replace(mask, notes=tuple(sorted({*mask.notes, BEYOND})))
        named = {f"deep_{number:04d}": float(value) for number, value in enumerate(values)}
        for row in region_rows(task, on, region, {f"onnx-{model.digest[:16]}": named}, noted):
            yield {**row, "settings_digest": digest_of([model.digest, low, high])}


def box_around(volume: Volume, region: Boxed, size: tuple[int, int, int]) -> tuple[Array, bool]:
    """Return a box of 50 mm around the centre of a region, and whether the image holds all of it.

    Its axes are those of the patient, whatever way the image was scanned: z towards the head, y towards the back, x towards the
    left. Between voxels it is linear.

    Args:
        volume: The image.
        region: A region that is not empty; its centre is the mean of its voxels.
        size: Voxels (z, y, x) of the box.

    Raises:
        Unusable: `model-unfit` for an image of two dimensions, or of values that are no number.
    """
    from scipy.ndimage import map_coordinates

    if volume.dimensions == 2:
        raise _unfit("The image has two dimensions, and the model takes a box.")
    grid = volume.grid
    middle = np.argwhere(region.array).mean(axis=0) + np.array(region.start)
    centre = grid.centres(middle[np.newaxis, ::-1])[0]
    along = [(np.arange(n) + 0.5) * SIDE / n - SIDE / 2 for n in size]
    z, y, x = np.meshgrid(*along, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel(), z.ravel()]) + centre
    index = (((points - np.array(grid.origin)) @ grid.matrix) / np.array(grid.spacing))[:, ::-1]
    inside = ((index >= -0.5) & (index <= np.array(grid.shape) - 0.5)).all(axis=1)
    values = map_coordinates(volume.array, index.T, order=1, mode="nearest")
    values[~inside] = np.nanmin(volume.array)
    if not np.isfinite(values).all():
        raise _unfit("The image holds values that are no number within the box.")
    return values.reshape(size), bool(inside.all())
