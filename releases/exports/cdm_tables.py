"""The tables of OMOP CDM 5.4 that a release is written to, and the two of the imaging extension (MI-CDM): columns and types.

Types and what may be empty are those of OHDSI's DDL for CDM 5.4; MI-CDM after Park et al., J Imaging Inform Med 2024;37:899.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

INTEGER, DATE, MOMENT, NUMBER = "integer", "date", "timestamp", "numeric"
_SQL = {"text": "text", "i": INTEGER, "d": DATE, "t": MOMENT, "n": NUMBER}
_POLARS = {INTEGER: pl.Int32(), DATE: pl.Date(), MOMENT: pl.Datetime("us"), NUMBER: pl.Float64()}


@dataclass(frozen=True)
class Field:
    """A column of the CDM: its name, its type in SQL, and whether it must be filled."""

    name: str
    sql: str
    needed: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """Its type in polars."""
        return _POLARS.get(self.sql, pl.String())

    @property
    def longest(self) -> int | None:
        """The longest text that fits; None for other types."""
        return int(self.sql.removeprefix("varchar(").removesuffix(")")) if self.sql.startswith("varchar") else None


def _fields(text: str) -> tuple[Field, ...]:
    """Return fields from words such as `person_id:i! value:50`: i integer, d date, t timestamp, n numeric, else a text's length."""
    return tuple(_field(word) for word in text.split())


def _field(word: str) -> Field:
    name, kind = word.removesuffix("!").split(":")
    return Field(name, _SQL.get(kind, f"varchar({kind})"), word.endswith("!"))


TABLES: Mapping[str, tuple[Field, ...]] = {
    "person": _fields(
        "person_id:i! gender_concept_id:i! year_of_birth:i! month_of_birth:i day_of_birth:i birth_datetime:t race_concept_id:i! "
        "ethnicity_concept_id:i! care_site_id:i person_source_value:50 gender_source_value:50"
    ),
    "observation_period": _fields(
        "observation_period_id:i! person_id:i! observation_period_start_date:d! observation_period_end_date:d! "
        "period_type_concept_id:i!"
    ),
    "care_site": _fields("care_site_id:i! care_site_name:255 care_site_source_value:50"),
    "visit_occurrence": _fields(
        "visit_occurrence_id:i! person_id:i! visit_concept_id:i! visit_start_date:d! visit_start_datetime:t visit_end_date:d! "
        "visit_end_datetime:t visit_type_concept_id:i! visit_source_value:50 visit_source_concept_id:i"
    ),
    "condition_occurrence": _fields(
        "condition_occurrence_id:i! person_id:i! condition_concept_id:i! condition_start_date:d! condition_start_datetime:t "
        "condition_end_date:d condition_end_datetime:t condition_type_concept_id:i! condition_source_value:50 "
        "condition_source_concept_id:i"
    ),
    "drug_exposure": _fields(
        "drug_exposure_id:i! person_id:i! drug_concept_id:i! drug_exposure_start_date:d! drug_exposure_start_datetime:t "
        "drug_exposure_end_date:d! drug_exposure_end_datetime:t drug_type_concept_id:i! quantity:n drug_source_value:50 "
        "drug_source_concept_id:i dose_unit_source_value:50"
    ),
    "procedure_occurrence": _fields(
        "procedure_occurrence_id:i! person_id:i! procedure_concept_id:i! procedure_date:d! procedure_datetime:t "
        "procedure_end_date:d procedure_end_datetime:t procedure_type_concept_id:i! procedure_source_value:50 "
        "procedure_source_concept_id:i"
    ),
    "measurement": _fields(
        "measurement_id:i! person_id:i! measurement_concept_id:i! measurement_date:d! measurement_datetime:t "
        "measurement_type_concept_id:i! value_as_number:n value_as_concept_id:i unit_concept_id:i measurement_source_value:50 measurement_source_concept_id:i "
        "unit_source_value:50 value_source_value:50 measurement_event_id:i meas_event_field_concept_id:i"
    ),
    "observation": _fields(
        "observation_id:i! person_id:i! observation_concept_id:i! observation_date:d! observation_datetime:t "
        "observation_type_concept_id:i! value_as_number:n value_as_string:60 value_as_concept_id:i unit_concept_id:i "
        "observation_source_value:50 observation_source_concept_id:i unit_source_value:50 value_source_value:50"
    ),
    "death": _fields("person_id:i! death_date:d! death_datetime:t death_type_concept_id:i"),
    "specimen": _fields(
        "specimen_id:i! person_id:i! specimen_concept_id:i! specimen_type_concept_id:i! specimen_date:d! specimen_datetime:t "
        "specimen_source_id:50 specimen_source_value:50"
    ),
    "episode": _fields(
        "episode_id:i! person_id:i! episode_concept_id:i! episode_start_date:d! episode_start_datetime:t episode_end_date:d "
        "episode_end_datetime:t episode_number:i episode_object_concept_id:i! episode_type_concept_id:i! episode_source_value:50 episode_source_concept_id:i"
    ),
    "episode_event": _fields("episode_id:i! event_id:i! episode_event_field_concept_id:i!"),
    "cdm_source": _fields(
        "cdm_source_name:255! cdm_source_abbreviation:25! cdm_holder:255! source_description:text source_release_date:d! "
        "cdm_release_date:d! cdm_version:10 cdm_version_concept_id:i! vocabulary_version:20!"
    ),
    "image_occurrence": _fields(
        "image_occurrence_id:i! person_id:i! procedure_occurrence_id:i! visit_occurrence_id:i anatomic_site_concept_id:i "
        "wadors_uri:255 local_path:255 image_occurrence_date:d! image_study_uid:255! image_series_uid:255! "
        "modality_concept_id:i!"
    ),
    "image_feature": _fields(
        "image_feature_id:i! person_id:i! image_occurrence_id:i! image_feature_event_field_concept_id:i "
        "image_feature_event_id:i image_feature_concept_id:i! image_feature_type_concept_id:i! image_finding_concept_id:i "
        "image_finding_id:i anatomic_site_concept_id:i alg_system:255 alg_datetime:t"
    ),
    "concept": _fields(
        "concept_id:i! concept_name:255! domain_id:20! vocabulary_id:20! concept_class_id:20! standard_concept:1 "
        "concept_code:50! valid_start_date:d! valid_end_date:d! invalid_reason:1"
    ),
}
"""Columns of each table that are written; all others of the CDM may be empty, and are not there."""

EXTENSION = ("image_occurrence", "image_feature")
"""The tables of MI-CDM, which OHDSI's DDL for the CDM does not have."""


def conform(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with the columns of the CDM table `name`, in order and with its types; texts cut where they are too long.

    >>> conform("care_site", pl.DataFrame({"care_site_id": [1], "care_site_name": ["lyon"]})).columns
    ['care_site_id', 'care_site_name', 'care_site_source_value']
    """
    columns = []
    for field in TABLES[name]:
        column = pl.col(field.name) if field.name in frame.columns else pl.lit(None)
        column = column.cast(field.dtype)
        columns.append((column if field.longest is None else column.str.slice(0, field.longest)).alias(field.name))
    return frame.select(columns)


def ddl(name: str) -> str:
    """Return SQL that makes the table `name` in DuckDB or PostgreSQL, with the columns that are written.

    >>> ddl("care_site").splitlines()[0]
    'CREATE TABLE care_site ('
    """
    lines = [f"    {field.name} {field.sql}{' NOT NULL' if field.needed else ''}" for field in TABLES[name]]
    return f"CREATE TABLE {name} (\n" + ",\n".join(lines) + "\n);\n"


def load(name: str, command: str) -> str:
    """Return SQL that fills the table `name` from its file, whatever further columns the table has.

    Args:
        name: A table.
        command: `COPY` for DuckDB, `\\copy` for psql.

    >>> load("death", "COPY")
    "COPY death (person_id, death_date, death_datetime, death_type_concept_id) FROM 'death.csv' (FORMAT csv, HEADER);\\n"
    """
    columns = ", ".join(field.name for field in TABLES[name])
    return f"{command} {name} ({columns}) FROM '{name}.csv' (FORMAT csv, HEADER);\n"
