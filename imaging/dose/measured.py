"""The dose of every region of plain DICOM files, as one table."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.outputs import TABLES, check_file
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.dicom.series import read_header
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.dose.histogram import Fractions, check_eqd2, dose_of, metrics_of
from unibase.imaging.dose.metric_names import USUAL_METRICS, check_metric
from unibase.imaging.dose.rtdose import Dose, read_dose
from unibase.imaging.options import Regions
from unibase.imaging.radiomics.plain_units import plan_source
from unibase.imaging.radiomics.selection import Region, problem_of, select
from unibase.imaging.radiomics.settings import default_settings
from unibase.imaging.radiomics.task import Asked
from unibase.imaging.reasons import NO_DOSE, OUTSIDE_DOSE
from unibase.imaging.tables import DOSE_METRICS


@dataclass(frozen=True)
class Wanted:
    """What is asked of a dose.

    Attributes:
        metrics: Such as `D95`, `V20Gy`.
        fractions: How EQD2 is computed; None gives the dose as it is.
    """

    metrics: tuple[str, ...] = USUAL_METRICS
    fractions: Fractions | None = None


def measure_doses(
    source: Path, destination: Path, regions: Regions | None = None, wanted: Wanted = Wanted()
) -> tuple[pl.DataFrame, list[tuple[str, Unusable]]]:
    """Measure the dose of every region in every RTDOSE of its frame of reference.

    Args:
        source: Folder of DICOM: images, structure sets or segmentations, and doses.
        destination: Parquet table to write, or CSV by its name.
        regions: Target to patterns of ROI names; None takes every region.
        wanted: Which metrics.

    Returns:
        The DOSE_METRICS frame, and place and reason of what was not used.

    Raises:
        UserError: If a metric is none, the source holds no dose, or no region has one.
    """
    metrics = tuple(check_metric(metric) for metric in wanted.metrics)
    wanted = Wanted(metrics, wanted.fractions)
    doses, refused = _doses(source)
    if not doses and not refused:
        raise UserError(f"{source} holds no RTDOSE. Put the dose beside its image and structure set.")
    check_file(destination, TABLES)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as work:
        plan = plan_source(source, Path(work), Asked(default_settings(), regions))
    for unit in plan.units:
        try:
            for _, selection in select(unit.arguments):
                if isinstance(selection, Unusable):
                    raise selection
                told = [(f"{unit.key}: {one['target'] or one['roi_name']}", problem_of(one)) for one in selection.refused]
                refused += told
                for region in selection.regions:
                    rows += _of_region(region, selection.volume, doses, wanted, refused)
        except Unusable as problem:
            refused.append((unit.key, problem))
    if not rows:
        why = "\n".join(f"{place}: {problem.message} {problem.remedy}" for place, problem in refused)
        raise UserError(f"No region has a dose.\n{why}")
    frame = DOSE_METRICS.conform(pl.DataFrame(rows, schema=DOSE_METRICS.schema()))
    if destination.suffix.lower() == ".csv":
        frame.write_csv(destination)
    else:
        DOSE_METRICS.write(frame, destination)
    return frame, refused


def _doses(source: Path) -> tuple[list[Dose], list[tuple[str, Unusable]]]:
    found: dict[str, Dose] = {}
    refused: list[tuple[str, Unusable]] = []
    for path in sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith(".")):
        header = read_header(path)
        if header is None or str(header.get("Modality")) != "RTDOSE":
            continue
        try:
            dose = read_dose(path)
            found.setdefault(dose.sop_uid, dose)
        except Unusable as problem:
            refused.append((path.relative_to(source).as_posix(), problem))
    return list(found.values()), refused


def _of_region(
    region: Region, volume: Volume, doses: Sequence[Dose], wanted: Wanted, refused: list[tuple[str, Unusable]]
) -> list[dict[str, object]]:
    """Return the rows of a region; what it has no dose of is added to what was refused."""
    place = f"{volume.series_uid}: {region.target}"
    mine = [dose for dose in doses if dose.frame_of_reference_uid == volume.frame_of_reference_uid]
    if not mine:
        refused.append((place, Unusable(NO_DOSE)))
    rows: list[dict[str, object]] = []
    for dose in mine:
        try:
            rows += _rows(region, volume, dose, wanted)
        except Unusable as problem:
            refused.append((place, problem))
    return rows


def _rows(region: Region, volume: Volume, dose: Dose, wanted: Wanted) -> list[dict[str, object]]:
    if wanted.fractions is not None:
        check_eqd2(dose)
    drawn = region.read(volume)
    values = dose_of(drawn.region, volume.grid, dose)
    inside = values[values == values]
    if not inside.size:
        raise Unusable(OUTSIDE_DOSE)
    spacing = volume.grid.spacing
    voxel_cc = spacing[0] * spacing[1] * spacing[2] / 1000
    if wanted.fractions is not None:
        inside = wanted.fractions.eqd2(inside)
    same = {
        "StudyInstanceUID": volume.study_uid,
        "SeriesInstanceUID": volume.series_uid,
        "DoseSOPInstanceUID": dose.sop_uid,
        "DoseSummationType": dose.summation or None,
        "region": region.target,
        "roi_name": region.roi_name,
        "source_digest": region.source_digest,
        "volume_cc": drawn.region.voxels * voxel_cc,
        "dose_coverage": inside.size / values.size,
        "kind": "physical" if wanted.fractions is None else "EQD2",
        "mask_notes": ", ".join(drawn.notes) or None,
    }
    return [
        {**same, "metric": name, "value": value, "unit": unit}
        for name, value, unit in metrics_of(inside, voxel_cc, wanted.metrics)
    ]
