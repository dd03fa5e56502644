"""Random patches of 96 x 96 x 96 voxels a CPU-second, and bytes on disk: stores of a release beside `.nii.gz`.

    python -m benchmarks.patches [VOLUMES]

Each volume is a CT of 512 x 512 x 120 voxels as a scanner makes them: a body in air, organs, and noise. `dataset.py` is
what a release ships. Peers read `.nii.gz` from its beginning for a patch: SimpleITK, and nibabel and TorchIO where they
are installed. TorchIO draws through its own `UniformSampler`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import process_time

import numpy as np
import zarr

from unibase.imaging.grid import Grid
from unibase.imaging.voxels.ome_zarr import Stored, write_store
from unibase.releases.images.nifti import write_nifti
from unibase.releases.images.patch_dataset import _Store

SHAPE = (120, 512, 512)
PATCH = 96


def ct(seed: int) -> np.ndarray:
    """Return a CT of int16, shape `SHAPE`: an ellipse of tissue with noise of 20 HU, in air without any."""
    random = np.random.default_rng(seed)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    body = ((y - 256) / 160) ** 2 + ((x - 256) / 220) ** 2 < 1
    organs = 60 * np.sin(z / 17) * np.sin(y / 31) * np.sin(x / 43)
    tissue = organs + random.normal(0, 20, SHAPE)
    return np.where(body, tissue, -1024).astype(np.int16)


def measure(name: str, read: Callable[[int], np.ndarray], draws: int) -> float:
    """Print and return patches a CPU-second."""
    start = process_time()
    for draw in range(draws):
        assert read(draw).shape == (PATCH,) * 3
    rate = draws / (process_time() - start)
    print(f"{name:12} {rate:8.1f} patches a CPU-second")
    return rate


def main() -> None:
    """Write the volumes, and draw the same patches from each form."""
    volumes = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        grid = Grid((SHAPE[2], SHAPE[1], SHAPE[0]), (0.8, 0.8, 2.5), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
        about = {"origin": grid.origin, "spacing": grid.spacing, "direction": grid.direction}
        for number in range(volumes):
            array = ct(number)
            write_store(Stored(array, grid, "HU", [], {}), home / f"{number}.ome.zarr")
            write_nifti(array, about, home / f"{number}.nii.gz")
        sizes = {
            suffix: sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and suffix in path.as_posix())
            for suffix in (".ome.zarr", ".nii.gz")
        }
        print(f"on disk: {sizes['.ome.zarr'] / sizes['.nii.gz']:.2f} times .nii.gz")
        starts = [
            tuple(int(np.random.default_rng(draw).integers(0, n - PATCH + 1)) for n in SHAPE) for draw in range(20 * volumes)
        ]

        def places(draw: int) -> tuple[slice, ...]:
            return tuple(slice(at, at + PATCH) for at in starts[draw])

        shipped = [_Store(home / f"{number}.ome.zarr") for number in range(volumes)]
        ours = measure("dataset.py", lambda draw: np.asarray(shipped[draw % volumes]["0"][places(draw)]), 20 * volumes)
        with ProcessPoolExecutor(1, get_context("spawn")) as worker:
            print(f"a worker's memory: {worker.submit(worker_memory, home, volumes).result() / 2**20:.0f} MiB")
        stores = [zarr.open_group(home / f"{number}.ome.zarr", mode="r")["0"] for number in range(volumes)]
        measure("zarr", lambda draw: np.asarray(stores[draw % volumes][places(draw)]), 20 * volumes)  # type: ignore[index]
        rates = {"SimpleITK": measure("SimpleITK", lambda draw: _itk(home, draw % volumes)[places(draw)], 2 * volumes)}
        try:
            import nibabel  # type: ignore[import-not-found]

            def whole(draw: int) -> np.ndarray:
                image = nibabel.load(home / f"{draw % volumes}.nii.gz")
                return np.asarray(image.dataobj[tuple(reversed(places(draw)))]).T

            rates["nibabel"] = measure("nibabel", whole, 2 * volumes)
        except ImportError:
            print("nibabel is not installed")
        try:
            import torchio  # type: ignore[import-not-found]

            sampler = torchio.data.UniformSampler(PATCH)

            def drawn(draw: int) -> np.ndarray:
                subject = torchio.Subject(image=torchio.ScalarImage(home / f"{draw % volumes}.nii.gz"))
                return np.asarray(next(sampler(subject, 1))["image"].data[0])

            rates["TorchIO"] = measure("TorchIO", drawn, volumes)
        except ImportError:
            print("TorchIO is not installed")
        for name, rate in rates.items():
            print(f"dataset.py : {name} = {ours / rate:.1f}")


def worker_memory(home: Path, volumes: int) -> int:
    """Return the peak of memory, in bytes, of a process that draws from every volume as a loader's worker does."""
    stores = [_Store(home / f"{number}.ome.zarr") for number in range(volumes)]
    random = np.random.default_rng(0)
    for draw in range(5 * volumes):
        start = [int(random.integers(0, n - PATCH + 1)) for n in SHAPE]
        stores[draw % volumes]["0"][tuple(slice(at, at + PATCH) for at in start)]
    # The peak that getrusage tells is that of the process before the program was loaded, too.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _itk(home: Path, number: int) -> np.ndarray:
    import SimpleITK as sitk

    image: np.ndarray = sitk.GetArrayFromImage(sitk.ReadImage(str(home / f"{number}.nii.gz")))
    return image


if __name__ == "__main__":
    main()
