"""A study that grows by nights: CPU seconds of each night beside how many patients it brought, and a full build of the same sources.

    .venv/bin/python -m benchmarks.growth --sizes 470 1000 2000 3500 3510 3510 --no-imaging

The simulated hospitals grow as real ones do: rows at the end of tables, files more in folders, a matrix more for each night. A
size twice in a row is a night with nothing new. At the end the same sources are built anew in another folder, and the files of
both releases are compared byte by byte. `--alone N` builds the first N patients in a study of their own as well.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

from benchmarks.nights import Cost, night
from unibase.simulation.cohort import simulate
from unibase.simulation.invented_persons import make_person
from unibase.simulation.tree import Options, Tree


def grow(folder: Path, options: Options, first: int, last: int) -> None:
    """Add the persons `first` to `last` - 1 to a simulated tree, as a night brings them."""
    tree = Tree(folder, options)
    for index in range(first, last):
        tree.add(make_person(options.seed, index, tree.names))
    tree.close(f"_{last}")


def rebuilt(folder: Path, elsewhere: Path) -> tuple[Cost, list[str]]:
    """Build the sources of a study anew; return the cost, and the files whose bytes differ from the last release's."""
    shutil.copytree(folder, elsewhere, ignore=shutil.ignore_patterns("work", "releases"), symlinks=True)
    last = max((one for one in (folder / "releases").iterdir() if re.fullmatch(r"[\d.]+", one.name)), key=_version)
    study = elsewhere / "study.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("version: 1.0.0", f"version: {last.name}"), encoding="utf-8")
    cost = night(elsewhere)
    other = elsewhere / "releases" / last.name
    names = {one.relative_to(root).as_posix() for root in (last, other) for one in root.rglob("*") if one.is_file()}
    differ = [name for name in sorted(names) if _bytes(last / name) != _bytes(other / name)]
    print(f"{last.name}: {len(names)} files, {len(differ)} differ", flush=True)
    return cost, differ


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split("."))


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def main() -> None:
    """Measure the nights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--centres", type=int, default=14)
    parser.add_argument("--imaging", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--alone", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "grown"
        options = Options(persons=given.sizes[0], centres=given.centres, broken=False, imaging=given.imaging)
        if given.alone:
            simulate(Path(scratch) / "alone", options, persons=given.alone)
            print(f"{given.alone} alone: {night(Path(scratch) / 'alone').cpu:.1f} CPU s", flush=True)
        simulate(home, options)
        print("| patients | new | CPU s | a new patient | units |\n|---|---|---|---|---|", flush=True)
        for before, size in pairwise([0, *given.sizes]):
            if before and size > before:
                grow(home, options, before, size)
            new, cost = size - before, night(home)
            each = f"{cost.cpu / new:.3f}" if new else ""
            print(f"| {size} | {new} | {cost.cpu:.1f} | {each} | {cost.units} |", flush=True)
        cost, differ = rebuilt(home, Path(scratch) / "anew")
        print(f"anew: {cost.cpu:.1f} CPU s; differ: {', '.join(differ) or 'none'}", flush=True)


if __name__ == "__main__":
    main()
