"""The compiled score of evidence against its plain twin, pair by pair, on simulated and on random persons."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest

from tests.privacy import identity_oracle as oracle
from unibase.groundwork.tables import PEOPLE
from unibase.privacy.ledger import matching
from unibase.simulation.population import synthetic_people

TRAITS = [
    "ins",
    "birth_family_name",
    "used_family_name",
    "given_names",
    "birth_date",
    "sex",
    "birth_place_code",
    "address",
    "postcode",
    "commune",
    "phone",
]


def random_people(seed: int, count: int) -> pl.DataFrame:
    """Persons of few traits, so that every rule meets every other."""
    rng = random.Random(seed)
    families = [
        "DUPONT",
        "DUPOND",
        "Dupont-Martin",
        "MARTIN",
        "de la Tour",
        "LATOUR",
        "Ng",
        None,
        "DUPONT EPOUSE MARTIN",
        "YUSUF",
        "INCONNU",
    ]
    given = [
        "Jean",
        "Jean-Pierre",
        "JEANPIERRE",
        "Jaen",
        "J",
        "Pierre Jean",
        "Pauline",
        "Paul",
        None,
        "Dominique",
        "Dominiqeu",
        "Domin",
        "Yusuf",
        "Youssef Ali",
        "Léa",
        "Léna",
        "Marie-Claire",
        "Marie-Louise",
        "X",
    ]
    dates = [
        "1961-04-02",
        "1961-02-04",
        "1961-04",
        "1961",
        "1962-04-02",
        "1916-04-02",
        "1961-04-20",
        "1990-12-31",
        None,
        "1961-11-02",
        "1961-01-01",
        "1900-01-01",
        "1956-02-31",
        "1980-04-02",
    ]
    rows = [
        {
            "centre": "A",
            "person_key": f"{number:03d}",
            "system": "ipp",
            "identifier": f"{number:03d}",
            "birth_family_name": rng.choice(families),
            "used_family_name": rng.choice([*families, None, None]),
            "given_names": rng.choice(given),
            "birth_date": rng.choice(dates),
            "sex": rng.choice(["M", "F", None]),
            "birth_place_code": rng.choice(["75112", "75101", "33063", "97411", "97105", "99335", "99352", None]),
            **lived(rng),
        }
        for number in range(count)
    ]
    return PEOPLE.conform(pl.DataFrame(rows, infer_schema_length=None))


def lived(rng: random.Random) -> dict[str, str | None]:
    """Where a person of few traits lives: half of a file says nothing of it."""
    return {
        "address": rng.choice([None, None, "2 rue des Lilas", "2 r Lilas", "14 rue du Moulin", "rue du Moulin", "SDF"]),
        "postcode": rng.choice([None, None, "69003", "69003", "1000", "35000", "99999"]),
        "commune": rng.choice([None, None, "Lyon", "LYON 3EME", "Rennes", "inconnue"]),
        "phone": rng.choice([None, None, "0478123456", "+33 4 78 12 34 56", "0299123456", "0000000000"]),
    }


def compare(people: pl.DataFrame) -> int:
    """Check every pair that the engine proposes, and that it proposes every one above the threshold that shares a block."""
    people = people.sort("centre", "person_key")
    rows = people.select(TRAITS).to_dicts()
    keys = list(people.select("centre", "person_key").iter_rows())
    expected = {(keys[i], keys[j]): score for (i, j), score in oracle.scores(rows).items()}
    links, review = matching.edges_between(people, keys, review=-30.0)
    got = {(edge.left, edge.right): edge for edge in [*links, *review] if not edge.rule.startswith("ins")}
    linked = {(edge.left, edge.right) for edge in links}
    for pair, edge in got.items():
        assert pair in expected, pair
        bits, doubt, caution = expected[pair]
        assert np.isclose(edge.score, bits, atol=1e-9), (pair, edge, bits)
        assert (pair in linked) == (bits >= matching.ACCEPT_BITS + caution and not doubt), (pair, edge, doubt)
    blocks = {key: oracle.blocks(oracle.traits_of(row)) for key, row in zip(keys, rows, strict=True)}
    likely = [pair for pair, score in expected.items() if score.bits >= matching.REVIEW_BITS]
    missed = [pair for pair in likely if pair not in got and blocks[pair[0]] & blocks[pair[1]]]
    assert not missed, missed[:3]
    return len(got)


@pytest.mark.parametrize("seed", range(6))
def test_random_persons_score_as_on_paper(seed: int) -> None:
    assert compare(random_people(seed, 110)) > 200


def test_simulated_persons_score_as_on_paper() -> None:
    people, _ = synthetic_people(900, 3, seed=5)
    assert compare(PEOPLE.conform(people)) > 50


def test_precision_and_recall_of_ten_thousand_simulated_persons() -> None:
    people, truth = synthetic_people(10_000, 6, seed=77)
    people = PEOPLE.conform(people)
    who = {
        (centre, identifier): person for centre, identifier, person in truth.select("centre", "identifier", "person").iter_rows()
    }
    links, review = matching.edges_between(people, list(who))
    assert sum(who[edge.left] == who[edge.right] for edge in links) / len(links) >= 0.999
    linked = {frozenset((edge.left, edge.right)) for edge in links}
    by_person: dict[int, list[tuple[str, str]]] = {}
    for key, person in who.items():
        by_person.setdefault(person, []).append(key)
    pairs = [frozenset(keys) for keys in by_person.values() if len(keys) == 2]
    assert sum(pair in linked for pair in pairs) / len(pairs) >= 0.985
    # Who may be a twin (Jean, and Jean François) is asked about.
    asked = {frozenset((edge.left, edge.right)) for edge in review}
    assert sum(pair in linked | asked for pair in pairs) / len(pairs) >= 0.998
