"""Stages `clinical` and `timeline`: records of every centre to events, then one timeline per subject."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from clinical.concepts import Concepts
from clinical.meds import write_dataset
from clinical.quality import QualityRules, check_quality
from clinical.timeline import TimelineTask, read_events
from clinical.treatments import LineRule, treatment_events
from flows.stages.run import Run, stamp
from groundwork.files import digest_of
from groundwork.problems import Unusable, UserError
from groundwork.tables import EVENTS, QUARANTINE, SAMPLE_MAP, SERIES, write_parquet
from groundwork.work import Outcome, Unit
from imaging.index import study_events
from omics.samples import sample_events
from privacy.subjects import SubjectLookup


def stage_records(_: None, work: tuple[TimelineTask, Path]) -> dict[str, Any]:
    """Read one clinical source; leave `events.parquet`, `problems.parquet` and `account.parquet` in its folder."""
    task, destination = work
    try:
        result = read_events(task)
    except UserError as problem:
        raise Unusable("unusable-clinical-source", str(problem)) from None
    EVENTS.write(result.events, destination / "events.parquet")
    QUARANTINE.write(result.problems, destination / "problems.parquet")
    write_parquet(result.account, destination / "account.parquet")
    return {"events": result.events.height, "problems": result.problems.height}


def stage_clinical(run: Run, name: str) -> list[Outcome]:
    """Stage the clinical records of one centre."""
    source = run.study.centres[name].clinical
    if source is None:
        return []
    path = run.study.path(source.path)
    mapping = run.study.path(source.mapping) if source.mapping else None
    mine = SubjectLookup({k: v for k, v in run.lookup.by_identifier.items() if k[0] == name})
    task = TimelineTask(source.format, path, name, mine, mapping)
    ledger = digest_of(sorted([*k, *v] for k, v in mine.by_identifier.items()))
    destination = run.study.work.staging / "clinical" / name
    unit = Unit(
        f"{name}/{source.format}",
        digest_of([stamp([path, *([mapping] if mapping else [])]), ledger]),
        (task, destination),
    )
    outcomes = run.units(
        f"clinical-{name}",
        stage_records,
        [unit],
        settings=None,
        code=("clinical",),
        still_there=lambda result: (destination / "events.parquet").exists(),
    )
    rows = [run.quarantine_rows("clinical", name, outcomes)]
    rows += [QUARANTINE.read(destination / "problems.parquet") for o in outcomes if o.status == "done"]
    QUARANTINE.write(pl.concat(rows), run.quarantine_file("clinical", name))
    for outcome in outcomes:
        if outcome.status == "done":
            run.say(
                f"clinical: {outcome.key}: {outcome.result['events']} events, {outcome.result['problems']} rows or fields set aside"
            )
        else:
            run.say(f"clinical: {outcome.key}: quarantined, {outcome.reason}. {outcome.message}")
    return outcomes


def read_concepts(run: Run) -> Concepts:
    """Return the study's concepts over the packaged ones."""
    return Concepts.read(run.study.path(run.study.concepts)) if run.study.concepts else Concepts.default()


def quality_table(run: Run, events: pl.DataFrame) -> pl.DataFrame:
    """Return the checks of data quality over a timeline, and over the rows of the sources that never entered it."""
    rules = QualityRules.read(run.study.path(run.study.quality)) if run.study.quality else QualityRules.default()
    folders = [run.study.work.staging / "clinical" / name for name in run.study.centres]
    accounts = [pl.read_parquet(path) for folder in folders if (path := folder / "account.parquet").exists()]
    problems = pl.concat([QUARANTINE.empty(), *(QUARANTINE.read(folder / "problems.parquet") for folder in folders)])
    return check_quality(events, rules, problems=problems, account=pl.concat(accounts) if accounts else None)


def build_timeline(run: Run) -> Path:
    """Merge records, images and samples of all centres into one MEDS dataset: the spine that all hangs on."""
    staging = run.study.work.staging
    frames = [EVENTS.empty()]
    for name in run.study.centres:
        frames.append(EVENTS.read(staging / "clinical" / name / "events.parquet"))
    frames.append(study_events(SERIES.read(staging / "imaging" / "series.parquet")))
    frames.append(sample_events(SAMPLE_MAP.read(staging / "omics" / "sample_map.parquet")))
    events = pl.concat([EVENTS.conform(frame) for frame in frames])
    options = run.study.treatments
    rule = LineRule(options.cycle_days, protocols=tuple(frozenset(codes) for codes in options.protocols))
    # Over all centres: who changes hospital changes no treatment by that.
    events = pl.concat([events, treatment_events(events, rule)])
    run.say(f"timeline: {events.height} events of {events['subject_id'].n_unique()} subjects")
    return write_dataset(events, staging / "timeline", name=run.study.study)
