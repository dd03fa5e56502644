"""Who is who among synthetic French persons: pairs found and missed, time and memory, beside Splink 5.

    python -m benchmarks.record_linkage PERSONS [CENTRES] [SEED]

F1 and precision are over pairs of records of one person. The persons come from `simulation.population`, whose rates of
error are assumptions; the weights and the threshold were set before they were seen.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from groundwork.tables import PEOPLE
from simulation.population import synthetic_people


def pairs(groups: pl.DataFrame, by: str) -> int:
    sizes = groups.group_by(by).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


def quality(found: pl.DataFrame, truth: pl.DataFrame) -> dict[str, float]:
    """Compare `centre, identifier, group` with the truth, by pairs."""
    both = truth.join(found, on=["centre", "identifier"], validate="1:1")
    true, made = pairs(both, "person"), pairs(both, "group")
    right = pairs(both.with_columns(pl.concat_str("person", pl.lit("|"), "group").alias("cell")), "cell")
    precision, recall = right / max(made, 1), right / max(true, 1)
    return {"true pairs": true, "precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall)}


def ours(people: pl.DataFrame) -> pl.DataFrame:
    from privacy import identity
    from privacy.keys import Key

    with tempfile.TemporaryDirectory() as folder:
        report = identity.update_ledger(Path(folder) / "ledger", people, Key(b"k" * 32))
        print(report.links, report.refused, "review", report.review)
        found = identity.persons(Path(folder) / "ledger")
    return found.rename({"person_key": "identifier", "person": "group"})


def main() -> None:
    count = int(sys.argv[1])
    centres = int(sys.argv[2]) if len(sys.argv) > 2 else 18
    people, truth = synthetic_people(count, centres, seed=int(sys.argv[3]) if len(sys.argv) > 3 else 2026)
    people = PEOPLE.conform(people)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    found = ours(people)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = {"records": people.height, "wall s": wall, "CPU s": used, "peak MB": after.ru_maxrss / 1024}
    print(json.dumps(result | quality(found, truth), indent=1))


if __name__ == "__main__":
    main()
