"""Radiomic features of one region of a million voxels: our engine beside PyRadiomics, MIRP and Pictologics.

    python benchmarks/radiomics.py                       # ours and PyRadiomics
    python benchmarks/radiomics.py --peers               # and MIRP and Pictologics, through `uv run --no-project --with`
    python benchmarks/radiomics.py --filters             # and LoG 1, 2, 3 mm with eight wavelet bands

Every engine runs in a process of its own on one thread, once to warm up (compilation is not counted) and then `--repeat`
times; the table gives the median CPU seconds, how many features that makes, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent
# This file is called like PyRadiomics' package: its folder must not be searched first.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != CHECKOUT / "benchmarks"]
CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")} | {
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"
}


def region() -> tuple[np.ndarray, np.ndarray]:
    """A ball of 998,592 voxels of 1 mm in smooth noise, 16 bit: about fifty grey levels at a bin width of 25."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:160, :160, :160] - 79.5
    mask = (z / 62) ** 2 + (y / 62) ** 2 + (x / 62) ** 2 < 1
    image = gaussian_filter(rng.normal(0, 1, mask.shape), 2)
    image = image / image.std() * 120 + rng.normal(0, 40, mask.shape) + 100
    return image.round().astype(np.int16), mask


def image_types(filters: bool) -> dict[str, Any]:
    return {"Original": {}, **({"LoG": {"sigma": [1.0, 2.0, 3.0]}, "Wavelet": {}} if filters else {})}


def ours(mode: str, filters: bool) -> Callable[[np.ndarray, np.ndarray], int]:
    sys.path.insert(0, str(CHECKOUT))
    from types import SimpleNamespace

    from imaging.engine import extract

    settings = SimpleNamespace(
        setting={"distances": [1]},
        image_types=image_types(filters),
        feature_classes=dict.fromkeys(CLASSES),
        ibsi={"discretisation": "fbs", "bin_size": 25, "resegment_range": [-1000, 3000]},
    )

    def run(image: np.ndarray, mask: np.ndarray) -> int:
        values = extract(image, mask, (1.0, 1.0, 1.0), settings, mode, stored_type="int16")  # type: ignore[arg-type]
        return sum(map(len, values.values()))

    return run


def pyradiomics(filters: bool) -> Callable[[np.ndarray, np.ndarray], int]:
    import logging

    import radiomics
    import SimpleITK as sitk
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    radiomics.setVerbosity(60)

    def run(image: np.ndarray, mask: np.ndarray) -> int:
        extractor = RadiomicsFeatureExtractor(additionalInfo=False)
        extractor.enabledImagetypes = image_types(filters)
        volume, label = sitk.GetImageFromArray(image), sitk.GetImageFromArray(mask.astype(np.uint8))
        return len(extractor.execute(volume, label))

    return run


def mirp(filters: bool) -> Callable[[np.ndarray, np.ndarray], int]:
    from mirp import extract_features  # type: ignore[import-not-found]

    def run(image: np.ndarray, mask: np.ndarray) -> int:
        table = extract_features(
            image=image.astype(float),
            mask=mask,
            image_modality="ct",
            by_slice=False,
            base_discretisation_method="fixed_bin_size",
            base_discretisation_bin_width=25.0,
            resegmentation_intensity_range=[-1000.0, 3000.0],
            num_cpus=1,
        )[0]
        return int(table.shape[1])

    return run


def pictologics(filters: bool) -> Callable[[np.ndarray, np.ndarray], int]:
    import SimpleITK as sitk
    from pictologics import RadiomicsPipeline  # type: ignore[import-not-found]

    steps: list[dict[str, Any]] = [
        {"step": "resegment", "params": {"range_min": -1000, "range_max": 3000}},
        {"step": "discretise", "params": {"method": "FBS", "bin_width": 25.0, "min_val": -1000}},
        {
            "step": "extract_features",
            "params": {
                "families": ["intensity", "morphology", "texture", "histogram", "ivh"],
                "include_spatial_intensity": False,
                "include_local_intensity": False,
            },
        },
    ]
    folder = Path(tempfile.mkdtemp())

    def run(image: np.ndarray, mask: np.ndarray) -> int:
        for name, array in (("image", image), ("mask", mask.astype(np.uint8))):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"{name}.nii.gz"))
        pipeline = RadiomicsPipeline()
        pipeline.add_config("run", steps)
        before = time.process_time()
        result = pipeline.run(str(folder / "image.nii.gz"), str(folder / "mask.nii.gz"), config_names=["run"])
        run.seconds = time.process_time() - before  # type: ignore[attr-defined]
        return len(result["run"])

    return run


ENGINES: dict[str, tuple[Callable[[bool], Callable[[np.ndarray, np.ndarray], int]], str]] = {
    "unibase, pyradiomics mode": (lambda filters: ours("pyradiomics", filters), ""),
    "unibase, ibsi mode (Moran, Geary, peaks)": (lambda filters: ours("ibsi", False), ""),
    "PyRadiomics": (pyradiomics, ""),
    "MIRP": (mirp, "mirp"),
    "Pictologics (no Moran, Geary, peaks)": (pictologics, "pictologics"),
}


def measure(engine: str, filters: bool, repeat: int) -> None:
    """Run one engine in this process and print a line of JSON."""
    run = ENGINES[engine][0](filters)
    image, mask = region()
    run(image[60:90, 60:90, 60:90].copy(), mask[60:90, 60:90, 60:90].copy())
    seconds = []
    number = 0
    for _ in range(repeat):
        before = time.process_time()
        number = run(image, mask)
        seconds.append(getattr(run, "seconds", time.process_time() - before))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"engine": engine, "cpu_s": statistics.median(seconds), "features": number, "peak_gb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--filters", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=list(ENGINES))
    parser.add_argument("--measure", choices=list(ENGINES), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.measure, chosen.filters, chosen.repeat)
        return
    rows = []
    for engine, (_, package) in ENGINES.items():
        if (
            (chosen.only and engine != chosen.only)
            or (package and not chosen.peers)
            or (chosen.filters and ("ibsi" in engine or package))
        ):
            continue
        start = (
            ["uv", "run", "--no-project", "--with", package, "--with", "simpleitk", "--with", "scipy", "python"]
            if package
            else [sys.executable]
        )
        repeat = chosen.repeat if "unibase" in engine or package == "pictologics" else 1
        command = [*start, __file__, "--measure", engine, "--repeat", str(repeat), *(["--filters"] if chosen.filters else [])]
        done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith('{"engine"')]
        if not lines:
            print(f"{engine}: did not run: {done.stderr.strip().splitlines()[-1:]}")
            continue
        rows.append(json.loads(lines[-1]))
    base = next((row["cpu_s"] for row in rows if row["engine"] == "PyRadiomics"), None)
    print(f"{'engine':42}{'CPU s':>8}{'features':>10}{'peak GB':>9}{'x PyRadiomics':>15}")
    for row in rows:
        ratio = f"{base / row['cpu_s']:.1f}" if base else ""
        print(f"{row['engine']:42}{row['cpu_s']:8.2f}{row['features']:10}{row['peak_gb']:9.2f}{ratio:>15}")


if __name__ == "__main__":
    main()
