"""What the tables of OMOP CDM 5.4 (and 5.3) hold: where each keeps what an event needs, and which hold no event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.clinical.reasons import UNKNOWN_TABLE
from unibase.clinical.sources.events import SOURCE_EVENTS, TableEvents
from unibase.clinical.sources.problem_rows import RowProblem, unread_columns, zoned_columns


@dataclass(frozen=True)
class EventTable:
    """Where a CDM table keeps what an event needs."""

    domain: str
    concept: str
    date: str
    datetime: str = ""
    source_concept: str = ""
    source_value: str = ""
    end: str = ""
    end_datetime: str = ""
    prefix: str = ""
    shapes: Mapping[str, str] | None = None
    status: str = ""
    object: str = ""
    discharge: tuple[str, ...] = ()
    discharge_words: tuple[str, ...] = ()


DEATH_CONCEPTS = (434489, 4216643, 4306655)
"""Standard concepts by which a row says that its person died: Dead, Patient died, Death."""
_DISCHARGE_WORDS = ("discharged_to_source_value", "discharge_to_source_value")
_DISCHARGE = ("discharged_to_concept_id", "discharge_to_concept_id")
"""Where CDM 5.4 and 5.3 keep what a stay ended with. A part of a stay may repeat it of the whole: VISIT_DETAIL is not asked."""

_ICD10 = {"ICD10": r"^[A-Z]\d{2}(?:\.?\d{1,4})?[+*!]?$", "ICDO3": r"^\d{4}/\d(?:-C\d{2}(?:\.\d)?)?$"}


EVENT_TABLES: dict[str, EventTable] = {
    "condition_occurrence": EventTable(
        "CONDITION", "condition_concept_id", "condition_start_date", "condition_start_datetime",
        "condition_source_concept_id", "condition_source_value", "condition_end_date", "condition_end_datetime",
        shapes=_ICD10, status="condition_status_concept_id",
    ),
    "drug_exposure": EventTable(
        "DRUG", "drug_concept_id", "drug_exposure_start_date", "drug_exposure_start_datetime",
        "drug_source_concept_id", "drug_source_value", "drug_exposure_end_date", "drug_exposure_end_datetime",
        shapes={"ATC": r"^[A-Z]\d{2}[A-Z]{2}\d{2}$"},
    ),
    "procedure_occurrence": EventTable(
        "PROCEDURE", "procedure_concept_id", "procedure_date", "procedure_datetime",
        "procedure_source_concept_id", "procedure_source_value", "procedure_end_date", "procedure_end_datetime",
        shapes={"CCAM": r"^[A-Z]{4}\d{3}(?:-\d{1,4}){0,3}$"},
    ),
    "measurement": EventTable(
        "MEASUREMENT", "measurement_concept_id", "measurement_date", "measurement_datetime",
        "measurement_source_concept_id", "measurement_source_value", shapes={"LOINC": r"^\d{1,5}-\d$"},
    ),
    "observation": EventTable(
        "OBSERVATION", "observation_concept_id", "observation_date", "observation_datetime",
        "observation_source_concept_id", "observation_source_value", shapes={"LOINC": r"^\d{1,5}-\d$"},
    ),
    "device_exposure": EventTable(
        "DEVICE", "device_concept_id", "device_exposure_start_date", "device_exposure_start_datetime",
        "device_source_concept_id", "", "device_exposure_end_date", "device_exposure_end_datetime",
    ),
    "specimen": EventTable("SPECIMEN", "specimen_concept_id", "specimen_date", "specimen_datetime", prefix="SPECIMEN//"),
    "visit_occurrence": EventTable(
        "VISIT", "visit_concept_id", "visit_start_date", "visit_start_datetime", "", "",
        "visit_end_date", "visit_end_datetime", prefix="VISIT//", discharge=_DISCHARGE,
        discharge_words=_DISCHARGE_WORDS,
    ),
    "visit_detail": EventTable(
        "VISIT_DETAIL", "visit_detail_concept_id", "visit_detail_start_date", "visit_detail_start_datetime", "", "",
        "visit_detail_end_date", "visit_detail_end_datetime", prefix="VISIT_DETAIL//",
    ),
    "episode": EventTable(
        "EPISODE", "episode_concept_id", "episode_start_date", "episode_start_datetime", "episode_source_concept_id",
        "episode_source_value", "episode_end_date", "episode_end_datetime", prefix="EPISODE//",
        object="episode_object_concept_id",
    ),
    "observation_period": EventTable(
        "OBSERVATION_PERIOD", "period_type_concept_id", "observation_period_start_date", "", "", "",
        "observation_period_end_date", prefix="OBSERVATION_PERIOD//",
    ),
}  # fmt: skip


NOT_EVENTS: dict[str, str] = {
    **dict.fromkeys(("note", "note_nlp"), "free text"),
    **dict.fromkeys(("condition_era", "drug_era", "dose_era"), "derived from events that are read"),
    **dict.fromkeys(("cost", "payer_plan_period"), "billing"),
    **dict.fromkeys(("care_site", "provider", "location"), "about places and staff, not persons"),
    **dict.fromkeys(("cohort", "cohort_attribute", "cohort_definition", "attribute_definition"), "results of analyses"),
    **dict.fromkeys(("fact_relationship", "episode_event"), "links between rows"),
    **dict.fromkeys(("cdm_source", "metadata"), "about the database"),
    **dict.fromkeys(
        (
            "concept", "vocabulary", "domain", "concept_class", "concept_relationship", "relationship", "concept_synonym",
            "concept_ancestor", "source_to_concept_map", "drug_strength",
        ),
        "vocabulary",
    ),
}  # fmt: skip
"""CDM tables that hold no event of a person, and why."""


def unread_tables(names: Iterable[str]) -> list[TableEvents]:
    """Return what is to be told of the tables, of a source's `names`, that CDM 5.4 does not have."""
    unread = set(names) - set(EVENT_TABLES) - set(NOT_EVENTS) - {"person", "death"}
    message = "This is no table of OMOP CDM 5.4 that holds events."
    problem = RowProblem(0, UNKNOWN_TABLE, message, refused=False)
    # The name of an unknown file may tell a person, so it is counted instead.
    nothing, numbers = pl.DataFrame(schema=SOURCE_EVENTS), range(1, len(unread) + 1)
    return [TableEvents(f"unread-{n}", 0, nothing, [problem]) for n in numbers]


_VALUE_COLUMNS = (
    "value_as_number", "value_as_concept_id", "value_as_string", "value_source_value", "operator_concept_id", "unit_concept_id",
    "unit_source_value",
)  # fmt: skip


DEATH_COLUMNS = ("person_id", "death_date", "death_datetime", "cause_concept_id", "cause_source_concept_id")


def columns_of(name: str) -> tuple[str, ...]:
    """Return the columns of the CDM table `name` that its events are made of.

    >>> columns_of("measurement")[:3]
    ('person_id', 'measurement_concept_id', 'measurement_date')
    """
    if name == "death":
        return DEATH_COLUMNS
    rule = EVENT_TABLES[name]
    own = (
        rule.concept,
        rule.date,
        rule.datetime,
        rule.source_concept,
        rule.source_value,
        rule.end,
        rule.end_datetime,
        rule.status,
        rule.object,
        *rule.discharge,
        *rule.discharge_words,
    )
    return ("person_id", *(column for column in own if column), *_VALUE_COLUMNS)


_LINKS = frozenset({"visit_occurrence_id", "visit_detail_id", "provider_id", "care_site_id", "location_id"})
PERSON_COLUMNS = (
    "person_id", "person_source_value", "gender_concept_id", "gender_source_value", "year_of_birth", "month_of_birth",
    "day_of_birth", "birth_datetime",
)  # fmt: skip


def left_columns(name: str, columns: Sequence[str]) -> list[RowProblem]:
    """Return what is to be told of the columns of the CDM table `name`, of those it has, that no event is made of.

    Keys and links say nothing of a person, and are not told.

    >>> [one.message for one in left_columns("measurement", ["measurement_id", "person_id", "range_low"])]
    ['1 columns are read by nothing: range_low.']
    """
    read = PERSON_COLUMNS if name == "person" else columns_of(name)
    return unread_columns(columns, {*read, *_LINKS, f"{name}_id"}, "nothing")


def left_of_files(tables: Mapping[str, Sequence[Path]]) -> list[TableEvents]:
    """Return what is to be told of the columns, of `tables` in Parquet, by name, that no event is made of."""
    out: list[TableEvents] = []
    for name in (*EVENT_TABLES, "death"):
        columns = [column.strip().lower() for path in tables.get(name, []) for column in pl.read_parquet_schema(path)]
        zoned = {one.column: one for path in tables.get(name, []) for one in zoned_columns(pl.read_parquet_schema(path))}
        told = [*left_columns(name, list(dict.fromkeys(columns))), *zoned.values()]
        out.append(TableEvents(name, 0, pl.DataFrame(schema=SOURCE_EVENTS), told))
    return [one for one in out if one.problems]


def plain_name(name: str) -> str:
    """Return the name of a CDM table without the prefix that some exports put before it.

    >>> plain_name("2b_measurement")
    'measurement'
    """
    return name.removeprefix("2b_")
