"""Section: what was refused, by stage and reason."""

from __future__ import annotations

import polars as pl

from unibase.releases.disclosure.small_counts import MASK_TEXT, suppress
from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section


def _quarantine(data: ReportData) -> list[dict[str, object]]:
    """Return units not used, by stage and reason, small counts masked; the message of a reason says what to do."""
    frame = data.table("quarantine")
    if not frame.height:
        return []
    grouped = frame.group_by("stage", "reason").agg(pl.len().alias("units"), pl.col("remedy").drop_nulls().sort().first())
    grouped = grouped.sort(["units", "stage", "reason"], descending=[True, False, False])
    counts = grouped["units"].to_list()
    masked = suppress(counts, [], data.min_cell)
    for row, count in zip(grouped.iter_rows(named=True), masked.counts, strict=True):
        data.told("quarantine", f"{row['stage']}: {row['reason']}", count)
    top = max((c for c in masked.counts if c), default=1)
    return [
        {
            "stage": row["stage"],
            "reason": row["reason"],
            "remedy": row["remedy"] or "",
            "count": MASK_TEXT if count is None else str(count),
            "width": 0 if count is None else round(100 * count / top, 1),
        }
        for row, count in zip(grouped.to_dicts(), masked.counts, strict=True)
    ]


def contents(data: ReportData) -> Contents:
    """Return what the template shows.

    Args:
        data: The data of the page.
    """
    return {"quarantine": _quarantine(data)}


SECTION = Section(
    "quarantine",
    ("Ce qui a été mis en quarantaine", "What was quarantined"),
    ("Quarantaine", "Quarantine"),
    contents,
    after="concordance",
)
