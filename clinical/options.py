"""What a study file may say of clinical records."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from unibase.clinical.formats.format_names import Format
from unibase.clinical.formats.format_names import PeopleFormat as PeopleFormat
from unibase.groundwork.sections import Section

CYCLE_DAYS = 28
"""Molecules that start within so many days of a regimen's first day belong to it."""


class ObjectionColumn(Section):
    """A column that says who objects to the use of their records."""

    table: str
    """Table of the source that has the column, such as `person`."""
    person: str
    """Column of the person."""
    column: str
    """Column that says it."""
    values: list[str] = Field(min_length=1)
    """Words of that column that say that the person objects; case and accents do not count, and other ways to write yes, no or a
    number are known (`oui`, `O`, `true`, `1.0`). A word of opposition or refusal counts, named or not."""
    stays: list[str] = Field(default=[])
    """Words of that column that say no objection. Where some are named, any word that is in neither list says one."""
    system: str = "ipp"
    """Kind of number in the column of the person: `ipp`, `omop` (person_id), `osiris`, `fhir`."""


class ClinicalSource(Section):
    """Clinical records of a centre."""

    format: Format
    """Format of the records."""
    path: str
    """Folder (or file) of the records, relative to the study file. For `omop` and declared tables also a DuckDB file, or a PostgreSQL server
    (`postgresql://user@host/database?schema=cdm`; the password by PGPASSFILE), which is read at every build."""
    mapping: str | None = None
    """For `csv`: the YAML file that says which column means what."""
    texts: list[str] = Field(default=[])
    """Further texts that may travel, beside codes and the words of closed lists; whatever else is withheld, for it may name a person."""
    cutoff: date | Literal["none"] | None = None
    """The last day that counts in this centre (`2024-06-30`); `none` for no end. By default that of the study, else the day of the
    export, which the files' last change tells: what lies after it is told and set aside. De-identified sources whose calendar was
    moved into the future are known by their births, and have no end."""
    objection: ObjectionColumn | None = None
    """Where the source says who objects, beside what its format has for it (OSIRIS-RWD item 2.3, FHIR Consent), which is
    always obeyed."""


class Treatments(Section):
    """How lines and changes of treatment are told apart (`DERIVED//LINE`, `DERIVED//TREATMENT_CHANGE` in the timeline)."""

    cycle_days: int = Field(default=CYCLE_DAYS, ge=1)
    """Molecules that start within so many days of a regimen's first day belong to it."""
    protocols: list[list[str]] = Field(default=[])
    """Sets of ATC codes planned together, in whatever sequence: changes inside one are none."""
