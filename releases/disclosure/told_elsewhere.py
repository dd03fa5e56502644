"""What a policy makes coarser in one table and another file of the release still tells: found by value, not by name.

A year of the index in `subjects` hides nothing from who has its day in `adtte`. So the values before are looked for in all
tables and in the timeline, and where they stand is told to whoever publishes and to whoever reads the manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import polars.selectors as cs

from unibase.groundwork.tables import EVENTS
from unibase.releases.disclosure.decisions import Decision
from unibase.releases.disclosure.disclosure_policy import DisclosurePolicy

TOLD_SHARE = 0.5
"""A column tells what was made coarser where it holds the value before for so large a share of the subjects concerned."""
BIRTH = "MEDS_BIRTH"
_NAMES = ("PARAMCD", "code", "variable")
"""Columns that say what a row of a table is of."""
_BEFORE = "the value before"
_DAYS_OF_YEAR = 365.25


def told_elsewhere(policy: DisclosurePolicy, before: pl.DataFrame, after: pl.DataFrame, release: Path) -> dict[str, list[str]]:
    """Return, for each column that the policy made coarser, where in the release the value before still stands.

    Args:
        policy: What was made coarser.
        before: Table `subjects` (or another of one row a subject) as it was.
        after: The same as released.
        release: Folder of the release, its tables and timeline written.

    Returns:
        Column of `after` to `table.column` or `timeline: code`, in order; empty where nothing else tells it.
    """
    return {name: sorted(_places(name, before, after, release)) for name in policy.coarser() if name in after.columns}


def decisions(coarsened: Mapping[str, str], told: Mapping[str, list[str]]) -> list[Decision]:
    """Return the record of what was made coarser, for `disclosure.parquet`.

    Args:
        coarsened: Column to what is kept of it, as `DisclosurePolicy.coarser` says it.
        told: What `told_elsewhere` found.
    """
    return [
        Decision("policy", name, f"kept: {kept}", not told.get(name), _why(told.get(name, ())))
        for name, kept in coarsened.items()
    ]


def _why(places: list[str] | tuple[str, ...]) -> str:
    if not places:
        return "No other column of the tables and no event of the timeline holds the value before."
    return f"The value before still stands in {', '.join(places)}: who has these files can tell it."


def _places(name: str, before: pl.DataFrame, after: pl.DataFrame, release: Path) -> Iterator[str]:
    pairs = before.select("subject_id", pl.col(name).alias(_BEFORE)).join(after.select("subject_id", name), on="subject_id")
    changed = pairs.filter(pl.col(_BEFORE).ne_missing(pl.col(name))).select("subject_id", _BEFORE)
    if changed.is_empty():
        return
    for path in sorted((release / "tables").glob("*.parquet")):
        schema = pl.read_parquet_schema(path)
        if "subject_id" not in schema and "primary" not in schema:
            continue
        rows = pl.scan_parquet(path).rename({} if "subject_id" in schema else {"primary": "subject_id"})
        yield from (f"{path.stem}.{place}" for place in _columns_with(rows, changed))
    timeline = pl.scan_parquet(release / "timeline" / "data" / "**" / "*.parquet", hive_partitioning=False)
    yield from (f"timeline.{place}" for place in _columns_with(timeline, changed))
    if changed.schema[_BEFORE].is_numeric() and _tells_ages(timeline, changed, release):
        yield f"timeline.time of {BIRTH}"


def _columns_with(rows: pl.LazyFrame, changed: pl.DataFrame) -> list[str]:
    """Return the columns, with what the rows are of, that hold the value before of enough subjects."""
    schema = rows.collect_schema()
    kind = next((one for one in _NAMES if one in schema), None)
    alike = _alike(schema, changed.schema[_BEFORE])
    if not alike:
        return []
    value = pl.col(_BEFORE).cast(pl.Date) if changed.schema[_BEFORE].is_temporal() else pl.col(_BEFORE)
    same = [(_comparable(name, schema[name]) == value).any().alias(name) for name in alike]
    by = ["subject_id", *([kind] if kind else [])]
    found = rows.select(*dict.fromkeys([*by, *alike])).join(changed.lazy(), on="subject_id").group_by(by).agg(same)
    counted = found.group_by(kind).agg(pl.col(alike).sum()) if kind else found.select(pl.col(alike).sum())
    least = changed.height * TOLD_SHARE
    return [
        f"{name} of {row[kind]}" if kind else name
        for row in counted.collect().iter_rows(named=True)
        for name in alike
        if row[name] >= least
    ]


def _alike(schema: pl.Schema, dtype: pl.DataType) -> list[str]:
    """Return the columns of a type that can hold the value, without those that name the rows."""
    empty = pl.DataFrame(schema=schema).drop("subject_id", *_NAMES, strict=False)
    if dtype.is_temporal():
        return empty.select(cs.date() | cs.datetime()).columns
    return empty.select(cs.numeric() if dtype.is_numeric() else cs.string()).columns


def _comparable(name: str, dtype: pl.DataType) -> pl.Expr:
    return pl.col(name).cast(pl.Date) if dtype.is_temporal() else pl.col(name)


def _tells_ages(timeline: pl.LazyFrame, changed: pl.DataFrame, release: Path) -> bool:
    """Return whether the value is the age at the index that births tell, to within a year."""
    analysis = release / "tables" / "analysis.parquet"
    if "index_time" not in pl.read_parquet_schema(analysis):
        return False
    born = EVENTS.conform(timeline.filter(pl.col("code") == BIRTH).collect()).select(
        "subject_id", pl.coalesce("time", "time_min").alias("born")
    )
    index = pl.read_parquet(analysis, columns=["subject_id", "index_time"])
    both = changed.join(born.drop_nulls().unique("subject_id"), on="subject_id").join(index, on="subject_id")
    age = (pl.col("index_time") - pl.col("born")).dt.total_days() / _DAYS_OF_YEAR
    return both.filter((age - pl.col(_BEFORE)).abs() <= 1.0).height >= changed.height * TOLD_SHARE
