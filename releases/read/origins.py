"""Where a column of the subjects table comes from, and why a cell is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from unibase.releases.content.missingness import REASONS
from unibase.releases.content.released_timeline import read_timeline
from unibase.releases.read.index_day import INDEX, days_from_index, index_days
from unibase.releases.reasons import NOT_DONE, NOT_KNOWN

BIRTH = "MEDS_BIRTH"
ALL_OF = ("CHARLSON",)
"""Columns that add up several events."""
FIRST_OF = ("SEX", "AGE")
"""Columns of which the first source counts; of others the last event up to the index does."""


def _base_column(column: str) -> str:
    """Return the column that a prefix or a text stands beside: T of `T_prefix` and `T_text`."""
    return column.removesuffix("_prefix").removesuffix("_text")


def subject_sources(folder: Path, about: Mapping[str, Any], subject_id: int, column: str, row: Mapping[str, object]) -> list[str]:
    """Say which events a column of `subjects` was read from.

    Args:
        folder: Folder of the release.
        about: Its manifest.
        subject_id: The subject.
        column: The column.
        row: The row of the subject.
    """
    codes = dict(about.get("subject_codes", {})).get(_base_column(column))
    if not codes:
        return []
    found = _events(folder, subject_id, codes, _index(folder, about, subject_id))
    written = row.get(f"{_base_column(column)}_text")
    if written is not None:
        found = found.filter(pl.col("text_value") == written)
    if not found.height:
        return ["No event of the timeline says anything of it up to the index."]
    if column in FIRST_OF:
        # Rows of a source stand in the order of the export; their numbers may be keyed.
        found = found.sort("source", maintain_order=True).head(1)
    return [_said(event) for event in (found if column in ALL_OF else found.tail(1)).iter_rows(named=True)]


def _index(folder: Path, about: Mapping[str, object], subject_id: int) -> date | None:
    found = index_days(folder, about).filter(pl.col("subject_id") == subject_id)[INDEX].to_list()
    return found[0] if found else None


def _events(folder: Path, subject_id: int, codes: Sequence[str], index: date | None) -> pl.DataFrame:
    named = [pl.col("code") == code for code in codes if not code.endswith("*")]
    begin = [pl.col("code").str.starts_with(code[:-1]) for code in codes if code.endswith("*")]
    rows = read_timeline(folder / "timeline").filter((pl.col("subject_id") == subject_id) & pl.any_horizontal(*named, *begin))
    found = rows.collect()
    if index is not None:
        found = found.filter(pl.col("time").is_null() | (pl.col("time").dt.date() <= index))
        found = found.with_columns(pl.lit(index).alias(INDEX)).with_columns(days_from_index("time").alias("days_from_index"))
    return found.sort("time", "source", nulls_last=False, maintain_order=True)


def _said(event: Mapping[str, object]) -> str:
    days = event.get("days_from_index")
    # Days of a birth would tell the age to the day, and no reader asks for them.
    when = f", {days} days from the index" if days is not None and event["code"] != BIRTH else ""
    text = f", written {event['text_value']}" if event.get("text_value") else ""
    return f"Read from: source {event['source']}, source_row {event['source_row']}, code {event['code']}{text}{when}."


def why_empty(folder: Path, table: str, column: str, subject_id: int, row: Mapping[str, object]) -> str:
    """Say why a cell is empty: the reason of the release, or what stands in its place.

    Args:
        folder: Folder of the release.
        table: `analysis`, `subjects`, or a modality.
        column: The column; of a modality with the modality's name before it.
        subject_id: The subject.
        row: The row of the subject.
    """
    written = row.get(f"{_base_column(column)}_text")
    if table == "subjects" and column.endswith("_prefix") and row.get(_base_column(column)) is not None:
        return "It is empty: the source writes the category without a prefix."
    if written is not None:
        return f"It is empty: the source writes {written!r}, which is no category of this vocabulary."
    if table == "subjects":
        return "It is empty (not known): no record up to the index says it, or its date leaves several values possible."
    reason = _told(folder, column, subject_id) or (NOT_KNOWN if _is_traced(folder, column, subject_id) else NOT_DONE)
    return f"It is empty ({reason}): {MEANINGS[reason]}."


MEANINGS = {str(one): one.meaning[0].lower() + one.meaning[1:].rstrip(".") for one in REASONS}
"""What each reason means, as the end of a sentence."""


def _matches(column: str) -> pl.Expr:
    star = pl.col("variable").str.ends_with("*") & pl.lit(column).str.starts_with(pl.col("variable").str.strip_suffix("*"))
    return (pl.col("variable") == column) | star


def _told(folder: Path, column: str, subject_id: int) -> str | None:
    """Return the reason in the table `missing`: that of the column itself, else of the longest beginning."""
    path = folder / "tables" / "missing.parquet"
    if not path.is_file():
        return None
    rows = pl.scan_parquet(path).filter((pl.col("subject_id") == subject_id) & _matches(column)).collect()
    best = max(rows.iter_rows(named=True), key=lambda r: (r["variable"] == column, len(r["variable"])), default=None)
    return None if best is None else str(best["reason"])


def _is_traced(folder: Path, column: str, subject_id: int) -> bool:
    rows = pl.scan_parquet(folder / "tables" / "trace.parquet")
    if not {"subject_id", "variable"} <= set(rows.collect_schema().names()):
        return False
    return bool(rows.filter((pl.col("subject_id") == subject_id) & _matches(column)).select(pl.len()).collect().item())
