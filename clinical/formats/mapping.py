"""From the rows of declared tables to source events; the declaration is in `clinical.formats.mapping_rules`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import polars as pl

from unibase.clinical.formats.mapping_rules import (
    ANY_CODE,
    BRACES,
    CODE_SHAPES,
    DATE_FIELDS,
    EventRule,
    TableMapping,
    TableRule,
    rules_of,
    says_dead,
)
from unibase.clinical.sources.events import SOURCE_EVENTS, TableEvents
from unibase.clinical.sources.reading import RowProblem, SourceTable
from unibase.clinical.words import partial_dates
from unibase.clinical.words.acts import REFUTED
from unibase.clinical.words.controlled import is_controlled
from unibase.clinical.words.units import convert_expressions
from unibase.groundwork.problems import UserError


def absent_columns(mapping: TableMapping, rule: TableRule, table: str, columns: Iterable[str]) -> list[RowProblem]:
    """Return what is to be told of columns that a rule needs and its table does not have: a column that was renamed in the
    hospital takes its events with it. Nothing where the mapping is not `complete`: its columns are then optional.

    Raises:
        UserError: If there is no column for the person.
    """
    have = set(renamed(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), rule).columns)
    if rule.person.lower() not in have:
        raise UserError(f"Table {table} has no column {rule.person}, which its mapping names as the person.")
    if not mapping.complete:
        return []
    absent: dict[str, None] = {}
    for event in rule.events:
        plain = [
            *BRACES.findall(event.code),
            event.number,
            event.text,
            event.clock,
            *BRACES.findall(event.unit or ""),
            *event.when,
        ]
        absent |= {name: None for name in plain if name and name.lower() not in have}
        dates_ = (event.date, event.end, event.recorded)
        absent |= {name: None for name in dates_ if name and not _date_columns(name) & have}
    told = "The table has no column {}, which its mapping names: what needs it is not there."
    return [RowProblem(0, "missing-column", told.format(name), name, refused=False) for name in absent]


def absent_tables(mapping: TableMapping, names: Iterable[str]) -> list[TableEvents]:
    """Return what is to be told of tables that a mapping reads and the source does not have, where the mapping is `complete`."""
    found = {rule.name for rule, _ in rules_of(mapping, names)}
    told = RowProblem(0, "missing-table", "The source has no file for this table of the mapping.", refused=False)
    absent = dict.fromkeys(rule.name for rule in mapping.tables if mapping.complete and rule.name not in found)
    return [TableEvents(name, 0, pl.DataFrame(schema=SOURCE_EVENTS), [told]) for name in absent]


def _date_columns(name: str) -> set[str]:
    """Return the columns that a date may stand in: one, or one for its year."""
    return {name.lower(), *(name.lower() + parts[0] for parts in DATE_FIELDS)}


def moved(table: SourceTable, offset: int) -> SourceTable:
    """Return a table whose rows follow `offset` rows of other files of its rule."""
    if not offset:
        return table
    problems = [replace(problem, row=problem.row + offset if problem.row else 0) for problem in table.problems]
    return replace(table, frame=table.frame.with_columns(pl.col("source_row") + offset), problems=problems)


def unmapped_tables(mapping: TableMapping, names: Iterable[str]) -> dict[str, TableEvents]:
    """Return what is to be told of each table that no rule reads; its rows are not counted here."""
    others = {name.lower(): reason for name, reason in mapping.other_tables.items()}
    out: dict[str, TableEvents] = {}
    for number, name in enumerate(sorted(set(names) - {name for _, name in rules_of(mapping, names)}), start=1):
        reason = others.get(name)
        problem = (
            RowProblem(0, "not-clinical", f"The table is not read: {reason}.", refused=False)
            if reason
            else RowProblem(0, "unknown-table", "No rule of the mapping reads this table.", refused=False)
        )
        # The name of a file that no rule names may tell a person, so it is counted instead.
        told = name if reason else f"unread-{number}"
        out[name] = TableEvents(told, 0, pl.DataFrame(schema=SOURCE_EVENTS), [problem])
    return out


def persons_in(mapping: TableMapping, rule: TableRule, table: SourceTable) -> set[str]:
    """Return the persons that some rows of a table are about."""
    return set(_cleaned(mapping, rule, table, [])[rule.person.lower()].unique())


def map_table(mapping: TableMapping, rule: TableRule, table: SourceTable) -> TableEvents:
    """Return the source events that a rule makes of a table, or of some rows of it."""
    problems = list(table.problems)
    frame = _cleaned(mapping, rule, table, problems)
    person = rule.person.lower()
    events: list[pl.DataFrame] = []
    carried: dict[str, set[int]] = {}
    for event in rule.events:
        made = _apply(mapping, event, frame, person, problems)
        if made is not None:
            events.append(made)
            if event.date:
                carried.setdefault(event.date, set()).update(made["source_row"])
    events += _lonely_dates(mapping, rule, frame, person, carried)
    result = pl.concat(events) if events else pl.DataFrame(schema=SOURCE_EVENTS)
    return TableEvents(rule.name, table.rows, result, problems)


def _cleaned(mapping: TableMapping, rule: TableRule, table: SourceTable, problems: list[RowProblem]) -> pl.DataFrame:
    """Return the rows that are about someone, as text under the declared names, null where they say nothing."""
    frame = table.frame.with_columns(
        pl.col(name).cast(pl.String).str.strip_chars() for name in table.frame.columns if name != "source_row"
    )
    frame = renamed(frame, rule)
    columns = [name for name in frame.columns if name != "source_row"]
    person = rule.person.lower()
    if person not in columns:
        raise UserError(f"Table {table.name} has no column {rule.person}, which its mapping names as the person.")
    empty = ["", *mapping.nulls]
    frame = frame.with_columns(pl.when(~pl.col(name).is_in(empty)).then(pl.col(name)).alias(name) for name in columns)
    frame = _without_empty(frame, columns, person, problems)
    frame = _without_not_done(rule, frame, columns, problems)
    return _without_missing(frame, mapping.missing, columns, person, problems)


_NOT_DONE = (re.compile(r"^[a-z]{2}stat$"), "NOT DONE"), (re.compile(r"^[a-z]{2}occur$"), "N")
"""Columns of SDTM, and the word with which they say that something was not done."""


def _without_not_done(rule: TableRule, frame: pl.DataFrame, columns: list[str], problems: list[RowProblem]) -> pl.DataFrame:
    looked_at = {name.lower() for event in rule.events for name in (*event.when, *event.unless, *event.values, event.text or "")}
    for pattern, word in _NOT_DONE:
        for name in (name for name in columns if pattern.match(name) and name not in looked_at):
            undone = (pl.col(name).str.to_uppercase() == word).fill_null(False)
            for row in frame.filter(undone)["source_row"]:
                problems.append(RowProblem(row, "not-done", "The row says that it was not done.", name))
            frame = frame.filter(~undone)
    return frame


def _lonely_dates(
    mapping: TableMapping, rule: TableRule, frame: pl.DataFrame, person: str, carried: Mapping[str, set[int]]
) -> list[pl.DataFrame]:
    """Return events without a value for dates that stand alone in their row, so that no date is lost."""
    out: list[pl.DataFrame] = []
    for date, rows in carried.items():
        bearer = next((e for e in rule.events if e.date == date and not BRACES.search(e.code) and not e.when), None)
        if bearer is None:
            continue
        alone = frame.filter(~pl.col("source_row").is_in(sorted(rows)))
        bare = bearer.model_copy(update={"number": None, "text": None, "unit": None})
        # Problems of the date itself have been told when the rows were read for their values.
        made = _apply(mapping, bare, alone, person, [])
        if made is not None and made.height:
            out.append(made)
    return out


def renamed(frame: pl.DataFrame, rule: TableRule) -> pl.DataFrame:
    """Return `frame` with other spellings of columns, also before Year, Month and Day, under their declared names."""
    names: dict[str, str] = {}
    for other, name in rule.columns.items():
        for suffix in ("", *(part for parts in DATE_FIELDS for part in parts)):
            spelled, declared = other.lower() + suffix, name.lower() + suffix
            if spelled in frame.columns and declared not in frame.columns:
                names.setdefault(spelled, declared)
    return frame.rename(names)


def _without_empty(frame: pl.DataFrame, columns: list[str], person: str, problems: list[RowProblem]) -> pl.DataFrame:
    filled = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int32) for name in columns)
    kind = (
        pl.when(filled == 0)
        .then(pl.lit("empty-row"))
        .when((filled == 1) & (len(columns) > 2) & pl.any_horizontal(pl.col(c).str.contains(r"\s\S+\s") for c in columns))
        .then(pl.lit("comment-line"))
        .when(pl.col(person).is_null())
        .then(pl.lit("missing-person"))
    )
    frame = frame.with_columns(kind.alias("_kind"))
    messages = {
        "empty-row": "The row is empty.",
        "comment-line": "The row holds one field of prose.",
        "missing-person": "The row does not say whom it is about.",
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
            problems.append(RowProblem(row, "not-collected", "The field says that there is no value.", name, refused=False))
        frame = frame.with_columns(pl.when(~said.fill_null(False)).then(pl.col(name)).alias(name))
    return frame


def _apply(
    mapping: TableMapping, rule: EventRule, frame: pl.DataFrame, person: str, problems: list[RowProblem]
) -> pl.DataFrame | None:
    have = set(frame.columns)
    code_columns = [name.lower() for name in BRACES.findall(rule.code)]
    data = [name.lower() for name in (rule.number, rule.text) if name]
    if not set(code_columns + data + [name.lower() for name in rule.when]) <= have:
        return None
    for name, recoded in rule.values.items():
        column = name.lower()
        if column in have:
            frame = frame.with_columns(_recode(column, recoded))
            for row in frame.filter(pl.col(column) == "\0")["source_row"]:
                problems.append(RowProblem(row, "unknown-value", "The value is not one that is declared.", column))
            frame = frame.with_columns(pl.when(pl.col(column) != "\0").then(pl.col(column)).alias(column))
    vocabulary = rule.code.split("//", 1)[0]
    for column in code_columns:
        bad = pl.col(column).is_not_null() & ~pl.col(column).str.contains(CODE_SHAPES.get(vocabulary, ANY_CODE))
        for row in frame.filter(bad)["source_row"]:
            problems.append(RowProblem(row, "unknown-code", f"The field holds no code of {vocabulary}.", column))
        frame = frame.filter(~bad.fill_null(False))
    keep = [pl.col(name.lower()).str.to_lowercase().is_in([v.lower() for v in values]) for name, values in rule.when.items()]
    keep += [pl.col(name).is_not_null() for name in code_columns]
    if data and not code_columns:
        keep.append(pl.any_horizontal(pl.col(name).is_not_null() for name in data))
    for name, values in rule.unless.items():
        if name.lower() in have:
            said = pl.col(name.lower()).str.to_lowercase().is_in([v.lower() for v in values])
            keep.append(~said.fill_null(False))
    frame = frame.filter(reduce(lambda a, b: a & b, keep, pl.lit(True)))
    frame = _dated(mapping, rule, frame, bool(code_columns or data), problems)
    return _valued(mapping, rule, frame, person, problems)


def _dated(
    mapping: TableMapping, rule: EventRule, frame: pl.DataFrame, has_data: bool, problems: list[RowProblem]
) -> pl.DataFrame:
    nothing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in SOURCE_EVENTS.items() if "time" in name]
    frame = frame.with_columns(nothing)
    if rule.static:
        return frame
    if rule.date is None:
        raise UserError(f"Mapping {mapping.name}: the rule for {rule.code} needs `date`, or `static: true`.")
    dated = _with_date(mapping, rule.date, rule.clock, frame.drop("time", "time_min", "time_max"), "")
    if dated is None:
        return frame if has_data else frame.head(0)
    frame = _deaths(rule, dated, problems) if rule.code == DEATH else dated
    for row, problem in frame.filter(pl.col("problem").is_not_null()).select("source_row", "problem").iter_rows():
        problems.append(RowProblem(row, problem, _DATE_MESSAGES[problem], rule.date.lower()))
    frame = frame.filter(pl.col("problem").is_null()).drop("problem")
    undated = pl.col("time_min").is_null()
    if has_data and rule.undated:
        pass
    elif has_data:
        for row in frame.filter(undated)["source_row"]:
            problems.append(RowProblem(row, "missing-date", "The event has no date.", rule.date.lower(), refused=False))
    else:
        frame = frame.filter(~undated)
    for name, column in (("end_time", rule.end), ("recorded_time", rule.recorded)):
        if column is not None:
            frame = _second_date(mapping, frame, name, column, problems)
    return frame


DEATH = "MEDS_DEATH"
_SENTINEL = r"9999|^99[-/.]99"


def _deaths(rule: EventRule, frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    """Return the rows in which the dead have a date, if one of which nothing is known.

    A row says that the person died by its status, or by a date that cannot be. A date that stands for none (9999-12-31), or a text
    in its place, says neither that the person died nor that it lives: the row gets a sign by which endpoints tell of it.
    """
    assert rule.date is not None
    dead = pl.lit(says_dead(rule))
    for name, values in rule.happened.items():
        if name.lower() in frame.columns:
            dead = dead | pl.col(name.lower()).str.to_lowercase().is_in([value.lower() for value in values]).fill_null(False)
    written = pl.col(rule.date.lower()) if rule.date.lower() in frame.columns else pl.lit(None, dtype=pl.String)
    unusable, missing = pl.col("problem").is_not_null(), pl.col("problem").is_null() & pl.col("time_min").is_null()
    unclear = unusable & ~dead & ((pl.col("problem") == "unreadable-date") | written.str.contains(_SENTINEL).fill_null(True))
    frame = frame.with_columns((unusable & ~unclear | missing & dead).alias("_unknown"), unclear.alias("_unclear"))
    for row, why in frame.filter(pl.col("_unknown") | pl.col("_unclear")).select("source_row", "problem").iter_rows():
        message = _DATE_MESSAGES.get(why) or "The person died, and no date says when."
        problems.append(RowProblem(row, why or "missing-date", message, rule.date.lower(), refused=False))
    frame = partial_dates.unknown_where(frame, pl.col("_unknown") | pl.col("_unclear"))
    return frame.with_columns(pl.when("_unclear").then(pl.lit(REFUTED)).alias("_code")).drop("_unknown", "_unclear")


_DATE_MESSAGES = {
    "impossible-date": "There is no such date.",
    "unreadable-date": "The text is not a date.",
}


def _second_date(mapping: TableMapping, frame: pl.DataFrame, name: str, column: str, problems: list[RowProblem]) -> pl.DataFrame:
    dated = _with_date(mapping, column, None, frame, "second_")
    if dated is None:
        return frame
    frame = dated
    partial = pl.col("second_time").is_null() & pl.col("second_time_min").is_not_null()
    early = (pl.col("second_time_max") < pl.col("time_min")).fill_null(False) & (name == "end_time")
    reason = (
        pl.when(pl.col("second_problem").is_not_null())
        .then(pl.col("second_problem"))
        .when(early)
        .then(pl.lit("end-before-start"))
        .when(partial)
        .then(pl.lit("partial-end"))
    )
    frame = frame.with_columns(reason.alias("second_reason"))
    for row, why in frame.filter(pl.col("second_reason").is_not_null()).select("source_row", "second_reason").iter_rows():
        message = _DATE_MESSAGES.get(why) or (
            "The interval ends before it starts." if why == "end-before-start" else "The second date is known in part only."
        )
        problems.append(RowProblem(row, why, message, column.lower(), refused=False))
    frame = frame.with_columns(pl.when(~early).then(pl.col("second_time")).cast(SOURCE_EVENTS[name]).alias(name))
    return frame.drop(column for column in frame.columns if column.startswith("second_"))


def _with_date(mapping: TableMapping, base: str, clock: str | None, frame: pl.DataFrame, prefix: str) -> pl.DataFrame | None:
    """Add the date columns of a declared date, or return None when the source has no such column."""
    name, columns = base.lower(), frame.columns
    clock_column = clock.lower() if clock and clock.lower() in columns else None
    for suffixes in DATE_FIELDS:
        fields = [name + suffix for suffix in suffixes]
        if all(one in columns for one in fields):
            return partial_dates.add_parts(frame, fields[0], fields[1], fields[2], clock_column, prefix)
    if name not in columns:
        return None
    text = pl.col(name)
    if clock_column is not None:
        hour = pl.col(clock_column).str.replace(r"^\s*(\d{1,2})\s*[-:hH]\s*(\d{2})\s*$", "${1}:${2}")
        text = pl.concat_str(name, hour, separator=" ", ignore_nulls=True)
    return partial_dates.add_dates(frame, text, mapping.date_order, prefix)


def _valued(mapping: TableMapping, rule: EventRule, frame: pl.DataFrame, person: str, problems: list[RowProblem]) -> pl.DataFrame:
    number: pl.Expr = pl.lit(None, dtype=pl.Float64)
    text: pl.Expr = pl.lit(None, dtype=pl.String)
    if rule.number:
        column = rule.number.lower()
        number = pl.col(column).str.replace(",", ".").cast(pl.Float64, strict=False)
        for row in frame.filter(pl.col(column).is_not_null() & number.is_null())["source_row"]:
            problems.append(RowProblem(row, "not-a-number", "The value is not a number.", column, refused=False))
    if rule.text:
        column = rule.text.lower()
        allowed = is_controlled(pl.col(column), frozenset(mapping.texts))
        for row in frame.filter(pl.col(column).is_not_null() & ~allowed)["source_row"]:
            problems.append(RowProblem(row, "text-withheld", "The text is not a controlled one.", column, refused=False))
        text = pl.when(allowed).then(pl.col(column))
    unit: pl.Expr = pl.lit(None, dtype=pl.String)
    if rule.unit:
        reference = BRACES.fullmatch(rule.unit)
        if reference is None:
            unit = pl.lit(rule.unit)
        elif reference.group(1).lower() in frame.columns:
            unit = pl.col(reference.group(1).lower())
    template = BRACES.sub("{}", rule.code)
    parts = [pl.col(name.lower()) for name in BRACES.findall(rule.code)]
    frame = frame.with_columns(
        pl.col(person).alias("person"),
        _code(frame, pl.format(template, *parts) if parts else pl.lit(rule.code)).alias("code"),
        number.alias("numeric_value"),
        text.alias("text_value"),
        unit.alias("unit"),
    )
    frame = convert_expressions(frame, problems)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SOURCE_EVENTS.items())


def _code(frame: pl.DataFrame, code: pl.Expr) -> pl.Expr:
    """Return the code of a rule, or another that a row was given."""
    return pl.coalesce("_code", code) if "_code" in frame.columns else code


def _recode(column: str, values: Mapping[str, str]) -> pl.Expr:
    known = {key.lower(): value for key, value in values.items()}
    text = pl.col(column).str.to_lowercase()
    new = text.replace_strict(list(known), list(known.values()), default=pl.lit("\0"), return_dtype=pl.String)
    return pl.when(pl.col(column).is_not_null()).then(new).alias(column)
