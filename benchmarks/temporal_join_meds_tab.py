"""What meds-tab counts in windows, how long it takes, and how much of it is right, on events of `events_of_ten_million`.

    python -m benchmarks.temporal_join_meds_tab MEDS_TAB_BIN [EVENTS] [SUBJECTS]

Its dependencies conflict with ours, so it lives in an environment of its own (`pip install meds-tab`), whose `bin` is the
first argument. It counts each code in the 30, 180 and 365 days up to every event; the truth is counted here by
polars' rolling windows and by a sum that shares nothing with them. It knows neither recorded times nor partial dates.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import events_of_ten_million

SPANS = (30, 180, 365)
DAY_US = 86_400_000_000


def write_meds(folder: Path, events: int, subjects: int) -> pl.DataFrame:
    """Write a MEDS dataset of one shard; return its events."""
    events_of_ten_million.make(folder / "raw", events, subjects, shards=1)
    frame = pl.read_parquet(folder / "raw" / "0000.parquet").select("subject_id", "time", "code", "numeric_value")
    for name in ("data/train", "metadata"):
        (folder / "meds" / name).mkdir(parents=True)
    frame.write_parquet(folder / "meds" / "data" / "train" / "0.parquet")
    frame.select("code").unique().write_parquet(folder / "meds" / "metadata" / "codes.parquet")
    return frame


def truth(frame: pl.DataFrame, span: int) -> int:
    """Return the sum, over all instants of all subjects, of the events in the `span` days up to the instant."""
    rows = frame.select("subject_id", "time").unique().sort("subject_id", "time")
    counted = rows.join(
        frame.group_by("subject_id", "time").len().sort("subject_id", "time"), on=["subject_id", "time"], maintain_order="left"
    )
    total = 0
    for part in counted.partition_by("subject_id"):
        time, events = part["time"].dt.epoch("us").to_numpy(), np.concatenate([[0], np.cumsum(part["len"].to_numpy())])
        total += int((events[1:] - events[np.searchsorted(time, time - span * DAY_US, side="right")]).sum())
    return total


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    tools = Path(sys.argv[1])
    events, subjects = (int(sys.argv[n]) if len(sys.argv) > n else default for n, default in ((2, 20_000), (3, 100)))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        frame = write_meds(folder, events, subjects)
        both = [f"input_dir={folder}/meds/data", f"output_dir={folder}/out"]
        subprocess.run([tools / "meds-tab-describe", *both], check=True, capture_output=True)
        windows = "tabularization.window_sizes=[" + ",".join(f"{span}d" for span in SPANS) + "]"
        options = ["tabularization.aggs=[code/count]", "tabularization.min_code_inclusion_count=0", windows, "do_overwrite=True"]
        before = children()
        subprocess.run([tools / "meds-tab-tabularize-time-series", *both, *options], check=True, capture_output=True)
        print(f"{events} events of {subjects} subjects: {children() - before:.1f} CPU-s")
        for span in SPANS:
            counted = np.load(folder / "out" / "tabularize" / "train" / "0" / f"{span}d" / "code" / "count.npz")["array"][0]
            right = truth(frame, span)
            print(
                f"{span:4} days: {int(counted.sum())} events counted, largest count {int(counted.max(initial=0))}; right is {right}"
            )


if __name__ == "__main__":
    main()
