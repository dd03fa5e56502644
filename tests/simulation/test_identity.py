"""INS numbers and spellings."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unibase.simulation.invented_identities import (
    COMMUNES,
    COUNTRIES,
    draw_identity,
    ins_key,
    make_ins,
    with_typo,
    without_accents,
)

PLACES = [code for code, _ in (*COMMUNES, *COUNTRIES)]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        # The worked example of the French Wikipedia article on the NIR, and the specimen Vitale card.
        ("2550814168025", "38"),
        ("1850578006084", "91"),
    ],
)
def test_key_of_published_specimens(body: str, key: str) -> None:
    assert ins_key(body) == key


@given(st.integers(10**12, 3 * 10**12 - 1))
def test_number_and_key_add_up_to_a_multiple_of_97(number: int) -> None:
    assert (number + int(ins_key(str(number)))) % 97 == 0


def test_corsica_counts_as_19_and_18() -> None:
    assert ins_key("180022A004123") == f"{97 - 1800219004123 % 97:02d}"
    assert ins_key("180022B033123") == f"{97 - 1800218033123 % 97:02d}"


def test_births_in_corsica_before_1976_keep_the_former_departement() -> None:
    assert make_ins("M", "1975-12-31", "2A004", 7)[5:10] == "20004"
    assert make_ins("M", "1976-01-01", "2A004", 7)[5:10] == "2A004"


@given(st.sampled_from("MF"), st.dates(), st.sampled_from(PLACES), st.integers(1, 999))
def test_ins_has_its_parts(sex: str, birth: object, place: str, order: int) -> None:
    ins = make_ins(sex, str(birth), place, order)
    assert re.fullmatch(r"[12]\d{4}(\d{2}|2A|2B)\d{8}", ins)
    assert ins[0] == ("1" if sex == "M" else "2")
    assert int(ins[10:13]) == order
    assert 1 <= int(ins[13:]) <= 97


@given(st.integers(0, 2**32))
def test_drawn_identities_are_whole(seed: int) -> None:
    identity = draw_identity(np.random.default_rng(seed))
    assert ins_key(identity.ins[:13]) == identity.ins[13:]
    assert identity.ins[1:3] == identity.birth_date[2:4]
    assert identity.birth_family_name and identity.first_name
    identity.birth_family_name.encode("latin-1")
    identity.given_names.encode("latin-1")


def edits(one: str, two: str) -> int:
    """Optimal string alignment distance: insertions, deletions, replacements, exchanges of neighbours."""
    d = {(i, j): i + j for i in range(len(one) + 1) for j in range(len(two) + 1) if i * j == 0}
    for i in range(1, len(one) + 1):
        for j in range(1, len(two) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (one[i - 1] != two[j - 1]))
            if i > 1 and j > 1 and one[i - 1] == two[j - 2] and one[i - 2] == two[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return d[len(one), len(two)]


@given(st.text(alphabet="ABCDEÉLNRST-", min_size=2, max_size=20), st.integers(0, 2**32))
def test_a_typo_is_one_edit(text: str, seed: int) -> None:
    assert edits(text, with_typo(text, np.random.default_rng(seed))) == 1


def test_accents() -> None:
    assert without_accents("Lefèvre-Œuvré Çà") == "Lefevre-OEuvre Ca"
