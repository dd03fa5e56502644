"""Whose samples they are: the sex that expression tells against the sex in the subject's records."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.stages.clinical import scan_records
from flows.stages.run import Run
from groundwork.tables import EVENTS, SAMPLE_MAP

WHY = (
    "The expression of XIST and the Y chromosome contradicts the sex in the subject's records.",
    "Compare the sample sheet with the laboratory's list; two samples may have changed places.",
)
"""Message and remedy."""


def sex_conflicts(run: Run, matrices: list[Path]) -> dict[str, str]:
    """Return samples of one centre whose expression contradicts their subject's records, with the reason.

    Two such samples of opposite sex in one centre are `swapped-samples`; others `sex-discordant` or `sex-mixed`.
    """
    from omics.identity import sex_findings

    recorded = dict(_recorded_sex(run).iter_rows())
    maps = pl.concat([SAMPLE_MAP.read(path.parent / "sample_map.parquet") for path in matrices])
    subjects = dict(maps.select("colname", "primary").iter_rows())
    calls = pl.concat([pl.read_parquet(path.parent / "sex.parquet") for path in matrices])
    declared = {name: recorded.get(subjects[name]) for name in calls["sample"]}
    findings = sex_findings(calls, declared)
    return {
        row["sample"]: "swapped-samples" if row["other"] else row["finding"]
        for row in findings.to_dicts()
        if row["finding"] in ("sex-discordant", "sex-mixed")
    }


def _recorded_sex(run: Run) -> pl.DataFrame:
    """Return `subject_id, sex` (M or F) from the clinical records; subjects whose records disagree are left out."""
    frames = [EVENTS.empty().lazy(), *(frame for name in run.study.centres if (frame := scan_records(run, name)) is not None)]
    said = pl.concat(frames).filter(pl.col("code").str.starts_with("SEX//")).collect()
    sexes = said.select("subject_id", pl.col("code").str.split("//").list.last().alias("sex"))
    return sexes.unique().filter(pl.len().over("subject_id") == 1).sort("subject_id")
