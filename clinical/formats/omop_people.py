"""Who the persons of an OMOP source are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from unibase.clinical.formats import omop_persons, omop_tables
from unibase.clinical.formats.declaration import Asked
from unibase.clinical.formats.people_rows import PersonRow, person_row
from unibase.clinical.sources import databases, reading
from unibase.clinical.sources.events import Identifier
from unibase.clinical.sources.workbooks import all_tables
from unibase.groundwork.problems import UserError


def omop_people(asked: Asked) -> Iterator[PersonRow]:
    """Yield rows for each person of a PERSON table: person_id (`omop`), person_source_value (`ipp`), birth and sex.

    Args:
        asked: The source.

    Raises:
        UserError: If there is no PERSON table.
    """
    for one in omop_persons.omop_persons(_person_table(asked)).iter_rows(named=True):
        if one["person"] is None:
            continue
        known = {"birth_date": _iso([one["year_of_birth"], one["month_of_birth"], one["day_of_birth"]]), "sex": one["sex"]}
        for system, value in (("omop", one["person"]), ("ipp", one["ipp"])):
            if value:
                place = ("person", one["source_row"])
                yield person_row(asked.centre, one["person"], Identifier(system, value), place, **known)


def _person_table(asked: Asked) -> reading.SourceTable:
    with tempfile.TemporaryDirectory() as scratch:
        if databases.is_database(asked.path):
            found = databases.copy_database(asked.path, {"person": None}, Path(scratch))
            told = "There is no PERSON table in this database. Name its schema: ?schema=cdm."
        else:
            found = {omop_tables.plain_name(name): files for name, files in all_tables(asked.folder, Path(scratch)).items()}
            told = f"There is no PERSON table in {asked.path}. Name the folder that holds person.csv."
        if "person" not in found:
            raise UserError(told)
        return reading.read_tables(found["person"], "person")


def _iso(parts: list[str | None]) -> str | None:
    """Return the date cut to what is known: nothing after the first unknown part."""
    known: list[str] = []
    for part, width in zip(parts, (4, 2, 2), strict=True):
        if not part or not part.isdecimal():
            break
        known.append(part.zfill(width))
    return "-".join(known) or None
