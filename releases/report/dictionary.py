"""Section: the data dictionary, with search."""

from __future__ import annotations

from typing import Any

import polars as pl

from releases.report.data import ReportData
from releases.report.section import Section


def dictionary_rows(dictionary: pl.DataFrame, limit: int = 1500) -> dict[str, Any]:
    """Return the rows the page can search; variables of large matrices are left to the dictionary files."""
    rows = dictionary.filter(pl.col("rows").is_not_null())
    return {"rows": rows.head(limit).to_dicts(), "shown": min(limit, rows.height), "total": dictionary.height}


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    return {"dictionary": dictionary_rows(data.dictionary)}


SECTION = Section("dictionary", ("Dictionnaire des données", "Data dictionary"), ("Dictionnaire", "Dictionary"), contents)
