"""A person's wrong identity corrected by the custodian, before the hospital's own export does: `unibase person correct`."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from unibase.flows.study.places import CORRECTIONS
from unibase.flows.vault.rights_desk import Asked, person_of, register_lines
from unibase.groundwork.problems import UserError
from unibase.privacy.custody.corrected import corrections_of, forget, read_corrections, right_value, write_corrections
from unibase.privacy.ledger.comparable import RecordKey

_NEXT = "Next: unibase build {} --nightly. Links that rested on it are judged again, and what was built of it is built again."


def correct(study_file: Path, number: str, centre: str | None, right: Mapping[str, str]) -> str:
    """Write down the right values of a record: they act from the next night on, until the hospital's source says them.

    A number that was given to another person is corrected by the names and the birth of who has it now.

    Args:
        study_file: The study file.
        number: A hospital number of the record whose values are wrong.
        centre: Where it is a number of; None where one hospital alone has it.
        right: The right value of each trait; `none` where it is not known.

    Raises:
        UserError: If nobody has the number, or several persons have; if nothing is to be corrected, or a value is none.
    """
    asked = person_of(study_file, number, centre)
    records = _records(asked, number, centre)
    if not right:
        raise UserError("Name what is to be corrected: --ins, --birth-date, --family-name, --used-name, --given-names, ...")
    values = {trait: right_value(trait, text) for trait, text in right.items()}
    found = corrections_of(asked.people, records, values)
    path = CORRECTIONS.of(asked.study.work.root)
    with asked.study.work.owned():
        before = read_corrections(path)
        # A second correction of a value that the first one gave is one of what the source says.
        same = before.join(
            found.select("centre", "person_key", "trait").unique(), on=["centre", "person_key", "trait"], how="semi"
        )
        kept = before.join(same, on=before.columns, how="anti", nulls_equal=True)
        again = same.with_columns(pl.col("trait").replace_strict(values, return_dtype=pl.String).alias("right"))
        given = found.join(
            same.select("centre", "person_key", "trait", pl.col("right").alias("wrong")),
            on=["centre", "person_key", "trait", "wrong"],
            how="anti",
            nulls_equal=True,
        )
        write_corrections(path, pl.concat([kept, again, given]))
    _logged(asked, "person-correct", sorted(values))
    told = ", ".join(sorted(values))
    return "\n".join([f"Corrected from the next night on: {told}.", *register_lines(asked), _NEXT.format(study_file)])


def take_back(study_file: Path, number: str, centre: str | None) -> str:
    """Take all corrections of a record back: what its hospital says counts again.

    Args:
        study_file: The study file.
        number: As `correct`.
        centre: As `correct`.

    Raises:
        UserError: If nobody has the number, several persons have, or nothing was corrected.
    """
    asked = person_of(study_file, number, centre)
    records, path = _records(asked, number, centre), CORRECTIONS.of(asked.study.work.root)
    mine = [key for key in read_corrections(path).select("centre", "person_key").iter_rows() if key in records]
    if not mine:
        raise UserError("Nothing of this number was corrected here. unibase person history tells what its hospital changed.")
    with asked.study.work.owned():
        forget(path, records)
    _logged(asked, "person-correction-taken-back", [])
    return f"Taken back: {len(mine)} values. {_NEXT.format(study_file)}"


def _records(asked: Asked, number: str, centre: str | None) -> set[RecordKey]:
    """Return the records of a person that have the number: a value may be wrong in one hospital and right in another."""
    wanted = number.strip()
    rows = asked.people.filter((pl.col("identifier") == wanted) | (pl.col("ins") == wanted))
    rows = rows if centre is None else rows.filter(pl.col("centre") == centre)
    return set(rows.select("centre", "person_key").iter_rows())


def _logged(asked: Asked, action: str, traits: list[str]) -> None:
    """Write down who corrected which traits of whom, and none of the values."""
    details = {"reason": "correction", "pseudonyms": [str(asked.subject_id)], "traits": traits}
    asked.study.audit.append(getpass.getuser(), action, 1, details)
