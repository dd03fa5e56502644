"""How fast the leak scan reads: random bytes and events in Parquet, with 1,000 and 20,000 values to look for.

python -m benchmarks.leak_scan
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.events_of_ten_million import make
from unibase.privacy.leaks.leak_scan import Needle, scan


def main() -> None:
    generator = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(4):
            (folder / f"{number}.bin").write_bytes(generator.bytes(50 << 20))
        make(folder / "events", 500_000, 1_000, shards=1)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        for count in (1_000, 20_000):
            needles = [Needle("ipp", f"8{n:08d}") for n in generator.integers(0, 10**8, count // 2)]
            needles += [Needle("name", "".join(generator.choice(list("abcdefghilmnoprstuvé"), 9))) for _ in range(count // 2)]
            before, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            findings = scan(folder, needles)
            after, took = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - wall
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{count:6} values: {size:.0f} MB in {used:.1f} CPU s ({size / used:.0f} MB per CPU s), {took:.1f} s, {len(findings)} findings, "
                  f"peak {after.ru_maxrss / 1024:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
