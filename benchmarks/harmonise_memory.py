"""Memory of the harmonisation of a wide assay, from its store to the store with the harmonised layer.

    python -m benchmarks.harmonise_memory [SAMPLES] [GENES]

A store of random values (500 samples of 20,000 genes without; four centres) is made in one process and harmonised in another, which
prints seconds and the peak of memory of its own above what it held before: pages of files do not count, for the system takes them back.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.temporal_join import PeakMemory, cpu


def make(path: Path, samples: int, genes: int) -> None:
    import anndata
    import pandas as pd

    from unibase.omics.stores.store import write_zarr

    rng = np.random.default_rng(4)
    values = rng.normal(5, 2, (samples, genes)) + rng.normal(0, 1, (4, genes))[np.arange(samples) % 4]
    obs, var = pd.DataFrame(index=[f"s{n:05}" for n in range(samples)]), pd.DataFrame(index=[f"g{n}" for n in range(genes)])
    write_zarr(anndata.AnnData(values, obs=obs, var=var), path)


def harmonise(home: Path, samples: int) -> None:
    from unibase.linking.harmonised.beside_raw import Asked, Sample, harmonise_values
    from unibase.linking.options import HarmoniseRule
    from unibase.methods.feature_blocks import OnDisk
    from unibase.omics.stores.blocks import X, take_samples, write_store

    order = np.random.default_rng(5).permutation(samples)
    with PeakMemory() as memory:
        start, wall = cpu(), time.perf_counter()
        stored = take_samples(home / "all.zarr", [f"s{n:05}" for n in order], home)
        centres, training = [f"c{n % 4}" for n in order], [n % 5 > 0 for n in order]
        names = [str(name) for name in stored.var.index]
        found = harmonise_values(
            stored.arrays[X], names, Sample(centres, training), Asked("rna", HarmoniseRule(), room=OnDisk(home))
        )
        write_store(home / "harmonised.zarr", replace(stored, arrays={**stored.arrays, "layers/combat": found.values}))
        used, took = cpu() - start, time.perf_counter() - wall
    print(f"matrix {samples * len(names) * 8 / 1e6:.0f} MB; {used:.1f} CPU-s, {took:.1f} s, {memory.peak - memory.before:.0f} MB")


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    genes = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    if len(sys.argv) > 3:
        home = Path(sys.argv[3])
        if sys.argv[4] == "make":
            make(home / "all.zarr", samples, genes)
        else:
            harmonise(home, samples)
        return
    with tempfile.TemporaryDirectory() as home:
        for step in ("make", "harmonise"):
            command = [sys.executable, "-m", "benchmarks.harmonise_memory", str(samples), str(genes), home, step]
            subprocess.run(command, check=True, cwd=Path(__file__).parents[1])


if __name__ == "__main__":
    main()
