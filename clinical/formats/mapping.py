"""Any table by a declaration: a YAML mapping says which columns make which events.

OSIRIS pivot and OSIRIS-RWD are such mappings (in `clinical/formats/mappings`); a centre with other columns needs another file,
not other code.

```yaml
mapping: 1
name: our-registry
systems: [ipp]                      # kinds of identifier to look persons up by
date_order: dmy                     # how dates are written: ymd, dmy or mdy
complete: true                      # every table has every column named here; one that lacks a column is told
nulls: ["NA"]                       # texts that stand for an empty field
missing: ["Not Collected"]          # texts that say there is no value; each is reported
tables:
  - name: tumours
    files: [tumours, tumeurs]       # file names without suffix
    person: patient                 # column with the identifier
    events:
      - code: "ICD10//{icd}"        # columns in braces
        date: diagnosis_date        # one column, or the three fields diagnosis_dateYear, ...Month, ...Day
      - code: "LOINC//21908-9"
        date: diagnosis_date
        text: stage                 # kept when it is a controlled text
      - code: "LOINC//718-7"
        date: sampled
        number: hb
        unit: g/dL                  # UCUM, or "{column}"
        when: {status: [final]}     # only rows with these values
        values: {status: {F: final}}  # texts read as others first
```
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML, YAMLError

from unibase.clinical.sources.reading import RowProblem, SourceTable
from unibase.clinical.timelines.door import SOURCE_EVENTS, Identifier, TableEvents
from unibase.clinical.words import partial_dates
from unibase.clinical.words.controlled import is_controlled
from unibase.clinical.words.units import convert_expressions
from unibase.groundwork.problems import UserError

_BRACES = re.compile(r"\{(\w+)\}")
_DATE_FIELDS = (("year", "month", "day"), ("_year", "_month", "_day"), ("_yyyy", "_mm", "_dd"), ("yyyy", "mm", "dd"))


class EventRule(BaseModel):
    """How one row becomes one event; see the module's example."""

    model_config = ConfigDict(extra="forbid")

    code: str
    date: str | None = None
    clock: str | None = None
    static: bool = False
    end: str | None = None
    recorded: str | None = None
    number: str | None = None
    text: str | None = None
    unit: str | None = None
    when: dict[str, list[str]] = Field(default_factory=dict)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    undated: bool = False
    item: str = ""


class ObjectionRule(BaseModel):
    """Which column says whether a person objects to the use of their records, and in what words they do not."""

    model_config = ConfigDict(extra="forbid")

    column: str
    stays: list[str] = Field(min_length=1)
    date: str | None = None


class TableRule(BaseModel):
    """Which events one table holds."""

    model_config = ConfigDict(extra="forbid")

    name: str
    files: list[str] = Field(default_factory=list)
    columns: dict[str, str] = Field(default_factory=dict)
    person: str
    persons: bool = False
    events: list[EventRule] = Field(default_factory=list)
    objection: ObjectionRule | None = None
    not_mapped: dict[str, str] = Field(default_factory=dict)


class TableMapping(BaseModel):
    """A whole mapping file."""

    model_config = ConfigDict(extra="forbid")

    mapping: Literal[1]
    name: str
    systems: list[str] = Field(min_length=1)
    date_order: partial_dates.Order = "ymd"
    nulls: list[str] = Field(default_factory=list)
    missing: list[str] = Field(default_factory=list)
    texts: list[str] = Field(default_factory=list)
    complete: bool = True
    tables: list[TableRule]
    other_tables: dict[str, str] = Field(default_factory=dict)


CODE_SHAPES: dict[str, str] = {
    "ICD10": r"^[A-Z]\d{2}(?:\.?[0-9A-Z+]{1,4})?$",
    "ICDO3": r"^(?:C\d{2}(?:\.?[0-9X])?|\d{4}[/-]\d)$",
    "ATC": r"^[A-Z](?:\d{2}(?:[A-Z]{1,2}(?:\d{2})?)?)?$",
    "LOINC": r"^(?:\d{1,7}|LA\d{1,6}|LP\d{1,6})-\d$",
    "CCAM": r"^[A-Z]{4}(?:\d{3})?$",
    "SNOMED": r"^\d{6,18}$",
}
"""The shape of a code of each vocabulary; a cell without it is no code of that vocabulary and never travels."""
_ANY_CODE = r"^[A-Za-z0-9][A-Za-z0-9.+/_:^-]{0,63}$"


def read_mapping(path: Path) -> TableMapping:
    """Read and check a mapping file.

    Raises:
        UserError: Naming the key that is wrong, and what is allowed.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError) as error:
        raise UserError(f"The mapping {path} cannot be read as YAML: {type(error).__name__}.") from None
    return _validated(content, str(path))


def packaged_mapping(name: str) -> TableMapping:
    """Return a mapping that comes with the package: `osiris` or `osiris-rwd`."""
    text = files("unibase.clinical.formats").joinpath("mappings").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return _validated(YAML(typ="safe").load(text), name)


def _validated(content: Any, place: str) -> TableMapping:
    try:
        return TableMapping.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise UserError(f"The mapping {place} is not usable:\n  " + "\n  ".join(lines)) from None


def map_tables(
    mapping: TableMapping, names: Sequence[str], read: Callable[[str], SourceTable]
) -> tuple[list[TableEvents], dict[str, list[Identifier]]]:
    """Return the source events of all mapped tables, and the persons they are about.

    Args:
        mapping: The declaration.
        names: Tables that the source has, lower case.
        read: Reads one of them by its name.
    """
    out: list[TableEvents] = []
    persons: set[str] = set()
    rules = rules_of(mapping, names)
    offsets: dict[str, dict[str, int]] = {}
    rows: dict[str, int] = {}
    for rule, name in rules:
        table = read(name)
        before = offsets.setdefault(rule.name, {})
        if name not in before:
            before[name] = rows.get(rule.name, 0)
            rows[rule.name] = before[name] + table.rows
        table = moved(table, before[name])
        told = map_table(mapping, rule, table)
        out.append(replace(told, problems=[*absent_columns(mapping, rule, name, table.frame.columns), *told.problems]))
        if names_persons(mapping, rule):
            persons |= persons_in(mapping, rule, table)
    out += [replace(told, rows=read(name).rows) for name, told in unmapped_tables(mapping, names).items()]
    return out, identifiers(mapping, persons)


def rules_of(mapping: TableMapping, names: Iterable[str]) -> list[tuple[TableRule, str]]:
    """Return the rules that read a table of the source, and the table; a rule may read several, and a table have several rules."""
    wanted = [(rule, {name.lower() for name in (rule.files or [rule.name])}) for rule in mapping.tables]
    return [(rule, name) for rule, files in wanted for name in names if name in files]


def names_persons(mapping: TableMapping, rule: TableRule) -> bool:
    """Tell whether the persons of the source are those that this table names: of all tables, where none is said to list them."""
    return rule.persons or not any(one.persons for one in mapping.tables)


def identifiers(mapping: TableMapping, persons: Iterable[str]) -> dict[str, list[Identifier]]:
    """Return the identifiers of persons."""
    return {person: [Identifier(system, person) for system in mapping.systems] for person in sorted(persons)}


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
            *_BRACES.findall(event.code),
            event.number,
            event.text,
            event.clock,
            *_BRACES.findall(event.unit or ""),
            *event.when,
        ]
        absent |= {name: None for name in plain if name and name.lower() not in have}
        dates_ = (event.date, event.end, event.recorded)
        absent |= {name: None for name in dates_ if name and not _date_columns(name) & have}
    told = "The table has no column {}, which its mapping names: what needs it is not there."
    return [RowProblem(0, "missing-column", told.format(name), name, refused=False) for name in absent]


def _date_columns(name: str) -> set[str]:
    """Return the columns that a date may stand in: one, or one for its year."""
    return {name.lower(), *(name.lower() + parts[0] for parts in _DATE_FIELDS)}


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
    return _without_missing(frame, mapping.missing, columns, person, problems)


def _lonely_dates(
    mapping: TableMapping, rule: TableRule, frame: pl.DataFrame, person: str, carried: Mapping[str, set[int]]
) -> list[pl.DataFrame]:
    """Return events without a value for dates that stand alone in their row, so that no date is lost."""
    out: list[pl.DataFrame] = []
    for date, rows in carried.items():
        bearer = next((e for e in rule.events if e.date == date and not _BRACES.search(e.code) and not e.when), None)
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
        for suffix in ("", *(part for parts in _DATE_FIELDS for part in parts)):
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
    code_columns = [name.lower() for name in _BRACES.findall(rule.code)]
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
        bad = pl.col(column).is_not_null() & ~pl.col(column).str.contains(CODE_SHAPES.get(vocabulary, _ANY_CODE))
        for row in frame.filter(bad)["source_row"]:
            problems.append(RowProblem(row, "unknown-code", f"The field holds no code of {vocabulary}.", column))
        frame = frame.filter(~bad.fill_null(False))
    keep = [pl.col(name.lower()).str.to_lowercase().is_in([v.lower() for v in values]) for name, values in rule.when.items()]
    keep += [pl.col(name).is_not_null() for name in code_columns]
    if data and not code_columns:
        keep.append(pl.any_horizontal(pl.col(name).is_not_null() for name in data))
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
    frame = dated
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
    for suffixes in _DATE_FIELDS:
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
        reference = _BRACES.fullmatch(rule.unit)
        if reference is None:
            unit = pl.lit(rule.unit)
        elif reference.group(1).lower() in frame.columns:
            unit = pl.col(reference.group(1).lower())
    template = _BRACES.sub("{}", rule.code)
    parts = [pl.col(name.lower()) for name in _BRACES.findall(rule.code)]
    frame = frame.with_columns(
        pl.col(person).alias("person"),
        (pl.format(template, *parts) if parts else pl.lit(rule.code)).alias("code"),
        number.alias("numeric_value"),
        text.alias("text_value"),
        unit.alias("unit"),
    )
    frame = convert_expressions(frame, problems)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SOURCE_EVENTS.items())


def _recode(column: str, values: Mapping[str, str]) -> pl.Expr:
    known = {key.lower(): value for key, value in values.items()}
    text = pl.col(column).str.to_lowercase()
    new = text.replace_strict(list(known), list(known.values()), default=pl.lit("\0"), return_dtype=pl.String)
    return pl.when(pl.col(column).is_not_null()).then(new).alias(column)


FIELDS = pl.Schema({"table": pl.String(), "field": pl.String(), "item": pl.String(), "use": pl.String()})
"""One row per field of a mapping: where it goes, or why it does not."""


def field_table(mapping: TableMapping) -> pl.DataFrame:
    """Return what becomes of every field that a mapping knows."""
    rows: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for rule in mapping.tables:
        rows.setdefault((rule.name, rule.person), []).append(("", "the person: becomes subject_id"))
        for event in rule.events:
            uses = [(name, f"code {event.code}") for name in _BRACES.findall(event.code)]
            named = {"date": "time", "clock": "time of day", "end": "end_time", "recorded": "recorded_time", "number": "numeric_value",
                     "text": "text_value"}  # fmt: skip
            uses += [(name, f"{use} of {event.code}") for key, use in named.items() if (name := getattr(event, key))]
            uses += [(name, f"unit of {event.code}") for name in _BRACES.findall(event.unit or "")]
            uses += [(name, f"selects {event.code}") for name in event.when]
            for name, use in uses:
                rows.setdefault((rule.name, name), []).append((event.item, use))
        for name, reason in rule.not_mapped.items():
            rows.setdefault((rule.name, name), []).append(("", f"not mapped: {reason}"))
    out = []
    for (table, name), uses in rows.items():
        items = " ".join(dict.fromkeys(part for item, _ in uses for part in item.split()))
        out.append((table, name, items, "; ".join(dict.fromkeys(use for _, use in uses))))
    return pl.DataFrame(out, schema=FIELDS, orient="row")


def iso_date(time_min: datetime | None, time_max: datetime | None) -> str | None:
    """Return a date cut to what is known (1961, 1961-04, 1961-04-02), or None."""
    known = partial_dates.PartialDate.from_bounds(time_min, time_max) if time_min and time_max else None
    if known is None or known.year is None:
        return None
    text = f"{known.year:04d}"
    if known.month is not None:
        text += f"-{known.month:02d}" + (f"-{known.day:02d}" if known.day is not None else "")
    return text
