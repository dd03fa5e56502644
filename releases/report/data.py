"""What the page of a release is drawn from, and how it writes a count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from unibase.releases.disclosure.small_counts import MASK_TEXT, is_small
from unibase.releases.read.difference import Difference

DAYS_PER_MONTH = 30.4375


@dataclass(frozen=True)
class ReportData:
    """What the page is drawn from: the release being built in `folder`, and what its tables do not hold."""

    study: str
    title: str
    version: str
    description: str
    folder: Path
    modalities: Mapping[str, Sequence[str]]
    flow: Sequence[Mapping[str, Any]]
    dictionary: pl.DataFrame
    about: Mapping[str, Any]
    min_cell: int
    concepts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    evidence: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    changes: Difference | None = None

    def table(self, name: str, *columns: str) -> pl.DataFrame:
        """Read a released table, or some columns of it: a wide one is never held whole for a page."""
        return pl.read_parquet(self.folder / "tables" / f"{name}.parquet", columns=list(columns) or None)

    def has(self, name: str) -> bool:
        """Return whether the release has a table."""
        return (self.folder / "tables" / f"{name}.parquet").is_file()

    def columns(self, name: str) -> list[str]:
        """Return the names of the columns of a released table."""
        return list(pl.read_parquet_schema(self.folder / "tables" / f"{name}.parquet"))


def shown(count: int, min_cell: int) -> str:
    """Return a count as text, or the mask."""
    return MASK_TEXT if is_small(count, min_cell) else f"{count:,}".replace(",", "\u202f")


def centre_count(data: ReportData) -> int:
    """Return how many centres have subjects."""
    return data.table("subjects", "centre")["centre"].drop_nulls().n_unique() if "centre" in data.columns("subjects") else 0
