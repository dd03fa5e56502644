"""What a mapping names and the source lacks, and what the source has and no rule reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from unibase.clinical.formats.mapping_rows import renamed
from unibase.clinical.formats.mapping_rules import BRACES, DATE_FIELDS, EventRule, TableMapping, TableRule, is_day, rules_of
from unibase.clinical.reasons import COLUMN_AS_TEXT, MISSING_TABLE, NOT_CLINICAL, UNKNOWN_TABLE
from unibase.clinical.sources import problem_rows
from unibase.clinical.sources.events import SOURCE_EVENTS, TableEvents
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.groundwork.problems import UserError
from unibase.groundwork.reasons import MISSING_COLUMN


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
            event.since if event.since and not is_day(event.since) else None,
            *BRACES.findall(event.unit or ""),
            *event.when,
        ]
        absent |= {name: None for name in plain if name and name.lower() not in have}
        dates_ = (event.date, event.end, event.recorded)
        absent |= {name: None for name in dates_ if name and not _date_columns(name) & have}
    told = "The table has no column {}, which its mapping names: what needs it is not there."
    return [RowProblem(0, MISSING_COLUMN, told.format(name), name, refused=False) for name in absent]


def columns_as_text(rule: TableRule, columns: Iterable[str]) -> list[RowProblem]:
    """Return what is to be told of units and codes that a rule writes out, and that are names of `columns` of its table.

    >>> rule = TableRule(name="t", person="IPP", events=[{"code": "LOINC//718-7", "number": "Hb", "unit": "Unite"}])
    >>> [one.column for one in columns_as_text(rule, ["ipp", "hb", "unite"])]
    ['Unite']
    """
    have = {name.strip().lower() for name in [*columns, *rule.columns]}
    told = {word: None for event in rule.events for word in _written_out(event) if word.strip("{} ").lower() in have}
    message = (
        "The mapping writes the word {} on every event, and the table has a column of that name: as a whole in braces it is read."
    )
    return [RowProblem(0, COLUMN_AS_TEXT, message.format(word), word, refused=False) for word in told]


def _written_out(event: EventRule) -> Iterator[str]:
    """Yield the words that an event has as its unit or its code, and that may be meant as columns."""
    whole = BRACES.fullmatch(event.unit or "")
    if event.unit and not whole:
        # A part in braces is a note of UCUM, as in 10*3{cells}/uL, unless a column has its name.
        yield from (event.unit, *(f"{{{name}}}" for name in BRACES.findall(event.unit)))
    # One column a code is how wide tables are mapped: `LAB//HB` for the numbers of `HB`.
    own = {name.lower() for name in (event.number, event.text, event.date, *event.when, *event.unless, *event.happened) if name}
    word = event.code.rpartition("//")[2]
    if not BRACES.search(word) and word.lower() not in own:
        yield word


def unread_columns(rules: Sequence[TableRule], columns: Iterable[str]) -> list[RowProblem]:
    """Return what is to be told of `columns` of a table that none of its `rules` reads or names under `not_mapped`.

    >>> rule = TableRule(name="t", person="IPP", events=[{"code": "ICD10//{Code}", "date": "Day"}])
    >>> [one.message for one in unread_columns([rule], ["ipp", "code", "day", "poids"])]
    ['1 columns are read by no rule: poids.']
    """
    read = {name for rule in rules for name in _named(rule)}
    return problem_rows.unread_columns(list(columns), read)


def _named(rule: TableRule) -> set[str]:
    """Return the columns, in lower case, that a rule reads or says that it leaves out, and their other spellings."""
    named = {rule.person, *rule.columns, *rule.columns.values(), *rule.not_mapped, *rule.widths}
    named |= {name for join in rule.joins for name in (*join.on, *join.on.values(), *(join.columns or ()))}
    if rule.objection is not None:
        named |= {rule.objection.column, rule.objection.date or ""}
    for event in rule.events:
        named |= {*BRACES.findall(event.code), *BRACES.findall(event.unit or ""), *event.when, *event.unless, *event.happened}
        named |= {*event.values, event.number or "", event.text or "", event.clock or ""}
        for name in (event.date, event.end, event.recorded, event.since):
            named |= {name + part for parts in (("",), *DATE_FIELDS) for part in parts} if name else set()
    return {name.lower() for name in named}


def absent_tables(mapping: TableMapping, names: Iterable[str]) -> list[TableEvents]:
    """Return what is to be told of tables that a `complete` mapping reads and the source, which has `names`, does not have."""
    found = {rule.name for rule, _ in rules_of(mapping, names)}
    told = RowProblem(0, MISSING_TABLE, "The source has no file for this table of the mapping.", refused=False)
    absent = dict.fromkeys(rule.name for rule in mapping.tables if mapping.complete and rule.name not in found)
    return [TableEvents(name, 0, pl.DataFrame(schema=SOURCE_EVENTS), [told]) for name in absent]


def _date_columns(name: str) -> set[str]:
    """Return the columns that a date may stand in: one, or one for its year."""
    return {name.lower(), *(name.lower() + parts[0] for parts in DATE_FIELDS)}


def unmapped_tables(mapping: TableMapping, names: Iterable[str]) -> dict[str, TableEvents]:
    """Return what is to be told of each table, of the source's `names`, that no rule of the `mapping` reads.

    Its rows are not counted here.
    """
    others = {name.lower(): reason for name, reason in mapping.other_tables.items()}
    out: dict[str, TableEvents] = {}
    joined = {join.table.lower() for rule in mapping.tables for join in rule.joins}
    for number, name in enumerate(sorted(set(names) - {name for _, name in rules_of(mapping, names)} - joined), start=1):
        reason = others.get(name)
        problem = (
            RowProblem(0, NOT_CLINICAL, f"The table is not read: {reason}.", refused=False)
            if reason
            else RowProblem(0, UNKNOWN_TABLE, "No rule of the mapping reads this table.", refused=False)
        )
        # The name of a file that no rule names may tell a person, so it is counted instead.
        told = name if reason else f"unread-{number}"
        out[name] = TableEvents(told, 0, pl.DataFrame(schema=SOURCE_EVENTS), [problem])
    return out
