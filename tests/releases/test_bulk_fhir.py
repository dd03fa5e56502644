"""A release as FHIR R4: every resource is one by the models of fhir.resources, and the clinical room reads the same events back."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from fhir.resources.R4B import get_fhir_model_class

from tests.releases.small_release import made
from unibase.clinical.formats.fhir_batches import open_fhir
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS
from unibase.releases.exports.bulk_fhir import Bulk, write_fhir
from unibase.releases.exports.fhir_events import Event, resource_of
from unibase.releases.exports.fhir_forms import partial, without_nothing


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Bulk]:
    folder = tmp_path_factory.mktemp("fhir")
    release = made(folder)
    return release, folder / "out", write_fhir(release, folder / "out")


def resources(folder: Path) -> list[dict[str, object]]:
    return [
        json.loads(line) for path in sorted(folder.glob("*.ndjson")) for line in path.read_text(encoding="utf-8").splitlines()
    ]


def test_every_resource_is_one_by_the_models_of_fhir(exported: tuple[Path, Path, Bulk]) -> None:
    found = resources(exported[1])
    assert Counter(one["resourceType"] for one in found) == exported[2].rows
    for one in found:
        get_fhir_model_class(str(one["resourceType"])).model_validate(one)
    assert len({(one["resourceType"], one["id"]) for one in found}) == len(found)


def test_references_name_what_is_there(exported: tuple[Path, Path, Bulk]) -> None:
    found = resources(exported[1])
    patients = {f"Patient/{one['id']}" for one in found if one["resourceType"] == "Patient"}
    assert {one["subject"]["reference"] for one in found if "subject" in one} <= patients  # type: ignore[index]
    studies = {one["identifier"][0]["value"] for one in found if one["resourceType"] == "ImagingStudy"}  # type: ignore[index]
    derived = {one["derivedFrom"][0]["identifier"]["value"] for one in found if "derivedFrom" in one}  # type: ignore[index]
    assert derived == studies


def test_the_same_events_are_read_back(exported: tuple[Path, Path, Bulk], tmp_path: Path) -> None:
    release, folder, _ = exported
    plan = open_fhir(folder, frozenset(), tmp_path, None)
    back = pl.concat([*(one.events for one in plan.ready), *(one.events for part in plan.parts for one in plan.read(part))])
    columns = ["subject_id", "code", "time", "end_time", "numeric_value", "unit", "text_value"]
    # Features, and what images and samples are on record.
    new = pl.col("code").str.contains("^(unibase_feature|IMAGING_RECORD//|SPECIMEN//UNKNOWN$)")
    back = back.with_columns(pl.col("person").cast(pl.Int64).alias("subject_id")).filter(~new).select(columns)
    told = pl.read_parquet(release / "timeline" / "data" / "0.parquet")
    same = pl.col("code").replace({"GENDER//F": "SEX//F", "VISIT//OMOP//9201": "VISIT//OMOP//9201"})
    told = told.with_columns(same).select(columns)
    assert sorted(map(repr, back.rows())) == sorted(map(repr, told.rows()))


def test_features_are_components_of_an_observation_of_their_study(exported: tuple[Path, Path, Bulk]) -> None:
    release, folder, _ = exported
    table = pl.read_parquet(release / "tables" / "features.parquet")
    told = {(str(s), round(v, 6)) for s, v in table.select("subject_id", "original_shape_Sphericity").iter_rows()}
    found = [one for one in resources(folder) if "component" in one]
    values = {
        (str(one["subject"]["reference"])[8:], round(part["valueQuantity"]["value"], 6))  # type: ignore[index]
        for one in found
        for part in one["component"]  # type: ignore[attr-defined]
        if part["code"]["coding"][0]["code"].endswith("shape_Sphericity")
    }
    assert values == told


@pytest.mark.parametrize(
    ("code", "more", "kind"),
    [
        ("ICD10//C34.1", {}, "Condition"),
        ("ICD10//C34.1", {"number": 2.0}, "Observation"),
        ("ATC//L01XA02", {}, "MedicationAdministration"),
        ("PRESCRIBED//ATC//L01XA02", {}, "MedicationRequest"),
        ("DISPENSED//ATC//L01XA02", {}, "MedicationDispense"),
        ("STATED//ATC//L01XA02", {}, "MedicationStatement"),
        ("ASSERTED//ATC//L01XA02", {}, "MedicationStatement"),
        ("CCAM//GFFA009", {}, "Procedure"),
        ("VISIT//AMB", {}, "Encounter"),
        ("VISIT//OMOP//9201", {}, "Observation"),
        ("SPECIMEN//SNOMED//119376003", {}, "Specimen"),
        ("LOINC//718-7", {"number": 10.3}, "Observation"),
        ("LAST_CONTACT", {}, "Observation"),
        ("MEDS_DEATH", {}, None),
        ("SEX//F", {}, None),
    ],
)
def test_a_code_becomes_a_resource_of_its_kind(code: str, more: dict[str, float], kind: str | None) -> None:
    found = resource_of(Event(7, code, "2016-01-02", **more))  # type: ignore[arg-type]
    assert (found and found["resourceType"]) == kind


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (datetime(2016, 2, 1), datetime(2016, 2, 29, 23, 59, 59), "2016-02"),
        (datetime(2015, 1, 1), datetime(2015, 12, 31), "2015"),
        (datetime(2015, 2, 1), datetime(2015, 2, 27), None),
        (datetime(2015, 2, 2), datetime(2015, 3, 1), None),
        (datetime(2015, 1, 1), datetime(2016, 1, 31), None),
        (datetime(2015, 2, 1), datetime(2015, 4, 30), None),
        (None, datetime(2015, 4, 30), None),
    ],
)
def test_a_date_is_as_exact_as_it_is_known(first: datetime | None, last: datetime | None, told: str | None) -> None:
    assert partial(first, last) == told


def test_a_death_without_a_day_and_a_sex_not_known_are_told(tmp_path: Path) -> None:
    release = made(tmp_path, births=0)
    path = release / "timeline" / "data" / "0.parquet"
    events = pl.read_parquet(path).filter(~pl.col("code").str.starts_with("GENDER"))
    dead = pl.col("code") == "MEDS_DEATH"
    events.with_columns(pl.when(~dead).then(pl.col("time")).alias("time")).with_columns(
        pl.when(dead).then(datetime(2019, 4, 17)).otherwise("time_min").alias("time_min"),
        pl.when(dead).then(datetime(2019, 7, 16)).otherwise("time_max").alias("time_max"),
    ).write_parquet(path)
    write_fhir(release, tmp_path / "out")
    patients = [one for one in resources(tmp_path / "out") if one["resourceType"] == "Patient"]
    assert {one["gender"] for one in patients} == {"unknown"}
    assert sum(one.get("deceasedBoolean") is True for one in patients) == events.filter(dead)["subject_id"].n_unique()
    assert not any("birthDate" in one or "deceasedDateTime" in one for one in patients)


def test_an_export_is_the_same_bytes_twice_and_what_is_no_release_is_refused(
    exported: tuple[Path, Path, Bulk], tmp_path: Path
) -> None:
    release, folder, _ = exported
    write_fhir(release, tmp_path / "again")
    for path in sorted(folder.iterdir()):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    with pytest.raises(UserError):
        write_fhir(tmp_path, tmp_path / "none")


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({"numeric_value": float("nan")}, {}),
        (
            {"numeric_value": 0.1, "unit": "mg/L"},
            {"value": 0.1, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"},
        ),
        ({"numeric_value": 5.0, "text_value": "<"}, {"value": 5.0, "comparator": "<"}),
        ({"numeric_value": 5.0, "text_value": "high"}, {"value": 5.0}),
        ({"text_value": "stage  IV"}, {}),
        ({"text_value": "é\n"}, {}),
    ],
)
def test_odd_values_make_valid_observations(more: dict[str, object], value: dict[str, object]) -> None:
    row = {"subject_id": 7, "time": datetime(2016, 1, 2), "code": "LOINC//718-7", **more}
    event = Event.of(EVENTS.conform(pl.DataFrame([row])).row(0, named=True))
    made_of = without_nothing(resource_of(event))
    assert isinstance(made_of, dict)
    get_fhir_model_class("Observation").model_validate_json(json.dumps(made_of, allow_nan=False))
    assert made_of.get("valueQuantity", {}) == value
