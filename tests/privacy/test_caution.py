"""How much more evidence than usual two records must show before their score links them: one table of cases."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.privacy.test_namesakes import Row, person
from unibase.groundwork.tables import PEOPLE
from unibase.privacy.ledger.comparable import read_traits
from unibase.privacy.ledger.given_evidence import Doubt
from unibase.privacy.ledger.matching import score_rows
from unibase.privacy.ledger.weights import weights_of

FRANCE, ALGERIA, NOWHERE = "69123", "99352", ""


def married(birth: str, used: str, place: str) -> Row:
    return person(birth, "Malika", "1940-03-13", "F", place) | {"used_family_name": used}


CASES = {
    "all alike": (married("BRAHIMI", "BRAHIMI", FRANCE), married("BRAHIMI", "BRAHIMI", FRANCE), 0.0),
    "all alike, abroad": (married("BRAHIMI", "BRAHIMI", ALGERIA), married("BRAHIMI", "BRAHIMI", ALGERIA), 0.0),
    "a slip in the given name, abroad": (
        person("BRAHIMI", "Malika", "1940-03-13", "F", ALGERIA),
        person("BRAHIMI", "Malikka", "1940-03-13", "F", ALGERIA),
        2.0,
    ),
    "a slip in the given name": (
        person("BRAHIMI", "Malika", "1940-03-13", "F", FRANCE),
        person("BRAHIMI", "Malikka", "1940-03-13", "F", FRANCE),
        -1.0,
    ),
    "two places": (married("BRAHIMI", "BRAHIMI", FRANCE), married("BRAHIMI", "BRAHIMI", "35238"), 0.0),
    "a slip in one name, abroad": (married("BRAHIMI", "BRAHMI", ALGERIA), married("BRAHIMI", "BRAHIMI", ALGERIA), 2.0),
    "a day that stands for none, abroad": (
        person("BRAHIMI", "Malika", "1940-01-01", "F", ALGERIA),
        person("BRAHIMI", "Malika", "1940-01-01", "F", ALGERIA),
        2.0,
    ),
    "no place": (married("BRAHIMI", "BRAHIMI", FRANCE), married("BRAHIMI", "BRAHIMI", NOWHERE), -6.0),
    "no place, abroad": (married("BRAHIMI", "BRAHIMI", NOWHERE), married("BRAHIMI", "BRAHIMI", ALGERIA), -5.0),
    "a slip in one name": (married("BRAHIMI", "BRAHMI", FRANCE), married("BRAHIMI", "BRAHIMI", FRANCE), 2.0),
    "a further name": (married("BRAHIMI", "TOUMI", FRANCE), married("BRAHIMI", "BRAHIMI", FRANCE), 3.0),
    "a further name, abroad": (married("TOUMI", "BRAHIMI", ALGERIA), married("BRAHIMI", "BRAHIMI", ALGERIA), 5.0),
    "two further names": (married("BRAHIMI", "TOUMI", FRANCE), married("BRAHIMI", "HADDAD", FRANCE), 2.0),
}


def scored(one: Row, two: Row, others: int = 0) -> tuple[float, Doubt]:
    """Return what is asked for beyond the usual, and the doubt, of two records in a ledger of two and of `others` unlike them."""
    rows = [
        row | {"centre": centre, "person_key": "1", "system": "ipp", "identifier": "1"}
        for row, centre in ((one, "CHU-été"), (two, "lyon"))
    ]
    rows += [{"centre": "nantes", "person_key": str(n), "system": "ipp", "identifier": str(n)} for n in range(others)]
    traits = read_traits(PEOPLE.conform(pl.DataFrame(rows, infer_schema_length=None)))
    found = score_rows(traits, np.array([[0], [1]]), weights_of(traits))
    return float(found.caution[0]), Doubt(int(found.doubt[0]))


@pytest.mark.parametrize("name", CASES)
def test_bits_that_are_asked_for_beyond_the_usual(name: str) -> None:
    one, two, bits = CASES[name]
    assert scored(one, two) == scored(two, one) == (bits, Doubt.NONE)


def test_a_large_file_knows_how_common_names_and_days_are_abroad() -> None:
    for name in [name for name, case in CASES.items() if case[2] == 2.0 and "abroad" in name]:
        one, two, _ = CASES[name]
        assert scored(one, two, 9_997) == (2.0, Doubt.NONE)
        assert scored(one, two, 9_998) == (-1.0, Doubt.NONE)


def test_a_large_file_asks_less_abroad_where_all_is_alike_and_as_much_as_in_france_for_a_further_name() -> None:
    for name, few, many in (("all alike, abroad", 0.0, -1.0), ("a further name, abroad", 5.0, 3.0)):
        one, two, _ = CASES[name]
        assert scored(one, two, 9_997) == (few, Doubt.NONE)
        assert scored(one, two, 9_998) == (many, Doubt.NONE)


@pytest.mark.parametrize(
    ("one", "two", "differs"),
    [
        ("Maria Fatima Ana", "Maria Teresa Fatima", True),
        ("Maria Fatima Ana", "Maria Ana Fatima", False),
        ("Maria Fatima", "Maria Teresa Fatima", False),
        ("Maria Fatima Teresa", "Maria Fatima Teressa", False),
    ],
)
def test_a_further_name_in_common_does_not_count_where_the_rest_differs(one: str, two: str, differs: bool) -> None:
    pairs = [person("COSTA", given, "1940-03-13", "F", FRANCE) for given in (one, two, "Maria")]
    rows = [row | {"centre": "lyon", "person_key": str(n), "identifier": str(n)} for n, row in enumerate(pairs)]
    traits = read_traits(PEOPLE.conform(pl.DataFrame(rows, infer_schema_length=None).with_columns(system=pl.lit("ipp"))))
    found = score_rows(traits, np.array([[0, 0], [1, 2]]), weights_of(traits)).parts[1]
    assert (found[0] - found[1] == pytest.approx(-2.0)) if differs else found[0] > found[1]
