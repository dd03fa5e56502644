"""The clinical exports against the specifications they claim."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from unibase.simulation.fhir_export import zoned
from unibase.simulation.omop_export import COLUMNS, CONCEPTS


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_omop_tables_follow_the_field_level_specification(tree: Path, real_data: Path) -> None:
    """Oracle: the CDM 5.4 field-level table of OHDSI: no unknown column, no missing or empty required field."""
    spec = pl.read_csv(real_data / "clinical/omop_cdm54/OMOP_CDMv5.4_Field_Level.csv", infer_schema=False)
    broken = pl.read_parquet(tree / "truth" / "broken.parquet")["path"].to_list()
    for table in COLUMNS:
        fields = spec.filter(pl.col("cdmTableName").str.to_lowercase() == table)
        rows = read_csv(tree / "centre_a" / "omop" / f"{table}.csv")
        assert rows, table
        assert set(rows[0]) <= set(fields["cdmFieldName"].str.to_lowercase()), table
        required = fields.filter(pl.col("isRequired").str.to_lowercase() == "yes")["cdmFieldName"].str.to_lowercase()
        kinds = dict(fields.select("cdmFieldName", "cdmDatatype").iter_rows())
        for field in required:
            assert field in rows[0], (table, field)
            assert all(row[field] != "" for row in rows), (table, field)
        for field in rows[0]:
            if kinds.get(field) == "integer":
                assert all(re.fullmatch(r"\d{0,10}", row[field]) and int(row[field] or 0) < 2**31 for row in rows), (table, field)
            if kinds.get(field) == "date" and f"centre_a/omop/{table}.csv" not in broken:
                assert all(re.fullmatch(r"(\d{4}-\d{2}-\d{2})?", row[field]) or table == "concept" for row in rows), (
                    table,
                    field,
                )


def test_omop_keys_are_unique_and_refer_to_persons_and_concepts(tree: Path) -> None:
    folder = tree / "centre_a" / "omop"
    persons = {row["person_id"] for row in read_csv(folder / "person.csv")}
    concepts = {row["concept_id"] for row in read_csv(folder / "concept.csv")}
    assert len({(row["vocabulary_id"], row["concept_code"]) for row in read_csv(folder / "concept.csv")}) == len(concepts)
    assert len(concepts) == len(CONCEPTS) + 1
    for table in COLUMNS:
        rows = read_csv(folder / f"{table}.csv")
        if f"{table}_id" in rows[0]:
            assert len({row[f"{table}_id"] for row in rows}) == len(rows), table
        for row in rows:
            assert row.get("person_id", next(iter(persons))) in persons
            for field, value in row.items():
                if field.endswith("_concept_id") and value:
                    assert value in concepts, (table, field)


def resources(tree: Path, kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tree / "centre_b" / "fhir" / f"{kind}.ndjson").read_text("utf-8").splitlines()]


def test_fhir_references_resolve_within_the_export(tree: Path) -> None:
    everything = {path.stem: resources(tree, path.stem) for path in (tree / "centre_b" / "fhir").glob("*.ndjson")}
    known = {f"{kind}/{one['id']}" for kind, many in everything.items() for one in many}
    assert len(known) == sum(map(len, everything.values()))
    assert {"Patient", "Condition", "Observation", "MedicationRequest", "MedicationAdministration", "Procedure", "Encounter",
            "ImagingStudy", "Specimen"} == set(everything)  # fmt: skip
    for kind, many in everything.items():
        assert all(one["resourceType"] == kind for one in many)
        for reference in re.findall(r'"reference": "([^"]+)"', json.dumps(many)):
            assert reference in known


def test_fhir_patients_carry_qualified_ins_and_birth_place(tree: Path) -> None:
    patients = resources(tree, "Patient")
    numbers = [i["value"] for p in patients for i in p["identifier"] if i["system"] == "urn:oid:1.2.250.1.213.1.4.8"]
    assert numbers
    assert all(re.fullmatch(r"[12]\d{4}[0-9AB]{5}\d{5}", number) for number in numbers)
    assert all(p["extension"][0]["valueAddress"]["extension"][0]["valueCoding"]["code"] for p in patients)
    assert {name["use"] for p in patients for name in p["name"]} == {"official", "usual"}


@pytest.mark.parametrize(
    ("day", "offset"),
    [("2021-03-27", "+01:00"), ("2021-03-28", "+02:00"), ("2021-10-30", "+02:00"), ("2021-10-31", "+01:00")],
)
def test_instants_have_the_offset_of_metropolitan_france(day: str, offset: str) -> None:
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    text = zoned(date.fromisoformat(day), "08:00:00")
    assert text.endswith(offset)
    assert datetime.fromisoformat(text) == datetime.fromisoformat(f"{day}T08:00:00").replace(tzinfo=ZoneInfo("Europe/Paris"))


def test_osiris_dates_are_partial_here_and_there(tree: Path) -> None:
    shapes: set[str] = set()
    for path in (tree / "centre_c" / "osiris_rwd").glob("*.csv"):
        for row in read_csv(path):
            assert re.fullmatch(r"\d{10}", row["numero_patient"])
            for field, value in row.items():
                if field.startswith("date_") and value:
                    assert re.fullmatch(r"\d{4}(/\d{2}(/(\d{2}|UN))?)?", value), (path.name, field)
                    shapes.add(re.sub(r"\d", "9", value))
    assert shapes == {"9999/99/99", "9999/99/UN", "9999/99", "9999"}
