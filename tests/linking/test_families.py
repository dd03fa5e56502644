"""Splits keep a family together and stay balanced; who is of one family is said in the table of links."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.known_keys import known_key
from tests.privacy.test_namesakes import Row, person
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE
from unibase.linking.splits import Dealing, folds_by_subject, leave_one_centre_out, split_by_subject
from unibase.privacy.ledger.decided import families
from unibase.privacy.ledger.people_file import DECISIONS, read_links
from unibase.privacy.ledger.persons import persons, update_ledger

KEY = known_key("families")
CENTRES = ("lyon", "CHU-été", "derived")
IDS = list(range(101, 161))
EVENTS = frozenset(IDS[::3] + IDS[1:4])
CENTRE = {one: CENTRES[one % 3] for one in IDS}

FAMILIES: dict[str, dict[int, int]] = {
    "nobody is related": {},
    "twins": {101: 0, 102: 0},
    "two pairs and parents with a child": {101: 0, 102: 0, 110: 1, 140: 1, 120: 2, 121: 2, 160: 2},
    "ten pairs, half with an event": {one: (one - 101) // 2 for one in IDS[:20]},
    "five with an event each": dict.fromkeys(sorted(EVENTS)[:5], 9),
}


def dealt(family: dict[int, int], ids: list[int] = IDS, arrival: dict[int, int] | None = None) -> dict[int, int]:
    dealing = Dealing(EVENTS, CENTRE, arrival or {}, family)
    return dict(folds_by_subject(pl.DataFrame({"subject_id": ids}), KEY, 5, dealing).iter_rows())


@pytest.mark.parametrize("name", FAMILIES)
def test_sixty_subjects_in_five_folds_are_twelve_each_with_events_within_one(name: str) -> None:
    family = FAMILIES[name]
    folds = dealt(family)
    events = [sum(folds[one] == fold for one in EVENTS) for fold in range(5)]
    assert [list(folds.values()).count(fold) for fold in range(5)] == [12] * 5
    assert max(events) - min(events) <= 1
    assert all(len({folds[one] for one in family if family[one] == of}) == 1 for of in set(family.values()))


@pytest.mark.parametrize("name", FAMILIES)
def test_who_is_added_later_moves_nobody_and_joins_its_family(name: str) -> None:
    family, arrival = FAMILIES[name], dict.fromkeys(IDS, 1)
    kin = family | ({200: family[min(family)]} if family else {})
    before, after = dealt(family, IDS, arrival), dealt(kin, [*IDS, 200], arrival | {200: 2})
    assert {one: fold for one, fold in after.items() if one != 200} == before
    assert not family or after[200] == before[min(family)]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_in_one_part(name: str) -> None:
    family, shares = FAMILIES[name], {"train": 0.5, "test": 0.5}
    table = pl.DataFrame({"subject_id": IDS})
    parts = dict(split_by_subject(table, KEY, shares, family=family).iter_rows())
    assert all(len({parts[one] for one in family if family[one] == of}) == 1 for of in set(family.values()))
    alone = dict(split_by_subject(table, KEY, shares).iter_rows())
    assert all(parts[one] == alone[one] for one in IDS if one not in family)


HELD_OUT = [  # subject, its centres, its family; its part when each of lyon, CHU-été, derived is held out
    (1, "lyon", None, ("test", "train", "train")),
    (2, "CHU-été", None, ("train", "test", "train")),
    (3, "derived", None, ("train", "train", "test")),
    (4, "lyon;derived", None, (None, "train", None)),
    (5, "lyon", 7, ("test", None, "train")),
    (6, "CHU-été", 7, (None, "test", "train")),
    (7, "lyon", 8, ("test", "train", "train")),
    (8, "lyon", 8, ("test", "train", "train")),
]


def test_a_centre_is_tested_on_its_own_subjects_and_no_relative_of_theirs_is_learned_from() -> None:
    table = pl.DataFrame({"subject_id": [one for one, *_ in HELD_OUT], "centre": [names.split(";") for _, names, *_ in HELD_OUT]})
    family = {one: of for one, _, of, _ in HELD_OUT if of is not None}
    parts = {(held, one): part for held, one, part in leave_one_centre_out(table.explode("centre"), family).iter_rows()}
    found = [tuple(parts.get((centre, one)) for centre in CENTRES) for one, *_ in HELD_OUT]
    assert found == [expected for *_, expected in HELD_OUT]


def ledger_of(folder: Path, rows: list[Row], said: list[tuple[str, ...]]) -> None:
    named = [row | {"centre": "lyon", "person_key": str(n), "system": "ipp", "identifier": f"i{n}"} for n, row in enumerate(rows)]
    people = PEOPLE.conform(pl.DataFrame(named, infer_schema_length=None))
    update_ledger(folder, people, KEY, links=pl.DataFrame(said, schema=DECISIONS, orient="row"))


def test_records_said_to_be_related_are_two_persons_of_one_family(tmp_path: Path) -> None:
    alike = person("DUPONT", "Camille", "1980-02-03", "F", "69123")
    other = person("MARTIN", "Louise", "1950-03-04", "F", "33063")
    said = [("lyon", "0", "lyon", "1", "related"), ("lyon", "3", "lyon", "4", "related"), ("lyon", "4", "lyon", "0", "related")]
    ledger_of(tmp_path, [alike, alike, other, other | {"birth_date": "1951-05-06"}, other | {"birth_date": "1962-07-08"}], said)
    assert persons(tmp_path)["person"].n_unique() == 5
    found = families(tmp_path)
    assert found["identifier"].to_list() == ["i0", "i1", "i3", "i4"] and found["family"].n_unique() == 1
    ledger_of(tmp_path / "none", [alike, other], [])
    assert families(tmp_path / "none").is_empty()


@pytest.mark.parametrize("word", ["related", "RELATED", "same", "different", "cousin"])
def test_a_table_of_links_says_same_different_or_related(tmp_path: Path, word: str) -> None:
    path = tmp_path / "links.csv"
    path.write_text(f"left_centre,left_key,right_centre,right_key,relation\nlyon,1,CHU-été,2,{word}\n", encoding="utf-8")
    if word == "cousin":
        with pytest.raises(UserError, match="row 1, column relation: must be `same`, `different` or `related`"):
            read_links(path)
    else:
        assert read_links(path)["relation"].to_list() == [word.lower()]
