"""The hospital of `planted_faults` as OMOP, FHIR and OSIRIS-RWD write it: what a format cannot say is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

Row = dict[str, str]
Tables = dict[str, list[Row]]

_STAGING = {
    "21905-5": "TNMEventTValue",
    "21906-3": "TNMEventNValue",
    "21907-1": "TNMEventMValue",
    "21908-9": "PrimaryCancerStageValue",
}
_SYSTEM = {"diagnoses": "http://hl7.org/fhir/sid/icd-10", "labs": "http://loinc.org", "drugs": "http://www.whocc.no/atc"}


def write_tables(tables: Tables, folder: Path) -> None:
    """Write one CSV file a table into a `folder`."""
    for name, rows in tables.items():
        pl.DataFrame(rows).write_csv(folder / f"{name}.csv", quote_style="non_numeric")


def write_omop(tables: Tables, folder: Path) -> None:
    """Write a CDM 5.4 in CSV: source values are codes, as many sites have them. Doses are not read: a CDM has quantities."""

    def number(row: Row) -> str:
        return str(int(row["IPP"])) if row["IPP"] else ""

    def person(row: Row) -> Row:
        year, month, day = [*row["Birth"].split("-"), "", ""][:3]
        gender = {"M": "8507", "F": "8532"}.get(row["Sex"], "0")
        known = {"person_source_value": row["IPP"], "year_of_birth": year, "month_of_birth": month, "day_of_birth": day}
        return {"person_id": number(row), "gender_concept_id": gender, **known}

    def timed(row: Row, kind: str, day: str, date: str) -> Row:
        return {"person_id": number(row), f"{kind}_concept_id": "0", f"{kind}_source_value": row["Code"], day: date}

    def measured(row: Row, **value: str) -> Row:
        none = {"value_as_number": "", "unit_source_value": "", "value_source_value": ""}
        return {**timed(row, "measurement", "measurement_date", row["Date"]), **none, **value}

    visits = [(9201, "Visit", "IP"), (9202, "Visit", "OP")]
    cdm = {
        "concept": [{"concept_id": str(n), "vocabulary_id": name, "concept_code": code} for n, name, code in visits],
        "person": [person(row) for row in tables["patients"]],
        "death": [{"person_id": number(row), "death_date": row["Death"]} for row in tables["patients"] if row["Death"]],
        "condition_occurrence": [timed(row, "condition", "condition_start_date", row["Date"]) for row in tables["diagnoses"]],
        "drug_exposure": [timed(row, "drug", "drug_exposure_start_date", row["Date"]) for row in tables["drugs"]],
        "measurement": [
            *(measured(row, value_as_number=row["Value"], unit_source_value=row["Unit"]) for row in tables["labs"]),
            *(measured(row, value_source_value=row["Value"]) for row in tables["staging"]),
        ],
        "visit_occurrence": [
            {
                "person_id": number(row),
                "visit_concept_id": {"IP": "9201", "OP": "9202"}[row["Kind"]],
                "visit_start_date": row["From"],
                "visit_end_date": row["To"],
            }
            for row in tables["visits"]
        ],
    }
    write_tables(cdm, folder)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def write_fhir(tables: Tables, folder: Path) -> None:
    """Write FHIR R4 in lines, one file a type of resource."""

    def of(kind: str, number: int, row: Row, table: str, **fields: object) -> dict[str, object]:
        code = {"coding": [{"system": _SYSTEM[table], "code": row["Code"]}]}
        name = "medicationCodeableConcept" if kind == "MedicationAdministration" else "code"
        about = {"subject": {"reference": f"Patient/{row['IPP']}"}} if row["IPP"] else {}
        return {"resourceType": kind, "id": f"{table}{number}", **about, name: code, **fields}

    sex = {"M": "male", "F": "female"}
    lines: dict[str, list[dict[str, object]]] = {
        "Patient": [
            {
                "resourceType": "Patient",
                "id": row["IPP"],
                **({"birthDate": row["Birth"]} if row["Birth"] else {}),
                **({"gender": sex[row["Sex"]]} if row["Sex"] else {}),
                **({"deceasedDateTime": row["Death"]} if row["Death"] else {}),
            }
            for row in tables["patients"]
        ],
        "Condition": [
            of("Condition", n, row, "diagnoses", onsetDateTime=row["Date"]) for n, row in enumerate(tables["diagnoses"])
        ],
        "Observation": [
            of("Observation", n, row, "labs", status="final", effectiveDateTime=row["Date"], valueQuantity=_quantity(row, "Value"))
            for n, row in enumerate(tables["labs"])
        ]
        + [
            {**of("Observation", n, row, "labs", status="final", effectiveDateTime=row["Date"], valueString=row["Value"]), "id": f"s{n}"}
            for n, row in enumerate(tables["staging"])
        ],
        "MedicationAdministration": [
            of("MedicationAdministration", n, row, "drugs", status="completed", effectiveDateTime=row["Date"], dosage={"dose": _quantity(row, "Dose")})
            for n, row in enumerate(tables["drugs"])
        ],
        "Encounter": [
            {
                "resourceType": "Encounter",
                "id": f"visits{n}",
                "status": "finished",
                "subject": {"reference": f"Patient/{row['IPP']}"},
                "class": {"code": {"IP": "IMP", "OP": "AMB"}[row["Kind"]]},
                "period": {"start": row["From"], "end": row["To"]},
            }
            for n, row in enumerate(tables["visits"])
        ],
    }  # fmt: skip
    for kind, resources in lines.items():
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in resources)
        (folder / f"{kind}.ndjson").write_text(text, encoding="utf-8")


def _quantity(row: Row, value: str) -> dict[str, object]:
    unit: dict[str, object] = (
        {"unit": row["Unit"], "system": "http://unitsofmeasure.org", "code": row["Unit"]} if row["Unit"] else {}
    )
    return {"value": _number(row[value]), **unit}


def write_osiris_rwd(tables: Tables, folder: Path) -> None:
    """Write the minimum data set of OSIRIS-RWD: it has no doses, and of stays the day alone (as an imaging)."""
    staged: dict[str, Row] = {}
    for row in tables["staging"]:
        staged.setdefault(row["IPP"], {})[_STAGING[row["Code"]]] = row["Value"]

    def cancer(row: Row) -> Row:
        code = row["Code"] if "." in row["Code"] or not row["Code"].startswith("C") else f"{row['Code']}.9"
        said = {name: staged.get(row["IPP"], {}).get(name, "") for name in _STAGING.values()}
        return {"PatientId": row["IPP"], "CancerDiagnosisTopographyCode": code, "CancerDiagnosticDate": row["Date"], **said}

    def dead(row: Row) -> Row:
        said = {"DeathStatus": "1" if row["Death"] else "0", "DeathStatusUpdateDate": "2020-06-02"}
        return {"PatientId": row["IPP"], **said, "DeathDateDate": row["Death"]}

    sets = {
        "patient": [
            {"PatientId": row["IPP"], "PatientBirthDate": row["Birth"], "PatientGender": row["Sex"]} for row in tables["patients"]
        ],
        "death_status": [dead(row) for row in tables["patients"]],
        "cancer": [cancer(row) for row in tables["diagnoses"]],
        "drug": [{"PatientId": row["IPP"], "DrugCode": row["Code"], "DrugDate": row["Date"]} for row in tables["drugs"]],
        "measurement": [
            {"PatientId": row["IPP"], "MeasurementType": row["Code"], "MeasurementUnit": row["Unit"], "MeasurementDate": row["Date"],
             "MeasurementValue": row["Value"]}
            for row in tables["labs"]
        ],
        "imaging": [{"PatientId": row["IPP"], "ImagingDate": row["From"], "ImagingModality": "CT"} for row in tables["visits"]],
    }  # fmt: skip
    write_tables(sets, folder)


WRITERS: dict[str, Callable[[Tables, Path], None]] = {
    "csv": write_tables,
    "omop": write_omop,
    "fhir": write_fhir,
    "osiris-rwd": write_osiris_rwd,
}
"""By the name of a format, what writes the tables into a folder."""
