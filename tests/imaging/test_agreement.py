"""Agreement, test-retest and delta tables against published values and twins worked by definition."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibase.groundwork.problems import UserError
from unibase.imaging.radiomics.delta import delta_features
from unibase.methods.agreement import COLUMNS, agreement_table, concordance, icc, retest_pairs, retest_table

# Shrout and Fleiss 1979, table 2: six targets, four judges.
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


def test_icc_of_shrout_and_fleiss() -> None:
    found = icc(JUDGES)
    # Their table 4, and the limits as R's psych::ICC prints them for these data.
    assert round(found["icc_2_1"], 2) == 0.29
    assert round(found["icc_3_1"], 2) == 0.71
    assert (round(found["icc_2_1_low"], 3), round(found["icc_2_1_high"], 2)) == (0.019, 0.76)
    assert (round(found["icc_3_1_low"], 2), round(found["icc_3_1_high"], 2)) == (0.34, 0.95)


def by_definition(values: np.ndarray) -> tuple[float, float]:
    n, k = values.shape
    total = ((values - values.mean()) ** 2).sum()
    between = k * ((values.mean(axis=1) - values.mean()) ** 2).sum()
    judges = n * ((values.mean(axis=0) - values.mean()) ** 2).sum()
    error = (total - between - judges) / ((n - 1) * (k - 1))
    msr, msc = between / (n - 1), judges / (k - 1)
    return (msr - error) / (msr + (k - 1) * error + k * (msc - error) / n), (msr - error) / (msr + (k - 1) * error)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 9), st.integers(2, 5), st.sampled_from([1e-9, 1.0, 1e18]))
def test_icc_is_its_definition_at_any_scale(seed: int, n: int, k: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    values = (random.normal(size=(n, 1)) + random.normal(size=(n, k))) * scale
    found = icc(values)
    two, three = by_definition(values / scale)
    assert found["icc_2_1"] == pytest.approx(two, abs=1e-10)
    assert found["icc_3_1"] == pytest.approx(three, abs=1e-10)
    if np.isfinite([found["icc_2_1_low"], found["icc_2_1_high"]]).all():
        assert found["icc_2_1_low"] <= found["icc_2_1"] <= found["icc_2_1_high"]
    assert found["icc_3_1_low"] <= found["icc_3_1"] <= found["icc_3_1_high"]


def test_icc_at_its_ends() -> None:
    steps = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    assert icc(steps)["icc_2_1"] == icc(steps)["icc_3_1"] == 1.0
    shifted = icc(steps + np.array([0.0, 10.0, 20.0]))
    assert shifted["icc_3_1"] == 1.0
    assert shifted["icc_2_1"] < 0.1
    assert np.isnan(icc(np.ones((5, 3)))["icc_2_1"])
    assert np.isnan(icc(JUDGES[:2])["icc_2_1"])


def test_concordance_is_lins() -> None:
    a, b = np.array([1.0, 2, 3, 4]), np.array([1.5, 2.5, 2.5, 5.0])
    want = 2 * np.cov(a, b, bias=True)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    assert concordance(a, b) == pytest.approx(want, rel=1e-14)
    assert concordance(a, a) == 1.0
    assert np.isnan(concordance(np.ones(3), np.ones(3)))


def rows(values: np.ndarray, **changes: Any) -> pl.DataFrame:
    """One row per subject of a FEATURES frame with the feature `firstorder_Mean`."""
    base = {
        "Modality": "CT",
        "region": "GTV",
        "image_type": "original",
        "engine": "e",
        "mode": "pyradiomics",
        "settings_digest": "s",
    }
    return pl.DataFrame(
        [{"subject_id": i + 1, **base, **changes, "firstorder_Mean": float(value)} for i, value in enumerate(values)]
    )


def test_test_retest_table() -> None:
    random = np.random.default_rng(3)
    truth = random.normal(100, 20, 15)
    first, second = truth + random.normal(0, 2, 15), truth + random.normal(1, 2, 15)
    # A subject without a retest does not count.
    table = retest_table(rows(np.append(first, 500.0)), rows(second)).row(0, named=True)
    within = np.sqrt(((first - second) ** 2).mean() / 2)
    assert table["subjects"] == 15
    assert table["within_sd"] == pytest.approx(within, rel=1e-12)
    assert table["repeatability"] == pytest.approx(2.7718585822512662 * within, rel=1e-12)
    assert table["bias"] == pytest.approx((second - first).mean(), rel=1e-10)
    assert table["concordance"] == pytest.approx(concordance(first, second), rel=1e-12)
    assert table["icc_2_1"] == pytest.approx(by_definition(np.stack([first, second], axis=1))[0], rel=1e-10)
    assert set(table) == {*COLUMNS, "bias", "concordance"}
    with pytest.raises(UserError, match="settings_digest"):
        retest_table(rows(first), rows(second, settings_digest="other"))
    with pytest.raises(UserError, match="Several rows"):
        retest_table(pl.concat([rows(first), rows(first)]), rows(second))


def test_which_scans_are_test_and_retest() -> None:
    start = datetime(2020, 1, 2)

    def scan(subjects: int, day: float, study: str, series: str, **more: Any) -> pl.DataFrame:
        values = np.arange(1.0, subjects + 1)
        named = {
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
            "series_time": start + timedelta(days=day),
            "source_digest": "x",
            **more,
        }
        return rows(values, **named)

    frame = pl.concat(
        [
            scan(3, 0, "1", "a"),
            # Another phase of one study, and one too late, are no retest.
            scan(1, 0.01, "1", "phase"),
            scan(1, 5, "2", "b"),
            scan(2, 30, "3", "c"),
            scan(2, 34, "4", "d"),
            scan(2, 36, "5", "e"),
            # Drawn twice: which one to compare is not known.
            scan(3, 3, "6", "twice").tail(1),
            scan(3, 3, "6", "twice", source_digest="y").tail(1),
        ]
    )
    first, second = retest_pairs(frame.sample(fraction=1.0, shuffle=True, seed=1), 10)
    assert first.select("subject_id", "SeriesInstanceUID").rows() == [(1, "phase"), (2, "c")]
    assert second.select("subject_id", "SeriesInstanceUID").rows() == [(1, "b"), (2, "d")]


def test_features_that_do_not_vary_have_no_icc() -> None:
    frame = pl.concat([rows(JUDGES[:, k], seen=k).with_columns(constant=pl.lit(2.0)) for k in (0, 3)])
    table = agreement_table(frame, "seen", ["subject_id"])
    assert table["feature"].to_list() == ["firstorder_Mean", "constant"]
    assert table["icc_2_1"][1] is None
    assert table["within_sd"][1] == 0.0


def test_delta_features() -> None:
    start = datetime(2020, 1, 2, 10, 30)
    frames = [
        rows(np.array([10.0, 0.0, np.nan]), series_time=start, SeriesInstanceUID="a"),
        rows(np.array([14.0, 5.0, 3.0]), series_time=start + timedelta(days=30, hours=12), SeriesInstanceUID="b"),
        rows(np.array([8.0]), series_time=start + timedelta(days=60), SeriesInstanceUID="c"),
        # Other settings: no partner, no comparison.
        rows(np.array([8.0]), series_time=start + timedelta(days=90), SeriesInstanceUID="d", settings_digest="other"),
    ]
    frame = pl.concat(frames)
    delta = delta_features(frame.sample(fraction=1.0, shuffle=True, seed=2))
    assert delta.select(
        "subject_id", "first_series", "later_series", "days", "firstorder_Mean_difference", "firstorder_Mean_relative"
    ).rows() == [
        (1, "a", "b", 30.5, 4.0, 0.4),
        (1, "a", "c", 60.0, -2.0, -0.2),
        (2, "a", "b", 30.5, 5.0, None),
        (3, "a", "b", 30.5, None, None),
    ]
    with pytest.raises(UserError, match="several rows of one time"):
        delta_features(pl.concat([frame, frames[0].head(1)]))
