"""What a centre corrected: records whose rows changed, rows that it took back, numbers given to another person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
from rapidfuzz.distance import OSA, JaroWinkler

from unibase.groundwork.tables import PEOPLE
from unibase.privacy.ledger.comparable import TRAITS, RecordKey
from unibase.privacy.ledger.given_names import given_names
from unibase.privacy.ledger.residence import COLUMNS
from unibase.privacy.ledger.traits import family_names, given_tokens, parse_date, valid_ins

type _Row = Mapping[str, Any]

_ALIKE = 0.85
"""Family names from this likeness on (Jaro and Winkler) may be one name."""


def changed_records(before: pl.DataFrame, rows: pl.DataFrame) -> set[RecordKey]:
    """Return the records known before of which a row has other content now, or went to another record of its centre.

    `before`: PEOPLE rows of the ledger; `rows`: PEOPLE rows that are not in it with this content.
    """
    known = set(before.select("centre", "person_key").iter_rows())
    moved = before.join(rows.select(PEOPLE.key), on=list(PEOPLE.key), how="semi")
    found = {*rows.select("centre", "person_key").iter_rows(), *moved.select("centre", "person_key").iter_rows()}
    return found & known


def taken_back(before: pl.DataFrame, people: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of changed records that their centre gives no more, without what its other rows now say otherwise.

    A hospital that corrects an INS sends the record with the new one; the row whose identifier was the old INS comes no
    more. It still finds its person, and says nothing of the person's traits any longer.

    Args:
        before: PEOPLE rows of the ledger.
        people: All PEOPLE rows that the centres give now.
        rows: Those of them that are new or changed.
    """
    record = ["centre", "person_key"]
    given = people.group_by(record).agg(pl.col([*TRAITS, *COLUMNS]).drop_nulls().first().name.suffix("_now"))
    stale = (
        before.join(rows.select(record).unique(), on=record, how="semi")
        .join(people.select(PEOPLE.key), on=list(PEOPLE.key), how="anti")
        .join(given, on=record, how="inner")
    )
    cleared = stale.with_columns(
        pl.when(pl.col(f"{name}_now").is_null()).then(pl.col(name)).alias(name) for name in (*TRAITS, *COLUMNS)
    ).select(PEOPLE.schema().names())
    return cleared.join(before, on=cleared.columns, how="anti", nulls_equal=True)


def other_persons(before: pl.DataFrame, now: pl.DataFrame, changed: Iterable[RecordKey]) -> set[RecordKey]:
    """Return the changed records under whose number another person stands now.

    That is so when of family name, first given name and date of birth at most one is as it was and two at least are not,
    and no INS says that it is one person.

    Args:
        before, now: PEOPLE rows of the ledger before and after the change.
        changed: Records to look at.
    """
    wanted = set(changed)
    old, new = _rows_of(before, wanted), _rows_of(now, wanted)
    return {record for record in wanted if old[record] and new[record] and not _one_identity(old[record], new[record])}


def _rows_of(people: pl.DataFrame, wanted: set[RecordKey]) -> dict[RecordKey, list[_Row]]:
    found: dict[RecordKey, list[_Row]] = defaultdict(list)
    if wanted:
        record = ["centre", "person_key"]
        keys = pl.DataFrame(sorted(wanted), schema=record, orient="row")
        for row in people.join(keys, on=record, how="semi").iter_rows(named=True):
            found[(row["centre"], row["person_key"])].append(row)
    return found


def _one_identity(old: Sequence[_Row], new: Sequence[_Row]) -> bool:
    if _valid(old) & _valid(new):
        return True
    told = [said for said in (_families(old, new), _given(old, new), _births(old, new)) if said is not None]
    return told.count(True) > 1 or told.count(False) < 2


def _valid(rows: Sequence[_Row]) -> set[str]:
    return {ins for row in rows if (ins := valid_ins(row["ins"]))}


def _families(old: Sequence[_Row], new: Sequence[_Row]) -> bool | None:
    one, two = (
        {name for row in rows for name in family_names(row["birth_family_name"], row["used_family_name"])} for rows in (old, new)
    )
    if not one or not two:
        return None
    return any(a in b or b in a or JaroWinkler.similarity(a, b) >= _ALIKE for a in one for b in two)


def _given(old: Sequence[_Row], new: Sequence[_Row]) -> bool | None:
    one, two = ({names[0] for row in rows if (names := given_tokens(row["given_names"]))} for rows in (old, new))
    if not one or not two:
        return None
    same = given_names().one_writing
    return any(same(a) == same(b) or OSA.distance(a, b) <= 1 or a.startswith(b) or b.startswith(a) for a in one for b in two)


def _births(old: Sequence[_Row], new: Sequence[_Row]) -> bool | None:
    one, two = ({date for row in rows if (date := parse_date(row["birth_date"]))} for rows in (old, new))
    if not one or not two:
        return None
    return any(_near_dates(a, b) for a in one for b in two)


def _near_dates(one: tuple[int, int, int], two: tuple[int, int, int]) -> bool:
    """Whether two dates of birth have two parts in common, or what is known of both."""
    if 0 in one or 0 in two:
        return all(a == b for a, b in zip(one, two, strict=True) if a and b)
    return sum(a == b for a, b in zip(one, two, strict=True)) > 1 or (one[0] == two[0] and one[1:] == two[:0:-1])
