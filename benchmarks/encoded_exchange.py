"""Who is who without clear text, as centres, linkage unit and study run it: every command in a process of its own, on files.

    python -m benchmarks.encoded_exchange FOLDER PERSONS [CENTRES] [SEED]

Gives wall time, CPU time and peak memory of each step (of the centres the largest and the sum), the sizes of what is exchanged, and
F1 of the persons in the study's ledger. The persons come from `simulation.population`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import polars as pl

from benchmarks.record_linkage import quality
from unibase.groundwork.tables import PEOPLE
from unibase.privacy.keys import Key, write_key_file
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.people_file import read_people
from unibase.simulation.population import synthetic_people

UNIBASE = Path(sys.executable).with_name("unibase")


_WATCH = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall s": time.perf_counter() - start, "CPU s": used.ru_utime + used.ru_stime, "peak MB": used.ru_maxrss / 1024}))
sys.exit(code)
"""


def run(*arguments: object) -> dict[str, float]:
    """Run one command; return wall and CPU seconds and peak memory.

    A small process stands between: Linux counts the memory of whoever starts a process as the process's own.
    """
    ended = subprocess.run(
        [sys.executable, "-I", "-c", _WATCH, UNIBASE, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(ended.stdout)  # type: ignore[no-any-return]


def together(steps: list[dict[str, float]]) -> dict[str, float]:
    """Return the figures of steps that ran one after the other."""
    return {name: (max if name == "peak MB" else sum)(step[name] for step in steps) for name in steps[0]}


def size(paths: list[Path]) -> float:
    """Return the size of files and folders in MB."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.iterdir())]
    return sum(file.stat().st_size for file in files) / 1e6


def main() -> None:
    home, count = Path(sys.argv[1]), int(sys.argv[2])
    centres = int(sys.argv[3]) if len(sys.argv) > 3 else 18
    home.mkdir(parents=True)
    people, truth = synthetic_people(count, centres, seed=int(sys.argv[4]) if len(sys.argv) > 4 else 2026)
    names = sorted(people["centre"].unique())
    for name in names:
        mine = people.filter(pl.col("centre") == name)
        # Columns that the reader fills in.
        mine.drop("source", "source_row", strict=False).write_csv(home / f"{name}.csv")
    key = home / "linkage.key"
    write_key_file(Key(b"l" * 32), key)
    encoded, keys = [home / f"{name}.encoded" for name in names], [home / f"{name}.keys" for name in names]
    steps: dict[str, dict[str, float]] = {}
    for what, outs in (("people", encoded), ("keys", keys)):
        ran = [
            run("encoded", what, home / f"{name}.csv", out, "--centre", name, "--key-file", key)
            for name, out in zip(names, outs, strict=True)
        ]
        steps[f"encoded {what}, {len(names)} centres"] = together(ran)
        steps[f"encoded {what}, the slowest centre"] = max(ran, key=lambda step: step["wall s"])
    steps["encoded link"] = run("encoded", "link", *encoded, home / "links")
    steps["encoded answer"] = run("encoded", "answer", home / "links", *keys, home / "answer")
    bare = pl.concat([read_people(folder / "people.csv", name).people for name, folder in zip(names, keys, strict=True)])
    start = time.perf_counter()
    report = persons.update_ledger(home / "ledger", bare, Key(b"k" * 32), links=persons.read_links(home / "answer" / "links.csv"))
    steps["ledger of the study"] = {"wall s": time.perf_counter() - start}
    found = persons.persons(home / "ledger").rename({"person_key": "identifier", "person": "group"})
    sizes = {"encoded": size(encoded), "keys": size(keys), "links": size([home / "links"]), "answer": size([home / "answer"])}
    result = {"records": PEOPLE.conform(people).height, "links": sum(report.links.values())}
    print(json.dumps({**result, "steps": steps, "MB": sizes, **quality(found, truth)}, indent=1))


if __name__ == "__main__":
    main()
