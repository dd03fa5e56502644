"""Section: best tumour responses, how many subjects have each, and the rate of objective response."""

from __future__ import annotations

from typing import Any

import polars as pl

from unibase.releases.disclosure.small_counts import MASK_TEXT, Statistic, protect
from unibase.releases.report.data import ReportData
from unibase.releases.report.section import Section

ORDER = ("CR", "iCR", "PR", "iPR", "SD", "iSD", "NON-CR/NON-PD", "NON-iCR/NON-iUPD", "PD", "iUPD", "iCPD", "NE", "ND", "MISSING")
OBJECTIVE = ("CR", "iCR", "PR", "iPR")
NONE = "none"
"""Who cannot be assessed: the table adrs says why."""


def responses(data: ReportData) -> list[dict[str, Any]]:
    """Return the counts of each best response, and the share of complete and partial ones with its exact 95 % limits.

    All parameters are of the same subjects: counts are hidden so that none of fewer than `min_cell` persons can be computed
    from those of another parameter. The limits are those of Clopper and Pearson (Biometrika 1934;26:404).
    """
    codes = list(data.about["settings"].get("responses", []))
    if not codes or not data.has("adrs"):
        return []
    rows = data.table("adrs", "subject_id", "PARAMCD", "PARAM", "AVALC").filter(pl.col("PARAMCD").is_in(codes))
    names = dict(rows.select("PARAMCD", "PARAM").unique().iter_rows())
    rows = rows.with_columns(pl.col("AVALC").fill_null(NONE))
    wide = rows.pivot("PARAMCD", index="subject_id", values="AVALC").select("subject_id", *codes)
    groups = wide.group_by(codes).len().sort(codes)
    counts = groups["len"].to_list()
    asked = [(code, values) for code in codes for values in _categories(groups[code])]
    places = [tuple(n for n, value in enumerate(groups[code]) if value in values) for code, values in asked]
    statistics = [Statistic(place, priority=int(len(values) > 1)) for place, (_, values) in zip(places, asked, strict=True)]
    everybody = range(len(counts))
    # The size of the cohort is shown elsewhere, so a rate tells of those without an objective response, too; and two
    # parameters tell of those whose responses differ.
    rates = [set(place) for place, (_, values) in zip(places, asked, strict=True) if len(values) > 1]
    unshown = [tuple(sorted(set(everybody) - rate)) for rate in rates] + [(n,) for n in everybody]
    statistics += [Statistic(place, shown=False) for place in unshown]
    visible = protect(counts, [*statistics, Statistic(tuple(everybody), fixed=True)], data.min_cell)
    total = sum(counts)
    out = []
    for code in codes:
        mine = [
            (values, sum(counts[n] for n in place) if show else None)
            for (of, values), place, show in zip(asked, places, visible[: len(asked)], strict=True)
            if of == code
        ]
        out.append(
            {
                "code": code,
                "name": names[code],
                "rows": [(values[0], MASK_TEXT if count is None else str(count)) for values, count in mine if len(values) == 1],
                "rate": next((_rate(count, total) for values, count in mine if len(values) > 1), None),
            }
        )
    return out


def _categories(found: pl.Series) -> list[tuple[str, ...]]:
    """Return the responses that occur, from best to worst, each alone; and the objective ones together."""
    known = set(found)
    return [*((value,) for value in (*ORDER, NONE) if value in known), OBJECTIVE]


def _rate(count: int | None, total: int) -> str | None:
    from scipy.stats import binomtest

    if count is None or not total:
        return None
    limits = binomtest(count, total).proportion_ci(confidence_level=0.95, method="exact")
    return f"{count / total:.1%} ({limits.low:.1%}, {limits.high:.1%})".replace("%", " %")


def contents(data: ReportData) -> dict[str, Any] | None:
    """Return what the template shows; nothing where no response was asked for."""
    found = responses(data)
    return {"responses": found, "none": NONE} if found else None


SECTION = Section("responses", ("Réponse tumorale", "Tumour response"), ("Réponse", "Response"), contents)
