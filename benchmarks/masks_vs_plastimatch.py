"""RTSTRUCT masks beside plastimatch's, voxel by voxel, on the real structure sets.

    python benchmarks/masks_vs_plastimatch.py [--data ../shared/data] [--plastimatch "uv run --no-project --with plastimatch plastimatch"]

plastimatch (BSD-like licence, PyPI package of the Imaging Data Commons) runs in an environment of its own. Every voxel
that differs is listed with the distance of its centre from the nearest outline, in pixels.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from unibase.imaging.dicom.volume import Volume, read_series
from unibase.imaging.regions.masks import read_masks


def edge_distance(volume: Volume, structure: Path, voxels: np.ndarray) -> np.ndarray:
    """Return, for voxels (n, 3: z, y, x), the distance to the nearest outline of their slice, in pixels."""
    dataset = pydicom.dcmread(structure)
    result = np.full(len(voxels), np.inf)
    for item in dataset.ROIContourSequence[0].ContourSequence:
        placed = volume.grid.in_plane(np.array(item.ContourData, dtype=float).reshape(-1, 3))
        here = np.flatnonzero(np.abs(voxels[:, 0] - placed[:, 2].mean() / volume.grid.spacing[2]) < 0.5)
        start, end = placed[:, :2], np.roll(placed[:, :2], -1, axis=0)
        along = end - start
        length = np.maximum((along**2).sum(axis=1), 1e-30)
        for index in here:
            point = voxels[index, [2, 1]].astype(float)
            share = np.clip(((point - start) * along).sum(axis=1) / length, 0, 1)
            gap = np.linalg.norm(start + share[:, None] * along - point, axis=1).min()
            result[index] = min(result[index], gap)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--plastimatch", default="uv run --no-project --with plastimatch plastimatch")
    arguments = parser.parse_args()
    pairs = [
        (folder / "image", next((folder / "mask").iterdir())) for folder in sorted((arguments.data / "dicom/sts").glob("*/*"))
    ]
    phantom = arguments.data / "ibsi/ibsi_1_ct_radiomics_phantom/dicom"
    pairs.append((phantom / "image", next((phantom / "mask").iterdir())))
    print(
        f"{'series':24} {'voxels':>8} {'points':>7} {'differ':>7} {'of which > 1e-3 px from an outline':>36} {'ours s':>7} {'peer s':>7}"
    )
    for images, structure in pairs:
        volume = read_series(images)
        started = time.perf_counter()
        mask = read_masks(structure, volume)[0].array
        ours_seconds = time.perf_counter() - started
        points = sum(int(item.NumberOfContourPoints) for item in pydicom.dcmread(structure).ROIContourSequence[0].ContourSequence)
        with tempfile.TemporaryDirectory() as folder:
            sitk.WriteImage(volume.to_sitk(), f"{folder}/image.mha")
            command = [
                *shlex.split(arguments.plastimatch),
                "convert",
                "--input",
                str(structure),
                "--fixed",
                f"{folder}/image.mha",
            ]
            command += ["--output-prefix", f"{folder}/out", "--prefix-format", "nrrd", "--xor-contours"]
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            peer_seconds = time.perf_counter() - started
            peer = sitk.GetArrayFromImage(sitk.ReadImage(str(next(Path(folder, "out").glob("*.nrrd"))))).astype(bool)
        differ = np.argwhere(peer != mask)
        far = int((edge_distance(volume, structure, differ) > 1e-3).sum()) if len(differ) else 0
        name = "/".join(images.parts[-3:-1])
        print(f"{name:24} {mask.sum():8} {points:7} {len(differ):7} {far:36} {ours_seconds:7.2f} {peer_seconds:7.2f}")


if __name__ == "__main__":
    main()
