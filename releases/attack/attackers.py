"""Attackers of one release: what an outsider can tell of single subjects from the tables alone, or with a list at hand.

Each attack says how many subjects it singles out, of how many it could. Being singled out is not yet being named: it is
what naming begins with (WP29 Opinion 05/2014 on anonymisation techniques, section 2.2). No attack uses the vault.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import isotonic_regression

from unibase.privacy.options import DEFAULT_MAX_SHIFT_DAYS
from unibase.releases.attack.found import Attack
from unibase.releases.attack.life_spans import among_all_dead, among_members, life_spans
from unibase.releases.attack.of_page import PAGE, page_against_tables
from unibase.releases.content import manifest

ROUNDS = 25
"""Rounds in which a common calendar and the shift of each subject are fitted in turn."""
LEAST_ROWS = 3
"""Rows of one source that a subject needs for its shift to be estimated."""
TOLD_DAYS = 16.0
"""A shift that is told to within so many days is told: the true dates of hospital stays can then be looked for."""
LEAST_IN_ORDER = 0.8
"""Share of a subject's next rows that must be later for an export to be in order of date; by chance it is a half."""
_LEAST_SUBJECTS = 5
_DAY = 86_400_000_000


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
    subjects, adtte = (pl.read_parquet(release / "tables" / f"{name}.parquet") for name in ("subjects", "adtte"))
    about = manifest.read(release) if (release / manifest.MANIFEST).exists() else {}
    # What a policy made coarser tells no year of age.
    known = subjects.drop(about.get("coarsened", {}), strict=False)
    # Where births are told as what the ages leave open, an age adds nothing, and may be the middle of a band.
    known = known.drop("AGE", strict=False) if "births" in about else known
    spans = life_spans(events, known, adtte)
    return [
        among_members(spans),
        among_all_dead(spans, _largest_shift(about)),
        rare_codes(events, subjects),
        order_of_export(events),
        *([page_against_tables(release)] if (release / PAGE).exists() else []),
    ]


def _largest_shift(about: Mapping[str, Any]) -> int:
    """Return the largest shift of dates that a release names, in days; the usual one where it names none."""
    return int(about.get("settings", {}).get("deidentification", {}).get("max_shift_days", DEFAULT_MAX_SHIFT_DAYS))


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
    tried: set[int] = set(dated["subject_id"].unique())
    for source in dated.partition_by("source"):
        rows = source.select("subject_id", "source_row", "time").unique(["subject_id", "source_row"], maintain_order=True)
        rows = rows.filter(pl.len().over("subject_id") >= LEAST_ROWS).sort("source_row", "subject_id")
        if rows["subject_id"].n_unique() < _LEAST_SUBJECTS or not _in_order_of_date(rows):
            continue
        number = rows["subject_id"].rank("dense").to_numpy().astype(np.int64) - 1
        days = rows["time"].cast(pl.Int64).to_numpy() / _DAY
        ids = np.unique(rows["subject_id"].to_numpy())
        told |= set(ids[_error_of_shift(number, days) <= TOLD_DAYS].tolist())
    return Attack("order-of-export", len(told), len(tried), "nothing")


def _in_order_of_date(rows: pl.DataFrame) -> bool:
    """Return whether later rows of a subject mostly have later days: in any other order, numbers of rows tell no calendar.

    `rows`: `subject_id, source_row, time`, in order of `source_row`.
    """
    steps = rows.select((pl.col("time") - pl.col("time").shift(1).over("subject_id")).dt.total_microseconds().alias("step"))
    changed = steps.drop_nulls().filter(pl.col("step") != 0)["step"]
    return bool(len(changed) and (changed > 0).mean() >= LEAST_IN_ORDER)  # type: ignore[operator]


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
