"""OMOP CDM 5.4 tables of one centre, as CSV with a concept table.

Standard concepts carry their real OMOP identifiers. Source concepts of ICD-10 and ATC, and few others, have
identifiers above two billion, the range that OMOP leaves to sites.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from unibase.simulation.invented_identities import Identity
from unibase.simulation.invented_persons import DRUGS, Person, Registration
from unibase.simulation.tables import Row

CONCEPTS: dict[str, tuple[int, str, str, str, str, str]] = {
    # key: concept_id, name, domain, vocabulary, class, standard
    "8507": (8507, "MALE", "Gender", "Gender", "Gender", "S"),
    "8532": (8532, "FEMALE", "Gender", "Gender", "Gender", "S"),
    "9201": (9201, "Inpatient Visit", "Visit", "Visit", "Visit", "S"),
    "9202": (9202, "Outpatient Visit", "Visit", "Visit", "Visit", "S"),
    "32817": (32817, "EHR", "Type Concept", "Type Concept", "Type Concept", "S"),
    "756265": (756265, "OMOP CDM Version 5.4.0", "Metadata", "CDM", "CDM", "S"),
    "363358000": (443388, "Malignant tumor of lung", "Condition", "SNOMED", "Disorder", "S"),
    "419835002": (2_000_000_050, "Tumor progression", "Condition", "SNOMED", "Clinical Finding", "S"),
    "86273004": (4_311_405, "Biopsy", "Procedure", "SNOMED", "Procedure", "S"),
    "14804-9": (3016436, "Lactate dehydrogenase [Enzymatic activity/volume] in Serum or Plasma", "Measurement", "LOINC", "Lab Test", "S"),
    "718-7": (3000963, "Hemoglobin [Mass/volume] in Blood", "Measurement", "LOINC", "Lab Test", "S"),
    "1751-7": (3024561, "Albumin [Mass/volume] in Serum or Plasma", "Measurement", "LOINC", "Lab Test", "S"),
    "1988-5": (3020460, "C reactive protein [Mass/volume] in Serum or Plasma", "Measurement", "LOINC", "Lab Test", "S"),
    "29463-7": (3025315, "Body weight", "Measurement", "LOINC", "Clinical Observation", "S"),
    "8302-2": (3036277, "Body height", "Measurement", "LOINC", "Clinical Observation", "S"),
    "21908-9": (2_000_000_060, "Stage group.clinical Cancer", "Measurement", "LOINC", "Clinical Observation", "S"),
    "21905-5": (2_000_000_061, "Primary tumor.clinical [Class] Cancer", "Measurement", "LOINC", "Clinical Observation", "S"),
    "21906-3": (2_000_000_062, "Regional lymph nodes.clinical [Class] Cancer", "Measurement", "LOINC", "Clinical Observation", "S"),
    "21907-1": (2_000_000_063, "Distant metastases.clinical [Class] Cancer", "Measurement", "LOINC", "Clinical Observation", "S"),
    "U/L": (8645, "unit per liter", "Unit", "UCUM", "Unit", "S"),
    "g/dL": (8713, "gram per deciliter", "Unit", "UCUM", "Unit", "S"),
    "g/L": (8636, "gram per liter", "Unit", "UCUM", "Unit", "S"),
    "mg/L": (8751, "milligram per liter", "Unit", "UCUM", "Unit", "S"),
    "kg": (9529, "kilogram", "Unit", "UCUM", "Unit", "S"),
    "cm": (8582, "centimeter", "Unit", "UCUM", "Unit", "S"),
    "pembrolizumab": (45775965, "pembrolizumab", "Drug", "RxNorm", "Ingredient", "S"),
    "cisplatin": (1397599, "cisplatin", "Drug", "RxNorm", "Ingredient", "S"),
    "carboplatin": (1344905, "carboplatin", "Drug", "RxNorm", "Ingredient", "S"),
    "pemetrexed": (1304919, "pemetrexed", "Drug", "RxNorm", "Ingredient", "S"),
    "paclitaxel": (1378382, "paclitaxel", "Drug", "RxNorm", "Ingredient", "S"),
    "C34.1": (2_000_000_001, "Tumeur maligne du lobe supérieur, bronches ou poumon", "Condition", "ICD10", "ICD10 code", ""),
    "C34.2": (2_000_000_002, "Tumeur maligne du lobe moyen, bronches ou poumon", "Condition", "ICD10", "ICD10 code", ""),
    "C34.3": (2_000_000_003, "Tumeur maligne du lobe inférieur, bronches ou poumon", "Condition", "ICD10", "ICD10 code", ""),
    "C34.9": (2_000_000_004, "Tumeur maligne des bronches ou du poumon, sans précision", "Condition", "ICD10", "ICD10 code", ""),
    "L01FF02": (2_000_000_020, "pembrolizumab", "Drug", "ATC", "ATC 5th", "C"),
    "L01XA01": (2_000_000_021, "cisplatin", "Drug", "ATC", "ATC 5th", "C"),
    "L01XA02": (2_000_000_022, "carboplatin", "Drug", "ATC", "ATC 5th", "C"),
    "L01BA04": (2_000_000_023, "pemetrexed", "Drug", "ATC", "ATC 5th", "C"),
    "L01CD01": (2_000_000_024, "paclitaxel", "Drug", "ATC", "ATC 5th", "C"),
}  # fmt: skip
RXNORM_CODES = {
    "pembrolizumab": "1547545",
    "cisplatin": "2555",
    "carboplatin": "40048",
    "pemetrexed": "68446",
    "paclitaxel": "56946",
}
EHR = 32817

COLUMNS: dict[str, tuple[str, ...]] = {
    "person": (
        "person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth", "birth_datetime", "race_concept_id",
        "ethnicity_concept_id", "location_id", "provider_id", "care_site_id", "person_source_value", "gender_source_value",
        "gender_source_concept_id", "race_source_value", "race_source_concept_id", "ethnicity_source_value",
        "ethnicity_source_concept_id",
    ),
    "observation_period": (
        "observation_period_id", "person_id", "observation_period_start_date", "observation_period_end_date", "period_type_concept_id",
    ),
    "visit_occurrence": (
        "visit_occurrence_id", "person_id", "visit_concept_id", "visit_start_date", "visit_start_datetime", "visit_end_date",
        "visit_end_datetime", "visit_type_concept_id", "provider_id", "care_site_id", "visit_source_value", "visit_source_concept_id",
    ),
    "condition_occurrence": (
        "condition_occurrence_id", "person_id", "condition_concept_id", "condition_start_date", "condition_start_datetime",
        "condition_end_date", "condition_type_concept_id", "condition_status_concept_id", "visit_occurrence_id",
        "condition_source_value", "condition_source_concept_id",
    ),
    "drug_exposure": (
        "drug_exposure_id", "person_id", "drug_concept_id", "drug_exposure_start_date", "drug_exposure_start_datetime",
        "drug_exposure_end_date", "drug_type_concept_id", "quantity", "visit_occurrence_id", "drug_source_value",
        "drug_source_concept_id", "route_source_value",
    ),
    "procedure_occurrence": (
        "procedure_occurrence_id", "person_id", "procedure_concept_id", "procedure_date", "procedure_datetime",
        "procedure_type_concept_id", "visit_occurrence_id", "procedure_source_value", "procedure_source_concept_id",
    ),
    "measurement": (
        "measurement_id", "person_id", "measurement_concept_id", "measurement_date", "measurement_datetime",
        "measurement_type_concept_id", "operator_concept_id", "value_as_number", "value_as_concept_id", "unit_concept_id",
        "visit_occurrence_id", "measurement_source_value", "measurement_source_concept_id", "unit_source_value", "value_source_value",
    ),
    "death": ("person_id", "death_date", "death_datetime", "death_type_concept_id", "cause_concept_id", "cause_source_value"),
    "specimen": (
        "specimen_id", "person_id", "specimen_concept_id", "specimen_type_concept_id", "specimen_date", "specimen_source_id",
        "specimen_source_value", "anatomic_site_source_value", "disease_status_source_value",
    ),
    "note": ("note_id", "person_id", "note_date", "note_type_concept_id", "note_class_concept_id", "note_title", "note_text",
             "encoding_concept_id", "language_concept_id", "note_source_value"),
    "concept": (
        "concept_id", "concept_name", "domain_id", "vocabulary_id", "concept_class_id", "standard_concept", "concept_code",
        "valid_start_date", "valid_end_date", "invalid_reason",
    ),
    "cdm_source": (
        "cdm_source_name", "cdm_source_abbreviation", "cdm_holder", "source_description", "cdm_etl_reference", "source_release_date",
        "cdm_release_date", "cdm_version", "cdm_version_concept_id", "vocabulary_version",
    ),
}  # fmt: skip


def person_id(person: Person) -> int:
    """Return the OMOP person_id of a person."""
    return 730_100_001 + 13 * person.index


def row_id(person: Person, number: int) -> int:
    """Return the identifier of a person's row: a thousand for each person, so that a night never renumbers.

    Args:
        person: The simulated person.
        number: Number of the row inside its person.
    """
    return 1000 * (person.index + 1) + number


def concept_rows(centre: str) -> Iterator[Row]:
    """Yield the rows that do not depend on persons: concepts and the source.

    Args:
        centre: Name of the centre.
    """
    for code, (identifier, name, domain, vocabulary, kind, standard) in CONCEPTS.items():
        # Code "No matching concept" aside, a standard drug's code is its RxNorm number, not its name.
        yield "concept", {
            "concept_id": identifier, "concept_name": name, "domain_id": domain, "vocabulary_id": vocabulary,
            "concept_class_id": kind, "standard_concept": standard, "concept_code": RXNORM_CODES.get(code, _code_of(code, vocabulary)),
            "valid_start_date": "19700101", "valid_end_date": "20991231", "invalid_reason": "",
        }  # fmt: skip
    yield "concept", {
        "concept_id": 0, "concept_name": "No matching concept", "domain_id": "Metadata", "vocabulary_id": "None",
        "concept_class_id": "Undefined", "standard_concept": "", "concept_code": "No matching concept",
        "valid_start_date": "19700101", "valid_end_date": "20991231", "invalid_reason": "",
    }  # fmt: skip
    yield "cdm_source", {
        "cdm_source_name": f"Simulated hospital {centre}", "cdm_source_abbreviation": f"SIM-{centre}", "cdm_holder": f"Hospital {centre}",
        "source_description": "Invented patients", "cdm_etl_reference": "", "source_release_date": "2025-07-01",
        "cdm_release_date": "2025-07-01", "cdm_version": "5.4", "cdm_version_concept_id": 756265, "vocabulary_version": "v5.0 27-FEB-25",
    }  # fmt: skip


_CODES = {"8507": "M", "8532": "F", "9201": "IP", "9202": "OP", "32817": "OMOP4976890", "756265": "CDM v5.4.0"}


def _code_of(key: str, vocabulary: str) -> str:
    return key if vocabulary == "UCUM" else _CODES.get(key, key)


def person_rows(person: Person, registration: Registration, sample: str | None) -> Iterator[Row]:
    """Yield every row of one person in one centre; the second centre of a person knows only visits, labs and what ended.

    Args:
        person: The simulated person.
        registration: The person's registration in the centre.
        sample: Name of the sample, or None without one.
    """
    course, who = person.course, person_id(person)
    numbers = iter(range(row_id(person, 0 if registration.primary else 500), row_id(person, 990)))
    yield _person(who, registration)
    first = course.diagnosis if registration.primary else course.late_labs[0].day
    last = course.last_contact
    yield "observation_period", {
        "observation_period_id": who, "person_id": who, "observation_period_start_date": first,
        "observation_period_end_date": last, "period_type_concept_id": EHR,
    }  # fmt: skip
    days = {first, last, *(course.cycles if registration.primary else ())}
    visits = {day: next(numbers) for day in sorted(days)}
    for day, number in visits.items():
        yield _visit(who, day, number, inpatient=registration.primary and day in course.cycles)
    for lab in course.labs if registration.primary else course.late_labs:
        time = f"{lab.day} 07:15:00"
        yield "measurement", measurement_row(next(numbers), who, Result(lab.loinc, lab.day, time, lab.value, lab.unit))
    if registration.primary:
        yield from _tumour(person, numbers, visits)
        if course.sample and sample:
            yield from _biopsy(who, course.sample, sample, numbers)
        if course.progression:
            yield _progression(who, course.progression, next(numbers))
        yield _note(who, next(numbers), course.diagnosis, registration.identity)
    if course.death:
        yield "death", {
            "person_id": who, "death_date": course.death, "death_datetime": f"{course.death} 00:00:00", "death_type_concept_id": EHR,
            "cause_concept_id": 443388, "cause_source_value": course.icd10,
        }  # fmt: skip


def _person(who: int, registration: Registration) -> Row:
    identity = registration.identity
    year, month, day = identity.birth_date.split("-")
    return "person", {
        "person_id": who, "gender_concept_id": 8507 if identity.sex == "M" else 8532, "year_of_birth": int(year),
        "month_of_birth": int(month), "day_of_birth": int(day), "birth_datetime": f"{identity.birth_date} 00:00:00",
        "race_concept_id": 0, "ethnicity_concept_id": 0, "person_source_value": registration.ipp, "gender_source_value": identity.sex,
        "gender_source_concept_id": 0, "race_source_concept_id": 0, "ethnicity_source_concept_id": 0,
    }  # fmt: skip


def _visit(who: int, visit_day: date, number: int, *, inpatient: bool) -> Row:
    return "visit_occurrence", {
        "visit_occurrence_id": number, "person_id": who, "visit_concept_id": 9201 if inpatient else 9202,
        "visit_start_date": visit_day, "visit_start_datetime": f"{visit_day} 08:30:00", "visit_end_date": visit_day,
        "visit_end_datetime": f"{visit_day} 17:00:00", "visit_type_concept_id": EHR,
        "visit_source_value": "HDJ" if inpatient else "CONSULTATION", "visit_source_concept_id": 0,
    }  # fmt: skip


def _tumour(person: Person, numbers: Iterator[int], visits: Mapping[date, int]) -> Iterator[Row]:
    """Yield the diagnosis, what was measured of it, and what was given."""
    course, who = person.course, person_id(person)
    visit = visits[course.diagnosis]
    yield "condition_occurrence", {
        "condition_occurrence_id": next(numbers), "person_id": who, "condition_concept_id": 443388,
        "condition_start_date": course.diagnosis, "condition_start_datetime": f"{course.diagnosis} 00:00:00",
        "condition_type_concept_id": EHR, "condition_status_concept_id": 0, "visit_occurrence_id": visit,
        "condition_source_value": course.icd10, "condition_source_concept_id": CONCEPTS[course.icd10][0],
    }  # fmt: skip
    tnm = zip(("21905-5", "21906-3", "21907-1", "21908-9"), (*course.tnm, course.stage), strict=True)
    for loinc, text in tnm:
        yield "measurement", measurement_row(next(numbers), who, Result(loinc, course.diagnosis, text=text))
    weighed = course.labs[0].day
    yield "measurement", measurement_row(next(numbers), who, Result("29463-7", weighed, value=course.weight_kg, unit="kg"))
    yield "measurement", measurement_row(next(numbers), who, Result("8302-2", weighed, value=course.height_cm, unit="cm"))
    for cycle in course.cycles:
        for atc in course.drugs:
            yield "drug_exposure", {
                "drug_exposure_id": next(numbers), "person_id": who, "drug_concept_id": CONCEPTS[DRUGS[atc]][0],
                "drug_exposure_start_date": cycle, "drug_exposure_start_datetime": f"{cycle} 10:00:00",
                "drug_exposure_end_date": cycle, "drug_type_concept_id": EHR, "quantity": 1, "visit_occurrence_id": visits[cycle],
                "drug_source_value": atc, "drug_source_concept_id": CONCEPTS[atc][0], "route_source_value": "IV",
            }  # fmt: skip


def _biopsy(who: int, day: date, sample: str, numbers: Iterator[int]) -> Iterator[Row]:
    yield "procedure_occurrence", {
        "procedure_occurrence_id": next(numbers), "person_id": who, "procedure_concept_id": CONCEPTS["86273004"][0],
        "procedure_date": day, "procedure_datetime": f"{day} 11:00:00", "procedure_type_concept_id": EHR,
        "procedure_source_value": "GEHA001", "procedure_source_concept_id": 0,
    }  # fmt: skip
    yield "specimen", {
        "specimen_id": next(numbers), "person_id": who, "specimen_concept_id": 0, "specimen_type_concept_id": EHR,
        "specimen_date": day, "specimen_source_id": sample, "specimen_source_value": "Biopsie pulmonaire",
        "anatomic_site_source_value": "C34", "disease_status_source_value": "tumour",
    }  # fmt: skip


def _progression(who: int, day: date, number: int) -> Row:
    return "condition_occurrence", {
        "condition_occurrence_id": number, "person_id": who, "condition_concept_id": CONCEPTS["419835002"][0],
        "condition_start_date": day, "condition_start_datetime": f"{day} 00:00:00",
        "condition_type_concept_id": EHR, "condition_status_concept_id": 0, "condition_source_value": "419835002",
        "condition_source_concept_id": CONCEPTS["419835002"][0],
    }  # fmt: skip


def _note(who: int, number: int, written: date, identity: Identity) -> Row:
    year, month, day = identity.birth_date.split("-")
    return "note", {
        "note_id": number, "person_id": who, "note_date": written, "note_type_concept_id": EHR,
        "note_class_concept_id": 0, "encoding_concept_id": 0, "language_concept_id": 0, "note_title": "Compte rendu de consultation",
        "note_text": f"{'Mme' if identity.sex == 'F' else 'M.'} {identity.used_family_name} {identity.first_name}, né(e) le "
        f"{day}/{month}/{year}, demeurant {identity.address}, tél. {identity.phone}. Découverte d'une lésion pulmonaire.",
        "note_source_value": "CRC",
    }  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A number with its unit, or a text such as a stage.

    Attributes:
        loinc: LOINC code.
        day: The day.
        time: Time of day, HH:MM:SS, or of the whole instant.
        value: The number, or None for a text.
        unit: UCUM unit.
        text: The text, empty for a number.
    """

    loinc: str
    day: date | str
    time: str = ""
    value: float | None = None
    unit: str = ""
    text: str = ""


def measurement_row(number: int, who: int, result: Result) -> dict[str, object]:
    """Return a row of MEASUREMENT.

    Args:
        number: Identifier of the row.
        who: Identifier of the person.
        result: What was found.
    """
    value, unit, loinc = "" if result.value is None else result.value, result.unit, result.loinc
    return {
        "measurement_id": number, "person_id": who, "measurement_concept_id": CONCEPTS[loinc][0], "measurement_date": result.day,
        "measurement_datetime": result.time, "measurement_type_concept_id": EHR, "value_as_number": value,
        "unit_concept_id": CONCEPTS[unit][0] if unit else "", "measurement_source_value": loinc,
        "measurement_source_concept_id": CONCEPTS[loinc][0], "unit_source_value": unit,
        "value_source_value": result.text or value,
    }  # fmt: skip
