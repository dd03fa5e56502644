"""From the rows of declared tables to source events; the declaration is in `clinical.formats.mapping_rules`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import polars as pl

from unibase.clinical.formats.mapping_dates import dated
from unibase.clinical.formats.mapping_rows import ROUNDED, cleaned
from unibase.clinical.formats.mapping_rules import (
    ANY_CODE,
    BRACES,
    EventRule,
    Reading,
    TableMapping,
    TableRule,
)
from unibase.clinical.reasons import AMBIGUOUS_NUMBER, TEXT_WITHHELD, UNKNOWN_CODE, UNKNOWN_VALUE
from unibase.clinical.sources.events import SOURCE_EVENTS, TableEvents
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.reading import SourceTable
from unibase.clinical.words.controlled import is_controlled
from unibase.clinical.words.number_forms import plain_number
from unibase.clinical.words.units import convert_expressions
from unibase.clinical.words.vocabularies import CODE_SHAPES, spelled
from unibase.groundwork.reasons import NOT_A_NUMBER


def map_table(mapping: TableMapping, rule: TableRule, table: SourceTable) -> TableEvents:
    """Return the source events that a rule makes of a table, or of some rows of it.

    Args:
        mapping: The mapping file.
        rule: Its rule for the table.
        table: The rows.

    Raises:
        UserError: If there is no column for the person.
    """
    reading = Reading(mapping, rule)
    problems = list(table.problems)
    frame = cleaned(reading, table, problems)
    events: list[pl.DataFrame] = []
    carried: dict[str, set[int]] = {}
    for event in rule.events:
        made = _apply(reading, event, frame, problems)
        if made is not None:
            events.append(made)
            if event.date:
                carried.setdefault(event.date, set()).update(made["source_row"])
    events += _lonely_dates(reading, frame, carried)
    result = pl.concat(events) if events else pl.DataFrame(schema=SOURCE_EVENTS)
    return TableEvents(rule.name, table.rows, result, problems)


def _lonely_dates(reading: Reading, frame: pl.DataFrame, carried: Mapping[str, set[int]]) -> list[pl.DataFrame]:
    """Return events without a value for dates that stand alone in their row, so that no date is lost."""
    out: list[pl.DataFrame] = []
    for date, rows in carried.items():
        bearer = next((e for e in reading.table.events if e.date == date and not BRACES.search(e.code) and not e.when), None)
        if bearer is None:
            continue
        alone = frame.filter(~pl.col("source_row").is_in(sorted(rows)))
        bare = bearer.model_copy(update={"number": None, "text": None, "unit": None})
        # Problems of the date itself have been told when the rows were read for their values.
        made = _apply(reading, bare, alone, [])
        if made is not None and made.height:
            out.append(made)
    return out


def _apply(reading: Reading, rule: EventRule, frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame | None:
    """Return the events of one rule; None where the table lacks a column of its code, value or condition."""
    have = set(frame.columns)
    code_columns = [name.lower() for name in BRACES.findall(rule.code)]
    data = [name.lower() for name in (rule.number, rule.text) if name]
    if not set(code_columns + data + [name.lower() for name in rule.when]) <= have:
        return None
    _tell_other_yes(rule, frame, problems)
    # Rows of other rules are no concern of this one: a cell of theirs is no bad code or value of its.
    frame = frame.filter(_conditions(rule, have - {name.lower() for name in rule.values}))
    frame = _recoded(rule, frame, problems)
    frame = frame.filter(_conditions(rule, have))
    frame = _shaped_codes(rule, frame, code_columns, problems)
    frame = frame.filter(_said(code_columns, data))
    frame = dated(reading, rule, frame, bool(code_columns or data or rule.when), problems)
    return _valued(reading, rule, frame, problems)


def _recoded(rule: EventRule, frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    """Return rows with texts read as others; those of no declared text are null and told."""
    for name, recoded in rule.values.items():
        column = name.lower()
        if column in frame.columns:
            frame = frame.with_columns(_recode(column, recoded))
            for row in frame.filter(pl.col(column) == "\0")["source_row"]:
                problems.append(RowProblem(row, UNKNOWN_VALUE, "The value is not one that is declared.", column))
            frame = frame.with_columns(pl.when(pl.col(column) != "\0").then(pl.col(column)).alias(column))
    return frame


_YES = frozenset(["1", "y", "yes", "o", "oui", "j", "ja", "true", "vrai", "x"])
_NO = frozenset(["0", "2", "n", "no", "non", "nein", "false", "faux", "-"])
"""Words of columns that answer yes or no, in English, French and German."""


def _tell_other_yes(rule: EventRule, frame: pl.DataFrame, problems: list[RowProblem]) -> None:
    """Tell of rows that answer a question of yes or no in a word that the rule does not name, so that no event is lost unsaid."""
    for name, values in rule.when.items():
        declared = {value.lower() for value in values}
        if declared <= _YES and name not in rule.values:
            said = pl.col(name.lower()).str.to_lowercase()
            message = f"The answer is neither one that `when` names nor a no: no {rule.code.split('//')[0]} is made."
            told = (UNKNOWN_VALUE, message, name.lower())
            rows = frame.filter(~said.is_in(sorted(declared | _NO)))["source_row"]
            problems += [RowProblem(row, *told, refused=False) for row in rows]


def _shaped_codes(rule: EventRule, frame: pl.DataFrame, columns: list[str], problems: list[RowProblem]) -> pl.DataFrame:
    """Return the rows whose codes have the shape of their vocabulary, or that have none."""
    vocabulary = rule.code.split("//", 1)[0]
    for column in columns:
        written = _spelled(frame, column, vocabulary)
        shaped = written.str.contains(CODE_SHAPES.get(vocabulary, ANY_CODE)) & ~pl.col(column).str.contains(ROUNDED)
        bad = pl.col(column).is_not_null() & ~shaped
        for row in frame.filter(bad)["source_row"]:
            problems.append(RowProblem(row, UNKNOWN_CODE, f"The field holds no code of {vocabulary}.", column))
        frame = frame.filter(~bad.fill_null(False))
    return frame


def _conditions(rule: EventRule, columns: set[str]) -> pl.Expr:
    """Return which rows meet the conditions of a rule on these columns."""

    def among(name: str, values: Sequence[str]) -> pl.Expr:
        return pl.col(name.lower()).str.to_lowercase().is_in([v.lower() for v in values])

    keep = [among(name, values) for name, values in rule.when.items() if name.lower() in columns]
    keep += [~among(name, values).fill_null(False) for name, values in rule.unless.items() if name.lower() in columns]
    return reduce(lambda a, b: a & b, keep, pl.lit(True))


def _said(code_columns: list[str], data: list[str]) -> pl.Expr:
    """Return which rows hold the codes that the event is named by or, where it has none, a value."""
    keep = [pl.col(name).is_not_null() for name in code_columns]
    if data and not code_columns:
        keep.append(pl.any_horizontal(pl.col(name).is_not_null() for name in data))
    return reduce(lambda a, b: a & b, keep, pl.lit(True))


def _valued(reading: Reading, rule: EventRule, frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    number, text = _number(reading, rule, frame, problems)
    if rule.text:
        column = rule.text.lower()
        allowed = is_controlled(pl.col(column), frozenset(reading.mapping.texts))
        for row in frame.filter(pl.col(column).is_not_null() & ~allowed)["source_row"]:
            problems.append(RowProblem(row, TEXT_WITHHELD, "The text is not a controlled one.", column, refused=False))
        text = pl.when(allowed).then(pl.col(column))
    template = BRACES.sub("{}", rule.code)
    vocabulary = rule.code.split("//", 1)[0]
    parts = [_spelled(frame, name.lower(), vocabulary) for name in BRACES.findall(rule.code)]
    frame = frame.with_columns(
        pl.col(reading.person).alias("person"),
        _code(frame, pl.format(template, *parts) if parts else pl.lit(rule.code)).alias("code"),
        number.alias("numeric_value"),
        text.alias("text_value"),
        _unit(rule, frame).alias("unit"),
    )
    frame = convert_expressions(frame, problems)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SOURCE_EVENTS.items())


def _spelled(frame: pl.DataFrame, column: str, vocabulary: str) -> pl.Expr:
    codes = frame[column].drop_nulls().unique().to_list()
    return pl.col(column).replace(codes, [spelled(vocabulary, code) for code in codes])


def _unit(rule: EventRule, frame: pl.DataFrame) -> pl.Expr:
    reference = BRACES.fullmatch(rule.unit or "")
    if reference is None:
        return pl.lit(rule.unit, dtype=pl.String)
    column = reference.group(1).lower()
    return pl.col(column) if column in frame.columns else pl.lit(None, dtype=pl.String)


_BOUND = r"^(<=|>=|<|>|\u2264|\u2265)\s*"
"""A sign before a number: the value lies below or above it. It goes into the text, as OMOP's operators and FHIR's comparators do."""


def _number(reading: Reading, rule: EventRule, frame: pl.DataFrame, problems: list[RowProblem]) -> tuple[pl.Expr, pl.Expr]:
    """Return the number of each row, and the sign before it.

    What commas and points say is in `clinical.words.number_forms`.
    """
    if not rule.number:
        return pl.lit(None, dtype=pl.Float64), pl.lit(None, dtype=pl.String)
    column = rule.number.lower()
    sign = pl.col(column).str.extract(_BOUND, 1).replace({"\u2264": "<=", "\u2265": ">="})
    bare, doubtful = plain_number(pl.col(column).str.replace(_BOUND, ""), reading.mapping.decimal)
    number = pl.when(~doubtful).then(bare.cast(pl.Float64, strict=False))
    for row in frame.filter(pl.col(column).is_not_null() & doubtful)["source_row"]:
        message = "The comma may part thousands or decimals. Say `decimal` in the mapping."
        problems.append(RowProblem(row, AMBIGUOUS_NUMBER, message, column, refused=False))
    for row in frame.filter(pl.col(column).is_not_null() & ~doubtful & number.is_null())["source_row"]:
        problems.append(RowProblem(row, NOT_A_NUMBER, "The value is not a number.", column, refused=False))
    return number, pl.when(number.is_not_null()).then(sign)


def _code(frame: pl.DataFrame, code: pl.Expr) -> pl.Expr:
    """Return the code of a rule, or another that a row was given."""
    return pl.coalesce("_code", code) if "_code" in frame.columns else code


def _recode(column: str, values: Mapping[str, str]) -> pl.Expr:
    known = {key.lower(): value for key, value in values.items()}
    text = pl.col(column).str.to_lowercase()
    new = text.replace_strict(list(known), list(known.values()), default=pl.lit("\0"), return_dtype=pl.String)
    return pl.when(pl.col(column).is_not_null()).then(new).alias(column)
