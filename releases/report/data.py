"""What the page of a release is drawn from, and how it writes a count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from releases.difference import Difference
from releases.disclosure import MASK_TEXT, is_small

DAYS_PER_MONTH = 30.4375


@dataclass(frozen=True)
class ReportData:
    """What the page is drawn from; see `releases.publish` for the tables."""

    study: str
    title: str
    version: str
    description: str
    tables: Mapping[str, pl.DataFrame]
    timeline: Path
    codes: pl.DataFrame
    modalities: Mapping[str, Sequence[str]]
    flow: Sequence[Mapping[str, Any]]
    dictionary: pl.DataFrame
    about: Mapping[str, Any]
    min_cell: int
    concepts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    evidence: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    changes: Difference | None = None


def shown(count: int, min_cell: int) -> str:
    """Return a count as text, or the mask."""
    return MASK_TEXT if is_small(count, min_cell) else f"{count:,}".replace(",", "\u202f")


def centre_count(data: ReportData) -> int:
    """Return how many centres have subjects."""
    subjects = data.tables["subjects"]
    return subjects["centre"].drop_nulls().n_unique() if "centre" in subjects.columns else 0
