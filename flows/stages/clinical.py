"""Stages `clinical` and `timeline`: records of every centre to events, then one timeline per subject."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from unibase.clinical.derived.endpoints import Endpoints
from unibase.clinical.derived.quality import QualityRules, check_quality
from unibase.clinical.derived.treatments import LineRule, treatment_events
from unibase.clinical.timelines.centre import TimelineTask, write_events
from unibase.clinical.timelines.meds import SUBJECTS_PER_SHARD, read_blocks, write_dataset
from unibase.clinical.words.concepts import Concepts
from unibase.flows.runs import sources
from unibase.flows.runs.run import Run, stamp
from unibase.groundwork.cluster import client_of_worker
from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import Unusable, UserError, without_folders
from unibase.groundwork.tables import EVENTS, QUARANTINE, SAMPLE_MAP, SERIES
from unibase.groundwork.work import Outcome, Unit
from unibase.imaging.dicom.series import study_events
from unibase.omics.samples.sheets import sample_events
from unibase.privacy.subjects import SubjectLookup

SUBJECTS_PER_BLOCK = 8 * SUBJECTS_PER_SHARD
"""Subjects that the timeline is merged for at a time: about a million events."""

EVENTS_PER_CHECK = 250_000
"""The checks of quality hold many columns beside the events."""


def stage_records(_: None, work: tuple[TimelineTask, Path]) -> dict[str, Any]:
    """Write one clinical source as a MEDS dataset, problems and account beside it; on Dask all workers read it together."""
    task, destination = work
    try:
        with client_of_worker() as client:
            written = write_events(task, destination, client)
    except UserError as problem:
        raise Unusable("unusable-clinical-source", without_folders(str(problem))) from None
    return {"events": written.events, "problems": written.problems}


def stage_clinical(run: Run, name: str) -> list[Outcome]:
    """Stage the clinical records of one centre.

    Raises:
        UserError: If they cannot be read, or give nothing any more (see `sources`).
    """
    source = run.study.centres[name].clinical
    if source is None:
        return []
    path = run.study.records(source)
    mapping = run.study.path(source.mapping) if source.mapping else None
    mine = SubjectLookup({k: v for k, v in run.lookup.by_identifier.items() if k[0] == name})
    task = TimelineTask(source.format, path, name, mine, mapping)
    ledger = digest_of(sorted([*k, *v] for k, v in mine.by_identifier.items()))
    destination = run.study.work.clinical(name)
    unit = Unit(
        f"{name}/{source.format}",
        digest_of([_state(path), stamp([mapping] if mapping else []), ledger]),
        (task, destination),
    )
    outcomes = run.units(
        f"clinical-{name}",
        stage_records,
        [unit],
        settings=None,
        code=("unibase.clinical",),
        still_there=lambda result: (destination / "data").exists(),
    )
    rows = [run.quarantine_rows("clinical", name, outcomes)]
    rows += [QUARANTINE.read(destination / "metadata" / "problems.parquet") for o in outcomes if o.status == "done"]
    QUARANTINE.write(pl.concat(rows), run.quarantine_file("clinical", name))
    for outcome in outcomes:
        if outcome.status == "quarantined":
            run.say(f"clinical: {outcome.key}: quarantined, {outcome.reason}. {outcome.message}")
            sources.check(run, f"{name}.clinical", 0, f"{outcome.message} {outcome.remedy}".strip())
        else:
            events, problems = outcome.result["events"], outcome.result["problems"]
            run.say(f"clinical: {outcome.key}: {events} events, {problems} rows or fields set aside")
            sources.check(run, f"{name}.clinical", events)
    return outcomes


def _state(source: Path | str) -> str:
    """Return what changes when a source does; of a server the moment, since it does not say what was changed in it."""
    return stamp([source]) if isinstance(source, Path) else f"{time.time_ns()}"


def scan_records(run: Run, name: str) -> pl.LazyFrame | None:
    """Return the EVENTS of a centre's clinical records, or None where it has none staged."""
    data = run.study.work.clinical(name) / "data"
    # In order of name, for the same rows in the same order on every machine.
    return pl.scan_parquet(sorted(data.glob("*.parquet"))) if data.exists() else None


def read_concepts(run: Run) -> Concepts:
    """Return the study's concepts over the packaged ones."""
    return Concepts.read(run.study.path(run.study.concepts)) if run.study.concepts else Concepts.default()


def read_endpoints(run: Run) -> Endpoints:
    """Return the study's endpoints and responses over the packaged ones."""
    return Endpoints.read(run.study.path(run.study.definitions)) if run.study.definitions else Endpoints.default()


def quality_table(run: Run) -> pl.DataFrame:
    """Return the checks of data quality over the timeline, and over the rows of the sources that never entered it."""
    rules = QualityRules.read(run.study.path(run.study.quality)) if run.study.quality else QualityRules.default()
    folders = [run.study.work.clinical(name) / "metadata" for name in run.study.centres]
    accounts = [pl.read_parquet(path) for folder in folders if (path := folder / "account.parquet").exists()]
    problems = pl.concat([QUARANTINE.empty(), *(QUARANTINE.read(folder / "problems.parquet") for folder in folders)])
    events = (block.events for block in read_blocks(run.study.work.timeline, EVENTS_PER_CHECK))
    return check_quality(events, rules, problems=problems, account=pl.concat(accounts) if accounts else None)


def build_timeline(run: Run) -> Path:
    """Merge records, images and samples of all centres into one MEDS dataset: the spine that all hangs on.

    Subjects are merged a block at a time, so that memory does not grow with their number.
    """
    staging = run.study.work.staging
    series, samples = (
        SERIES.read(staging / "imaging" / "series.parquet"),
        SAMPLE_MAP.read(staging / "omics" / "sample_map.parquet"),
    )
    tables = [EVENTS.conform(frame).lazy() for frame in (study_events(series), sample_events(samples))]
    tables += [events for name in run.study.centres if (events := scan_records(run, name)) is not None]
    subjects = pl.concat(table.select("subject_id") for table in tables).unique().sort("subject_id").collect()["subject_id"]
    options = run.study.treatments
    rule = LineRule(options.cycle_days, protocols=tuple(frozenset(codes) for codes in options.protocols))
    height = 0

    def blocks() -> Iterator[pl.DataFrame]:
        nonlocal height
        for start in range(0, len(subjects), SUBJECTS_PER_BLOCK):
            mine = subjects[start : start + SUBJECTS_PER_BLOCK]
            own = pl.col("subject_id").is_between(mine[0], mine[-1])
            events = pl.concat(table.filter(own) for table in tables).collect()
            # Over all centres: who changes hospital changes no treatment by that.
            events = pl.concat([events, treatment_events(events, rule)])
            height += events.height
            yield events

    timeline = write_dataset(blocks(), run.study.work.timeline, name=run.study.study)
    run.say(f"timeline: {height} events of {len(subjects)} subjects")
    return timeline
