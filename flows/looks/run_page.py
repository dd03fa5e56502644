"""The page of a study's runs: a timeline of its stages, what each cost, and what became of their units.

For the operator's morning, and for whom the operator asks for help: it names no file and no person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from unibase.flows.looks.quarantine import known_reasons
from unibase.flows.looks.status import read_ledger, status_of
from unibase.flows.runs.pipeline import ALL
from unibase.flows.runs.stage_cost import StageCost, last_cost
from unibase.flows.study.study_file import Study
from unibase.groundwork.files import write_text
from unibase.groundwork.work import WorkLedger

_LEFT, _RIGHT = 130.0, 1000.0
"""Where bars begin and end, in units of the picture."""
_NEXT_TO = 880.0
"""A bar that ends after this place has its duration inside the picture, before its begin."""


@dataclass(frozen=True)
class _Bar:
    stage: str
    left: float
    width: float
    took: str
    after: float
    inside: bool


def write_run_page(study: Study, out: Path) -> None:
    """Write the page of a study's runs.

    Args:
        study: The study.
        out: The page, one HTML file that asks for nothing over a network.

    Raises:
        UserError: If nothing was built yet.
    """
    from jinja2 import Environment, FileSystemLoader  # Heavy, and only what draws a page asks for it.

    outcomes, _ = read_ledger(study)
    with WorkLedger(study.work.work_ledger) as ledger:
        costs = [(one.name, cost) for one in ALL if (cost := last_cost(ledger, one.name))]
    templates = FileSystemLoader(Path(__file__).parent / "templates")
    status = status_of(study)
    # Why a run stopped may name a source; its kind does not.
    last = replace(status.last_run, message="") if status.last_run else None
    page = Environment(loader=templates, autoescape=True, trim_blocks=True).get_template("run.html.j2")
    told = page.render(
        status=status,
        last_run=last.in_words(status.running) if last else "",
        bars=_bars(costs),
        costs=[(name, cost, _moment(cost.began)) for name, cost in costs],
        first=_moment(min((cost.began for _, cost in costs), default=0)),
        last=_moment(max((cost.began + cost.seconds for _, cost in costs), default=0)),
        reasons=_reasons(Counter((stage, one.reason) for stage, one in outcomes if one.status == "quarantined")),
    )
    write_text(out, told, 0o640)


def _bars(costs: Sequence[tuple[str, StageCost]]) -> list[_Bar]:
    """Return a bar for each stage, on one axis from the first begin to the last end."""
    if not costs:
        return []
    first = min(cost.began for _, cost in costs)
    span = max(1.0, max(cost.began + cost.seconds for _, cost in costs) - first)
    scale = (_RIGHT - _LEFT) / span
    return [_bar(name, _LEFT + (cost.began - first) * scale, cost.seconds * scale, cost.seconds) for name, cost in costs]


def _bar(stage: str, left: float, width: float, seconds: float) -> _Bar:
    took = f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    drawn = max(1.5, width)
    inside = left + drawn > _NEXT_TO
    return _Bar(stage, round(left, 1), round(drawn, 1), took, round(left - 4 if inside else left + drawn + 4, 1), inside)


def _reasons(counts: Counter[tuple[str, str]]) -> list[tuple[str, str, int, str]]:
    known = known_reasons()
    return [
        (stage, reason, count, known[reason].remedy if reason in known else "")
        for (stage, reason), count in sorted(counts.items())
    ]


def _moment(since_1970: float) -> str:
    return datetime.fromtimestamp(since_1970, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
