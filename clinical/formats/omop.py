"""OMOP CDM 5.4 (and 5.3) to source events.

One row makes one event, except in PERSON, which holds birth, sex and further static facts; where the source concept and
the standard one are two codes: then each makes an event, and windows count the row once; and where a row outside DEATH says
that its person died (`omop_deaths`). The code of an event is, in
this order: the source concept, the standard concept (both through the CONCEPT table), a source value that has the shape
of a code of its domain (ICD-10, CCAM, ATC, LOINC), the concept number (`OMOP//201820`). A row without any of them keeps
its place in time under `OMOP_<DOMAIN>//UNMAPPED` and is reported as `unknown-code`.

Dates that OMOP leaves at midnight are days (CDM 5.4: "if no time is available, midnight").
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.clinical.formats.omop_columns import add_moments, complete, person_number, text_of, told_floats, with_columns
from unibase.clinical.formats.omop_concepts import codes_of, units_of
from unibase.clinical.formats.omop_deaths import deaths_in
from unibase.clinical.formats.omop_tables import DEATH_COLUMNS, EVENT_TABLES, EventTable, columns_of
from unibase.clinical.reasons import (
    END_BEFORE_START,
    IMPOSSIBLE_DATE,
    MISSING_DATE,
    MISSING_PERSON,
    TEXT_WITHHELD,
    UNKNOWN_CODE,
    UNKNOWN_CONCEPT,
)
from unibase.clinical.sources.events import SOURCE_EVENTS, TableEvents, tally_key
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.reading import SourceTable
from unibase.clinical.words import partial_dates
from unibase.clinical.words.acts import OMOP_CONDITION_STATUS, PREFIX
from unibase.clinical.words.controlled import is_controlled
from unibase.clinical.words.units import convert_expressions
from unibase.clinical.words.vocabularies import spelled
from unibase.groundwork.reasons import NOT_A_NUMBER

_CODED = r"^[A-Z][A-Za-z0-9_]{1,19}(?:/{2}|:)\S{1,32}$"


_OPERATORS = {4172703: "=", 4172704: ">", 4171756: "<", 4171754: "<=", 4171755: ">="}
INEQUALITIES = frozenset(concept for concept, sign in _OPERATORS.items() if sign != "=")
"""Concepts of operators that change what a value says."""


def read_event_table(name: str, table: SourceTable, concepts: pl.DataFrame, texts: frozenset[str]) -> TableEvents:
    """Return the source events of one event table, or of some rows of it.

    `name`, `table`: its name in the CDM, and its rows; `concepts`: `concept_id, vocabulary_id, concept_code` of those in use;
    `texts`: values that may be kept though no list has them.
    """
    if name == "death":
        return _read_death(table, concepts)
    return _read_events(EVENT_TABLES[name], name, table, concepts, texts)


def _read_death(table: SourceTable, concepts: pl.DataFrame) -> TableEvents:
    problems = list(table.problems)
    frame = with_columns(table.frame, DEATH_COLUMNS, ["person_id"])
    frame = frame.with_columns(person_number("person_id").alias("person"), code=pl.lit("MEDS_DEATH"))
    frame = add_moments(_about_someone(frame, problems), "death_date", "death_datetime")
    # A row says that the person is dead; the day may be missing, or none that can be.
    for row, problem in frame.filter(pl.col("time_min").is_null()).select("source_row", "problem").iter_rows():
        message = "The date of death is none that can be." if problem else "The person died, and no date says when."
        problems.append(RowProblem(row, problem or MISSING_DATE, message, "death_date", refused=False))
    frame = partial_dates.unknown_where(frame, pl.col("time_min").is_null())
    cause = _coded(frame, ("cause_source_concept_id", "cause_concept_id"), concepts)
    frame = frame.with_columns(cause.alias("text_value"))
    return TableEvents("death", table.rows, complete(frame), problems, told_floats(frame))


def _read_events(rule: EventTable, name: str, table: SourceTable, concepts: pl.DataFrame, texts: frozenset[str]) -> TableEvents:
    problems = list(table.problems)
    needed = [column for column in ("person_id", rule.concept, rule.source_concept, rule.source_value) if column]
    frame = with_columns(table.frame, columns_of(name), needed)
    frame = frame.with_columns(person_number("person_id").alias("person"))
    frame = _about_someone(frame, problems)
    frame = _timed(frame, rule.date, rule.datetime, problems)
    frame = _ended(frame, rule, problems)
    frame = _with_code(frame, rule, concepts, problems)
    frame = _with_modality(pl.concat([frame, _standard(frame, rule, concepts)]), rule)
    deaths = deaths_in(frame.unique("source_row", keep="first", maintain_order=True), rule)
    frame = _with_value(frame, concepts, texts, problems)
    events = [complete(frame), _objects(frame, rule, concepts), complete(deaths)]
    return TableEvents(name, table.rows, pl.concat(events), problems, told_floats(frame) | _nameless(frame, rule))


def _nameless(frame: pl.DataFrame, rule: EventTable) -> dict[str, tuple[int, int]]:
    """Return the tally of rows whose concept the CONCEPT table does not hold: their code is a number."""
    rows = frame.filter(pl.col("code").str.contains(f"^{rule.prefix}OMOP//"))["source_row"].unique(maintain_order=True)
    return {tally_key(UNKNOWN_CONCEPT, rule.concept): (int(rows[0]), len(rows))} if len(rows) else {}


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
    return complete(coded.with_columns(pl.when(regimen).then("code").otherwise("EPISODE_OF//" + pl.col("code")).alias("code")))


def _with_code(frame: pl.DataFrame, rule: EventTable, concepts: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    concept_columns = [column for column in (rule.source_concept, rule.concept) if column]
    code = _coded(frame, concept_columns, concepts)
    choices = [code]
    if rule.source_value:
        value = text_of(rule.source_value)
        choices.append(pl.when(value.str.contains(_CODED)).then(value.str.replace(r"^(\w+)(?:/{2}|:)", "${1}//")))
        for vocabulary, shape in (rule.shapes or {}).items():
            # One spelling: `C341` is `C34.1`.
            said = frame.select(value).to_series().drop_nulls().unique().to_list()
            written = value.replace_strict(said, [spelled(vocabulary, one) for one in said], default=None, return_dtype=pl.String)
            choices.append(pl.when(written.str.contains(shape)).then(pl.format(vocabulary + "//{}", written)))
    number = pl.coalesce(*(_concept_number(column) for column in (rule.concept, rule.source_concept) if column))
    choices.append(pl.when(number.is_not_null()).then(pl.format("OMOP//{}", number)))
    frame = frame.with_columns(pl.coalesce(choices).alias("code"))
    for row in frame.filter(pl.col("code").is_null())["source_row"]:
        problems.append(
            RowProblem(row, UNKNOWN_CODE, "The row has neither a concept nor a known code.", rule.concept, refused=False)
        )
    unmapped = pl.lit("UNKNOWN" if rule.prefix else f"OMOP_{rule.domain}//UNMAPPED")
    return frame.with_columns((pl.lit(rule.prefix) + pl.coalesce("code", unmapped)).alias("code"))


def _standard(frame: pl.DataFrame, rule: EventTable, concepts: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose standard concept is another code than that of the source concept, under the standard one."""
    if not rule.source_concept:
        return frame.head(0)
    standard = pl.lit(rule.prefix) + _coded(frame, [rule.concept], concepts)
    both = _coded(frame, [rule.source_concept], concepts).is_not_null() & (standard != pl.col("code"))
    return frame.filter(both.fill_null(False)).with_columns(standard.alias("code"))


def _with_value(frame: pl.DataFrame, concepts: pl.DataFrame, texts: frozenset[str], problems: list[RowProblem]) -> pl.DataFrame:
    number: pl.Expr = pl.lit(None, dtype=pl.Float64)
    if "value_as_number" in frame.columns:
        number = pl.col("value_as_number").cast(pl.Float64, strict=False)
        for row in frame.filter(pl.col("value_as_number").is_not_null() & number.is_null())["source_row"]:
            problems.append(RowProblem(row, NOT_A_NUMBER, "The value is not a number.", "value_as_number", refused=False))
    frame = frame.with_columns(
        number.alias("numeric_value"),
        _first_of(_answers(frame, number, concepts, texts, problems)).alias("text_value"),
        _first_of(_units(frame, concepts)).alias("unit"),
    )
    return convert_expressions(frame, problems)


def _first_of(choices: Sequence[pl.Expr]) -> pl.Expr:
    return pl.coalesce(choices) if choices else pl.lit(None, dtype=pl.String)


def _answers(
    frame: pl.DataFrame, number: pl.Expr, concepts: pl.DataFrame, texts: frozenset[str], problems: list[RowProblem]
) -> list[pl.Expr]:
    """Return what a row may say in words, the best first: a concept, a controlled text, a sign before the number."""
    have = set(frame.columns)
    choices: list[pl.Expr] = []
    if "value_as_concept_id" in have:
        choices += [_coded(frame, ["value_as_concept_id"], concepts), _numbered_concept("value_as_concept_id")]
    if "value_as_string" in have:
        text = text_of("value_as_string")
        allowed = is_controlled(text, texts)
        choices.append(pl.when(allowed).then(text))
        for row in frame.filter(text.is_not_null() & ~allowed)["source_row"]:
            problems.append(RowProblem(row, TEXT_WITHHELD, "The text is not a controlled one.", "value_as_string", refused=False))
    if "value_source_value" in have:
        # Often a copy of the number, and never needed then; a category such as cT2 is kept.
        text = text_of("value_source_value")
        allowed = is_controlled(text, texts)
        choices.append(pl.when(number.is_null() & allowed).then(text))
        untold = number.is_null() & text.is_not_null() & ~allowed & _first_of(choices).is_null()
        for row in frame.filter(untold)["source_row"].unique(maintain_order=True):
            problems.append(
                RowProblem(row, TEXT_WITHHELD, "The text is not a controlled one.", "value_source_value", refused=False)
            )
    if "operator_concept_id" in have:
        operator = pl.col("operator_concept_id").cast(pl.Int64, strict=False)
        sign = operator.replace_strict(_OPERATORS, default=None, return_dtype=pl.String)
        choices.append(pl.when(sign != "=").then(sign))
    return choices


def _units(frame: pl.DataFrame, concepts: pl.DataFrame) -> list[pl.Expr]:
    unit: list[pl.Expr] = []
    if "unit_concept_id" in frame.columns:
        concept = pl.col("unit_concept_id").cast(pl.Int64, strict=False)
        unit.append(concept.replace_strict(units_of(concepts), default=None, return_dtype=pl.String))
    if "unit_source_value" in frame.columns:
        unit.append(text_of("unit_source_value"))
    return unit


def _timed(frame: pl.DataFrame, day: str, moment: str, problems: list[RowProblem]) -> pl.DataFrame:
    frame = add_moments(frame, day, moment)
    for row, problem in frame.filter(pl.col("problem").is_not_null()).select("source_row", "problem").iter_rows():
        message = "There is no such date." if problem == IMPOSSIBLE_DATE else "The text is not a date."
        problems.append(RowProblem(row, problem, message, day))
    frame = frame.filter(pl.col("problem").is_null())
    for row in frame.filter(pl.col("time_min").is_null())["source_row"]:
        problems.append(RowProblem(row, MISSING_DATE, "The row has no date.", day, refused=False))
    return frame


def _ended(frame: pl.DataFrame, rule: EventTable, problems: list[RowProblem]) -> pl.DataFrame:
    if not rule.end or rule.end not in frame.columns:
        return frame
    frame = add_moments(frame, rule.end, rule.end_datetime, "end_")
    early = (pl.col("end_time_max") < pl.col("time_min")).fill_null(False)
    for row in frame.filter(early)["source_row"]:
        problems.append(RowProblem(row, END_BEFORE_START, "The interval ends before it starts.", rule.end, refused=False))
    for row, problem in frame.filter(pl.col("end_problem").is_not_null()).select("source_row", "end_problem").iter_rows():
        problems.append(RowProblem(row, problem, "The end is not a date.", rule.end, refused=False))
    return frame.with_columns(pl.when(~early).then(pl.col("end_time")).alias("end_time"))


def _about_someone(frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    for row in frame.filter(pl.col("person").is_null())["source_row"]:
        problems.append(RowProblem(row, MISSING_PERSON, "The row has no person_id."))
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
