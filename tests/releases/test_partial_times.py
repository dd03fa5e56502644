"""Times known in part, and competing events: against R's survival, and against the conditions that the estimate must meet."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.releases.r import rscript
from unibase.methods.competing_risks import cumulative_incidence
from unibase.methods.interval_censored import turnbull
from unibase.methods.survival import kaplan_meier
from unibase.releases.content.cohort_file import _wide_endpoints
from unibase.releases.content.column_words import of_annotation
from unibase.releases.content.methods_text import methods_paragraph
from unibase.releases.disclosure.steps import stepped
from unibase.releases.exports.cbioportal_files import _survival
from unibase.releases.images.patch_dataset import _outcome as patch_outcome
from unibase.releases.read.dataset import ReleaseDataset
from unibase.releases.read.known_times import with_known_times
from unibase.releases.read.load_release import Release
from unibase.releases.report.data import DAYS_PER_MONTH
from unibase.releases.report.sections.survival_curves import _curve

LOADER = Path(__file__).resolve().parents[2] / "releases" / "read" / "load_release.R"


def in_r(folder: Path, frame: pl.DataFrame, script: str) -> dict[str, list[float]]:
    """Return what R computes of a frame `d`."""
    frame.write_csv(folder / "in.csv", null_value="NA")
    whole = f'd <- read.csv("in.csv"); {script}; cat(paste0("[", paste(sprintf("%.12f", out), collapse = ","), "]"))'
    done = subprocess.run([rscript("survival"), "-e", whole], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def intervals(seed: int, subjects: int = 80) -> pl.DataFrame:
    """Exact times, times known to a span, and censored ones, on few days so that they tie."""
    draw = np.random.default_rng(seed)
    day = draw.integers(1, 60, subjects)
    kind = draw.integers(0, 3, subjects)
    low = np.where(kind == 1, np.maximum(day - draw.integers(1, 15, subjects), 0), day)
    high = np.where(kind == 1, day + draw.integers(1, 15, subjects), day).astype(float)
    return pl.DataFrame({"low": low, "high": np.where(kind == 2, np.inf, high)})


@pytest.mark.parametrize("seed", range(3))
def test_turnbull_is_r(tmp_path: Path, seed: int) -> None:
    frame = intervals(seed)
    curve = turnbull(frame["low"].to_numpy(), frame["high"].to_numpy())
    # R leaves the first instant of an interval out of it; days are whole, so a quarter of one earlier takes it in.
    script = """library(survival); d$high[is.infinite(d$high)] <- NA
    d$low <- d$low - ifelse(!is.na(d$high) & d$high > d$low, .25, 0)
    f <- survfit(Surv(low, high, type = "interval2") ~ 1, d); out <- summary(f, times = c(10, 20, 30, 40, 50) + .25, extend = TRUE)$surv"""
    r = in_r(tmp_path, frame, script)
    # R lets the curve fall in the middle of an interval, ours at its end; where no interval is open both say the same.
    for time, theirs in zip((10.25, 20.25, 30.25, 40.25, 50.25), r, strict=True):
        if not ((curve.left <= time) & (time < curve.right)).any():
            assert curve.at(time) == pytest.approx(theirs, abs=3e-3)


@pytest.mark.parametrize("seed", range(20))
def test_no_mass_could_be_better_placed(seed: int) -> None:
    """Gentleman and Geyer: at the maximum, the mean over subjects of (held / chance) is at most 1, and 1 where there is mass."""
    frame = intervals(seed, 40)
    low, high = frame["low"].to_numpy().astype(float), frame["high"].to_numpy()
    curve = turnbull(low, high)
    held = np.array(
        [[_holds(a, b, x, y) for x, y in zip(curve.left, curve.right, strict=True)] for a, b in zip(low, high, strict=True)]
    )
    gain = (held / (held @ curve.mass)[:, None]).mean(0)
    assert curve.mass.sum() == pytest.approx(1)
    np.testing.assert_allclose(gain, 1, atol=1e-4)


def _holds(low: float, high: float, left: float, right: float) -> bool:
    after = right > low if np.isinf(high) else left >= low
    return after and right <= high


def test_exact_times_give_the_curve_of_kaplan_and_meier() -> None:
    draw = np.random.default_rng(4)
    time, event = draw.integers(1, 50, 200).astype(float), draw.random(200) < 0.6
    curve, known = turnbull(time, np.where(event, time, np.inf)), kaplan_meier(time, event)
    for day in range(50):
        assert curve.at(day) == pytest.approx(known.at(day), abs=1e-5)


def test_deaths_known_to_the_month_do_not_move_the_median() -> None:
    """30 % of deaths are known to the month: leaving them out makes the median longer, the interval keeps it within 3 %."""
    draw = np.random.default_rng(8)
    time = np.ceil(draw.exponential(400, 3000))
    end = np.ceil(draw.uniform(300, 1500, 3000))
    event, seen = time <= end, np.minimum(time, end)
    part = event & (draw.random(3000) < 0.3)
    start = seen - draw.integers(0, 30, 3000)
    low, high = np.where(part, np.maximum(start, 1), seen), np.where(event, np.where(part, start + 30, seen), np.inf)
    truth = kaplan_meier(seen, event).median()[0]
    found = turnbull(low, high).median()
    without = kaplan_meier(seen[~part], event[~part]).median()[0]
    assert np.mean(found) == pytest.approx(truth, rel=0.03)
    assert without > 1.05 * truth


@pytest.mark.parametrize("late", [False, True])
def test_cumulative_incidence_is_r(tmp_path: Path, late: bool) -> None:
    draw = np.random.default_rng(11)
    time, cause = draw.integers(5, 60, 150).astype(float), draw.integers(0, 3, 150)
    entry = draw.integers(0, 4, 150).astype(float) if late else np.zeros(150)
    frame = pl.DataFrame({"time": time, "cause": cause, "entry": entry})
    surv = "Surv(entry, time, factor(cause))" if late else "Surv(time, factor(cause))"
    script = f"library(survival); d$id <- seq_len(nrow(d)); f <- survfit({surv} ~ 1, d, id = id); out <- summary(f, times = 5:59)$pstate[, 2:3]"
    r = np.array(in_r(tmp_path, frame, script)).reshape(2, -1)
    for of in (1, 2):
        ours = cumulative_incidence(time, cause, of, entry if late else None)
        np.testing.assert_allclose([ours.at(day) for day in range(5, 60)], r[of - 1], atol=1e-9)


def test_the_loader_for_r_keeps_deaths_known_in_part(tmp_path: Path) -> None:
    """`load_release` gives R intervals where a time is known in part; a missing AVAL would be dropped unsaid."""
    text = LOADER.read_text(encoding="utf-8")
    function = text[text.index("surv_of <-") : text.index("release$Surv <-")].strip()
    adtte = pl.DataFrame(
        {"AVAL": [10, None, 30, 40], "AVAL_MIN": [10, 15, 30, 40], "AVAL_MAX": [10, 25, 30, 40], "CNSR": [0, 0, 1, 0]}
    )
    out = in_r(
        tmp_path,
        adtte,
        f"library(survival); {function}; f <- survfit(surv_of(d) ~ 1); out <- c(f$n, summary(f, times = c(12, 26))$surv); "
        "d$ENTRY <- c(0, 0, 2, 50); s <- suppressWarnings(surv_of(d)); out <- c(out, s[1:3, 2], sum(is.na(s)))",
    )
    assert out == [4, pytest.approx(0.75), pytest.approx(0.5), 10, 20, 30, 1]


def month_known(seed: int, late: bool, size: int = 3000) -> tuple[pl.DataFrame, float]:
    """ADTTE of one endpoint in which 30 % of the deaths are known to the month, and the median in months of all true days."""
    draw = np.random.default_rng(seed)
    time, end = np.ceil(draw.exponential(900, size)), np.ceil(draw.uniform(600, 2500, size))
    event, seen = time <= end, np.minimum(time, end).astype(int)
    part = event & (draw.random(size) < 0.3)
    first = np.maximum(seen - draw.integers(0, 30, size), 1)
    exact, low, high = (pl.Series(of) for of in (seen, np.where(part, first, seen), np.where(part, first + 29, seen)))
    known = pl.DataFrame({"AVAL": exact, "AVAL_MIN": low, "AVAL_MAX": high, "CNSR": (~event).astype(int), "part": part})
    known = known.with_columns(pl.when(~pl.col("part")).then("AVAL").alias("AVAL")).drop("part")
    if not late:
        return known, kaplan_meier(seen, event).median()[0] / DAYS_PER_MONTH
    # Every second subject is let in by an image of up to 300 days later; who died before it has none.
    entry = np.arange(size) % 2 * np.arange(size) * 7 % 300
    truth = kaplan_meier(seen, event, entry).median()[0] / DAYS_PER_MONTH
    return known.with_columns(ENTRY=pl.Series(entry)).filter(pl.Series(entry < seen)), truth


@pytest.mark.parametrize(("seed", "late"), [(1, False), (2, True)])
def test_the_median_of_the_page_is_true_where_deaths_are_known_to_the_month(seed: int, late: bool) -> None:
    adtte, truth = month_known(seed, late)
    found = _curve(with_known_times(adtte), 11)
    assert found is not None
    drawn = stepped(*found, 11)
    assert drawn is not None and found[0].median()[0] == pytest.approx(truth, rel=0.03)
    assert drawn.median()[0] == pytest.approx(truth, rel=0.03)
    ends = [0, *(step.month for step in drawn.steps)]
    curve = found[0]
    assert all(curve.events[(curve.time > a) & (curve.time <= b)].sum() >= 11 - 1e-6 for a, b in itertools.pairwise(ends))
    exact = _curve(with_known_times(adtte.filter(pl.col("AVAL").is_not_null())), 11)
    assert exact is not None and exact[0].median()[0] > 1.1 * truth


def test_the_methods_say_which_endpoints_are_known_in_part() -> None:
    about = {"version": "1", "title": "t", "study": "s"}
    adtte = pl.DataFrame({"PARAMCD": ["OS", "OS", "PFS"], "AVAL": [None, 9, 4], "AVAL_MIN": [3, 9, 4], "CNSR": [0, 0, 0]})
    assert "Events of OS that are known in part count as intervals" in methods_paragraph(about, {"adtte": adtte.lazy()})
    assert "in part" not in methods_paragraph(about, {"adtte": adtte.with_columns(CNSR=pl.lit(1)).lazy()})


def test_python_reads_the_bounds_of_times_known_in_part(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    subjects = pl.DataFrame({"subject_id": [1, 2, 3, 4], "centre": ["lyon"] * 4})
    for name in ("subjects", "analysis"):
        subjects.write_parquet(tmp_path / "tables" / f"{name}.parquet")
    times = {"AVAL": [10, None, None, None], "AVAL_MIN": [10, 15, 30, None], "AVAL_MAX": [10, 25, 40, None], "CNSR": [0, 0, 1, 0]}
    adtte = subjects.select("subject_id", PARAMCD=pl.lit("OS")).with_columns(**{k: pl.Series(v) for k, v in times.items()})
    adtte.write_parquet(tmp_path / "tables" / "adtte.parquet")
    with pytest.warns(UserWarning, match="1 times of OS are known in part"):
        outcome = Release(tmp_path).outcome("OS")
    assert list(outcome) == ["time", "event", "entry"]  # what is joined to predictors: bounds would be predictors, too
    found = Release(tmp_path).bounds("OS")
    assert found[["time", "earliest", "latest"]].to_numpy().tolist() == [[10, 10, 10], [20, 15, 25], [30, 30, np.inf]]
    assert found["event"].tolist() == [True, True, False]


KNOWN = pl.DataFrame(
    {"subject_id": [1, 2, 3, 4], "AVAL": [10, None, 30, None], "AVAL_MIN": [10, 15, 30, None], "AVAL_MAX": [10, 25, 30, None]}
).with_columns(CNSR=pl.Series([0, 0, 1, 0]), PARAMCD=pl.lit("OS"))
"""An event to the day, one within ten days, a censored time, and a death of which nothing is known."""


@pytest.fixture
def in_part(tmp_path: Path) -> Path:
    """Return a folder with the tables that the readers of endpoints read."""
    (tmp_path / "tables").mkdir()
    KNOWN.write_parquet(tmp_path / "tables" / "adtte.parquet")
    KNOWN.select("subject_id").write_parquet(tmp_path / "tables" / "subjects.parquet")
    return tmp_path


def test_patches_and_datasets_carry_the_bounds(in_part: Path) -> None:
    cells = [{k: "" if v is None else str(v) for k, v in row.items()} for row in KNOWN.to_dicts()]
    found = [
        [float(getattr(patch_outcome(row), name)) for name in ("time", "event", "time_low", "time_high")] for row in cells[:3]
    ]
    right = [[10, 1, 10, 10], [20, 1, 15, 25], [30, 0, 30, np.inf]]
    assert found == right
    assert np.isnan(float(patch_outcome(cells[3]).time)) and bool(patch_outcome(cells[3]).event)
    dataset = ReleaseDataset.__new__(ReleaseDataset)
    dataset.folder = in_part
    read = dataset._read_outcome("OS")
    assert [[float(v) for v in one.values()] for one in read.values()] == right  # of nothing known there is nothing to learn


def test_the_cohort_file_and_the_portal_carry_the_bounds_where_there_are_any(in_part: Path) -> None:
    wide = _wide_endpoints(KNOWN)
    assert wide.columns == ["subject_id", "OS_AVAL", "OS_AVAL_MIN", "OS_AVAL_MAX", "OS_CNSR"]
    words = [of_annotation(name) or {} for name in wide.columns[1:]]  # without words no release is published
    assert [one["label"] for one in words] == [
        "OS analysis value",
        "OS least analysis value",
        "OS greatest analysis value",
        "OS censor",
    ]
    assert wide.row(1) == (2, None, 15, 25, 0)
    assert all(of_annotation(name) for name in wide.columns[1:])  # a column without words stops a release
    assert _wide_endpoints(KNOWN.filter(pl.col("subject_id") != 2)).columns == ["subject_id", "OS_AVAL", "OS_CNSR"]
    portal = _survival(in_part)
    assert portal["OS_STATUS"].to_list() == ["1:DECEASED", None, "0:LIVING", None]
    assert portal["OS_EVENT_NOT_BEFORE_MONTHS"].to_list() == [None, pytest.approx(15 / DAYS_PER_MONTH, abs=1e-4), None, None]
    assert portal["OS_EVENT_NOT_AFTER_MONTHS"].to_list() == [None, pytest.approx(25 / DAYS_PER_MONTH, abs=1e-4), None, None]
