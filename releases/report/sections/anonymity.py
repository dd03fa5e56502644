"""Section: how alike the subjects are, as the policy of the study asks."""

from __future__ import annotations

from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where the policy asks for nothing.

    Args:
        data: The data of the page.
    """
    promised = data.about.get("disclosure")
    return {"disclosure": promised} if promised and promised["min_k"] > 1 else None


SECTION = Section(
    "anonymity",
    ("Maîtrise du risque de réidentification", "Disclosure control"),
    ("Confidentialité", "Disclosure"),
    contents,
    after="changes",
)
