"""What happened to the records of a person over the revisions of the identity ledger: when, and by which evidence."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from unibase.groundwork.tables import PEOPLE
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.decided import SAME_AS
from unibase.privacy.ledger.revisions import REPLACED, UNDONE, State, revision_folders

_ACTIONS = {
    "new": "is a person of its own",
    "join": "joins a person who was known",
    "merge": "goes over to another person",
    "split": "is parted from a person",
    REPLACED: "number given to another person: a new pseudonym",
}
_PLACE = {"source", "source_row", *PEOPLE.key}


@dataclass(frozen=True)
class Happened:
    """One thing that happened to a record.

    Attributes:
        revision: Of the ledger.
        day: When the revision was written, in UTC, as its file says.
        record: Centre and person_key.
        what: In words; names other records, columns and rules, and no value of a trait.
    """

    revision: int
    day: str
    record: RecordKey
    what: str

    def told(self) -> str:
        """Return it as a line.

        >>> Happened(2, "2026-11-30", ("lyon", "12"), "is parted from a person").told()
        'revision 2 (2026-11-30), lyon/12: is parted from a person'
        """
        return f"revision {self.revision} ({self.day}), {'/'.join(self.record)}: {self.what}"


def records_of_number(folder: Path, number: str, centre: str | None = None) -> set[RecordKey]:
    """Return the records that have, or had in any revision, a number; and all that were one person with them since.

    Args:
        folder: The ledger.
        number: An identifier of any system, or an INS.
        centre: Where it is a number of; None for all.

    Raises:
        UserError: If the ledger was changed by hand.
    """
    State.load(folder)
    mine: set[RecordKey] = set()
    person: dict[RecordKey, str] = {}
    found: set[RecordKey] = set()
    for revision in revision_folders(folder):
        people = pl.read_parquet(revision / "people.parquet").filter(pl.col("system") != SAME_AS)
        named = people.filter((pl.col("identifier") == number.strip()) | (pl.col("ins") == number.strip()))
        named = named if centre is None else named.filter(pl.col("centre") == centre)
        mine |= set(named.select("centre", "person_key").iter_rows())
        changes = pl.read_parquet(revision / "changes.parquet").select("centre", "person_key", "person")
        person |= {(at, key): name for at, key, name in changes.iter_rows()}
        names = {person[record] for record in mine if record in person}
        found |= mine | {record for record, name in person.items() if name in names}
    return found


def history(folder: Path, records: Collection[RecordKey]) -> list[Happened]:
    """Return what happened to some records, oldest first: rows, persons, links with their evidence, decisions, review.

    Args:
        folder: The ledger.
        records: As of `records_of_number`.

    Raises:
        UserError: If the ledger was changed by hand.
    """
    State.load(folder)
    told: list[Happened] = []
    rows: dict[tuple[str, ...], dict[str, object]] = {}
    waiting: set[str] = set()
    for number, revision in enumerate(revision_folders(folder), start=1):
        written = datetime.fromtimestamp((revision / "revision.json").stat().st_mtime, UTC).date().isoformat()
        asked = set(_pairs(revision, "review", records))
        found = [*_rows(revision, records, rows), *_persons(revision, records), *_pairs(revision, "edges", records)]
        found += [*_decided(revision, records), *sorted(one for one in asked if one[1] not in waiting)]
        waiting = {what for _, what in asked}
        told += [Happened(number, written, record, what) for record, what in found]
    return told


def _rows(
    revision: Path, records: Collection[RecordKey], known: dict[tuple[str, ...], dict[str, object]]
) -> Iterator[tuple[RecordKey, str]]:
    """Yield rows that are new or changed, and which columns; `known` is brought up to date."""
    for row in pl.read_parquet(revision / "people.parquet").sort(PEOPLE.key).iter_rows(named=True):
        record = (row["centre"], row["person_key"])
        key = tuple(str(row[name]) for name in PEOPLE.key)
        before = known.get(key)
        if record not in records and (before is None or (before["centre"], before["person_key"]) not in records):
            continue
        known[key] = row
        if before is None:
            yield record, f"listed under {row['system']} {row['identifier']}"
        elif changed := [name for name in row if name not in _PLACE and row[name] != before[name]]:
            yield record, f"{row['system']} {row['identifier']}: corrected in {', '.join(changed)}"


def _persons(revision: Path, records: Collection[RecordKey]) -> Iterator[tuple[RecordKey, str]]:
    for row in pl.read_parquet(revision / "changes.parquet").iter_rows(named=True):
        record = (row["centre"], row["person_key"])
        if record in records:
            yield record, _ACTIONS.get(row["action"], row["action"])


def _pairs(revision: Path, table: str, records: Collection[RecordKey]) -> Iterator[tuple[RecordKey, str]]:
    """Yield the links made and undone, or the pairs that wait for a decision."""
    for left_centre, left, right_centre, right, rule, score in pl.read_parquet(revision / f"{table}.parquet").iter_rows():
        one, two = (left_centre, left), (right_centre, right)
        if not {one, two} & set(records):
            continue
        by = f"{rule}, {score:.1f} bits" if rule == "scored" or table == "review" else rule
        if rule == UNDONE:
            what = f"link with {'/'.join(two)} undone: what it rested on was corrected"
        else:
            what = f"{'waits for a decision on' if table == 'review' else 'linked with'} {'/'.join(two)} by {by}"
        yield one, what


def _decided(revision: Path, records: Collection[RecordKey]) -> Iterator[tuple[RecordKey, str]]:
    for left_centre, left, right_centre, right, relation in pl.read_parquet(revision / "decisions.parquet").iter_rows():
        one, two = (left_centre, left), (right_centre, right)
        if {one, two} & set(records):
            yield (
                one,
                f"decided: {relation} as {'/'.join(two)}" if relation == "same" else f"decided: {relation}, {'/'.join(two)}",
            )
