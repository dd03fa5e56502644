"""What a command of features costs, as a user runs it: CPU seconds and peak memory of the process, with reading and start.

    python -m benchmarks.radiomics_costs FOLDER                    # every case; images are made in FOLDER
    python -m benchmarks.radiomics_costs FOLDER --case maps start

`whole-body`: 104 ellipsoids as labels of 512 x 512 x 600 voxels. `lesions`: 100 balls in an image of 29 MB. `maps`: the 93
features at each voxel of a ball of 30 mm in voxels of 1 mm. `start`: one small ball, from the start of the command to its table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unibase.imaging.grid import Array


@dataclass(frozen=True)
class Case:
    """An image of noise with ellipsoids, and what is asked of it.

    Attributes:
        shape: Voxels (z, y, x), of 1 mm.
        count: How many ellipsoids, each a label.
        radii: Least and largest radius in mm.
        command: What follows `unibase`, but for the folder and the output.
        many: Whether they lie on a lattice, apart from one another, instead of anywhere.
    """

    shape: tuple[int, int, int]
    count: int
    radii: tuple[float, float]
    command: str = "features"
    many: bool = False


CASES = {
    "whole-body": Case((600, 512, 512), 104, (12, 45)),
    "lesions": Case((100, 384, 384), 100, (3, 6), many=True),
    "maps": Case((64, 64, 64), 1, (15, 15), command="maps"),
    "start": Case((32, 48, 48), 1, (6, 6)),
}


def labels_of(case: Case, random: np.random.Generator) -> Array:
    """Return the label image of a case."""
    labels = np.zeros(case.shape, np.uint8)
    size = np.array(case.shape)
    for number in range(1, case.count + 1):
        radii = random.uniform(*case.radii, 3)
        centre = random.uniform(case.radii[1] + 1, size - case.radii[1] - 1)
        if case.many:
            centre = np.array([10 + (number - 1) // 25 * 22, 20 + (number - 1) % 5 * 80, 20 + (number - 1) // 5 % 5 * 80])
        box = tuple(slice(int(c - r), int(c + r) + 2) for c, r in zip(centre, radii, strict=True))
        away = sum(((axis - c) / r) ** 2 for axis, c, r in zip(np.ogrid[box], centre, radii, strict=True))
        labels[box][away <= 1] = number
    return labels


def make(case: Case, folder: Path) -> None:
    """Write image and labels of a case into a folder, unless they are there."""
    import SimpleITK as sitk

    if (folder / "a_mask.nrrd").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    labels = labels_of(case, random)
    image = np.stack([random.normal(40, 30, case.shape[1:]).round().astype(np.int16) for _ in range(case.shape[0])])
    sitk.WriteImage(sitk.GetImageFromArray(image), str(folder / "a_image.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(labels), str(folder / "a_mask.nrrd"), useCompression=True)


def cost(command: list[str]) -> str:
    """Run a command in a process of its own; return its CPU seconds and peak memory, or how it ended."""
    inner = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True, text=True);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(done.stderr[-300:] if done.returncode else"
        " f'{used.ru_utime + used.ru_stime:.2f} CPU s, {used.ru_maxrss / 1024:.0f} MiB')"
    )
    return subprocess.run([sys.executable, "-c", inner, *command], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Print the cost of each case, warm: what is compiled was compiled by a run before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--case", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--repeat", type=int, default=1)
    given = parser.parse_args()
    program = str(Path(sys.executable).parent / "unibase")
    for name in {"start", *given.case}:
        make(CASES[name], given.folder / name)
    with tempfile.TemporaryDirectory() as work:
        # A table that is there already would be taken up, not measured.
        cost([program, "features", str(given.folder / "start"), f"{work}/warm.parquet"])
        for name in given.case:
            for number in range(given.repeat):
                out = f"{work}/{name}-{number}" + ("" if CASES[name].command == "maps" else ".parquet")
                print(f"{name}: {cost([program, CASES[name].command, str(given.folder / name), out])}", flush=True)


if __name__ == "__main__":
    main()
