"""Who is who among synthetic French persons: pairs found and missed, time and memory, beside Splink 5.

    python -m benchmarks.record_linkage PERSONS [CENTRES] [SEED] [ours|encoded]

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


def encoded(people: pl.DataFrame) -> pl.DataFrame:
    from privacy.identity import group_records
    from privacy.identity_encoded import encode_people, link_encoded, tokens_of_records
    from privacy.identity_traits import valid_ins
    from privacy.keys import Key

    key = Key(b"l" * 32)
    links, review = link_encoded(pl.concat([encode_people(part, key) for part in people.partition_by("centre")]))
    print(len(links), "links, review", len(review))
    # Each centre reads the tokens of its own records.
    records = tokens_of_records(people, key)
    known = {(c, k): {valid_ins(ins)} - {None} for c, k, ins in people.select("centre", "person_key", "ins").iter_rows()}
    groups = group_records(known, [(records[one], records[two]) for (_, one), (_, two) in ((e.left, e.right) for e in links)])  # type: ignore[arg-type]
    rows = [(centre, key_, group) for group, members in enumerate(groups) for centre, key_ in members]
    return pl.DataFrame(rows, schema=["centre", "identifier", "group"], orient="row")


def main() -> None:
    count = int(sys.argv[1])
    route = {"ours": ours, "encoded": encoded}[sys.argv[4] if len(sys.argv) > 4 else "ours"]
    centres = int(sys.argv[2]) if len(sys.argv) > 2 else 18
    people, truth = synthetic_people(count, centres, seed=int(sys.argv[3]) if len(sys.argv) > 3 else 2026)
    people = PEOPLE.conform(people)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    found = route(people)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = {"records": people.height, "wall s": wall, "CPU s": used, "peak MB": after.ru_maxrss / 1024}
    print(json.dumps(result | quality(found, truth), indent=1))


if __name__ == "__main__":
    main()
