"""What a second worker brings to de-identification: the command with one worker and with two, in turn.

    .venv/bin/python -m benchmarks.deidentification_workers [--files 3000] [--repeat 3]

The files are the CT instances of 512 x 512 of `deidentification.py`, copied under new names so that each is read from the
page cache. The wall time of the whole command counts, start and end included: the start is the same for both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import UID

from tests.known_keys import known_key
from unibase.privacy.keys import write_key_file


def make(folder: Path, number: int) -> None:
    """Write instances of ten series, each of another noise."""
    header = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    header.PatientName, header.PatientID, header.PatientBirthDate = "Dupontel^Eleonore", "IPP0012345", "19500612"
    header.Rows = header.Columns = 512
    noise = np.random.default_rng(0).integers(-1024, 2000, (512, 512), dtype=np.int16)
    for one in range(number):
        series = UID(f"1.2.840.113619.2.55.3.{one % 10 + 1}")
        header.SeriesInstanceUID = series
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = UID(f"{series}.{one + 1000}")
        header.InstanceNumber, header.ImagePositionPatient = one, [-158.1, -179.0, -75.7 - 1.25 * (one // 10)]
        header.PixelData = np.roll(noise, one, axis=1).tobytes()
        header.save_as(folder / f"{one:05d}.dcm")


def seconds(source: Path, target: Path, key: Path, workers: int) -> tuple[float, float]:
    """Wall time and CPU seconds of the command with so many workers."""
    command = [Path(sys.executable).parent / "unibase", "deidentify", source, target]
    before, start = os.times(), time.perf_counter()
    subprocess.run([*map(str, command), "--key-file", str(key), "--workers", str(workers), "--quiet"], check=True)
    wall, after = time.perf_counter() - start, os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; /dev/shm leaves the disk out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        source = folder / "source"
        source.mkdir()
        make(source, options.files)
        write_key_file(known_key("workers"), folder / "study.key")
        took: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(options.repeat):
            for workers, walls in took.items():
                wall, cpu = seconds(source, folder / "out", folder / "study.key", workers)
                for written in folder.glob("out*"):
                    shutil.rmtree(written)
                walls.append(wall)
                print(f"{workers} workers: {wall:.2f} s, {cpu:.2f} CPU s, {options.files / wall:.0f} files a second", flush=True)
    one, two = (statistics.median(took[workers]) for workers in (1, 2))
    print(f"two workers are {one / two:.2f} times as fast as one (medians of {options.repeat})")


if __name__ == "__main__":
    main()
