"""The page of a release: one self-contained HTML file for the people who decide whether to trust the data.

It shows aggregates in which no count of fewer than `min_cell` persons can be read or computed back
(`releases.disclosure`), and a few timelines without pseudonym, in whole weeks from the index. It opens offline, on a
phone and in print, in French and in English.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from releases import charts
from releases.charts import both
from releases.difference import Difference
from releases.disclosure import MASK_TEXT, Statistic, chain, is_small, protect, suppress
from releases.survival import kaplan_meier
from releases.timeline import read_timeline

DAYS_PER_MONTH = 30.4375
LANES = 6
FEATURES_SHOWN = 6
PREFERRED_FEATURES = (
    "original_shape_MeshVolume",
    "original_shape_Sphericity",
    "original_firstorder_Mean",
    "original_firstorder_Entropy",
    "original_glcm_JointEntropy",
    "original_glrlm_RunEntropy",
)

CONCEPT_CODES: Mapping[str, Sequence[str]] = {
    "imaging": ("IMAGING//",),
    "sample": ("SAMPLE//",),
    "death": ("MEDS_DEATH",),
    "treatment": ("ATC//L01", "ATC//L02", "ATC//L03", "CCAM//ZZNL", "SNOMED//108290001", "TREATMENT//"),
    "progression": ("OSIRIS_RWD//9.1", "OSIRIS_RWD//14.1", "SNOMED//419835002", "UMLS//C0242656", "PROGRESSION//"),
}
"""Which codes the timelines draw, by beginning, where the study does not say."""


@dataclass(frozen=True)
class ReportData:
    """What the page is drawn from; see `releases.publish` for the tables."""

    study: str
    title: str
    version: str
    description: str
    tables: Mapping[str, pl.DataFrame]
    timeline: Path
    codes: pl.DataFrame
    modalities: Mapping[str, Sequence[str]]
    flow: Sequence[Mapping[str, Any]]
    dictionary: pl.DataFrame
    about: Mapping[str, Any]
    min_cell: int
    concepts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changes: Difference | None = None


def render(data: ReportData) -> str:
    """Return the page as HTML text."""
    from jinja2 import Environment, FileSystemLoader, select_autoescape
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html", "j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["svg"] = Markup
    environment.globals["both"] = lambda fr, en: Markup(both(fr, en))
    subjects = data.tables["subjects"].height
    found = presence(data)
    page = environment.get_template("report.html.j2").render(
        data=data,
        subjects=shown(subjects, data.min_cell),
        centres=centre_count(data),
        flow=flow_steps(data.flow, data.min_cell),
        overlap=overlap(found),
        completeness=completeness(found),
        lanes=timelines(data),
        marks=[(charts.mark(kind, 8, 8), *names) for kind, names in charts.MARKS.items()],
        survival=survival(data),
        quarantine=quarantine(data),
        changes=changes(data),
        distributions=distributions(data),
        mask=MASK_TEXT,
        dictionary=dictionary_rows(data.dictionary),
        software=sorted(dict(data.about.get("software", {})).items()),
    )
    return str(page)


def shown(count: int, min_cell: int) -> str:
    """Return a count as text, or the mask."""
    return MASK_TEXT if is_small(count, min_cell) else f"{count:,}".replace(",", "\u202f")


def centre_count(data: ReportData) -> int:
    """Return how many centres have subjects."""
    subjects = data.tables["subjects"]
    return subjects["centre"].drop_nulls().n_unique() if "centre" in subjects.columns else 0


def flow_steps(flow: Sequence[Mapping[str, Any]], min_cell: int) -> list[dict[str, Any]]:
    """Return the steps of the cohort flow, with no small step in sight.

    The count before the first step is its kept and excluded subjects together.
    """
    if not flow:
        return []
    first = flow[0]
    counts = [int(first["kept"]) + int(first.get("excluded") or 0), *(int(step["kept"]) for step in flow)]
    visible = chain(counts, min_cell)
    steps: list[dict[str, Any]] = []
    for place, step in enumerate(flow):
        before, after = visible[place], visible[place + 1]
        steps.append(
            {
                "step": str(step["step"]).replace("_", " "),
                "kept": MASK_TEXT if after is None else shown(after, min_cell),
                "excluded": shown(before - after, 1) if before is not None and after is not None else MASK_TEXT,
                "any": counts[place] != counts[place + 1],
                "reason": str(step.get("reason") or ""),
            }
        )
    start = visible[0]
    if not steps[0]["any"]:
        return steps
    return [{"step": None, "kept": MASK_TEXT if start is None else shown(start, 1), "any": False}, *steps]


@dataclass(frozen=True)
class Presence:
    """Who has which modality, by centre, as counts that may be shown together; None is hidden."""

    names: list[str]
    patterns: list[tuple[bool, ...]]
    pattern_counts: list[int | None]
    modality_counts: list[int | None]
    centres: list[str]
    centre_counts: list[int | None]
    cells: list[list[int | None]]


def presence(data: ReportData) -> Presence:
    """Count modalities by subject and centre, and protect all counts of the page together.

    The base groups are centre by combination; combination counts, totals, centre counts and the completeness of each
    centre are sums of them. How many of a centre lack a modality is not shown, but must not be computable either.
    """
    subjects = data.tables["subjects"]
    names = list(data.modalities)
    members = {name: set(rows) for name, rows in data.modalities.items()}
    ids = [str(s) for s in subjects["subject_id"]]
    centre_of = subjects["centre"].fill_null("?").to_list() if "centre" in subjects.columns else [""] * len(ids)
    tally = Counter((c, tuple(s in members[n] for n in names)) for s, c in zip(ids, centre_of, strict=True))
    totals = Counter(pattern for _, pattern in tally.elements())
    patterns = sorted(totals, key=lambda p: (-totals[p], [not on for on in p]))
    centres = sorted(set(centre_of))
    base = [(c, p) for c in centres for p in patterns]
    counts = [tally[b] for b in base]

    def select(
        centre: str | None = None, pattern: tuple[bool, ...] | None = None, has: tuple[int, bool] | None = None
    ) -> tuple[int, ...]:
        return tuple(
            i
            for i, (c, p) in enumerate(base)
            if (centre is None or c == centre) and (pattern is None or p == pattern) and (has is None or p[has[0]] == has[1])
        )

    every = range(len(names))
    wanted = [
        *(Statistic(select(pattern=p), priority=3) for p in patterns),
        *(Statistic(select(has=(m, True)), priority=1) for m in every),
        *(Statistic(select(centre=c), priority=4) for c in centres),
        *(Statistic(select(centre=c, has=(m, True)), priority=2) for c in centres for m in every),
        Statistic(select(), fixed=True),
        *(Statistic(select(centre=c, has=(m, False)), shown=False) for c in centres for m in every),
        *(Statistic(select(has=(m, False)), shown=False) for m in every),
    ]
    allowed = protect(counts, wanted, data.min_cell)
    visible = iter([sum(counts[i] for i in s.members) if ok else None for s, ok in zip(wanted, allowed, strict=True)])
    return Presence(
        names,
        patterns,
        [next(visible) for _ in patterns],
        [next(visible) for _ in every],
        centres,
        [next(visible) for _ in centres],
        [[next(visible) for _ in every] for _ in centres],
    )


def overlap(found: Presence) -> dict[str, Any]:
    """Return which modalities subjects have together, most frequent first."""
    top = max((c for c in found.pattern_counts if c), default=1)
    rows = [
        {"pattern": p, "count": _text(c), "width": 0 if c is None else round(100 * c / top, 1)}
        for p, c in zip(found.patterns, found.pattern_counts, strict=True)
        if c is not None
    ]
    return {
        "names": found.names,
        "rows": rows,
        "hidden": len(found.patterns) - len(rows),
        "totals": [_text(c) for c in found.modality_counts],
    }


def completeness(found: Presence) -> dict[str, Any]:
    """Return, by centre and modality, the share of subjects who have data."""
    rows = []
    for centre, total, cells in zip(found.centres, found.centre_counts, found.cells, strict=True):
        shares = [None if c is None or not total else round(100 * c / total) for c in cells]
        rows.append({"centre": centre, "total": _text(total), "cells": shares})
    return {"names": found.names, "rows": rows if found.centres != [""] else []}


def _text(count: int | None) -> str:
    return MASK_TEXT if count is None else str(count)


def index_times(data: ReportData) -> pl.DataFrame:
    """Return `subject_id`, `index_time` from the first table that has it."""
    for name, column in (("analysis", "index_time"), ("subjects", "index_time"), ("adtte", "STARTDT")):
        frame = data.tables[name]
        if column in frame.columns and frame[column].dtype.is_temporal():
            return (
                frame.select("subject_id", pl.col(column).cast(pl.Datetime("us")).alias("index_time"))
                .drop_nulls()
                .unique("subject_id", keep="first", maintain_order=True)
            )
    return pl.DataFrame(schema={"subject_id": pl.Int64, "index_time": pl.Datetime("us")})


def timelines(data: ReportData) -> str:
    """Draw a few subjects who have much to show: no pseudonym, whole weeks from the index; none in a small cohort."""
    index = index_times(data)
    if index.height < data.min_cell:
        return ""
    have = {name: set(rows) for name, rows in data.modalities.items()}

    def richness(subject: int) -> tuple[int, str]:
        return -sum(str(subject) in rows for rows in have.values()), hashlib.sha256(f"lane/{subject}".encode()).hexdigest()

    chosen = sorted(index["subject_id"].to_list(), key=richness)[:LANES]
    events = (
        read_timeline(data.timeline)
        .filter(pl.col("subject_id").is_in(chosen) & pl.col("time").is_not_null())
        .select("subject_id", "time", "code", "end_time")
        .collect()
        .join(index, on="subject_id")
    )
    lanes = []
    for place, subject in enumerate(chosen):
        own = events.filter(pl.col("subject_id") == subject).sort("time", "code")
        lanes.append(_lane(own, place, data.concepts or CONCEPT_CODES))
    lanes.sort(key=lambda lane: -lane.end)
    named = [
        charts.Lane((f"Sujet {i + 1}", f"Subject {i + 1}"), lane.start, lane.end, lane.treatments, lane.marks)
        for i, lane in enumerate(lanes)
    ]
    return charts.swimmer(named)


def _lane(own: pl.DataFrame, place: int, concepts: Mapping[str, Sequence[str]]) -> charts.Lane:
    def months(column: str) -> list[float | None]:
        days = (own[column] - own["index_time"]).dt.total_days()
        return [None if d is None else round(d / 7) * 7 / DAYS_PER_MONTH for d in days]

    starts, ends = months("time"), months("end_time")
    # The last two years before the index tell the story; birth would squeeze it into a corner.
    marks: list[tuple[str, float]] = []
    treatments: list[tuple[float, float]] = []
    for code, start, end in zip(own["code"], starts, ends, strict=True):
        kind = next((k for k in charts.MARKS if any(code.startswith(b) for b in concepts.get(k, ()))), None)
        if start is None or start < -24 or kind is None:
            continue
        if kind == "treatment" and end is not None and end > start:
            treatments.append((start, end))
        marks.append((kind, start))
    recent = [s for s in starts if s is not None and s >= -24]
    low = min([0.0, *recent])
    deaths = [start for kind, start in marks if kind == "death"]
    # Registries go on dating their updates after a death; a life's line ends with it.
    high = min(deaths) if deaths else max([0.0, *recent, *(e for _, e in treatments)])
    return charts.Lane((str(place), str(place)), low, high, treatments, list(dict.fromkeys(marks)))


def survival(data: ReportData) -> list[dict[str, Any]]:
    """Draw each endpoint while at least `min_cell` subjects are at risk."""
    adtte = data.tables["adtte"]
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


def quarantine(data: ReportData) -> list[dict[str, Any]]:
    """Return units not used, by stage and reason, small counts masked; the message of a reason says what to do."""
    frame = data.tables["quarantine"]
    if not frame.height:
        return []
    grouped = frame.group_by("stage", "reason").agg(pl.len().alias("units"), pl.col("remedy").drop_nulls().sort().first())
    grouped = grouped.sort(["units", "stage", "reason"], descending=[True, False, False])
    counts = grouped["units"].to_list()
    masked = suppress(counts, [], data.min_cell)
    top = max((c for c in masked.counts if c), default=1)
    return [
        {
            "stage": row["stage"],
            "reason": row["reason"],
            "remedy": row["remedy"] or "",
            "count": MASK_TEXT if count is None else str(count),
            "width": 0 if count is None else round(100 * count / top, 1),
        }
        for row, count in zip(grouped.to_dicts(), masked.counts, strict=True)
    ]


def changes(data: ReportData) -> dict[str, Any] | None:
    """Return what changed since the previous release, by table and column, small counts masked."""
    found = data.changes
    if found is None:
        return None
    cells = found.cells.filter(pl.col("table") != "dictionary")
    grouped = cells.group_by("table", "column").agg(pl.len().alias("cells"), pl.col("cause").unique().sort().str.join("; "))
    grouped = grouped.sort(["cells", "table", "column"], descending=[True, False, False])
    moved = found.rows.filter(pl.col("table") != "dictionary").group_by("table", "change").len().sort("table", "change")
    return {
        "version": data.about.get("previous", ""),
        "added": shown(len(found.added), data.min_cell),
        "removed": shown(len(found.removed), data.min_cell),
        "rows": [(table, change, shown(count, data.min_cell)) for table, change, count in moved.iter_rows()],
        "cells": [
            (f"{row['table']}.{row['column']}", shown(row["cells"], data.min_cell), row["cause"])
            for row in grouped.head(30).to_dicts()
        ],
        "more": max(0, grouped.height - 30),
        "columns": found.columns[:30],
    }


def distributions(data: ReportData) -> list[dict[str, str]]:
    """Draw some features by centre: quantiles only, of centres with at least `min_cell` subjects."""
    analysis = data.tables["analysis"]
    if "centre" not in analysis.columns:
        subjects = data.tables["subjects"]
        if "centre" not in subjects.columns:
            return []
        analysis = analysis.join(subjects.select("subject_id", "centre"), on="subject_id", how="left")
    names = _features_to_show(data)
    described = {row["column"]: row["label"] for row in data.dictionary.filter(pl.col("table") == "analysis").to_dicts()}
    found = []
    for place, name in enumerate(names):
        rows = []
        for centre in sorted(analysis["centre"].drop_nulls().unique().to_list()):
            values = analysis.filter(pl.col("centre") == centre)[name].drop_nulls().cast(pl.Float64).to_numpy()
            values = values[np.isfinite(values)]
            quantiles = None
            if len(values) >= data.min_cell:
                p10, q1, q2, q3, p90 = (float(q) for q in np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9]))
                quantiles = (p10, q1, q2, q3, p90)
            rows.append(charts.Box(centre, quantiles))
        found.append({"name": name, "label": described.get(name, name), "svg": charts.boxes(f"box-{place}", name, rows)})
    return found


def _features_to_show(data: ReportData) -> list[str]:
    dictionary = data.dictionary.filter(pl.col("table") == "radiomics")
    names = [c for c in dictionary["column"] if c in data.tables["analysis"].columns]
    preferred = [n for p in PREFERRED_FEATURES for n in names if n.endswith(p)]
    rest = [n for n in names if n not in set(preferred)]
    return [*preferred, *rest][:FEATURES_SHOWN]


def dictionary_rows(dictionary: pl.DataFrame, limit: int = 1500) -> dict[str, Any]:
    """Return the rows the page can search; variables of large matrices are left to the dictionary files."""
    rows = dictionary.filter(pl.col("rows").is_not_null())
    return {"rows": rows.head(limit).to_dicts(), "shown": min(limit, rows.height), "total": dictionary.height}
