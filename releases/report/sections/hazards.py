"""Section: how the hazard of an endpoint differs with age, sex and stage, one characteristic at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.methods.cox import CoxFit, cox
from unibase.methods.survival import NORMAL_975
from unibase.releases.content.staging_words import ORDER, rank
from unibase.releases.disclosure.decisions import EITHER_SIDE
from unibase.releases.disclosure.level_counts import EVERYWHERE, MISSING
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.read.known_times import with_known_times
from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section

DESCRIBED = ("AGE", "SEX", "STAGE", "T", "N", "M", "CHARLSON")
"""Characteristics at the index that a ratio is told of, where the subjects have them."""
PER = {"AGE": 10.0, "CHARLSON": 1.0}
"""How much of a number the ratio is for."""
WHY = "Cox's model of one characteristic; every group has at least the smallest count of events and of others, and a count that is shown."

Shown = Callable[[str, str], bool]
"""Whether the page shows how many have a level of a characteristic; the level `MISSING` are those without a value."""


@dataclass(frozen=True)
class Ratio:
    """One hazard ratio as it may be shown.

    Attributes:
        name: The characteristic.
        level: The group, or how much of a number the ratio is for.
        reference: The group it is beside; empty for a number.
        ratio: To two digits, or the mask.
        limits: The 95 % limits; empty where the ratio is hidden.
        changes: Whether the check says that the ratio changes with time (p < 0.05).
    """

    name: str
    level: str
    reference: str
    ratio: str
    limits: str = ""
    changes: bool = False


def ratios(
    subjects: pl.DataFrame, adtte: pl.DataFrame, names: Sequence[str], min_cell: int, shown: Shown = lambda name, level: True
) -> list[Ratio]:
    """Return the hazard ratios of one endpoint, a characteristic at a time; nothing where there are too few events.

    A group counts where at least `min_cell` of it have the event and as many have not, and all groups that do not are left
    out of the model. An estimate of so many persons gives nobody away (SDC Handbook of the ONS and UKDS: regression
    coefficients with ten degrees of freedom and more). But that there is a ratio says that a group has so many: beside the
    page it would narrow a count that is hidden there, or the events of the few who are in no group. Then it is hidden. A
    time known in part counts as the middle of what is possible.

    Args:
        subjects: `subject_id` and the characteristics.
        adtte: Rows of one endpoint.
        names: Characteristics.
        min_cell: Fewest persons with the event, and without it, on either side.
        shown: Which counts of a characteristic the page shows.
    """
    known = with_known_times(adtte)
    middle = ((pl.col("_low") + pl.col("_high")) / 2).alias("_time")
    rows = known.with_columns(middle, pl.col("_entry").fill_null(-math.inf)).filter(pl.col("_entry") < pl.col("_time"))
    rows = rows.select("subject_id", "_time", "_entry", "_event")
    if not _enough(rows, min_cell):
        return []
    found = []
    for name in names:
        if name in subjects.columns:
            mine = rows.join(subjects.select("subject_id", pl.col(name).alias("_value")).drop_nulls(), on="subject_id")
            weighed = _Weighed(rows, min_cell, shown)
            found += _of_number(name, mine, weighed) if mine["_value"].dtype.is_numeric() else _of_groups(name, mine, weighed)
    return found


@dataclass(frozen=True)
class _Weighed:
    """What decides whether a ratio is told: `rows` of all with a time, the smallest count, and the counts that are shown."""

    rows: pl.DataFrame
    min_cell: int
    shown: Shown

    def leaves_open(self, kept: pl.DataFrame, groups: int) -> bool:
        """Tell whether the events of those in no group stay as uncertain as a hidden count must.

        A reader knows that each group has at least `min_cell` with the event and as many without.
        """
        rest = self.rows.height - kept.height
        events = int(self.rows["_event"].sum())
        most = min(rest, events - groups * self.min_cell)
        least = max(0, rest - (self.rows.height - events - groups * self.min_cell))
        return most - least >= min(rest, self.min_cell - 1)


def _enough(rows: pl.DataFrame, min_cell: int) -> bool:
    events = int(rows["_event"].sum())
    return events >= min_cell and rows.height - events >= min_cell


def _fit(rows: pl.DataFrame, covariates: np.ndarray) -> CoxFit:
    return cox(rows["_time"].to_numpy(), rows["_event"].to_numpy(), covariates, rows["_entry"].to_numpy())


def _of_number(name: str, rows: pl.DataFrame, of: _Weighed) -> list[Ratio]:
    per = PER.get(name, 1.0)
    told = of.shown(name, MISSING) and of.leaves_open(rows, 1)
    if not told or not _enough(rows, of.min_cell) or rows["_value"].n_unique() < 2:
        return [Ratio(name, f"+{per:g}", "", MASK_TEXT)]
    fit = _fit(rows, rows["_value"].cast(pl.Float64).to_numpy()[:, None] / per)
    return [_told(name, f"+{per:g}", "", fit, 0)]


def _of_groups(name: str, rows: pl.DataFrame, of: _Weighed) -> list[Ratio]:
    """Return the ratio of each group to the first that is large enough; T, N, M and stage in their order."""
    levels = sorted(rows["_value"].unique().to_list(), key=lambda v: (rank(name, v), v) if name in ORDER else (0, v))
    large = [v for v in levels if of.shown(name, v) and _enough(rows.filter(pl.col("_value") == v), of.min_cell)]
    if len(levels) < 2:
        return []
    kept = rows.filter(pl.col("_value").is_in(large))
    if len(large) < 2 or not of.leaves_open(kept, len(large)):
        return [Ratio(name, level, levels[0], MASK_TEXT) for level in levels[1:]]
    fit = _fit(kept, np.column_stack([(kept["_value"] == level).to_numpy() for level in large[1:]]).astype(float))
    told = {level: _told(name, level, large[0], fit, place) for place, level in enumerate(large[1:])}
    return [told.get(level, Ratio(name, level, large[0], MASK_TEXT)) for level in levels if level != large[0]]


def _told(name: str, level: str, reference: str, fit: CoxFit, place: int) -> Ratio:
    if not fit.converged:
        return Ratio(name, level, reference, MASK_TEXT)
    middle, error = float(fit.log_ratio[place]), float(fit.error[place])
    low, high = (math.exp(middle + sign * NORMAL_975 * error) for sign in (-1, 1))
    changes = bool(fit.proportionality()[place] < 0.05)
    ratio, interval = f"{math.exp(middle):.2g}", f"{low:.2g}–{high:.2g}"
    return Ratio(name, level, reference, ratio, interval, changes)


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where no endpoint has enough events.

    Args:
        data: The data of the page.
    """
    adtte = data.table("adtte")
    subjects = data.table("subjects", "subject_id", *(name for name in DESCRIBED if name in data.columns("subjects")))
    found = {}
    for code in sorted(data.weighed.endpoints, key=lambda code: (code != "OS", code)):
        weighed = data.weighed.endpoints[code]
        if weighed.followed is None or weighed.events is None:
            continue  # A ratio would say that there are enough of both.
        rows = ratios(subjects, adtte.filter(pl.col("PARAMCD") == code), DESCRIBED, data.min_cell, _shown_by(data))
        for one in rows:
            data.ruled("hazards", f"{code}: {one.name} {one.level}", EITHER_SIDE, one.ratio != MASK_TEXT, WHY)
        if any(one.ratio != MASK_TEXT for one in rows):
            found[code] = rows
    return {"endpoints": found} if found else None


def _shown_by(data: ReportData) -> Shown:
    """Return which counts of characteristics a page shows; of a column that it does not describe there is none to narrow."""
    counts = {one.column: one.counts.counts for one in data.weighed.characteristics}
    return lambda name, level: counts.get(name, {}).get((EVERYWHERE, level), 0) is not None


SECTION = Section(
    "hazards", ("Rapports de risques instantanés", "Hazard ratios"), ("Risques", "Hazards"), contents, after="survival"
)
