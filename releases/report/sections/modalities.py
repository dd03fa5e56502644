"""Sections: which modalities subjects have together, and how complete each centre is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unibase.releases.disclosure.cohort_counts import Cell, CohortCounts
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section


@dataclass(frozen=True)
class _Together:
    """Which of the modalities `names` subjects have together; `hidden` counts the rows that are of too few."""

    names: list[str]
    rows: list[dict[str, object]]
    hidden: int
    totals: list[str]


@dataclass(frozen=True)
class _Share:
    """Subjects of a centre or of some years, and the share in percent who have each modality."""

    name: str
    total: str
    cells: list[int | None]


def _overlap(found: CohortCounts) -> _Together:
    """Return which modalities subjects have together, most frequent first."""
    counted = [(pattern, found.counts[Cell(only=pattern)]) for pattern in found.patterns]
    rows = [(pattern, count) for pattern, count in counted if count is not None]
    top = max((count for _, count in rows), default=1)
    return _Together(
        names=list(found.people.modalities),
        rows=[{"pattern": p, "count": str(c), "width": round(100 * c / top, 1)} for p, c in rows],
        hidden=len(counted) - len(rows),
        totals=[_text(found.counts[Cell(has=name)]) for name in found.people.modalities],
    )


def _completeness(found: CohortCounts) -> list[dict[str, object]]:
    """Return, by centre and by years of the index, the share of subjects who have each modality; no table of one unnamed row."""
    parts: tuple[tuple[str, tuple[str, str], list[str], Callable[[str, str | None], Cell]], ...] = (
        ("centre", ("Centre", "Centre"), found.centres, lambda label, has: Cell(centre=label, has=has)),
        ("years", ("Année de l'index", "Year of the index"), found.years, lambda label, has: Cell(years=label, has=has)),
    )
    return [
        {"name": name, "title": title, "rows": [_row(found, label, cell) for label in labels]}
        for name, title, labels, cell in parts
        if labels != [""]
    ]


def _row(found: CohortCounts, label: str, cell: Callable[[str, str | None], Cell]) -> _Share:
    total = found.counts[cell(label, None)]
    shares = [_share(found.counts[cell(label, name)], total) for name in found.people.modalities]
    return _Share(label, _text(total), shares)


def _share(count: int | None, total: int | None) -> int | None:
    return None if count is None or not total else round(100 * count / total)


def _text(count: int | None) -> str:
    return MASK_TEXT if count is None else str(count)


def contents(data: ReportData) -> Contents:
    """Return what the template shows.

    Args:
        data: The data of the page.
    """
    found = data.weighed.cohort
    return {"overlap": _overlap(found), "completeness": _completeness(found)}


SECTION = Section(
    "modalities",
    ("Modalités et complétude", "Modalities and completeness"),
    ("Modalités", "Modalities"),
    contents,
    after="characteristics",
)
