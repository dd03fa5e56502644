"""What a custodian corrected of persons before their hospital does: it stands in the place of the wrong value until then.

A correction names a record, a trait, the value that is wrong and the right one. It acts while the source says the wrong
value. Where the source says the right one, there is nothing left to do; where it says a third one, the source's word counts,
and the custodian is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE, write_parquet
from unibase.privacy.ledger.comparable import TRAITS, RecordKey
from unibase.privacy.ledger.traits import parse_date, place_code, valid_ins

CORRECTIONS = pl.Schema(
    {"centre": pl.String(), "person_key": pl.String(), "trait": pl.String(), "wrong": pl.String(), "right": pl.String()}
)
"""A row per record, trait and wrong value; `wrong` is null where the source has none, `right` where none is known."""
NONE_KNOWN = "none"
"""What is written for a right value that is not known: the wrong one says nothing any longer."""


@dataclass(frozen=True)
class Corrected:
    """PEOPLE rows with what was corrected, and what the sources say of it now.

    Attributes:
        people: The rows.
        applied: Corrections that act.
        contradicted: Records of which the source now says neither the wrong nor the right value.
    """

    people: pl.DataFrame
    applied: int
    contradicted: tuple[RecordKey, ...]


def read_corrections(path: Path) -> pl.DataFrame:
    """Return the corrections at `path`; empty where there are none yet.

    >>> read_corrections(Path("no corrections")).height
    0
    """
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=CORRECTIONS)


def write_corrections(path: Path, corrections: pl.DataFrame) -> None:
    """Write the corrections of a vault to `path`, with mode 0600, whole.

    `corrections`: in the columns of `CORRECTIONS`.
    """
    write_parquet(corrections.unique().sort(pl.all()), path)
    path.chmod(0o600)


def right_value(trait: str, text: str) -> str | None:
    """Return the right value of a trait as PEOPLE holds it, or None for `none`.

    Args:
        trait: One of `TRAITS`.
        text: As the custodian wrote it.

    Raises:
        UserError: If it is none: an INS whose key is wrong, a date that is none, a sex that is neither.

    Example:
        >>> right_value("birth_date", "1956-03-12"), right_value("sex", "f"), right_value("ins", "none")
        ('1956-03-12', 'F', None)
    """
    written = " ".join(text.split())
    if written.lower() == NONE_KNOWN:
        return None
    found: str | None = written or None
    if trait == "ins":
        found = valid_ins(written)
    elif trait == "birth_date":
        born = parse_date(written)
        known = 0 if born is None else 1 + (born.month > 0) + (born.day > 0)
        found = written if known and written.count("-") == known - 1 else None
    elif trait == "sex":
        found = written.upper() if written.upper() in ("F", "M") else None
    elif trait == "birth_place_code":
        found = place_code(written)
    if found is None:
        raise UserError(f"{trait}: this is none. {_FORMS.get(trait, 'Write it as the register of births has it, or `none`.')}")
    return found


_FORMS = {
    "ins": "An INS has 15 digits, of which the last two check the others.",
    "birth_date": "Write YYYY-MM-DD, or YYYY-MM or YYYY where no more is known.",
    "sex": "Write F or M.",
    "birth_place_code": "Write the INSEE code of the commune (69123) or of the country (99352).",
}


def corrections_of(people: pl.DataFrame, records: Iterable[RecordKey], right: dict[str, str | None]) -> pl.DataFrame:
    """Return the corrections of some records: of every value that their rows have and that is not the right one.

    Args:
        people: PEOPLE rows as the ledger has them.
        records: The records of which the values are wrong.
        right: The right value of each trait that is corrected.

    Raises:
        UserError: If all values are right already.
    """
    keys = set(records)
    rows = [row for row in people.iter_rows(named=True) if (row["centre"], row["person_key"]) in keys]
    found: list[tuple[str, str, str, str | None, str | None]] = []
    for trait, value in right.items():
        for key in sorted(keys):
            said = {row[trait] for row in rows if (row["centre"], row["person_key"]) == key}
            # Where another row of the record says a value, an empty one is no mistake.
            said = said - {None} or {None}
            found += [(*key, trait, one, value) for one in sorted(said, key=str) if one != value]
    if not found:
        raise UserError("The ledger has these values already: there is nothing to correct.")
    return pl.DataFrame(found, schema=CORRECTIONS, orient="row")


def corrected(people: pl.DataFrame, corrections: pl.DataFrame) -> Corrected:
    """Return PEOPLE rows with the corrections that act.

    An INS that is an identifier of its own (FHIR) is corrected as well.

    Args:
        people: PEOPLE rows as the sources have them.
        corrections: In the columns of `CORRECTIONS`.
    """
    by_record: dict[RecordKey, list[tuple[str, str | None, str | None]]] = {}
    for centre, person_key, trait, wrong, right in corrections.iter_rows():
        by_record.setdefault((centre, person_key), []).append((trait, wrong, right))
    keys = people.select("centre", "person_key").iter_rows()
    wanted = pl.Series([key in by_record for key in keys], dtype=pl.Boolean)
    mine = people.filter(wanted)
    if mine.is_empty():
        return Corrected(people, 0, ())
    rows, applied, others = [], 0, set[RecordKey]()
    said = _said(mine)
    for row in mine.iter_rows(named=True):
        new = dict(row)
        for trait, wrong, right in by_record[(row["centre"], row["person_key"])]:
            values = said[(row["centre"], row["person_key"], trait)]
            if row[trait] == wrong and (wrong is not None or values == {None}):
                new[trait] = right
                applied += 1
                if trait == "ins" and right is not None and row["identifier"] == wrong:
                    new["identifier"] = right
            elif not values & {wrong, right} - {None} and values != {None}:
                others.add((row["centre"], row["person_key"]))
        rows.append(new)
    after = pl.concat([people.filter(~wanted), pl.DataFrame(rows, schema=people.schema, orient="row")])
    after = after.unique(PEOPLE.key, keep="first", maintain_order=True)
    return Corrected(PEOPLE.conform(after), applied, tuple(sorted(others)))


def _said(people: pl.DataFrame) -> dict[tuple[str, str, str], set[str | None]]:
    """Return the values of each trait that the rows of each record have."""
    found: dict[tuple[str, str, str], set[str | None]] = {}
    for row in people.iter_rows(named=True):
        for trait in TRAITS:
            found.setdefault((row["centre"], row["person_key"], trait), set()).add(row[trait])
    return found


def wrong_rows(people: pl.DataFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of records that were corrected with their wrong values: a release may hold neither.

    Args:
        people: PEOPLE rows as the last night corrected them.
        corrections: In the columns of `CORRECTIONS`.
    """
    back = corrections.filter(pl.col("wrong").is_not_null())
    found = [people.clear()]
    for centre, person_key, trait, wrong, _ in back.iter_rows():
        rows = people.filter((pl.col("centre") == centre) & (pl.col("person_key") == person_key))
        found.append(rows.with_columns(pl.lit(wrong).alias(trait)))
    return pl.concat(found)


def forget(path: Path, records: set[RecordKey]) -> None:
    """Take the corrections of some records out of the vault.

    Args:
        path: The corrections.
        records: The records.
    """
    if path.exists():
        before = read_corrections(path)
        keep = [key not in records for key in before.select("centre", "person_key").iter_rows()]
        write_corrections(path, before.filter(pl.Series(keep, dtype=pl.Boolean)))
