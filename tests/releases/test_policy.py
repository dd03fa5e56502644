from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from datetime import date, datetime
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
from unibase.releases.disclosure.disclosure_policy import (
    DisclosurePolicy,
    check_columns,
    coarsen,
    enforce,
    measure,
    promised,
    rare_values,
)
from unibase.releases.read.index_day import index_days

ROWS = st.lists(
    st.tuples(st.sampled_from(["F", "M", None]), st.integers(60, 63), st.sampled_from(["x", "y", "z"])), min_size=1, max_size=30
)


@given(ROWS)
def test_k_and_l_equal_counting_by_hand(rows: list[tuple[str | None, int, str]]) -> None:
    frame = pl.DataFrame(rows, schema={"sex": pl.String, "age": pl.Int64, "outcome": pl.String}, orient="row")
    measured = measure(frame, DisclosurePolicy(["sex", "age"], 3, ["outcome"], 2))
    assert measured is not None
    classes = {key: list(group) for key, group in itertools.groupby(sorted(rows, key=lambda r: str(r[:2])), key=lambda r: r[:2])}
    assert measured.k == min(len(c) for c in classes.values())
    assert measured.l == {"outcome": min(len({r[2] for r in c}) for c in classes.values())}
    assert measured.subjects_below_min_k == sum(len(c) for c in classes.values() if len(c) < 3)


def test_bands_dates_and_rare_codes() -> None:
    frame = pl.DataFrame(
        {
            "age": [64, 65, 69, None, 70],
            "day": [date(2019, 5, 17)] * 5,
            "site": ["lung", "lung", "heart", None, "eye"],
            "kept": [1, 2, 3, 4, 5],
        }
    )
    coarse = coarsen(frame, DisclosurePolicy(bands={"age": 5}, dates={"day": "month"}, rare={"site": 2}))
    assert coarse.to_dict(as_series=False) == {
        "age": [60, 65, 65, None, 70],
        "day": [date(2019, 5, 1)] * 5,
        "site": ["lung", "lung", "OTHER", None, "OTHER"],
        "kept": [1, 2, 3, 4, 5],
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
    # The smallest class is a count of a few: what leaves is the promise, not the size.
    promise = promised(strict)
    assert promise is not None and manifest.read(folder)["disclosure"] == asdict(promise)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Every combination is shared by at least 4 subjects (k-anonymity)" in page
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


def test_a_width_that_binary_numbers_cannot_hold_bands_by_what_is_written() -> None:
    frame = pl.DataFrame({"dose": [0.3, 0.7, 1.9, 2.0]})
    assert coarsen(frame, DisclosurePolicy(bands={"dose": 0.1}))["dose"].to_list() == [0.3, 0.7, 1.9, 2.0]


def test_what_is_rolled_up_is_of_enough_subjects_and_its_text_goes_along() -> None:
    # Three of IIIB and one of IV: OTHER of one person would name it, so the next rarest goes along.
    stages = ["IIA"] * 5 + ["IIIB"] * 3 + ["IV"]
    frame = pl.DataFrame({"subject_id": range(9), "STAGE": stages, "STAGE_text": [f"stade {s}" for s in stages]})
    policy = DisclosurePolicy(rare={"STAGE": 3})
    assert rare_values(frame.lazy(), policy) == {"STAGE": ["IIIB", "IV"]}
    coarse = coarsen(frame, policy)
    assert coarse["STAGE"].to_list() == ["IIA"] * 5 + ["OTHER"] * 4
    assert coarse["STAGE_text"].to_list() == ["stade IIA"] * 5 + ["OTHER"] * 4
    twice = pl.DataFrame({"subject_id": [1, 1, 1, 2], "STAGE": ["IV", "IV", "IV", "I"]})
    assert rare_values(twice.lazy(), DisclosurePolicy(rare={"STAGE": 2})) == {"STAGE": ["I", "IV"]}


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (DisclosurePolicy(bands={"AEG": 10}), "AEG, which no table"),
        (DisclosurePolicy(dates={"sex": "year"}), "sex is of type String"),
        (DisclosurePolicy(rare={"age_at_index": 3}), "age_at_index is of type Int64"),
        (DisclosurePolicy(bands={"subject_id": 10}), "subject_id, which names the rows"),
        (DisclosurePolicy(bands={"age_at_index": 0}), "width of age_at_index is not above 0"),
    ],
)
def test_a_policy_that_would_change_nothing_or_break_a_table_is_refused(policy: DisclosurePolicy, told: str) -> None:
    subjects = pl.Schema({"subject_id": pl.Int64(), "sex": pl.String(), "age_at_index": pl.Int64()})
    with pytest.raises(UserError, match=told):
        check_columns(policy, {"subjects": subjects})


def test_every_table_with_the_column_is_made_coarser_and_where_the_value_before_stands_is_told(tmp_path: Path) -> None:
    plain = make_inputs(tmp_path / "in", subjects=40)
    dated = plain.subjects.with_columns(pl.col("index_time").dt.date().alias("INDEXDT"))
    said = {"column": "INDEXDT", "label": "Index", "type": "date", "unit": "", "derivation": "", "source": "linking"}
    policy = DisclosurePolicy(bands={"AVAL": 30, "age_at_index": 10}, dates={"INDEXDT": "year"})
    made = replace(plain, subjects=dated, policy=policy, dictionary=[*plain.dictionary, pl.DataFrame([said])])
    folder = publish_release(made, tmp_path / "out")
    adtte = pl.read_parquet(folder / "tables" / "adtte.parquet").sort("subject_id", "PARAMCD")
    assert set(adtte["AVAL"].drop_nulls() % 30) == {0}
    about = manifest.read(folder)
    assert about["coarsened"] == {"AVAL": "bands of 30", "age_at_index": "bands of 10", "INDEXDT": "year"}
    assert "subjects.index_time" in about["told_elsewhere"]["INDEXDT"]
    record = pl.read_parquet(folder / "disclosure.parquet").filter(pl.col("output") == "policy")
    assert dict(record.select("number", "shown").iter_rows())["INDEXDT"] is False


def test_a_day_is_never_counted_from_a_coarse_index(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    day, cut = datetime(2019, 5, 17, 8), date(2019, 1, 1)
    for name, column in (("analysis", {"index_time": day}), ("subjects", {"INDEXDT": cut}), ("adtte", {"STARTDT": day.date()})):
        pl.DataFrame({"subject_id": [7], **column}).write_parquet(tmp_path / "tables" / f"{name}.parquet")
    for coarse, told in ((), day), (("index_time", "INDEXDT"), day), (("index_time", "INDEXDT", "STARTDT"), None):
        found = index_days(tmp_path, {"coarsened": dict.fromkeys(coarse, "year")})["index_day"].to_list()
        assert found == ([told.date()] if told else [])
