"""Where a person lives, as evidence: what it adds, what it must never do; in clear text and encoded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.known_keys import known_key
from unibase.groundwork.files import digest_of, json_text, sha256_file
from unibase.groundwork.tables import PEOPLE
from unibase.imaging.confidentiality.gathering import knowledge_of
from unibase.privacy.encoded.encoding import encode_people
from unibase.privacy.encoded.linkage import link_encoded
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.caution import WITHOUT_HOME_BITS
from unibase.privacy.ledger.comparable import read_traits
from unibase.privacy.ledger.erasure import erase_records
from unibase.privacy.ledger.matching import edges_between, score_rows
from unibase.privacy.ledger.pair_weights import weigh_pairs
from unibase.privacy.ledger.people_file import read_people
from unibase.privacy.ledger.residence import MOST_RESIDENCE, address_words, commune_name, phone_number, postal_code
from unibase.privacy.ledger.weights import weights_of

KEY = known_key("residence")
type Row = dict[str, str | None]

HOME: Row = {"address": "12 rue des Lilas", "postcode": "69003", "commune": "Lyon", "phone": "0478123456"}
WRITTEN: Row = {"address": "12, R. DES LILAS", "postcode": "69003", "commune": "LYON 3EME", "phone": "+33 4 78 12 34 56"}
AWAY: Row = {"address": "4 place du Moulin", "postcode": "35000", "commune": "Rennes", "phone": "0299123456"}
LEA: Row = {
    "birth_family_name": "Garandeau", "given_names": "Léa", "birth_date": "1991-05-04", "sex": "F", "birth_place_code": "69123",
}  # fmt: skip
ABROAD: Row = {
    "birth_family_name": "BENALI", "given_names": "Fatima", "birth_date": "1953-01-01", "sex": "F", "birth_place_code": "99352",
}  # fmt: skip


def ledger(*rows: Row) -> pl.DataFrame:
    """Return rows of the centres `lyon`, `CHU-été` and so on, with numbers of their own."""
    centres = ("lyon", "CHU-été", *(f"nantes {n}" for n in range(len(rows))))
    named = [
        {"centre": centre, "person_key": str(n), "system": "ipp", "identifier": str(n)} | row
        for n, (centre, row) in enumerate(zip(centres, rows, strict=False))
    ]
    return PEOPLE.conform(pl.DataFrame(named, infer_schema_length=None, schema_overrides=dict.fromkeys(HOME, pl.String)))


def judged(people: pl.DataFrame, *, encoded: bool = False) -> str:
    """Return whether the first two records of a ledger are linked, asked about, or neither."""
    wanted = {("lyon", "0"), ("CHU-été", "1")}
    if encoded:
        parts = [encode_people(part, KEY) for part in people.partition_by("centre")]
        links, review = link_encoded(parts)
        ends = [[{edge.left[0], edge.right[0]} for edge in edges] for edges in (links, review)]
        return next((word for word, found in zip(("linked", "asked"), ends, strict=True) if {"lyon", "CHU-été"} in found), "two")
    links, review = edges_between(people, set(people.select("centre", "person_key").iter_rows()))
    found = [[{edge.left, edge.right} for edge in edges] for edges in (links, review)]
    return next((word for word, pairs in zip(("linked", "asked"), found, strict=True) if wanted in pairs), "two")


CASES: dict[str, tuple[Row, Row, str, str]] = {
    # What speaks beside the residence, and what comes of it: of two homes, of one home.
    "a day that stands for none, abroad": (ABROAD, ABROAD, "asked", "linked"),
    "all alike": (LEA, LEA, "linked", "linked"),
    "another family name on one day": (LEA, LEA | {"birth_family_name": "Ostrowski"}, "asked", "linked"),
    "no family name": (LEA, LEA | {"birth_family_name": None}, "asked", "linked"),
    "given names a letter apart": (LEA, LEA | {"given_names": "Léna"}, "asked", "asked"),
    "no given name": (LEA, LEA | {"given_names": None}, "asked", "asked"),
    "half of a compound name": (LEA | {"given_names": "Jean-Noël"}, LEA | {"given_names": "Jean"}, "asked", "asked"),
    "half of a compound name, and another family name": (
        LEA | {"given_names": "Jean-Noël"}, LEA | {"given_names": "Jean", "birth_family_name": "Ostrowski"}, "asked", "asked",
    ),
    "two given names": (LEA, LEA | {"given_names": "Chloé"}, "two", "two"),
    "a generation apart on one day": (LEA, LEA | {"birth_date": "1965-05-04"}, "asked", "asked"),
    "no birth": (LEA, LEA | {"birth_date": None}, "asked", "asked"),
    "births far apart": (LEA, LEA | {"birth_date": "1965-11-23"}, "two", "two"),
}  # fmt: skip


@pytest.mark.parametrize("encoded", [False, True], ids=["clear", "encoded"])
@pytest.mark.parametrize("name", CASES)
def test_what_one_home_changes_and_what_it_does_not(name: str, encoded: bool) -> None:
    one, two, apart, together = CASES[name]
    assert judged(ledger(one | HOME, two | WRITTEN), encoded=encoded) == together
    assert judged(ledger(one | HOME, two | AWAY), encoded=encoded) == apart


NOWHERE: Row = {}


@pytest.mark.parametrize(
    ("traits", "one", "two", "more"),
    [
        (ABROAD, HOME, WRITTEN, 0.0),
        (ABROAD, HOME, AWAY, WITHOUT_HOME_BITS),
        (ABROAD, HOME, NOWHERE, WITHOUT_HOME_BITS),
        (ABROAD, NOWHERE, NOWHERE, 0.0),
        (LEA, HOME, AWAY, 0.0),
    ],
)
def test_persons_born_abroad_need_more_where_their_homes_do_not_speak_for_them(
    traits: Row, one: Row, two: Row, more: float
) -> None:
    bare, told = (read_traits(ledger(*rows)) for rows in ((traits, traits), (traits | one, traits | two)))
    at = np.array([[0], [1]])
    before, now = (float(score_rows(some, at, weights_of(some)).caution[0]) for some in (bare, told))
    assert now - before == more


@pytest.mark.parametrize("told", HOME)
def test_each_column_speaks_for_itself_and_within_bounds(told: str) -> None:
    people = ledger(LEA | {told: HOME[told]}, LEA | {told: WRITTEN[told]})
    (weights,) = weigh_pairs(people, [(("lyon", "0"), ("CHU-été", "1"))])
    assert 2.0 < weights.residence < MOST_RESIDENCE
    (all_told,) = weigh_pairs(ledger(LEA | HOME, LEA | WRITTEN), [(("lyon", "0"), ("CHU-été", "1"))])
    assert all_told.residence == MOST_RESIDENCE
    assert all_told.total - all_told.residence == pytest.approx(weights.total - weights.residence)


def test_a_home_of_many_is_no_household() -> None:
    # A care home, or the hospital's own address where none is known.
    others = [{"given_names": "Inès", "birth_date": f"19{n % 90 + 10}-03-{n % 28 + 1:02d}"} | HOME for n in range(400)]
    married = LEA | {"birth_family_name": "Ostrowski"}
    assert judged(ledger(LEA | HOME, married | HOME)) == "linked"
    assert judged(ledger(LEA | HOME, married | HOME, *others)) == "asked"


@pytest.mark.parametrize(
    ("read", "one", "two"),
    [
        (address_words, "3 av Jean Jaurès", "3 AVENUE JEAN-JAURES"),
        (address_words, "08 bd. de la République", "8, Boulevard République"),
        (address_words, "Domicile inconnu", None),
        (commune_name, "St-Étienne CEDEX 01", "SAINT ETIENNE"),
        (commune_name, "69383", "69383"),
        (postal_code, "01 000", "1000"),
        (postal_code, "00000", None),
        (phone_number, "0033478123456", "04 78 12 34 56"),
        (phone_number, "0999999999", None),
        (phone_number, "3615", None),
    ],
)
def test_ways_of_writing_are_one(read: object, one: str, two: str | None) -> None:
    assert callable(read) and read(one) == read(two)


def test_a_people_file_gives_them_and_a_move_is_judged_again(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    header = "identifier;" + ";".join([*ABROAD, *HOME])
    rows = {name: ";".join(("1", *map(str, (ABROAD | home).values()))) for name, home in (("home", HOME), ("away", AWAY))}
    found: dict[str, pl.DataFrame] = {}
    for centre, home in (("lyon", "home"), ("CHU-été", "home"), ("moved", "away")):
        file.write_text(f"{header}\n{rows[home]}\n", encoding="utf-8")
        read = read_people(file, "lyon" if centre == "moved" else centre)
        assert not read.problems
        found[centre] = read.people
    one = persons.update_ledger(tmp_path / "ledger", pl.concat([found["lyon"], found["CHU-été"]]), KEY)
    assert (one.persons, one.links) == (1, {"scored": 1})
    two = persons.update_ledger(tmp_path / "ledger", pl.concat([found["moved"], found["CHU-été"]]), KEY)
    assert (two.persons, two.undone, two.review) == (2, 1, 1)


def test_addresses_and_telephones_are_sought_in_texts(tmp_path: Path) -> None:
    persons.update_ledger(tmp_path / "ledger", ledger(LEA | HOME), KEY)
    (known,) = knowledge_of(persons.open_lookup(tmp_path / "ledger", KEY)).values()
    assert known.phrases == ("12 rue des Lilas",)
    assert set(known.numbers) == {"0", "0478123456"}


def test_a_ledger_of_a_version_without_these_columns_opens(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    persons.update_ledger(folder, ledger(LEA, ABROAD), KEY)
    table, about_file = (folder / "revision-000001" / name for name in ("people.parquet", "revision.json"))
    pl.read_parquet(table).drop(list(HOME)).write_parquet(table)
    about = json.loads(about_file.read_text(encoding="utf-8"))
    about.pop("seal")
    about["files"]["people.parquet"] = sha256_file(table)
    about_file.write_text(json_text(about | {"seal": digest_of(json.loads(json_text(about)))}), encoding="utf-8")
    again = persons.update_ledger(folder, ledger(LEA, ABROAD), KEY)
    assert (again.revision, again.persons) == (1, 2)
    assert erase_records(folder, {("lyon", "0")}) == 1
    assert persons.persons(folder).height == 1
