"""Section: how alike the subjects are, as the policy of the study asks."""

from __future__ import annotations

from typing import Any

from unibase.releases.report.data import ReportData
from unibase.releases.report.section import Section


def contents(data: ReportData) -> dict[str, Any] | None:
    """Return what the template shows; nothing without quasi-identifiers."""
    measured = data.about.get("disclosure")
    return {"disclosure": measured} if measured else None


SECTION = Section(
    "anonymity",
    ("Maîtrise du risque de réidentification", "Disclosure control"),
    ("Confidentialité", "Disclosure"),
    contents,
    after="changes",
)
