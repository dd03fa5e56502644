"""What births to the year cost a biostatistician: Cox's model on ages worked out from the timeline, before and after."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from unibase.groundwork.tables import EVENTS
from unibase.methods.cox import cox
from unibase.methods.survival import concordance
from unibase.releases.content.leaving import Birth, Leaving

SUBJECTS = 2_000
DIAGNOSIS = datetime(2015, 7, 1)


def cohort(seed: int) -> tuple[pl.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Return births as EVENTS, and arm, follow-up and event of persons of 40 to 85 years; ten years are a ratio of 1.5, the arm 0.6."""
    rng = np.random.default_rng(seed)
    days = rng.integers(40 * 365, 85 * 365, SUBJECTS)
    arm = rng.integers(0, 2, SUBJECTS)
    risk = np.exp(np.log(1.5) * days / 3652.5 + np.log(0.6) * arm)
    died, left = rng.exponential(400.0 / risk), rng.uniform(0, 60, SUBJECTS)
    rows = [(n + 1, "MEDS_BIRTH", DIAGNOSIS - timedelta(days=int(day)), "lyon/people") for n, day in enumerate(days)]
    births = EVENTS.conform(pl.DataFrame(rows, schema=["subject_id", "code", "time", "source"], orient="row"))
    return births, arm, np.minimum(died, left), died <= left


def ages(births: pl.DataFrame, birth: Birth) -> np.ndarray:
    """Return ages in decades at diagnosis, from the middle of what the timeline of a release leaves open."""
    told = Leaving(birth=birth).apply(births).sort("subject_id")
    first = pl.coalesce("time_min", "time")
    last = pl.coalesce("time_max", "time")
    middle = told.select(first + (last - first) / 2).to_series()
    return (pl.Series([DIAGNOSIS]) - middle).dt.total_days().to_numpy() / 3652.5


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("birth", ["month", "year"])
def test_ratios_and_concordance_of_coarser_births_are_within_one_percent(birth: Birth, seed: int) -> None:
    births, arm, time, event = cohort(seed)
    exact, coarse = (np.column_stack([ages(births, how), arm]) for how in ("day", birth))
    assert not np.array_equal(exact, coarse)
    fits = [cox(time, event, table) for table in (exact, coarse)]
    ratios = [np.exp(fit.log_ratio) for fit in fits]
    assert ratios[0] == pytest.approx([1.5, 0.6], rel=0.15)
    assert ratios[1] == pytest.approx(ratios[0], rel=0.01)
    told = [concordance(table @ fit.log_ratio, time, event) for table, fit in zip((exact, coarse), fits, strict=True)]
    assert told[1] == pytest.approx(told[0], rel=0.01)
