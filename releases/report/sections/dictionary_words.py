"""The data dictionary as a page of its own, with search, and the section that points to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

import polars as pl

from unibase.releases.reasons import NOT_APPLICABLE, NOT_DONE, NOT_KNOWN, NOT_YET, WITHHELD
from unibase.releases.report.data import Contents, ReportData, text
from unibase.releases.report.section import Section

FRENCH: Mapping[str, str] = {
    NOT_DONE: "non fait",
    NOT_KNOWN: "non connu",
    NOT_APPLICABLE: "sans objet",
    NOT_YET: "pas encore",
    WITHHELD: "retenu",
}
MOST = 1500
"""Variables on the page; the dictionary files have all."""


def dictionary_rows(data: ReportData) -> list[dict[str, object]]:
    """Return the rows of `data` the page can search: columns of tables, not the variables of large matrices."""
    tables = {path.stem for path in (data.folder / "tables").glob("*.parquet")} | {"timeline"}
    mine = data.dictionary.filter(pl.col("table").is_in(sorted(tables)))
    rows = mine.head(MOST).to_dicts()
    words = [_missing_words(row["missing_by_reason"]) for row in rows]
    return [{**row, "missing_words": said} for row, said in zip(rows, words, strict=True)]


@cache
def _missing_words(counts: str) -> list[tuple[str, str, str]]:
    """Return `(count, reason in French, reason in English)` of a variable's empty cells, the mask where it is hidden."""
    found = dict(json.loads(counts)) if counts else {}
    return [(text(count), FRENCH[reason], reason) for reason, count in found.items()]


def contents(data: ReportData) -> Contents:
    """Return what the template shows.

    Args:
        data: The data of the page.
    """
    return {"total": data.dictionary.height}


SECTION = Section(
    "dictionary", ("Dictionnaire des données", "Data dictionary"), ("Dictionnaire", "Dictionary"), contents, after="anonymity"
)
