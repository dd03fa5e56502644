"""The way back, for the custodian who holds the key and the vault: from a pseudonym to the person. Nobody else can take it.

A pseudonym is a keyed hash: it is not undone, it is computed anew for everyone the ledger knows and compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from privacy import identity
from privacy.keys import Key


class Person(NamedTuple):
    """The person behind a subject.

    Attributes:
        shift_days: The shift of all dates of this subject: shifted date = true date + `shift_days`.
        records: Rows of PEOPLE, as the ledger now is; vault only.
    """

    shift_days: int
    records: pl.DataFrame


def person_of(folder: Path | str, key: Key, subject_id: int) -> Person | None:
    """Return the person behind `subject_id`, or None when nobody in the ledger has this pseudonym under this key.

    Args:
        folder: The identity ledger.
        key: The study's key.
        subject_id: The pseudonym.

    Raises:
        UserError: If there is no ledger, or it was changed by hand.
    """
    lookup = identity.open_lookup(folder, key)
    mine = {where: subject for where, subject in lookup.by_identifier.items() if subject.subject_id == subject_id}
    if not mine:
        return None
    people = identity.ledger_people(folder).filter(~identity.is_same_as())
    places = pl.DataFrame(sorted(mine), schema=["centre", "system", "identifier"], orient="row")
    records = people.join(places, on=["centre", "system", "identifier"], how="semi").sort("centre", "person_key", "system")
    return Person(next(iter(mine.values())).shift_days, records)
