"""Section: the steps from all known persons to the cohort."""

from __future__ import annotations

from collections.abc import Sequence

from unibase.releases.disclosure.flow_counts import FlowStep
from unibase.releases.report.data import Contents, ReportData, text
from unibase.releases.report.section import FIRST, Section


def flow_steps(steps: Sequence[FlowStep]) -> list[dict[str, bool | str | None]]:
    """Return the steps of the cohort flow as texts; all known persons come first where a step leaves somebody out."""
    if not steps:
        return []
    rows = [
        {
            "step": None if step.step is None else step.step.replace("_", " "),
            "kept": text(step.kept),
            "excluded": text(step.excluded),
            "any": step.excludes,
            "reason": step.reason,
        }
        for step in steps
    ]
    return rows if steps[1].excludes else rows[1:]


def contents(data: ReportData) -> Contents:
    """Return what the template shows.

    Args:
        data: The data of the page.
    """
    for step in data.weighed.flow:
        data.told("flow", step.step or "known persons", step.kept)
        if step.step is not None:
            data.told("flow", f"{step.step}: left out", step.excluded)
    return {"flow": flow_steps(data.weighed.flow)}


SECTION = Section("flow", ("Qui est dans la cohorte", "Who is in the cohort"), ("Cohorte", "Cohort"), contents, after=FIRST)
