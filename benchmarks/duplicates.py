"""The search for one sample under two persons' names, in time and memory.

    python -m benchmarks.duplicates FOLDER SAMPLES... [--genes 20000]

Writes a store of negative binomial counts (SAMPLES x genes, int32) with two libraries sequenced a second time under other names
into FOLDER, unless it is there, and searches it in a process of its own. Prints CPU seconds (whole process, imports
included), wall seconds, the peak of memory, and what was found.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unibase.omics.samples.duplicates import find_duplicates
from unibase.omics.stores.chunks import write_counts


def blocks(samples: int, genes: int) -> Iterator[np.ndarray]:
    """Yield blocks of counts: an own level of each gene in each sample; the last two rows are the first two again."""
    rng = np.random.default_rng(7)
    level = np.exp(rng.normal(4.0, 2.0, genes))
    spread = rng.gamma(2.0, 0.25, genes)
    first: np.ndarray | None = None
    for start in range(0, samples - 2, 500):
        rows = min(500, samples - 2 - start)
        mean = level * np.exp(spread * rng.standard_normal((rows, genes), dtype=np.float32))
        counts = rng.poisson(mean).astype(np.int32)
        first = counts[:2].copy() if first is None else first
        yield counts
    assert first is not None
    yield rng.binomial(first, 0.5).astype(np.int32)


def search(store: Path, samples: int) -> None:
    started = time.perf_counter()
    found = find_duplicates([store], {f"S{i:06d}": i for i in range(samples)}, store.parent, counts=True)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(
        f"{found.samples} samples x {found.features} features: {cpu:.1f} CPU s, {time.perf_counter() - started:.1f} s, "
        f"peak {used.ru_maxrss / 1024:.0f} MB; found {found.findings.select('sample', 'other').rows()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("samples", type=int, nargs="+")
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--search", action="store_true")
    options = parser.parse_args()
    for samples in options.samples:
        store = options.folder / f"counts-{samples}x{options.genes}.zarr"
        if options.search:
            search(store, samples)
            continue
        if not store.exists():
            options.folder.mkdir(parents=True, exist_ok=True)
            names = [f"S{i:06d}" for i in range(samples)]
            genes = [f"G{g:05d}" for g in range(options.genes)]
            write_counts(store, names, genes, blocks(samples, options.genes))
        command = [sys.executable, "-m", "benchmarks.duplicates", str(options.folder), str(samples), "--search"]
        subprocess.run([*command, "--genes", str(options.genes)], check=True)


if __name__ == "__main__":
    main()
