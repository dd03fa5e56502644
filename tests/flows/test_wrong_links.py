"""Samples written to the wrong patient, through a whole build: found by the checks, excluded where the study says so."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from benchmarks.wrong_links import outcome, subjects_of_persons, truth_table, visible
from tests.flows.demo import build, unibase

RULE = "  include: [cancer_diagnosis, index]\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("wrong") / "tree"
    made = unibase("simulate", home, "--persons", 60, "--no-imaging", "--no-broken", "--wrong-links", 0.3)
    assert made.returncode == 0, made.stderr
    study = home / "study.yaml"
    text = study.read_text(encoding="utf-8")
    assert RULE in text
    study.write_text(text.replace(RULE, RULE + '  exclude: ["discordant:sex"]\n'), encoding="utf-8")
    build(home, "--no-prefect")
    return home


def test_every_link_that_a_check_can_see_is_found_and_nobody_else_is_accused(home: Path) -> None:
    numbers = outcome(home)
    assert numbers["planted"] >= 12
    assert numbers["visible"] >= 5
    assert numbers["found"] == numbers["visible"]
    assert numbers["false alarms"] == 0


def test_the_study_leaves_out_the_discordant_and_the_flow_counts_them(home: Path) -> None:
    linked = home / "work" / "linked"
    findings = pl.read_parquet(linked / "concordance.parquet").filter(pl.col("check") == "sex")
    flow = pl.read_parquet(linked / "flow.parquet")
    step = flow.row(by_predicate=pl.col("rule") == "not discordant:sex", named=True)
    gone = set(pl.read_parquet(linked / "cohort.parquet").filter(pl.col("reason") == step["reason"])["subject_id"])
    assert step["removed"] == len(gone) > 0
    assert gone <= set(findings["subject_id"])
    assert not set(findings["subject_id"]) & set(pl.read_parquet(linked / "analysis.parquet")["subject_id"])
    # Found, but not excluded: the study names the check of sex alone.
    subject = subjects_of_persons(home)
    others = {subject[person] for person in visible(home)} - set(findings["subject_id"])
    assert not others & gone


def test_nobody_keeps_his_own_sample_and_each_centre_exchanges_among_its_own(home: Path) -> None:
    links = truth_table(home, "wrong_links")
    assert (links["person"] != links["linked_to"]).all()
    for part in links.partition_by("centre"):
        assert sorted(part["person"]) == sorted(part["linked_to"])
