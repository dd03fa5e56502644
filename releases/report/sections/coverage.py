"""Section: which centre has events of which concept; an endpoint of which a centre has none says so."""

from __future__ import annotations

from typing import Any

import polars as pl

from unibase.releases.report.data import Contents, ReportData, at_least
from unibase.releases.report.section import Section


def _cell(row: dict[str, Any], min_cell: int) -> str:
    return "0" if row["persons"] == 0 else at_least(row["persons"], min_cell)


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows: persons by concept and centre, counted down, and who has none. `data`: that of the page."""
    table = data.evidence.get("coverage")
    if table is None or not table.height:
        return None
    centres = table["centre"].unique().sort().to_list()
    rows = [
        {
            "concept": concept,
            "asked_by": mine["asked_by"][0] or "",
            "cells": [_cell(row, data.min_cell) for row in mine.sort("centre").iter_rows(named=True)],
        }
        for (concept,), mine in table.sort("concept").group_by("concept", maintain_order=True)
    ]
    none = table.filter(pl.col("persons") == 0).sort("concept", "centre")
    return {"centres": centres, "rows": rows, "none": none.select("concept", "centre", "asked_by").to_dicts()}


SECTION = Section(
    "coverage",
    ("Ce que chaque centre apporte", "What each centre holds"),
    ("Couverture", "Coverage"),
    contents,
    after="harmonisation",
    evidence=("coverage",),
)
