"""Stage `clinical`: records of every centre to events."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.clinical.options import ClinicalSource
from unibase.clinical.timelines.centre import TimelineTask, write_unit
from unibase.flows.runs import unreadable_sources
from unibase.flows.runs.run import Run
from unibase.flows.runs.stage import Stage
from unibase.flows.study.places import LEDGER, RECORDS
from unibase.groundwork.cluster import client_of_worker
from unibase.groundwork.files import digest_of
from unibase.groundwork.tables import QUARANTINE
from unibase.groundwork.work import Job, Outcome, Output, Unit


@dataclass(frozen=True)
class Recorded:
    """How many rows of a source became events.

    Attributes:
        events: Events that were written.
        problems: Rows that could not be used.
        unread: Tables or columns that nothing reads.
    """

    events: int
    problems: int
    unread: int


def stage_records(_: None, work: tuple[TimelineTask, Path]) -> Recorded:
    """Write the source of `work` (task, folder) as a MEDS dataset, problems and account beside it, on all workers together.

    `_`, what units share, is nothing.
    """
    task, destination = work
    with client_of_worker() as client:
        written = write_unit(task, destination, client)
    return Recorded(written.events, written.problems, len(written.unread))


def _stage_clinical(run: Run, name: str) -> list[Outcome]:
    """Stage the clinical records of one centre.

    Args:
        run: The run.
        name: Name of the centre.

    Raises:
        UserError: If they cannot be read, or give nothing any more (see `sources`).
    """
    source = run.study.centres[name].clinical
    if source is None:
        return []
    destination = run.place(RECORDS, centre=name)
    job = Job(f"clinical-{name}", stage_records, leaves=lambda result: [Output(destination)])
    outcomes = run.units(job, [_unit(run, name, source, destination)], code=("unibase.clinical",))
    rows = [run.quarantine_rows("clinical", name, outcomes)]
    rows += [QUARANTINE.read(destination / "metadata" / "problems.parquet") for o in outcomes if o.status == "done"]
    QUARANTINE.write(pl.concat(rows), run.quarantine_file("clinical", name))
    for outcome in outcomes:
        _say(run, name, outcome)
    return outcomes


def _unit(run: Run, name: str, source: ClinicalSource, destination: Path) -> Unit:
    """Return the records of a centre as a unit of work, known by all that decides what they give."""
    path = run.study.records(source)
    mapping = run.study.path(source.mapping) if source.mapping else None
    mine = run.lookup.within(name)
    cutoff = source.cutoff or run.study.cutoff
    task = TimelineTask(source.format, path, name, mine, mapping, tuple(source.texts), cutoff)
    ledger = digest_of(sorted([*k, *v] for k, v in mine.by_identifier.items()))
    declared = run.content("clinical", [mapping] if mapping else [])
    return Unit(
        f"{name}/{source.format}",
        digest_of([_state(run, name, path), declared, ledger, str(task.cutoff), *task.texts]),
        (task, destination),
    )


def _say(run: Run, name: str, outcome: Outcome) -> None:
    """Say what a centre's records gave; stop the run where they gave something before and give nothing now."""
    if outcome.status == "quarantined":
        run.say(f"clinical: {outcome.key}: quarantined, {outcome.reason}. {outcome.message}")
        unreadable_sources.check(run, f"{name}.clinical", 0, f"{outcome.message} {outcome.remedy}".strip())
        return
    events, problems = outcome.result["events"], outcome.result["problems"]
    run.say(f"clinical: {outcome.key}: {events} events, {problems} rows or fields set aside")
    if unread := outcome.result.get("unread"):
        run.say(f"clinical: {outcome.key}: {unread} files of the source are not read; `unibase timeline` names them")
    unreadable_sources.check(run, f"{name}.clinical", events)


def _state(run: Run, name: str, source: Path | str) -> str:
    """Return what changes when a source does; of a server the moment, since it does not say what was changed in it."""
    return run.content(f"clinical-{name}", [source]) if isinstance(source, Path) else f"{time.time_ns()}"


def scan_records(run: Run, name: str) -> pl.LazyFrame | None:
    """Return the EVENTS of the clinical records of a centre, `name`, in the staging of `run`, or None where it has none."""
    data = run.place(RECORDS, centre=name) / "data"
    # In order of name, for the same rows in the same order on every machine.
    return pl.scan_parquet(sorted(data.glob("*.parquet"))) if data.exists() else None


STAGE = Stage("clinical", "Read clinical records to events", reads=(LEDGER,), leaves=(RECORDS,), run_centre=_stage_clinical)
