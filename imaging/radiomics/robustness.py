"""Which features withstand perturbation: extract perturbed copies of every region, then compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.perturbation_options import DEFAULT_PERTURBATIONS, Perturbation, check_perturbations
from unibase.imaging.radiomics.extraction import extract_region
from unibase.imaging.radiomics.perturbations import MARGIN, perturb
from unibase.imaging.radiomics.selection import Region, Selection, entry, select
from unibase.imaging.radiomics.series_features import ordered, region_rows
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.radiomics.told import Told
from unibase.imaging.regions.mask import Mask
from unibase.imaging.tables import PERTURBED, STABILITY
from unibase.methods.agreement import agreement_table, retest_pairs, retest_table

REGION = ("subject_id", "SeriesInstanceUID", "region", "source_digest")
"""What names a region across its perturbed copies."""


@dataclass(frozen=True)
class RobustnessTask:
    """One unit: a feature task whose regions are perturbed; `task.destination` receives the PERTURBED table."""

    task: FeatureTask
    perturbations: tuple[Perturbation, ...] = DEFAULT_PERTURBATIONS


def extract_perturbed(unit: RobustnessTask) -> dict[str, Any]:
    """Extract all perturbed copies of all regions of the series of a `unit`.

    Returns:
        `path`, `sha256`, `rows`, `regions` (`target`, `roi_name`, `status`, and `reason` and `message` when refused).
        A region of which one copy has no features is refused whole: agreement over what is left would flatter.

    Raises:
        Unusable: As `features.extract_series`; when every region is refused, the reason of the first.
    """
    check_perturbations(unit.perturbations)
    task = unit.task
    rows: list[dict[str, object]] = []
    told = Told()
    for name, selection in select(task):
        if isinstance(selection, Unusable):
            told.problems.append((name, selection))
        else:
            rows += _perturbed_volume(unit, selection, told.on(name, selection))
    if not rows:
        raise told.first_problem()
    frame = ordered(pl.DataFrame(rows, infer_schema_length=None), PERTURBED)
    frame = PERTURBED.write(frame, task.destination)
    return {
        "path": str(task.destination),
        "sha256": sha256_file(task.destination),
        "rows": frame.height,
        "regions": told.listed().regions,
    }


def _perturbed_volume(unit: RobustnessTask, selection: Selection, told: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the rows of the perturbed copies of the regions of one volume, and add to `told` how each ended."""
    task = unit.task
    margin = MARGIN + max((outer for _, outer in task.choices.shells), default=0.0)
    rows: list[dict[str, object]] = []
    # A region, its shells and its habitats share what was drawn, which is perturbed once for all of them.
    for _, group in groupby(selection.regions, key=lambda region: region.drawn):
        regions = list(group)
        done: dict[str, list[dict[str, object]]] = {region.target: [] for region in regions}
        for number, perturbation in enumerate(unit.perturbations):
            # The seed follows the input and the place in the plan, so no order of work can change a number.
            seed = int(digest_of([regions[0].source_digest, number])[:16], 16)
            copied = _copied(regions[0], selection.volume, perturbation, seed, margin)
            for region in [region for region in regions if region.target in done]:
                try:
                    if isinstance(copied, Unusable):
                        raise copied
                    copy, drawn = copied
                    mask = region.of(drawn, copy)
                    features, _ = extract_region(copy, mask.region, task.settings, task.choices.engine, task.choices.mode)
                except Unusable as problem:
                    del done[region.target]
                    told.append(entry(region.target, region.roi_name, problem))
                else:
                    named = {"perturbation": number, "perturbation_name": perturbation.name}
                    done[region.target] += [
                        {**row, **named} for row in region_rows(task, selection.volume, region, features, mask)
                    ]
        for region in [region for region in regions if region.target in done]:
            rows += done[region.target]
            told.append({"target": region.target, "roi_name": region.roi_name, "status": "done"})
    return rows


def _copied(
    region: Region, volume: Volume, perturbation: Perturbation, seed: int, margin: float
) -> tuple[Volume, Mask] | Unusable:
    """Return a perturbed copy of the image and of what was drawn on it, or why there is none."""
    try:
        drawn = region.drawn()
        copy, array = perturb(volume, drawn.array, perturbation, seed, margin)
    except Unusable as problem:
        return problem
    return copy, replace(drawn, region=Boxed.of(array))


def robustness_table(perturbed: pl.DataFrame) -> pl.DataFrame:
    """Return the agreement of every feature over the perturbed copies of the regions of one target and modality.

    Each region is a subject; see `agreement.COLUMNS`. Regions of several targets or modalities differ so much that they
    would flatter every feature: `stability_table` keeps them apart.
    """
    return agreement_table(perturbed, "perturbation", list(REGION))


def stability_table(
    perturbed: Sequence[Path | str], features: pl.DataFrame, *, least: float = 0.75, retest_days: float | None = None
) -> pl.DataFrame:
    """Return the STABILITY table: agreement per modality, target, image type and feature.

    Args:
        perturbed: PERTURBED files; one image type of them is in memory at a time.
        features: FEATURES frame: its subjects are those compared, its pairs of scans give the retest rows.
        least: A feature is stable when the lower limit of its ICC(2,1) reaches this.
        retest_days: Two scans of a person at most this far apart are test and retest; None leaves retest rows out.
    """
    tables = [STABILITY.empty()]
    if perturbed:
        subjects = features.select("subject_id").unique()
        scan = pl.concat([pl.scan_parquet(path) for path in perturbed], how="diagonal")
        scan = scan.join(subjects.lazy(), on="subject_id", how="semi", nulls_equal=True)
        for image_type in scan.select(pl.col("image_type").unique().sort()).collect()["image_type"]:
            frame = scan.filter(pl.col("image_type") == image_type).collect()
            tables += [_named("perturbation", part, robustness_table(part)) for part in _targets(frame)]
    if retest_days is not None:
        first, second = retest_pairs(features, retest_days)
        for part in _targets(first):
            # Not every target has a second scan; inner joins in the table leave what has none.
            tables.append(
                _named(
                    "retest", part, retest_table(part, second.join(part.select(_TARGET).unique(), on=_TARGET, nulls_equal=True))
                )
            )
    table = pl.concat(tables, how="diagonal_relaxed")
    return STABILITY.conform(table.with_columns((pl.col("icc_2_1_low") >= least).fill_null(False).alias("stable")))


_TARGET = ["Modality", "region"]


def _targets(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the frame cut by modality and target, in order."""
    return frame.sort(_TARGET, maintain_order=True).partition_by(_TARGET, maintain_order=True) if frame.height else []


def _named(kind: str, part: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    persons = part["subject_id"].drop_nulls().n_unique() or None
    names = {"kind": kind, "Modality": part["Modality"][0], "region": part["region"][0]}
    return table.with_columns(
        *[pl.lit(value, dtype=pl.String).alias(name) for name, value in names.items()],
        pl.lit(persons, dtype=pl.Int64).alias("persons"),
    )
