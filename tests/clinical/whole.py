"""A source read to its end, as a study reads it, with what is told of it beside the events."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.clinical.timelines import meds
from unibase.clinical.timelines.batched import build_batched
from unibase.clinical.timelines.centre import TimelineTask, opener, write_events
from unibase.clinical.timelines.door import Door
from unibase.clinical.timelines.target import Target


@dataclass(frozen=True)
class Told:
    """What a source gave: EVENTS, problem rows, and the account of its tables."""

    events: pl.DataFrame
    problems: pl.DataFrame
    account: pl.DataFrame


def read_events(task: TimelineTask) -> Told:
    """Write a source as a study does, and return what was written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        account = write_events(task, folder).account
        return _told(folder, account)


def read_rows(task: TimelineTask, way: Door) -> Told:
    """Read a source row by row as text, whatever quicker way there is for it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        account = build_batched(opener(task), Target(folder, task.centre, task.format, way)).account
        return _told(folder, account)


def _told(folder: Path, account: pl.DataFrame) -> Told:
    return Told(meds.read_dataset(folder), pl.read_parquet(folder / "metadata" / "problems.parquet"), account)
