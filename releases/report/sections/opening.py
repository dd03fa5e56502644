"""Section: how to open the release, and what made it."""

from __future__ import annotations

from typing import Any

from unibase.releases.report.data import ReportData
from unibase.releases.report.section import Section


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    return {"software": sorted(dict(data.about.get("software", {})).items())}


SECTION = Section("open", ("Ouvrir ces données", "Open these data"), ("Ouvrir", "Open"), contents, after="dictionary")
