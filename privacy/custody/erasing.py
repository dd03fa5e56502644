"""An erasure that ends complete whenever it is killed: what is to go is written down first, and the next start goes on.

Each step can be done again: digests are a set, rows that are gone stay gone. The note holds the person's numbers in clear,
in the vault, and is the last to go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.files import write_json
from unibase.groundwork.tables import PEOPLE
from unibase.privacy.custody.corrected import forget
from unibase.privacy.custody.objections import remove_from_register
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.erased_numbers import remember
from unibase.privacy.ledger.erasure import erase_records, made_whole
from unibase.privacy.ledger.revisions import revision_folders

_NOTED = ("centre", "person_key", "system", "identifier", "ins")


@dataclass(frozen=True)
class Holders:
    """Where a vault holds a person.

    Attributes:
        ledger: The identity ledger.
        register: The register of objections.
        digests: Digests of the numbers of erased persons.
        people: The people of the last night.
        review: The page of open pairs.
        corrections: What the custodian corrected.
    """

    ledger: Path
    register: Path
    digests: Path
    people: Path
    review: Path
    corrections: Path

    @property
    def note(self) -> Path:
        """The note of an erasure that goes on."""
        return self.ledger.with_name("erasing.json")


def note_down(held: Holders, people: pl.DataFrame) -> None:
    """Write down whom to erase, before anything is erased.

    Args:
        held: Where the vault holds the person.
        people: All PEOPLE rows of the person.
    """
    write_json(held.note, people.select(_NOTED).unique().sort(pl.all()).to_dicts(), mode=0o600)


def finish(held: Holders) -> bool:
    """Erase whom the note names; return whether there was a note.

    Args:
        held: Where the vault holds the person.

    Raises:
        UserError: If the ledger was changed by hand.
    """
    if not held.note.exists():
        return False
    rows = json.loads(held.note.read_text(encoding="utf-8"))
    people = pl.DataFrame(rows, schema=dict.fromkeys(_NOTED, pl.String))
    records: set[RecordKey] = set(people.select("centre", "person_key").iter_rows())
    made_whole(held.ledger)
    remember(held.digests, people)
    if _stands(held.ledger, records):
        erase_records(held.ledger, records)
    remove_from_register(held.register, list(people.select("centre", "system", "identifier").iter_rows()), None)
    erase_from_table(held.people, records)
    forget(held.corrections, records)
    held.review.unlink(missing_ok=True)
    held.note.unlink()
    return True


def erase_from_table(path: Path, gone: set[RecordKey]) -> None:
    """Take records out of a table of PEOPLE, where there is one.

    Args:
        path: The table.
        gone: The records.
    """
    if path.exists():
        people = PEOPLE.read(path)
        keep = [record not in gone for record in people.select("centre", "person_key").iter_rows()]
        PEOPLE.write(people.filter(pl.Series(keep, dtype=pl.Boolean)), path)
        path.chmod(0o600)


def _stands(ledger: Path, records: set[RecordKey]) -> bool:
    return any(not records.isdisjoint(known) for known in _known(ledger))


def _known(ledger: Path) -> Iterator[set[RecordKey]]:
    """Yield the records of each revision: those that left stand in earlier ones."""
    for revision in revision_folders(ledger):
        for name in ("people", "changes"):
            yield set(pl.read_parquet(revision / f"{name}.parquet", columns=["centre", "person_key"]).iter_rows())
