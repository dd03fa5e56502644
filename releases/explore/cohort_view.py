"""A cohort as those entitled see it: how many, Table 1 by group, survival by group, exact; and one subject's timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.methods.expected_events import expected_curve
from unibase.releases.explore.cohort_filter import Columns, Condition
from unibase.releases.read.known_times import times_of, with_known_times

MOST_GROUPS = 8
_FIRST = ("AGE", "SEX", "centre", "T", "N", "M", "STAGE", "CHARLSON")
_MOST_ROWS = 30


@dataclass(frozen=True)
class Line:
    """A line of Table 1.

    Attributes:
        name: The characteristic.
        level: Its level; empty for a number.
        cells: What stands under each group.
    """

    name: str
    level: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class GroupCurve:
    """Survival of a group.

    Attributes:
        name: The group.
        subjects: How many have a time.
        events: How many had the event.
        median: Median time, None where it is not reached.
        time: Times of the steps.
        survival: Survival just after each.
    """

    name: str
    subjects: int
    events: int
    median: float | None
    time: tuple[float, ...]
    survival: tuple[float, ...]


@dataclass(frozen=True)
class CohortView:
    """What is shown of a cohort.

    Attributes:
        subjects: How many meet the conditions.
        of: How many the release has.
        groups: Names of the groups.
        table: Table 1.
        unit: Unit of the times.
        curves: Survival by group.
    """

    subjects: int
    of: int
    groups: tuple[str, ...]
    table: tuple[Line, ...]
    unit: str
    curves: tuple[GroupCurve, ...]


@dataclass(frozen=True)
class Happening:
    """One line of a subject's timeline: the day from the index (None where no day is known), what, and its value."""

    day: float | None
    code: str
    value: str


def view(columns: Columns, conditions: Sequence[Condition], group: str = "", endpoint: str = "OS") -> CohortView:
    """Return a cohort.

    Args:
        columns: Of the release.
        conditions: Who is in it.
        group: A column whose values are compared; numbers are split at their median. Empty for none.
        endpoint: PARAMCD of the endpoint.

    Raises:
        UserError: If a column is not there, or cannot be compared so.
    """
    mask = columns.chosen(conditions)
    groups = _groups(columns, mask, group)
    lines = tuple(line for name in _shown(columns) for line in _lines(name, columns.of(name), [m for _, m in groups]))
    unit, curves = _survival(columns, groups, endpoint)
    return CohortView(int(mask.sum()), len(mask), tuple(name for name, _ in groups), lines, unit, curves)


def _shown(columns: Columns) -> list[str]:
    """Return the characteristics of Table 1: those of all studies, then the clinical numbers and words of this one."""
    first = [name for name in _FIRST if name in columns.subjects.columns]
    clinical = [
        name for name in columns.analysis if not name.endswith("_sample") and "_" not in name and not name.startswith("index")
    ]
    return [*first, *clinical][:_MOST_ROWS]


def _groups(columns: Columns, mask: pl.Series, group: str) -> list[tuple[str, pl.Series]]:
    if not group:
        return [("All", mask)]
    column = columns.of(group)
    if column.dtype.is_numeric() and column.n_unique() > MOST_GROUPS:
        known = column.filter(mask).drop_nulls().cast(pl.Float64)
        if known.is_empty():
            return [("All", mask)]
        middle = float(known.quantile(0.5, "linear") or 0.0)
        high = (column > middle).fill_null(False)
        low = (column <= middle).fill_null(False)
        return [
            (f"{group} <= {middle:g}", mask & low),
            (f"{group} > {middle:g}", mask & high),
            ("not known", mask & column.is_null()),
        ]
    text = column.cast(pl.String)
    levels = (
        text.filter(mask)
        .drop_nulls()
        .value_counts(sort=True)
        .sort("count", text.name, descending=[True, False])[text.name]
        .to_list()
    )
    named = sorted(levels[: MOST_GROUPS - 2])
    found = [(level, mask & (text == level).fill_null(False)) for level in named]
    if rest := levels[MOST_GROUPS - 2 :]:
        found.append(("all others", mask & text.is_in(rest).fill_null(False)))
    return [*found, *_unknown(mask & text.is_null())]


def _unknown(mask: pl.Series) -> list[tuple[str, pl.Series]]:
    return [("not known", mask)] if mask.any() else []


def _lines(name: str, column: pl.Series, groups: Sequence[pl.Series]) -> Iterator[Line]:
    parts = [column.filter(mask) for mask in groups]
    if column.dtype.is_numeric():
        yield Line(name, "", tuple(_quartiles(part) for part in parts))
    elif column.dtype in (pl.String, pl.Boolean):
        texts = [part.cast(pl.String) for part in parts]
        levels = sorted({level for part in texts for level in part.drop_nulls().unique()})
        for level in levels[:_MOST_ROWS]:
            yield Line(name, level, tuple(_share(int((part == level).sum()), len(part)) for part in texts))
    else:
        return
    if any(part.null_count() for part in parts):
        yield Line(name, "not known", tuple(str(part.null_count()) for part in parts))


def _quartiles(part: pl.Series) -> str:
    known = part.drop_nulls().cast(pl.Float64)
    if known.is_empty():
        return "-"
    low, middle, high = (float(known.quantile(q, "linear") or 0.0) for q in (0.25, 0.5, 0.75))
    return f"{middle:.4g} [{low:.4g}, {high:.4g}]"


def _share(count: int, of: int) -> str:
    return f"{count} ({count / of:.0%})" if of else "0"


def _survival(columns: Columns, groups: Sequence[tuple[str, pl.Series]], endpoint: str) -> tuple[str, tuple[GroupCurve, ...]]:
    path = columns.folder / "tables" / "adtte.parquet"
    if not path.exists():
        return "", ()
    adtte = pl.read_parquet(path).filter(pl.col("PARAMCD") == endpoint)
    unit = str(adtte["AVALU"].drop_nulls().first() or "days").lower() if adtte.height else ""
    ids = columns.subjects["subject_id"]
    curves = [_curve(name, adtte.filter(pl.col("subject_id").is_in(ids.filter(mask).implode()))) for name, mask in groups]
    return unit, tuple(one for one in curves if one is not None)


def _curve(name: str, adtte: pl.DataFrame) -> GroupCurve | None:
    rows = with_known_times(adtte)
    if rows.is_empty():
        return None
    curve = expected_curve(times_of(rows), 1.0)
    median = curve.median()[0]
    reached = None if np.isnan(median) else float(median)
    times, levels = tuple(map(float, curve.time)), tuple(map(float, curve.survival.round(6)))
    return GroupCurve(name, rows.height, int(rows["_event"].sum()), reached, times, levels)


def endpoints(columns: Columns) -> list[str]:
    """Return the PARAMCD of the endpoints of the release.

    Args:
        columns: Of the release.
    """
    path = columns.folder / "tables" / "adtte.parquet"
    return pl.read_parquet(path, columns=["PARAMCD"])["PARAMCD"].unique().sort().to_list() if path.exists() else []


def names(columns: Columns, text: str, most: int = 40) -> list[str]:
    """Return names of columns that hold a text: those of tables first, then variables of modalities, then codes of events.

    Args:
        columns: Of the release.
        text: Any part of a name.
        most: How many at most.
    """
    wanted = text.lower()
    plain = [name for name in (*columns.subjects.columns, *columns.analysis) if name != "subject_id"]
    found = (f"{modality}:{name}" for modality, own in columns.variables.items() for name in own)
    genes = (f"{modality}:{symbol}" for modality, own in columns.symbols.items() for symbol in own)
    codes = (f"event:{code}" for code in _codes(columns.folder))
    out: list[str] = []
    for name in (*plain, *genes, *found, *codes):
        if wanted in name.lower():
            out.append(name)
        if len(out) >= most:
            break
    return out


def _codes(folder: Path) -> list[str]:
    path = folder / "timeline" / "metadata" / "codes.parquet"
    return pl.read_parquet(path, columns=["code"])["code"].unique().sort().to_list() if path.exists() else []


def timeline(columns: Columns, subject: int) -> list[Happening]:
    """Return the timeline of a subject in days from the index: events, images with their regions, in order.

    Args:
        columns: Of the release.
        subject: A subject_id.

    Raises:
        UserError: If the release has no such subject.
    """
    row = columns.subjects.filter(pl.col("subject_id") == subject)
    if row.is_empty():
        raise UserError("The release has no such subject.")
    start = _index(columns, subject)
    files = sorted((columns.folder / "timeline" / "data").rglob("*.parquet"))
    events = (
        pl.scan_parquet(files, hive_partitioning=False).filter(pl.col("subject_id") == subject).collect().sort("time", "code")
    )
    found = [Happening(_days(one["time"], start), one["code"], _value(one)) for one in events.iter_rows(named=True)]
    return sorted(
        [*found, *_images(columns.folder, subject, start)], key=lambda one: (one.day is not None, one.day or 0.0, one.code)
    )


def _index(columns: Columns, subject: int) -> datetime | None:
    table = pl.scan_parquet(columns.folder / "tables" / "analysis.parquet")
    if "index_time" not in table.collect_schema().names():
        return None
    found = table.filter(pl.col("subject_id") == subject).select("index_time").collect()["index_time"]
    return found.first() if len(found) else None  # type: ignore[return-value]


def _days(time: datetime | None, start: datetime | None) -> float | None:
    return None if time is None or start is None else round((time - start).total_seconds() / 86_400, 1)


def _value(event: Mapping[str, object]) -> str:
    parts = (event["numeric_value"], event["unit"], event["text_value"])
    return " ".join(f"{part:.6g}" if isinstance(part, float) else str(part) for part in parts if part is not None)


def _images(folder: Path, subject: int, start: datetime | None) -> list[Happening]:
    path = folder / "tables" / "features.parquet"
    if not path.exists():
        return []
    own = (
        pl.scan_parquet(path)
        .filter(pl.col("subject_id") == subject)
        .select("series_time", "Modality", "region")
        .unique()
        .collect()
    )
    regions = own.group_by("series_time", "Modality").agg(pl.col("region").sort()).sort("series_time", "Modality")
    return [
        Happening(_days(time, start), f"image {kind}", "regions: " + ", ".join(filter(None, found)))
        for time, kind, found in regions.iter_rows()
    ]
