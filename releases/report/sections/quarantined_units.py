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
    masked = suppress(grouped.sort("stage", "reason")["units"].to_list(), [], data.min_cell)
    # In order of what is shown: the place of a dot between two counts would say between which values its own is.
    shown = grouped.sort("stage", "reason").with_columns(pl.Series("units", masked.counts, dtype=pl.Int64))
    shown = shown.sort("units", "stage", "reason", descending=[True, False, False], nulls_last=True)
    for row in shown.iter_rows(named=True):
        data.told("quarantine", f"{row['stage']}: {row['reason']}", row["units"])
    top = max((c for c in masked.counts if c), default=1)
    return [
        {
            "stage": row["stage"],
            "reason": row["reason"],
            "remedy": row["remedy"] or "",
            "count": MASK_TEXT if row["units"] is None else str(row["units"]),
            "width": 0 if row["units"] is None else round(100 * row["units"] / top, 1),
        }
        for row in shown.to_dicts()
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
