"""What was not used, and why, for the custodian: names come from the vault's work ledger."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

import polars as pl

from unibase.flows.looks.status import read_ledger
from unibase.flows.runs.quarantine_table import read_quarantine
from unibase.flows.runs.unreadable_sources import UNREADABLE
from unibase.flows.study.study_file import Study
from unibase.groundwork.problems import UserError
from unibase.groundwork.reasons import Reason, declared
from unibase.groundwork.work import Outcome, WorkLedger
from unibase.omics.samples.sheet_file import read_samples
from unibase.omics.samples.sheets import column_name
from unibase.privacy.pseudonyms import token

_DOORS = ("groundwork", "privacy", "imaging", "omics", "clinical", "linking", "releases", "flows")
_ACCEPTED = "accepted quarantine"


@dataclass(frozen=True)
class SetAside:
    """One unit in quarantine.

    Attributes:
        stage: Stage that refused it.
        unit: Its name; may name a source file.
        reason: Code of the reason.
        message: What is wrong of it.
        remedy: What can be done.
        accepted: Who accepted that it stays out, and why; empty for nobody.
    """

    stage: str
    unit: str
    reason: str
    message: str
    remedy: str
    accepted: str = ""


def set_aside(study: Study) -> list[SetAside]:
    """Return the units in quarantine, by stage and name.

    Args:
        study: The study.

    Raises:
        UserError: If nothing was built yet.
    """
    outcomes, _ = read_ledger(study)
    with WorkLedger(study.work.work_ledger) as ledger:
        accepted = ledger.remembered(_ACCEPTED) or {}
    return [
        SetAside(stage, o.key, o.reason, o.message, o.remedy, accepted.get(_mark(stage, o), ""))
        for stage, o in outcomes
        if o.status == "quarantined"
    ]


def quarantine_text(study: Study) -> str:
    """Return the units in quarantine, by stage and reason, with their source names and remedies.

    Args:
        study: The study.

    Raises:
        UserError: If nothing was built yet.
    """
    outcomes, _ = read_ledger(study)
    refused = set_aside(study)
    totals = Counter(stage for stage, _ in outcomes)
    lines = []
    for stage, total in sorted(totals.items()):
        mine = [one for one in refused if one.stage == stage]
        failed = sum(o.status == "failed" for s, o in outcomes if s == stage)
        left = f" + {failed} failed, to be tried again" if failed else ""
        lines.append(f"{stage}: {total} in = {total - len(mine) - failed} done + {len(mine)} quarantined{left}")
        for reason, _ in Counter(one.reason for one in mine).most_common():
            same = [one for one in mine if one.reason == reason]
            lines.append(f"  {reason} ({len(same)}): {same[0].message} {same[0].remedy}".rstrip())
            lines += [f"    {one.unit}{f'  (accepted by {one.accepted})' if one.accepted else ''}" for one in same]
    lines += _inside(study, outcomes)
    return "\n".join(lines)


def told_of(study: Study, asked: str) -> str:
    """Return what is known of one reason, or of one unit in quarantine, and what can be done.

    Args:
        study: The study.
        asked: Code of a reason, or a part of the name of a unit.

    Raises:
        UserError: If nothing in quarantine has that reason or name.
    """
    refused = set_aside(study)
    found = [one for one in refused if one.reason == asked] or [one for one in refused if asked in one.unit]
    if not found:
        known = ", ".join(sorted({one.reason for one in refused})) or "none"
        raise UserError(f"Nothing in quarantine has the reason or the name {asked!r}. Reasons there: {known}.")
    lines = []
    for reason in sorted({one.reason for one in found}):
        told = known_reasons().get(reason)
        lines.append(f"{reason}: {told.meaning}\n  What to do: {told.remedy}\n  Example: {told.example}" if told else reason)
        for one in found:
            if one.reason == reason:
                lines.append(f"  {one.stage}: {one.unit}: {one.message} {one.remedy}".rstrip())
    lines.append(
        f"After mending: unibase build {study.file}. Without a change of the source: unibase quarantine retry {study.file} REASON"
    )
    return "\n".join(lines)


def retry(study: Study, asked: str) -> int:
    """Have the next run try units again that are in quarantine, though nothing of them changed; return how many.

    Args:
        study: The study.
        asked: Code of a reason, or a part of the name of a unit.

    Raises:
        UserError: If a run goes on, or nothing in quarantine has that reason or name.
    """
    with study.work.owned():
        found = _matching(study, asked)
        with WorkLedger(study.work.work_ledger) as ledger:
            for stage in {one.stage for one in found}:
                gone = {one.unit for one in found if one.stage == stage}
                ledger.forget_others(stage, ledger.known(stage).keys() - gone)
        note_look(study, "quarantine-retried", asked, len(found))
    return len(found)


def note_look(study: Study, action: str, asked: str = "", units: int | None = None) -> None:
    """Note in the audit log who looked at names of the vault, or had units tried again; a name that was asked for stays out.

    Args:
        study: The study.
        action: What was done.
        asked: Code of a reason, or a part of the name of a unit.
        units: How many it concerned.
    """
    by = {"asked": asked if asked in known_reasons() else "a name"} if asked else {}
    study.audit.append(getpass.getuser(), action, 0, by | ({} if units is None else {"units": units}))


def accept(study: Study, asked: str, who: str, why: str) -> int:
    """Note that units stay out, and who decided it; their list says so until their source or reason changes. Return how many.

    Args:
        study: The study.
        asked: Code of a reason, or a part of the name of a unit.
        who: Login of who decides.
        why: The grounds; no value of a patient.

    Raises:
        UserError: If a run goes on, nothing in quarantine has that reason or name, or no grounds are given.
    """
    if not why.strip():
        raise UserError("Say why these units stay out: --why TEXT, without a value of a patient.")
    with study.work.owned():
        found = {(one.stage, one.unit) for one in _matching(study, asked)}
        outcomes, _ = read_ledger(study)
        marks = {_mark(stage, o): f"{who}: {why}" for stage, o in outcomes if (stage, o.key) in found}
        with WorkLedger(study.work.work_ledger) as ledger:
            ledger.remember(_ACCEPTED, {**(ledger.remembered(_ACCEPTED) or {}), **marks})
        study.audit.append(who, "quarantine-accepted", 0, {"units": len(found), "asked": asked, "why": why})
    return len(found)


def _matching(study: Study, asked: str) -> list[SetAside]:
    refused = set_aside(study)
    found = [one for one in refused if one.reason == asked] or [one for one in refused if asked in one.unit]
    if not found:
        raise UserError(f"Nothing in quarantine has the reason or the name {asked!r}. See: unibase quarantine list {study.file}")
    return found


def _mark(stage: str, outcome: Outcome) -> str:
    return f"{stage}\x1f{outcome.key}\x1f{outcome.input_digest}\x1f{outcome.reason}"


def known_reasons() -> dict[str, Reason]:
    """Return all reasons that our rooms declare, by code."""
    return {str(reason): reason for room in _rooms() for reason in room.values()}


def _rooms() -> Iterator[dict[str, Reason]]:
    for name in _DOORS:
        try:
            yield dict(declared(import_module(f"unibase.{name}.reasons")))
        except ModuleNotFoundError:
            continue


def _inside(study: Study, outcomes: list[tuple[str, Outcome]]) -> list[str]:
    """Return what was set aside inside sources that were used: rows of records, samples of matrices, regions of series."""
    table = read_quarantine(study.work.staging)
    key = study.read_key()
    units = {token(key, f"unit/{stage}", o.key) for stage, o in outcomes if o.status == "quarantined"}
    table = table.filter(~pl.col("unit").is_in(sorted(units)))
    names = {one.column: one.said for one in _sample_names(study)}
    lines = ["", f"inside sources that were used: {table.height} rows, samples or regions set aside"] if table.height else []
    for (stage, reason), rows in table.group_by("stage", "reason", maintain_order=True):
        first = rows.row(0, named=True)
        lines.append(f"{stage}: {reason} ({rows.height}): {first['message']} {first['remedy'] or ''}".rstrip())
        lines += [f"    {names.get(unit, unit)}" for unit in rows["unit"]]
    return lines


@dataclass(frozen=True)
class _SampleName:
    """The keyed name of a sample, and how its source calls it."""

    column: str
    said: str


def _sample_names(study: Study) -> Iterator[_SampleName]:
    """Yield the samples of all sheets, for the custodian."""
    key = study.read_key()
    for centre, sources in study.centres.items():
        for assay, source in sources.omics.items():
            try:
                sheet = read_samples(study.path(source.samples))
            except (UserError, *UNREADABLE):
                continue  # It stands under `sources`.
            for sample in sheet["sample"]:
                yield _SampleName(column_name(key, assay, centre, sample), f"{centre}/{assay}: sample {sample}")
