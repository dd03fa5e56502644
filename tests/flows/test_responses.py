"""Tumour responses and endpoints that a study declares, from its records to its release."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.flows.small_study import MAPPING, STUDY, write_study
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.stages.release import publish
from unibase.flows.study.named_sources import check_sources
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.privacy.keys import read_key_file
from unibase.releases.content.leaving import rows_key
from unibase.releases.read.explain import explain
from unibase.releases.read.open import read_annotation
from unibase.releases.read.source_rows import row_of, with_row_numbers

LESION_TABLE = """\
  - name: lesions
    files: [lesions]
    person: ipp
    events:
      - {code: "LESION//TARGET//{lesion}", date: day, number: mm, unit: mm, when: {kind: [target]}}
      - {code: "LESION//NEW//{lesion}", date: day, when: {kind: [new]}}
"""
LESIONS = """\
ipp,day,kind,lesion,mm
IPP001,2019-03-01,target,T1,50
IPP001,2019-04-20,target,T1,20
IPP001,2019-06-20,target,T1,21
IPP001,2019-08-20,new,N1,
IPP002,2019-02-20,target,T1,30
IPP002,2019-05-20,target,T1,32
"""
DEFINITIONS = """\
endpoints: 1
endpoint:
  TTP:
    version: "1"
    text: Time to Progression
    events: [{concept: progression, text: PROGRESSION}]
    censor: {concept: tumour_assessment, text: LAST ASSESSMENT}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = write_study(tmp_path)
    keys = "definitions: definitions.yaml\nendpoints: [OS, TTP]\nresponses: [BOR, CBOR]\n"
    (home / "study.yaml").write_text(STUDY.replace("    dicom: dicom\n", "") + keys, encoding="utf-8")
    (home / "mapping.yaml").write_text(MAPPING + LESION_TABLE, encoding="utf-8")
    (home / "records" / "lesions.csv").write_text(LESIONS, encoding="utf-8")
    (home / "definitions.yaml").write_text(DEFINITIONS, encoding="utf-8")
    return home


def test_responses_from_lesions_reach_the_release(home: Path) -> None:
    read = read_study(home / "study.yaml")
    check_sources(read)
    read.work.create()
    with open_run(read) as run:
        for name in ("people", "clinical", "timeline", "link"):
            stage(name)(run)
        release = publish(run)
    adrs = pl.read_parquet(release / "tables" / "adrs.parquet")
    by_code = {code: sorted(rows["AVALC"]) for (code,), rows in adrs.group_by("PARAMCD")}
    assert by_code == {"OVR": ["PD", "PR", "PR", "SD"], "BOR": ["PR", "SD"], "CBOR": ["PR", "SD"]}
    subject = adrs.filter((pl.col("PARAMCD") == "BOR") & (pl.col("AVALC") == "PR"))["subject_id"].item()
    # From the operation on 2 March to the new lesion on 20 August, the first day counted.
    adtte = pl.read_parquet(release / "tables" / "adtte.parquet").filter(
        (pl.col("subject_id") == subject) & (pl.col("PARAMCD") == "TTP")
    )
    assert adtte.select("AVAL", "CNSR", "EVNTDESC", "SRCDOM").row(0) == (172, 0, "PROGRESSION", "A/csv/lesions")
    # Rows of the sources leave under keyed numbers; the key of the study tells them again.
    key = rows_key(read_key_file(home / "vault.key"))
    assert row_of("A/csv/lesions", adtte["SRCSEQ"].item(), key, 100) == 4
    assert "has 1 row:\n- PR, 20" in explain(release, subject, "BOR")
    said = explain(release, subject, "OVR")
    assert "row 2 on." not in said
    assert "Visit read from: A/csv/lesions, row 2 on." in with_row_numbers(said, key, 100)
    assert "RECIST 1.1 (Eisenhauer" in (release / "methods.txt").read_text(encoding="utf-8")
    annotation = read_annotation(release, "clinical", "BOR_AVALC", subject)
    assert annotation is not None
    assert annotation.value == "PR"
    described = pl.read_parquet(release / "dictionary" / "dictionary.parquet").filter(pl.col("table") == "adrs")
    assert set(described["column"]) >= {"AVALC", "SUMDIAM", "problem"}
    assert len(json.loads((release / "manifest.json").read_text(encoding="utf-8"))["settings"]["definitions"]) == 64


def test_a_name_that_no_definition_has_is_told_before_a_build(home: Path) -> None:
    text = (home / "study.yaml").read_text(encoding="utf-8")
    (home / "study.yaml").write_text(text.replace("[OS, TTP]", "[OS, TPP]"), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"endpoints: there is no definition 'TPP'\. Did you mean TTP\? Known: CSS, DFS, DOR, EFS, OS"
    ):
        check_sources(read_study(home / "study.yaml"))
    (home / "definitions.yaml").unlink()
    with pytest.raises(UserError, match="definitions: nothing at"):
        check_sources(read_study(home / "study.yaml"))


def test_without_definitions_of_its_own_a_study_names_the_packaged_ones(home: Path) -> None:
    text = (home / "study.yaml").read_text(encoding="utf-8").replace("definitions: definitions.yaml\n", "")
    (home / "study.yaml").write_text(text.replace("[OS, TTP]", "[OS]").replace("[BOR, CBOR]", "[BEST]"), encoding="utf-8")
    with pytest.raises(UserError, match=r"study.yaml:11: responses.*'BEST' is not allowed; allowed: BOR, BORREP"):
        read_study(home / "study.yaml")
