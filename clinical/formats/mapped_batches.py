"""Declared tables (OSIRIS, OSIRIS-RWD, any CSV with a mapping) to be read in batches: see `clinical.timelines.batched`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.clinical.formats import mapping, mapping_absent, mapping_rows, mapping_rules
from unibase.clinical.formats.declaration import Asked
from unibase.clinical.formats.declared_tables import declared_tables
from unibase.clinical.formats.mapping_joins import Lookups, look_up
from unibase.clinical.formats.mapping_rules import Reading, TableMapping, TableRule
from unibase.clinical.reasons import NOT_UTF_8, UNREAD_COLUMN
from unibase.clinical.sources import databases
from unibase.clinical.sources.csv_headers import ENCODINGS
from unibase.clinical.sources.events import SOURCE_EVENTS, Opener, Plan, TableEvents, birth_years
from unibase.clinical.sources.fixed_widths import LaidOut, lay_out
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.sources.stretches import Part, Table, index_tables, offsets_of, parts_of
from unibase.clinical.sources.workbooks import open_tables
from unibase.groundwork.cluster import each
from unibase.groundwork.reasons import WRONG_COLUMN_COUNT

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class _Reader:
    """Reads parts of mapped tables.

    Attributes:
        rules: The declaration.
        tables: The tables.
        of_table: The rules that read each table, by their name, with the rows of other tables of the rule before it.
        offsets: Rows of its table before each part.
        lookups: Tables that others refer to.
    """

    rules: TableMapping
    tables: Mapping[str, Table]
    of_table: Mapping[str, Mapping[str, tuple[int, Sequence[TableRule]]]]
    offsets: Sequence[int]
    lookups: Lookups

    def __call__(self, part: Part) -> Iterator[TableEvents]:
        for rows in self.tables[part.table].read(part, offset=self.offsets[part.number]):
            for before, rules in self.of_table.get(part.table, {}).values():
                own = mapping_rows.moved(rows, before)
                joined = [(rule, self.lookups.joined(rule, own)) for rule in rules]
                yield _together([mapping.map_table(self.rules, *one) for one in joined])


def open_declared(asked: Asked, rules: TableMapping) -> Opener:
    """Return what opens a source of declared tables: files, workbooks, those of SAS and SPSS, tables of a database.

    Args:
        asked: The source.
        rules: The declaration.

    Raises:
        UserError: If there is no table.
    """
    if databases.is_database(asked.path):
        return partial(_open_database, asked, rules)
    return open_tables(asked.folder, partial(open_mapped, rules=rules))


def _open_database(asked: Asked, rules: TableMapping, folder: Path, client: Client | None) -> Plan:
    return open_mapped(declared_tables(asked, rules, folder), folder, client, rules)


def open_mapped(found: Mapping[str, Sequence[Path]], folder: Path, client: Client | None, rules: TableMapping) -> Plan:
    """Open a source of declared tables.

    Args:
        found: Files of each table, by the name of the table in lower case.
        folder: Where tables are kept that others refer to.
        client: A Dask client; None works in this process.
        rules: The declaration.

    Raises:
        UserError: If a table cannot be read, or has no column for the person.
    """
    names = sorted(found)
    laid, short = _laid_out(found, rules, folder)
    tables = index_tables({name: laid[name] for name in names}, client)
    parts = parts_of(tables)
    pairs = mapping_rules.rules_of(rules, names)
    lookups = look_up(rules, tables, folder)
    looked = _look_at_all(_sought(rules, tables, pairs, lookups), parts, client)
    total = dict.fromkeys(names, 0)
    for part, count in zip(parts, looked.rows, strict=True):
        total[part.table] += count
    read = _Reader(rules, tables, _before(pairs, total), offsets_of(parts, looked.rows), lookups)
    absent_tables = mapping_absent.absent_tables(rules, names)
    unread = [replace(told, rows=total[name]) for name, told in mapping_absent.unmapped_tables(rules, names).items()]
    # Tables without rows have an account, too.
    ready = _accounts(rules, pairs, tables, [lookups.problems, short, dict(_unread(pairs, tables))])
    ready += [
        TableEvents(name, total[name], pl.DataFrame(schema=SOURCE_EVENTS), lookups.problems[name])
        for name in sorted(set(lookups.problems) - set(read.of_table))
    ]
    mapped = [part for part in parts if part.table in read.of_table]
    persons = dict(mapping_rules.identifiers(rules, looked.persons))
    return Plan(persons, mapped, read, [*ready, *unread, *absent_tables], looked.birth_years)


def _accounts(
    rules: TableMapping,
    pairs: Sequence[tuple[TableRule, str]],
    tables: Mapping[str, Table],
    told: Sequence[Mapping[str, Sequence[RowProblem]]],
) -> list[TableEvents]:
    """Return the accounts of all tables that rules read; what is `told` of a table as a whole stands with its first rule."""
    first: dict[str, TableRule] = {}
    for rule, name in pairs:
        first.setdefault(name, rule)
    of = {name: [one for problems in told for one in problems.get(name, [])] for name in first}
    return [_account(rules, rule, tables, name, of[name] if rule is first[name] else []) for rule, name in pairs]


def _account(
    rules: TableMapping, rule: TableRule, tables: Mapping[str, Table], name: str, told: Sequence[RowProblem]
) -> TableEvents:
    """Return the account of a table that a rule reads, before its rows: what is told of the table as a whole."""
    columns = _columns(rule, tables[name], tables)
    absent = mapping_absent.absent_columns(rules, rule, name, columns)
    absent += mapping_absent.columns_as_text(rule, columns)
    return TableEvents(rule.name, 0, pl.DataFrame(schema=SOURCE_EVENTS), [*absent, *tables[name].problems(), *told])


def _unread(pairs: Sequence[tuple[TableRule, str]], tables: Mapping[str, Table]) -> Iterator[tuple[str, list[RowProblem]]]:
    """Yield each table, and what is told of its columns that none of its rules reads."""
    rules_of: dict[str, list[TableRule]] = {}
    for rule, name in pairs:
        rules_of.setdefault(name, []).append(rule)
    joins = [(join.table.lower(), join, rule) for rule, _ in pairs for join in rule.joins]
    # A join without `columns` takes all that its table has.
    whole = {table for table, join, _ in joins if join.columns is None}
    for name, own in rules_of.items():
        if name not in whole:
            joined = [rule for table, _, rule in joins if table == name]
            yield name, mapping_absent.unread_columns([*own, *joined], tables[name].schema)


def _laid_out(
    found: Mapping[str, Sequence[Path]], rules: TableMapping, folder: Path
) -> tuple[dict[str, list[Path]], dict[str, list[RowProblem]]]:
    """Return the files of each table, those of fixed widths set down in a folder, and what is told of short lines."""
    laid = {name: [*paths] for name, paths in found.items()}
    told: dict[str, list[RowProblem]] = {}
    places = {name: rule.widths for rule, name in mapping_rules.rules_of(rules, sorted(found)) if rule.widths}
    for name, widths in places.items():
        targets = [folder / f"widths-{name}-{number:03d}.parquet" for number, _ in enumerate(laid[name])]
        found_of = [lay_out(path, widths, target) for path, target in zip(laid[name], targets, strict=True)]
        laid[name] = targets
        told[name] = list(_told_of_widths(found_of))
    return laid, told


def _told_of_widths(files: Sequence[LaidOut]) -> Iterator[RowProblem]:
    """Yield what is told of the files of a table of fixed widths."""
    if short := sum(file.short for file in files):
        message = f"{short} lines end before the last column that `widths` names: their last fields are empty."
        yield RowProblem(0, WRONG_COLUMN_COUNT, message, refused=False)
    for encoding in sorted({file.encoding for file in files} - {ENCODINGS[0]}):
        yield RowProblem(0, NOT_UTF_8, f"The file is not UTF-8; it was read as {encoding}.", refused=False)
    if unnamed := list(dict.fromkeys(name for file in files for name in file.unnamed)):
        message = f"`widths` names no column for the places {', '.join(unnamed)}, which some lines fill."
        yield RowProblem(0, UNREAD_COLUMN, message, refused=False)


def _columns(rule: TableRule, table: Table, tables: Mapping[str, Table]) -> list[str]:
    """Return the columns that a rule finds in its table, those that its joins bring among them."""
    brought = [name for join in rule.joins for name in tables[join.table.lower()].schema]
    return [*table.schema, *brought]


def _before(
    pairs: Sequence[tuple[TableRule, str]], total: Mapping[str, int]
) -> dict[str, dict[str, tuple[int, list[TableRule]]]]:
    """Return the rules of each table by name, with the rows before it: tables that rules of one name read are numbered on."""
    out: dict[str, dict[str, tuple[int, list[TableRule]]]] = {}
    counted: dict[str, int] = {}
    for rule, name in pairs:
        if rule.name not in out.setdefault(name, {}):
            out[name][rule.name] = (counted.get(rule.name, 0), [])
            counted[rule.name] = counted.get(rule.name, 0) + total[name]
        out[name][rule.name][1].append(rule)
    return out


@dataclass(frozen=True)
class _Sought:
    """What a first look needs: by table, the rules that list persons, and those that say births."""

    rules: TableMapping
    tables: Mapping[str, Table]
    listing: Mapping[str, Sequence[TableRule]]
    births: Mapping[str, Sequence[TableRule]]
    lookups: Lookups


def _sought(
    rules: TableMapping, tables: Mapping[str, Table], pairs: Sequence[tuple[TableRule, str]], lookups: Lookups
) -> _Sought:
    listing: dict[str, list[TableRule]] = {name: [] for name in tables}
    births: dict[str, list[TableRule]] = {name: [] for name in tables}
    for rule, name in pairs:
        listing[name] += [rule] if mapping_rules.names_persons(rules, rule) else []
        births[name] += mapping_rules.births_alone(rule)
    return _Sought(rules, tables, listing, births, lookups)


@dataclass(frozen=True)
class _Looked:
    """What a first look at parts found: rows of each, the persons they are about, births by year."""

    rows: list[int]
    persons: set[str]
    birth_years: Counter[int]


def _look_at_all(sought: _Sought, parts: Sequence[Part], client: Client | None) -> _Looked:
    rows: list[int] = []
    persons: set[str] = set()
    years: Counter[int] = Counter()
    for looked in each(client, _look, sought, parts):
        rows += looked.rows
        persons |= looked.persons
        years += looked.birth_years
    return _Looked(rows, persons, years)


def _look(sought: _Sought, part: Part) -> _Looked:
    count, persons, years = 0, set[str](), Counter[int]()
    for rows in sought.tables[part.table].read(part):
        count += rows.rows
        for rule in sought.listing[part.table]:
            persons |= mapping_rows.persons_in(Reading(sought.rules, rule), sought.lookups.joined(rule, rows))
        for rule in sought.births[part.table]:
            years.update(birth_years(mapping.map_table(sought.rules, rule, sought.lookups.joined(rule, rows)).events))
    return _Looked([count], persons, years)


def _together(tables: Sequence[TableEvents]) -> TableEvents:
    """Return what rules of one name made of the same rows as one."""
    first = tables[0]
    if len(tables) == 1:
        return first
    events = pl.concat([table.events for table in tables])
    return TableEvents(first.table, sum(table.rows for table in tables), events, [p for table in tables for p in table.problems])
