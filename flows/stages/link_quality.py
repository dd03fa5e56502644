"""Part of stage `link`: the checks of data quality."""

from __future__ import annotations

import polars as pl

from unibase.clinical.derived.quality_checks import check_quality
from unibase.clinical.timelines.meds import read_blocks
from unibase.flows.runs.run import Run
from unibase.flows.study.definitions import read_quality
from unibase.flows.study.places import RECORDS, TIMELINE
from unibase.groundwork.tables import QUARANTINE

EVENTS_PER_CHECK = 250_000
"""The checks of quality hold many columns beside the events."""


def quality_table(run: Run) -> pl.DataFrame:
    """Return the checks of data quality over the timeline of `run`, and over the rows of the sources that never entered it."""
    folders = [run.place(RECORDS, centre=name) / "metadata" for name in run.study.centres]
    accounts = [pl.read_parquet(path) for folder in folders if (path := folder / "account.parquet").exists()]
    problems = pl.concat([QUARANTINE.empty(), *(QUARANTINE.read(folder / "problems.parquet") for folder in folders)])
    events = (block.events for block in read_blocks(run.place(TIMELINE), EVENTS_PER_CHECK))
    return check_quality(events, read_quality(run.study), problems=problems, account=pl.concat(accounts) if accounts else None)
