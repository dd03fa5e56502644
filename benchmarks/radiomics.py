"""Radiomic features of one region of a million voxels: our engine beside PyRadiomics, MIRP, Z-Rad, nyxus and Pictologics.

    python benchmarks/radiomics.py                       # ours and PyRadiomics
    python benchmarks/radiomics.py --peers               # and the others, through `uv run --no-project --with`
    python benchmarks/radiomics.py --filters [--peers]   # with LoG 1, 2, 3 mm and eight wavelet bands (Pictologics has them too)

Every engine runs in a process of its own on one thread, once on a small part to warm up (compilation is not counted) and
then `--repeat` times (peers that take long: once); the table gives the median CPU seconds, how many features that makes,
CPU milliseconds a feature, and the peak memory of the process. PyRadiomics is the build of the lock file; 3.1.0 from the
index does not compile on Python 3.12.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
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
UV = shutil.which("uv") or str(CHECKOUT / ".uv" / "bin" / "uv")
CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")} | {
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"
}


def region() -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid of 1.0 million voxels of 1 mm in smooth noise, 16 bit: about fifty grey levels at a bin width of 25."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:160, :160, :160] - 79.5
    mask = (z / 58.5) ** 2 + (y / 62) ** 2 + (x / 66) ** 2 < 1
    image = gaussian_filter(rng.normal(0, 1, mask.shape), 2)
    image = image / image.std() * 120 + rng.normal(0, 40, mask.shape) + 100
    return image.round().astype(np.int16), mask


def image_types(filters: bool) -> dict[str, Any]:
    return {"Original": {}, **({"LoG": {"sigma": [1.0, 2.0, 3.0]}, "Wavelet": {}} if filters else {})}


def ours(mode: str, filters: bool, families: tuple[str, ...] | None = None) -> Callable[[np.ndarray, np.ndarray], int]:
    sys.path.insert(0, str(CHECKOUT))
    from types import SimpleNamespace

    from imaging.engine import extract

    settings = SimpleNamespace(
        setting={"distances": [1]},
        image_types=image_types(filters),
        feature_classes=dict.fromkeys(CLASSES),
        ibsi={
            "discretisation": "fbs",
            "bin_size": 25,
            "resegment_range": [-1000, 3000],
            **({"families": families} if families else {}),
        },
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


def zrad(filters: bool) -> Callable[[np.ndarray, np.ndarray], int]:
    from zrad.image import Image  # type: ignore[import-not-found]
    from zrad.preprocessing import (  # type: ignore[import-not-found]
        IVHIntensityDiscretizer,
        Resegmenter,
        RoiData,
        TextureDiscretizer,
    )
    from zrad.radiomics import Radiomics  # type: ignore[import-not-found]

    def run(image: np.ndarray, mask: np.ndarray) -> int:
        place: dict[str, Any] = {"origin": (0, 0, 0), "spacing": (1.0, 1.0, 1.0), "direction": tuple(np.eye(3).ravel())}
        place["shape"] = image.shape[::-1]
        volume = Image(array=image.astype(float), **place)
        region = RoiData(
            image=volume,
            morphological_mask=Image(array=mask.astype(float), **place),
            intensity_mask=Image(array=np.where(mask, image.astype(float), np.nan), **place),
        )
        for step in (
            Resegmenter(intensity_range=(-1000, 3000)),
            TextureDiscretizer(bin_size=25),
            IVHIntensityDiscretizer("direct"),
        ):
            region = step.apply(region)
        return len(Radiomics(aggr_dim="3D", aggr_method="AVER").extract_features(region, families="all"))

    return run


def nyxus(filters: bool) -> Callable[[np.ndarray, np.ndarray], int]:
    import SimpleITK as sitk
    from nyxus import Nyxus3D  # type: ignore[import-not-found]

    folder = Path(tempfile.mkdtemp())

    def run(image: np.ndarray, mask: np.ndarray) -> int:
        # It takes no negative intensities.
        for name, array in (("image", (image - image.min()).astype(np.uint16)), ("mask", mask.astype(np.uint16))):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"{name}.nii.gz"))
        engine = Nyxus3D(["*3D_ALL*"], n_feature_calc_threads=1, ibsi=True, coarse_gray_depth=50)
        before = time.process_time()
        table = engine.featurize_files([str(folder / "image.nii.gz")], [str(folder / "mask.nii.gz")], False)
        run.seconds = time.process_time() - before  # type: ignore[attr-defined]
        return int(table.select_dtypes("number").shape[1]) - 2

    return run


def pictologics(filters: bool) -> Callable[[np.ndarray, np.ndarray], int]:
    import SimpleITK as sitk
    from pictologics import RadiomicsPipeline  # type: ignore[import-not-found]

    def steps(filtered: dict[str, Any] | None) -> list[dict[str, Any]]:
        families = ["intensity", "texture", "histogram", "ivh", *([] if filtered else ["morphology"])]
        # It asks for one lowest bin for every image.
        width = {"method": "FBS", "bin_width": 25.0, "min_val": -1000}
        return [
            *([] if filtered else [{"step": "resegment", "params": {"range_min": -1000, "range_max": 3000}}]),
            *([{"step": "filter", "params": filtered}] if filtered else []),
            {"step": "discretise", "params": width},
            {
                "step": "extract_features",
                "params": {"families": families, "include_spatial_intensity": False, "include_local_intensity": False},
            },
        ]

    kinds: dict[str, dict[str, Any] | None] = {"original": None}
    if filters:
        kinds |= {f"log {sigma}": {"type": "log", "sigma_mm": sigma} for sigma in (1.0, 2.0, 3.0)}
        bands = [x + y + z for x in "LH" for y in "LH" for z in "LH"]
        kinds |= {band: {"type": "wavelet", "wavelet": "coif1", "level": 1, "decomposition": band} for band in bands}
    folder = Path(tempfile.mkdtemp())

    def run(image: np.ndarray, mask: np.ndarray) -> int:
        for name, array in (("image", image), ("mask", mask.astype(np.uint8))):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"{name}.nii.gz"))
        pipeline = RadiomicsPipeline()
        for name, filtered in kinds.items():
            pipeline.add_config(name, steps(filtered))
        before = time.process_time()
        result = pipeline.run(str(folder / "image.nii.gz"), str(folder / "mask.nii.gz"), config_names=list(kinds))
        run.seconds = time.process_time() - before  # type: ignore[attr-defined]
        return sum(len(values) for values in result.values())

    return run


ENGINES: dict[str, tuple[Callable[[bool], Callable[[np.ndarray, np.ndarray], int]], str]] = {
    "unibase, pyradiomics mode": (lambda filters: ours("pyradiomics", filters), ""),
    "unibase, ibsi mode (Moran, Geary, peaks)": (lambda filters: ours("ibsi", False), ""),
    "PyRadiomics": (pyradiomics, ""),
    "MIRP": (mirp, "mirp"),
    "Z-Rad": (zrad, "z-rad"),
    "nyxus": (nyxus, "nyxus"),
    "Pictologics (no Moran, Geary, peaks)": (pictologics, "pictologics"),
}


def measure(engine: str, filters: bool, repeat: int) -> None:
    """Run one engine in this process and print a line of JSON."""
    run = ENGINES[engine][0](filters)
    image, mask = region()
    small = (slice(60, 86), slice(60, 90), slice(60, 95))
    run(image[small].copy(), mask[small].copy())
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
            or (chosen.filters and ("ibsi" in engine or package not in ("", "pictologics")))
        ):
            continue
        start = (
            [
                UV,
                "run",
                "--no-project",
                "--python",
                sys.executable,
                "--with",
                package,
                "--with",
                "simpleitk",
                "--with",
                "scipy",
                "python",
            ]
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
    print(f"{'engine':42}{'CPU s':>8}{'features':>10}{'ms each':>9}{'peak GB':>9}{'x PyRadiomics':>15}")
    for row in rows:
        ratio = f"{base / row['cpu_s']:.1f}" if base else ""
        print(
            f"{row['engine']:42}{row['cpu_s']:8.2f}{row['features']:10}{row['cpu_s'] / row['features'] * 1000:9.2f}{row['peak_gb']:9.2f}{ratio:>15}"
        )


if __name__ == "__main__":
    main()
