"""Section: the data dictionary, with search."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import polars as pl

from unibase.releases.disclosure.small_counts import MASK_TEXT, suppress
from unibase.releases.report.data import ReportData
from unibase.releases.report.section import Section

FRENCH = {
    "not done": "non fait",
    "not known": "non connu",
    "not applicable": "sans objet",
    "not yet": "pas encore",
    "withheld": "retenu",
}


def dictionary_rows(dictionary: pl.DataFrame, min_cell: int, limit: int = 1500) -> dict[str, Any]:
    """Return the rows the page can search; variables of large matrices are left to the dictionary files."""
    rows = dictionary.filter(pl.col("rows").is_not_null())
    shown = rows.head(limit).to_dicts()
    for row in shown:
        row["missing_words"] = missing_words(row["missing_by_reason"], row["rows"], min_cell)
    return {"rows": shown, "shown": min(limit, rows.height), "total": dictionary.height}


@cache
def missing_words(counts: str, rows: int, min_cell: int) -> list[tuple[str, str, str]]:
    """Return `(count, reason in French, reason in English)` of a variable's empty cells, small counts masked."""
    found = dict(json.loads(counts)) if counts else {}
    if not found:
        return []
    # The number of rows is on the page, so the filled cells are a group like the others.
    masked = suppress([*found.values(), rows - sum(found.values())], [], min_cell)
    return [
        (MASK_TEXT if count is None else str(count), FRENCH[reason], reason)
        for reason, count in zip(found, masked.counts, strict=False)
    ]


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    return {"dictionary": dictionary_rows(data.dictionary, data.min_cell)}


SECTION = Section("dictionary", ("Dictionnaire des données", "Data dictionary"), ("Dictionnaire", "Dictionary"), contents)
