"""Rows of declared tables before rules read them: under the declared names, and only those that are about someone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from unibase.clinical.formats.mapping_rules import DATE_FIELDS, Reading, TableRule
from unibase.clinical.reasons import COMMENT_LINE, EMPTY_ROW, MISSING_PERSON, NOT_COLLECTED, NOT_DONE, ROUNDED_NUMBER
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.reading import SourceTable
from unibase.groundwork.problems import UserError


def moved(table: SourceTable, offset: int) -> SourceTable:
    """Return a table whose rows follow `offset` rows of other files of its rule."""
    if not offset:
        return table
    frame = table.frame.with_columns(pl.col("source_row") + offset)
    problems = [replace(one, row=one.row + offset if one.row else 0) for one in table.problems]
    return replace(table, frame=frame, problems=problems)


def persons_in(reading: Reading, table: SourceTable) -> set[str]:
    """Return the persons that the rows of a `table` are about, as the rule of a `reading` names them."""
    return set(cleaned(reading, table, [])[reading.person].unique())


def cleaned(reading: Reading, table: SourceTable, problems: list[RowProblem]) -> pl.DataFrame:
    """Return the rows that are about someone, as text under the declared names, null where they say nothing.

    Args:
        reading: Mapping and rule.
        table: Rows of a table.
        problems: Where to tell of rows and fields that are left out.

    Raises:
        UserError: If there is no column for the person.
    """
    rule, person = reading.table, reading.person
    frame = renamed(table.frame.with_columns(_texts(table.frame)), rule)
    columns = [name for name in frame.columns if name != "source_row"]
    if person not in columns:
        raise UserError(f"Table {table.name} has no column {rule.person}, which its mapping names as the person.")
    frame = frame.with_columns(
        pl.when(~pl.col(name).is_in(reading.nulls_of(name))).then(pl.col(name)).alias(name) for name in columns
    )
    frame = _without_empty(frame, columns, person, problems)
    frame = _without_not_done(rule, frame, columns, problems)
    return _without_missing(frame, reading.mapping.missing, columns, person, problems)


_LARGEST = 2**53
"""Whole numbers up to here are exact as floating-point numbers."""


def _texts(frame: pl.DataFrame) -> list[pl.Expr]:
    """Return all columns as texts; whole numbers without a point, which a patient number has none of."""
    out: list[pl.Expr] = []
    for name, dtype in frame.schema.items():
        if name == "source_row":
            continue
        text = pl.col(name).cast(pl.String)
        if dtype.is_float():
            whole = (pl.col(name) == pl.col(name).floor()) & (pl.col(name).abs() < _LARGEST)
            text = pl.when(whole).then(pl.col(name).cast(pl.Int64, strict=False).cast(pl.String)).otherwise(text)
        out.append(text.str.strip_chars().alias(name))
    return out


_NOT_DONE = (re.compile(r"^[a-z]{2}stat$"), "NOT DONE"), (re.compile(r"^[a-z]{2}occur$"), "N")
"""Columns of SDTM, and the word with which they say that something was not done."""


def _without_not_done(rule: TableRule, frame: pl.DataFrame, columns: list[str], problems: list[RowProblem]) -> pl.DataFrame:
    looked_at = {name.lower() for event in rule.events for name in (*event.when, *event.unless, *event.values, event.text or "")}
    for pattern, word in _NOT_DONE:
        for name in (name for name in columns if pattern.match(name) and name not in looked_at):
            undone = (pl.col(name).str.to_uppercase() == word).fill_null(False)
            for row in frame.filter(undone)["source_row"]:
                problems.append(RowProblem(row, NOT_DONE, "The row says that it was not done.", name))
            frame = frame.filter(~undone)
    return frame


def renamed(frame: pl.DataFrame, rule: TableRule) -> pl.DataFrame:
    """Return `frame` with other spellings of columns, also before Year, Month and Day, under the names its `rule` declares."""
    names: dict[str, str] = {}
    for other, name in rule.columns.items():
        for suffix in ("", *(part for parts in DATE_FIELDS for part in parts)):
            spelled, declared = other.lower() + suffix, name.lower() + suffix
            if spelled in frame.columns and declared not in frame.columns:
                names.setdefault(spelled, declared)
    return frame.rename(names)


ROUNDED = r"^\d(?:[.,]\d+)?[eE]\+\d{1,2}$"
"""A number as spreadsheets show long ones, and save them to CSV."""


def _without_empty(frame: pl.DataFrame, columns: list[str], person: str, problems: list[RowProblem]) -> pl.DataFrame:
    filled = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int32) for name in columns)
    kind = (
        pl.when(filled == 0)
        .then(pl.lit(EMPTY_ROW))
        .when((filled == 1) & (len(columns) > 2) & pl.any_horizontal(pl.col(c).str.contains(r"\s\S+\s") for c in columns))
        .then(pl.lit(COMMENT_LINE))
        .when(pl.col(person).is_null())
        .then(pl.lit(MISSING_PERSON))
        .when(pl.col(person).str.contains(ROUNDED))
        .then(pl.lit(ROUNDED_NUMBER))
    )
    frame = frame.with_columns(kind.alias("_kind"))
    messages = {
        EMPTY_ROW: "The row is empty.",
        COMMENT_LINE: "The row holds one field of prose.",
        MISSING_PERSON: "The row does not say whom it is about.",
        ROUNDED_NUMBER: "The number of the person was rounded by a spreadsheet: it may be that of several.",
    }
    for row, reason in frame.filter(pl.col("_kind").is_not_null()).select("source_row", "_kind").iter_rows():
        problems.append(RowProblem(row, reason, messages[reason]))
    return frame.filter(pl.col("_kind").is_null()).drop("_kind")


def _without_missing(
    frame: pl.DataFrame, missing: Sequence[str], columns: list[str], person: str, problems: list[RowProblem]
) -> pl.DataFrame:
    if not missing:
        return frame
    words = [word.lower() for word in missing]
    for name in columns:
        if name == person:
            continue
        said = pl.col(name).str.to_lowercase().is_in(words)
        for row in frame.filter(said)["source_row"]:
            problems.append(RowProblem(row, NOT_COLLECTED, "The field says that there is no value.", name, refused=False))
        frame = frame.with_columns(pl.when(~said.fill_null(False)).then(pl.col(name)).alias(name))
    return frame
