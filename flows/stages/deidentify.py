"""Stages `deidentify` and `index`: from a hospital's DICOM to pseudonymised series."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from unibase.flows.runs import sources
from unibase.flows.runs.run import Run, files_below
from unibase.flows.stages.deidentify_index_event import index_of_subjects
from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import QUARANTINE, SERIES
from unibase.groundwork.work import Outcome, Unit
from unibase.imaging.confidentiality.deidentify import DeidentifyTask, IndexEvent, deidentify_file
from unibase.imaging.dicom.series import index_folder
from unibase.imaging.options import DeidentifyOptions
from unibase.privacy.keys import Key
from unibase.privacy.subjects import SubjectLookup

BATCH = 32
"""Instances per Dask task: a few tens of milliseconds of work each."""


@dataclass(frozen=True)
class _Door:
    """What every worker needs to de-identify one centre's files."""

    destination: Path
    centre: str
    options: DeidentifyOptions
    key: Key
    lookup: SubjectLookup
    index: dict[int, IndexEvent]
    shifts: dict[int, int]


def _deidentify(door: _Door, source: Path) -> dict[str, Any]:
    task = DeidentifyTask(source, door.destination, door.centre, door.options, door.key, door.lookup, door.index)
    result = deidentify_to(task)
    # What the copy says of the index event, and how far its dates moved: when the subject's change, this file is written again.
    number = result["subject_id"]
    return {**result, "index": _said(door.index.get(number)), "shift_days": door.shifts[number]}


def _said(event: IndexEvent | None) -> str:
    return f"{event.kind} {event.shifted_date.isoformat()}" if event else ""


def deidentify_to(task: DeidentifyTask) -> dict[str, Any]:
    """De-identify one instance; the returned path is relative to its root, so that a workspace can move."""
    result = deidentify_file(task)
    return {**result, "path": Path(result["path"]).relative_to(task.destination_root).as_posix()}


def deidentify_centre(run: Run, name: str) -> list[Outcome]:
    """De-identify every file below a centre's DICOM folder; return how each ended.

    Raises:
        UserError: If the folder gives nothing any more (see `sources`).
    """
    stage = f"deidentify-{name}"
    source = run.study.centres[name].dicom
    units = []
    if source:
        root = run.study.path(source)
        for path in files_below(root):
            status = path.stat()
            # Size and time of modification: a nightly run must not read again what it has.
            units.append(Unit(path.relative_to(root).as_posix(), f"{status.st_size}-{status.st_mtime_ns}", path))
        if not units:
            # Before the ledger forgets the files: when the share is mounted again, none of them is processed again.
            sources.check(run, f"{name}.dicom", 0)
    destination = dicom_folder(run)
    mine = {k: v for k, v in run.lookup.by_identifier.items() if k[0] == name}
    shifts = {subject.subject_id: subject.shift_days for subject in mine.values()}
    options = DeidentifyOptions(**run.study.deidentification.model_dump(include=set(DeidentifyOptions.model_fields)))
    events = index_of_subjects(run) if units else {}
    index = {subject: event for subject, event in events.items() if subject in shifts}
    door = _Door(destination, name, options, run.key, SubjectLookup(mine), index, shifts)
    outcomes = run.units(
        stage,
        _deidentify,
        units,
        shared=door,
        settings=[options.model_dump(mode="json"), run.study.deidentification.max_shift_days, run.splits],
        code=("unibase.imaging.confidentiality.deidentify",),
        batch_size=BATCH,
        still_there=lambda result: (
            result.get("shift_days") == shifts.get(result["subject_id"], 0)
            and result["index"] == _said(index.get(result["subject_id"]))
            and (destination / result["path"]).exists()
        ),
    )
    QUARANTINE.write(run.quarantine_rows(stage, name, outcomes), run.quarantine_file("deidentify", name))
    if source:
        run.say(summary(stage, outcomes))
        sources.check(run, f"{name}.dicom", sum(outcome.status == "done" for outcome in outcomes))
    return outcomes


def dicom_folder(run: Run) -> Path:
    """Return where de-identified DICOM stands."""
    return run.study.work.staging / "imaging" / "dicom"


def written_files(run: Run, centre: str) -> list[tuple[str, str]]:
    """Return path below `dicom_folder` and BLAKE3 of every de-identified file of a centre, sorted.

    Raises:
        UserError: If the workspace was filled by a version of unibase that kept another digest of them.
    """
    done = [o.result for _, o in run.ledger.known(f"deidentify-{centre}").values() if o.status == "done"]
    if any("blake3" not in result for result in done):
        raise UserError(
            f"The images of centre {centre} were de-identified by an earlier version of unibase. "
            "Run `unibase build` on the study file: it does again what has changed since, and no more."
        )
    return sorted((result["path"], result["blake3"]) for result in done)


def index_series(run: Run) -> pl.DataFrame:
    """Index what was de-identified, after clearing away what no source file stands for any more.

    A unit is the folder of a series; one whose files are those of the last run is not read again.
    """
    folder, staging = dicom_folder(run), run.study.work.staging
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, set[str]] = defaultdict(set)
    centre_of: dict[str, str] = {}
    for name in run.study.centres:
        for path, digest in written_files(run, name):
            written[path].add(digest)
            centre_of[Path(path).parent.as_posix()] = name
    conflicts = {path for path, digests in written.items() if len(digests) > 1}
    members: dict[str, dict[str, str]] = defaultdict(dict)
    for path, digests in written.items():
        if path not in conflicts:
            place = PurePosixPath(path)
            members[place.parent.as_posix()][place.name] = min(digests)
    for file in files_below(folder):
        relative = file.relative_to(folder).as_posix()
        if relative not in written or relative in conflicts:
            file.unlink()
    units = [
        Unit(place, digest_of([centre_of[place], sorted(files.items())]), (folder / place, centre_of[place], files))
        for place, files in members.items()
    ]
    outcomes = run.units(
        "index", _index, units, settings=None, code=("unibase.imaging.dicom.series",), shared=staging, batch_size=BATCH
    )
    rows = [row for outcome in outcomes if outcome.status == "done" for row in outcome.result["series"]]
    frame = pl.DataFrame(rows, schema={**SERIES.schema(), "series_time": pl.String})
    series = SERIES.write(frame.with_columns(pl.col("series_time").str.to_datetime()), staging / "imaging" / "series.parquet")
    refused = run.quarantine_rows("index", None, outcomes)
    QUARANTINE.write(pl.concat([_conflicts(run, sorted(conflicts)), refused]), run.quarantine_file("index"))
    run.say(f"index: {series.height} series of {series['subject_id'].n_unique()} subjects")
    return series


def _index(staging: Path, work: tuple[Path, str, dict[str, str]]) -> dict[str, Any]:
    """Return the SERIES rows of one folder as JSON."""
    folder, centre, digests = work
    rows = index_folder(folder, centre, relative_to=staging, digests=digests).to_dicts()
    return {"series": [{**row, "series_time": row["series_time"] and row["series_time"].isoformat()} for row in rows]}


def _conflicts(run: Run, paths: list[str]) -> pl.DataFrame:
    rows = [
        {
            "stage": "index",
            "centre": None,
            "unit": run.token("index", path),
            "reason": "conflicting-duplicate",
            "message": "Two source files have one SOP Instance UID and different content; neither is used.",
            "remedy": "Keep the right one in the source folder.",
        }
        for path in paths
    ]
    return pl.DataFrame(rows, schema=QUARANTINE.schema())


def summary(stage: str, outcomes: list[Outcome]) -> str:
    """Return how the units of a stage ended, in one line."""
    quarantined = sum(outcome.status == "quarantined" for outcome in outcomes)
    new = sum(outcome.repeated for outcome in outcomes)
    return f"{stage}: {len(outcomes)} in = {len(outcomes) - quarantined} done + {quarantined} quarantined; {new} processed now"
