"""The temporal join of 10 million events beside polars, DuckDB, pandas and meds-tab.

    python benchmarks/temporal_join.py EVENTS_FOLDER SUBJECTS [RUNS]

Make the folder with `events_of_ten_million.py`. Each run is a process of its own; the table gives the medians of its CPU
seconds (user and system, imports and a warm start taken off) and of its peak memory (whole process, and above what
it held before the work began). Peers do as-of by event time alone: none of them knows recorded times, partial dates
or a trace. With `MEDS_TAB_BIN=ENVIRONMENT/bin`, meds-tab is asked last (`temporal_join_meds_tab.py` says how, and what it counts wrongly).
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

ASOF = [f"LOINC//{number:04d}-0" for number in range(20)]
COUNTED = [f"LOINC//{number:04d}-0" for number in range(200)]
SPANS = (30, 180, 365)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class PeakMemory:
    """Peak of what the process holds of its own, sampled: mapped file pages are not memory."""

    def __enter__(self) -> PeakMemory:
        self.before = self.peak = self._now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, self._now())

    @staticmethod
    def _now() -> float:
        resident_pages, shared = (int(n) for n in Path("/proc/self/statm").read_text(encoding="utf-8").split()[1:3])
        return (resident_pages - shared) * os.sysconf("SC_PAGE_SIZE") / 1e6


def ours_asof(folder: Path, index: pl.DataFrame) -> pl.DataFrame:
    from unibase.linking.asof.join import join
    from unibase.linking.options import Windows

    clinical = {code: {"concept": code, "choose": "latest", "value": "numeric"} for code in ASOF}
    joined = join(
        folder, None, None, index, Windows.model_validate({"clinical": clinical}), {code: [f"{code}$"] for code in ASOF}
    )
    return joined.analysis.drop("index_time")


def ours_counts(folder: Path, index: pl.DataFrame) -> pl.DataFrame:
    from unibase.linking.asof.join import join
    from unibase.linking.options import Windows

    clinical = {f"{code}/{span}": {"concept": code, "from_days": -span, "choose": "count"} for span in SPANS for code in COUNTED}
    windows = Windows.model_validate({"clinical": clinical})
    concepts = {code: [f"{code}$"] for code in COUNTED}
    return join(folder, None, None, index, windows, concepts, trace_aggregates=False).analysis.drop("index_time")


def polars_asof(folder: Path, index: pl.DataFrame) -> pl.DataFrame:
    events = (
        pl.scan_parquet(folder / "*.parquet")
        .filter(pl.col("code").is_in(ASOF))
        .select("subject_id", "time", "code", "numeric_value")
    ).collect()
    index = index.select("subject_id", pl.col("index_time").alias("time")).sort("time")
    out = index.select("subject_id")
    for code in ASOF:
        right = events.filter(pl.col("code") == code).sort("time")
        found = index.join_asof(right, on="time", by="subject_id").select("subject_id", pl.col("numeric_value").alias(code))
        out = out.join(found, on="subject_id", how="left")
    return out


def polars_counts(folder: Path, index: pl.DataFrame) -> pl.DataFrame:
    events = pl.scan_parquet(folder / "*.parquet").filter(pl.col("code").is_in(COUNTED)).select("subject_id", "time", "code")
    joined = events.join(index.lazy().select("subject_id", "index_time"), on="subject_id").filter(
        pl.col("time") <= pl.col("index_time")
    )
    out = index.select("subject_id")
    for span in SPANS:
        part = (
            joined.filter(pl.col("time") >= pl.col("index_time") - pl.duration(days=span))
            .group_by("subject_id", "code")
            .len()
            .collect()
        )
        wide = part.pivot("code", index="subject_id", values="len")
        out = out.join(wide, on="subject_id", how="left", suffix=f"/{span}")
    return out.fill_null(0)


def duckdb_asof(folder: Path, index: pl.DataFrame) -> pl.DataFrame:
    import duckdb

    connection = duckdb.connect()
    connection.register("idx", index.select("subject_id", "index_time").to_arrow(compat_level=pl.CompatLevel.oldest()))
    codes = ", ".join(f"('{code}')" for code in ASOF)
    found = connection.execute(
        f"WITH c(code) AS (VALUES {codes}), w AS (SELECT subject_id, index_time, code FROM idx, c) "
        f"SELECT w.subject_id, w.code, e.numeric_value FROM w ASOF LEFT JOIN "
        f"(SELECT subject_id, code, time, numeric_value FROM '{folder}/*.parquet') e "
        "ON w.subject_id = e.subject_id AND w.code = e.code AND w.index_time >= e.time"
    ).to_arrow_table()
    return pl.DataFrame(pl.from_arrow(found)).pivot("code", index="subject_id", values="numeric_value")


def duckdb_counts(folder: Path, index: pl.DataFrame) -> pl.DataFrame:
    import duckdb

    connection = duckdb.connect()
    connection.register("idx", index.select("subject_id", "index_time").to_arrow(compat_level=pl.CompatLevel.oldest()))
    codes = ", ".join(f"'{code}'" for code in COUNTED)
    spans = ", ".join(f"count(*) FILTER (e.time >= idx.index_time - INTERVAL {span} DAY) AS n{span}" for span in SPANS)
    found = connection.execute(
        f"SELECT e.subject_id, e.code, {spans} FROM '{folder}/*.parquet' e JOIN idx USING (subject_id) "
        f"WHERE e.code IN ({codes}) AND e.time <= idx.index_time AND e.time >= idx.index_time - INTERVAL 365 DAY GROUP BY ALL"
    ).to_arrow_table()
    return pl.DataFrame(pl.from_arrow(found)).pivot("code", index="subject_id", values=[f"n{span}" for span in SPANS])


def pandas_asof(folder: Path, index: pl.DataFrame) -> pl.DataFrame:
    import pandas as pd

    events = pd.read_parquet(folder, columns=["subject_id", "time", "code", "numeric_value"], filters=[("code", "in", ASOF)])
    left = index.select("subject_id", pl.col("index_time").alias("time")).sort("time").to_pandas()
    out = left[["subject_id"]]
    for code in ASOF:
        right = events[events["code"] == code].sort_values("time")[["subject_id", "time", "numeric_value"]]
        found = pd.merge_asof(left, right, on="time", by="subject_id")[["subject_id", "numeric_value"]]
        out = out.merge(found.rename(columns={"numeric_value": code}), on="subject_id")
    return pl.DataFrame(out)


RUNS: dict[str, Callable[[Path, pl.DataFrame], pl.DataFrame]] = {
    "as-of 20 codes, unibase": ours_asof,
    "as-of 20 codes, polars join_asof": polars_asof,
    "as-of 20 codes, DuckDB ASOF JOIN": duckdb_asof,
    "as-of 20 codes, pandas merge_asof": pandas_asof,
    "counts of 200 codes in 3 windows, unibase": ours_counts,
    "counts of 200 codes in 3 windows, polars": polars_counts,
    "counts of 200 codes in 3 windows, DuckDB": duckdb_counts,
}


def one(name: str, folder: Path, subjects: int) -> None:
    from benchmarks import events_of_ten_million as data

    index = data.index(subjects)
    # A warm start on one small shard loads libraries and compiled code. Another process makes it, whose memory is its own.
    with tempfile.TemporaryDirectory() as small:
        made = [sys.executable, "-m", "benchmarks.events_of_ten_million", small, "2000", "20", "1"]
        subprocess.run(made, check=True, cwd=Path(__file__).parents[1])
        RUNS[name](Path(small), data.index(20))
    with PeakMemory() as memory:
        start, wall = cpu(), time.perf_counter()
        result = RUNS[name](folder, index)
        used, took = cpu() - start, time.perf_counter() - wall
    print(
        json.dumps({"cpu": used, "wall": took, "peak": memory.peak, "above": memory.peak - memory.before, "rows": result.height})
    )


def main() -> None:
    folder, subjects = Path(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 4:
        one(sys.argv[4], folder, subjects)
        return
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    base: dict[str, float] = {}
    print(f"{'':44}{'CPU s':>8}{'wall s':>8}{'MB':>8}{'MB above':>10}{'x CPU':>8}")
    for name in RUNS:
        outcomes = []
        for _ in range(runs):
            command = [sys.executable, "-m", "benchmarks.temporal_join", str(folder), str(subjects), "1", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
            outcomes.append(json.loads(done.stdout.splitlines()[-1]))
        median = {key: statistics.median(outcome[key] for outcome in outcomes) for key in outcomes[0]}
        kind = name.split(",")[0]
        base.setdefault(kind, median["cpu"])
        ratio = median["cpu"] / base[kind]
        print(f"{name:44}{median['cpu']:8.2f}{median['wall']:8.2f}{median['peak']:8.0f}{median['above']:10.0f}{ratio:8.1f}")
    if "MEDS_TAB_BIN" in os.environ:
        from benchmarks.temporal_join_meds_tab import on_the_common_data

        print("\n".join(on_the_common_data(Path(os.environ["MEDS_TAB_BIN"]), folder, subjects, 100)))


if __name__ == "__main__":
    main()
