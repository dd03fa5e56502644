"""Whose samples they are: the sex that expression or methylation tells against the sex in the subject's records."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.flows.runs.run import Run
from unibase.flows.stages.clinical import scan_records
from unibase.groundwork.tables import EVENTS, SAMPLE_MAP
from unibase.omics.reasons import SEX_DISCORDANT, SEX_MIXED, SWAPPED_SAMPLES

_REMEDY = "Compare the sample sheet with the laboratory's list; two samples may have changed places."
WHY = {
    "rna": ("The expression of XIST and the Y chromosome contradicts the sex in the subject's records.", _REMEDY),
    "methylation": ("The methylation of the X chromosome contradicts the sex in the subject's records.", _REMEDY),
}
"""Message and remedy, by assay that tells sex."""
SWAPPED = (SWAPPED_SAMPLES, "Two samples of one centre each tell the sex of the other's subject.", _REMEDY)
"""Reason of both, and what it means."""


def sex_conflicts(matrices: list[Path], recorded: dict[int, str]) -> dict[str, str]:
    """Return samples of one assay of one centre that tell another sex than their subject's records, with the reason.

    Args:
        matrices: Staged matrices; those that tell no sex are left aside.
        recorded: As `recorded_sex` gives it.

    Two such samples of opposite sex in one centre are `swapped-samples`; others `sex-discordant` or `sex-mixed`.
    """
    from unibase.omics.samples.sex import sex_findings

    told = [path.parent for path in matrices if (path.parent / "sex.parquet").exists()]
    if not told:
        return {}
    maps = pl.concat([SAMPLE_MAP.read(folder / "sample_map.parquet") for folder in told])
    subjects = dict(maps.select("colname", "primary").iter_rows())
    calls = pl.concat([pl.read_parquet(folder / "sex.parquet", columns=["sample", "sex"]) for folder in told])
    declared = {name: recorded.get(subjects[name]) for name in calls["sample"]}
    findings = sex_findings(calls, declared)
    return {
        row["sample"]: SWAPPED[0] if row["other"] else row["finding"]
        for row in findings.to_dicts()
        if row["finding"] in (SEX_DISCORDANT, SEX_MIXED)
    }


def recorded_sex(run: Run) -> dict[int, str]:
    """Return the sex (M or F) of each subject of `run` from the clinical records; who has two there is left out."""
    scanned = [scan_records(run, name) for name in run.study.centres]
    frames = [EVENTS.empty().lazy(), *(frame for frame in scanned if frame is not None)]
    said = pl.concat(frames).filter(pl.col("code").str.starts_with("SEX//")).collect()
    sexes = said.select("subject_id", pl.col("code").str.split("//").list.last().alias("sex"))
    return dict(sexes.unique().filter(pl.len().over("subject_id") == 1).iter_rows())
