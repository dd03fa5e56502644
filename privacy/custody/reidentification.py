"""The way back, for who holds the vault and the key, or the answers of two custodians: from a pseudonym to the person.

A pseudonym is a keyed hash: it is not undone, it is computed anew for everyone the ledger knows and compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from unibase.privacy.ledger import persons
from unibase.privacy.subjects import SubjectLookup


class Person(NamedTuple):
    """The person behind a subject.

    Attributes:
        shift_days: The shift of all dates of this subject: shifted date = true date + `shift_days`.
        records: Rows of PEOPLE, as the ledger now is; vault only.
    """

    shift_days: int
    records: pl.DataFrame


def person_of(folder: Path | str, lookup: SubjectLookup, subject_id: int) -> Person | None:
    """Return the person behind `subject_id`, or None when the lookup gives nobody this pseudonym.

    Args:
        folder: The identity ledger.
        lookup: The way from identifiers to pseudonyms: of the study's key (`privacy.ledger.persons.open_lookup`), or of two custodians.
        subject_id: The pseudonym.

    Raises:
        UserError: If there is no ledger, or it was changed by hand.
    """
    mine = {where: subject for where, subject in lookup.by_identifier.items() if subject.subject_id == subject_id}
    if not mine:
        return None
    people = persons.ledger_people(folder).filter(~persons.is_same_as())
    places = pl.DataFrame(sorted(mine), schema=["centre", "system", "identifier"], orient="row")
    records = people.join(places, on=["centre", "system", "identifier"], how="semi").sort("centre", "person_key", "system")
    return Person(next(iter(mine.values())).shift_days, records)
