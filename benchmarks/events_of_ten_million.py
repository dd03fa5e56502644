"""Makes the events that `temporal_join.py` is measured on: Parquet shards by subject in the columns of EVENTS."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from unibase.clinical.timelines.meds import write_shard
from unibase.groundwork.tables import EVENTS

DAY_US = 86_400_000_000
START = int(datetime(2010, 1, 1).timestamp()) * 1_000_000


def make(folder: Path, events: int, subjects: int, codes: int = 400, shards: int = 10, seed: int = 7) -> None:
    """Write `events` events: common and rare codes, half of the dates to the day, 1 in 20 recorded late."""
    per_shard = subjects // shards
    per_subject = events // subjects
    for shard in range(shards):
        rng = np.random.default_rng([seed, shard])
        count = per_shard * per_subject
        subject = np.repeat(np.arange(shard * per_shard, (shard + 1) * per_shard) * 7_919 + 11, per_subject)
        time = START + rng.integers(0, 3650 * 1440, count) * 60_000_000
        day_only = rng.random(count) < 0.5
        time = np.where(day_only, time // DAY_US * DAY_US, time)
        order = np.lexsort((time, subject))
        time, day_only = time[order], day_only[order]
        code = np.minimum(rng.zipf(1.3, count) - 1, codes - 1)
        code = np.where(code == codes - 1, rng.integers(0, codes, count), code)
        late = np.where(rng.random(count) < 0.05, rng.integers(1, 60, count) * DAY_US, rng.integers(0, 600, count) * 60_000_000)
        stamp = pl.Datetime("us")
        frame = pl.DataFrame(
            {
                "subject_id": subject,
                "time": pl.Series(time).cast(stamp),
                "code": pl.Series(code).cast(pl.String),
                "numeric_value": rng.normal(100, 20, count).round(1).astype(np.float32),
                "time_min": pl.Series(time).cast(stamp),
                "time_max": pl.Series(np.where(day_only, time + DAY_US - 1, time)).cast(stamp),
                "recorded_time": pl.Series(time + late).cast(stamp),
                "source": pl.Series(np.where(code % 2 == 0, "A/omop/measurement", "A/omop/drug_exposure")),
                "source_row": np.arange(count) + shard * count + 1,
                "unit": pl.Series(["mg/L"] * count),
            }
        ).with_columns(pl.format("LOINC//{}-0", pl.col("code").str.zfill(4)).alias("code"))
        write_shard(EVENTS.conform(frame), folder / f"{shard:04d}.parquet")


def index(subjects: int, seed: int = 7) -> pl.DataFrame:
    """Return an index per subject, half-way through the ten years or thereabouts."""
    rng = np.random.default_rng([seed, 99])
    time = pl.Series(START + rng.integers(1500, 3000, subjects) * DAY_US + 9 * 3600 * 1_000_000).cast(pl.Datetime("us"))
    ids = np.arange(subjects) * 7_919 + 11
    return pl.DataFrame({"subject_id": ids, "index_time": time, "lower": time, "upper": time})


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), shards=int(sys.argv[4]) if len(sys.argv) > 4 else 10)
