"""How far a study is: what each stage took in, finished and refused, and what happened to every file."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from unibase.flows.runs.versions import published_versions
from unibase.flows.study.study_file import Study
from unibase.groundwork.files import atomic_file
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Outcome, WorkLedger


def status_text(study: Study) -> str:
    """Return one screen: what each stage took in, finished and refused, when, whether a run goes on, and the last release."""
    outcomes, moments = read_ledger(study)
    rows: Counter[tuple[str, str]] = Counter((stage, o.status) for stage, o in outcomes)
    lines = [f"{'stage':<28}{'in':>9}{'done':>9}{'quarantined':>13}{'failed':>8}   last unit ended"]
    for stage, moment in sorted(moments.items(), key=lambda item: (item[1], item[0])):
        done, refused, failed = (rows[stage, status] for status in ("done", "quarantined", "failed"))
        ended = datetime.fromtimestamp(moment, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        lines.append(f"{stage:<28}{done + refused + failed:>9}{done:>9}{refused:>13}{failed:>8}   {ended}")
    released = published_versions(study.path(study.releases) / study.study)
    last = ".".join(map(str, released[-1])) if released else "none yet"
    busy = study.work.busy()
    lines += ["", f"A run is going on: {'yes' if busy else 'no'}.   Last release: {last}."]
    if any(status == "quarantined" for _, status in rows):
        lines.append(f"Why: unibase quarantine {study.file}")
    lines.append(f"Every file: unibase status {study.file} --files files.csv")
    return "\n".join(lines)


def write_files(study: Study, out: Path) -> int:
    """Write one row per unit of work to a CSV of mode 0600: how it ended, and why; it names source files. Return how many."""
    outcomes, _ = read_ledger(study)
    names = ("status", "reason", "message", "remedy")
    rows = [{"stage": stage, "unit": o.key, **{name: getattr(o, name) for name in names}} for stage, o in outcomes]
    schema = dict.fromkeys(("stage", "unit", *names), pl.String)
    with atomic_file(out, 0o600) as path:
        pl.DataFrame(rows, schema=schema).write_csv(path)
    return len(rows)


def read_ledger(study: Study) -> tuple[list[tuple[str, Outcome]], dict[str, float]]:
    """Return how every unit ended, by stage and key, and when the last one of each stage did.

    Raises:
        UserError: If nothing was built yet.
    """
    if not study.work.work_ledger.exists():
        raise UserError(f"Nothing was built yet in {study.work.root}. Build first: unibase build {study.file}")
    with WorkLedger(study.work.work_ledger) as ledger:
        return ledger.outcomes(), ledger.last_moments()
