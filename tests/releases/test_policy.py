from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.privacy.leaks.leak_scan import Needle
from unibase.releases.content import manifest
from unibase.releases.content.publish import publish_release
from unibase.releases.disclosure.disclosure_policy import DisclosurePolicy, coarsen, enforce, measure

ROWS = st.lists(
    st.tuples(st.sampled_from(["F", "M", None]), st.integers(60, 63), st.sampled_from(["x", "y", "z"])), min_size=1, max_size=30
)


@given(ROWS)
def test_k_and_l_equal_counting_by_hand(rows: list[tuple[str | None, int, str]]) -> None:
    frame = pl.DataFrame(rows, schema={"sex": pl.String, "age": pl.Int64, "outcome": pl.String}, orient="row")
    measured = measure(frame, DisclosurePolicy(["sex", "age"], 3, ["outcome"], 2))
    classes = {key: list(group) for key, group in itertools.groupby(sorted(rows, key=lambda r: str(r[:2])), key=lambda r: r[:2])}
    assert measured["k"] == min(len(c) for c in classes.values())
    assert measured["l"] == {"outcome": min(len({r[2] for r in c}) for c in classes.values())}
    assert measured["subjects_below_min_k"] == sum(len(c) for c in classes.values() if len(c) < 3)


def test_bands_dates_and_rare_codes() -> None:
    frame = pl.DataFrame(
        {"age": [64, 65, 69, None], "day": [date(2019, 5, 17)] * 4, "site": ["lung", "lung", "heart", None], "kept": [1, 2, 3, 4]}
    )
    coarse = coarsen(frame, DisclosurePolicy(bands={"age": 5}, dates={"day": "month"}, rare={"site": 2}))
    assert coarse.to_dict(as_series=False) == {
        "age": [60, 65, 65, None],
        "day": [date(2019, 5, 1)] * 4,
        "site": ["lung", "lung", "OTHER", None],
        "kept": [1, 2, 3, 4],
    }


def test_a_policy_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(UserError, match="names postcode"):
        measure(pl.DataFrame({"sex": ["F"]}), DisclosurePolicy(["postcode"]))


def test_too_little_diversity_is_refused() -> None:
    frame = pl.DataFrame({"sex": ["F", "F", "M", "M"], "died": [1, 1, 0, 1]})
    with pytest.raises(UserError, match="died has fewer than 2 values"):
        enforce(measure(frame, DisclosurePolicy(["sex"], 2, ["died"], 2)))


def test_a_release_that_fails_its_policy_is_not_published(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=60)
    strict = DisclosurePolicy(["sex", "age_at_index"], 4)
    with pytest.raises(UserError, match="not published"):
        publish_release(replace(inputs, policy=strict), tmp_path / "out")
    assert list((tmp_path / "out").rglob("*.parquet")) == []
    folder = publish_release(replace(inputs, policy=replace(strict, bands={"age_at_index": 30})), tmp_path / "out")
    assert manifest.read(folder)["disclosure"]["k"] >= 4
    ages = pl.read_parquet(folder / "tables" / "subjects.parquet")["age_at_index"]
    assert set(ages % 30) == {0}


def test_a_release_with_an_identifier_of_a_source_is_not_published(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=12)
    leaking = replace(inputs, subjects=inputs.subjects.with_columns(pl.lit("DUPONT-7731").alias("sex")))
    needles = [Needle("name", "DUPONT-7731")]
    with pytest.raises(UserError, match="name in ") as caught:
        publish_release(leaking, tmp_path / "out", needles)
    assert "DUPONT" not in str(caught.value)
    assert publish_release(inputs, tmp_path / "out", needles).is_dir()
