"""What is read of FHIR resources to a frame of source events: dates with their bounds, texts that may travel, units."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from unibase.clinical.formats.fhir import MALFORMED
from unibase.clinical.formats.fhir_deaths import within_stays
from unibase.clinical.formats.fhir_fields import Context, Resource
from unibase.clinical.formats.fhir_resources import Raw, events_of
from unibase.clinical.reasons import END_BEFORE_START, IMPOSSIBLE_DATE, MALFORMED_JSON, MALFORMED_RESOURCE, TEXT_WITHHELD
from unibase.clinical.sources.events import SOURCE_EVENTS, TableEvents
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.words import partial_dates
from unibase.clinical.words.controlled import is_controlled
from unibase.clinical.words.units import convert_expressions
from unibase.groundwork.tables import TIMESTAMP

RAW = pl.Schema(
    {
        "source_row": pl.Int64, "person": pl.String, "code": pl.String, "start": pl.String, "end": pl.String, "recorded": pl.String,
        "numeric_value": pl.Float64, "text_value": pl.String, "unit": pl.String, "coded": pl.Boolean, "within": pl.Boolean,
    }
)  # fmt: skip
"""Columns of what resources are read to: the number of the line, and the fields of `fhir_resources.Raw`."""

Lines = Iterable[tuple[int, list[Resource] | None]]
"""Number and resources of every line that is not blank; None for a malformed one."""


def read_resources(lines: Lines, name: str, context: Context, texts: frozenset[str]) -> TableEvents:
    """Return the source events of a file, or of some lines of it.

    Args:
        lines: What it holds.
        name: Name of the file's table.
        context: What the resources refer to.
        texts: Further texts that count as controlled.
    """
    context.problems, context.tally = [], {}
    known = list(lines)
    return table_of(frame_of(read_lines(known, context)), TableEvents(name, len(known), pl.DataFrame()), context, texts)


def read_lines(lines: Lines, context: Context) -> list[tuple[int, Raw]]:
    """Return what the resources of `lines` are read to, by line; problems go to the `context`."""
    raw: list[tuple[int, Raw]] = []
    for number, resources in lines:
        context.row = number
        if resources is None:
            context.report(MALFORMED_JSON, "The line is not a FHIR resource in JSON.")
            continue
        for resource in resources:
            before = len(context.problems)
            try:
                raw += [(number, one) for one in events_of(resource, context)]
            except MALFORMED:
                del context.problems[before:]
                context.report(MALFORMED_RESOURCE, "A field of the resource is not shaped as FHIR R4 says.")
    return raw


def frame_of(raw: Iterable[tuple[int, Raw]]) -> pl.DataFrame:
    """Return what resources are read to, `raw`, as a frame of `RAW`."""
    return pl.DataFrame([(row, *values) for row, values in raw], schema=RAW, orient="row")


def table_of(frame: pl.DataFrame, table: TableEvents, context: Context, texts: frozenset[str]) -> TableEvents:
    """Return the source events of a table.

    Args:
        frame: What its resources are read to.
        table: Its name and its rows.
        context: What was told so far.
        texts: Further texts that count as controlled.
    """
    for column, prefix in (("start", ""), ("end", "end_"), ("recorded", "recorded_")):
        frame = _dated(frame, column, prefix)
    frame = within_stays(_ended(_possible(frame, context), context))
    frame = _texts(frame, context, texts)
    frame = convert_expressions(frame, context.problems)
    events = frame.select(pl.col(name).cast(dtype) for name, dtype in SOURCE_EVENTS.items())
    return TableEvents(table.table, table.rows, events, context.problems, context.tally)


def _dated(frame: pl.DataFrame, column: str, prefix: str) -> pl.DataFrame:
    """Return `frame` with what the dates of a `column` mean, in columns behind a `prefix`; without their offset from UTC.

    Times are local times of the subject.
    """
    if frame[column].null_count() == frame.height:
        never = [pl.lit(None, dtype=TIMESTAMP).alias(prefix + name) for name in ("time", "time_min", "time_max")]
        return frame.with_columns(*never, pl.lit(None, dtype=pl.String).alias(prefix + "problem"))
    local = pl.col(column).str.replace(r"(T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:Z|[+-]\d{2}:\d{2})$", "${1}")
    return partial_dates.add_dates(frame, local, prefix=prefix)


def _possible(frame: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the events whose date can be; whose death has no date that can be is dead all the same."""
    dead = (pl.col("code") == "MEDS_DEATH") & pl.col("problem").is_not_null()
    for row, problem in frame.filter(dead).select("source_row", "problem").iter_rows():
        context.problems.append(RowProblem(row, problem, "The date of death is none that can be.", "date", refused=False))
    frame = partial_dates.unknown_where(frame, dead)
    bad = frame.filter(pl.col("problem").is_not_null())
    for row, problem in bad.select("source_row", "problem").iter_rows():
        message = "There is no such date." if problem == IMPOSSIBLE_DATE else "The text is not a date."
        context.problems.append(RowProblem(row, problem, message, "date"))
    return frame.filter(pl.col("problem").is_null())


def _ended(frame: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return events with the ends that can be; the others are told."""
    early = (pl.col("end_time_max") < pl.col("time_min")).fill_null(False)
    for row in frame.filter(early)["source_row"].unique(maintain_order=True):
        context.problems.append(RowProblem(row, END_BEFORE_START, "The interval ends before it starts.", "end", refused=False))
    for row in frame.filter(pl.col("end_problem").is_not_null())["source_row"]:
        context.problems.append(RowProblem(row, IMPOSSIBLE_DATE, "The end is not a date.", "end", refused=False))
    return frame.with_columns(pl.when(~early).then(pl.col("end_time")).alias("end_time"))


def _texts(frame: pl.DataFrame, context: Context, texts: frozenset[str]) -> pl.DataFrame:
    """Return events with the texts that may travel; the others are told."""
    allowed = pl.col("coded") | is_controlled(pl.col("text_value"), texts)
    for row in frame.filter(pl.col("text_value").is_not_null() & ~allowed)["source_row"].unique(maintain_order=True):
        context.problems.append(RowProblem(row, TEXT_WITHHELD, "The text is not a controlled one.", "value", refused=False))
    return frame.with_columns(pl.when(allowed).then(pl.col("text_value")).alias("text_value"))
