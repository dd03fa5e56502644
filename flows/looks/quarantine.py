"""What was not used, and why, for the custodian: names come from the vault's work ledger."""

from __future__ import annotations

from collections import Counter

import polars as pl

from unibase.flows.looks.status import read_ledger
from unibase.flows.runs.quarantine_table import read_quarantine
from unibase.flows.runs.sources import UNREADABLE
from unibase.flows.study.study_file import Study
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Outcome
from unibase.omics.samples.sheets import column_name, read_samples
from unibase.privacy.pseudonyms import token


def quarantine_text(study: Study) -> str:
    """Return the units in quarantine, by stage and reason, with their source names and remedies."""
    outcomes, _ = read_ledger(study)
    totals = Counter(stage for stage, _ in outcomes)
    refused = [(stage, o) for stage, o in outcomes if o.status == "quarantined"]
    lines = []
    for stage, total in sorted(totals.items()):
        mine = [o for s, o in refused if s == stage]
        failed = sum(o.status == "failed" for s, o in outcomes if s == stage)
        left = f" + {failed} failed, to be tried again" if failed else ""
        lines.append(f"{stage}: {total} in = {total - len(mine) - failed} done + {len(mine)} quarantined{left}")
        for reason, _ in Counter(o.reason for o in mine).most_common():
            same = [o for o in mine if o.reason == reason]
            lines.append(f"  {reason} ({len(same)}): {same[0].message} {same[0].remedy}".rstrip())
            lines += [f"    {o.key}" for o in same]
    lines += _inside(study, outcomes)
    return "\n".join(lines)


def _inside(study: Study, outcomes: list[tuple[str, Outcome]]) -> list[str]:
    """Return what was set aside inside sources that were used: rows of records, samples of matrices, regions of series."""
    table = read_quarantine(study.work.staging)
    key = study.read_key()
    units = {token(key, f"unit/{stage}", o.key) for stage, o in outcomes if o.status == "quarantined"}
    table = table.filter(~pl.col("unit").is_in(sorted(units)))
    names = _sample_names(study)
    lines = ["", f"inside sources that were used: {table.height} rows, samples or regions set aside"] if table.height else []
    for (stage, reason), rows in table.group_by("stage", "reason", maintain_order=True):
        first = rows.row(0, named=True)
        lines.append(f"{stage}: {reason} ({rows.height}): {first['message']} {first['remedy'] or ''}".rstrip())
        lines += [f"    {names.get(unit, unit)}" for unit in rows["unit"]]
    return lines


def _sample_names(study: Study) -> dict[str, str]:
    """Return source names of samples by their keyed names, for the custodian."""
    key = study.read_key()
    names = {}
    for centre, sources in study.centres.items():
        for assay, source in sources.omics.items():
            try:
                sheet = read_samples(study.path(source.samples))
            except (UserError, *UNREADABLE):
                continue  # It stands under `sources`.
            for sample in sheet["sample"]:
                names[column_name(key, assay, centre, sample)] = f"{centre}/{assay}: sample {sample}"
    return names
