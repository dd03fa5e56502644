"""The data dictionary as a page of its own, with search, and the section that points to it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import polars as pl

from unibase.releases.report.data import ReportData, text
from unibase.releases.report.section import Section

FRENCH = {
    "not done": "non fait",
    "not known": "non connu",
    "not applicable": "sans objet",
    "not yet": "pas encore",
    "withheld": "retenu",
}
MOST = 1500
"""Variables on the page; the dictionary files have all."""


def dictionary_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return the rows the page can search: columns of tables, not the variables of large matrices."""
    tables = {path.stem for path in (data.folder / "tables").glob("*.parquet")} | {"timeline"}
    rows = data.dictionary.filter(pl.col("table").is_in(sorted(tables))).head(MOST).to_dicts()
    return [{**row, "missing_words": missing_words(row["missing_by_reason"])} for row in rows]


@cache
def missing_words(counts: str) -> list[tuple[str, str, str]]:
    """Return `(count, reason in French, reason in English)` of a variable's empty cells, the mask where it is hidden."""
    found = dict(json.loads(counts)) if counts else {}
    return [(text(count), FRENCH[reason], reason) for reason, count in found.items()]


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    return {"total": data.dictionary.height}


SECTION = Section(
    "dictionary", ("Dictionnaire des données", "Data dictionary"), ("Dictionnaire", "Dictionary"), contents, after="anonymity"
)
