"""Stage `images`: the voxels that a release holds, as stores that load at once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import polars as pl

from unibase.flows.runs.run import Run, summary
from unibase.flows.runs.stage import Stage
from unibase.flows.stages.index_pet import with_facts
from unibase.flows.stages.segment import asked_of, with_machine_masks
from unibase.flows.study.places import DICOM, PET_FACTS, SEGMENTED_MASKS, VOXEL_STORES
from unibase.flows.study.places import SEGMENTED as SEGMENTED_TABLE
from unibase.flows.study.places import SERIES as SERIES_TABLE
from unibase.flows.study.places import VOXELS as VOXELS_TABLE
from unibase.groundwork.image_tables import VOXELS
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import QUARANTINE, SERIES
from unibase.groundwork.work import Job, Outcome, Output, Unit
from unibase.imaging.radiomics.plan import plan_units
from unibase.imaging.voxels.stored_series import Kind, Stores, VoxelTask, keep_only, store_series


def store_images(run: Run) -> list[Outcome]:
    """Write the voxels of every series that the release asks for, or remove what an earlier study file asked for.

    Args:
        run: The run.

    Raises:
        UserError: If the study asks for images and says nothing of features: their regions and modalities are meant.
    """
    wanted, folder = run.study.release, run.place(VOXEL_STORES)
    if wanted.images == "none":
        keep_only(folder, [])
        VOXELS.write(VOXELS.empty(), run.place(VOXELS_TABLE))
        QUARANTINE.write(QUARANTINE.empty(), run.quarantine_file("images"))
        return []
    units = _plan(run, folder, wanted.images)
    job = Job(
        "images",
        _store,
        settings={
            "images": wanted.images,
            "margin": wanted.image_margin,
            "heads": bool(wanted.head_images),
            "features": run.study.features and run.study.features.model_dump(mode="json"),
            # What the parameter file says of masks; the rest of it is of features alone.
            "masks": asdict(units[0].arguments.series.mask_rules) if units else None,
        },
        leaves=lambda result: [Output(folder / path) for path in sorted({row["path"] for row in result["stores"]})],
    )
    outcomes = run.units(job, units, code=("unibase.imaging.voxels.stored_series",))
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    rows = [row for outcome in done for row in outcome.result["stores"]]
    keep_only(folder, sorted({Path(row["path"]).parts[0] for row in rows}))
    frame = pl.DataFrame(rows, schema={**VOXELS.schema(), "series_time": pl.String})
    VOXELS.write(frame.with_columns(pl.col("series_time").str.to_datetime()), run.place(VOXELS_TABLE))
    _quarantine(run, outcomes)
    run.say(f"{summary('images', outcomes)}; {len(rows)} stores of voxels")
    return outcomes


def _plan(run: Run, folder: Path, kind: Kind) -> list[Unit]:
    options = run.study.features
    if options is None:
        raise UserError("release.images takes the regions of `features`, which the study file does not have. Add that section.")
    series = SERIES.read(run.place(SERIES_TABLE))
    rows = {f"{row['folder']}:{row['SeriesInstanceUID']}": row for row in series.to_dicts()}
    wanted = run.study.release
    plan = plan_units(series, run.study.work.staging, folder, asked_of(run), options.modalities)
    units = []
    for unit in with_machine_masks(run, with_facts(run, plan.units)):
        row = {**rows[unit.key], "subject_id": int(rows[unit.key]["subject_id"])}
        if kind == "regions" and not unit.arguments.mask_paths:
            continue
        task = VoxelTask(unit.arguments, row, folder, kind, wanted.image_margin, bool(wanted.head_images))
        units.append(Unit(unit.key, unit.input_digest, task))
    return units


def _store(_: None, task: VoxelTask) -> Stores:
    return store_series(task)


def _quarantine(run: Run, outcomes: list[Outcome]) -> None:
    """Write what was left out: whole series, and single volumes of series that were done."""
    parts = [
        Outcome(f"{outcome.key}:{one['part']}", "", "quarantined", None, one["reason"], one["message"], one["remedy"])
        for outcome in outcomes
        if outcome.status == "done"
        for one in outcome.result["left_out"]
    ]
    rows = run.quarantine_rows("images", None, [*outcomes, *parts])
    QUARANTINE.write(pl.concat([QUARANTINE.empty(), rows]), run.quarantine_file("images"))


STAGE = Stage(
    "images",
    "Store the voxels that are released",
    reads=(DICOM, SERIES_TABLE, PET_FACTS, SEGMENTED_TABLE, SEGMENTED_MASKS),
    leaves=(VOXELS_TABLE, VOXEL_STORES),
    run=store_images,
)
