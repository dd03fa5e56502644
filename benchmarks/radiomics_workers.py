"""What a worker costs before its first feature, and what a second one brings.

    python benchmarks/radiomics_workers.py [--regions 8] [--repeat 3]

A worker is a new process. The first table gives the time from its start to the features of a small region, how many loops
it had to compile (0 after `python -m imaging.engine`), and its peak memory. The second gives the wall time of `--regions`
regions of 125,000 voxels (original, LoG 1 to 3 mm, wavelets) for one worker and for two, and the ratio of what they get
through; the median over rounds, each of which runs both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


def extract_some(regions: int, size: int) -> int:
    """Extract regions (balls in noise, one after the other) and return how many features that makes."""
    import numpy as np

    from unibase.imaging.engine import extract
    from unibase.imaging.radiomics.settings import make_settings

    settings = make_settings({"imageType": {"Original": {}, "LoG": {"sigma": [1.0, 2.0, 3.0]}, "Wavelet": {}}})
    z, y, x = (axis - (size / 2 - 0.5) for axis in np.ogrid[:size, :size, :size])
    mask = z**2 + y**2 + x**2 < (0.4 * size) ** 2
    number = 0
    for seed in range(regions):
        image = np.random.default_rng(seed).normal(0, 60, mask.shape).round()
        number += sum(map(len, extract(image, mask, (1.0, 1.0, 1.0), settings, "pyradiomics", "int16").values()))
    return number


def worker(regions: int, size: int) -> None:
    """Be a worker: wait for a line, extract, and tell."""
    if regions == 0:
        number = extract_some(1, size)
    else:
        extract_some(1, 12)
        print("ready", flush=True)
        sys.stdin.readline()
        number = extract_some(regions, size)
    from unibase.imaging.engine.compiled.machine_code import compilations

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    told = {"features": number, "cpu": time.process_time(), "compiled": sum(compilations().values()), "peak_gb": peak}
    print(json.dumps(told), flush=True)


def start(regions: int, size: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--worker", str(regions), str(size)]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def first_feature() -> dict[str, float]:
    before = time.perf_counter()
    output = start(0, 20).communicate()[0]
    return {"wall": time.perf_counter() - before, **json.loads(output)}


def together(workers: int, regions: int) -> float:
    """Wall time in which each of the workers extracts its share of the regions."""
    running = [start(regions // workers, 78) for _ in range(workers)]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    before = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    seconds = time.perf_counter() - before
    for process in running:
        process.communicate()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        worker(*chosen.worker)
        return
    first_feature()
    starts = [first_feature() for _ in range(chosen.repeat)]
    told = {key: statistics.median(row[key] for row in starts) for key in ("wall", "cpu", "compiled", "peak_gb")}
    print(
        f"start to first features: {told['wall']:.2f} s, {told['cpu']:.2f} CPU s, "
        f"{told['compiled']:.0f} loops compiled, peak {told['peak_gb']:.2f} GB"
    )
    rounds = [(together(1, chosen.regions), together(2, chosen.regions)) for _ in range(chosen.repeat)]
    one, two = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b in rounds)
    print(f"{chosen.regions} regions: one worker {one:.2f} s, two {two:.2f} s: {ratio:.2f} times")


if __name__ == "__main__":
    main()
