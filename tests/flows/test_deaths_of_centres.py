"""Two centres date one person's death differently: from the sources of both to the release, which follows one rule and says so."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.english_page import in_english
from tests.flows.small_study import MAPPING
from tests.known_keys import known_key
from unibase.flows.runs.pipeline import STAGES
from unibase.flows.runs.run import open_run
from unibase.flows.stages.release import publish
from unibase.flows.study.validation import read_study
from unibase.privacy.keys import write_key_file
from unibase.releases.read.explain import explain

STUDY = """\
study: trial
release: {version: 1.0.0, min_cell: 1}
key: {file: vault.key}
centres:
  A:
    people: A.csv
    clinical: {format: csv, path: A, mapping: mapping.yaml}
  B:
    people: B.csv
    clinical: {format: csv, path: B, mapping: mapping.yaml}
concepts: concepts.yaml
index: {concept: surgery}
"""
ACTS = MAPPING.replace("ACT//{act}", "{act}")
CONCEPTS = """\
concepts: 1
version: "1"
concept:
  surgery: {codes: [SURGERY]}
  last_contact: {codes: [VISIT]}
"""
INS = "161047511200178"


def built(home: Path, death_in_b: str) -> Path:
    """Build a study of two persons; the first is a patient of both centres, who dies on 2020-03-02 by the records of A."""
    home.mkdir()
    write_key_file(known_key("vault.key"), home / "vault.key")
    for name, text in (("study", STUDY), ("mapping", ACTS), ("concepts", CONCEPTS)):
        (home / f"{name}.yaml").write_text(text, encoding="utf-8")
    traits = "birth_family_name,given_names,birth_date,sex,ins"
    both = f"Garandeau,Paul,1961-04-02,M,{INS}"
    (home / "A.csv").write_text(f"identifier,{traits}\nA1,{both}\nA2,Petit,Anne,1950-01-01,F,\n", encoding="utf-8")
    (home / "B.csv").write_text(f"identifier,{traits}\nB7,{both}\n", encoding="utf-8")
    acts = {
        "A": ["A1,2019-03-02,SURGERY", "A1,2020-03-02,MEDS_DEATH", "A2,2019-05-01,SURGERY", "A2,2021-05-01,VISIT"],
        "B": ["B7,2019-06-01,VISIT", f"B7,{death_in_b},MEDS_DEATH"],
    }
    for centre, rows in acts.items():
        (home / centre).mkdir()
        (home / centre / "acts.csv").write_text("\n".join(["ipp,day,act", *rows]) + "\n", encoding="utf-8")
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as run:
        for one in STAGES:
            one(run)
        return publish(run)


@pytest.mark.parametrize(
    ("death_in_b", "days", "problem"),
    [
        ("2020-03-12", 367, "two-death-dates"),  # The earliest counts.
        ("2020-02-20", 356, "two-death-dates"),
        ("2020", 367, None),  # The narrowest counts: both can be one day.
        ("2020-03-02", 367, None),
    ],
)
def test_the_release_takes_the_death_of_the_rule_and_reports_both(
    tmp_path: Path, death_in_b: str, days: int, problem: str | None
) -> None:
    release = built(tmp_path / "study", death_in_b)
    timeline = pl.read_parquet(sorted((release / "timeline" / "data").rglob("*.parquet")))
    deaths = timeline.filter(pl.col("code") == "MEDS_DEATH").sort("source")
    # Days count from 1, as in ADTTE. One person, and what each of the centres says of it.
    assert deaths["subject_id"].n_unique() == 1 and deaths["source"].str.head(1).to_list() == ["A", "B"]
    dead = deaths["subject_id"][0]
    survival = pl.read_parquet(release / "tables" / "adtte.parquet").filter(PARAMCD="OS").sort("CNSR")
    assert survival.select("subject_id", "AVAL", "CNSR", "problem").row(0) == (dead, days, 0, problem)
    assert survival.height == 2 and survival["CNSR"][1] != 0
    checks = pl.read_parquet(tmp_path / "study" / "work" / "linked" / "quality.parquet")
    found = checks.filter(pl.col("check") == "deaths-of-centres").select("centre", "rows", "violations", "passed")
    assert found.rows() == [(centre, 1, int(problem is not None), problem is None) for centre in "AB"]
    page = in_english((release / "report.html").read_text(encoding="utf-8"))
    share = "100.0" if problem else "0.0"
    for centre in "AB":
        assert f'<td>plausibility: deaths of centres</td><td>{centre}</td><td class="n">{share} %</td>' in page
    assert ("The row is contradicted: two-death-dates." in explain(release, dead, "OS")) == (problem is not None)
