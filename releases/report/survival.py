"""Section: the endpoints as Kaplan-Meier curves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from unibase.methods.survival import Curve, kaplan_meier
from unibase.releases.disclosure.small_counts import MASK_TEXT, chain, suppress
from unibase.releases.report import charts
from unibase.releases.report.data import DAYS_PER_MONTH, ReportData, shown
from unibase.releases.report.section import Section


def survival(data: ReportData) -> list[dict[str, Any]]:
    """Draw each endpoint while at least `min_cell` subjects are at risk."""
    adtte = data.table("adtte")
    if not adtte.height:
        return []
    codes = sorted(adtte["PARAMCD"].unique().to_list(), key=lambda c: (c != "OS", c))
    return [_picture(code, _at_risk(adtte.filter(pl.col("PARAMCD") == code)), data.min_cell) for code in codes]


def _at_risk(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that can be counted, with `_entry`: those whose time is known, and who entered before it ended."""
    rows = rows.filter(pl.col("AVAL").is_not_null() & (pl.col("AVAL") >= 0))
    if "ENTRY" not in rows.columns:
        return rows.with_columns(pl.lit(None, dtype=pl.Float64).alias("_entry"))
    return rows.filter(pl.col("ENTRY") < pl.col("AVAL")).with_columns(pl.col("ENTRY").cast(pl.Float64).alias("_entry"))


def _curve(rows: pl.DataFrame, min_cell: int) -> tuple[Curve, float]:
    """Return the curve in months, and the month from which it is drawn.

    Where subjects enter late, the first of them are few: a step of theirs would be of less than `min_cell` persons, and
    would weigh on all that follows. The curve is then that of survival given survival to the month from which enough are
    at risk, as Tsai, Jewell and Wang (Biometrika 1987;74:883) condition the estimate of left-truncated times.
    """
    scale = _days_per_unit(rows) / DAYS_PER_MONTH
    time, event = rows["AVAL"].cast(pl.Float64).to_numpy() * scale, (rows["CNSR"] == 0).to_numpy()
    if rows["_entry"].null_count():
        return kaplan_meier(time, event), 0.0
    entry = rows["_entry"].to_numpy() * scale
    curve = kaplan_meier(time, event, entry)
    few = np.flatnonzero(curve.at_risk[: int(curve.at_risk.argmax())] < min_cell)
    if not len(few):
        return curve, 0.0
    start = float(curve.time[few[-1]])
    later = time > start
    return kaplan_meier(time[later], event[later], np.maximum(entry[later], start)), start


def _picture(code: str, rows: pl.DataFrame, min_cell: int) -> dict[str, Any]:
    if rows.height < min_cell:
        return {"code": code, "svg": "", "median": None, "events": MASK_TEXT, "subjects": shown(rows.height, min_cell)}
    curve, start = _curve(rows, min_cell)
    enough = np.flatnonzero(curve.at_risk >= min_cell)
    if not len(enough):
        return {"code": code, "svg": "", "median": None, "events": MASK_TEXT, "subjects": shown(rows.height, min_cell)}
    drawn = slice(0, int(enough[-1]) + 1)
    end = float(curve.time[drawn][-1])
    grid = [t for t in charts.month_ticks(end) if t > start or not start]
    at_risk = chain([curve.number_at_risk(t) for t in grid], min_cell)
    steps = [
        (float(t), float(s), float(lo), float(up))
        for t, s, lo, up, d in zip(
            curve.time[drawn], curve.survival[drawn], curve.lower[drawn], curve.upper[drawn], curve.events[drawn], strict=True
        )
        if d > 0
    ]
    censored = [
        (float(t), float(s)) for t, s, c in zip(curve.time[drawn], curve.survival[drawn], curve.censored[drawn], strict=True) if c
    ]
    risk = [(t, MASK_TEXT if n is None else str(n)) for t, n in zip(grid, at_risk, strict=True)]
    median, low, high = curve.median()
    events, followed = int(curve.events.sum()), len(curve.exits)
    split = suppress([events, followed - events], [[0, 1]], min_cell)
    return {
        "code": code,
        "name": _parameter(rows, code),
        "svg": charts.survival(charts.SurvivalPicture(f"km-{code}", code, steps, censored, end, risk, start)),
        "median": charts.number(median) if math.isfinite(median) and median <= end else None,
        "low": charts.number(low) if math.isfinite(low) and low <= end else "–",
        "high": charts.number(high) if math.isfinite(high) and high <= end else "–",
        "events": MASK_TEXT if split.counts[0] is None else str(events),
        "subjects": str(followed) if split.sums[0] else MASK_TEXT,
        "end": charts.number(end),
        "truncated": not rows["_entry"].null_count(),
        "start": charts.number(start) if start else None,
    }


def _parameter(rows: pl.DataFrame, code: str) -> str:
    return str(rows["PARAM"].drop_nulls().first() or code) if "PARAM" in rows.columns else code


def _days_per_unit(rows: pl.DataFrame) -> float:
    unit = str(rows["AVALU"].drop_nulls().first() or "DAYS") if "AVALU" in rows.columns else "DAYS"
    return {"D": 1.0, "W": 7.0, "M": DAYS_PER_MONTH, "Y": 365.25}.get(unit.strip().upper()[:1], 1.0)


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    return {"survival": survival(data)}


SECTION = Section("survival", ("Survie", "Survival"), ("Survie", "Survival"), contents)
