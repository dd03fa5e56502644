"""Section: what two modalities cannot both say of one person, and samples that are not their person's."""

from __future__ import annotations

from collections import Counter

import polars as pl

from unibase.releases.disclosure.small_counts import Statistic, protect
from unibase.releases.report.data import Contents, ReportData, text
from unibase.releases.report.section import Section

_CHECKS = {
    "age": ("âge", "age"),
    "body-part": ("région du corps", "body part"),
    "dates": ("dates", "dates"),
    "duplicate": ("échantillon en double", "sample under two names"),
    "genotype": ("génotype", "genotype"),
    "laterality": ("latéralité", "laterality"),
    "sex": ("sexe", "sex"),
    "weight": ("poids", "weight"),
    "births": ("deux naissances", "two births"),
    "deaths": ("deux décès", "two deaths"),
    "after-death": ("résultats après le décès", "results after death"),
    "organ": ("organe de l'autre sexe", "organ of the other sex"),
    "foreign-series": ("série d'une autre personne", "one series of another person"),
    "shared-series": ("une série sous deux personnes", "one series under two persons"),
    "mask": ("masque douteux", "a mask that looks wrong"),
    "two-places": ("deux hôpitaux les mêmes jours", "two hospitals on the same days"),
    "sample-date": ("échantillon trop ancien", "sample years before diagnosis"),
}
KEYS = ["check", "modality", "message"]


def _weigh(frame: pl.DataFrame, min_cell: int) -> list[int | None]:
    """Return how many subjects each finding concerns, in order of `KEYS`, and last how many any of them does; None is hidden."""
    findings = frame.select(KEYS).unique().sort(KEYS).with_row_index("place")
    of = frame.join(findings, on=KEYS).group_by("subject_id").agg(pl.col("place").unique().sort())
    alike = Counter(tuple(places) for places in of["place"].to_list())
    groups = sorted(alike)
    rows = [Statistic(tuple(i for i, group in enumerate(groups) if n in group)) for n in range(findings.height)]
    rows.append(Statistic(tuple(range(len(groups))), priority=1))
    sizes = [alike[group] for group in groups]
    shown = protect(sizes, rows, min_cell)
    return [sum(sizes[i] for i in row.members) if show else None for row, show in zip(rows, shown, strict=True)]


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows: subjects by check, modality and message, small counts masked; None where nobody looked.

    Args:
        data: The data of the page.
    """
    frame = data.evidence.get("concordance")
    if frame is None:
        return None
    *counts, concerned = _weigh(frame, data.min_cell)
    findings = []
    for row, count in zip(frame.select(KEYS).unique().sort(KEYS).iter_rows(named=True), counts, strict=True):
        data.told("concordance", f"{row['check']}, {row['modality']}: {row['message']}", count)
        findings.append({**row, "check": _CHECKS.get(row["check"], (row["check"],) * 2), "subjects": text(count)})
    data.told("concordance", "subjects concerned", concerned)
    return {"findings": findings, "subjects": text(concerned)}


SECTION = Section(
    "concordance",
    ("Concordance entre modalités", "Concordance of modalities"),
    ("Concordance", "Concordance"),
    contents,
    after="quality",
    evidence=("concordance",),
)
