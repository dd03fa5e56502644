"""What happened to every file, for the custodian: names come from the vault's work ledger."""

from __future__ import annotations

from collections import Counter

from flows.study import Study
from groundwork.problems import UserError
from groundwork.work import WorkLedger


def quarantine_text(study: Study) -> str:
    """Return the units in quarantine, by stage and reason, with their source names and remedies."""
    if not study.work.work_ledger.exists():
        raise UserError(f"Nothing was built yet in {study.work.root}. Build first: unibase build {study.file}")
    with WorkLedger(study.work.work_ledger) as ledger:
        outcomes = ledger.outcomes()
    totals = Counter(stage for stage, _ in outcomes)
    refused = [(stage, o) for stage, o in outcomes if o.status == "quarantined"]
    lines = []
    for stage, total in sorted(totals.items()):
        mine = [o for s, o in refused if s == stage]
        lines.append(f"{stage}: {total} in = {total - len(mine)} done + {len(mine)} quarantined")
        for reason, _ in Counter(o.reason for o in mine).most_common():
            same = [o for o in mine if o.reason == reason]
            lines.append(f"  {reason} ({len(same)}): {same[0].message} {same[0].remedy}".rstrip())
            lines += [f"    {o.key}" for o in same]
    return "\n".join(lines)
