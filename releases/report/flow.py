"""Section: the steps from all known persons to the cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unibase.releases.disclosure.small_counts import MASK_TEXT, chain
from unibase.releases.report.data import ReportData, shown
from unibase.releases.report.section import Section


def flow_steps(flow: Sequence[Mapping[str, Any]], min_cell: int) -> list[dict[str, Any]]:
    """Return the steps of the cohort flow, with no small step in sight.

    The count before the first step is its kept and excluded subjects together.
    """
    if not flow:
        return []
    first = flow[0]
    counts = [int(first["kept"]) + int(first.get("excluded") or 0), *(int(step["kept"]) for step in flow)]
    visible = chain(counts, min_cell)
    steps: list[dict[str, Any]] = []
    for place, step in enumerate(flow):
        before, after = visible[place], visible[place + 1]
        steps.append(
            {
                "step": str(step["step"]).replace("_", " "),
                "kept": MASK_TEXT if after is None else shown(after, min_cell),
                "excluded": shown(before - after, 1) if before is not None and after is not None else MASK_TEXT,
                "any": counts[place] != counts[place + 1],
                "reason": str(step.get("reason") or ""),
            }
        )
    start = visible[0]
    if not steps[0]["any"]:
        return steps
    return [{"step": None, "kept": MASK_TEXT if start is None else shown(start, 1), "any": False}, *steps]


def contents(data: ReportData) -> dict[str, Any]:
    """Return what the template shows."""
    return {"flow": flow_steps(data.flow, data.min_cell)}


SECTION = Section("flow", ("Qui est dans la cohorte", "Who is in the cohort"), ("Cohorte", "Cohort"), contents)
