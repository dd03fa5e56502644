"""Sides, sites and editions of TNM: every row of the tables of docs/clinical-rules.md; and what is a relative's is nobody else's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clinical.test_odd_sources import LUNG, PATIENT, condition, read
from tests.clinical.test_rules import rows
from tests.clinical.whole import read_rows
from unibase.clinical.derived.staging import one_vocabulary
from unibase.clinical.timelines.centre import TimelineTask
from unibase.clinical.timelines.door import LocalDoor
from unibase.clinical.words.concepts import Concepts
from unibase.clinical.words.sides import tnm_edition

SYSTEMS = {
    "SNOMED": "http://snomed.info/sct",
    "oBDS": "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/CodeSystem/mii-cs-onko-seitenlokalisation",
    "KBV": "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_ICD_SEITENLOKALISATION",
}
QUALIFIER = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-laterality-qualifier"
GERMAN = "http://fhir.de/StructureDefinition/seitenlokalisation"
MAPPING = """mapping: 1
name: sides
systems: [ipp]
tables:
  - {name: a, persons: true, person: ipp, events: [{code: "LATERALITY//ICD10//C50", date: day, text: side}]}
"""


def of_fhir(field: str, written: str) -> dict[str, Any]:
    """Return a Condition whose side is written in a field as a row of the table says."""
    name, _, code = written.partition(" ")
    if name == "the":
        return condition(bodySite=[{"text": code.removeprefix("text ")}])
    coding = {"system": SYSTEMS[name], "code": code}
    if field.startswith("code"):
        own = LUNG["coding"][0] | {"extension": [{"url": GERMAN, "valueCoding": coding}]}
        return condition(code={"coding": [own]})
    if field.endswith("mCODE"):
        site = {"coding": [{"system": SYSTEMS["SNOMED"], "code": "39607008"}]}
        return condition(bodySite=[site | {"extension": [{"url": QUALIFIER, "valueCodeableConcept": {"coding": [coding]}}]}])
    return condition(bodySite=[{"coding": [coding]}])


def files_of(form: str, field: str, written: str) -> dict[str, str]:
    """Return the files of a person with one side, by their names."""
    if form == "FHIR":
        return {"a.ndjson": "\n".join(json.dumps(one) for one in (PATIENT, of_fhir(field, written)))}
    if form == "OMOP":
        said = f"1,1,0,20228-3,2021-03-04,{written}\n"
        return {
            "person.csv": "person_id,gender_concept_id,year_of_birth\n1,8507,1950\n",
            "measurement.csv": "measurement_id,person_id,measurement_concept_id,measurement_source_value,measurement_date,value_source_value\n"
            + said,
        }
    if form == "OSIRIS-RWD":
        cancer = f"PatientId,CancerDiagnosisTopographyCode,CancerDiagnosticDate,CancerDiagnosisLaterality\n1,C34.1,2021-03-04,{written}\n"
        return {"patient.csv": "PatientId,PatientBirthDate,PatientGender\n1,1950-01-01,M\n", "cancer.csv": cancer}
    return {"a.csv": f"ipp,day,side\n1,2021-03-04,{written}\n"}


@pytest.mark.parametrize(("form", "field", "written", "right"), rows("| format | field | written | side |"))
def test_a_side_is_one_word_in_every_format(form: str, field: str, written: str, right: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, text in files_of(form, field, written).items():
        (source / name).write_text(text, encoding="utf-8")
    mapping = tmp_path / "m.yaml"
    mapping.write_text(MAPPING, encoding="utf-8")
    name = "csv" if form == "declared tables" else form.lower()
    told = read_rows(TimelineTask(name, source, "lyon", mapping=mapping if name == "csv" else None), LocalDoor())
    concepts = Concepts.default()
    found = concepts.select(one_vocabulary(told.events, concepts), "laterality")
    assert found["text_value"].to_list() == ([right] if right else [])
    assert ("unread-field" in set(told.problems["reason"])) == (
        name == "fhir" and not right and field == "bodySite" and "text" in written
    )


@pytest.mark.parametrize(("written", "right"), rows("| edition, written | edition |"))
def test_an_edition_is_a_digit(written: str, right: str) -> None:
    assert (tnm_edition(written) or "") == right


TNM = {
    "resourceType": "Observation", "id": "o", "status": "final", "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2021-03-04",
    "code": {"coding": [{"system": "http://loinc.org", "code": "21905-5"}]},
    "valueCodeableConcept": {"coding": [{"system": "http://cancerstaging.org", "code": "cT2"}]},
}  # fmt: skip
AT_MII = "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/CodeSystem/mii-cs-onko-tnm-version"


@pytest.mark.parametrize(
    ("method", "edition"),
    [
        ({"coding": [{"system": AT_MII, "code": "8", "display": "8. Auflage"}]}, "8"),
        ({"coding": [{"system": "http://snomed.info/sct", "code": "443830009"}]}, "7"),
        ({"text": "AJCC Version 8"}, "8"),
        ({"coding": [{"system": "http://snomed.info/sct", "code": "77477000"}]}, None),  # computed tomography
    ],
)
def test_the_method_of_a_category_is_its_edition_or_is_told(method: dict[str, Any], edition: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text(
        "\n".join(json.dumps(one) for one in (PATIENT, TNM | {"method": method})), encoding="utf-8"
    )
    told = read_rows(TimelineTask("fhir", tmp_path, "lyon"), LocalDoor())
    found = Concepts.default().select(told.events, "tnm_edition")["text_value"].to_list()
    assert found == ([edition] if edition else [])
    assert ("unread-field" in set(told.problems["reason"])) == (edition is None)


def test_sites_keep_their_codes_and_a_planned_act_has_a_planned_side(tmp_path: Path) -> None:
    site = {"coding": [{"system": SYSTEMS["SNOMED"], "code": "39607008"}, {"system": SYSTEMS["SNOMED"], "code": "7771000"}]}
    act = {
        "resourceType": "Procedure", "id": "p", "status": "preparation", "subject": {"reference": "Patient/1"}, "bodySite": [site],
        "code": {"coding": [{"system": SYSTEMS["SNOMED"], "code": "1287742003"}]}, "performedDateTime": "2021-03-04",
    }  # fmt: skip
    codes, told = read(tmp_path, "fhir", {"a.ndjson": "\n".join(json.dumps(one) for one in (PATIENT, act))})
    assert codes[2:] == [
        "PLANNED//BODY_SITE//SNOMED//39607008", "PLANNED//LATERALITY//SNOMED//1287742003", "PLANNED//SNOMED//1287742003",
    ]  # fmt: skip
    assert told == []


RELATIVE = {
    "resourceType": "FamilyMemberHistory", "id": "f", "status": "completed", "patient": {"reference": "Patient/1"},
    "relationship": {"text": "mother"}, "condition": [{"code": LUNG, "onsetString": "at 50"}],
}  # fmt: skip


def test_the_cancer_of_a_relative_is_told_and_is_not_the_patients(tmp_path: Path) -> None:
    codes, told = read(tmp_path, "fhir", {"a.ndjson": "\n".join(json.dumps(one) for one in (PATIENT, RELATIVE))})
    assert sorted(codes) == ["MEDS_BIRTH", "SEX//M"]
    assert [reason for _, reason in told] == ["about-another"]


@pytest.mark.parametrize(
    ("field", "coding", "left"),
    [
        ("code", {"system": "http://hl7.org/fhir/sid/icd-10", "code": "cf. lettre du Dr Zqvibe"}, []),
        ("code", {"system": "http://loinc.org", "code": "Zqvibe"}, []),
        (
            "code",
            {"system": "http://snomed.info/sct", "code": "254637007:272741003=7771000"},
            ["SNOMED//254637007:272741003=7771000"],
        ),
        ("code", {"system": "http://hl7.org/fhir/sid/icd-10", "code": "C00-C97"}, ["ICD10//C00-C97"]),
    ],
)
def test_words_in_place_of_a_code_stay_behind_and_are_told(
    field: str, coding: dict[str, str], left: list[str], tmp_path: Path
) -> None:
    lines = "\n".join(json.dumps(one) for one in (PATIENT, condition(**{field: {"coding": [coding]}})))
    codes, told = read(tmp_path, "fhir", {"a.ndjson": lines})
    assert [code for code in codes if code not in ("MEDS_BIRTH", "SEX//M")] == left
    assert ("unknown-code" in {reason for _, reason in told}) == (not left)
