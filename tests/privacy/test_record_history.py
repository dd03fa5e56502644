"""What the custodian is told of a person's records: each kind of thing that can happen to them, in which revision."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.privacy.test_corrections import OTHER, decided, nights
from tests.privacy.test_identity import INS_ONE, INS_TWO, KEY, Row, people, row
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.erasure import erase_records
from unibase.privacy.ledger.record_history import history, records_of_number

LISTED = [(1, "A/1", "listed under ipp 1"), (1, "B/9", "listed under ipp 9")]
ALONE = [(1, "A/1", "is a person of its own")]
ONE = [*ALONE, (1, "B/9", "joins a person who was known")]
BY_TRAITS = (1, "A/1", "linked with B/9 by same-traits")


def told(folder: Path, number: str = "1") -> list[tuple[int, str, str]]:
    return [(one.revision, "/".join(one.record), one.what) for one in history(folder, records_of_number(folder, number, "A"))]


@pytest.mark.parametrize(
    ("first", "now", "then"),
    [
        (
            [row("A", "1", ins=INS_TWO), row("B", "9", ins=INS_TWO)],
            [row("A", "1", ins=INS_ONE), row("B", "9", ins=INS_TWO)],
            [
                (2, "A/1", "ipp 1: corrected in ins"),
                (2, "B/9", "is parted from a person"),
                (2, "A/1", "link with B/9 undone: what it rested on was corrected"),
            ],
        ),
        (
            [row("A", "1"), row("B", "9")],
            [row("A", "1", **OTHER), row("B", "9")],
            [
                (2, "A/1", "ipp 1: corrected in birth_family_name, given_names, birth_date, birth_place_code"),
                (2, "A/1", "number given to another person: a new pseudonym"),
                (2, "A/1", "link with B/9 undone: what it rested on was corrected"),
            ],
        ),
        ([row("A", "1"), row("B", "9")], [row("A", "1"), row("B", "9")], []),
    ],
)
def test_corrections_are_told_with_their_columns_and_what_became_of_the_link(
    first: list[Row], now: list[Row], then: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    nights(tmp_path / "ledger", first, now)
    found = told(tmp_path / "ledger")
    assert [one for one in found if one[0] == 2] == then
    assert found[:2] == LISTED
    assert told(tmp_path / "ledger", "9") == []  # a number of B


def test_a_decision_is_told_with_the_split_it_made(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    both = [row("A", "1"), row("B", "9")]
    nights(folder, both, both, links=decided(("A", "1", "B", "9", "different")))
    assert told(folder) == [
        *LISTED,
        *ONE,
        BY_TRAITS,
        (2, "B/9", "is parted from a person"),
        (2, "A/1", "decided: different, B/9"),
    ]


def test_no_value_of_a_person_and_the_day_of_the_revision_stand_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    nights(folder, [row("A", "1", ins=INS_TWO), row("B", "9", ins=INS_TWO)], [row("A", "1", **OTHER)])
    text = "\n".join(one.told() for one in history(folder, records_of_number(folder, INS_TWO)))
    assert text.startswith("revision 1 (20") and "revision 2 (20" in text
    traits = ["ins", "birth_family_name", "given_names", "birth_date", "birth_place_code"]
    values = pl.concat([people(row("A", "1", ins=INS_TWO)), people(row("A", "1", **OTHER))]).select(traits).unpivot()["value"]
    assert not [value for value in values.drop_nulls() if value in text]


def test_an_erased_record_has_no_history_and_the_days_of_the_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    persons.update_ledger(folder, people(row("A", "1"), row("B", "7", **OTHER)), KEY)
    before = history(folder, {("B", "7")})
    erase_records(folder, [("A", "1")])
    assert records_of_number(folder, "1") == set()
    assert history(folder, {("B", "7")}) == before
