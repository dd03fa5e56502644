"""What a night costs: CPU seconds of a first build, of a night with nothing new, with ten new persons, and after a move.

    .venv/bin/python -m benchmarks.nights --subjects 10000

The study is that of `build_of_records.py`. Ten new persons are measured beside a first build of those ten alone. After the
move of the whole study to another folder, units that run again are counted.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.build_of_records import CONCEPTS, STUDY
from benchmarks.clinical import make
from tests.known_keys import known_key
from unibase.privacy.keys import write_key_file

FIRST_DRUG = ('["RxNorm//DRU1-1", "RxNorm//DRU2-2"]', '["RxNorm//*"]')
"""Any drug is the index: ten persons have few events."""


@dataclass(frozen=True)
class Cost:
    """What a build took: CPU seconds of all its processes, and its lines."""

    cpu: float
    said: str

    @property
    def units(self) -> int:
        """How many units were processed."""
        return sum(int(number) for number in re.findall(r"(\d+) processed now", self.said))


def study(folder: Path, subjects: int, events: int) -> Path:
    """Write a study over invented records; return its folder."""
    make(folder / "omop", subjects, events)
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    (folder / "concepts.yaml").write_text(CONCEPTS.replace(*FIRST_DRUG), encoding="utf-8")
    write_key_file(known_key("nights"), folder / "vault.key")
    return folder


def night(folder: Path) -> Cost:
    """Run one night in a process of its own."""
    command = [Path(sys.executable).with_name("unibase"), "build", folder / "study.yaml", "--no-prefect", "--nightly"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise SystemExit(ended.stdout)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended.stdout)


def add(folder: Path, new: Path) -> None:
    """Give a study's records those of another one's persons, under numbers of their own."""
    persons = pl.read_parquet(new / "omop" / "person.parquet").with_columns(
        pl.col("person_id") + 10_000_000, person_source_value=pl.lit("Q") + pl.col("person_source_value")
    )
    all_persons = pl.concat([pl.read_parquet(folder / "omop" / "person.parquet"), persons])
    all_persons.write_parquet(folder / "omop" / "person.parquet")
    for table in sorted(path for path in (new / "omop").iterdir() if path.is_dir()):
        key = f"{table.name}_id"
        for part in sorted(table.iterdir()):
            rows = pl.read_parquet(part).with_columns(pl.col("person_id") + 10_000_000, pl.col(key) + 1_000_000_000)
            rows.write_parquet(folder / "omop" / table.name / f"new-{part.name}")


def main() -> None:
    """Measure the nights of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, nargs="+", default=[10_000])
    parser.add_argument("--events", type=int, default=50)
    given = parser.parse_args()
    print(
        "| subjects | first | nothing new | 10 new | those 10 alone | moved | units again after the move |\n" + "|---" * 7 + "|"
    )
    for subjects in given.subjects:
        with tempfile.TemporaryDirectory() as scratch:
            home, ten = study(Path(scratch) / "all", subjects, given.events), study(Path(scratch) / "ten", 10, given.events)
            first, quiet = night(home), night(home)
            add(home, ten)
            alone, more = night(ten), night(home)
            moved = night(Path(shutil.move(home, Path(scratch) / "elsewhere")))
            costs = " | ".join(f"{one.cpu:.1f}" for one in (first, quiet, more, alone, moved))
            print(f"| {subjects} | {costs} | {moved.units} |", flush=True)


if __name__ == "__main__":
    main()
