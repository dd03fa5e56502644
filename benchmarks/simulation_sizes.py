"""How long the simulation takes, and how much memory: run `.venv/bin/python benchmarks/simulation_sizes.py`.

Each size runs in a process of its own, three times; the median of the seconds and the largest resident set are printed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile

SIZES = {
    "demo: 20 persons, images": "from unibase.simulation.cohort import simulate; simulate(Path(out), persons=20)",
    "500 persons, 14 centres, no images": "from unibase.simulation.cohort import simulate; simulate(Path(out), persons=500, centres=14, imaging=False)",
    "3,500 persons, 14 centres, no images": "from unibase.simulation.cohort import simulate; simulate(Path(out), persons=3500, centres=14, imaging=False)",
    "1,000,000 identities, 14 centres": "from unibase.simulation.population import synthetic_people; synthetic_people(1_000_000, 14)",
}
PROGRAM = """
import os, resource, sys, time
from pathlib import Path
out = sys.argv[1]
start = time.perf_counter()
{code}
size = sum(p.stat().st_size for p in Path(out).rglob("*") if p.is_file())
usage = resource.getrusage(resource.RUSAGE_SELF)
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, size / 1e6)
"""


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"{'size':40} {'median s':>9} {'CPU s':>6} {'peak MB':>8} {'files MB':>9}")
    for name, code in SIZES.items():
        runs = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as out:
                done = subprocess.run(
                    [sys.executable, "-c", PROGRAM.format(code=code), out], capture_output=True, text=True, check=True
                )
            runs.append([float(part) for part in done.stdout.split()])
        seconds, cpu, peak, size = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:40} {seconds:9.1f} {cpu:6.1f} {peak:8.0f} {size:9.1f}")


if __name__ == "__main__":
    main()
