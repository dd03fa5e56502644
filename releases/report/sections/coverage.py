"""Section: which centre has events of which concept; an endpoint of which a centre has none says so."""

from __future__ import annotations

from collections import Counter

from unibase.releases.disclosure.cohort_counts import Cell
from unibase.releases.disclosure.decisions import ROUNDED
from unibase.releases.disclosure.small_counts import MASK_TEXT, shares
from unibase.releases.report.data import Contents, ReportData, at_least
from unibase.releases.report.section import Section

WHY = "Counted down to a multiple of the smallest count, where a count of the centre's persons with and without may be told."


def _cells(persons: dict[str, int], data: ReportData) -> dict[str, str]:
    """Return what may be shown of the persons of each centre, by the rule of the columns of the dictionary.

    A concept may be of the persons of a column or of an endpoint, of whom the total is shown, and the size of each centre. By one
    rule the same centres are hidden in both. A dot says neither somebody nor nobody: either would narrow the others.

    Args:
        persons: Persons by centre.
        data: The data of the page.
    """
    of, counts = Counter(one.centre for one in data.weighed.cohort.people.of.values()), data.weighed.cohort.counts
    sizes = [max(of[centre], count) for centre, count in persons.items()]
    hidden = {place for place, centre in enumerate(persons) if of[centre] and counts[Cell(centre=centre)] is None}
    pairs = shares(list(persons.values()), sizes, data.min_cell, hidden)
    return {
        centre: MASK_TEXT if pair is None else at_least(pair[0], data.min_cell) if pair[0] else "0"
        for centre, pair in zip(persons, pairs, strict=True)
    }


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows: persons by concept and centre, counted down, and who has none. `data`: that of the page."""
    table = data.evidence.get("coverage")
    if table is None or not table.height:
        return None
    centres = table["centre"].unique().sort().to_list()
    rows, none = [], []
    for (concept,), mine in table.sort("concept").group_by("concept", maintain_order=True):
        asked_by = mine["asked_by"][0] or ""
        cells = _cells(dict(mine.sort("centre").select("centre", "persons").iter_rows()), data)
        rows.append({"concept": concept, "asked_by": asked_by, "cells": [cells.get(centre, "0") for centre in centres]})
        none += [{"concept": concept, "centre": name, "asked_by": asked_by} for name, cell in cells.items() if cell == "0"]
        for centre, cell in cells.items():
            data.ruled("coverage", f"{concept}; centre {centre}", ROUNDED, cell != MASK_TEXT, WHY)
    return {"centres": centres, "rows": rows, "none": none}


SECTION = Section(
    "coverage",
    ("Ce que chaque centre apporte", "What each centre holds"),
    ("Couverture", "Coverage"),
    contents,
    after="harmonisation",
    evidence=("coverage",),
)
