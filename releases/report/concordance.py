"""Section: what two modalities cannot both say of one person, and samples that are not their person's."""

from __future__ import annotations

from typing import Any

import polars as pl

from unibase.releases.report.data import ReportData, shown
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
}


def contents(data: ReportData) -> dict[str, Any] | None:
    """Return what the template shows: subjects by check, modality and message, small counts masked; None where nobody looked."""
    frame = data.evidence.get("concordance")
    if frame is None:
        return None
    keys = ["check", "modality", "message"]
    rows = frame.group_by(keys).agg(pl.col("subject_id").n_unique().alias("subjects")).sort(keys)
    findings = [
        {**row, "check": _CHECKS.get(row["check"], (row["check"],) * 2), "subjects": shown(row["subjects"], data.min_cell)}
        for row in rows.iter_rows(named=True)
    ]
    return {"findings": findings, "subjects": shown(frame["subject_id"].n_unique(), data.min_cell)}


SECTION = Section(
    "concordance", ("Concordance entre modalités", "Concordance of modalities"), ("Concordance", "Concordance"), contents
)
