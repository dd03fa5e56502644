"""Radiomic features of one region: our engine beside PyRadiomics, MIRP, Z-Rad, nyxus and Pictologics, in one run.

    python benchmarks/radiomics_speed.py                       # ours and PyRadiomics, an ellipsoid of 1.0 million voxels
    python benchmarks/radiomics_speed.py --peers               # and the others
    python benchmarks/radiomics_speed.py --filters [--peers]   # with LoG 1, 2, 3 mm and eight wavelet bands (Pictologics has them too)
    python benchmarks/radiomics_speed.py --region tumour       # the IBSI lung tumour, 125,256 voxels of 0.98 x 0.98 x 3 mm

Peers run in an environment that `uv run --no-project --with` makes, or each in its own: `--python '/envs/{peer}/bin/python'`
(or the variable UNIBASE_PEERS_PYTHON), where `{peer}` stands for mirp, z-rad, nyxus or pictologics and each has SimpleITK
and SciPy. Every engine runs in a process of its own on one thread, once on a small part to warm up (compilation is not
counted) and then `--repeat` times (engines that take more than 5 s: once); the table gives the median CPU seconds, how many
features that makes, CPU milliseconds a feature, and the peak memory of the process. PyRadiomics is the build of the lock
file; 3.1.0 from the index does not compile on Python 3.12.
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
UV = shutil.which("uv") or str(CHECKOUT / ".uv" / "bin" / "uv")
CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")} | {
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"
}


Spacing = tuple[float, float, float]
Run = Callable[[np.ndarray, np.ndarray, Spacing], int]


def region(name: str) -> tuple[np.ndarray, np.ndarray, Spacing]:
    """Image (int16), mask and spacing (z, y, x).

    `million`: an ellipsoid of 1.0 million voxels of 1 mm in smooth noise, about fifty grey levels at a bin width of 25.
    `tumour`: the IBSI CT phantom.
    """
    if name == "tumour":
        import SimpleITK as sitk

        data = Path(os.environ.get("UNIBASE_REAL_DATA", CHECKOUT.parent / "shared" / "data"))
        folder = data / "ibsi/ibsi_1_ct_radiomics_phantom/nifti"
        image, mask = (sitk.ReadImage(str(folder / name)) for name in ("image/phantom.nii.gz", "mask/mask.nii.gz"))
        z, y, x = image.GetSpacing()[::-1]
        return sitk.GetArrayFromImage(image).astype(np.int16), sitk.GetArrayFromImage(mask) > 0, (z, y, x)
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:160, :160, :160] - 79.5
    inside = (z / 58.5) ** 2 + (y / 62) ** 2 + (x / 66) ** 2 < 1
    noise = gaussian_filter(rng.normal(0, 1, inside.shape), 2)
    noise = noise / noise.std() * 120 + rng.normal(0, 40, inside.shape) + 100
    return noise.round().astype(np.int16), inside, (1.0, 1.0, 1.0)


def small_part(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Something of the same kind to warm up with: what lies around the centre of the region, no cube (Z-Rad refuses one)."""
    centre = np.argwhere(mask).mean(axis=0).astype(int)
    cut = tuple(slice(max(0, c - reach), c + reach) for c, reach in zip(centre, (10, 13, 16), strict=True))
    part = mask[cut].copy()
    part[:2], part[-2:] = False, False
    return image[cut].copy(), part


def image_types(filters: bool) -> dict[str, Any]:
    return {"Original": {}, **({"LoG": {"sigma": [1.0, 2.0, 3.0]}, "Wavelet": {}} if filters else {})}


def as_itk(image: np.ndarray, mask: np.ndarray, spacing: Spacing) -> tuple[Any, Any]:
    """Image and label of SimpleITK."""
    import SimpleITK as sitk

    pair = sitk.GetImageFromArray(image), sitk.GetImageFromArray(mask.astype(np.uint16))
    for volume in pair:
        volume.SetSpacing([float(step) for step in spacing[::-1]])
    return pair


def written(image: np.ndarray, mask: np.ndarray, spacing: Spacing) -> tuple[str, str]:
    """Paths of image and mask as NIfTI files, in a new folder."""
    import SimpleITK as sitk

    folder = Path(tempfile.mkdtemp())
    paths = []
    for name, volume in zip(("image", "mask"), as_itk(image, mask, spacing), strict=True):
        paths.append(str(folder / f"{name}.nii.gz"))
        sitk.WriteImage(volume, paths[-1])
    return paths[0], paths[1]


def ibsi_filters() -> dict[str, dict[str, Any]]:
    bands = [x + y + z for x in "LH" for y in "LH" for z in "LH"]
    return {f"log {sigma}": {"filter": "log", "sigma": sigma} for sigma in (1.0, 2.0, 3.0)} | {
        band: {"filter": "wavelet", "wavelet": "coif1", "band": band} for band in bands
    }


def ours(mode: str, filters: bool, as_pictologics: bool = False) -> Run:
    sys.path.insert(0, str(CHECKOUT))
    from types import SimpleNamespace

    from unibase.imaging.engine import extract
    from unibase.imaging.engine.options import FAMILIES

    same = {
        "families": tuple(family for family in FAMILIES if family != "local_intensity"),
        "aggregations": ("3D_comb",),
        "spatial_autocorrelation": False,
    }
    settings = SimpleNamespace(
        setting={"distances": [1]},
        image_types=image_types(filters),
        feature_classes=dict.fromkeys(CLASSES),
        ibsi={
            "discretisation": "fbs",
            "bin_size": 25,
            "resegment_range": [-1000, 3000],
            **(same if as_pictologics else {}),
            **({"filters": ibsi_filters()} if filters else {}),
        },
    )

    def run(image: np.ndarray, mask: np.ndarray, spacing: Spacing) -> int:
        values = extract(image, mask, spacing, settings, mode, stored_type="int16")  # type: ignore[arg-type]
        return sum(map(len, values.values()))

    return run


def pyradiomics(filters: bool) -> Run:
    import logging

    import radiomics
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    radiomics.setVerbosity(60)

    def run(image: np.ndarray, mask: np.ndarray, spacing: Spacing) -> int:
        extractor = RadiomicsFeatureExtractor(additionalInfo=False)
        extractor.enabledImagetypes = image_types(filters)
        return len(extractor.execute(*as_itk(image, mask, spacing)))

    return run


def mirp(filters: bool) -> Run:
    from mirp import extract_features  # type: ignore[import-not-found]

    def run(image: np.ndarray, mask: np.ndarray, spacing: Spacing) -> int:
        files = written(image, mask, spacing)
        table = extract_features(
            image=files[0],
            mask=files[1],
            image_modality="ct",
            by_slice=False,
            base_discretisation_method="fixed_bin_size",
            base_discretisation_bin_width=25.0,
            resegmentation_intensity_range=[-1000.0, 3000.0],
            num_cpus=1,
        )[0]
        return int(table.shape[1])

    return run


def zrad(filters: bool) -> Run:
    from zrad.image import Image  # type: ignore[import-not-found]
    from zrad.preprocessing import (  # type: ignore[import-not-found]
        IVHIntensityDiscretizer,
        Resegmenter,
        RoiData,
        TextureDiscretizer,
    )
    from zrad.radiomics import Radiomics  # type: ignore[import-not-found]

    def run(image: np.ndarray, mask: np.ndarray, spacing: Spacing) -> int:
        place: dict[str, Any] = {"origin": (0, 0, 0), "direction": tuple(np.eye(3).ravel())}
        place |= {"shape": image.shape[::-1], "spacing": spacing[::-1]}
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


def nyxus(filters: bool) -> Run:
    from nyxus import Nyxus3D  # type: ignore[import-not-found]

    def run(image: np.ndarray, mask: np.ndarray, spacing: Spacing) -> int:
        # It takes no negative intensities.
        files = written((image - image.min()).astype(np.uint16), mask, spacing)
        engine = Nyxus3D(["*3D_ALL*"], n_feature_calc_threads=1, ibsi=True, coarse_gray_depth=50)
        before = time.process_time()
        table = engine.featurize_files([files[0]], [files[1]], False)
        run.seconds = time.process_time() - before  # type: ignore[attr-defined]
        return int(table.select_dtypes("number").shape[1]) - 2

    return run


def pictologics(filters: bool) -> Run:
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

    def run(image: np.ndarray, mask: np.ndarray, spacing: Spacing) -> int:
        files = written(image, mask, spacing)
        pipeline = RadiomicsPipeline()
        for name, filtered in kinds.items():
            pipeline.add_config(name, steps(filtered))
        before = time.process_time()
        result = pipeline.run(*files, config_names=list(kinds))
        run.seconds = time.process_time() - before  # type: ignore[attr-defined]
        return sum(len(values) for values in result.values())

    return run


ENGINES: dict[str, tuple[Callable[[bool], Run], str]] = {
    "unibase, pyradiomics mode": (lambda filters: ours("pyradiomics", filters), ""),
    "unibase, ibsi mode, all features": (lambda filters: ours("ibsi", filters), ""),
    "unibase, ibsi mode, those of Pictologics": (lambda filters: ours("ibsi", filters, True), ""),
    "PyRadiomics": (pyradiomics, ""),
    "MIRP": (mirp, "mirp"),
    "Z-Rad": (zrad, "z-rad"),
    "nyxus": (nyxus, "nyxus"),
    "Pictologics, no Moran, Geary, peaks": (pictologics, "pictologics"),
}


FILTERED = ("pyradiomics", "Pictologics", "PyRadiomics", "unibase")
"""What an engine that is run with filters has in its name."""


def measure(engine: str, filters: bool, repeat: int, name: str) -> None:
    """Run one engine in this process and print a line of JSON."""
    run = ENGINES[engine][0](filters)
    image, mask, spacing = region(name)
    run(*small_part(image, mask), spacing)
    seconds: list[float] = []
    number = 0
    while len(seconds) < repeat and not (seconds and seconds[0] > 5):
        before = time.process_time()
        number = run(image, mask, spacing)
        seconds.append(getattr(run, "seconds", time.process_time() - before))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"engine": engine, "cpu_s": statistics.median(seconds), "features": number, "peak_gb": peak}))


def python_of(package: str, python: str | None) -> list[str]:
    """Command of a Python that has a peer; this one for what is not a peer."""
    if not package:
        return [sys.executable]
    if python:
        return [python.format(peer=package)]
    needed = [word for name in (package, "simpleitk", "scipy") for word in ("--with", name)]
    return [UV, "run", "--no-project", "--python", sys.executable, *needed, "python"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--filters", action="store_true")
    parser.add_argument("--region", choices=("million", "tumour"), default="million")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--python", default=os.environ.get("UNIBASE_PEERS_PYTHON"))
    parser.add_argument("--only", choices=list(ENGINES))
    parser.add_argument("--measure", choices=list(ENGINES), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.measure, chosen.filters, chosen.repeat, chosen.region)
        return
    rows = []
    for engine, (_, package) in ENGINES.items():
        unasked = (chosen.only and engine != chosen.only) or (package and not chosen.peers)
        if unasked or (chosen.filters and not any(word in engine for word in FILTERED)):
            continue
        asked = ["--measure", engine, "--repeat", str(chosen.repeat), "--region", chosen.region]
        command = [*python_of(package, chosen.python), __file__, *asked, *(["--filters"] if chosen.filters else [])]
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
            f"{row['engine']:42}{row['cpu_s']:8.3f}{row['features']:10}{row['cpu_s'] / row['features'] * 1000:9.2f}{row['peak_gb']:9.2f}{ratio:>15}"
        )


if __name__ == "__main__":
    main()
