"""Section: what changed since the release before."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from unibase.releases.report.data import Contents, ReportData, at_least, text
from unibase.releases.report.section import Section


@dataclass(frozen=True)
class _Changes:
    """What changed since the release `version`; counts as they may be shown, `more` for columns that are not listed."""

    version: str
    added: str
    removed: str
    rows: list[tuple[str, str, str]]
    cells: list[tuple[str, str, str]]
    more: int
    columns: list[tuple[str, str, str]]


def _changes(data: ReportData) -> _Changes | None:
    """Return what changed since the previous release, by table and column, in multiples of the smallest count."""
    found = data.changes
    if found is None:
        return None
    cells = found.cells.filter(pl.col("table") != "dictionary")
    grouped = cells.group_by("table", "column").agg(pl.len().alias("cells"), pl.col("cause").unique().sort().str.join("; "))
    # The order of exact counts would say which of two rounded ones is the larger.
    grouped = grouped.sort(pl.col("cells") // data.min_cell, "table", "column", descending=[True, False, False])
    moved = found.rows.filter(pl.col("table") != "dictionary").group_by("table", "change").len().sort("table", "change")
    return _Changes(
        version=data.about.get("previous", ""),
        added=text(data.weighed.cohort.added),
        removed=text(data.weighed.cohort.removed),
        rows=[(table, change, at_least(count, data.min_cell)) for table, change, count in moved.iter_rows()],
        cells=[
            (f"{row['table']}.{row['column']}", at_least(row["cells"], data.min_cell), row["cause"])
            for row in grouped.head(30).to_dicts()
        ],
        more=max(0, grouped.height - 30),
        columns=found.columns[:30],
    )


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing for a first release.

    Args:
        data: The data of the page.
    """
    found = _changes(data)
    return None if found is None else {"changes": found}


SECTION = Section(
    "changes",
    ("Ce qui a changé depuis la version précédente", "What changed since the previous version"),
    ("Changements", "Changes"),
    contents,
    after="quarantine",
)
