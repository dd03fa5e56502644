"""Samples that are not their person's, through a whole build: each found by its check, nobody else accused, excluded where the study says so."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from benchmarks.wrong_links import subjects_of_persons, truth_table
from tests.flows.demo import build, release, unibase
from unibase.releases.content import manifest

pytestmark = [pytest.mark.slow]
RULE = "  include: [cancer_diagnosis, index]\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("misplaced") / "tree"
    made = unibase("simulate", home, "--persons", 60, "--no-imaging", "--no-broken", "--misplaced")
    assert made.returncode == 0, made.stderr
    study = home / "study.yaml"
    text = study.read_text(encoding="utf-8")
    assert RULE in text
    study.write_text(text.replace(RULE, RULE + '  exclude: ["discordant:duplicate", "discordant:genotype"]\n'), encoding="utf-8")
    (home / "said.txt").write_text(build(home, "--no-prefect"), encoding="utf-8")
    return home


def found(home: Path, check: str, modality: str) -> set[int]:
    findings = pl.read_parquet(home / "work" / "linked" / "concordance.parquet")
    return set(findings.filter((pl.col("check") == check) & (pl.col("modality") == modality))["subject_id"])


def test_each_kind_is_found_and_nobody_else_is_accused(home: Path) -> None:
    subject = subjects_of_persons(home)
    planted = truth_table(home, "misplaced")
    assert dict(planted["kind"].value_counts().iter_rows()) == {
        "duplicate": 4,
        "methylation-sex": 6,
        "methylation-duplicate": 3,
        "genotype": 6,
    }
    for kind, check, modality in (
        ("duplicate", "duplicate", "rna"),
        ("methylation-duplicate", "duplicate", "methylation"),
        ("methylation-sex", "sex", "methylation"),
        ("genotype", "genotype", "genotypes"),
    ):
        mine = planted.filter(pl.col("kind") == kind)
        touched = {subject[person] for person in (*mine["person"], *mine["other_person"])}
        assert found(home, check, modality) == touched, kind
    assert not found(home, "sex", "rna") and not found(home, "sex", "genotypes")


def test_the_study_leaves_them_out_and_the_flow_and_the_page_say_so(home: Path) -> None:
    linked = home / "work" / "linked"
    flow = pl.read_parquet(linked / "flow.parquet")
    cohort = pl.read_parquet(linked / "cohort.parquet").filter("included")
    assert flow.filter(pl.col("rule") == "not discordant:duplicate")["removed"].item() > 0
    accused = {modality: found(home, "duplicate", modality) for modality in ("rna", "methylation")}
    assert not set(cohort["subject_id"]) & (accused["rna"] | accused["methylation"] | found(home, "genotype", "genotypes"))
    # The check of sex is not named: it leaves nobody out.
    assert set(cohort["subject_id"]) & found(home, "sex", "methylation")
    page = (release(home) / "report.html").read_text(encoding="utf-8")
    section = page[page.index('id="concordance"') :]
    assert "two samples of genotypes are not of one person" in section and "sample under two names" in section
    assert f">{len(accused['rna'])}<" in section[: section.index("</section>")]
    sources = manifest.read(release(home))["source_digests"]
    assert {"A/genotypes", "B/genotypes", "C/genotypes"} <= set(sources)


def test_arrays_of_the_other_sex_are_set_aside_before_the_assay_is_put_together(home: Path) -> None:
    mapping = pl.read_parquet(home / "work" / "staging" / "omics" / "sample_map.parquet")
    aside = mapping.filter((pl.col("assay") == "methylation") & (pl.col("status") == "quarantined"))
    subject = subjects_of_persons(home)
    planted = truth_table(home, "misplaced").filter(pl.col("kind") == "methylation-sex")
    assert set(aside["primary"]) == {subject[person] for person in planted["person"]}
    assert set(aside["reason"]) == {"swapped-samples"}
    rows = pl.read_parquet(home / "work" / "staging" / "quarantine" / "normalise.parquet")
    assert "methylation of the X chromosome" in rows.filter(pl.col("stage") == "normalise-methylation")["message"][0]


def test_a_run_says_what_was_compared_and_no_name_of_a_sample(home: Path) -> None:
    said = (home / "said.txt").read_text(encoding="utf-8")
    assert "identity: rna: " in said and "4 pairs of two persons look like one sample" in said
    assert "identity: A/genotypes: " in said and "4 pairs do not fit" in said
    assert "link: findings of concordance on " in said
    assert not any(name in said for name in truth_table(home, "samples")["sample"])
    names = set(truth_table(home, "samples")["sample"])
    for path in (home / "work" / "staging" / "identity").rglob("*.parquet"):
        text = pl.read_parquet(path).select(pl.selectors.string())
        assert not any(names & {str(value).removesuffix("-T").removesuffix("-N") for value in column} for column in text), path


def test_a_second_run_compares_nothing_again_and_genotypes_that_go_are_forgotten(home: Path) -> None:
    study = home / "study.yaml"
    before = study.read_text(encoding="utf-8")
    folder = home / "work" / "staging" / "identity"
    at = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet") if path.name != "findings.parquet"}
    whole = (folder / "findings.parquet").read_bytes()
    assert unibase("run", "identity", study).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in at} == at and (folder / "findings.parquet").read_bytes() == whole
    study.write_text("".join(line for line in before.splitlines(True) if "genotypes: {pairs: centre_b" not in line))
    assert unibase("run", "identity", study).returncode == 0
    assert sorted(path.name for path in (folder / "genotypes").iterdir()) == ["A", "C"]
    study.write_text(before)


def test_what_is_missing_is_told_by_check(home: Path) -> None:
    study = home / "study.yaml"
    before = study.read_text(encoding="utf-8")
    text = before.replace("centre_a/omics/somalier.pairs.tsv", "centre_a/omics/other.pairs.tsv", 1)
    study.write_text(
        text.replace("centre_b/omics/probes.csv", "centre_b/omics/no.csv", 1).replace("discordant:genotype", "discordant:gene")
    )
    ended = unibase("check", study)
    assert ended.returncode == 1 and "there is no check 'gene'; discordant:CHECK takes after-death, age" in ended.stderr
    assert "genotype, " in ended.stderr and "laterality" in ended.stderr
    study.write_text(text.replace("centre_b/omics/probes.csv", "centre_b/omics/no.csv", 1))
    ended = unibase("check", study)
    study.write_text(before)
    assert ended.returncode == 3 and "centres.A.genotypes.pairs: nothing at " in ended.stderr
    assert "centres.B.omics.methylation.probes: nothing at " in ended.stderr
