"""Sections: which modalities subjects have together, and how complete each centre is."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl

from unibase.releases.disclosure.small_counts import MASK_TEXT, Statistic, protect
from unibase.releases.report.data import ReportData
from unibase.releases.report.section import Section

MOST_BANDS = 6


@dataclass(frozen=True)
class Presence:
    """Who has which modality, by centre and by years, as counts that may be shown together; None is hidden."""

    names: list[str]
    patterns: list[tuple[bool, ...]]
    pattern_counts: list[int | None]
    modality_counts: list[int | None]
    centres: list[str]
    centre_counts: list[int | None]
    cells: list[list[int | None]]
    bands: list[str]
    band_counts: list[int | None]
    band_cells: list[list[int | None]]


def presence(data: ReportData) -> Presence:
    """Count modalities by subject, centre and years of the index, and protect all counts of the page together.

    The base groups are centre by years by combination; combination counts, totals, centre counts, and the completeness
    of each centre and of each band of years are sums of them. How many of a centre or band lack a modality is not
    shown, but must not be computable either.
    """
    subjects = data.table("subjects")
    names = list(data.modalities)
    members = {name: set(rows) for name, rows in data.modalities.items()}
    ids = [str(s) for s in subjects["subject_id"]]
    centre_of = subjects["centre"].fill_null("?").to_list() if "centre" in subjects.columns else [""] * len(ids)
    band_of = year_bands(ids, data.evidence.get("years"), data.min_cell)
    tally = Counter((c, y, tuple(s in members[n] for n in names)) for s, c, y in zip(ids, centre_of, band_of, strict=True))
    totals = Counter(pattern for *_, pattern in tally.elements())
    patterns = sorted(totals, key=lambda p: (-totals[p], [not on for on in p]))
    centres, bands = sorted(set(centre_of)), sorted(set(band_of))
    base = [(c, y, p) for c in centres for y in bands for p in patterns]
    counts = [tally[b] for b in base]

    def select(
        centre: str | None = None,
        band: str | None = None,
        pattern: tuple[bool, ...] | None = None,
        has: tuple[int, bool] | None = None,
    ) -> tuple[int, ...]:
        return tuple(
            i
            for i, (c, y, p) in enumerate(base)
            if centre in (None, c) and band in (None, y) and pattern in (None, p) and (has is None or p[has[0]] == has[1])
        )

    every = range(len(names))
    wanted = [
        *(Statistic(select(pattern=p), priority=3) for p in patterns),
        *(Statistic(select(has=(m, True)), priority=1) for m in every),
        *(Statistic(select(centre=c), priority=5) for c in centres),
        *(Statistic(select(centre=c, has=(m, True)), priority=2) for c in centres for m in every),
        *(Statistic(select(band=y), priority=4) for y in bands),
        *(Statistic(select(band=y, has=(m, True)), priority=1) for y in bands for m in every),
        Statistic(select(), fixed=True),
        *(Statistic(select(centre=c, has=(m, False)), shown=False) for c in centres for m in every),
        *(Statistic(select(band=y, has=(m, False)), shown=False) for y in bands for m in every),
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
        bands,
        [next(visible) for _ in bands],
        [[next(visible) for _ in every] for _ in bands],
    )


def year_bands(ids: list[str], years: pl.DataFrame | None, min_cell: int) -> list[str]:
    """Return the band of years of each subject, such as 2013–2015; empty text for all where no year is known.

    Neighbouring years go together until a band has `min_cell` subjects, and a sixth of the cohort.
    """
    known = {} if years is None else {str(s): int(y) for s, y in years.select("subject_id", "year").drop_nulls().iter_rows()}
    per_year = sorted(Counter(known[i] for i in ids if i in known).items())
    least = max(min_cell, math.ceil(len(ids) / MOST_BANDS))
    groups: list[list[int]] = []
    size = least
    for year, count in per_year:
        if size >= least:
            groups.append([])
            size = 0
        groups[-1].append(year)
        size += count
    if len(groups) > 1 and size < least:
        groups[-2:] = [groups[-2] + groups[-1]]
    name = {y: str(g[0]) if g[0] == g[-1] else f"{g[0]}–{g[-1]}" for g in groups for y in g}
    return [name[known[i]] if i in known else ("?" if known else "") for i in ids]


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


def completeness(found: Presence) -> list[dict[str, Any]]:
    """Return, by centre and by years of the index, the share of subjects who have each modality; no table of one unnamed row."""
    both = (
        ("centre", ("Centre", "Centre"), found.centres, found.centre_counts, found.cells),
        ("years", ("Année de l'index", "Year of the index"), found.bands, found.band_counts, found.band_cells),
    )
    return [
        {
            "name": name,
            "title": title,
            "rows": [
                {"name": label, "total": _text(total), "cells": [_share(c, total) for c in cells]}
                for label, total, cells in zip(labels, totals, rows, strict=True)
            ],
        }
        for name, title, labels, totals, rows in both
        if labels != [""]
    ]


def _share(count: int | None, total: int | None) -> int | None:
    return None if count is None or not total else round(100 * count / total)


def _text(count: int | None) -> str:
    return MASK_TEXT if count is None else str(count)


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    found = presence(data)
    return {"overlap": overlap(found), "completeness": completeness(found)}


SECTION = Section("modalities", ("Modalités et complétude", "Modalities and completeness"), ("Modalités", "Modalities"), contents)
