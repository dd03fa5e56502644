"""Series to volumes, beside pydicom with NumPy and SimpleITK: files per CPU-second in one run.

    python benchmarks/series_to_volumes.py [--slices 300] [--size 512] [--times 3]

One CT of uncompressed planes is written to a temporary folder. Each reader gives its voxels, which must be equal. pydicom
reads, sorts by position and rescales; it looks at nothing else. SimpleITK sorts by GDCM. Ours looks at all that tells one
volume from another. The floor is reading the bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.imaging.dicom_maker import write_series
from unibase.imaging.dicom.volume import read_files


def floor(files: list[Path]) -> None:
    """Read the bytes."""
    for file in files:
        file.read_bytes()


def ours(files: list[Path]) -> NDArray[np.float64]:
    """Read the one volume of the files; shape (z, y, x)."""
    return np.asarray(read_files(files).array, dtype=np.float64)


def by_pydicom(files: list[Path]) -> NDArray[np.float64]:
    """Read, sort and rescale by pydicom alone; shape (z, y, x)."""
    planes = sorted((pydicom.dcmread(file) for file in files), key=lambda one: float(one.ImagePositionPatient[2]))
    return np.stack([one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in planes])


def by_simpleitk(files: list[Path]) -> NDArray[np.float64]:
    """Read as SimpleITK's manual does; shape (z, y, x)."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(files[0].parent)))
    return sitk.GetArrayFromImage(reader.Execute()).astype(np.float64)


def best(read: Callable[[list[Path]], object], files: list[Path], times: int) -> float:
    """Return the least CPU seconds that `read` took over `files`, of so many `times`."""
    took = []
    for _ in range(times):
        start = time.process_time()
        read(files)
        took.append(time.process_time() - start)
    return min(took)


def main() -> None:
    """Write the series, read it by all, and print files per CPU-second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    voxels = np.random.default_rng(1).integers(-1000, 1500, (asked.slices, asked.size, asked.size)).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        files = write_series(Path(folder) / "ct", voxels, spacing=(0.8, 0.8, 1.0))
        readers = {"unibase": ours, "pydicom and NumPy": by_pydicom, "SimpleITK": by_simpleitk}
        for name, read in readers.items():
            assert np.array_equal(np.asarray(read(files)), voxels), f"{name} reads other voxels"
        print(f"{len(files)} planes of {asked.size} x {asked.size}, best of {asked.times}; voxels equal in all readers")
        for name, read in {**readers, "reading the bytes": floor}.items():
            print(f"{name:<20}{len(files) / best(read, files, asked.times):8.0f} files per CPU-second")


if __name__ == "__main__":
    main()
