"""What an adapter makes of a source: events that still say who they are about in its words, and persons with their identifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from unibase.clinical.reasons import (
    AFTER_CUTOFF,
    END_AFTER_CUTOFF,
    NUMBER_AS_FLOAT,
    OLDER_VERSION,
    SECOND_CODING,
    UNKNOWN_CODE_SYSTEM,
    UNKNOWN_CONCEPT,
    UNKNOWN_EXTENSION,
    UNKNOWN_STATUS,
    UNREAD_FIELD,
)
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.groundwork.tables import TIMESTAMP

if TYPE_CHECKING:
    from distributed import Client

SOURCE_EVENTS = pl.Schema(
    {
        "person": pl.String(),
        "time": TIMESTAMP,
        "code": pl.String(),
        "numeric_value": pl.Float32(),
        "text_value": pl.String(),
        "time_min": TIMESTAMP,
        "time_max": TIMESTAMP,
        "end_time": TIMESTAMP,
        "unit": pl.String(),
        "recorded_time": TIMESTAMP,
        "source_row": pl.Int64(),
    }
)
"""Columns of source events: `person` is the adapter's own key of the person, the times are not shifted yet."""

Tally = Mapping[str, tuple[int, int]]
"""Something met in many rows of a table that is told once: by `tally_key`, the first row and how many there are."""


@dataclass(frozen=True)
class Tallied:
    """What is said of something that many rows have; `{name}` and `{count}` are filled in."""

    reason: str
    message: str


_TOLD = (
    Tallied(UNKNOWN_EXTENSION, "The extension {name} is not read; {count} resources of the file carry it."),
    Tallied(
        UNKNOWN_CODE_SYSTEM,
        "The code system {name} is not known; {count} codings of the file name it. Its codes keep that name.",
    ),
    Tallied(UNREAD_FIELD, "The field {name} is not read; {count} resources of the file have it."),
    Tallied(
        UNKNOWN_CONCEPT,
        "{count} rows have a concept in {name} that the CONCEPT table does not hold: their code is its number.",
    ),
    Tallied(UNKNOWN_STATUS, "The status {name} is none of FHIR R4 for the resource; {count} resources of the file have it."),
    Tallied(SECOND_CODING, "{count} codings of the file are further codes of {name} for the same thing, and are left out."),
    Tallied(OLDER_VERSION, "{count} resources of the file are older versions of others, and do not count."),
    Tallied(NUMBER_AS_FLOAT, "{count} rows write {name} as 1.0, which programs write for 1 beside missing numbers: it is 1."),
    Tallied(AFTER_CUTOFF, "{count} rows lie after the data cut-off and do not count."),
    Tallied(END_AFTER_CUTOFF, "{count} rows end after the data cut-off; their end is left out."),
)
"""Of those after the cut-off and of older versions the rows are gone; other rows are kept."""
_GONE = (AFTER_CUTOFF, OLDER_VERSION)
_MESSAGES = {one.reason: one.message for one in _TOLD}


def tally_key(reason: str, name: str = "") -> str:
    r"""Return the key of a tally: its `reason`, and the `name` of what is counted.

    >>> tally_key("unknown-column", "Poids")
    'unknown-column\tPoids'
    """
    return f"{reason}\t{name}"


def told_tally(key: str, row: int, count: int) -> RowProblem:
    """Return the problem that the tally of `key` is: of `count` rows, `row` the first; exports carry the same in every row."""
    reason, name = key.split("\t", 1)
    return RowProblem(row, reason, _MESSAGES[reason].format(name=name, count=count), name, refused=reason in _GONE)


class Identifier(NamedTuple):
    """An identifier of a person: its kind (`ipp`, `omop`, `fhir`, `osiris`) and its text."""

    system: str
    value: str


@dataclass
class TableEvents:
    """What an adapter made of one source table, or of some rows of it.

    Attributes:
        table: Name of the table, last part of `source`.
        rows: Rows in the table.
        events: Frame of `SOURCE_EVENTS`.
        problems: Rows or fields not understood.
        tally: What is told once, see `Tally`.
    """

    table: str
    rows: int
    events: pl.DataFrame
    problems: list[RowProblem] = field(default_factory=list)
    tally: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A source that is open.

    Attributes:
        persons: `{person: identifiers}`, best identifier first.
        parts: What can be read alone; in the order of tables and rows.
        read: Gives the source events of one part, some rows of one table at a time; goes to the workers.
        ready: Small tables that are read already, and what is to be told of the source as a whole.
        birth_years: How many persons were born in each year, as the source says it.
    """

    persons: dict[str, list[Identifier]]
    parts: Sequence[Any]
    read: Callable[[Any], Iterable[TableEvents]]
    ready: Sequence[TableEvents] = ()
    birth_years: Mapping[int, int] = field(default_factory=dict)


Opener = Callable[[Path, "Client | None"], Plan]
"""Opens a source; may keep files in the folder it is given, which is gone when the dataset is written."""


def birth_years(events: pl.DataFrame) -> dict[int, int]:
    """Return how many births there are of each year in `events`, of those whose year is known."""
    born = events.filter((pl.col("code") == "MEDS_BIRTH") & (pl.col("time_max") - pl.col("time_min") < pl.duration(days=367)))
    return dict(born["time_min"].dt.year().cast(pl.Int64).value_counts().iter_rows())
