"""Plain files without a study, declared CSV, malformed FHIR, units, concepts, MEDS checks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.clinical.test_derivations import events
from tests.clinical.whole import read_events, read_rows
from unibase.clinical.formats.mapping_rules import read_mapping
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.timelines import meds
from unibase.clinical.timelines.centre import TimelineTask, convert
from unibase.clinical.timelines.door import Identifier, KeyDoor, LocalDoor
from unibase.clinical.words.concepts import Concepts
from unibase.clinical.words.controlled import is_controlled
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS
from unibase.privacy import dates, pseudonyms
from unibase.privacy.keys import Key
from unibase.privacy.subjects import Subject, SubjectLookup

KEY = Key(bytes(range(32)))


def test_plain_files_without_a_key_keep_numbers_and_dates(simulated: Path, tmp_path: Path) -> None:
    written = convert(TimelineTask("omop", simulated / "centre_a" / "omop", "A"), tmp_path / "out")
    found = meds.read_dataset(tmp_path / "out")
    assert (written.events, written.subjects) == (found.height, found["subject_id"].n_unique())
    person = pl.read_csv(simulated / "centre_a" / "omop" / "person.csv")
    assert set(found["subject_id"]) == set(person["person_id"])
    births = dict(found.filter(pl.col("code") == "MEDS_BIRTH").select("subject_id", pl.col("time").dt.year()).iter_rows())
    assert births == dict(person.select("person_id", "year_of_birth").iter_rows())
    notes = json.loads((tmp_path / "out" / "metadata" / "dataset.json").read_text(encoding="utf-8"))
    assert notes["unibase"]["pseudonymised"] is False
    assert meds.validate_dataset(tmp_path / "out") == []
    # Identifiers that are no numbers are counted in their order.
    convert(TimelineTask("fhir", simulated / "centre_b" / "fhir", "B"), tmp_path / "fhir")
    numbers = meds.read_dataset(tmp_path / "fhir")["subject_id"].unique()
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_plain_files_with_a_key_are_pseudonymised(simulated: Path, tmp_path: Path) -> None:
    task = TimelineTask("omop", simulated / "centre_a" / "omop", "A")
    convert(task, tmp_path / "out", KEY)
    found = meds.read_dataset(tmp_path / "out")
    person = pl.read_csv(simulated / "centre_a" / "omop" / "person.csv", infer_schema=False)
    for number, year, month, day in person.select(
        "person_source_value", "year_of_birth", "month_of_birth", "day_of_birth"
    ).iter_rows():
        subject = pseudonyms.subject_id(KEY, f"A/ipp/{number}")
        birth = found.filter((pl.col("subject_id") == subject) & (pl.col("code") == "MEDS_BIRTH"))["time"].item()
        moved = birth - pl.datetime(int(year), int(month), int(day)).pipe(lambda one: pl.select(one).item())
        assert moved.days == dates.shift_days(KEY, subject)
    notes = json.loads((tmp_path / "out" / "metadata" / "dataset.json").read_text(encoding="utf-8"))
    assert notes["unibase"] == {"key_fingerprint": KEY.fingerprint, "pseudonymised": True, "source_format": "omop"}
    # The same hospital number gives the same subject, whatever else is known of the person.
    door = KeyDoor(KEY)
    assert door.subject("A", [Identifier("omop", "1"), Identifier("ipp", "7")]) == door.subject("A", [Identifier("ipp", "7")])
    assert door.subject("A", []) is None


DECLARED = """
mapping: 1
name: registry
systems: [ipp]
date_order: dmy
nulls: ["-"]
missing: ["Not Collected"]
texts: [bien différencié]
tables:
  - name: tumours
    files: [tumeurs]
    person: Patient
    events:
      - {code: "ICD10//{CIM}", date: Date}
      - {code: "LOINC//718-7", date: Date, number: Hb, unit: "{Unite}"}
      - {code: REGISTRY//GRADE, date: Date, text: Grade}
"""


def test_declared_csv(table: Callable[[str, str], Path], tmp_path: Path) -> None:
    own = tmp_path / "mapping.yaml"
    own.write_text(DECLARED, encoding="utf-8")
    rows = [
        "Patient;CIM;Date;Hb;Unite;Grade",
        "7;C34.1;04/03/2021;130;g/L;bien différencié",
        "7;C50.9;03/2021;12,5;g/dL;Madame Dupont va bien",
        "7;-;31/02/2021;11;g/dL;1",
        "7;Dupont;05/03/2021;Not Collected;-;2",
        "8;C34.1;04/03/2021;1;g/dL;1",
        "7;C34.1;04/03/2021;treize;cuillers;1",
    ]
    folder = table("tumeurs.csv", "\n".join(rows) + "\n")
    lookup = SubjectLookup({("R", "ipp", "7"): Subject(70, -10)})
    result = read_events(TimelineTask("csv", folder, "R", lookup, own))
    haemoglobin = result.events.filter(pl.col("code") == "LOINC//718-7").sort("source_row")
    assert haemoglobin.select("source_row", "numeric_value", "unit").rows() == [
        (1, 13.0, "g/dL"),
        (2, 12.5, "g/dL"),
        (6, None, "{unknown}"),
    ]
    assert haemoglobin["time"].to_list()[1] is None
    found = set(result.problems.select(pl.col("unit").str.replace("R/csv/tumours", ""), "reason").iter_rows())
    assert {
        ("#3/date", "impossible-date"), ("#4/cim", "unknown-code"), ("#4/hb", "not-collected"), ("#5", "unknown-person"),
        ("#2/grade", "text-withheld"), ("#6/hb", "not-a-number"), ("#6/unit", "unknown-unit"),
    } <= found  # fmt: skip
    everything = json.dumps(result.problems.rows()) + json.dumps([list(map(str, row)) for row in result.events.rows()])
    assert "Dupont" not in everything
    assert "bien différencié" in result.events["text_value"].to_list()
    account = result.account.row(0, named=True)
    assert account["rows"] == account["used"] + account["refused"] + account["silent"] == 6
    assert read_events(TimelineTask("csv", folder / "tumeurs.csv", "R", lookup, own)).events.equals(result.events)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("systems: [ipp]", "systems: []"), "systems"),
        (("date: Date}", "dated: Date}"), "dated"),
        (("mapping: 1", "mapping: 2"), "mapping"),
    ],
)
def test_a_wrong_mapping_is_refused_by_its_key(tmp_path: Path, change: tuple[str, str], named: str) -> None:
    own = tmp_path / "mapping.yaml"
    own.write_text(DECLARED.replace(*change), encoding="utf-8")
    with pytest.raises(UserError, match=named):
        read_mapping(own)


def test_a_source_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    lookup = SubjectLookup({})
    with pytest.raises(UserError, match="nothing at"):
        read_events(TimelineTask("omop", tmp_path / "no", "A", lookup))
    with pytest.raises(UserError, match="mapping"):
        (tmp_path / "x.csv").write_text("a,b\n1,2\n")
        read_events(TimelineTask("csv", tmp_path, "A", lookup))
    with pytest.raises(UserError, match="PERSON"):
        read_events(TimelineTask("omop", tmp_path, "A", lookup))
    with pytest.raises(UserError, match="lookup"):
        read_events(TimelineTask("omop", tmp_path, "A"))


def fhir(tmp_path: Path, *resources: Any) -> Path:
    folder = tmp_path / "fhir"
    folder.mkdir(exist_ok=True)
    lines = [one if isinstance(one, str) else json.dumps(one) for one in resources]
    with gzip.open(folder / "all.ndjson.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return folder


PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04", "gender": "female", "deceasedDateTime": "2021"}
SUBJECT = {"subject": {"reference": "Patient/p1"}}


def observation(**more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        "effectiveDateTime": "2020-02-03T10:00:00+01:00",
        **SUBJECT,
        **more,
    }


def test_fhir_in_every_state(tmp_path: Path) -> None:
    folder = fhir(
        tmp_path,
        PATIENT,
        observation(valueQuantity={"value": 130, "code": "g/L", "unit": "g/L", "comparator": "<"}),
        observation(valueString="Mme Dupont refuse"),
        observation(status="entered-in-error"),
        observation(dataAbsentReason={"coding": [{"code": "not-performed"}]}),
        observation(effectiveDateTime="2020-02-31"),
        observation(subject={"reference": "Patient/p2"}),
        "{not json",
        {"resourceType": "Claim", "id": "c"},
        {"resourceType": "Organization", "id": "o"},
        observation(code={"text": "une mesure"}),
        {
            "resourceType": "MedicationRequest",
            **SUBJECT,
            "medicationReference": {"reference": "Medication/none"},
            "authoredOn": "2020",
        },
    )
    lookup = SubjectLookup({("F", "fhir", "p1"): Subject(5, 0)})
    result = read_events(TimelineTask("fhir", folder, "F", lookup))
    rows = {(unit.split("#")[1], reason) for unit, reason in result.problems.select("unit", "reason").iter_rows()}
    assert rows == {
        ("3/value", "text-withheld"), ("4/status", "entered-in-error"), ("5/status", "not-done"), ("6/date", "impossible-date"),
        ("7", "unknown-person"), ("8", "malformed-json"), ("9", "unknown-resource"), ("11/code", "missing-code"),
        ("12", "unknown-reference"), ("12/code", "missing-code"),
    }  # fmt: skip
    value = result.events.filter((pl.col("code") == "LOINC//718-7") & pl.col("numeric_value").is_not_null()).row(0, named=True)
    assert (value["numeric_value"], value["unit"], value["text_value"], value["time"].hour) == (13.0, "g/dL", "<", 10)
    death = result.events.filter(pl.col("code") == "MEDS_DEATH").row(0, named=True)
    assert (death["time"], death["time_min"].year, death["time_max"].month) == (None, 2021, 12)
    account = result.account.row(0, named=True)
    assert account["rows"] == 12 == account["used"] + account["refused"] + account["silent"]
    assert account["silent"] == 1  # the Organization
    people = read_people("fhir", folder, "F")
    assert people.select("system", "birth_date", "sex").row(0) == ("fhir", "1961-04", "F")


def coded(system: str, code: str) -> dict[str, object]:
    return {"coding": [{"system": system, "code": code}]}


def test_an_mcode_patient(tmp_path: Path) -> None:
    """One resource of each kind as mCODE STU 3 profiles it, codes of its value sets; what is not read is told."""
    snomed, loinc, rxnorm = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
    mcode = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
    on = {"effectiveDateTime": "2019-05-01", "status": "final"}
    folder = fhir(
        tmp_path,
        PATIENT,
        {
            "resourceType": "Condition", **SUBJECT, "code": coded(snomed, "254637007"), "bodySite": [coded(snomed, "39607008")],
            "onsetDateTime": "2019-04-01", "stage": [{"summary": coded("http://cancerstaging.org", "3C")}],
            "extension": [
                {"url": mcode + "mcode-histology-morphology-behavior", "valueCodeableConcept": coded(snomed, "35917007")},
                {"url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate", "valueDateTime": "2019-04-01"},
            ],
        },
        {"resourceType": "Observation", **SUBJECT, **on, "code": coded(loinc, "21908-9"), "valueCodeableConcept": coded("http://cancerstaging.org", "3C")},
        {"resourceType": "Observation", **SUBJECT, **on, "code": coded(loinc, "97509-4"), "valueCodeableConcept": coded(snomed, "271299001")},
        {"resourceType": "Procedure", **SUBJECT, "status": "completed", "code": coded(snomed, "1287742003"), "performedPeriod": {"start": "2019-03-01", "end": "2019-03-30"}},
        {"resourceType": "MedicationRequest", **SUBJECT, "status": "active", "medicationCodeableConcept": coded(rxnorm, "583214"), "authoredOn": "2019-06-01"},
        {"resourceType": "MedicationAdministration", **SUBJECT, "status": "completed", "medicationCodeableConcept": coded(rxnorm, "583214"), "effectiveDateTime": "2019-06-02"},
        {"resourceType": "Encounter", **SUBJECT, "status": "finished", "class": {"code": "AMB"}, "period": {"start": "2019-06-02", "end": "2019-06-02"}},
        {"resourceType": "ImagingStudy", **SUBJECT, "status": "available", "started": "2019-06-03", "modality": [{"code": "CT"}]},
        {"resourceType": "Specimen", **SUBJECT, "type": coded(snomed, "119376003"), "collection": {"collectedDateTime": "2019-06-04"}},
        {"resourceType": "DiagnosticReport", **SUBJECT, "status": "final", "code": coded(loinc, "81247-9"), "effectiveDateTime": "2019-06-05"},
    )  # fmt: skip
    result = read_events(TimelineTask("fhir", folder, "F", SubjectLookup({("F", "fhir", "p1"): Subject(5, 0)})))
    found = result.events.filter(pl.col("source_row") > 1).sort("source_row", "code")
    assert found.select("source_row", "code", "text_value").rows() == [
        (2, "BODY_SITE//SNOMED//39607008", None), (2, "LOINC//21908-9", "3C"), (2, "SNOMED//254637007", None), (2, "SNOMED//35917007", None),
        (3, "LOINC//21908-9", "3C"), (4, "LOINC//97509-4", "SNOMED//271299001"), (5, "SNOMED//1287742003", None),
        (6, "PRESCRIBED//RxNorm//583214", None), (7, "RxNorm//583214", None), (8, "VISIT//AMB", None),
        (9, "IMAGING_RECORD//CT", None), (10, "SPECIMEN//SNOMED//119376003", None), (11, "REPORT//LOINC//81247-9", None),
    ]  # fmt: skip
    told = result.problems.filter(pl.col("reason") == "unknown-extension")
    assert told["unit"].to_list() == ["F/fhir/Patient#2/condition-assertedDate"]
    assert result.account["refused"].sum() == 0


@pytest.mark.parametrize(
    "text",
    [
        "T2",
        "cT2a",
        "N1mi",
        "pN0",
        "M1c",
        "IIIA",
        "Stage IV",
        "OUI",
        "C34.1",
        "8140/3",
        "SNOMED//271299001",
        "LA123-4",
        "12,5",
        "3+4=7",
        "R0",
        "<",
    ],
)
def test_coded_texts_travel(text: str) -> None:
    assert pl.select(is_controlled(pl.lit(text))).item()


@pytest.mark.parametrize(
    "text",
    [
        "Dupont",
        "Mme Dupont",
        "M. Martin, né le 02/04/1961",
        "Biopsie pulmonaire",
        "06 12 34 56 78",
        "jean@example.org",
        "2021-03-04",
        "Tumeur de Mme X",
    ],
)
def test_other_texts_stay_behind(text: str) -> None:
    assert not pl.select(is_controlled(pl.lit(text))).item()


def test_concepts_of_a_study(tmp_path: Path) -> None:
    own = tmp_path / "concepts.yaml"
    own.write_text(
        "concepts: 1\nversion: '2'\nconcept:\n  anaemia: {coded_values: [{code: LOINC//718-7, number_to: 10}]}\n",
        encoding="utf-8",
    )
    concepts = Concepts.read(own)
    assert {"anaemia", "death", "ldh"} <= set(concepts.names())
    frame = events((1, "LOINC//718-7", "2020-01-01"), (1, "LOINC//718-7", "2020-01-02")).with_columns(
        numeric_value=pl.Series([9.0, 12.0], dtype=pl.Float32)
    )
    assert concepts.select(frame, "anaemia").height == 1
    with pytest.raises(UserError, match="anemia"):
        concepts.matches("anemia")
    own.write_text("concepts: 1\nversion: '2'\nconcept:\n  x: {coded_values: [{code: LOINC//718-7}]}\n", encoding="utf-8")
    with pytest.raises(UserError, match="number_from"):
        Concepts.read(own)


def test_our_validator_sees_what_the_schemas_do_not(tmp_path: Path) -> None:
    frame = events((1, "VISIT//IP", "2020-01-01"), (1, "VISIT//IP", "2020-01-02"), (2, "VISIT//IP", "2020-01-01"))
    meds.write_dataset(frame, tmp_path / "good")
    assert meds.validate_dataset(tmp_path / "good") == []
    shard = tmp_path / "good" / "data" / "0.parquet"
    good = pl.read_parquet(shard)
    for wrong, said in (
        (good[[1, 0, 2]], "out of order"),
        (good[[0, 2, 1]], "not contiguous"),
        (good.with_columns(code=pl.lit("OTHER//1")), "not declared"),
        (good.with_columns(time_min=pl.col("time_max"), time_max=pl.col("time_min")), "bounds"),
    ):
        meds.write_shard(EVENTS.conform(wrong), shard)
        assert any(said in line for line in meds.validate_dataset(tmp_path / "good")), said
    meds.write_shard(good, shard)
    meds.write_shard(good, shard.with_name("1.parquet"))
    assert any("earlier shard" in line for line in meds.validate_dataset(tmp_path / "good"))
    with pytest.raises(UserError, match="no MEDS dataset"):
        meds.read_dataset(tmp_path)


def test_synthea(real_data: Path, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(real_data / "clinical" / "synthea27nj" / "Synthea27Nj_5.4.zip") as archive:
        archive.extractall(
            tmp_path, [name for name in archive.namelist() if not name.startswith("__") and "RELATIONSHIP" not in name]
        )
    lookup = SubjectLookup({("S", "omop", str(number)): Subject(number, 0) for number in range(1, 100)})
    result = read_events(TimelineTask("omop", tmp_path, "S", lookup))
    account = result.account
    assert account.filter(pl.col("rows") != pl.col("used") + pl.col("refused") + pl.col("silent")).is_empty()
    assert account["refused"].sum() == 0
    assert result.events.filter(pl.col("code") == "MEDS_BIRTH").height == 28
    # Source concepts decide: most codes are of a vocabulary, few are bare numbers.
    coded = result.events.filter(pl.col("code").str.starts_with("OMOP//")).height
    assert coded < 0.1 * result.events.height
    meds.write_dataset(result.events, tmp_path / "out")
    assert meds.validate_dataset(tmp_path / "out") == []


def haemoglobin(value: float, changed: str | None, identifier: str = "o1") -> str:
    resource: dict[str, Any] = {"resourceType": "Observation", "id": identifier, "subject": {"reference": "Patient/p"}}
    resource |= {"code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}, "effectiveDateTime": "2021-03-04"}
    resource |= {"status": "final", "valueQuantity": {"value": value, "code": "g/dL"}}
    return json.dumps(resource | ({"meta": {"lastUpdated": changed}} if changed else {}))


def test_of_two_versions_of_a_resource_the_newest_counts(tmp_path: Path) -> None:
    patient = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-01-01"}
    first = [haemoglobin(12.1, "2021-03-06T10:00:00Z"), haemoglobin(9.9, None, "o2"), haemoglobin(9.8, None, "o2")]
    second = [json.dumps(patient), haemoglobin(12.5, "2021-03-05T10:00:00Z"), haemoglobin(7.5, None, "o3")]
    (tmp_path / "a.ndjson").write_text("\n".join(first) + "\n")
    (tmp_path / "b.ndjson").write_text("\n".join(second) + "\n")
    (tmp_path / "c.json").write_text(haemoglobin(7.7, "2020-01-01T00:00:00Z", "o3"))
    told = read_rows(TimelineTask("fhir", tmp_path, "CHU-été", cutoff="none"), LocalDoor())
    values = told.events.filter(pl.col("code") == "LOINC//718-7")["numeric_value"].to_list()
    # o1: changed last, though it stands first; o2: the last of two that say nothing; o3: the one that says when.
    assert sorted(round(value, 2) for value in values) == [7.7, 9.8, 12.1]
    gone = told.problems.filter(pl.col("reason") == "older-version")
    assert gone["message"].str.extract(r"^(\d+)").cast(pl.Int64).sum() == 3
    assert told.account["rows"].sum() == 7
