"""OMOP PERSON: births and sexes, and the identifiers of persons."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from unibase.clinical.formats.omop_columns import add_moments, complete, person_number, text_of, told_floats, with_columns
from unibase.clinical.formats.omop_tables import PERSON_COLUMNS, left_columns
from unibase.clinical.reasons import MISSING_PERSON, UNKNOWN_VALUE
from unibase.clinical.sources.events import Identifier, TableEvents
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.reading import SourceTable
from unibase.clinical.words import partial_dates
from unibase.groundwork.tables import TIMESTAMP

_SEX = {8507: "M", 8532: "F"}


PERSON_CODES = ("MEDS_BIRTH", "MEDS_DEATH", "SEX//F", "SEX//M")
"""Codes of the events that PERSON and DEATH give."""


def omop_persons(table: SourceTable) -> pl.DataFrame:
    """Return `person` (text of person_id), `ipp` (person_source_value), birth parts and `sex` of a PERSON table."""
    frame = with_columns(table.frame, PERSON_COLUMNS, PERSON_COLUMNS)
    written = pl.col("gender_source_value").cast(pl.String).str.strip_chars().str.to_uppercase().str.slice(0, 1)
    sex = pl.coalesce(
        pl.col("gender_concept_id").cast(pl.Int64, strict=False).replace_strict(_SEX, default=None, return_dtype=pl.String),
        pl.when(written.is_in(["M", "F"])).then(written),
    )
    return frame.with_columns(
        person_number("person_id").alias("person"),
        text_of("person_source_value").alias("ipp"),
        sex.alias("sex"),
        *(text_of(name) for name in ("year_of_birth", "month_of_birth", "day_of_birth")),
    )


def read_person(table: SourceTable) -> tuple[TableEvents, dict[str, list[Identifier]]]:
    """Return births and sexes of a PERSON `table`, and the identifiers of its persons."""
    problems = [*table.problems, *left_columns("person", table.frame.columns)]
    frame = omop_persons(table)
    for row in frame.filter(pl.col("person").is_null())["source_row"]:
        problems.append(RowProblem(row, MISSING_PERSON, "The row has no person_id."))
    tally = told_floats(frame)
    frame = _born(frame.filter(pl.col("person").is_not_null()))
    for row, problem in frame.filter(pl.col("problem").is_not_null()).select("source_row", "problem").iter_rows():
        problems.append(RowProblem(row, problem, "The date of birth is not a date.", "year_of_birth", refused=False))
    birth = frame.filter(pl.col("time_min").is_not_null()).with_columns(code=pl.lit("MEDS_BIRTH"))
    nothing = [pl.lit(None, dtype=TIMESTAMP).alias(name) for name in ("time", "time_min", "time_max")]
    sex = frame.filter(pl.col("sex").is_not_null()).with_columns(pl.format("SEX//{}", "sex").alias("code"), *nothing)
    for row in frame.filter(pl.col("sex").is_null())["source_row"]:
        problems.append(RowProblem(row, UNKNOWN_VALUE, "Sex is neither M nor F.", "gender_concept_id", refused=False))
    events = pl.concat([complete(birth), complete(sex)])
    return TableEvents("person", table.rows, events, problems, tally), dict(_identifiers(frame))


def _born(frame: pl.DataFrame) -> pl.DataFrame:
    """Return persons with the bounds of their birth, of its parts or, where these do not say the day, of the date-time."""
    frame = partial_dates.add_parts(frame, ("year_of_birth", "month_of_birth", "day_of_birth"))
    # The parts are optional in the CDM, and some sources fill only the date-time.
    timed = pl.col("day_of_birth").is_null() & pl.col("birth_datetime").is_not_null()
    born = frame.filter(timed)
    if born.is_empty():
        return frame
    born = add_moments(born.drop("time", "time_min", "time_max", "problem"), "birth_datetime", "")
    return pl.concat([frame.filter(~timed), born.select(frame.columns)]).sort("source_row")


def _identifiers(frame: pl.DataFrame) -> Iterator[tuple[str, list[Identifier]]]:
    for person, ipp in frame.select("person", "ipp").iter_rows():
        yield person, [Identifier("omop", person)] + ([Identifier("ipp", ipp)] if ipp else [])
