"""Numbers that their centre has given to another person, and the numbers that the former holder still has."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.privacy.custody.objections import REGISTER, stands_for
from unibase.privacy.ledger.decided import SAME_AS
from unibase.privacy.ledger.revisions import State


def objections_that_stay(folder: Path, before: int, register: pl.DataFrame) -> pl.DataFrame:
    """Return the register's further rows for persons who object and whose number is another person's since a revision.

    Without them who objected would come back under their other numbers. The rows of the number itself stay as well.

    Args:
        folder: The ledger.
        before: The revision at which the register was true.
        register: In the columns of `REGISTER`, as of that revision.

    Raises:
        UserError: If the ledger was changed by hand.
    """
    if not before or register.is_empty():
        return register.clear()
    old, new = State.load(folder, before), State.load(folder)
    rows = []
    for record in sorted(record for record, times in new.replaced.items() if times > old.replaced[record]):
        person = old.assignment.get(record)
        still = {one for one, name in new.assignment.items() if name == person == old.assignment.get(one)}
        for centre, system, identifier, channel in register.iter_rows():
            if any(stands_for((centre, system, identifier), number) for number in _numbers(old.people, {record})):
                rows += [(*number, channel) for number in _numbers(new.people, still)]
    return pl.DataFrame(rows, schema=REGISTER, orient="row").unique().sort(pl.all())


def _numbers(people: pl.DataFrame, records: set[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return centre, system and identifier of every number of some records."""
    keys = pl.DataFrame(sorted(records), schema={"centre": pl.String, "person_key": pl.String}, orient="row")
    mine = people.join(keys, on=["centre", "person_key"], how="semi").filter(pl.col("system") != SAME_AS)
    return sorted(mine.select("centre", "system", "identifier").iter_rows())
