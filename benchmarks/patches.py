"""Random patches of 96 x 96 x 96 voxels a CPU-second, and bytes on disk: stores of a release beside `.nii.gz`.

    python -m benchmarks.patches FOLDER [--volumes 200] [--draws 4] [--peer-draws 50]
    python -m benchmarks.patches RELEASE --sizes

Each volume is a simulated CT of 512 x 512 x 120 voxels, as a scanner makes them: a body with organs and bones in the round
field of view, noise that neighbours share in all of it, nothing outside. All differ; the seed is the number. FOLDER takes
some 50 MB a volume; what it holds already is not made again. Ours is `Patches` of `dataset.py`, which a release ships, to the
float32 item that a network takes. Peers draw the same places from `.nii.gz`, which is read from its beginning: SimpleITK,
and nibabel and TorchIO where they are installed. TorchIO draws through its own `UniformSampler`. Peers draw from volumes
spread over all; their rate is that of a read of the file, and does not depend on how many there are.

`--sizes` draws nothing: of a release with `image_copies: [nifti]` it compares bytes on disk, for simulated noise is no image.
"""

from __future__ import annotations

import argparse
import csv
import functools
import importlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import process_time

import numpy as np
import SimpleITK as sitk

from unibase.imaging.grid import Grid
from unibase.imaging.voxels.ome_zarr import Stored, write_store
from unibase.releases.images.nifti import write_nifti
from unibase.releases.images.patch_dataset import Patches

SHAPE = (120, 512, 512)
PATCH = 96
GRID = Grid((SHAPE[2], SHAPE[1], SHAPE[0]), (0.8, 0.8, 2.5), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
COLUMNS = ("subject_id", "Modality", "path", "regions", "unknown_regions")
Places = tuple[slice, ...]


@functools.cache
def noise() -> np.ndarray:
    """Return noise of a standard deviation of 1, as a reconstruction leaves it: neighbours in a plane share some."""
    white = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    shared = white + 0.6 * (np.roll(white, 1, 1) + np.roll(white, 1, 2)) + 0.36 * np.roll(white, (1, 1), (1, 2))
    shared /= shared.std()
    return shared


def ct(seed: int) -> np.ndarray:
    """Return a CT of int16 in HU, shape `SHAPE`."""
    random = np.random.default_rng(seed)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    wide, deep, left, top = random.uniform([190, 130, -15, -15], [235, 175, 15, 15])
    inside = ((y - 256 - top) / deep) ** 2 + ((x - 256 - left) / wide) ** 2
    phase, period = random.uniform(0, 6, 3), random.uniform(14, 45, 3)
    waves = np.sin(z / period[0] + phase[0]) * np.sin(y / period[1] + phase[1]) * np.sin(x / period[2] + phase[2])
    organs = 40 + 60 * waves.astype(np.float32)
    organs[waves > 0.85] += 500  # bones
    sound = np.roll(noise(), [int(random.integers(n)) for n in SHAPE], (0, 1, 2))
    values = np.where(inside < 1, organs + 20 * sound, -1000 + 8 * sound)
    seen = (y - 256) ** 2 + (x - 256) ** 2 < 255**2
    return np.where(seen, values.clip(-1024, 3071), -1024).astype(np.int16)


def make(home: Path, volumes: int) -> None:
    """Write what is not there yet: each volume in both forms, and the table that `dataset.py` reads."""
    (home / "csv").mkdir(parents=True, exist_ok=True)
    with (home / "csv" / "images.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        rows.writerows((number, "CT", f"{number}.ome.zarr", "", "") for number in range(volumes))
    about = {"origin": GRID.origin, "spacing": GRID.spacing, "direction": GRID.direction}
    for number in range(volumes):
        if not (home / f"{number}.ome.zarr").exists():
            array = ct(number)
            write_nifti(array, about, home / f"{number}.nii.gz")
            write_store(Stored(array, GRID, "HU", [], {}), home / f"{number}.ome.zarr")


def size(home: Path, suffix: str) -> int:
    """Return the bytes of all files of one form."""
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and suffix in path.as_posix())


def sizes(release: Path) -> None:
    """Print how large the stores of a release are beside the NIfTI copies of their images and masks, for each modality."""
    with (release / "csv" / "images.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for modality in sorted({row["Modality"] for row in rows}):
        stores = [release / row["path"] for row in rows if row["Modality"] == modality]
        ours = sum(path.stat().st_size for store in stores for path in store.rglob("*") if path.is_file())
        stems = [store.with_name(store.name.removesuffix(".ome.zarr")) for store in stores]
        theirs = sum(path.stat().st_size for stem in stems for path in stem.parent.glob(f"{stem.name}*.nii.gz"))
        print(f"{modality}: {len(stores)} stores, {ours / theirs:.2f} times .nii.gz with masks ({theirs / 1e6:.1f} MB)")


def itk(path: Path, places: Places) -> np.ndarray:
    """Read a patch by SimpleITK."""
    image: np.ndarray = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    return image[places]


def nibabel(path: Path, places: Places) -> np.ndarray:
    """Read a patch by nibabel's slices of the file."""
    image = importlib.import_module("nibabel").load(path)
    return np.asarray(image.dataobj[tuple(reversed(places))]).T


def torchio(path: Path, _: Places) -> np.ndarray:
    """Draw a patch by TorchIO."""
    tio = importlib.import_module("torchio")
    subject = tio.Subject(image=tio.ScalarImage(path))
    return np.asarray(next(tio.data.UniformSampler(PATCH)(subject, 1))["image"].data[0]).T


def measure(name: str, read: Callable[[int], np.ndarray], draws: int) -> float:
    """Print and return patches a CPU-second."""
    start = process_time()
    for draw in range(draws):
        assert read(draw).shape == (PATCH,) * 3
    rate = draws / (process_time() - start)
    print(f"{name:12} {rate:8.1f} patches a CPU-second, {draws} draws", flush=True)
    return rate


def ours(home: Path, draws: int) -> Patches:
    """Return the patches of what was made."""
    return Patches(home, "CT", (PATCH,) * 3, each=draws, endpoint="")


def drawn(data: Patches, volumes: int, draw: int) -> np.ndarray:
    """Return a patch; draws go from volume to volume."""
    image: np.ndarray = data[draw % volumes * data.each + draw // volumes]["image"][0]  # type: ignore[index]
    return image


def worker_memory(home: Path, volumes: int, draws: int) -> int:
    """Return the peak of memory, in bytes, of a process that draws from every volume as a loader's worker does."""
    data = ours(home, draws)
    for draw in range(volumes * draws):
        drawn(data, volumes, draw)
    # The peak that getrusage tells is that of the process before the program was loaded, too.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def main() -> None:
    """Write the volumes, and draw the same patches from each form."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    for name, default in (("--volumes", 200), ("--draws", 4), ("--peer-draws", 50)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--sizes", action="store_true")
    asked = parser.parse_args()
    if asked.sizes:
        sizes(asked.folder)
        return
    home, volumes = asked.folder, asked.volumes
    make(home, volumes)
    print(f"on disk: {size(home, '.ome.zarr') / size(home, '.nii.gz'):.2f} times .nii.gz, {size(home, '.nii.gz') / 1e9:.1f} GB")
    data = ours(home, asked.draws)
    rate = measure("dataset.py", lambda draw: drawn(data, volumes, draw), asked.draws * volumes)
    with ProcessPoolExecutor(1, get_context("spawn")) as worker:
        peak = worker.submit(worker_memory, home, volumes, asked.draws).result()
    print(f"a worker's memory: {peak / 2**20:.0f} MiB", flush=True)
    draws = [number * volumes // asked.peer_draws for number in range(asked.peer_draws)]
    for peer in (itk, nibabel, torchio):
        try:
            compare(peer, home, draws, rate)
        except ImportError:
            print(f"{peer.__name__} is not installed")


def compare(peer: Callable[[Path, Places], np.ndarray], home: Path, draws: list[int], rate: float) -> None:
    """Print how many patches of ours there are for one of a peer that draws from some volumes."""
    starts = [[int(np.random.default_rng(draw).integers(0, n - PATCH + 1)) for n in SHAPE] for draw in range(len(draws))]
    places = [tuple(slice(at, at + PATCH) for at in one) for one in starts]
    peer(home / "0.nii.gz", places[0])  # imports are not counted
    theirs = measure(peer.__name__, lambda draw: peer(home / f"{draws[draw]}.nii.gz", places[draw]), len(draws))
    print(f"dataset.py : {peer.__name__} = {rate / theirs:.1f}", flush=True)


if __name__ == "__main__":
    main()
