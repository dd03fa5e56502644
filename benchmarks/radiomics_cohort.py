"""A cohort of simulated series through `plan_units` and `run_units` on Dask: killed half-way, resumed, memory watched.

    python benchmarks/radiomics_cohort.py [--series 1000] [--workers 2] [--engine pyradiomics]

Says: series per second, memory of the workers over the run, what was repeated after `kill -9`, and whether the tables
are the same bytes as those of one process that works in the opposite order.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

SLICES, SIDE = 16, 56


def make(folder: Path, count: int) -> None:
    from tests.imaging.dicom_maker import write_rtstruct, write_series

    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    for number in range(1, count + 1):
        random = np.random.default_rng(number)
        array = random.normal(40, 30, (SLICES, SIDE, SIDE)).astype(np.int16)
        place = folder / f"{number}/s/ct"
        write_series(
            place, array, spacing=(1, 1, 2.5), number=number, study=10_000 + number, frame=20_000 + number, patient=str(number)
        )
        radius = 8 + 10 * random.random()
        z = range(4, 12)
        contours = [
            np.stack([28 + radius * np.cos(angles), 28 + radius * np.sin(angles), np.full(180, 2.5 * k)], axis=1) for k in z
        ]
        options = {
            "series": number,
            "frame": 20_000 + number,
            "study": 10_000 + number,
            "number": 30_000 + number,
            "patient": str(number),
        }
        write_rtstruct(folder / f"{number}/s/rs/rs.dcm", [("GTV", contours)], **options)


def run(folder: Path, out: Path, workers: int, engine: str, reverse: bool, limit: int) -> None:
    from unibase.groundwork.cluster import dask_client
    from unibase.groundwork.tables import SERIES
    from unibase.groundwork.work import Job, WorkLedger, run_units
    from unibase.imaging.dicom.series import index_folder
    from unibase.imaging.radiomics.series_features import Asked, Choices, extract_unit, plan_units, stage_settings
    from unibase.imaging.radiomics.settings import default_settings

    table = out.parent / "series.parquet"
    if not table.exists():
        SERIES.write(index_folder(folder, "A"), table)
    settings, regions = default_settings(), {"GTV": ["gtv"]}
    units = plan_units(SERIES.read(table), folder, out / "features", Asked(settings, regions, Choices(engine=engine))).units[
        :limit
    ]
    if reverse:
        units = units[::-1]
    peaks: list[tuple[int, float]] = []

    def progress(stage: str, finished: int, total: int, quarantined: int) -> None:
        children = psutil.Process().children(recursive=True)
        memory = max((child.memory_info().rss for child in children), default=psutil.Process().memory_info().rss)
        peaks.append((finished, memory / 2**20))

    job = Job("features", extract_unit, stage_settings(Asked(settings, regions, Choices(engine=engine))))
    started = time.perf_counter()
    with WorkLedger(out / "ledger.sqlite") as ledger:
        if workers:
            with dask_client(workers=workers) as client:
                outcomes = run_units(job, units, ledger, client=client, progress=progress)
        else:
            outcomes = run_units(job, units, ledger, progress=progress)
    seconds = time.perf_counter() - started
    new = sum(outcome.repeated for outcome in outcomes)
    done = sum(outcome.status == "done" for outcome in outcomes)
    print(
        f"{len(outcomes)} in = {done} done + {len(outcomes) - done} quarantined; {new} processed now in {seconds:.0f} s ({new / seconds:.1f} series/s)"
    )
    for reason in sorted({outcome.reason for outcome in outcomes if outcome.reason}):
        print("quarantined:", reason)
    if new:
        near = [[memory for finished, memory in peaks if finished <= share / 10 * len(units)] for share in range(1, 11)]
        shown = ", ".join(f"{share}0 % {memory[-1]:.0f}" for share, memory in enumerate(near, start=1) if memory)
        print(f"  largest worker, MiB: {shown}")


def digest(folder: Path, names: set[str] | None = None) -> tuple[int, str]:
    files = sorted(path for path in folder.glob("*.parquet") if names is None or path.name in names)
    return len(files), hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", default="pyradiomics")
    parser.add_argument("--inner", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inner:
        folder, out, reverse, limit = arguments.inner
        run(Path(folder), Path(out), arguments.workers, arguments.engine, reverse == "1", int(limit))
        return
    with tempfile.TemporaryDirectory() as scratch:
        from unibase.groundwork.work import WorkLedger

        folder = Path(scratch) / "dicom"
        started = time.perf_counter()
        make(folder, arguments.series)
        print(f"made {arguments.series} series in {time.perf_counter() - started:.0f} s")

        def inner(out: str, workers: int, reverse: bool, limit: int) -> list[str]:
            (Path(scratch) / out).mkdir(exist_ok=True)
            command = [sys.executable, __file__, "--workers", str(workers), "--engine", arguments.engine, "--inner"]
            return [*command, str(folder), str(Path(scratch) / out), str(int(reverse)), str(limit)]

        first = subprocess.Popen(inner("a", arguments.workers, False, arguments.series), start_new_session=True)
        results = Path(scratch) / "a/features"
        while len(list(results.glob("*.parquet"))) < arguments.series * 0.4 and first.poll() is None:
            time.sleep(0.5)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        with WorkLedger(Path(scratch) / "a/ledger.sqlite") as ledger:
            recorded = len(ledger.known("features"))
        # A table whose unit was not recorded yet is made again: the row is written last, so nothing is ever half done.
        print(f"killed with {recorded} units recorded and {len(list(results.glob('*.parquet')))} tables written; resumed:")
        subprocess.run(inner("a", arguments.workers, False, arguments.series), check=True)
        print("run once more:")
        subprocess.run(inner("a", arguments.workers, False, arguments.series), check=True)
        some = min(arguments.series, 100)
        print(f"one process, opposite order, first {some}:")
        subprocess.run(inner("b", 0, True, some), check=True)
        names = {path.name for path in (Path(scratch) / "b/features").glob("*.parquet")}
        same = digest(results, names) == digest(Path(scratch) / "b/features")
        print(f"the same bytes: {same} ({len(names)} tables)")
        if not same or len(names) < some:
            raise SystemExit(f"{some - len(names)} of {some} series have no table")


if __name__ == "__main__":
    main()
