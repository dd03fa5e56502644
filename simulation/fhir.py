"""FHIR R4 bulk export of one centre: one NDJSON file per resource type, after FR Core (identities) and mCODE (oncology)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from unibase.simulation.persons import DRUGS, LABS, Person, Registration
from unibase.simulation.seeds import source_uuid
from unibase.simulation.tables import Row

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
ATC = "http://www.whocc.no/atc"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
INS_NIR = "urn:oid:1.2.250.1.213.1.4.8"
LOINC_NAMES = {
    "14804-9": "Lactate dehydrogenase [Enzymatic activity/volume] in Serum or Plasma by Lactate to pyruvate reaction",
    "718-7": "Hemoglobin [Mass/volume] in Blood",
    "1751-7": "Albumin [Mass/volume] in Serum or Plasma",
    "1988-5": "C reactive protein [Mass/volume] in Serum or Plasma",
    "29463-7": "Body weight",
    "8302-2": "Body height",
    "21905-5": "Primary tumor.clinical [Class] Cancer",
    "21906-3": "Regional lymph nodes.clinical [Class] Cancer",
    "21907-1": "Distant metastases.clinical [Class] Cancer",
    "21908-9": "Stage group.clinical Cancer",
    "97509-4": "Cancer disease progression",
}


def zoned(day: date, time: str = "08:00:00") -> str:
    """Return an instant of Metropolitan France, with its offset: +02:00 in summer time (last Sundays of March and October)."""
    start = _last_sunday(day.year, 3)
    end = _last_sunday(day.year, 10)
    return f"{day}T{time}{'+02:00' if start <= day < end else '+01:00'}"


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)
    return last.replace(day=31 - (last.weekday() + 1) % 7)


def person_rows(
    seed: int, person: Person, registration: Registration, sample: str | None, study_uid: str | None, accession: str | None
) -> Iterator[Row]:
    """Yield every resource of one person in one centre, the Patient first."""
    course, identity = person.course, registration.identity

    def new(kind: str, *key: str | int) -> str:
        return source_uuid(seed, "fhir", registration.centre, person.index, kind, *key)

    patient = new("Patient")
    subject = {"reference": f"Patient/{patient}"}
    yield "Patient", _patient(patient, person, registration)
    first = course.diagnosis if registration.primary else course.late_labs[0].day
    encounters: dict[date, str] = {}
    for day in sorted({first, course.last_contact, *(course.cycles if registration.primary else ())}):
        encounters[day] = new("Encounter", str(day))
        yield "Encounter", {
            "resourceType": "Encounter", "id": encounters[day], "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
            "subject": subject | {"display": f"{identity.first_name} {identity.used_family_name}"},
            "period": {"start": zoned(day, "08:30:00"), "end": zoned(day, "17:00:00")},
        }  # fmt: skip
    for lab in course.labs if registration.primary else course.late_labs:
        yield (
            "Observation",
            _observation(
                new("Observation", lab.loinc, str(lab.day)),
                subject,
                lab.loinc,
                zoned(lab.day, "07:15:00"),
                "laboratory",
                lab.value,
                lab.unit,
            ),
        )
    if not registration.primary:
        return
    condition = new("Condition")
    stage_ids = {code: new("Observation", code) for code in ("21905-5", "21906-3", "21907-1", "21908-9")}
    yield "Condition", {
        "resourceType": "Condition", "id": condition,
        "meta": {"profile": ["http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-primary-cancer-condition"]},
        "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "category": [_concept("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis")],
        "code": {"coding": [
            {"system": ICD10, "code": course.icd10}, {"system": SNOMED, "code": "254637007", "display": "Non-small cell lung cancer"},
        ]},
        "subject": subject, "encounter": {"reference": f"Encounter/{encounters[first]}"},
        "onsetDateTime": str(course.diagnosis), "recordedDate": zoned(course.diagnosis, "15:20:00"),
        "stage": [{
            "summary": _concept("http://cancerstaging.org", course.stage), "type": _concept(SNOMED, "260998006"),
            "assessment": [{"reference": f"Observation/{stage_ids['21908-9']}"}],
        }],
        "note": [{"text": f"Patient(e) {identity.used_family_name} {identity.first_name} adressé(e) par son médecin traitant."}],
    }  # fmt: skip
    for code, text in zip(stage_ids, (*course.tnm, course.stage), strict=True):
        yield "Observation", {
            "resourceType": "Observation", "id": stage_ids[code], "status": "final",
            "code": _concept(LOINC, code, LOINC_NAMES[code]), "subject": subject,
            "focus": [{"reference": f"Condition/{condition}"}], "effectiveDateTime": str(course.diagnosis),
            "valueCodeableConcept": _concept("http://cancerstaging.org", text),
        }  # fmt: skip
    weighed = zoned(course.labs[0].day, "09:00:00")
    for loinc, value, unit in (("29463-7", course.weight_kg, "kg"), ("8302-2", course.height_cm, "cm")):
        yield "Observation", _observation(new("Observation", loinc), subject, loinc, weighed, "vital-signs", value, unit)
    yield from _treatments(new, person, subject, condition, encounters)
    if course.progression:
        yield "Observation", {
            "resourceType": "Observation", "id": new("Observation", "97509-4"), "status": "final",
            "meta": {"profile": ["http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-cancer-disease-status"]},
            "code": _concept(LOINC, "97509-4", LOINC_NAMES["97509-4"]), "subject": subject,
            "focus": [{"reference": f"Condition/{condition}"}], "effectiveDateTime": str(course.progression),
            "valueCodeableConcept": _concept(SNOMED, "271299001", "Patient's condition worsened"),
        }  # fmt: skip
    if course.imaging and study_uid:
        modalities = ("CT", "PT") if course.has_pet else ("CT",)
        yield "ImagingStudy", {
            "resourceType": "ImagingStudy", "id": new("ImagingStudy"),
            "identifier": [
                {"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid}"},
                {"type": _concept("http://terminology.hl7.org/CodeSystem/v2-0203", "ACSN"), "value": accession},
            ],
            "status": "available", "subject": subject, "started": zoned(course.imaging, "10:15:00"),
            "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": m} for m in modalities],
        }  # fmt: skip
    if course.sample and sample:
        yield "Procedure", {
            "resourceType": "Procedure", "id": new("Procedure"), "status": "completed", "subject": subject,
            "code": _concept(SNOMED, "78603008", "Needle biopsy of lung"), "performedDateTime": zoned(course.sample, "11:00:00"),
        }  # fmt: skip
        yield "Specimen", {
            "resourceType": "Specimen", "id": new("Specimen"),
            "identifier": [{"system": f"https://hopital-{registration.centre.lower()}.example/prelevements", "value": sample}],
            "type": _concept(SNOMED, "119376003", "Tissue specimen"), "subject": subject,
            "collection": {"collectedDateTime": zoned(course.sample, "11:00:00"), "bodySite": _concept(SNOMED, "39607008", "Lung structure")},
        }  # fmt: skip


def lab_resource(
    seed: int, person: Person, registration: Registration, loinc: str, time: str, value: float, unit: str
) -> dict[str, Any]:
    """Return a laboratory Observation dated `time`, however wrong that is."""
    patient = source_uuid(seed, "fhir", registration.centre, person.index, "Patient")
    identifier = source_uuid(seed, "fhir", registration.centre, person.index, "Observation", loinc, time)
    return _observation(identifier, {"reference": f"Patient/{patient}"}, loinc, time, "laboratory", value, unit)


def _patient(identifier: str, person: Person, registration: Registration) -> dict[str, Any]:
    identity = registration.identity
    host = f"https://hopital-{registration.centre.lower()}.example"
    identifiers: list[dict[str, Any]] = [{
        "use": "usual", "type": _concept("http://terminology.hl7.org/CodeSystem/v2-0203", "PI"), "system": f"{host}/ipp",
        "value": registration.ipp,
    }]  # fmt: skip
    if identity.ins:
        identifiers.append({
            "use": "official",
            "type": _concept("https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203", "INS-NIR"), "system": INS_NIR,
            "value": identity.ins,
        })  # fmt: skip
    given = identity.given_names.split(" ")
    names = [{"use": "official", "family": identity.birth_family_name, "given": given}]
    if identity.used_family_name != identity.birth_family_name:
        names.append({"use": "usual", "family": identity.used_family_name, "given": given[:1]})
    street, _, town = identity.address.partition(", ")
    patient: dict[str, Any] = {
        "resourceType": "Patient", "id": identifier,
        "meta": {"profile": ["https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient"]},
        "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
            "valueAddress": {
                "extension": [{
                    "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code",
                    "valueCoding": {
                        "system": "https://mos.esante.gouv.fr/NOS/TRE_R13-Commune/FHIR/TRE-R13-Commune", "code": identity.birth_place_code,
                    },
                }],
                "city": identity.birth_place_name,
            },
        }],
        "identifier": identifiers, "active": True, "name": names, "telecom": [{"system": "phone", "value": identity.phone}],
        "gender": "male" if identity.sex == "M" else "female", "birthDate": identity.birth_date,
        "address": [{"use": "home", "line": [street], "postalCode": town[:5], "city": town[6:], "country": "FR"}],
    }  # fmt: skip
    if person.course.death:
        patient["deceasedDateTime"] = str(person.course.death)
    return patient


def _treatments(new: Any, person: Person, subject: dict[str, str], condition: str, encounters: dict[date, str]) -> Iterator[Row]:
    course = person.course
    for atc in course.drugs:
        request = new("MedicationRequest", atc)
        yield "MedicationRequest", {
            "resourceType": "MedicationRequest", "id": request, "status": "completed", "intent": "order",
            "medicationCodeableConcept": _concept(ATC, atc, DRUGS[atc]), "subject": subject,
            "authoredOn": zoned(course.cycles[0], "09:00:00"), "reasonReference": [{"reference": f"Condition/{condition}"}],
        }  # fmt: skip
        for cycle in course.cycles:
            yield "MedicationAdministration", {
                "resourceType": "MedicationAdministration", "id": new("MedicationAdministration", atc, str(cycle)), "status": "completed",
                "medicationCodeableConcept": _concept(ATC, atc, DRUGS[atc]), "subject": subject,
                "context": {"reference": f"Encounter/{encounters[cycle]}"}, "effectiveDateTime": zoned(cycle, "10:00:00"),
                "request": {"reference": f"MedicationRequest/{request}"},
            }  # fmt: skip


def _observation(
    identifier: str, subject: dict[str, str], loinc: str, time: str, category: str, value: float, unit: str
) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": identifier, "status": "final",
        "category": [_concept("http://terminology.hl7.org/CodeSystem/observation-category", category)],
        "code": _concept(LOINC, loinc, LOINC_NAMES[loinc]) | {"text": LABS[loinc][0] if loinc in LABS else LOINC_NAMES[loinc]},
        "subject": subject, "effectiveDateTime": time, "issued": time,
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }  # fmt: skip


def _concept(system: str, code: str, display: str = "") -> dict[str, Any]:
    coding = {"system": system, "code": code}
    if display:
        coding["display"] = display
    return {"coding": [coding]}
