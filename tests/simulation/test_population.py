"""Large tables of traits for record linkage."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unibase.simulation.invented_identities import ins_key
from unibase.simulation.population import Rates, synthetic_people

QUIET = Rates(**dict.fromkeys(Rates.__dataclass_fields__, 0.0))  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.integers(1, 5), st.integers(0, 1000))
def test_rows_and_truth_go_together(n: int, centres: int, seed: int) -> None:
    people, truth = synthetic_people(n, centres, seed)
    assert people.height == truth.height >= n
    assert people.select("centre", "identifier").equals(truth.select("centre", "identifier"))
    assert people.select("centre", "identifier").n_unique() == people.height
    assert set(truth["person"]) == set(range(n))
    for column in ("birth_family_name", "used_family_name", "given_names", "birth_date"):
        assert people[column].null_count() == 0
    again, _ = synthetic_people(n, centres, seed)
    assert_frame_equal(people, again)


def test_ins_are_valid_and_one_persons_own() -> None:
    people, truth = synthetic_people(20_000, 3, 5, Rates(wrong_ins=0.0))
    both = people.with_columns(truth["person"]).filter(pl.col("ins").is_not_null())
    assert all(ins_key(ins[:13]) == ins[13:] for ins in both["ins"])
    assert both.group_by("ins").agg(pl.col("person").n_unique())["person"].max() == 1
    assert any(ins[5:7] in ("2A", "2B") for ins in both["ins"])
    assert any(ins[5:7] == "99" for ins in both["ins"])


def test_twins_share_birth_and_differ_in_name_and_ins() -> None:
    people, truth = synthetic_people(5_000, 1, 3, Rates(twins=0.1, **dict.fromkeys(
        ("typo_family", "typo_given", "accents_lost", "hyphen_lost", "first_given_name_only", "used_name_as_birth_name", "doubled_file",
         "day_month_exchanged", "birth_date_partial", "birth_place_missing", "without_ins", "wrong_ins"), 0.0)))  # fmt: skip
    row = {p: r for p, r in zip(truth["person"], people.iter_rows(named=True), strict=True)}
    twins = truth.filter(pl.col("twin_of").is_not_null())
    assert twins.height > 200
    for person, other in twins.select("person", "twin_of").iter_rows():
        one, two = row[person], row[other]
        assert all(one[c] == two[c] for c in ("birth_family_name", "birth_date", "birth_place_code"))
        assert one["given_names"].split()[0] != two["given_names"].split()[0]
        assert one["ins"] != two["ins"]


def test_variants_say_what_differs() -> None:
    people, truth = synthetic_people(8_000, 2, 9)
    clean, _ = synthetic_people(8_000, 2, 9, QUIET)
    assert clean.height == 8_000
    both = people.with_columns(truth["variants"])
    assert both.filter(pl.col("variants").str.contains("without_ins"))["ins"].null_count() == both["ins"].null_count()
    partial = both.filter(pl.col("variants").str.contains("birth_date_partial"))
    assert partial.height
    assert set(both["birth_date"].str.len_chars()) == {4, 10}
    shares = both.select(pl.col("variants").str.contains(n).mean().alias(n) for n in ("typo_family", "without_ins")).row(
        0, named=True
    )
    assert shares["typo_family"] == pytest.approx(0.02, abs=0.01)
    assert shares["without_ins"] == pytest.approx(0.2, abs=0.03)


def test_unspoilt_rows_of_one_person_agree() -> None:
    people, truth = synthetic_people(
        5_000, 3, 2, Rates(**{**dict.fromkeys(Rates.__dataclass_fields__, 0.0), "second_centre": 0.3})
    )  # type: ignore[arg-type]
    traits = ["ins", "birth_family_name", "used_family_name", "given_names", "birth_date", "sex", "birth_place_code"]
    both = people.with_columns(truth["person"])
    assert both.height > 6_000
    assert both.group_by("person").agg(pl.struct(traits).n_unique().alias("k"))["k"].max() == 1
