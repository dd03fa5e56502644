"""What a patient costs in a study of 20, 200 and 2,000: CPU seconds of a first build, by stage, and memory of its largest process.

    .venv/bin/python -m benchmarks.scaling --persons 20 200 2000

Each size is a simulated study of 14 centres with small PET/CT, biology and outcome, nothing broken. `--no-imaging` leaves the
images out. The smallest one is built once before anything is counted: that compiles the kernels. The marginal cost is what
the further patients of a size cost each, so what every build pays once (start, workers, 14 centres) is not in it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.build_of_records import build

UNIBASE = str(Path(sys.executable).with_name("unibase"))
STAGE_CPU = re.compile(r'^unibase_stage_cpu_seconds\{.*stage="([^"]+)".*\} (\S+)$', re.MULTILINE)


def simulated(folder: Path, persons: int, imaging: bool) -> Path:
    """Simulate the study of one size, once; return its folder."""
    if not (folder / "study.yaml").exists():
        images = "--imaging" if imaging else "--no-imaging"
        size = ["--persons", str(persons), "--centres", "14", "--no-broken", images]
        subprocess.run([UNIBASE, "simulate", str(folder), *size, "--quiet"], check=True)
    for made in ("work", "releases"):
        shutil.rmtree(folder / made, ignore_errors=True)
    return folder


def stages(folder: Path) -> dict[str, float]:
    """CPU seconds of each stage of the last build, centres of one stage together."""
    page = folder / "metrics.prom"
    subprocess.run([UNIBASE, "status", str(folder / "study.yaml"), "--prometheus", str(page), "--quiet"], check=True)
    found: dict[str, float] = {}
    for name, seconds in STAGE_CPU.findall(page.read_text(encoding="utf-8")):
        kind = re.sub(r"-[A-Z]+$", "", name)
        found[kind] = found.get(kind, 0.0) + float(seconds)
    return found


def main() -> None:
    """Measure the sizes, smallest first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, nargs="+", default=[20, 200, 2000])
    parser.add_argument("--imaging", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--folder", type=Path, help="keep the studies here")
    given = parser.parse_args()
    home = given.folder or Path(tempfile.mkdtemp())
    sizes = sorted(given.persons)
    build(simulated(home / f"persons-{sizes[0]}", sizes[0], given.imaging))
    print("| persons | CPU s | a person | marginal | MB of the largest process | seconds |\n|---|---|---|---|---|---|")
    before: tuple[int, float] | None = None
    for persons in sizes:
        folder = simulated(home / f"persons-{persons}", persons, given.imaging)
        found = build(folder)
        further = f"{(found['cpu'] - before[1]) / (persons - before[0]):.3f}" if before else ""
        each = f"{found['cpu'] / persons:.3f} | {further} | {found['largest']:.0f} | {found['seconds']:.0f}"
        print(f"| {persons} | {found['cpu']:.1f} | {each} |", flush=True)
        costs = sorted(stages(folder).items(), key=lambda one: -one[1])
        print("  ", ", ".join(f"{name} {cpu:.1f}" for name, cpu in costs), file=sys.stderr, flush=True)
        before = (persons, found["cpu"])
    if given.folder is None:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
