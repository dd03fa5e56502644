"""The index event of each subject as clinical records tell it, for the images that are de-identified before the join."""

from __future__ import annotations

import re

import polars as pl

from unibase.clinical.words.concepts import Concepts
from unibase.flows.runs.run import Run
from unibase.flows.stages.clinical import scan_records
from unibase.flows.study.definitions import read_concepts
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS
from unibase.imaging.confidentiality.deidentified import IndexEvent
from unibase.linking.index_event import index_events

_NOT_CLINICAL = ("IMAGING//", "SAMPLE//")
"""Codes of the events that the timeline takes from images and samples."""


def index_of_subjects(run: Run) -> dict[int, IndexEvent]:
    """Return the index event of every subject of the study of `run` that has one, dates shifted.

    It is the event that the stage `link` will find, for that depends on clinical records alone. Where the study's index
    can be an image or a sample, it is not known before the images are read: then there is none for anyone.

    Raises:
        UserError: If a centre's clinical records were not staged yet, for then the index could be another one.
    """
    concepts, rule = read_concepts(run.study), run.study.index
    if _needs_more(concepts, rule.concept):
        return {}
    frames = [EVENTS.empty().lazy()]
    for name, centre in run.study.centres.items():
        if centre.clinical is None:
            continue
        if not run.ledger.known(f"clinical-{name}"):
            raise UserError(
                f"The clinical records of {name} tell the index event and were not read yet. "
                f"Run first: unibase run clinical {run.study.file}"
            )
        records = scan_records(run, name)
        if records is not None:
            frames.append(records)
    found = index_events(pl.concat(frames), concepts, rule)
    kind = event_kind(rule.concept)
    return {subject: IndexEvent(time.date(), kind) for subject, time in found.select("subject_id", "index_time").iter_rows()}


def _needs_more(concepts: Concepts, name: str) -> bool:
    # A concept that nobody knows is reported by `index_events`.
    return name in concepts.by_name and any(concepts.may_match(name, prefix) for prefix in _NOT_CLINICAL)


def event_kind(concept: str) -> str:
    """Return the name of a concept as a code string of DICOM, or `INDEX` where it does not fit.

    >>> event_kind("treatment_start")
    'TREATMENT_START'
    """
    kind = re.sub(r"[^A-Z0-9]+", "_", concept.upper())
    return kind if len(kind) <= 16 else "INDEX"
