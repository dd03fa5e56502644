"""The quarantine of all stages as one table."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.groundwork.tables import QUARANTINE


def read_quarantine(staging: Path) -> pl.DataFrame:
    """Return the quarantine of all stages as one table. `staging`: folder of staging."""
    frames = [QUARANTINE.read(path) for path in sorted((staging / "quarantine").glob("*.parquet"))]
    table = pl.concat([QUARANTINE.empty(), *frames]).unique(["stage", "unit", "reason"], keep="first", maintain_order=True)
    return QUARANTINE.conform(table)
