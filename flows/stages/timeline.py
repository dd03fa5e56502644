"""Stage `timeline`: records, images and samples of all centres to one timeline per subject."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unibase.clinical.derived.kept_apart import KEPT, Judgement, keep_apart, kept_problems
from unibase.clinical.derived.spread_of_values import spread_of
from unibase.clinical.derived.staging import one_vocabulary
from unibase.clinical.derived.treatments import LineRule, treatment_events
from unibase.clinical.timelines.meds import SUBJECTS_PER_SHARD, write_dataset
from unibase.flows.runs.run import Run
from unibase.flows.runs.stage import Stage
from unibase.flows.stages.clinical import scan_records
from unibase.flows.study.definitions import read_concepts, read_quality
from unibase.flows.study.places import RECORDS, SAMPLES, TIMELINE
from unibase.flows.study.places import SERIES as SERIES_TABLE
from unibase.flows.study.places import VOLUMES as VOLUMES_TABLE
from unibase.groundwork.image_tables import VOLUMES
from unibase.groundwork.tables import EVENTS, QUARANTINE, SAMPLE_MAP, SERIES
from unibase.imaging.dicom.inventory import volume_events
from unibase.imaging.dicom.series import study_events
from unibase.omics.samples.sheets import sample_events

SUBJECTS_PER_BLOCK = 8 * SUBJECTS_PER_SHARD
"""Subjects that the timeline is merged for at a time: about a million events."""


def build_timeline(run: Run) -> Path:
    """Merge records, images and samples of all centres of `run` into one MEDS dataset: the spine that all depends on.

    Subjects are merged a block at a time, so that memory does not grow with their number.
    """
    series, samples = SERIES.read(run.place(SERIES_TABLE)), SAMPLE_MAP.read(run.place(SAMPLES))
    images = (study_events(series), volume_events(VOLUMES.read(run.place(VOLUMES_TABLE))))
    tables = [_until(run, EVENTS.conform(frame)).lazy() for frame in (*images, sample_events(samples))]
    tables += [events for name in run.study.centres if (events := scan_records(run, name)) is not None]
    subjects = pl.concat(table.select("subject_id") for table in tables).unique().sort("subject_id").collect()["subject_id"]
    options = run.study.treatments
    rule = LineRule(options.cycle_days, protocols=tuple(frozenset(codes) for codes in options.protocols))
    concepts = read_concepts(run.study)
    judgement = Judgement(read_quality(run.study), spread_of(tables), concepts)
    kept: list[pl.DataFrame] = []
    height = 0

    def blocks() -> Iterator[pl.DataFrame]:
        nonlocal height
        for start in range(0, len(subjects), SUBJECTS_PER_BLOCK):
            mine = subjects[start : start + SUBJECTS_PER_BLOCK]
            own = pl.col("subject_id").is_between(mine[0], mine[-1])
            events = pl.concat(table.filter(own) for table in tables).collect()
            events, apart = keep_apart(one_vocabulary(events, concepts), judgement)
            kept.append(apart)
            # Over all centres: who changes hospital changes no treatment by that.
            events = pl.concat([events, treatment_events(events, rule, concepts)])
            height += events.height
            yield events

    timeline = write_dataset(blocks(), run.place(TIMELINE), name=run.study.study)
    run.say(f"timeline: {height} events of {len(subjects)} subjects")
    _tell(run, kept, judgement)
    return timeline


def _tell(run: Run, kept: list[pl.DataFrame], judgement: Judgement) -> None:
    """Write what was kept out of tables, and units that were given, into the quarantine of the stage; say how many."""
    told = kept_problems(pl.concat([pl.DataFrame(schema=KEPT), *kept]), judgement.units())
    QUARANTINE.write(told, run.quarantine_file("timeline"))
    if count := sum(frame["events"].sum() for frame in kept):
        run.say(f"timeline: {count} impossible events enter no table; `unibase quarantine` names their fields")


def _until(run: Run, events: pl.DataFrame) -> pl.DataFrame:
    """Return events of images or samples up to the study's cut-off, which each subject's shift moves with them."""
    if run.study.cutoff is None or events.is_empty():
        return events
    shifts = {subject.subject_id: subject.shift_days for subject in run.lookup.by_identifier.values()}
    moved = pl.col("subject_id").replace_strict(shifts, default=0, return_dtype=pl.Int64)
    last = pl.lit(run.study.cutoff) + pl.duration(days=moved)
    return events.filter(pl.coalesce("time_min", "time").is_null() | (pl.coalesce("time_min", "time").dt.date() <= last))


STAGE = Stage(
    "timeline",
    "Merge events to one timeline",
    reads=(RECORDS, SERIES_TABLE, VOLUMES_TABLE, SAMPLES),
    leaves=(TIMELINE,),
    run=build_timeline,
    derived=True,
)
