"""Part of stage `link`: the checks of data quality, and what each centre has of the concepts that are asked for."""

from __future__ import annotations

import polars as pl

from unibase.clinical.derived.code_counts import coverage_of
from unibase.clinical.derived.kept_apart import restored
from unibase.clinical.derived.quality_checks import check_quality
from unibase.clinical.derived.spread_of_values import spread_of
from unibase.clinical.timelines.meds import read_blocks
from unibase.flows.runs.run import Run
from unibase.flows.study.definitions import asked_concepts, read_concepts, read_quality
from unibase.flows.study.places import RECORDS, TIMELINE
from unibase.groundwork.tables import QUARANTINE

EVENTS_PER_CHECK = 250_000
"""The checks of quality hold many columns beside the events."""


def quality_table(run: Run) -> pl.DataFrame:
    """Return the checks of data quality over the timeline of `run`, and over the rows of the sources that never entered it."""
    folders = [run.place(RECORDS, centre=name) / "metadata" for name in run.study.centres]
    accounts = [pl.read_parquet(path) for folder in folders if (path := folder / "account.parquet").exists()]
    problems = pl.concat([QUARANTINE.empty(), *(QUARANTINE.read(folder / "problems.parquet") for folder in folders)])
    scanned = restored(pl.scan_parquet(sorted((run.place(TIMELINE) / "data").glob("*.parquet"))))
    events = (block.events for block in read_blocks(run.place(TIMELINE), EVENTS_PER_CHECK))
    account = pl.concat(accounts) if accounts else None
    return check_quality(events, read_quality(run.study), problems=problems, account=account, spread=spread_of([scanned]))


def coverage_table(run: Run) -> pl.DataFrame:
    """Return how many events and persons each centre of `run` has of each concept that its study asks for."""
    concepts = read_concepts(run.study)
    asked: dict[str, list[str]] = {}
    for concept, place in asked_concepts(run.study, concepts):
        asked.setdefault(concept, []).append(place)
    by = {concept: ", ".join(places) for concept, places in asked.items()}
    blocks = (block.events for block in read_blocks(run.place(TIMELINE)))
    return coverage_of(blocks, concepts, by, list(run.study.centres))
