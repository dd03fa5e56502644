"""Attackers of one release: what an outsider can tell of single subjects from the tables alone, or with a list at hand.

Each attack says how many subjects it singles out, of how many it could. Being singled out is not yet being named: it is
what naming begins with (WP29 Opinion 05/2014 on anonymisation techniques, section 2.2). No attack uses the vault.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import isotonic_regression

ROUNDS = 25
"""Rounds in which a common calendar and the shift of each subject are fitted in turn."""
LEAST_ROWS = 3
"""Rows of one source that a subject needs for its shift to be estimated."""
TOLD_DAYS = 16.0
"""A shift that is told to within so many days is told: the true dates of hospital stays can then be looked for."""
_LEAST_SUBJECTS = 5
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Attack:
    """What one attack on a release achieves.

    Attributes:
        name: Short name, in kebab case.
        singled_out: Subjects that it tells apart from all others.
        of: Subjects that it could be tried on.
        with_what: What the attacker holds beside the release.
    """

    name: str
    singled_out: int
    of: int
    with_what: str

    @property
    def share(self) -> float:
        """The share of the subjects it was tried on, 0 to 1; 0 where there are none.

        Example:
            >>> Attack("life-span", 3, 12, "a list of deaths").share
            0.25
        """
        return self.singled_out / self.of if self.of else 0.0


def attack(release: Path | str) -> list[Attack]:
    """Run all attackers of one release.

    Args:
        release: Folder of a release.

    Raises:
        OSError: If a table is not there.
    """
    release = Path(release)
    events = pl.read_parquet(release / "timeline" / "data" / "**" / "*.parquet", hive_partitioning=False)
    events = events.with_columns(pl.col("code").cast(pl.String), pl.col("source").cast(pl.String))
    subjects = pl.read_parquet(release / "tables" / "subjects.parquet")
    return [life_span(events, subjects), rare_codes(events, subjects), order_of_export(events)]


def life_span(events: pl.DataFrame, subjects: pl.DataFrame) -> Attack:
    """With a list of deaths that all subjects stand in: who is the only one of their sex to have lived so many days?

    A shift of dates moves birth and death alike, so that days lived are true. What a partial date leaves open is left open.

    Args:
        events: EVENTS of the release.
        subjects: Table `subjects` of the release, for `SEX`.
    """
    spans = _bounds(events, "MEDS_BIRTH").join(_bounds(events, "MEDS_DEATH"), on="subject_id", suffix="_death")
    lived = spans.select(
        "subject_id",
        (pl.col("from_death") - pl.col("to")).dt.total_days().alias("least"),
        (pl.col("to_death") - pl.col("from")).dt.total_days().alias("most"),
    )
    sexes = subjects.select("subject_id", pl.col("SEX").fill_null("")) if "SEX" in subjects.columns else None
    lived = lived.join(sexes, on="subject_id") if sexes is not None else lived.with_columns(pl.lit("").alias("SEX"))
    alone = 0
    for group in lived.partition_by("SEX"):
        least, most = group["least"].to_numpy(), group["most"].to_numpy()
        # How many have a span that may be this one: begun before its end, less those ended before its beginning.
        begun = np.searchsorted(np.sort(least), most, side="right")
        ended = np.searchsorted(np.sort(most), least, side="left")
        alone += int((begun - ended == 1).sum())
    return Attack("life-span", alone, lived.height, "a list of deaths, with sex, birth and death to the day")


def _bounds(events: pl.DataFrame, code: str) -> pl.DataFrame:
    """Return `subject_id, from, to`: the days that the event of a code can mean."""
    midnight = pl.col("time").dt.truncate("1d") == pl.col("time")
    end = pl.when(midnight).then(pl.col("time") + pl.duration(days=1)).otherwise(pl.col("time"))
    rows = events.filter(pl.col("code") == code).select(
        "subject_id", pl.coalesce("time_min", "time").alias("from"), pl.coalesce("time_max", end).alias("to")
    )
    return rows.drop_nulls().group_by("subject_id").agg(pl.col("from").min(), pl.col("to").max())


def rare_codes(events: pl.DataFrame, subjects: pl.DataFrame) -> Attack:
    """With one fact from a patient's file: who has a code that nobody else has?

    `events`: EVENTS of the release; `subjects`: table `subjects` of the release.
    """
    pairs = events.select("subject_id", "code").unique()
    alone = pairs.filter(pl.len().over("code") == 1)["subject_id"].n_unique()
    knows = "one diagnosis, drug, procedure or result of a person"
    return Attack("rare-codes", alone, subjects.height, knows)


def order_of_export(events: pl.DataFrame) -> Attack:
    """With nothing: where an export was in order of date, the numbers of its rows tell the shift of each subject.

    Rows of one source lie on one calendar. A calendar that never goes back and one shift a subject are fitted in turn; the
    shift is told, up to a constant for all, where a subject's rows then lie within days of the calendar.

    `events` are EVENTS of a release.

    Args:
        events: EVENTS of the release.
    """
    dated = events.filter(pl.col("time").is_not_null() & pl.col("source_row").is_not_null())
    told: set[int] = set()
    tried: set[int] = set()
    for source in dated.partition_by("source"):
        rows = source.select("subject_id", "source_row", "time").unique(["subject_id", "source_row"], maintain_order=True)
        rows = rows.filter(pl.len().over("subject_id") >= LEAST_ROWS).sort("source_row", "subject_id")
        if rows["subject_id"].n_unique() < _LEAST_SUBJECTS:
            continue
        number = rows["subject_id"].rank("dense").to_numpy().astype(np.int64) - 1
        days = rows["time"].cast(pl.Int64).to_numpy() / _DAY
        ids = np.unique(rows["subject_id"].to_numpy())
        tried |= set(ids.tolist())
        told |= set(ids[_error_of_shift(number, days) <= TOLD_DAYS].tolist())
    return Attack("order-of-export", len(told), len(tried), "nothing")


def _error_of_shift(number: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return, per subject, how many days its shift is known to: the spread of its rows about the calendar, over their root.

    Args:
        number: (rows,) the subject of each row, from 0, rows in the order of the export.
        days: (rows,) its shifted day.
    """
    shift = np.zeros(number.max() + 1)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(len(shift)))
    ends = np.append(starts[1:], len(number))
    for _ in range(ROUNDS):
        calendar = isotonic_regression(days - shift[number]).x
        apart = (days - calendar)[order]
        shift = np.array([np.median(apart[a:b]) for a, b in zip(starts, ends, strict=True)])
    left = np.abs(days - shift[number] - isotonic_regression(days - shift[number]).x)[order]
    spread = np.array([np.quantile(left[a:b], 0.75) for a, b in zip(starts, ends, strict=True)])
    # A run of rows that belongs to one subject alone lies on any calendar: it must be woven in with others'.
    woven = np.array([_woven(number, n) for n in range(len(shift))])
    return np.where(woven, spread / np.sqrt(ends - starts) * 1.48, np.inf)


def _woven(number: np.ndarray, subject: int) -> bool:
    """Return whether rows of other subjects lie between those of this one in at least two places."""
    at = np.flatnonzero(number == subject)
    return int((np.diff(at) > 1).sum()) >= 2
