"""The data cut-off of a source: after that day nothing counts.

By default it is the day of the export, which the files' last change tells: no row can be of a later day. A study may set an earlier
one. Sources whose calendar was moved before they came here (de-identified ones) have no default: most of their persons are born
after the export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from unibase.clinical.reasons import AFTER_CUTOFF, END_AFTER_CUTOFF, FUTURE_DATE
from unibase.clinical.sources.events import tally_key
from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.words.acts import PLANNED
from unibase.clinical.words.partial_dates import UNKNOWN_MAX, UNKNOWN_MIN, shift_bounds, unknown_where
from unibase.groundwork.tables import TIMESTAMP

DEATH = "MEDS_DEATH"
_FIRST_LIKELY = date(2000, 1, 1)
"""Files that changed before are those of an archive that sets all dates."""


@dataclass(frozen=True)
class CutOff:
    """The last day that counts; `set_by_study` is false for the day of the export."""

    day: date
    set_by_study: bool

    @property
    def moment(self) -> datetime:
        """The last instant of the day."""
        return datetime.combine(self.day, time.max)


@dataclass(frozen=True)
class Wanted:
    """What decides on the cut-off of a source.

    Attributes:
        said: What the study says: a day, `none`, or nothing.
        source: File or folder of the source, or the address of a server, whose day is today.
    """

    said: date | Literal["none"] | None
    source: Path | str

    def cut_off(self, birth_years: Mapping[int, int]) -> CutOff | None:
        """Return the cut-off; None where there is none, or no day of the export can be told.

        `birth_years`: births by year in the source.
        """
        if self.said == "none":
            return None
        if isinstance(self.said, date):
            return CutOff(self.said, True)
        day = _export_day(self.source)
        later = sum(count for year, count in birth_years.items() if year > day.year)
        if day < _FIRST_LIKELY or 2 * later > sum(birth_years.values()):
            return None
        return CutOff(day, False)


def _export_day(source: Path | str) -> date:
    """Return the day after the last change of a source's files, which holds everywhere on Earth; of a server the day after today."""
    if isinstance(source, Path):
        below = [source, *source.rglob("*")]
        moments = [path.stat().st_mtime for path in below if path.is_file()]
        changed = datetime.fromtimestamp(max(moments, default=0.0), UTC)
    else:
        changed = datetime.now(UTC)
    return changed.date() + timedelta(days=1)


@dataclass(frozen=True)
class Kept:
    """Source events up to the cut-off, what is told of the others, and the rows of which nothing is left."""

    events: pl.DataFrame
    problems: list[RowProblem]
    tally: dict[str, tuple[int, int]]
    gone: frozenset[int]


def keep_until(events: pl.DataFrame, until: CutOff | None) -> Kept:
    """Return the source `events` that count, of those up to the cut-off `until`; all, where there is none.

    An event that begins later is set aside; plans stay, which count nowhere. Of a death after the day of the export the date is
    refused, and the death stays. An end that lies later is left out. A death without any date lies before the cut-off.
    """
    if until is None:
        return Kept(events, [], {}, frozenset())
    moment = pl.lit(until.moment, dtype=TIMESTAMP)
    late = (pl.col("time_min") > moment).fill_null(False) & ~pl.col("code").str.starts_with(PLANNED)
    ends_late = (pl.col("end_time") > moment).fill_null(False) & ~pl.col("code").str.starts_with(PLANNED)
    flags = events.select(late.alias("late"), ends_late.alias("ends"), (pl.col("code") == DEATH).alias("death"))
    if not flags.select((pl.col("late") | pl.col("ends") | pl.col("death")).any()).item():
        return Kept(events, [], {}, frozenset())
    problems: list[RowProblem] = []
    tally: dict[str, tuple[int, int]] = {}
    stays = late & (pl.col("code") == DEATH) if not until.set_by_study else pl.lit(False)
    lost = events.filter(late & ~stays)["source_row"]
    if until.set_by_study:
        _count(tally, AFTER_CUTOFF, lost)
    else:
        told = events.filter(late)["source_row"].unique(maintain_order=True)
        problems += [RowProblem(row, FUTURE_DATE, "The date lies after the day of the export.", "date") for row in told]
    _count(tally, END_AFTER_CUTOFF, events.filter(ends_late & ~late)["source_row"])
    events = events.with_columns(stays.alias("_stays")).filter(~late | pl.col("_stays"))
    events = unknown_where(events.with_columns(pl.lit(None, dtype=pl.String).alias("problem")), pl.col("_stays")).drop(
        "problem", "_stays"
    )
    undated = (pl.col("code") == DEATH) & (pl.col("time_min") == pl.lit(UNKNOWN_MIN, dtype=TIMESTAMP))
    events = events.with_columns(
        pl.when(~ends_late).then("end_time").alias("end_time"),
        pl.when(undated).then(pl.min_horizontal("time_max", moment)).otherwise("time_max").alias("time_max"),
    )
    return Kept(events, problems, tally, frozenset(lost) - frozenset(events["source_row"]))


def latest_of(known: pl.DataFrame, until: CutOff | None) -> pl.DataFrame:
    """Return `subject_id, latest`: the latest instant that a death without a date can have, under the shift of each subject.

    Args:
        known: `subject_id, shift_days`.
        until: The cut-off.
    """
    last = UNKNOWN_MAX if until is None else until.moment
    bounds = pl.DataFrame({"time_min": [UNKNOWN_MIN], "time_max": [last]}, schema={"time_min": TIMESTAMP, "time_max": TIMESTAMP})
    subjects = known.select("subject_id", "shift_days").unique("subject_id", keep="first", maintain_order=True)
    moved = shift_bounds(subjects.join(bounds.with_columns(time="time_min"), how="cross"))
    return moved.select("subject_id", pl.col("time_max").alias("latest"))


def _count(tally: dict[str, tuple[int, int]], reason: str, rows: pl.Series) -> None:
    if len(rows):
        tally[tally_key(reason)] = (int(rows[0]), len(rows))
