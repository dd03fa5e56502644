"""What the study's own table says of its PET, under the names that they have in staging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import polars as pl

from unibase.flows.runs.run import Run
from unibase.flows.study.places import PET_FACTS as PET_FACTS_TABLE
from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Unit
from unibase.imaging.dicom.pet_table import Given, PetRow, check_given, given, read_pet_table
from unibase.imaging.dicom.read_as import PetFacts
from unibase.imaging.options import DeidentifyOptions
from unibase.imaging.tables import PET_FACTS
from unibase.privacy.dates import shift
from unibase.privacy.pseudonyms import uid


@dataclass(frozen=True)
class PetDoor:
    """What a worker needs to find the row of a PET.

    Attributes:
        rows: Rows of the table, named as series are in staging.
        shifts: Days by which the images of each subject are shifted.
    """

    rows: tuple[PetRow, ...] = ()
    shifts: dict[int, int] | None = None

    def given(self, series: dict[str, Any]) -> Given | None:
        """Return what the table says of a series, its time shifted as those of the images are.

        Args:
            series: A row of a SERIES frame.
        """
        if series["Modality"] != "PT" or not self.rows:
            return None
        days = (self.shifts or {}).get(series["subject_id"], 0)
        moment = series["series_time"]
        day = "" if moment is None else (moment - timedelta(days=days)).strftime("%Y%m%d")
        names = {**series, "PatientID": str(series["subject_id"])}
        mine = [row for row in self.rows if row.centre in ("", series["centre"])]
        found = given(mine, names, day)
        if found is None or found.facts.start is None:
            return found
        return replace(found, facts=replace(found.facts, start=shift(found.facts.start, days)))


def pet_door(run: Run) -> PetDoor:
    """Return the rows of the study's table, each under the name that its PET has in staging.

    Args:
        run: The run of the study.

    Raises:
        UserError: If the table cannot be read, or a row does not name a centre of the study.
    """
    options = run.study.features
    if options is None or options.pet_table is None:
        return PetDoor()
    rows = read_pet_table(run.study.path(options.pet_table))
    kept = DeidentifyOptions(**run.study.deidentification.model_dump(include=set(DeidentifyOptions.model_fields))).enabled()
    centres = list(run.study.centres)
    named = [replace(row, centre=_centre(row, centres)) for row in rows]
    subjects = {subject.subject_id: subject for subject in run.lookup.by_identifier.values()}
    shifts = {} if "full_dates" in kept else {number: subject.shift_days for number, subject in subjects.items()}
    return PetDoor(tuple(replace(row, name=_staged_name(run, row, "uids" in kept)) for row in named), shifts)


def _centre(row: PetRow, centres: Sequence[str]) -> str:
    if row.centre in centres:
        return row.centre
    if not row.centre and len(centres) == 1:
        return centres[0]
    raise UserError(f"features.pet_table, row {row.row}: centre is none of {', '.join(centres)}. Write one of them.")


def _staged_name(run: Run, row: PetRow, uids_kept: bool) -> str:
    if row.column == "PatientID":
        subject = run.lookup.find(row.centre, "ipp", row.name)
        return "" if subject is None else str(subject.subject_id)
    return row.name if uids_kept else uid(run.key, row.name)


def write_facts(run: Run, door: PetDoor, found: Sequence[Given]) -> None:
    """Write what each PET was given, and tell the rows of the table that are of none.

    Args:
        run: The run of the study.
        door: The rows of the table.
        found: What each PET series was given.

    Raises:
        UserError: If two rows are of one PET, or a row is of several studies of a person.
    """
    stray = check_given(found, door.rows)
    rows = [
        {"SeriesInstanceUID": one.series_uid, "StudyInstanceUID": one.study_uid, "row": one.rows[0], **asdict(one.facts)}
        for one in found
    ]
    PET_FACTS.write(pl.DataFrame(rows, schema=PET_FACTS.schema()), run.place(PET_FACTS_TABLE))
    if door.rows:
        told = f"; no PET is there for row {', '.join(str(number) for number in stray)}" if stray else ""
        run.say(f"index: the study's table tells of {len(found)} PET series{told}")


def with_facts(run: Run, units: Sequence[Unit]) -> list[Unit]:
    """Return the units of features, each PET with what the study's table says of it; a change of that makes it run again.

    Args:
        run: The run of the study.
        units: Units whose arguments are `FeatureTask`.
    """
    known = _known_facts(run)
    told = []
    for unit in units:
        facts = known.get(unit.arguments.series_uid or "")
        if facts is not None:
            digest = digest_of([unit.input_digest, repr(facts)])
            unit = replace(unit, input_digest=digest, arguments=replace(unit.arguments, pet=facts))
        told.append(unit)
    return told


def _known_facts(run: Run) -> dict[str, PetFacts]:
    names = list(PetFacts.__dataclass_fields__)
    rows = PET_FACTS.read(run.place(PET_FACTS_TABLE)).to_dicts()
    return {row["SeriesInstanceUID"]: PetFacts(**{name: row[name] for name in names}) for row in rows}
