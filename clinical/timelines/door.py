"""The door of staging: events leave it under a pseudonym and with shifted dates, or not at all.

An adapter hands over source events, which still say who they are about in the words of the source. Here each person
is looked up in the vault; rows of persons the vault does not know stay behind with the reason `unknown-person`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import polars as pl

from unibase.clinical.sources.reading import RowProblem
from unibase.clinical.timelines.plausibility import refuted_deaths
from unibase.clinical.words.partial_dates import shift_bounds
from unibase.groundwork.tables import EVENTS, QUARANTINE, TIMESTAMP
from unibase.privacy import dates, pseudonyms
from unibase.privacy.keys import Key
from unibase.privacy.subjects import Subject, SubjectLookup

STAGE = "clinical"

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


class Identifier(NamedTuple):
    """An identifier of a person: its kind (`ipp`, `omop`, `fhir`, `osiris`) and its text."""

    system: str
    value: str


class Door(Protocol):
    """Gives the subject behind the identifiers of one person, or None for a person it does not know."""

    def subject(self, centre: str, identifiers: Sequence[Identifier]) -> Subject | None:
        """Return the subject; raise `Conflict` when two identifiers lead to two subjects."""


class Conflict(Exception):
    """Two identifiers of one person lead to two subjects of the vault."""


class Objects(Exception):
    """The person objects to the use of their records: nothing is told of them, not even that there was a row."""


type Unresolved = Mapping[str, str]
"""Persons without a subject about whom more is known than that: `identity-conflict`, or `objects`."""


@dataclass(frozen=True)
class VaultDoor:
    """The door of a study: the identity ledger decides."""

    lookup: SubjectLookup

    def subject(self, centre: str, identifiers: Sequence[Identifier]) -> Subject | None:
        """Return the subject that the ledger holds for any of the identifiers."""
        if any(self.lookup.objects(centre, system, value) for system, value in identifiers):
            raise Objects
        found = {self.lookup.find(centre, system, value) for system, value in identifiers} - {None}
        if len(found) > 1:
            raise Conflict
        return found.pop() if found else None


@dataclass(frozen=True)
class KeyDoor:
    """A door without a study: a keyed pseudonym of the hospital number, and the shift that belongs to it."""

    key: Key
    max_shift_days: int = dates.DEFAULT_MAX_SHIFT_DAYS

    def subject(self, centre: str, identifiers: Sequence[Identifier]) -> Subject | None:
        """Return the subject computed from the hospital number, or from the first identifier where there is none."""
        if not identifiers:
            return None
        system, value = next((one for one in identifiers if one.system == "ipp"), identifiers[0])
        number = pseudonyms.subject_id(self.key, f"{centre}/{system}/{value.strip()}")
        return Subject(number, dates.shift_days(self.key, number, self.max_shift_days))


@dataclass
class LocalDoor:
    """A door without study or key: local numbers, and no shift. The result is not pseudonymised.

    A positive integer identifier (an OMOP `person_id`) is its own number; other persons are counted from 1 in the
    order of their identifiers, which is why they must be announced first.
    """

    numbers: dict[str, int] = field(default_factory=dict)

    def announce(self, persons: dict[str, list[Identifier]]) -> None:
        """Give numbers to all persons of a source."""
        names = sorted({identifiers[0].value.strip() for identifiers in persons.values() if identifiers})
        if all(name.isdecimal() and 0 < int(name) < 2**63 for name in names):
            self.numbers = {name: int(name) for name in names}
        else:
            self.numbers = {name: number for number, name in enumerate(names, start=1)}

    def subject(self, centre: str, identifiers: Sequence[Identifier]) -> Subject | None:
        """Return the local number of the person, with a shift of 0."""
        number = self.numbers.get(identifiers[0].value.strip()) if identifiers else None
        return None if number is None else Subject(number, 0)


@dataclass
class TableEvents:
    """What an adapter made of one source table.

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
class Passage:
    """What came through the door: EVENTS, problems in QUARANTINE columns, and the account of every table."""

    events: pl.DataFrame
    problems: pl.DataFrame
    account: pl.DataFrame


ACCOUNT = pl.Schema(
    {"source": pl.String, "rows": pl.Int64, "used": pl.Int64, "refused": pl.Int64, "silent": pl.Int64, "events": pl.Int64}
)
"""One row per source table: `rows = used + refused + silent`; a silent row holds nothing that is an event."""


def pass_through(
    tables: Sequence[TableEvents], persons: dict[str, list[Identifier]], door: Door, centre: str, format: str
) -> Passage:
    """Look up every person, shift every date, and tell what stays behind.

    Args:
        tables: The source events of each table.
        persons: `{person: identifiers}` for all persons of the source.
        door: Gives the subjects.
        centre: Name of the centre.
        format: Name of the source format, middle part of `source`.
    """
    known, unresolved = resolve(persons, door, centre)
    out: list[pl.DataFrame] = []
    found: dict[str, list[RowProblem]] = {}
    rows: dict[str, int] = {}
    for table in sorted(tables, key=lambda one: one.table):
        source = f"{centre}/{format}/{table.table}"
        rows[source] = rows.get(source, 0) + table.rows
        events, lost = pass_table(table.events, known, unresolved, source)
        found.setdefault(source, []).extend([*table.problems, *lost])
        out.append(events)
    events = pl.concat([EVENTS.empty(), *out])
    refuted = refuted_deaths(events)
    for source, row in refuted.select("source", "source_row").iter_rows():
        found[source].append(refuted_problem(row))
    events = events.join(refuted, on=["subject_id", "code", "source", "source_row"], how="anti", maintain_order="left")
    account = [_account(source, rows[source], found[source], events) for source in sorted(rows)]
    return Passage(
        sort_events(events),
        QUARANTINE.conform(pl.concat([QUARANTINE.empty(), *(problem_frame(found[s], centre, s) for s in sorted(found))])),
        pl.DataFrame(account, schema=ACCOUNT, orient="row"),
    )


def pass_table(
    events: pl.DataFrame, known: pl.DataFrame, unresolved: Unresolved, source: str
) -> tuple[pl.DataFrame, list[RowProblem]]:
    """Return the EVENTS of one table under pseudonyms and shifted, and a problem for every row that stays behind."""
    events = events.join(known, on="person", how="left", maintain_order="left")
    problems: list[RowProblem] = []
    if events["subject_id"].null_count():
        lost = events.filter(pl.col("subject_id").is_null())
        events = events.filter(pl.col("subject_id").is_not_null())
        for person, row in lost.select("person", "source_row").unique(maintain_order=True).iter_rows():
            why = unresolved.get(person)
            if why == "objects":
                continue
            if why:
                problems.append(RowProblem(row, "identity-conflict", "Two identifiers of the person lead to two subjects."))
            else:
                problems.append(RowProblem(row, "unknown-person", "The row's person is not in the identity ledger."))
    events = shift_bounds(events).with_columns(
        pl.col("end_time") + pl.duration(days="shift_days"), pl.col("recorded_time") + pl.duration(days="shift_days")
    )
    return EVENTS.conform(events.drop("person", "shift_days").with_columns(source=pl.lit(source))), problems


def _account(source: str, rows: int, problems: Sequence[RowProblem], events: pl.DataFrame) -> tuple[str, int, int, int, int, int]:
    own = events.filter(pl.col("source") == source)["source_row"]
    used = set(own.unique())
    refused = {problem.row for problem in problems if problem.refused and problem.row} - used
    return source, rows, len(used), len(refused), rows - len(used) - len(refused), len(own)


def sort_events(events: pl.DataFrame) -> pl.DataFrame:
    """Return events in the order of the timeline: subject, then time, static facts and partial dates first.

    MEDS asks for the rows of a subject to be contiguous and in order of time, nulls first. Partial dates have a null
    time and come in the order of their earliest instant. Ties keep the order of source and row, then of code and value:
    the order depends on the rows alone.
    """
    # Ranks of the few sources sort much faster than their names.
    names = events["source"].unique().drop_nulls().sort()
    rank = pl.col("source").replace_strict(
        names, pl.Series(range(len(names)), dtype=pl.Int32), default=None, return_dtype=pl.Int32
    )
    order = ["subject_id", "time", "time_min", "_rank", "source_row"]
    events = events.with_columns(rank.alias("_rank") if len(names) else pl.lit(None, dtype=pl.Int32).alias("_rank"))
    events = events.sort(order, nulls_last=False, maintain_order=True)
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in order)
    if events.select(same.any()).item():
        # Several events of one row: their codes decide, so the order they were made in does not.
        events = events.sort([*order, "code", "time_max", "numeric_value", "text_value"], nulls_last=False, maintain_order=True)
    return events.drop("_rank")


def resolve(persons: dict[str, list[Identifier]], door: Door, centre: str) -> tuple[pl.DataFrame, Unresolved]:
    """Return `person, subject_id, shift_days` of the persons the door knows, and why others have no subject."""
    if isinstance(door, LocalDoor):
        door.announce(persons)
    found: dict[str, Subject] = {}
    unresolved: dict[str, str] = {}
    for person, identifiers in persons.items():
        try:
            subject = door.subject(centre, identifiers)
        except Conflict:
            unresolved[person] = "identity-conflict"
            continue
        except Objects:
            unresolved[person] = "objects"
            continue
        if subject is not None:
            found[person] = subject
    known = {
        "person": pl.Series(found.keys(), dtype=pl.String),
        "subject_id": pl.Series([subject.subject_id for subject in found.values()], dtype=pl.Int64),
        "shift_days": pl.Series([subject.shift_days for subject in found.values()], dtype=pl.Int64),
    }
    return pl.DataFrame(known), unresolved


def refuted_problem(row: int) -> RowProblem:
    """Return the problem of a date of death that other records refute."""
    message = "The date of death contradicts the date of birth, or later days on which the person was seen."
    return RowProblem(row, "impossible-date", message, "death")


def problem_frame(problems: Sequence[RowProblem], centre: str, source: str) -> pl.DataFrame:
    """Return problems of one table in QUARANTINE columns; `unit` is `source#row/column`."""
    rows = {}
    for problem in problems:
        place = source + (f"#{problem.row}" if problem.row else "") + (f"/{problem.column}" if problem.column else "")
        message = problem.message + ("" if problem.refused else " The row is kept.")
        rows[(place, problem.reason)] = (STAGE, centre, place, problem.reason, message, REMEDIES.get(problem.reason, ""))
    return pl.DataFrame(list(rows.values()), schema=QUARANTINE.schema(), orient="row")


REMEDIES = {
    "impossible-date": "Correct the date in the source, or write its unknown parts as unknown.",
    "unreadable-date": "Write dates as YYYY-MM-DD, or declare their order in the mapping.",
    "unknown-person": "Add the person to the people of the centre and run again.",
    "identity-conflict": "Let the custodian of the vault decide which identifier is right.",
    "comment-line": "Nothing, when it is a comment.",
    "wrong-column-count": "Quote the field that holds the delimiter, or complete the row.",
    "not-utf-8": "Save the file as UTF-8.",
    "not-clinical": "Nothing; the reason is said.",
    "unknown-table": "Add the table to the mapping when it holds events.",
    "empty-row": "Nothing.",
    "unknown-code": "Map the code in the vocabulary tables of the source, or in the mapping.",
    "missing-code": "Complete the code in the source.",
    "missing-person": "Complete the person in the source.",
    "missing-date": "Complete the date in the source, or write it as unknown.",
    "unknown-unit": "Declare the unit's UCUM code in the mapping.",
    "not-a-number": "Correct the number in the source.",
    "end-before-start": "Correct the dates in the source.",
    "partial-end": "Nothing; the end of the interval is not known to the day.",
    "text-withheld": "Declare the texts that are controlled in the mapping.",
    "malformed-json": "Export the file again.",
    "malformed-resource": "Correct the resource in the source; FHIR R4 says how its fields are shaped.",
    "unknown-resource": "Nothing, when the resource is not clinical.",
    "unknown-extension": "Nothing, when the study does not need it.",
    "unknown-reference": "Export the resource that is referred to as well.",
    "not-collected": "Nothing; the source says it was not collected.",
    "unknown-value": "Correct the value in the source, or declare it in the mapping.",
    "entered-in-error": "Nothing; the source withdrew it.",
    "duplicate-death": "Correct the date of death in the source.",
}
"""What can be done about each reason."""
