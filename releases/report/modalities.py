"""Sections: which modalities subjects have together, and how complete each centre is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from releases.disclosure import MASK_TEXT, Statistic, protect
from releases.report.data import ReportData
from releases.report.section import Section


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
    subjects = data.table("subjects")
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


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    found = presence(data)
    return {"overlap": overlap(found), "completeness": completeness(found)}


SECTION = Section(
    "modalities", ("Modalités réunies par sujet", "Modalities together, by subject"), ("Modalités", "Modalities"), contents
)
