"""Section: the checks of data quality, those that did not pass first."""

from __future__ import annotations

from typing import Any

import polars as pl

from unibase.releases.disclosure.small_counts import MASK_TEXT, is_small
from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section


def _checks(data: ReportData) -> list[dict[str, object]]:
    """Return the checks over all years: share of rows that violate each, what is allowed, and whether it passed.

    Numbers of rows are not shown: those of two checks can differ by a few persons. A share that stands for few rows is masked.
    """
    frame = data.evidence.get("quality")
    if frame is None or not frame.height:
        return []
    whole = frame.filter(pl.col("year").is_null()).sort("passed", "category", "check", "centre", "table", "field")
    return [
        {
            "category": row["category"],
            "check": row["check"].replace("-", " "),
            "place": " / ".join(part for part in (row["centre"], row["table"], row["field"]) if part),
            "share": MASK_TEXT if _tells(row, data.min_cell) else f"{_share(row, data.min_cell):.1f} %",
            "allowed": f"{row['threshold']:g} %",
            "passed": row["passed"],
            "stops": row["stops_release"],
            "kept_out": row["kept_out"] > 0,
        }
        for row in whole.iter_rows(named=True)
    ]


def _share(row: dict[str, Any], min_cell: int) -> float:
    """Return the percentage of rows that violate a check, these counted down to a multiple of `min_cell`.

    Rows may be persons: an exact share beside the size of a centre would say how many, and no other number is weighed with it.
    """
    count = row["violations"] if row["violations"] == row["rows"] else row["violations"] // min_cell * min_cell
    return float(100 * count / row["rows"]) if row["rows"] else 0.0


def _tells(row: dict[str, Any], min_cell: int) -> bool:
    return any(is_small(count, min_cell) for count in (row["rows"], row["violations"], row["rows"] - row["violations"]))


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where no check was made. `data`: the data of the page."""
    rows = _checks(data)
    if not rows:
        return None
    failed = [row for row in rows if not row["passed"]]
    return {"failed": failed, "passed": [row for row in rows if row["passed"]], "total": len(rows)}


SECTION = Section(
    "quality",
    ("Qualité des données", "Data quality"),
    ("Qualité", "Quality"),
    contents,
    after="harmonisation",
    evidence=("quality",),
)
