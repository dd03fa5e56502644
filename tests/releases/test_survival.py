from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.releases.r import rscript
from unibase.methods.survival import kaplan_meier

TIMES = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=60)


@given(TIMES)
@settings(max_examples=60, deadline=None)
def test_curve_equals_lifelines(rows: list[tuple[int, bool]]) -> None:
    from lifelines import KaplanMeierFitter

    time, event = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    curve = kaplan_meier(time, event)
    fitter = KaplanMeierFitter().fit(time, event)
    for t, s in zip(curve.time, curve.survival, strict=True):
        assert s == pytest.approx(float(fitter.predict(t)), abs=1e-12)
    table = fitter.event_table
    for t, n, d in zip(curve.time, curve.at_risk, curve.events, strict=True):
        assert (n, d) == (table.loc[t, "at_risk"], table.loc[t, "observed"])
        assert n == int((time >= t).sum())


@pytest.mark.parametrize("seed", range(6))
def test_curve_band_and_median_equal_r_survival(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    size = [5, 12, 40, 200, 33, 8][seed]
    time = np.round(rng.exponential(20, size), 0 if seed % 2 else 6)
    event = rng.random(size) < [0.9, 0.5, 0.7, 0.6, 1.0, 1.0][seed]
    np.savetxt(tmp_path / "in.csv", np.column_stack([time, event]), delimiter=",", header="time,event", comments="", fmt="%.17g")
    script = """
    d <- read.csv("in.csv"); f <- survival::survfit(survival::Surv(time, event) ~ 1, d, conf.type = "log-log")
    options(digits = 17)
    write.csv(data.frame(f$time, f$n.risk, f$n.event, f$surv, f$lower, f$upper), "out.csv", row.names = FALSE)
    q <- quantile(f, 0.5); writeLines(format(c(q$quantile, q$lower, q$upper), digits = 17), "median.txt")
    """
    subprocess.run([rscript(), "-e", script], cwd=tmp_path, check=True, capture_output=True)
    expected = np.genfromtxt(tmp_path / "out.csv", delimiter=",", skip_header=1, missing_values="NA").reshape(-1, 6)
    curve = kaplan_meier(time, event)
    ours = np.column_stack([curve.time, curve.at_risk, curve.events, curve.survival, curve.lower, curve.upper])
    untouched = expected[:, 3] == 1
    assert np.isnan(expected[untouched, 4:]).all(), "R has no band before the first event; ours is 1 there"
    expected[untouched, 4:] = 1
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)
    median = [float(x) if x.strip() != "NA" else np.nan for x in (tmp_path / "median.txt").read_text(encoding="utf-8").split()]
    np.testing.assert_allclose(curve.median(), median, rtol=1e-12)


LATE = st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.integers(-5, 29)), min_size=1, max_size=60)


@given(LATE)
@settings(max_examples=100, deadline=None)
def test_late_entry_counts_from_there(rows: list[tuple[int, bool, int]]) -> None:
    seen = [row for row in rows if row[2] < row[0]]
    time, event, entry = (np.array([row[i] for row in rows]) for i in range(3))
    if not seen:
        with pytest.raises(ValueError, match="all entered when they had left"):
            kaplan_meier(time, event, entry)
        return
    curve = kaplan_meier(time, event, entry)
    level = 1.0
    for place, t in enumerate(sorted({row[0] for row in seen})):
        at_risk = sum((e < t or e <= 0) and t <= d for d, _, e in seen)
        events = sum(d == t and happened for d, happened, _ in seen)
        level *= 1 - events / at_risk
        assert (curve.time[place], curve.at_risk[place], curve.events[place]) == (t, at_risk, events)
        assert curve.survival[place] == pytest.approx(level, abs=1e-12)
        assert curve.number_at_risk(float(t)) == at_risk
    from_the_start = kaplan_meier(time, event, np.full(len(time), -1))
    np.testing.assert_array_equal(from_the_start.survival, kaplan_meier(time, event).survival)


@pytest.mark.parametrize("seed", range(4))
def test_late_entry_equals_r_survival(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    entry = np.round(rng.exponential(8, 150), 0 if seed % 2 else 6) * (rng.random(150) < 0.6)
    # The first to enter do so together, so that the curve does not fall to nothing among a few.
    entry[entry < 3] = 0
    time = entry + np.round(rng.exponential(20, 150), 0 if seed % 2 else 6) + 1
    event = rng.random(150) < 0.6
    np.savetxt(
        tmp_path / "in.csv",
        np.column_stack([entry, time, event]),
        delimiter=",",
        header="entry,time,event",
        comments="",
        fmt="%.17g",
    )
    script = """
    d <- read.csv("in.csv"); f <- survival::survfit(survival::Surv(entry, time, event) ~ 1, d, conf.type = "log-log")
    options(digits = 17)
    write.csv(data.frame(f$time, f$n.risk, f$n.event, f$surv, f$lower, f$upper), "out.csv", row.names = FALSE)
    q <- quantile(f, 0.5); writeLines(format(c(q$quantile, q$lower, q$upper), digits = 17), "median.txt")
    """
    subprocess.run([rscript(), "-e", script], cwd=tmp_path, check=True, capture_output=True)
    expected = np.genfromtxt(tmp_path / "out.csv", delimiter=",", skip_header=1, missing_values="NA").reshape(-1, 6)
    curve = kaplan_meier(time, event, entry)
    ours = np.column_stack([curve.time, curve.at_risk, curve.events, curve.survival, curve.lower, curve.upper])
    expected[expected[:, 3] == 1, 4:] = 1
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)
    median = [float(x) if x.strip() != "NA" else np.nan for x in (tmp_path / "median.txt").read_text(encoding="utf-8").split()]
    np.testing.assert_allclose(curve.median(), median, rtol=1e-12)


def test_no_subject_or_a_missing_time_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one subject"):
        kaplan_meier([], [])
    with pytest.raises(ValueError, match="finite"):
        kaplan_meier([1.0, np.nan], [True, False])
