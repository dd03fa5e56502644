"""OMOP CDM 5.4 (and 5.3) to source events.

One row makes one event, except in PERSON, which holds birth, sex and further static facts. The code of an event is, in
this order: the source concept, the standard concept (both through the CONCEPT table), a source value that has the shape
of a code of its domain (ICD-10, CCAM, ATC, LOINC), the concept number (`OMOP//201820`). A row without any of them keeps
its place in time under `OMOP_<DOMAIN>//UNMAPPED` and is reported as `unknown-code`.

Dates that OMOP leaves at midnight are days (CDM 5.4: "if no time is available, midnight").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.clinical.sources.events import SOURCE_EVENTS, Identifier, TableEvents
from unibase.clinical.sources.reading import RowProblem, SourceTable
from unibase.clinical.words import partial_dates
from unibase.clinical.words.acts import OMOP_CONDITION_STATUS, PREFIX
from unibase.clinical.words.controlled import is_controlled
from unibase.clinical.words.units import convert_expressions
from unibase.groundwork.tables import TIMESTAMP


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


_ICD10 = {"ICD10": r"^[A-Z]\d{2}(?:\.?\d{1,4})?$", "ICDO3": r"^\d{4}/\d(?:-C\d{2}(?:\.\d)?)?$"}
_CODED = r"^[A-Z][A-Za-z0-9_]{1,19}(?:/{2}|:)\S{1,32}$"

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
        shapes={"CCAM": r"^[A-Z]{4}\d{3}$"},
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
        "visit_end_date", "visit_end_datetime", prefix="VISIT//",
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

_SEX = {8507: "M", 8532: "F"}
PERSON_CODES = ("MEDS_BIRTH", "MEDS_DEATH", "SEX//F", "SEX//M")
"""Codes of the events that PERSON and DEATH give."""
_UNITS = {
    8713: "g/dL", 8636: "g/L", 8645: "U/L", 8840: "mg/dL", 8751: "mg/L", 8753: "mmol/L", 8876: "mm[Hg]", 9529: "kg",
    8582: "cm", 8588: "mm", 8554: "%", 8512: "d", 8505: "h", 8749: "umol/L", 8848: "10*3/uL", 8815: "10*6/uL", 9448: "a",
}  # fmt: skip
"""Standard concepts of common units (OMOP UCUM), for sources without a CONCEPT table."""
_OPERATORS = {4172703: "=", 4172704: ">", 4171756: "<", 4171754: "<=", 4171755: ">="}
INEQUALITIES = frozenset(concept for concept, sign in _OPERATORS.items() if sign != "=")
"""Concepts of operators that change what a value says."""


def unread_tables(names: Iterable[str]) -> list[TableEvents]:
    """Return what is to be told of the tables that CDM 5.4 does not have."""
    unread = set(names) - set(EVENT_TABLES) - set(NOT_EVENTS) - {"person", "death"}
    problem = RowProblem(0, "unknown-table", "This is no table of OMOP CDM 5.4 that holds events.", refused=False)
    # The name of an unknown file may tell a person, so it is counted instead.
    return [TableEvents(f"unread-{n}", 0, pl.DataFrame(schema=SOURCE_EVENTS), [problem]) for n in range(1, len(unread) + 1)]


def read_event_table(name: str, table: SourceTable, concepts: pl.DataFrame, texts: frozenset[str]) -> TableEvents:
    """Return the source events of one event table, or of some rows of it."""
    if name == "death":
        return _read_death(table, concepts)
    return _read_events(EVENT_TABLES[name], name, table, concepts, texts)


_VALUE_COLUMNS = (
    "value_as_number", "value_as_concept_id", "value_as_string", "value_source_value", "operator_concept_id", "unit_concept_id",
    "unit_source_value",
)  # fmt: skip
_DEATH_COLUMNS = ("person_id", "death_date", "death_datetime", "cause_concept_id", "cause_source_concept_id")


def columns_of(name: str) -> tuple[str, ...]:
    """Return the columns of a CDM table that its events are made of."""
    if name == "death":
        return _DEATH_COLUMNS
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
    )
    return ("person_id", *(column for column in own if column), *_VALUE_COLUMNS)


def find_concepts(concept: Sequence[Path], used: set[int]) -> pl.DataFrame:
    """Return `concept_id, vocabulary_id, concept_code` of the concepts in use, from the parts of a CONCEPT table."""
    if not concept:
        return no_concepts()
    columns = ["concept_id", "vocabulary_id", "concept_code"]
    frames = []
    for path in concept:
        scan = pl.scan_parquet(path)
        names = {name: name.strip().lower() for name in scan.collect_schema().names()}
        number = pl.col("concept_id").cast(pl.Int64, strict=False)
        frames.append(scan.rename(names).select(columns).filter(number.is_in(sorted(used))).collect(engine="streaming"))
    return known_concepts(pl.concat(frames), used)


def codes_of(concepts: pl.DataFrame) -> dict[int, str]:
    """Return the code, `VOCABULARY//code`, of every concept."""
    return {number: f"{vocabulary.replace(' ', '_')}//{code}" for number, vocabulary, code in concepts.iter_rows()}


def units_of(concepts: pl.DataFrame) -> dict[int, str]:
    """Return the unit that each concept is, where it is one."""
    return {**_UNITS, **{number: code for number, vocabulary, code in concepts.iter_rows() if vocabulary == "UCUM"}}


def omop_persons(table: SourceTable) -> pl.DataFrame:
    """Return `person` (text of person_id), `ipp` (person_source_value), birth parts and `sex` of a PERSON table."""
    columns = (
        "person_id", "person_source_value", "gender_concept_id", "gender_source_value", "year_of_birth", "month_of_birth",
        "day_of_birth", "birth_datetime",
    )  # fmt: skip
    frame = _with_columns(table.frame, columns, columns)
    written = pl.col("gender_source_value").cast(pl.String).str.strip_chars().str.to_uppercase().str.slice(0, 1)
    sex = pl.coalesce(
        pl.col("gender_concept_id").cast(pl.Int64, strict=False).replace_strict(_SEX, default=None, return_dtype=pl.String),
        pl.when(written.is_in(["M", "F"])).then(written),
    )
    return frame.with_columns(
        _text("person_id").alias("person"),
        _text("person_source_value").alias("ipp"),
        sex.alias("sex"),
        *(_text(name) for name in ("year_of_birth", "month_of_birth", "day_of_birth")),
    )


def read_person(table: SourceTable) -> tuple[TableEvents, dict[str, list[Identifier]]]:
    """Return births and sexes of a PERSON table, and the identifiers of its persons."""
    problems = list(table.problems)
    frame = omop_persons(table)
    for row in frame.filter(pl.col("person").is_null())["source_row"]:
        problems.append(RowProblem(row, "missing-person", "The row has no person_id."))
    frame = frame.filter(pl.col("person").is_not_null())
    frame = partial_dates.add_parts(frame, "year_of_birth", "month_of_birth", "day_of_birth")
    born = frame.filter(pl.col("day_of_birth").is_null() & pl.col("birth_datetime").is_not_null())
    if born.height:
        # The parts are optional in the CDM, and some sources fill only the date-time.
        born = _parse(born.drop("time", "time_min", "time_max", "problem"), "birth_datetime", "")
        frame = pl.concat(
            [
                frame.filter(~(pl.col("day_of_birth").is_null() & pl.col("birth_datetime").is_not_null())),
                born.select(frame.columns),
            ]
        ).sort("source_row")
    for row, problem in frame.filter(pl.col("problem").is_not_null()).select("source_row", "problem").iter_rows():
        problems.append(RowProblem(row, problem, "The date of birth is not a date.", "year_of_birth", refused=False))
    birth = frame.filter(pl.col("time_min").is_not_null()).with_columns(code=pl.lit("MEDS_BIRTH"))
    nothing = [pl.lit(None, dtype=TIMESTAMP).alias(name) for name in ("time", "time_min", "time_max")]
    sex = frame.filter(pl.col("sex").is_not_null()).with_columns(pl.format("SEX//{}", "sex").alias("code"), *nothing)
    for row in frame.filter(pl.col("sex").is_null())["source_row"]:
        problems.append(RowProblem(row, "unknown-value", "Sex is neither M nor F.", "gender_concept_id", refused=False))
    events = pl.concat([_complete(birth), _complete(sex)])
    persons = {
        person: [Identifier("omop", person)] + ([Identifier("ipp", ipp)] if ipp else [])
        for person, ipp in frame.select("person", "ipp").iter_rows()
    }
    return TableEvents("person", table.rows, events, problems), persons


def _read_death(table: SourceTable, concepts: pl.DataFrame) -> TableEvents:
    problems = list(table.problems)
    frame = _with_columns(table.frame, _DEATH_COLUMNS, ["person_id"])
    frame = frame.with_columns(_text("person_id").alias("person"), code=pl.lit("MEDS_DEATH"))
    frame = _parse(_about_someone(frame, problems), "death_date", "death_datetime")
    # A row says that the person is dead; the day may be missing, or none that can be.
    for row, problem in frame.filter(pl.col("time_min").is_null()).select("source_row", "problem").iter_rows():
        message = "The date of death is none that can be." if problem else "The person died, and no date says when."
        problems.append(RowProblem(row, problem or "missing-date", message, "death_date", refused=False))
    frame = partial_dates.unknown_where(frame, pl.col("time_min").is_null())
    cause = _coded(frame, ("cause_source_concept_id", "cause_concept_id"), concepts)
    frame = frame.with_columns(cause.alias("text_value"))
    return TableEvents("death", table.rows, _complete(frame), problems)


def _read_events(rule: EventTable, name: str, table: SourceTable, concepts: pl.DataFrame, texts: frozenset[str]) -> TableEvents:
    problems = list(table.problems)
    needed = [column for column in ("person_id", rule.concept, rule.source_concept, rule.source_value) if column]
    frame = _with_columns(table.frame, columns_of(name), needed)
    frame = frame.with_columns(_text("person_id").alias("person"))
    frame = _about_someone(frame, problems)
    frame = _timed(frame, rule.date, rule.datetime, problems)
    frame = _ended(frame, rule, problems)
    frame = _with_code(frame, rule, concepts, problems)
    frame = _with_modality(frame, rule)
    frame = _with_value(frame, concepts, texts, problems)
    return TableEvents(name, table.rows, pl.concat([_complete(frame), _objects(frame, rule, concepts)]), problems)


def _with_modality(frame: pl.DataFrame, rule: EventTable) -> pl.DataFrame:
    """Return events whose code says where a status makes a diagnosis a suspected one."""
    if rule.status not in frame.columns:
        return frame
    prefixes = {concept: PREFIX[said] for concept, said in OMOP_CONDITION_STATUS.items()}
    status = pl.col(rule.status).cast(pl.Int64, strict=False)
    prefix = status.replace_strict(prefixes, default="", return_dtype=pl.String).fill_null("")
    return frame.with_columns((prefix + pl.col("code")).alias("code"))


def _objects(frame: pl.DataFrame, rule: EventTable, concepts: pl.DataFrame) -> pl.DataFrame:
    """Return the events that say what an episode is one of: the regimen of a treatment, the disease."""
    if rule.object not in frame.columns:
        return pl.DataFrame(schema=SOURCE_EVENTS)
    code = pl.coalesce(_coded(frame, [rule.object], concepts), _numbered_concept(rule.object))
    coded = frame.with_columns(code.alias("code")).filter(pl.col("code").is_not_null())
    # A regimen is a treatment like a drug. The disease of an episode is a condition on record already.
    regimen = pl.col("code").str.starts_with("HemOnc//")
    return _complete(coded.with_columns(pl.when(regimen).then("code").otherwise("EPISODE_OF//" + pl.col("code")).alias("code")))


def _with_code(frame: pl.DataFrame, rule: EventTable, concepts: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    concept_columns = [column for column in (rule.source_concept, rule.concept) if column]
    code = _coded(frame, concept_columns, concepts)
    choices = [code]
    if rule.source_value:
        value = _text(rule.source_value)
        choices.append(pl.when(value.str.contains(_CODED)).then(value.str.replace(r"^(\w+)(?:/{2}|:)", "${1}//")))
        for vocabulary, shape in (rule.shapes or {}).items():
            choices.append(pl.when(value.str.contains(shape)).then(pl.format(vocabulary + "//{}", value)))
    number = pl.coalesce(*(_concept_number(column) for column in (rule.concept, rule.source_concept) if column))
    choices.append(pl.when(number.is_not_null()).then(pl.format("OMOP//{}", number)))
    frame = frame.with_columns(pl.coalesce(choices).alias("code"))
    for row in frame.filter(pl.col("code").is_null())["source_row"]:
        problems.append(
            RowProblem(row, "unknown-code", "The row has neither a concept nor a known code.", rule.concept, refused=False)
        )
    unmapped = pl.lit("UNKNOWN" if rule.prefix else f"OMOP_{rule.domain}//UNMAPPED")
    return frame.with_columns((pl.lit(rule.prefix) + pl.coalesce("code", unmapped)).alias("code"))


def _with_value(frame: pl.DataFrame, concepts: pl.DataFrame, texts: frozenset[str], problems: list[RowProblem]) -> pl.DataFrame:
    have = set(frame.columns)
    number: pl.Expr = pl.lit(None, dtype=pl.Float64)
    choices: list[pl.Expr] = []
    if "value_as_number" in have:
        number = pl.col("value_as_number").cast(pl.Float64, strict=False)
        bad = frame.filter(pl.col("value_as_number").is_not_null() & number.is_null())
        for row in bad["source_row"]:
            problems.append(RowProblem(row, "not-a-number", "The value is not a number.", "value_as_number", refused=False))
    if "value_as_concept_id" in have:
        choices += [_coded(frame, ["value_as_concept_id"], concepts), _numbered_concept("value_as_concept_id")]
    if "value_as_string" in have:
        text = _text("value_as_string")
        allowed = is_controlled(text, texts)
        choices.append(pl.when(allowed).then(text))
        for row in frame.filter(text.is_not_null() & ~allowed)["source_row"]:
            problems.append(
                RowProblem(row, "text-withheld", "The text is not a controlled one.", "value_as_string", refused=False)
            )
    if "value_source_value" in have:
        # Often a copy of the number, and never needed then; a category such as cT2 is kept.
        text = _text("value_source_value")
        choices.append(pl.when(number.is_null() & is_controlled(text, texts)).then(text))
    if "operator_concept_id" in have:
        operator = pl.col("operator_concept_id").cast(pl.Int64, strict=False)
        sign = operator.replace_strict(_OPERATORS, default=None, return_dtype=pl.String)
        choices.append(pl.when(sign != "=").then(sign))
    unit: list[pl.Expr] = []
    if "unit_concept_id" in have:
        concept = pl.col("unit_concept_id").cast(pl.Int64, strict=False)
        unit.append(concept.replace_strict(units_of(concepts), default=None, return_dtype=pl.String))
    if "unit_source_value" in have:
        unit.append(_text("unit_source_value"))
    frame = frame.with_columns(
        number.alias("numeric_value"),
        (pl.coalesce(choices) if choices else pl.lit(None, dtype=pl.String)).alias("text_value"),
        (pl.coalesce(unit) if unit else pl.lit(None, dtype=pl.String)).alias("unit"),
    )
    return convert_expressions(frame, problems)


def _timed(frame: pl.DataFrame, day: str, moment: str, problems: list[RowProblem]) -> pl.DataFrame:
    frame = _parse(frame, day, moment)
    for row, problem in frame.filter(pl.col("problem").is_not_null()).select("source_row", "problem").iter_rows():
        message = "There is no such date." if problem == "impossible-date" else "The text is not a date."
        problems.append(RowProblem(row, problem, message, day))
    frame = frame.filter(pl.col("problem").is_null())
    for row in frame.filter(pl.col("time_min").is_null())["source_row"]:
        problems.append(RowProblem(row, "missing-date", "The row has no date.", day, refused=False))
    return frame


def _ended(frame: pl.DataFrame, rule: EventTable, problems: list[RowProblem]) -> pl.DataFrame:
    if not rule.end or rule.end not in frame.columns:
        return frame
    frame = _parse(frame, rule.end, rule.end_datetime, "end_")
    early = (pl.col("end_time_max") < pl.col("time_min")).fill_null(False)
    for row in frame.filter(early)["source_row"]:
        problems.append(RowProblem(row, "end-before-start", "The interval ends before it starts.", rule.end, refused=False))
    for row, problem in frame.filter(pl.col("end_problem").is_not_null()).select("source_row", "end_problem").iter_rows():
        problems.append(RowProblem(row, problem, "The end is not a date.", rule.end, refused=False))
    return frame.with_columns(pl.when(~early).then(pl.col("end_time")).alias("end_time"))


def _parse(frame: pl.DataFrame, day: str, moment: str, prefix: str = "") -> pl.DataFrame:
    """Add the date columns for a day and, where it has one, a date-time, be they text or dates already."""
    schema = frame.schema
    present = [name for name in (moment, day) if name and name in schema]
    if not present:
        empty = [pl.lit(None, dtype=TIMESTAMP).alias(prefix + name) for name in ("time", "time_min", "time_max")]
        return frame.with_columns(*empty, pl.lit(None, dtype=pl.String).alias(prefix + "problem"))
    if all(schema[name].is_temporal() or schema[name] == pl.Null for name in present):
        column = day if day in schema else moment
        return frame.with_columns(partial_dates.from_days(column, moment if moment in schema else None, prefix))
    return partial_dates.add_dates(frame, pl.coalesce(*(_text(name) for name in present)), prefix=prefix)


def _about_someone(frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    for row in frame.filter(pl.col("person").is_null())["source_row"]:
        problems.append(RowProblem(row, "missing-person", "The row has no person_id."))
    return frame.filter(pl.col("person").is_not_null())


def _coded(frame: pl.DataFrame, columns: Sequence[str], concepts: pl.DataFrame) -> pl.Expr:
    known = codes_of(concepts)
    choices = [
        pl.col(column).cast(pl.Int64, strict=False).replace_strict(known, default=None, return_dtype=pl.String)
        for column in columns
        if column in frame.columns
    ]
    return pl.coalesce(choices) if choices and known else pl.lit(None, dtype=pl.String)


def _concept_number(column: str) -> pl.Expr:
    number = pl.col(column).cast(pl.Int64, strict=False)
    return pl.when(number != 0).then(number)


def _numbered_concept(column: str) -> pl.Expr:
    number = _concept_number(column)
    return pl.when(number.is_not_null()).then(pl.format("OMOP//{}", number))


def concepts_in(frame: pl.DataFrame) -> set[int]:
    """Return the concepts that some rows of a table name."""
    columns = [pl.col(name).cast(pl.Int64, strict=False).unique() for name in frame.columns if name.endswith("concept_id")]
    return set[int]().union(*(frame.select(column).to_series().drop_nulls() for column in columns))


def no_concepts() -> pl.DataFrame:
    """Return the concepts of a source without a CONCEPT table."""
    return pl.DataFrame(schema={"concept_id": pl.Int64, "vocabulary_id": pl.String, "concept_code": pl.String})


def known_concepts(frame: pl.DataFrame, used: set[int]) -> pl.DataFrame:
    """Return `concept_id, vocabulary_id, concept_code` of the concepts in use, from rows of a CONCEPT table."""
    concept = frame.select(pl.col("concept_id").cast(pl.Int64, strict=False), _text("vocabulary_id"), _text("concept_code"))
    wanted = pl.col("concept_id").is_in(sorted(used - {0})) & (pl.col("vocabulary_id") != "None")
    return concept.filter(wanted).unique("concept_id", keep="first", maintain_order=True)


def _with_columns(frame: pl.DataFrame, wanted: Sequence[str], needed: Sequence[str]) -> pl.DataFrame:
    """Return `source_row` and the wanted columns that the frame has; needed ones it has not are null."""
    return frame.select("source_row", *(name for name in dict.fromkeys(wanted) if name in frame.columns)).with_columns(
        *(pl.lit(None, dtype=pl.String).alias(name) for name in needed if name not in frame.columns)
    )


def _text(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(column)


def _complete(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of source events, null where the table has none."""
    have = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in have else pl.lit(None)).cast(dtype).alias(name) for name, dtype in SOURCE_EVENTS.items()
    )


def plain_name(name: str) -> str:
    """Return the name of a CDM table without the prefix that some exports put before it."""
    return name.removeprefix("2b_")
