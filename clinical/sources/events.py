"""What an adapter makes of a source: events that still say who they are about in its words, and persons with their identifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from unibase.clinical.sources.reading import RowProblem
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
"""Something met in rows of a table that is told once: by name, the first row and how many there are."""


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
        tally: Something met in many rows that is told once: by name, its first row and how many rows there are.
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
        told: The problem that a tally is.
    """

    persons: dict[str, list[Identifier]]
    parts: Sequence[Any]
    read: Callable[[Any], Iterable[TableEvents]]
    ready: Sequence[TableEvents] = ()
    told: Callable[[str, int, int], RowProblem] | None = None


Opener = Callable[[Path, "Client | None"], Plan]
"""Opens a source; may keep files in the folder it is given, which is gone when the dataset is written."""
