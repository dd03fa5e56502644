"""The door of staging: events leave it under a pseudonym and with shifted dates, or not at all.

An adapter hands over source events, which still say who they are about in the words of the source. Here each person
is looked up in the vault; rows of persons the vault does not know stay behind with the reason `unknown-person`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from unibase.clinical import tables
from unibase.clinical.reasons import UNKNOWN_PERSON
from unibase.clinical.remedies import remedy_of
from unibase.clinical.sources.events import Identifier
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.timelines.cutoff import CutOff, keep_until
from unibase.clinical.timelines.plausibility import refuted_problem
from unibase.clinical.words.partial_dates import shift_bounds
from unibase.groundwork.reasons import IDENTITY_CONFLICT
from unibase.groundwork.tables import EVENTS, QUARANTINE
from unibase.privacy import dates, pseudonyms
from unibase.privacy.keys import Key
from unibase.privacy.options import DEFAULT_MAX_SHIFT_DAYS
from unibase.privacy.subjects import Subject, SubjectLookup

STAGE = "clinical"


class Door(Protocol):
    """Gives the subject behind the identifiers of one person, or None for a person it does not know."""

    def subject(self, centre: str, identifiers: Sequence[Identifier]) -> Subject | None:
        """Return the subject of a person of a `centre`; raise `Conflict` when two `identifiers` lead to two subjects."""


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
        """Return the subject that the ledger holds for any of the `identifiers` at a `centre`.

        Raises:
            Conflict: When two lead to two subjects.
            Objects: When the person objects.
        """
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
    max_shift_days: int = DEFAULT_MAX_SHIFT_DAYS

    def subject(self, centre: str, identifiers: Sequence[Identifier]) -> Subject | None:
        """Return the subject computed of `centre` and hospital number, or the first of the `identifiers` where there is none."""
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
        # 00123 and 123 are two persons.
        if all(name.isdecimal() and name == str(int(name)) and 0 < int(name) < 2**63 for name in names):
            self.numbers = {name: int(name) for name in names}
        else:
            self.numbers = {name: number for number, name in enumerate(names, start=1)}

    def subject(self, centre: str, identifiers: Sequence[Identifier]) -> Subject | None:
        """Return the local number of the person, by the first of the `identifiers`, with a shift of 0, whatever the `centre`."""
        number = self.numbers.get(identifiers[0].value.strip()) if identifiers else None
        return None if number is None else Subject(number, 0)


ACCOUNT = tables.ACCOUNT.schema()
"""One row per source table: `rows = used + refused + silent`; a silent row holds nothing that is an event."""


@dataclass(frozen=True)
class Passed:
    """What came through the door of some rows of a table.

    Attributes:
        events: EVENTS.
        problems: Rows that stay behind, and fields that are refused.
        tally: What is told once.
        gone: How many rows a tally tells of of which nothing is left.
    """

    events: pl.DataFrame
    problems: list[RowProblem]
    tally: dict[str, tuple[int, int]]
    gone: int


def pass_table(
    events: pl.DataFrame, known: pl.DataFrame, unresolved: Unresolved, source: str, until: CutOff | None = None
) -> Passed:
    """Return the EVENTS of one table under pseudonyms and shifted, and what stays behind.

    Args:
        events: SOURCE_EVENTS.
        known: `person, subject_id, shift_days`.
        unresolved: Why persons have no subject.
        source: Centre, format and table.
        until: The data cut-off.
    """
    kept = keep_until(events, until)
    events = kept.events.join(known, on="person", how="left", maintain_order="left")
    problems = list(kept.problems)
    if events["subject_id"].null_count():
        lost = events.filter(pl.col("subject_id").is_null())
        events = events.filter(pl.col("subject_id").is_not_null())
        for person, row in lost.select("person", "source_row").unique(maintain_order=True).iter_rows():
            why = unresolved.get(person)
            if why == "objects":
                continue
            if why:
                problems.append(RowProblem(row, IDENTITY_CONFLICT, "Two identifiers of the person lead to two subjects."))
            else:
                problems.append(RowProblem(row, UNKNOWN_PERSON, "The row's person is not in the identity ledger."))
    events = shift_bounds(events).with_columns(
        pl.col("end_time") + pl.duration(days="shift_days"), pl.col("recorded_time") + pl.duration(days="shift_days")
    )
    told = {problem.row for problem in problems if problem.refused}
    passed = EVENTS.conform(events.drop("person", "shift_days").with_columns(source=pl.lit(source)))
    return Passed(passed, problems, kept.tally, len(kept.gone - told))


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
    """Return `person, subject_id, shift_days` of the persons the door knows, and why others have no subject.

    The `door` is asked for each of the `persons` of a `centre`.
    """
    if isinstance(door, LocalDoor):
        door.announce(persons)
    found: dict[str, Subject] = {}
    unresolved: dict[str, str] = {}
    for person, identifiers in persons.items():
        try:
            subject = door.subject(centre, identifiers)
        except Conflict:
            unresolved[person] = IDENTITY_CONFLICT
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


def refuted_frame(refuted: pl.DataFrame, centre: str) -> pl.DataFrame:
    """Return the QUARANTINE rows of deaths that cannot be true.

    Args:
        refuted: Of `plausibility.refuted_deaths`.
        centre: Name of the centre.
    """
    told = [
        problem_frame([refuted_problem(*row) for row in mine.select("source_row", "unborn").iter_rows()], centre, str(source))
        for (source,), mine in refuted.sort("source").group_by("source", maintain_order=True)
    ]
    return pl.concat([QUARANTINE.empty(), *told])


def problem_frame(problems: Sequence[RowProblem], centre: str, source: str) -> pl.DataFrame:
    """Return the `problems` of a table, `source`, of a `centre` in QUARANTINE columns; `unit` is `source#row/column`."""
    rows = {}
    for problem in problems:
        place = source + (f"#{problem.row}" if problem.row else "") + (f"/{problem.column}" if problem.column else "")
        message = problem.message + ("" if problem.refused else " The row is kept.")
        rows[(place, problem.reason)] = (STAGE, centre, place, problem.reason, message, remedy_of(problem.reason))
    return pl.DataFrame(list(rows.values()), schema=QUARANTINE.schema(), orient="row")
