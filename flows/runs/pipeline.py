"""The stages of a build by name, in their order; the command line and the Prefect flows run these, not each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unibase.flows.runs.run import Run
from unibase.flows.stages.clinical import build_timeline, stage_clinical
from unibase.flows.stages.features import extract_features
from unibase.flows.stages.identity import find_misplaced
from unibase.flows.stages.imaging import deidentify_centre, index_series
from unibase.flows.stages.link import link
from unibase.flows.stages.normalise import normalise_assays
from unibase.flows.stages.omics import stage_omics
from unibase.flows.stages.people import resolve_people


@dataclass(frozen=True)
class Stage:
    """One stage: its name, what it does, and how it runs, once or once for each centre."""

    name: str
    text: str
    run: Callable[[Run], object] | None = None
    run_centre: Callable[[Run, str], object] | None = None


STAGES = (
    Stage("people", "Resolve who is who across sources and centres", resolve_people),
    # Before the images: the clinical records tell the index event, from which the images say how many days they are.
    Stage("clinical", "Read clinical records to events", run_centre=stage_clinical),
    Stage("deidentify", "De-identify DICOM", run_centre=deidentify_centre),
    Stage("index", "Index the series", index_series),
    Stage("features", "Extract radiomic features", extract_features),
    Stage("omics", "Read and gate omics matrices", run_centre=stage_omics),
    Stage("identity", "Look for samples that are not their person's", find_misplaced),
    Stage("normalise", "Check whose samples they are, and normalise assays over all centres", normalise_assays),
    Stage("timeline", "Merge events to one timeline", build_timeline),
    Stage("link", "Join modalities at the index", link),
)
"""All stages but the release, which takes a version."""


def stage(name: str) -> Stage:
    """Return the stage of a name; raises KeyError with the known names."""
    for one in STAGES:
        if one.name == name:
            return one
    raise KeyError(f"unknown stage {name}; known: {', '.join(one.name for one in STAGES)}")


def run_stage(run: Run, one: Stage, centre: str | None = None) -> None:
    """Run a stage: for one centre, or for all where it works by centre."""
    if one.run is not None:
        one.run(run)
    if one.run_centre is not None:
        for name in [centre] if centre else run.study.centres:
            one.run_centre(run, name)
