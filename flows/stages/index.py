"""Stage `index`: what series the de-identified files are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from unibase.flows.reasons import CONFLICTING_DUPLICATE
from unibase.flows.runs.run import Run, files_below
from unibase.flows.runs.stage import Stage
from unibase.flows.stages.deidentify import BATCH, written_files
from unibase.flows.stages.index_pet import PetDoor, pet_door, write_facts
from unibase.flows.study.places import DICOM, PET_FACTS
from unibase.flows.study.places import REPORT_VALUES as REPORT_VALUES_TABLE
from unibase.flows.study.places import SERIES as SERIES_TABLE
from unibase.flows.study.places import VOLUMES as VOLUMES_TABLE
from unibase.groundwork.files import digest_of, remove_file
from unibase.groundwork.image_tables import REPORT_VALUES, VOLUMES
from unibase.groundwork.tables import QUARANTINE, SERIES, Table
from unibase.groundwork.work import Job, Outcome, Unit
from unibase.imaging.dicom.inventory import volumes_frame
from unibase.imaging.dicom.pet_table import Given
from unibase.imaging.dicom.read_as import PetFacts, Reading
from unibase.imaging.dicom.report_values import report_frame, report_values
from unibase.imaging.dicom.series import index_folder

_CODE = ("unibase.imaging.dicom.series", "unibase.imaging.dicom.inventory", "unibase.imaging.dicom.report_values")


def index_series(run: Run) -> pl.DataFrame:
    """Index what was de-identified, after clearing away what no source file stands for any more.

    A unit is the folder of a series; one whose files are those of the last run is not read again.
    """
    folder, staging = run.place(DICOM), run.study.work.staging
    folder.mkdir(parents=True, exist_ok=True)
    staged = _staged(run)
    for file in files_below(folder):
        if file.relative_to(folder).as_posix() not in staged.kept:
            remove_file(file, folder)
    reading, pet = _reading(run), pet_door(run)
    asked = [asdict(reading), digest_of([repr(pet)]) if pet.rows else None]
    job = Job("index", _index, shared=_Shared(staging, reading, pet), settings=asked, batch_size=BATCH)
    outcomes = run.units(job, _units(staged, folder), code=_CODE)
    volumes = _gathered(outcomes, VOLUMES, "volumes", "volume_time", run.place(VOLUMES_TABLE))
    series = _gathered(outcomes, SERIES, "series", "series_time", run.place(SERIES_TABLE))
    reported = [row for outcome in outcomes if outcome.status == "done" for row in outcome.result["reports"]]
    REPORT_VALUES.write(report_frame(reported), run.place(REPORT_VALUES_TABLE))
    write_facts(run, pet, [_given(one) for outcome in outcomes if outcome.status == "done" for one in outcome.result["pet"]])
    refused = run.quarantine_rows("index", None, outcomes)
    QUARANTINE.write(pl.concat([_conflicts(run, sorted(staged.conflicts)), refused]), run.quarantine_file("index"))
    held = volumes.filter(pl.col("status") == "volume").height
    run.say(
        f"index: {series.height} series of {series['subject_id'].n_unique()} subjects; {held} volumes"
        + (f"; {len(reported)} values of reports" if reported else "")
    )
    return series


@dataclass(frozen=True)
class _Staged:
    """The files that de-identification wrote, by their path below the staging folder.

    Attributes:
        kept: Digest of each file that is used.
        conflicts: Files that two source files of different content claim.
        centre_of: Centre of each folder.
    """

    kept: dict[str, str]
    conflicts: frozenset[str]
    centre_of: dict[str, str]


def _staged(run: Run) -> _Staged:
    written: dict[str, set[str]] = defaultdict(set)
    centre_of: dict[str, str] = {}
    for name in run.study.centres:
        for path, digest in written_files(run, name):
            written[path].add(digest)
            centre_of[PurePosixPath(path).parent.as_posix()] = name
    conflicts = frozenset(path for path, digests in written.items() if len(digests) > 1)
    kept = {path: min(digests) for path, digests in written.items() if path not in conflicts}
    return _Staged(kept, conflicts, centre_of)


def _units(staged: _Staged, folder: Path) -> list[Unit]:
    """Return a unit for each folder of a series."""
    members: dict[str, dict[str, str]] = defaultdict(dict)
    for path, digest in staged.kept.items():
        place = PurePosixPath(path)
        members[place.parent.as_posix()][place.name] = digest
    units = []
    for name, files in members.items():
        digest = digest_of([staged.centre_of[name], sorted(files.items())])
        units.append(Unit(name, digest, (folder / name, staged.centre_of[name], files)))
    return units


def _gathered(outcomes: Sequence[Outcome], table: Table, name: str, time: str, path: Path) -> pl.DataFrame:
    """Write the rows that the units found of a table, and return them; times travel as text."""
    rows = [row for outcome in outcomes if outcome.status == "done" for row in outcome.result[name]]
    frame = pl.DataFrame(rows, schema={**table.schema(), time: pl.String})
    return table.write(frame.with_columns(pl.col(time).str.to_datetime()), path)


@dataclass(frozen=True)
class _Shared:
    """What every worker needs: what folders are relative to, how volumes are read, and the study's table of PET."""

    staging: Path
    reading: Reading
    pet: PetDoor


def _reading(run: Run) -> Reading:
    options = run.study.features
    return Reading() if options is None else Reading(options.suv, options.tilt, options.missing_slices)


@dataclass(frozen=True)
class _Indexed:
    """Rows of SERIES, of VOLUMES and of REPORT_VALUES of one folder, and what its PET are given, times as text."""

    series: list[dict[str, object]]
    volumes: list[dict[str, object]]
    reports: list[dict[str, object]]
    pet: list[dict[str, object]]


def _index(shared: _Shared, work: tuple[Path, str, dict[str, str]]) -> _Indexed:
    """Return the SERIES and VOLUMES rows of one folder, and what its PET are given, as JSON."""
    folder, centre, digests = work
    series = index_folder(folder, centre, relative_to=shared.staging, digests=digests)
    files = files_below(folder)
    found = {row["SeriesInstanceUID"]: shared.pet.given(row) for row in series.to_dicts()}

    def reading_of(row: Mapping[str, object]) -> Reading:
        one = found[row["SeriesInstanceUID"]]
        return shared.reading if one is None else replace(shared.reading, pet=one.facts)

    volumes = volumes_frame(series, dict.fromkeys(series["folder"], files), reading_of)
    given = [one for one in found.values() if one is not None]
    starts = [one.facts.start and one.facts.start.isoformat() for one in given]
    return _Indexed(
        series=_as_json(series, "series_time"),
        volumes=_as_json(volumes, "volume_time"),
        reports=[row for one in series.to_dicts() for row in report_values(one, files)],
        pet=[asdict(one) | {"facts": asdict(one.facts) | {"start": start}} for one, start in zip(given, starts, strict=True)],
    )


def _given(told: Mapping[str, Any]) -> Given:
    facts = dict(told["facts"])
    start = None if facts["start"] is None else datetime.fromisoformat(facts["start"])
    return Given(told["series_uid"], told["study_uid"], tuple(told["rows"]), PetFacts(**{**facts, "start": start}))


def _as_json(frame: pl.DataFrame, time: str) -> list[dict[str, object]]:
    return [{**row, time: row[time] and row[time].isoformat()} for row in frame.to_dicts()]


def _conflicts(run: Run, paths: list[str]) -> pl.DataFrame:
    said = {
        "stage": "index",
        "centre": None,
        "reason": CONFLICTING_DUPLICATE,
        "message": CONFLICTING_DUPLICATE.meaning,
        "remedy": CONFLICTING_DUPLICATE.remedy,
    }
    rows = [{**said, "unit": run.token("index", path)} for path in paths]
    return pl.DataFrame(rows, schema=QUARANTINE.schema())


STAGE = Stage(
    "index",
    "Index the series and their volumes",
    reads=(DICOM,),
    leaves=(SERIES_TABLE, VOLUMES_TABLE, REPORT_VALUES_TABLE, PET_FACTS),
    run=index_series,
    derived=True,
)
