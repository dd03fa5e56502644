"""What meds-tab counts before an index, how long it takes, and how much of it is right.

    MEDS_TAB_BIN=ENVIRONMENT/bin python -m benchmarks.temporal_join_meds_tab EVENTS_FOLDER SUBJECTS [TAKEN]

Its dependencies conflict with ours, so it lives in an environment of its own (`pip install meds-tab`), whose `bin` the
variable names. It is asked what `temporal_join.py` asks the others, counts of each code in the 30, 180 and 365 days before an
index, of TAKEN subjects (100 without), for it is slow. The truth here is by event time alone, which is all it knows.

Read in version 0.2.0 (`compute_agg`, `get_rolling_window_indicies`) and shown on timelines of a few events: the last event
of every instant is left out (an instant with one event counts nothing); an instant counts once, however many events it
has; and the days are counted back from the last event before the index, not from the index.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from benchmarks import events_of_ten_million

SPANS = (30, 180, 365)
_EVENTS = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}


class Counted(NamedTuple):
    """Sum of the counts by span, and what it took."""

    totals: dict[int, int]
    cpu: float
    wall: float
    megabytes: float


def ask(tools: Path, frame: pl.DataFrame, index: pl.DataFrame) -> Counted:
    """Let meds-tab count the events of `frame` before each index (`subject_id`, `index_time`)."""
    import time

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("meds/data/train", "meds/metadata", "labels/train"):
            (folder / name).mkdir(parents=True)
        frame.sort("subject_id", "time").select(list(_EVENTS)).write_parquet(folder / "meds/data/train/0.parquet")
        frame.select("code").unique().write_parquet(folder / "meds/metadata/codes.parquet")
        label = index.select("subject_id", pl.col("index_time").alias("prediction_time"), pl.lit(True).alias("boolean_value"))
        label.sort("subject_id").write_parquet(folder / "labels/train/0.parquet")
        both = [f"input_dir={folder}/meds/data", f"output_dir={folder}/out"]
        options = [
            "tabularization.aggs=[code/count]",
            "tabularization.min_code_inclusion_count=0",
            "tabularization.window_sizes=[" + ",".join(f"{span}d" for span in SPANS) + "]",
            f"input_label_dir={folder}/labels",
            "do_overwrite=True",
        ]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        for command in (["meds-tab-describe", *both], ["meds-tab-tabularize-time-series", *both, *options]):
            subprocess.run([tools / command[0], *command[1:]], check=True, capture_output=True)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        totals = {}
        for span in SPANS:
            found = np.load(folder / "out" / "tabularize" / "train" / "0" / f"{span}d" / "code" / "count.npz")["array"]
            totals[span] = int(found[0].sum()) if found.size else 0
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Counted(totals, used, wall, after.ru_maxrss / 1024)


def truth(frame: pl.DataFrame, index: pl.DataFrame) -> dict[int, int]:
    """Return, by span, the number of events in the days up to each index."""
    joined = frame.join(index.select("subject_id", "index_time"), on="subject_id").filter(pl.col("time") <= pl.col("index_time"))
    return {span: joined.filter(pl.col("time") > pl.col("index_time") - pl.duration(days=span)).height for span in SPANS}


def small_cases() -> dict[str, tuple[list[float], float]]:
    """Return timelines of one code by what they show: days of the events, and day of the index."""
    return {
        "three events on three days": ([0, 1, 2], 2),
        "three events at one instant": ([0, 0, 0], 0),
        "four instants of two events": ([0, 0, 1, 1, 2, 2, 3, 3], 3),
        "the last two events 100 days before the index": ([0, 0], 100),
    }


def main() -> None:
    tools = Path(os.environ["MEDS_TAB_BIN"])
    origin = datetime(2020, 1, 1)
    for name, (days, at) in small_cases().items():
        rows = [(1, origin + timedelta(days=day), "A", None) for day in days]
        frame = pl.DataFrame(rows, schema=_EVENTS, orient="row")
        index = pl.DataFrame({"subject_id": [1], "index_time": [origin + timedelta(days=at)]})
        print(f"{name:48} in 30 days {ask(tools, frame, index).totals[30]}, right is {truth(frame, index)[30]}")
    if len(sys.argv) > 2:
        folder, subjects = Path(sys.argv[1]), int(sys.argv[2])
        for line in on_the_common_data(tools, folder, subjects, int(sys.argv[3]) if len(sys.argv) > 3 else 100):
            print(line)


def on_the_common_data(tools: Path, folder: Path, subjects: int, taken: int) -> list[str]:
    """Return in words what meds-tab made of the first `taken` subjects of the common data, and of four times as many."""
    lines, spent = [], []
    for many in (taken, 4 * taken):
        index = events_of_ten_million.index(subjects).head(many)
        events = (
            pl.scan_parquet(folder / "*.parquet").join(index.lazy().select("subject_id"), on="subject_id", how="semi").collect()
        )
        counted, right = ask(tools, events, index), truth(events, index)
        spent.append(counted.cpu)
        found = ", ".join(f"{counted.totals[span]} of {right[span]} events in {span} days" for span in SPANS)
        lines.append(
            f"counts in 3 windows, meds-tab, {many} subjects, {events.height} events: {counted.cpu:.1f} CPU s, "
            f"{counted.wall:.1f} s, {counted.megabytes:.0f} MB; counted {found}"
        )
    rate = (spent[1] - spent[0]) / (3 * taken)
    return [*lines, f"at the difference of the two, {spent[0] + rate * (subjects - taken):.0f} CPU s for {subjects} subjects"]


if __name__ == "__main__":
    main()
