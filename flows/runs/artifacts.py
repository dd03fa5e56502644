"""What the morning look shows of a run: counts by stage, quarantine by reason with what changed since the run before, the end.

Made of counts, codes and names of stages alone: Prefect keeps artifacts in clear.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from unibase.flows.looks.status import StudyStatus, read_ledger, status_of
from unibase.flows.study.study_file import Study
from unibase.groundwork.problems import without_folders
from unibase.groundwork.work import WorkLedger

_LAST = "quarantine of the last run"


@dataclass(frozen=True)
class Artifacts:
    """What one run shows.

    Attributes:
        stages: A row a stage: what it took in, and how that ended.
        quarantine: A row a stage and reason: how many, and how many more than after the run before.
        end: Green or red, and why, as Markdown.
    """

    stages: list[dict[str, str | int]]
    quarantine: list[dict[str, str | int]]
    end: str


def artifacts_of(study: Study, ended: str, right: bool) -> Artifacts:
    """Return what to show of a run that ended now, and remember its quarantine for the next.

    Args:
        study: The study.
        ended: Folder of the release, or why the run stopped.
        right: Whether it ended well.

    Raises:
        UserError: If nothing was built yet.
    """
    status = status_of(study)
    outcomes, _ = read_ledger(study)
    now = Counter(f"{stage} {o.reason}" for stage, o in outcomes if o.status == "quarantined")
    with WorkLedger(study.work.work_ledger) as ledger:
        before: dict[str, int] = ledger.remembered(_LAST) or {}
        ledger.remember(_LAST, dict(now))
    return Artifacts(_stages(status), _quarantine(now, before), _end(study, status, ended, right))


def _stages(status: StudyStatus) -> list[dict[str, str | int]]:
    return [
        {"stage": one.stage, "in": one.taken_in, "done": one.done, "quarantined": one.quarantined, "failed": one.failed}
        for one in status.stages
    ]


def _quarantine(now: Counter[str], before: dict[str, int]) -> list[dict[str, str | int]]:
    rows: list[dict[str, str | int]] = []
    for key in sorted(now.keys() | before.keys()):
        stage, _, reason = key.partition(" ")
        more = now[key] - before.get(key, 0)
        said: dict[str, str | int] = {"stage": stage, "reason": reason, "units": now[key]}
        rows.append({**said, "since the last run": more})
    return rows


def _end(study: Study, status: StudyStatus, ended: str, right: bool) -> str:
    if right:
        version = without_folders(ended).rpartition("/")[2]
        return f"# Green\n\nRelease {study.study} {version} stands. Its page is `{study.releases}/{study.study}/{version}/report.html`."
    last = f"The last release, {status.release}, stays." if status.release else "There is no release yet."
    return f"# Red\n\n{without_folders(ended)}\n\n{last}"
