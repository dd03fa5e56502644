"""What a study made of its images, as DICOM objects that go to the archive for research with them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pydicom

from unibase.flows.runs.run import Run
from unibase.flows.stages.index_pet import with_facts
from unibase.flows.stages.segment import asked_of, with_machine_masks
from unibase.flows.study.places import FEATURES as FEATURES_TABLE
from unibase.flows.study.places import RESULTS
from unibase.flows.study.places import SERIES as SERIES_TABLE
from unibase.groundwork.files import blake3_file
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.tables import FEATURES, SERIES
from unibase.imaging.radiomics.plan import plan_units
from unibase.imaging.sending.archive_batches import Leaving
from unibase.imaging.sending.series_results import write_results


def results_of(run: Run) -> Iterator[Leaving]:
    """Write a Segmentation and a report for each volume with regions that were measured, and yield them to be sent.

    Args:
        run: A run of the study, whose stage `features` has run.

    Raises:
        UserError: If the study has no features yet.
    """
    root, options = run.study.work.root, run.study.features
    features = FEATURES_TABLE.of(root)
    if options is None or not features.exists():
        raise UserError(
            f"research_pacs.results sends what `features` measured, and nothing was yet. Run first: unibase build {run.study.file}"
        )
    folder = RESULTS.of(root)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = FEATURES.read(features).partition_by("SeriesInstanceUID", as_dict=True)
    plan = plan_units(SERIES.read(SERIES_TABLE.of(root)), run.study.work.staging, folder, asked_of(run), options.modalities)
    left_out = 0
    for unit in with_machine_masks(run, with_facts(run, plan.units)):
        mine = rows.get((unit.key.partition(":")[2],))
        try:
            written = write_results(unit.arguments, mine.to_dicts() if mine is not None else [], folder)
        except Unusable:
            left_out += 1  # the stage `features` told why
            continue
        left_out += len(written.left_out)
        for path in written.paths:
            made = pydicom.dcmread(path, specific_tags=["StudyInstanceUID", "SOPInstanceUID"])
            yield Leaving(f"results/{path.name}", blake3_file(path), str(made.StudyInstanceUID), str(made.SOPInstanceUID), path)
    if left_out:
        run.say(f"results: {left_out} series, volumes or regions without; unibase regions {run.study.file} tells why")
