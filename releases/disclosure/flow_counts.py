"""The steps from all known persons to the cohort, as counts that may be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unibase.releases.disclosure.small_counts import chain


@dataclass(frozen=True)
class FlowStep:
    """One step; None is hidden.

    Attributes:
        step: What the step asks; None for all known persons.
        kept: Persons left.
        excluded: Persons that the step left out.
        excludes: Whether it left out anybody.
        reason: Why, in words.
    """

    step: str | None
    kept: int | None
    excluded: int | None
    excludes: bool
    reason: str


def weigh(flow: Sequence[Mapping[str, Any]], min_cell: int) -> list[FlowStep]:
    """Return all known persons and then the steps, with no small step in sight; nothing where no step was recorded.

    Args:
        flow: Steps with `step`, `kept`, `excluded`, `reason`; the first one's kept and excluded are all known persons.
        min_cell: Smallest count that may be shown, of persons and of those left out.
    """
    if not flow:
        return []
    counts = [int(flow[0]["kept"]) + int(flow[0].get("excluded") or 0), *(int(step["kept"]) for step in flow)]
    visible = chain(counts, min_cell)
    steps = [FlowStep(None, visible[0], None, False, "")]
    for place, step in enumerate(flow):
        before, after = visible[place], visible[place + 1]
        gone = before - after if before is not None and after is not None else None
        excludes = counts[place] != counts[place + 1]
        steps.append(FlowStep(str(step["step"]), after, gone, excludes, str(step.get("reason") or "")))
    return steps
