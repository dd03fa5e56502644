"""The dose of regions as rows of FEATURES: what dosiomics calls features of the dose, and the metrics of its histogram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Box, Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.dose.histogram import Fractions, check_eqd2, metrics_of
from unibase.imaging.dose.metric_names import metric_column
from unibase.imaging.dose.rtdose import Dose, read_dose
from unibase.imaging.engine.setting import Setting
from unibase.imaging.grid import Array, Grid
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.extraction import extract_regions
from unibase.imaging.radiomics.feature_rows import region_rows
from unibase.imaging.radiomics.selection import Region, entry
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.reasons import CUT_OFF_BY_IMAGE, OUTSIDE_DOSE
from unibase.imaging.regions.mask import Mask

MARGIN = 15.0
"""How many mm around the regions the features of the original dose may look."""

IVH_BIN = 0.1
"""Width in Gy of the bins of IBSI's intensity-volume histogram of a dose."""

BEYOND = "beyond-dose-grid"
"""Note of a region that the grid of the dose holds in part."""

Drawn = Sequence[tuple[Region, Mask]]
"""Regions and their masks on the image."""

Rows = list[dict[str, object]]


def dose_rows(task: FeatureTask, volume: Volume, regions: Drawn, told: Rows) -> Rows:
    """Return the FEATURES rows of the doses of the regions of one volume.

    Each dose is taken at the centres of the image's voxels, linear between its own. Several doses are named by what they sum and
    their order, such as `PLAN 1 of 2`.

    Args:
        task: The unit.
        volume: The image.
        regions: What was read on it.
        told: What cannot have its dose is added, as entries of the unit's result.
    """
    rows: Rows = []
    for name, path in _named(task.doses):
        try:
            dose = read_dose(path)
            if task.choices.dose_fractions:
                check_eqd2(dose)
            label = " ".join(word for word in (dose.summation, name) if word) if name else ""
            rows += _of_dose(task, _on_image(task, volume, dose, label, regions), regions, told)
        except Unusable as problem:
            for region, _ in regions:
                _refuse(told, region, problem)
    return rows


def _named(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yield each dose once, whatever copies there are, with its number when there are several."""
    alone = list({sha256_file(path): path for path in sorted(paths)}.items())
    for number, (_, path) in enumerate(sorted(alone), 1):
        yield f"{number} of {len(alone)}" if len(alone) > 1 else "", path


def _refuse(told: list[dict[str, object]], region: Region, problem: Unusable) -> None:
    told.append(entry(f"{region.target} (dose)", region.roi_name, problem))


@dataclass(frozen=True)
class _OnImage:
    """A dose on the lattice of an image.

    Attributes:
        volume: The dose in Gy, on a box of the image.
        box: The box.
        settings: How its features are extracted.
    """

    volume: Volume
    box: Box
    settings: FeatureSettings

    def part(self, region: Boxed) -> Boxed:
        """Return what of a region of the image lies in the grid of the dose."""
        inside = region.part(self.box) & np.isfinite(self.volume.array)
        return Boxed.of(inside)


def _on_image(task: FeatureTask, volume: Volume, dose: Dose, name: str, regions: Drawn) -> _OnImage:
    settings = settings_of_dose(task.settings, task.choices.dose_bin_width)
    box = _box(volume.grid, dose, regions, settings)
    gray = _at_voxels(volume.grid, dose, box)
    choices, notes, unit = task.choices, [], "Gy"
    if dose.summation:
        notes.append(f"dose-of-{dose.summation.lower().replace('_', '-')}")
    if choices.dose_fractions:
        gray = Fractions(choices.dose_fractions, choices.dose_alpha_beta).eqd2(gray)
        unit = "Gy EQD2"
        notes.append(f"eqd2-{choices.dose_fractions}-fractions-alpha-beta-{choices.dose_alpha_beta:g}")
    on = Volume(
        gray,
        _grid_of(volume.grid, box),
        "RTDOSE",
        unit,
        study_uid=volume.study_uid,
        series_uid=dose.series_uid,
        frame_of_reference_uid=volume.frame_of_reference_uid,
        digest=digest_of([volume.digest, dose.sop_uid]),
        name=name,
        notes=(*volume.notes, *notes),
    )
    return _OnImage(on, box, settings)


def settings_of_dose(settings: FeatureSettings, bin_width: float) -> FeatureSettings:
    """Return the settings with which the features of a dose are extracted: those of the image, but for what is of intensities.

    Args:
        settings: Those of the image.
        bin_width: Width of the bins in Gy.
    """
    changed: Setting = {"binWidth": bin_width, "binCount": None, "normalize": False, "resegmentRange": None}
    setting: Setting = {**settings.setting, **changed}
    ibsi = {**settings.ibsi, "discretisation": "fbs", "bin_size": bin_width, "round_intensities": False}
    ibsi |= {"resegment_range": [0, None], "resegment_sigma": None}
    ibsi |= {"ivh_discretisation": "fbs", "ivh_bin_size": IVH_BIN}
    return replace(settings, setting=setting, ibsi=ibsi)


def _box(grid: Grid, dose: Dose, regions: Drawn, settings: FeatureSettings) -> Box:
    """Return the box of the image on which a dose is taken: the end of its grid is the end of the image.

    Filters see all of it; features of the dose itself see only what is around the regions.

    Raises:
        Unusable: `outside-dose`.
    """
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in dose.array.shape], indexing="ij")).reshape(3, -1).T
    along = np.column_stack([corners[:, 2] * dose.spacing[0], corners[:, 1] * dose.spacing[1], dose.offsets[corners[:, 0]]])
    places = dose.origin + along @ dose.directions
    index = ((places - np.array(grid.origin)) @ grid.matrix / np.array(grid.spacing))[:, ::-1]
    low, high = np.ceil(index.min(axis=0) - 1e-6).astype(int), np.floor(index.max(axis=0) + 1e-6).astype(int) + 1
    union = reduce(or_, (mask.region for _, mask in regions))
    local = set(settings.image_types) == {"Original"} and not settings.setting["resampledPixelSpacing"]
    local = local and not {"filters", "spacing"} & set(settings.ibsi)
    margin = [int(MARGIN / step) + 1 for step in grid.spacing[::-1]] if local else list(grid.shape)
    near = union.grown(margin)
    box = tuple(slice(max(int(a), b.start), min(int(z), b.stop)) for a, z, b in zip(low, high, near, strict=True))
    if any(part.start >= part.stop for part in box):
        raise Unusable(OUTSIDE_DOSE)
    return box


def _at_voxels(grid: Grid, dose: Dose, box: Box) -> Array:
    """Return the dose at the centres of a box of a grid (z, y, x), slice by slice; NaN beyond the grid of the dose."""
    rows, columns = np.meshgrid(np.arange(box[1].start, box[1].stop), np.arange(box[2].start, box[2].stop), indexing="ij")
    planes = []
    for slice_index in range(box[0].start, box[0].stop):
        index = np.column_stack([columns.ravel(), rows.ravel(), np.full(rows.size, slice_index)])
        planes.append(dose.at(grid.centres(index)).reshape(rows.shape))
    return np.stack(planes)


def _grid_of(grid: Grid, box: Box) -> Grid:
    first = grid.centres(np.array([[box[2].start, box[1].start, box[0].start]], dtype=np.float64))[0]
    depth, height, width = (part.stop - part.start for part in box)
    return replace(grid, size=(width, height, depth), origin=(float(first[0]), float(first[1]), float(first[2])))


def _of_dose(task: FeatureTask, on: _OnImage, regions: Drawn, told: Rows) -> Rows:
    """Return the rows of one dose; what has none is told."""
    inside: list[tuple[Region, Mask]] = []
    for region, mask in regions:
        try:
            inside.append((region, _cut(mask, on, task.choices)))
        except Unusable as problem:
            _refuse(told, region, problem)
    masks = [mask.region for _, mask in inside]
    results = extract_regions(on.volume, masks, on.settings, task.choices.engine, task.choices.mode)
    of_dose = replace(task, settings=on.settings)
    rows: Rows = []
    for (region, mask), result in zip(inside, results, strict=True):
        if isinstance(result, Unusable):
            _refuse(told, region, result)
            continue
        features = {kind: dict(values) for kind, values in result[0].items()}
        features.setdefault("original", {}).update(_metrics(on.volume, mask.region, task.choices.dose_metrics))
        rows += region_rows(of_dose, on.volume, region, features, mask)
    return rows


def _cut(mask: Mask, on: _OnImage, choices: Choices) -> Mask:
    """Return a mask on the box of a dose.

    Raises:
        Unusable: `outside-dose`; `cut-off-by-image` when what is cut off is to be refused.
    """
    part = on.part(mask.region)
    if part.empty:
        raise Unusable(OUTSIDE_DOSE)
    share = part.voxels / mask.region.voxels
    if share == 1:
        return replace(mask, region=part)
    if choices.cut_off == "refuse":
        message = f"The grid of the dose holds {share:.0%} of the region."
        raise Unusable(CUT_OFF_BY_IMAGE, message, "Compute the dose on a grid that holds the region, or keep what is cut off.")
    return replace(mask, region=part, coverage=mask.coverage * share, notes=tuple(sorted({*mask.notes, BEYOND})))


def _metrics(volume: Volume, region: Boxed, metrics: Sequence[str]) -> list[tuple[str, float]]:
    voxel_cc = float(np.prod(volume.grid.spacing)) / 1000
    found = metrics_of(region.values(volume.array), voxel_cc, metrics)
    return [(metric_column(metric), value) for metric, value, _ in found]
