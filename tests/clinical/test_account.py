"""What is not read of a source is told, by file, field and code system: a row of the tables a case, in FHIR and in OMOP.

The fields are those of FHIR R4 and of the OMOP CDM 5.4; what each row must tell was written down by hand from both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.clinical.test_odd_sources import PATIENT, condition, read
from unibase.clinical.timelines.account_words import Account
from unibase.clinical.timelines.centre import TimelineTask, convert

SNOMED = "http://snomed.info/sct"


def observation(**further: Any) -> dict[str, Any]:
    made = {"resourceType": "Observation", "id": "o", "status": "final", "subject": {"reference": "Patient/1"}}
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
    return made | {"code": code, "effectiveDateTime": "2021-03-04", "valueQuantity": {"value": 12, "code": "g/dL"}} | further


def stay(**said: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": {"reference": "Patient/1"},
    }
    return made | {"period": {"start": "2021-03-01T10:00:00", "end": "2021-03-04T09:00:00"}, "hospitalization": {"dischargeDisposition": said}}  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        (observation(), []),
        (observation(performer=[{"display": "lab"}], category=[{"text": "laboratory"}], text={"div": "<p/>"}), []),
        (observation(interpretation=[{"text": "high"}], referenceRange=[{"text": "12"}]), ["Observation.interpretation", "Observation.referenceRange"]),
        (observation(note=[{"text": "haemolysed"}]), ["Observation.note"]),
        (observation(effectiveTiming={}), ["Observation.effectiveTiming"]),
        (condition(bodySite=[{"text": "left"}]), []),
        (condition(bodySite=[{"text": "left, see letter"}]), ["Condition.bodySite"]),
        (observation(method={"text": "by hand"}), ["Observation.method"]),
        (condition(onsetString="last spring"), ["Condition.onsetString"]),
        (condition(clinicalStatus={"text": "resolved"}), []),  # the diagnosis was made all the same
        (condition(onsetDateTime=None, onsetString="last spring"), []),  # told as missing-date
        (PATIENT | {"name": [{"family": "x"}], "maritalStatus": {"text": "m"}}, ["Patient.maritalStatus"]),
        (PATIENT | {"_birthDate": {"extension": []}}, ["Patient._birthDate"]),
    ],
)  # fmt: skip
def test_fields_of_fhir_that_are_not_read_are_told(tmp_path: Path, resource: dict[str, Any], told: list[str]) -> None:
    lines = "\n".join(json.dumps(one) for one in (PATIENT, resource))
    _, found = read(tmp_path, "fhir", {"a.ndjson": lines})
    assert sorted(place.split("/")[-1] for place, reason in found if reason == "unread-field") == told


def vital(code: str, **further: Any) -> dict[str, Any]:
    return observation(code={"coding": [{"system": "http://loinc.org", "code": code}]}, valueQuantity=None, **further)


MII_DEATH = "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/StructureDefinition/mii-pr-onko-tod"


def cause_at_mii(profile: str = MII_DEATH, **further: Any) -> dict[str, Any]:
    """Return the cause of a death as MII Onkologie writes it: its date is the day of the death."""
    cause = {"coding": [{"system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "code": "C34.9"}]}
    said = {
        "meta": {"profile": [profile]},
        "code": {"coding": [{"system": SNOMED, "code": "184305005"}]},
        "valueCodeableConcept": cause,
    }
    return observation(**{"valueQuantity": None, "effectiveDateTime": "2024-02-08", **said, **further})


@pytest.mark.parametrize(
    ("resource", "dead"),
    [
        (stay(coding=[{"code": "exp"}]), True),
        (stay(coding=[{"code": "9", "display": "Décédé"}]), True),
        (stay(text="DIED"), True),
        (stay(coding=[{"code": "home"}]), False),
        (observation(code={"coding": [{"system": SNOMED, "code": "419099009"}]}, valueQuantity=None), True),
        (observation(code={"coding": [{"system": SNOMED, "code": "419099009"}]}, valueQuantity=None, valueBoolean=False), False),
        (vital("67162-8", valueCodeableConcept={"coding": [{"system": "http://loinc.org", "code": "x", "display": "Deceased"}]}), True),
        (vital("67162-8", valueCodeableConcept={"coding": [{"system": SNOMED, "code": "419099009"}]}), True),
        (vital("67162-8", valueString="Décédé"), True),
        (vital("67162-8", valueCodeableConcept={"text": "Alive"}), False),
        (vital("81956-5", valueDateTime="2021-04-01"), True),
        (vital("69453-9", valueCodeableConcept={"text": "lung cancer"}), True),
        (vital("69453-9"), False),
        (cause_at_mii(), True),
        (cause_at_mii(valueCodeableConcept=None), False),
        (cause_at_mii(status="entered-in-error"), False),
        (vital("67162-8", status="cancelled", valueString="dead"), False),
        (condition(code={"coding": [{"system": SNOMED, "code": "397709008"}]}), True),
        (condition(code={"coding": [{"system": SNOMED, "code": "397709008"}]}, verificationStatus={"coding": [{"code": "refuted"}]}), False),
        (condition(code={"coding": [{"system": SNOMED, "code": "397709008"}]}, verificationStatus={"coding": [{"code": "provisional"}]}), False),
    ],
)  # fmt: skip
def test_a_death_outside_patient_is_a_death(tmp_path: Path, resource: dict[str, Any], dead: bool) -> None:
    codes, _ = read(tmp_path, "fhir", {"a.ndjson": "\n".join(json.dumps(one) for one in (PATIENT, resource))})
    assert ("MEDS_DEATH" in codes) is dead


def test_a_date_of_death_is_the_day_and_a_vital_status_has_none(tmp_path: Path) -> None:
    for number, (said, day) in enumerate((
        (vital("81956-5", valueDateTime="2021-04-01"), "2021-04-01"),
        (vital("67162-8", valueString="dead"), None),
        (cause_at_mii(), "2024-02-08"),
        (cause_at_mii("http://other.example/cause"), None),
    )):  # fmt: skip
        folder, out = tmp_path / f"{number}", tmp_path / f"{number}-out"
        folder.mkdir()
        (folder / "a.ndjson").write_text(json.dumps(PATIENT) + "\n" + json.dumps(said), encoding="utf-8")
        convert(TimelineTask("fhir", folder, "lyon"), out)
        events = pl.read_parquet(out / "data" / "*.parquet").filter(pl.col("code") == "MEDS_DEATH")
        assert events["time"].dt.strftime("%F").to_list() == [day]


@pytest.mark.parametrize(
    ("date", "code"),
    [
        ({"effectivePeriod": {"start": "2021-07-05", "end": "2021-09-05"}}, "STATED//ATC//L01XA02"),
        ({"effectiveDateTime": "2021-07"}, "STATED//ATC//L01XA02"),
        ({"dateAsserted": "2021-07-05"}, "ASSERTED//ATC//L01XA02"),
        ({"effectivePeriod": {"end": "2021-09-05"}, "dateAsserted": "2021-10-05"}, "ASSERTED//ATC//L01XA02"),
        ({"status": "intended", "dateAsserted": "2021-07-05"}, "PLANNED//ASSERTED//ATC//L01XA02"),
    ],
)
def test_the_day_of_a_statement_is_no_day_of_treatment(tmp_path: Path, date: dict[str, Any], code: str) -> None:
    drug = {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01XA02"}]}
    said = {"resourceType": "MedicationStatement", "subject": {"reference": "Patient/1"}, "status": "completed", **date}
    lines = (PATIENT, {**said, "medicationCodeableConcept": drug})
    codes, _ = read(tmp_path, "fhir", {"a.ndjson": "\n".join(json.dumps(one) for one in lines)})
    assert [one for one in codes if one.endswith("L01XA02")] == [code]


def test_a_value_that_is_no_number_is_told(tmp_path: Path) -> None:
    _, found = read(
        tmp_path,
        "fhir",
        {"a.ndjson": json.dumps(PATIENT) + "\n" + json.dumps(observation(valueQuantity={"value": "13,2", "unit": "g/dL"}))},
    )
    assert [reason for _, reason in found] == ["not-a-number"]


def test_a_death_at_the_end_of_a_stay_lies_within_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ndjson").write_text(json.dumps(PATIENT) + "\n" + json.dumps(stay(text="exitus")), encoding="utf-8")
    convert(TimelineTask("fhir", tmp_path / "in", "lyon"), tmp_path / "out")
    events = pl.read_parquet(tmp_path / "out" / "data" / "*.parquet").filter(pl.col("code") == "MEDS_DEATH")
    bounds = events.select(
        "time", pl.col("time_min").dt.strftime("%F %T"), pl.col("time_max").dt.strftime("%F %T"), "end_time"
    ).row(0)
    assert bounds == (None, "2021-03-01 00:00:00", "2021-03-04 23:59:59", None)


CDM = {
    "person": "person_id,gender_concept_id,year_of_birth,race_concept_id\n1,8507,1950,8527\n",
    "concept": "concept_id,vocabulary_id,concept_code\n3000963,LOINC,718-7\n",
}


@pytest.mark.parametrize(
    ("header", "row", "told"),
    [
        ("measurement_id,person_id,measurement_concept_id,measurement_date,value_as_number", "1,1,3000963,2021-03-04,12", []),
        ("person_id,measurement_concept_id,measurement_date,range_low,note", "1,3000963,2021-03-04,9,x", [("measurement", "unread-column")]),
        ("person_id,measurement_concept_id,measurement_date", "1,2000000001,2021-03-04", [("measurement#1/measurement_concept_id", "unknown-concept")]),
        ("person_id,measurement_concept_id,measurement_date,value_source_value", "1,3000963,2021-03-04,as in the letter", [("measurement#1/value_source_value", "text-withheld")]),
        ("person_id,measurement_concept_id,measurement_date,value_source_value", "1,3000963,2021-03-04,positive", []),
        ("person_id,measurement_concept_id,measurement_date,value_as_number,value_source_value", "1,3000963,2021-03-04,12,12 g/dl", []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_values_and_concepts_of_omop_that_are_not_read_are_told(
    tmp_path: Path, suffix: str, header: str, row: str, told: list[tuple[str, str]]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name, text in {**CDM, "measurement": f"{header}\n{row}\n"}.items():
        if suffix == "csv":
            (source / f"{name}.csv").write_text(text, encoding="utf-8")
        else:
            pl.read_csv(text.encode(), try_parse_dates=True).write_parquet(source / f"{name}.parquet")
    convert(TimelineTask("omop", source, "CHU-été"), tmp_path / "out")
    found = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")
    places = found.select(pl.col("unit").str.splitn("/", 3).struct[2].alias("place"), "reason").rows()
    assert [one for one in places if not one[0].startswith("person")] == told
    assert ("person", "unread-column") in places
    account = Account.of(tmp_path / "out")
    lines = list(account.lines())
    assert "CHU-été/omop/measurement: 1 rows, 1 used, 0 set aside, 0 hold no event of a person; 1 events" in lines
    assert "  CHU-été/omop/person: 1 columns are read by nothing: race_concept_id." in lines
    assert account.recognised()[0] == "read: CHU-été/omop/measurement, CHU-été/omop/person"
