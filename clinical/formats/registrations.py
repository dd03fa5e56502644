"""Who the persons of a clinical source are: the rows the identity ledger links, for sources that hold identities."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.clinical.formats.declaration import Asked, declared_format
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE


def read_people(format: str, path: Path | str, centre: str) -> pl.DataFrame:
    """Return PEOPLE: one row per identifier of every person of a source.

    FHIR Patients give names, birth, sex, place of birth, hospital numbers (`ipp`), INS (by its OID) and their id
    (`fhir`); OMOP PERSON gives person_id (`omop`), person_source_value (`ipp`), birth and sex; OSIRIS and OSIRIS-RWD give
    the patient number (`osiris`, and the same as `ipp`), birth and sex.

    Args:
        format: Name of a clinical format.
        path: The source.
        centre: Name of the centre.

    Raises:
        UserError: If the format holds no identities, or the source cannot be read.
    """
    people = declared_format(format).people
    if people is None:
        raise UserError(f"A source in the format {format} does not say who its persons are. Name a people file for the centre.")
    rows = list(people(Asked(path, centre)))
    frame = pl.DataFrame(rows, schema=PEOPLE.schema(), orient="row", infer_schema_length=None)
    # A source may repeat a person; the first row that names an identifier counts.
    return PEOPLE.conform(frame.unique(list(PEOPLE.key), keep="first", maintain_order=True))
