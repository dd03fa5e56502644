"""Section: how alike the subjects are, as the policy of the study asks."""

from __future__ import annotations

from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing without quasi-identifiers.

    Args:
        data: The data of the page.
    """
    measured = data.about.get("disclosure")
    return {"disclosure": measured} if measured else None


SECTION = Section(
    "anonymity",
    ("Maîtrise du risque de réidentification", "Disclosure control"),
    ("Confidentialité", "Disclosure"),
    contents,
    after="changes",
)
