"""Section: how to open the release, and what made it."""

from __future__ import annotations

from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section


def contents(data: ReportData) -> Contents:
    """Return what the template shows.

    Args:
        data: The data of the page.
    """
    return {"software": sorted(dict(data.about.get("software", {})).items())}


SECTION = Section("open", ("Ouvrir ces données", "Open these data"), ("Ouvrir", "Open"), contents, after="dictionary")
