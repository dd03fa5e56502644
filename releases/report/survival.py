"""Section: the endpoints as Kaplan-Meier curves."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from releases import charts
from releases.disclosure import MASK_TEXT, chain, suppress
from releases.report.data import DAYS_PER_MONTH, ReportData, shown
from releases.report.section import Section
from releases.survival import kaplan_meier


def survival(data: ReportData) -> list[dict[str, Any]]:
    """Draw each endpoint while at least `min_cell` subjects are at risk."""
    adtte = data.table("adtte")
    pictures: list[dict[str, Any]] = []
    if not adtte.height:
        return pictures
    for code in sorted(adtte["PARAMCD"].unique().to_list(), key=lambda c: (c != "OS", c)):
        rows = adtte.filter((pl.col("PARAMCD") == code) & pl.col("AVAL").is_not_null() & (pl.col("AVAL") >= 0))
        if rows.height < data.min_cell:
            pictures.append(
                {"code": code, "svg": "", "median": None, "events": MASK_TEXT, "subjects": shown(rows.height, data.min_cell)}
            )
            continue
        days = rows["AVAL"].cast(pl.Float64).to_numpy() * _days_per_unit(rows)
        curve = kaplan_meier(days / DAYS_PER_MONTH, (rows["CNSR"] == 0).to_numpy())
        drawn = curve.at_risk >= data.min_cell
        end = float(curve.time[drawn][-1])
        grid = charts.month_ticks(end)
        at_risk = chain([curve.number_at_risk(t) for t in grid], data.min_cell)
        steps = [
            (float(t), float(s), float(lo), float(up))
            for t, s, lo, up, d in zip(
                curve.time[drawn], curve.survival[drawn], curve.lower[drawn], curve.upper[drawn], curve.events[drawn], strict=True
            )
            if d > 0
        ]
        censored = [
            (float(t), float(s))
            for t, s, c in zip(curve.time[drawn], curve.survival[drawn], curve.censored[drawn], strict=True)
            if c
        ]
        risk = [(t, MASK_TEXT if n is None else str(n)) for t, n in zip(grid, at_risk, strict=True)]
        median, low, high = curve.median()
        events = int(curve.events.sum())
        split = suppress([events, rows.height - events], [[0, 1]], data.min_cell)
        pictures.append(
            {
                "code": code,
                "name": _parameter(rows, code),
                "svg": charts.survival(charts.SurvivalPicture(f"km-{code}", code, steps, censored, end, risk)),
                "median": charts.number(median) if math.isfinite(median) and median <= end else None,
                "low": charts.number(low) if math.isfinite(low) and low <= end else "–",
                "high": charts.number(high) if math.isfinite(high) and high <= end else "–",
                "events": MASK_TEXT if split.counts[0] is None else str(events),
                "subjects": str(rows.height) if split.sums[0] else MASK_TEXT,
                "end": charts.number(end),
            }
        )
    return pictures


def _parameter(rows: pl.DataFrame, code: str) -> str:
    return str(rows["PARAM"].drop_nulls().first() or code) if "PARAM" in rows.columns else code


def _days_per_unit(rows: pl.DataFrame) -> float:
    unit = str(rows["AVALU"].drop_nulls().first() or "DAYS") if "AVALU" in rows.columns else "DAYS"
    return {"D": 1.0, "W": 7.0, "M": DAYS_PER_MONTH, "Y": 365.25}.get(unit.strip().upper()[:1], 1.0)


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    return {"survival": survival(data)}


SECTION = Section("survival", ("Survie", "Survival"), ("Survie", "Survival"), contents)
