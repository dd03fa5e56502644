"""A study sets thresholds of data quality; one that is missed stops its release, and the page shows the table either way."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flows.stages.linking import Linked, entries
from flows.stages.pipeline import run_stage, stage
from flows.stages.release import publish
from flows.stages.run import open_run
from flows.study import read_study
from groundwork.problems import UserError
from tests.flows.small_study import STUDY, write_study


def test_a_missed_threshold_stops_the_release_and_a_met_one_is_shown(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    study = STUDY.replace("    dicom: dicom\n", "") + "quality: quality.yaml\n"
    (home / "study.yaml").write_text(study, encoding="utf-8")
    for allowed in (50, 100):
        # The records of this centre hold no births, so all of its persons lack one.
        rules = f"quality: 1\nchecks:\n  completeness/birth: {{threshold: {allowed}, stop: true}}\n"
        (home / "quality.yaml").write_text(rules, encoding="utf-8")
        read = read_study(home / "study.yaml")
        read.work.create()
        with open_run(read, local=True) as run:
            for name in ("people", "clinical", "timeline", "link"):
                run_stage(run, stage(name))
            checks = Linked(read.work.linked).table("quality").filter(pl.col("check") == "birth")
            assert checks.select("centre", "rows", "violations", "passed").rows() == [("A", 4, 4, allowed == 100)]
            if allowed == 50:
                with pytest.raises(
                    UserError, match=r"completeness/birth in A/all tables: 4 of 4 rows \(100.00 %, allowed 50.00 %\)"
                ):
                    publish(run)
                assert not list((home / "releases").rglob("manifest.json"))
            else:
                page = (publish(run) / "report.html").read_text(encoding="utf-8")
                assert 'id="quality"' in page
                assert "completeness: birth" in page


def test_who_enters_a_cohort_when() -> None:
    day = pl.datetime(2020, 1, 1)
    series = pl.select(
        pl.Series("subject_id", [1, 1, 2]), pl.Series("Modality", ["CT", "MR", "MR"]), day.alias("series_time")
    ).with_columns(pl.col("series_time") + pl.duration(days=pl.Series([5, 2, 9])))
    samples = pl.select(
        pl.Series("assay", ["rna", "rna"]),
        pl.Series("primary", [1, 2]),
        pl.Series("status", ["used", "quarantined"]),
        day.alias("sample_time_max"),
    )
    found = entries(["index", "imaging:CT", "rna"], series, samples).with_columns(pl.col("time").dt.date().cast(pl.String))
    assert sorted(found.rows()) == [(1, "2020-01-01"), (1, "2020-01-06")]
    assert sorted(entries(["imaging"], series, samples)["subject_id"]) == [1, 2]
    assert entries(["index"], series, samples).is_empty()
