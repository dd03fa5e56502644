"""Hazard ratios: Cox's model as lifelines fits it, and what the page shows of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lifelines import CoxPHFitter
from lifelines.statistics import proportional_hazard_test

from unibase.methods.cox import cox
from unibase.releases.report.sections.hazards import MASK_TEXT, ratios


def _subjects(seed: int, size: int = 160, late: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, group = rng.normal(size=size), rng.integers(0, 2, size)
    time = np.ceil(rng.exponential(40 * np.exp(-0.5 * x - 0.7 * group)))  # Whole months: many ties.
    followed = rng.integers(5, 80, size)
    frame = pd.DataFrame({"time": np.minimum(time, followed), "event": time <= followed, "x": x, "group": group})
    frame["entry"] = np.floor(frame["time"] * rng.uniform(0, 0.5, size)) if late else 0.0
    return frame[frame["entry"] < frame["time"]]


@pytest.mark.parametrize("late", [False, True])
def test_estimates_are_those_of_lifelines(late: bool) -> None:
    frame = _subjects(3, late=late)
    peer = CoxPHFitter().fit(frame, "time", "event", entry_col="entry")
    fit = cox(frame["time"], frame["event"], frame[["x", "group"]], frame["entry"] if late else None)
    assert fit.converged
    np.testing.assert_allclose(fit.log_ratio, peer.params_[["x", "group"]], rtol=1e-5)
    np.testing.assert_allclose(fit.error, peer.standard_errors_[["x", "group"]], rtol=1e-5)


def test_the_check_of_proportionality_is_that_of_lifelines() -> None:
    frame = _subjects(4).drop(columns="entry")
    frame["time"] += np.linspace(0, 0.4, len(frame))  # Peers rank ties each in a way of their own.
    peer = proportional_hazard_test(CoxPHFitter().fit(frame, "time", "event"), frame, time_transform="rank")
    fit = cox(frame["time"], frame["event"], frame[["x", "group"]])
    np.testing.assert_allclose(fit.proportionality(), peer.summary.loc[["x", "group"], "p"], rtol=1e-4)


def test_a_group_without_an_event_does_not_give_a_ratio() -> None:
    assert not cox([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0], [[1], [1], [1], [0], [0], [0]]).converged


def test_ratios_that_grow_without_end_are_none_and_stop_nothing() -> None:
    """Weights at risk were lost beside others, their logarithm was infinite, and a release failed."""
    rng = np.random.default_rng(85)
    groups = int(rng.integers(2, 10))
    size = groups * int(rng.integers(2, 30))
    group = np.repeat(np.arange(groups), size // groups)
    time = rng.integers(1, 40, len(group)).astype(float)
    event = rng.random(len(group)) < 0.2 + 0.3 * (group % 2)
    fit = cox(time, event, (group[:, None] == np.arange(1, groups)).astype(float))
    assert not fit.converged and np.isfinite(fit.log_ratio).all()


def _study(subjects: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = _subjects(seed, subjects)
    ids = range(1, len(frame) + 1)
    adtte = pl.DataFrame({"subject_id": ids, "PARAMCD": "OS", "AVAL": frame["time"].to_numpy(), "CNSR": 1 - frame["event"]})
    people = pl.DataFrame({"subject_id": ids, "AGE": 60 + 10 * frame["x"].to_numpy(), "SEX": ["FM"[g] for g in frame["group"]]})
    return people, adtte


def test_the_page_tells_ratios_of_groups_with_enough_events_and_no_other() -> None:
    people, adtte = _study(200, 5)
    age, sex = ratios(people, adtte, ("AGE", "SEX"), 11)
    assert age.name == "AGE" and age.ratio is not None and 1.3 < float(age.ratio) < 2.1
    assert (sex.level, sex.reference) == ("M", "F") and sex.ratio is not None and float(sex.ratio) > 1.3
    few = people.with_columns(pl.when(pl.col("subject_id") <= 8).then(pl.lit("X")).otherwise("SEX").alias("SEX"))
    found = {one.level: one.ratio for one in ratios(few, adtte, ("SEX",), 11)}
    assert found["X"] == MASK_TEXT and found["M"] != MASK_TEXT


def test_a_ratio_says_nothing_of_a_count_that_is_hidden() -> None:
    people, adtte = _study(200, 5)
    # Of 40 the page shows neither how many are X nor how many are F; a ratio of F would say: at least 22.
    found = ratios(people, adtte, ("SEX",), 11, lambda name, level: level == "M")
    assert [one.ratio for one in found] == [MASK_TEXT]
    unknown = people.with_columns(pl.when(pl.col("subject_id") > 4).then("AGE").alias("AGE"))
    shown = ratios(unknown, adtte, ("AGE",), 11)
    hidden = ratios(unknown, adtte, ("AGE",), 11, lambda name, level: level != "")
    assert [shown[0].ratio != MASK_TEXT, hidden[0].ratio] == [True, MASK_TEXT]


@pytest.mark.parametrize(
    ("events", "others", "rest", "told"),
    [
        ((11, 11), (30, 30), (0, 0), True),  # Nobody is left out.
        ((11, 11), (30, 30), (1, 5), False),  # 23 events, of which the groups have 22 at least: the 6 have 1 at most.
        ((16, 17), (30, 30), (1, 5), True),  # 34 events: the 6 may have any number.
        ((30, 30), (11, 11), (5, 0), False),  # As many without an event, the other way round.
        ((30, 30), (20, 20), (10, 20), True),
        ((11, 11), (30, 30), (0, 30), False),
    ],
)
def test_a_ratio_leaves_the_events_of_the_others_open(
    events: tuple[int, int], others: tuple[int, int], rest: tuple[int, int], told: bool
) -> None:
    rows = [(group, 0) for group, n in zip("FM", events, strict=True) for _ in range(n)]
    rows += [(group, 1) for group, n in zip("FM", others, strict=True) for _ in range(n)]
    rows += [(None, censored) for censored, n in enumerate(rest) for _ in range(n)]
    ids = range(len(rows))
    times = np.random.default_rng(1).permutation(len(rows)) + 1.0
    people = pl.DataFrame({"subject_id": ids, "SEX": [group for group, _ in rows]})
    adtte = pl.DataFrame({"subject_id": ids, "PARAMCD": "OS", "AVAL": times, "CNSR": [censored for _, censored in rows]})
    (one,) = ratios(people, adtte, ("SEX",), 11)
    assert (one.ratio != MASK_TEXT) == told


def test_a_page_has_the_section(tmp_path: Path) -> None:
    people, adtte = _study(60, 6)
    assert ratios(people, adtte.with_columns(CNSR=pl.lit(1)), ("AGE",), 11) == []
