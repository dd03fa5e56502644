"""Codes as hospitals write them: every row of the table of docs/clinical-rules.md, in three formats, and the concept that takes each."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.clinical.test_derivations import events
from tests.clinical.test_odd_sources import PATIENT, condition, read
from tests.clinical.test_rules import rows
from unibase.clinical.derived.code_counts import code_table
from unibase.clinical.timelines import meds
from unibase.clinical.words.concepts import Concept, Concepts, code_matches
from unibase.clinical.words.vocabularies import plain
from unibase.flows.looks.codes import codes_text

WRITTEN = rows("| vocabulary | written | code | counts as |")
SYSTEMS = {"CCAM": "https://smt.esante.gouv.fr/terminologie-ccam", "ICD10": "http://hl7.org/fhir/sid/icd-10"}
PERSON = ("MEDS_BIRTH", "SEX//M")
MAPPING = """mapping: 1
name: acts
systems: [ipp]
tables:
  - {name: a, persons: true, person: ipp, events: [{code: "VOCABULARY//{code}", date: day}]}
"""


def of_fhir(vocabulary: str, written: str, folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    said = condition(code={"coding": [{"system": SYSTEMS[vocabulary], "code": written}]})
    return read(folder, "fhir", {"a.ndjson": "\n".join(json.dumps(one) for one in (PATIENT, said))})


def of_tables(vocabulary: str, written: str, folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    return read(folder, "csv", {"a.csv": f"ipp;day;code\n1;2021-03-04;{written}\n"}, MAPPING.replace("VOCABULARY", vocabulary))


def of_omop(vocabulary: str, written: str, folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    name, day = ("procedure", "procedure_date") if vocabulary == "CCAM" else ("condition", "condition_start_date")
    head = f"{name}_occurrence_id,person_id,{name}_concept_id,{name}_source_value,{day}\n"
    return read(
        folder,
        "omop",
        {
            "person.csv": "person_id,gender_concept_id,year_of_birth\n1,8507,1950\n",
            f"{name}_occurrence.csv": f"{head}1,1,0,{written},2021-03-04\n",
        },
    )


@pytest.mark.parametrize("form", [of_fhir, of_tables, of_omop])
@pytest.mark.parametrize(("vocabulary", "written", "code", "counts_as"), WRITTEN)
def test_a_code_keeps_what_stands_behind_it(
    form: object, vocabulary: str, written: str, code: str, counts_as: str, tmp_path: Path
) -> None:
    assert callable(form)
    found, told = form(vocabulary, written, tmp_path)
    own = [one for one in found if one not in PERSON and "UNMAPPED" not in one]
    assert own == ([f"{vocabulary}//{code}"] if code else [])
    assert ("unknown-code" in {reason for _, reason in told}) == (not code)
    for one in own:
        assert plain(one) == f"{vocabulary}//{counts_as}"
        assert pl.DataFrame({"code": [one]}).select(code_matches([f"{vocabulary}//{counts_as}"])).item()


@pytest.mark.parametrize("other", ["CCAM//HHFA002-01", "CCAM//HHFA0011", "ICD10//C50.91", "ICD10//C50", "LOCAL//HB-1"])
def test_a_code_of_something_else_is_not_taken(other: str) -> None:
    named = ["CCAM//HHFA001", "ICD10//C50.9", "LOCAL//HB"]
    assert not pl.DataFrame({"code": [other]}).select(code_matches(named)).item()


def test_the_codes_of_a_study_say_what_they_count_as(tmp_path: Path) -> None:
    made = events((1, "CCAM//HHFA001-01", "2020-01-01"), (1, "ICD10//C50.9+", "2020-01-01"), (2, "CCAM//HHFA001", "2020-01-01"))
    folder = meds.write_dataset(made, tmp_path / "lyon", subjects_per_shard=9)
    own = Concepts({"appendectomy": Concept(codes=["CCAM//HHFA001"])})
    text = codes_text(code_table({"lyon": folder}, own))
    assert "CCAM//HHFA001-01  lyon: 1 events, 1 persons  appendectomy  counts as CCAM//HHFA001" in text
    assert "ICD10//C50.9+  lyon: 1 events, 1 persons  counts as ICD10//C50.9" in text
    assert "CCAM//HHFA001  lyon: 1 events, 1 persons  appendectomy\n" in text


@pytest.mark.parametrize(("code", "kept"), [("Hb", True), ("hémoglobine", True), ("hb du sang de Mme Zqvibe", False)])
def test_a_local_code_is_one_word_or_stays_behind(code: str, kept: bool, tmp_path: Path) -> None:
    said = condition(code={"coding": [{"system": "https://chu.example/labo", "code": code}]})
    found, told = read(tmp_path, "fhir", {"a.ndjson": "\n".join(json.dumps(one) for one in (PATIENT, said))})
    assert [one for one in found if one not in PERSON] == ([f"LABO//{code}"] if kept else [])
    assert {reason for _, reason in told} == ({"unknown-code-system"} if kept else {"unknown-code", "missing-code"})


def test_a_local_code_of_drugs_may_be_a_name_of_several_words(tmp_path: Path) -> None:
    drug = {"system": "https://chu.example/medication-name", "code": "Albumin 5% (25g / 500mL)"}
    said = {
        "resourceType": "MedicationAdministration",
        "id": "m",
        "status": "completed",
        "subject": {"reference": f"Patient/{PATIENT['id']}"},
        "effectiveDateTime": "2021-03-04",
        "medicationCodeableConcept": {"coding": [drug]},
    }
    found, told = read(tmp_path, "fhir", {"a.ndjson": "\n".join(json.dumps(one) for one in (PATIENT, said))})
    assert [one for one in found if one not in PERSON] == ["MEDICATION_NAME//Albumin 5% (25g / 500mL)"]
    assert {reason for _, reason in told} == {"unknown-code-system"}


def test_quantity_and_modifier_of_omop_are_told(tmp_path: Path) -> None:
    head = "procedure_occurrence_id,person_id,procedure_concept_id,procedure_source_value,procedure_date"
    files = {
        "person.csv": "person_id,gender_concept_id,year_of_birth\n1,8507,1950\n",
        "procedure_occurrence.csv": f"{head},quantity,modifier_concept_id,modifier_source_value\n1,1,0,HHFA001,2021-03-04,2,0,J\n",
    }
    assert read(tmp_path, "omop", files)[1] == [("procedure_occurrence", "unread-column")]
