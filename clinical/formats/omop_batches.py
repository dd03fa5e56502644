"""OMOP in CSV, or in CSV and Parquet mixed, to be read in batches: see `clinical.timelines.batched`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.clinical.formats import omop, omop_concepts, omop_persons, omop_tables
from unibase.clinical.sources import reading
from unibase.clinical.sources.events import SOURCE_EVENTS, Plan, TableEvents, birth_years
from unibase.clinical.sources.stretches import Part, Table, index_tables, offsets_of, parts_of
from unibase.groundwork.cluster import each
from unibase.groundwork.problems import UserError

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class _Reader:
    """Reads parts of event tables: the tables, what their concepts mean, and how many rows come before each part."""

    tables: Mapping[str, Table]
    concepts: pl.DataFrame
    texts: frozenset[str]
    offsets: Sequence[int]

    def __call__(self, part: Part) -> Iterator[TableEvents]:
        columns = omop_tables.columns_of(part.table)
        for rows in self.tables[part.table].read(part, columns, self.offsets[part.number]):
            yield omop.read_event_table(part.table, rows, self.concepts, self.texts)


def open_omop(
    found: Mapping[str, Sequence[Path]], folder: Path, client: Client | None, texts: frozenset[str] = frozenset()
) -> Plan:
    """Open an OMOP source.

    Args:
        found: Files of each table, by the name of the table in lower case (a prefix such as `2b_` is allowed).
        folder: Not needed.
        client: A Dask client; None works in this process.
        texts: Further texts that count as controlled.

    Raises:
        UserError: If there is no PERSON table, or a table cannot be read.
    """
    files = {omop_tables.plain_name(name): found[name] for name in sorted(found)}
    if "person" not in files:
        raise UserError("There is no PERSON table in this OMOP source. Name the folder that holds person.csv.")
    person, persons = omop_persons.read_person(reading.read_tables(files["person"], "person"))
    names = [name for name in (*omop_tables.EVENT_TABLES, "death") if name in files]
    tables = index_tables({name: files[name] for name in (*names, "concept") if name in files}, client)
    events = {name: tables[name] for name in names}
    parts = parts_of(events)
    used: set[int] = set()
    rows: list[int] = []
    for count, concepts in each(client, _look, events, parts):
        rows.append(count)
        used |= concepts
    wanted = parts_of({"concept": tables["concept"]}) if "concept" in tables else []
    known = [omop_concepts.no_concepts(), *each(client, partial(_concepts, used=used), tables, wanted)]
    read = _Reader(
        events, pl.concat(known).unique("concept_id", keep="first", maintain_order=True), texts, offsets_of(parts, rows)
    )
    ready = [_account(name, table) for name, table in events.items()]
    return Plan(persons, parts, read, [person, *ready, *omop_tables.unread_tables(files)], birth_years(person.events))


def _account(name: str, table: Table) -> TableEvents:
    """Return what is to be told of a table, by its `name`, as a whole: tables without rows have an account, too."""
    told = [*table.problems(), *omop_tables.left_columns(name, list(table.schema))]
    return TableEvents(name, 0, pl.DataFrame(schema=SOURCE_EVENTS), told)


def _look(tables: Mapping[str, Table], part: Part) -> tuple[int, set[int]]:
    """Return how many rows a part has, and the concepts they name."""
    columns = [name for name in omop_tables.columns_of(part.table) if name.endswith("concept_id")]
    rows, used = 0, set[int]()
    for table in tables[part.table].read(part, columns):
        rows += table.rows
        used |= omop_concepts.concepts_in(table.frame)
    return rows, used


def _concepts(tables: Mapping[str, Table], part: Part, used: set[int]) -> pl.DataFrame:
    found = (omop_concepts.known_concepts(rows.frame, used) for rows in tables["concept"].read(part, omop_concepts.COLUMNS))
    return pl.concat([omop_concepts.no_concepts(), *found])
