"""A study sets thresholds of data quality; one that is missed stops its release, and the page shows the table either way."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from tests.english_page import in_english
from tests.flows.small_study import STUDY, write_study
from unibase.flows.looks.records_read import records_text
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.stages.link import Linked
from unibase.flows.stages.release import publish
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.releases.content import manifest


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
        with open_run(read) as run:
            for name in ("people", "clinical", "timeline", "link"):
                stage(name)(run)
            checks = Linked(read.work.linked).table("quality").filter(pl.col("check") == "birth")
            assert checks.select("centre", "rows", "violations", "passed").rows() == [("A", 4, 4, allowed == 100)]
            if allowed == 50:
                with pytest.raises(
                    UserError, match=r"completeness/birth in A/all tables: 4 of 4 rows \(100.00 %, allowed 50.00 %\)"
                ):
                    publish(run)
                assert not list((home / "releases").rglob("manifest.json"))
            else:
                folder = publish(run)
                page = in_english((folder / "report.html").read_text(encoding="utf-8"))
                assert 'id="quality"' in page and 'id="coverage"' in page
                assert "completeness: birth" in page
                # What was read is told with counts to who runs the study, and without them in the release.
                text = records_text(read)
                assert re.search(
                    r"  A/\w+/\w+: \d+ rows, \d+ used, \d+ set aside, \d+ hold no event of a person; \d+ events", text
                )
                said = manifest.read(folder)["settings"]["recognised"]["A/clinical"]
                assert [line.split(":")[0] for line in said] == ["code systems", "read", "told"]
                assert not re.search(r"\d+ (?:rows|used)", " ".join(said))
