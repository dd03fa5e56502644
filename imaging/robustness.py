"""Which features withstand perturbation: extract perturbed copies of every region, then compare them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from groundwork.files import digest_of, sha256_file
from groundwork.problems import Unusable
from groundwork.tables import FEATURES, Column, Table
from imaging.agreement import agreement_table
from imaging.features import extract_region, ordered, region_rows
from imaging.perturbations import DEFAULT_PERTURBATIONS, Perturbation, check_perturbations, perturb
from imaging.selection import FeatureTask, entry, problem_of, select

PERTURBED = Table(
    "perturbed_features",
    "Radiomic features of one perturbed copy of one region of one series; a Float64 column per feature follows.",
    (
        *FEATURES.columns,
        Column("perturbation", pl.Int64(), "Number of the perturbation in its plan, from 0.", nullable=False),
        Column("perturbation_name", pl.String(), "What was done, such as `rotation -6, volume 0.1`.", nullable=False),
    ),
    key=("subject_id", "SeriesInstanceUID", "region", "image_type", "source_digest", "perturbation"),
    open=True,
)

REGION = ("subject_id", "SeriesInstanceUID", "region", "source_digest")
"""What names a region across its perturbed copies."""


@dataclass(frozen=True)
class RobustnessTask:
    """One unit: a feature task whose regions are perturbed; `task.destination` receives the PERTURBED table."""

    task: FeatureTask
    perturbations: tuple[Perturbation, ...] = DEFAULT_PERTURBATIONS


def extract_perturbed(unit: RobustnessTask) -> dict[str, Any]:
    """Extract all perturbed copies of all regions of one series.

    Returns:
        `path`, `sha256`, `rows`, `regions` (`target`, `roi_name`, `status`, and `reason` and `message` when refused).
        A region of which one copy has no features is refused whole: agreement over what is left would flatter.

    Raises:
        Unusable: As `features.extract_series`; when every region is refused, the reason of the first.
    """
    check_perturbations(unit.perturbations)
    task = unit.task
    selection = select(task)
    rows: list[dict[str, Any]] = []
    listed = list(selection.refused)
    for region in selection.regions:
        mine: list[dict[str, Any]] = []
        try:
            mask = region.read()
            for number, perturbation in enumerate(unit.perturbations):
                # The seed follows the input and the place in the plan, so no order of work can change a number.
                seed = int(digest_of([region.source_digest, number])[:16], 16)
                copy, changed = perturb(selection.volume, mask.array, perturbation, seed)
                features, _ = extract_region(copy, changed, task.settings, task.engine, task.mode)
                named = {"perturbation": number, "perturbation_name": perturbation.name}
                mine += [{**row, **named} for row in region_rows(task, selection.volume, region, features)]
        except Unusable as problem:
            listed.append(entry(region.target, region.roi_name, problem))
        else:
            rows += mine
            listed.append({"target": region.target, "roi_name": region.roi_name, "status": "done"})
    if not rows:
        raise problem_of(next(item for item in listed if item["target"]))
    frame = ordered(pl.DataFrame(rows, infer_schema_length=None), PERTURBED)
    frame = PERTURBED.write(frame, task.destination)
    return {"path": str(task.destination), "sha256": sha256_file(task.destination), "rows": frame.height, "regions": listed}


def perturb_unit(_: object, unit: RobustnessTask) -> dict[str, Any]:
    """Run `extract_perturbed` as a unit of `groundwork.work.run_units`."""
    return extract_perturbed(unit)


def robustness_table(perturbed: pl.DataFrame) -> pl.DataFrame:
    """Return the agreement of every feature over the perturbed copies, each region a subject; see `agreement.COLUMNS`."""
    return agreement_table(perturbed, "perturbation", list(REGION))
