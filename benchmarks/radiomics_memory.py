"""Peak memory of one unit, each case in a process of its own: a CT of 512 x 512 x 120 voxels and a tumour of 0.27 million.

python benchmarks/radiomics_memory.py [--slices 120]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

CASES = {
    "original": {"Original": {}},
    "original + wavelet": {"Original": {}, "Wavelet": {}},
    "original + LoG 1, 2, 3": {"Original": {}, "LoG": {"sigma": [1.0, 2.0, 3.0]}},
}


def inner(case: str, engine: str, slices: int) -> None:
    import numpy as np

    from unibase.imaging.dicom.volume import Volume
    from unibase.imaging.grid import Grid
    from unibase.imaging.radiomics.series_features import extract_region, memory_bound
    from unibase.imaging.radiomics.settings import make_settings

    shape = (slices, 512, 512)
    array = np.random.default_rng(1).normal(0, 50, shape)
    array.round(out=array)
    z, y, x = np.ogrid[: shape[0], :512, :512]
    mask = ((z - slices / 2) ** 2 + (y - 250) ** 2 + (x - 260) ** 2) < 40**2
    grid = Grid((512, 512, slices), (0.98, 0.98, 2.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    volume = Volume(array, grid, "CT", "HU", "int16")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.process_time()
    settings = make_settings(
        {"imageType": CASES[case], "featureClass": {"firstorder": None, "glcm": None, "glrlm": None, "glszm": None}}
    )
    extract_region(volume, mask, settings, engine)  # type: ignore[arg-type]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    bound = memory_bound(array.size, settings, engine) / 2**20  # type: ignore[arg-type]
    per_voxel = (peak - before) * 2**20 / array.size
    print(
        f"{engine:12} {case:24} image {before:6.0f} MiB, peak {peak:6.0f} MiB ({per_voxel:5.1f} B a voxel more), bound {bound:6.0f} MiB, {time.process_time() - started:6.1f} CPU-s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=120)
    parser.add_argument("--inner", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inner:
        inner(*arguments.inner, arguments.slices)
        return
    for case in CASES:
        for engine in ("pyradiomics", "unibase"):
            subprocess.run([sys.executable, __file__, "--slices", str(arguments.slices), "--inner", case, engine], check=True)


if __name__ == "__main__":
    main()
