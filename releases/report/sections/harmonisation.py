"""Section: what harmonisation across centres changed, before and after."""

from __future__ import annotations

from typing import Any

import polars as pl

from unibase.releases.content.inputs import HARMONISED
from unibase.releases.disclosure.decisions import EITHER_SIDE
from unibase.releases.disclosure.quantiles import BOX_WHY, Quantiles, quantiles
from unibase.releases.report import charts
from unibase.releases.report.data import Contents, ReportData, text
from unibase.releases.report.section import Section
from unibase.releases.report.sections.radiomic_features import PREFERRED_FEATURES

SHOWN_PER_GROUP = 2


def _groups(data: ReportData) -> list[dict[str, object]]:
    """Return per group of values what was done, the centre's share of the variance, and some variables before and after."""
    found = []
    for place, (name, record) in enumerate(dict(data.about.get("harmonisation", {})).items()):
        found.append(
            {
                "name": name,
                "record": record,
                "subjects": _told(record["subjects"]),
                "left_out": _told(record["left_out"]),
                "effects": _effects(f"effect-{place}", name, record, data.min_cell),
                "pairs": _pairs(data, name, place),
            }
        )
    return found


def _told(count: int | None) -> str:
    """Return a count that the record has in multiples of the smallest count."""
    return f"≥ {count}" if count else text(count)


def _effects(identity: str, name: str, record: dict[str, Any], min_cell: int) -> str | None:
    rows = []
    for kind, (fr, en) in {"all": ("tous", "all"), "not_trained_on": ("hors ajustement", "held out")}.items():
        effect = record["effect"].get(kind)
        if effect is None or effect["subjects"] is None or effect["subjects"] < min_cell:
            continue
        for when, label in (("before", ("avant", "before")), ("after", ("après", "after"))):
            rows.append(
                charts.Box((f"{label[0]}, {fr}", f"{label[1]}, {en}"), Quantiles(*(100 * share for share in effect[when])))
            )
    return charts.boxes(identity, name, rows) if rows else None


def _pairs(data: ReportData, group: str, place: int) -> list[dict[str, str]]:
    """Draw some variables by centre, raw and harmonised on one scale; quantiles only, of centres with `min_cell` subjects."""
    if "centre" not in data.columns("subjects"):
        return []
    names = [c for c in data.columns("analysis") if c.startswith(f"{HARMONISED}{group}_")]
    preferred = [n for p in PREFERRED_FEATURES for n in names if n.endswith(p)]
    chosen = list(dict.fromkeys([*preferred, *names]))[:SHOWN_PER_GROUP]
    raw = [name.removeprefix(HARMONISED) for name in chosen]
    analysis = data.table("analysis", "subject_id", *raw, *chosen).join(
        data.table("subjects", "subject_id", "centre"), on="subject_id", how="left"
    )
    drawn = []
    for number, after in enumerate(chosen):
        before = after.removeprefix(HARMONISED)
        rows = []
        for centre in sorted(analysis["centre"].drop_nulls().unique().to_list()):
            mine = analysis.filter(pl.col("centre") == centre)
            for column, label in ((before, ("avant", "before")), (after, ("après", "after"))):
                values = mine[column].drop_nulls().cast(pl.Float64).to_numpy()
                found = quantiles(values, data.min_cell)
                data.ruled("harmonisation", f"{column}, {centre}", EITHER_SIDE, found is not None, BOX_WHY)
                rows.append(charts.Box((f"{centre}, {label[0]}", f"{centre}, {label[1]}"), found))
        drawn.append({"name": before, "svg": charts.boxes(f"combat-{place}-{number}", before, rows)})
    return drawn


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows, or None when nothing was harmonised.

    Args:
        data: The data of the page.
    """
    found = _groups(data)
    return {"groups": found} if found else None


SECTION = Section(
    "harmonisation",
    ("Harmonisation entre centres", "Harmonisation across centres"),
    ("Harmonisation", "Harmonisation"),
    contents,
    after="stability",
)
