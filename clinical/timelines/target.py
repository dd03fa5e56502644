"""Where a dataset of a source goes, under which terms, and what is reported of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unibase.clinical.timelines.cutoff import Wanted
from unibase.clinical.timelines.door import Door


@dataclass(frozen=True)
class Target:
    """A dataset that is to be written.

    Attributes:
        folder: The dataset; replaced when it exists.
        centre: Name of the centre.
        format: Name of the source format, middle part of `source`.
        way: The door that gives subjects.
        notes: Further facts for `dataset.json`.
        wanted: What decides on the data cut-off; none by default.
        subjects_per_shard: Subjects in one shard; None for what suits the source.
    """

    folder: Path
    centre: str
    format: str
    way: Door
    notes: Mapping[str, object] = field(default_factory=dict)
    wanted: Wanted | None = None
    subjects_per_shard: int | None = None

    def source(self, table: str) -> str:
        """Return the `source` of events of a `table`: centre, format and table."""
        return f"{self.centre}/{self.format}/{table}"


@dataclass(frozen=True)
class BuildReport:
    """The account of the tables; how many events, subjects, problems and shards were written."""

    account: pl.DataFrame
    events: int
    subjects: int
    problems: int
    shards: int
