"""Section: the endpoints as survival curves that tell of nobody alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from unibase.methods.expected_events import expected_curve
from unibase.methods.survival import Curve
from unibase.releases.content.weighing import EndpointCounts
from unibase.releases.disclosure.decisions import ROUNDED
from unibase.releases.disclosure.earlier_curves import basis_of
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.disclosure.steps import SteppedCurve, rounded, stepped
from unibase.releases.read.known_times import times_of, with_known_times
from unibase.releases.report import charts
from unibase.releases.report.data import DAYS_PER_MONTH, Contents, ReportData, text
from unibase.releases.report.section import Section

WHY = "Whole months, steps of at least the smallest count of events, all numbers from counts rounded to multiples of it."


@dataclass(frozen=True)
class _Picture:
    """What is shown of an endpoint: counts, and where a curve may be drawn, the curve and what is read off it."""

    code: str
    name: str
    events: str
    subjects: str
    unassessed: str | None
    drawn_from: str | None
    svg: str = ""
    median: str | None = None
    low: str = ""
    high: str = ""
    followed: str | None = None
    truncated: bool = False
    start: str | None = None
    partial: bool = False


def _survival(data: ReportData) -> list[_Picture]:
    """Draw each endpoint in steps of at least `min_cell` events."""
    adtte = data.table("adtte")
    codes = sorted(data.weighed.endpoints, key=lambda c: (c != "OS", c))
    return [_picture(code, adtte.filter(pl.col("PARAMCD") == code), data) for code in codes]


def _curve(rows: pl.DataFrame, min_cell: int, reverse: bool = False) -> tuple[Curve, int] | None:
    """Return the curve in months, and the whole month from which it is drawn; None where nobody is followed from there.

    Where subjects enter late, the first of them are few: a step of theirs would be of less than `min_cell` persons, and
    would weigh on all that follows. The curve is then that of survival given survival to the month from which enough are
    at risk, as Tsai, Jewell and Wang (Biometrika 1987;74:883) condition the estimate of left-truncated times.

    Args:
        rows: What `with_known_times` returns.
        min_cell: Fewest persons at risk.
        reverse: Whether to estimate follow-up instead: censoring is then what is waited for (Schemper and Smith, Control
            Clin Trials 1996;17:343).
    """
    if not rows.height:
        return None
    scale = _days_per_unit(rows) / DAYS_PER_MONTH
    times = times_of(rows).reversed().at_risk_some_time() if reverse else times_of(rows)
    if not len(times.low):
        return None
    curve = expected_curve(times, scale)
    few = np.flatnonzero(curve.at_risk[: int(curve.at_risk.argmax())] < min_cell)
    if rows["_entry"].null_count() or not len(few):
        return curve, 0
    start = math.ceil(curve.time[few[-1]])
    later = times.after(start / scale)
    return (expected_curve(later, scale), start) if len(later.low) else None


def _picture(code: str, every: pl.DataFrame, data: ReportData) -> _Picture:
    basis = basis_of(code, every, data.previous, data.min_cell)
    data.record.append(basis.decision(code, data.version))
    counts, rows = data.weighed.endpoints[code], with_known_times(basis.rows)
    found = _curve(rows, data.min_cell)
    drawn = stepped(*found, data.min_cell) if found else None
    data.ruled("survival", code, ROUNDED, drawn is not None, WHY)
    about = _Picture(
        code=code,
        name=_parameter(every, code),
        events=text(counts.events),
        subjects=text(counts.followed),
        unassessed=_unassessed(counts),
        drawn_from=basis.version,
    )
    if found is None or drawn is None:
        return about
    curve, start = found
    grid = [t for t in charts.month_ticks(drawn.end) if t > start or not start]
    risk = [(t, _number(curve.number_at_risk(t), data.min_cell)) for t in grid]
    median, low, high = drawn.median()
    return replace(
        about,
        svg=charts.survival(charts.SurvivalPicture(f"km-{code}", code, drawn, risk)),
        median=None if median is None else str(median),
        low="–" if low is None else str(low),
        high="–" if high is None else str(high),
        followed=_follow_up(rows, data.min_cell),
        truncated=not rows["_entry"].null_count(),
        start=str(start) if start else None,
        partial=not times_of(rows).exact,
    )


def _number(count: int, min_cell: int) -> str:
    return str(rounded(count, min_cell)) if count >= min_cell else MASK_TEXT


def _follow_up(rows: pl.DataFrame, min_cell: int) -> str | None:
    """Return the median follow-up in whole months by the reverse Kaplan-Meier estimate; None where it may not be told."""
    found = _curve(rows, min_cell, reverse=True)
    drawn: SteppedCurve | None = stepped(*found, min_cell) if found else None
    median = drawn.median()[0] if drawn else None
    return None if median is None else str(median)


def _unassessed(counts: EndpointCounts) -> str | None:
    """Return how many of whom nothing is known after the index, as a share; the mask where it is hidden, None for nobody."""
    if not counts.lacks:
        return None
    if counts.unassessed is None or not counts.followed:
        return MASK_TEXT
    return f"{100 * counts.unassessed / counts.followed:.0f} %"


def _parameter(rows: pl.DataFrame, code: str) -> str:
    return str(rows["PARAM"].drop_nulls().first() or code) if "PARAM" in rows.columns else code


def _days_per_unit(rows: pl.DataFrame) -> float:
    unit = str(rows["AVALU"].drop_nulls().first() or "DAYS") if "AVALU" in rows.columns else "DAYS"
    return {"D": 1.0, "W": 7.0, "M": DAYS_PER_MONTH, "Y": 365.25}.get(unit.strip().upper()[:1], 1.0)


def contents(data: ReportData) -> Contents:
    """Return what the template shows.

    Args:
        data: The data of the page.
    """
    return {"survival": _survival(data)}


SECTION = Section("survival", ("Survie", "Survival"), ("Survie", "Survival"), contents, after="timelines")
