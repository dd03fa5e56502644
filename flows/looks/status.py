"""How far a study is: what each stage took in, finished and refused, and what happened to every file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from unibase.flows.runs.last_run import LastRun, last_run
from unibase.flows.study.released import published_versions
from unibase.flows.study.study_file import Study
from unibase.groundwork.plain_csv import write_plain_csv
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Outcome, WorkLedger


@dataclass(frozen=True)
class StageCounts:
    """What became of the units of one stage.

    Attributes:
        stage: Its name.
        done: Units that ended well.
        quarantined: Units that were refused for what their data are.
        failed: Units that the machine kept from ending; the next run tries them again.
        ended: When the last of them ended, ISO 8601 with its zone.
    """

    stage: str
    done: int
    quarantined: int
    failed: int
    ended: str

    @property
    def taken_in(self) -> int:
        """All units: in = done + quarantined + failed."""
        return self.done + self.quarantined + self.failed


@dataclass(frozen=True)
class StudyStatus:
    """How far a study is.

    Attributes:
        study: Its name.
        running: Whether a run holds the workspace now.
        release: Version of the last release; empty when there is none.
        stages: By the moment their last unit ended.
        last_run: How the last run ended, and if badly why; None before the first.
    """

    study: str
    running: bool
    release: str
    stages: tuple[StageCounts, ...]
    last_run: LastRun | None


def status_of(study: Study) -> StudyStatus:
    """Return how far a study is.

    Args:
        study: The study.

    Raises:
        UserError: If nothing was built yet.
    """
    outcomes, moments = read_ledger(study)
    rows: Counter[tuple[str, str]] = Counter((stage, o.status) for stage, o in outcomes)
    stages = [
        StageCounts(
            stage,
            rows[stage, "done"],
            rows[stage, "quarantined"],
            rows[stage, "failed"],
            datetime.fromtimestamp(moment, UTC).astimezone().isoformat(timespec="seconds"),
        )
        for stage, moment in sorted(moments.items(), key=lambda item: (item[1], item[0]))
    ]
    released = published_versions(study.path(study.releases) / study.study)
    release = ".".join(map(str, released[-1])) if released else ""
    return StudyStatus(study.study, study.work.busy(), release, tuple(stages), last_run(study))


def status_text(study: Study) -> str:
    """Return one screen: what each stage took in, finished and refused, when, whether a run goes on, and the last release.

    Args:
        study: The study.

    Raises:
        UserError: If nothing was built yet.
    """
    now = status_of(study)
    lines = [f"{'stage':<28}{'in':>9}{'done':>9}{'quarantined':>13}{'failed':>8}   last unit ended"]
    for one in now.stages:
        ended = one.ended[:16].replace("T", " ")
        lines.append(f"{one.stage:<28}{one.taken_in:>9}{one.done:>9}{one.quarantined:>13}{one.failed:>8}   {ended}")
    lines += ["", now.last_run.in_words(now.running)] if now.last_run else [""]
    lines += [f"A run is going on: {'yes' if now.running else 'no'}.   Last release: {now.release or 'none yet'}."]
    if any(one.quarantined for one in now.stages):
        lines.append(f"Why: unibase quarantine list {study.file}")
    lines.append(f"Every file: unibase status {study.file} --files files.csv")
    return "\n".join(lines)


def write_files(study: Study, out: Path) -> int:
    """Write one row per unit of work to a CSV of mode 0600: how it ended, and why; it names source files. Return how many.

    Args:
        study: The study.
        out: The CSV.

    Raises:
        UserError: If nothing was built yet.
    """
    outcomes, _ = read_ledger(study)
    names = ("status", "reason", "message", "remedy")
    rows = [{"stage": stage, "unit": o.key, **{name: getattr(o, name) for name in names}} for stage, o in outcomes]
    write_plain_csv(pl.DataFrame(rows, schema=dict.fromkeys(("stage", "unit", *names), pl.String)), out, 0o600)
    return len(rows)


def read_ledger(study: Study) -> tuple[list[tuple[str, Outcome]], dict[str, float]]:
    """Return how every unit ended, by stage and key, and when the last one of each stage did.

    Args:
        study: The study.

    Raises:
        UserError: If nothing was built yet.
    """
    if not study.work.work_ledger.exists():
        raise UserError(f"Nothing was built yet in {study.work.root}. Build first: unibase build {study.file}")
    with WorkLedger(study.work.work_ledger) as ledger:
        return ledger.outcomes(), ledger.last_moments()
