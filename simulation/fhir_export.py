"""FHIR R4 bulk export of one centre: one NDJSON file per resource type, after FR Core (identities) and mCODE (oncology)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from unibase.simulation.invented_persons import DRUGS, LABS, Person, Registration
from unibase.simulation.seeds import source_uuid
from unibase.simulation.tables import Resource, Row

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
    """Return an instant of Metropolitan France, with its offset: +02:00 in summer time (last Sundays of March and October).

    `day`: the day; `time`: time of day, HH:MM:SS, or of the whole instant.

    >>> zoned(date(2024, 7, 1)), zoned(date(2024, 1, 1))
    ('2024-07-01T08:00:00+02:00', '2024-01-01T08:00:00+01:00')
    """
    start = _last_sunday(day.year, 3)
    end = _last_sunday(day.year, 10)
    return f"{day}T{time}{'+02:00' if start <= day < end else '+01:00'}"


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)
    return last.replace(day=31 - (last.weekday() + 1) % 7)


@dataclass(frozen=True)
class _Record:
    """One person in one centre, and what its resources refer to."""

    seed: int
    person: Person
    registration: Registration

    def new(self, kind: str, *key: str | int) -> str:
        """Return the identifier of a resource."""
        return source_uuid(self.seed, "fhir", self.registration.centre, self.person.index, kind, *key)

    @property
    def subject(self) -> Resource:
        return {"reference": f"Patient/{self.new('Patient')}"}

    @property
    def focus(self) -> list[Resource]:
        return [{"reference": f"Condition/{self.new('Condition')}"}]

    @property
    def first(self) -> date:
        course = self.person.course
        return course.diagnosis if self.registration.primary else course.late_labs[0].day

    def encounter(self, day: date) -> Resource:
        return {"reference": f"Encounter/{self.new('Encounter', str(day))}"}


@dataclass(frozen=True)
class Result:
    """A measured value.

    Attributes:
        loinc: LOINC code.
        time: Instant of the result, as it is written.
        value: The value.
        unit: UCUM unit.
    """

    loinc: str
    time: str
    value: float
    unit: str


@dataclass(frozen=True)
class Image:
    """An examination that an ImagingStudy tells of.

    Attributes:
        study_uid: Study Instance UID.
        accession: Accession number.
    """

    study_uid: str
    accession: str


def person_rows(seed: int, person: Person, registration: Registration, sample: str | None, image: Image | None) -> Iterator[Row]:
    """Yield every resource of one person in one centre, the Patient first.

    Args:
        seed: Seed of the tree.
        person: The simulated person.
        registration: The person's registration in the centre.
        sample: Name of the sample, or None without one.
        image: The image, or None without one.
    """
    record, course = _Record(seed, person, registration), person.course
    yield "Patient", _patient(record.new("Patient"), person, registration)
    yield from _encounters(record)
    for lab in course.labs if registration.primary else course.late_labs:
        identifier = record.new("Observation", lab.loinc, str(lab.day))
        time = zoned(lab.day, "07:15:00")
        result = Result(lab.loinc, time, lab.value, lab.unit)
        yield "Observation", _observation(identifier, record.subject, "laboratory", result)
    if not registration.primary:
        return
    yield from _tumour(record)
    weighed = zoned(course.labs[0].day, "09:00:00")
    for loinc, value, unit in (("29463-7", course.weight_kg, "kg"), ("8302-2", course.height_cm, "cm")):
        identifier = record.new("Observation", loinc)
        result = Result(loinc, weighed, value, unit)
        yield "Observation", _observation(identifier, record.subject, "vital-signs", result)
    yield from _treatments(record)
    if course.progression:
        yield "Observation", _progression(record, course.progression)
    if course.imaging and image:
        yield "ImagingStudy", _imaging(record, course.imaging, image)
    if course.sample and sample:
        yield from _biopsy(record, course.sample, sample)


def _encounters(record: _Record) -> Iterator[Row]:
    course, identity = record.person.course, record.registration.identity
    for day in sorted({record.first, course.last_contact, *(course.cycles if record.registration.primary else ())}):
        yield "Encounter", {
            "resourceType": "Encounter", "id": record.new("Encounter", str(day)), "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
            "subject": record.subject | {"display": f"{identity.first_name} {identity.used_family_name}"},
            "period": {"start": zoned(day, "08:30:00"), "end": zoned(day, "17:00:00")},
        }  # fmt: skip


def _tumour(record: _Record) -> Iterator[Row]:
    """Yield the diagnosis, then T, N, M and stage as observations of their own."""
    course, identity = record.person.course, record.registration.identity
    stage_ids = {code: record.new("Observation", code) for code in ("21905-5", "21906-3", "21907-1", "21908-9")}
    yield "Condition", {
        "resourceType": "Condition", "id": record.new("Condition"),
        "meta": {"profile": ["http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-primary-cancer-condition"]},
        "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "category": [_concept("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis")],
        "code": {"coding": [
            {"system": ICD10, "code": course.icd10}, {"system": SNOMED, "code": "254637007", "display": "Non-small cell lung cancer"},
        ]},
        "subject": record.subject, "encounter": record.encounter(record.first),
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
            "code": _concept(LOINC, code, LOINC_NAMES[code]), "subject": record.subject,
            "focus": record.focus, "effectiveDateTime": str(course.diagnosis),
            "valueCodeableConcept": _concept("http://cancerstaging.org", text),
        }  # fmt: skip


def _progression(record: _Record, day: date) -> Resource:
    return {
        "resourceType": "Observation", "id": record.new("Observation", "97509-4"), "status": "final",
        "meta": {"profile": ["http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-cancer-disease-status"]},
        "code": _concept(LOINC, "97509-4", LOINC_NAMES["97509-4"]), "subject": record.subject,
        "focus": record.focus, "effectiveDateTime": str(day),
        "valueCodeableConcept": _concept(SNOMED, "271299001", "Patient's condition worsened"),
    }  # fmt: skip


def _imaging(record: _Record, day: date, image: Image) -> Resource:
    modalities = ("CT", "PT") if record.person.course.has_pet else ("CT",)
    return {
        "resourceType": "ImagingStudy", "id": record.new("ImagingStudy"),
        "identifier": [
            {"system": "urn:dicom:uid", "value": f"urn:oid:{image.study_uid}"},
            {"type": _concept("http://terminology.hl7.org/CodeSystem/v2-0203", "ACSN"), "value": image.accession},
        ],
        "status": "available", "subject": record.subject, "started": zoned(day, "10:15:00"),
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": m} for m in modalities],
    }  # fmt: skip


def _biopsy(record: _Record, day: date, sample: str) -> Iterator[Row]:
    yield "Procedure", {
        "resourceType": "Procedure", "id": record.new("Procedure"), "status": "completed", "subject": record.subject,
        "code": _concept(SNOMED, "78603008", "Needle biopsy of lung"), "performedDateTime": zoned(day, "11:00:00"),
    }  # fmt: skip
    host = f"https://hopital-{record.registration.centre.lower()}.example"
    yield "Specimen", {
        "resourceType": "Specimen", "id": record.new("Specimen"),
        "identifier": [{"system": f"{host}/prelevements", "value": sample}],
        "type": _concept(SNOMED, "119376003", "Tissue specimen"), "subject": record.subject,
        "collection": {"collectedDateTime": zoned(day, "11:00:00"), "bodySite": _concept(SNOMED, "39607008", "Lung structure")},
    }  # fmt: skip


def lab_resource(seed: int, person: Person, registration: Registration, result: Result) -> Resource:
    """Return a laboratory Observation dated as the result says, however wrong that is.

    Args:
        seed: Seed of the tree.
        person: The simulated person.
        registration: The person's registration in the centre.
        result: The result.
    """
    patient = source_uuid(seed, "fhir", registration.centre, person.index, "Patient")
    identifier = source_uuid(seed, "fhir", registration.centre, person.index, "Observation", result.loinc, result.time)
    return _observation(identifier, {"reference": f"Patient/{patient}"}, "laboratory", result)


def _patient(identifier: str, person: Person, registration: Registration) -> Resource:
    identity = registration.identity
    host = f"https://hopital-{registration.centre.lower()}.example"
    identifiers: list[Resource] = [{
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
    patient: Resource = {
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


def _treatments(record: _Record) -> Iterator[Row]:
    course, subject = record.person.course, record.subject
    for atc in course.drugs:
        request = record.new("MedicationRequest", atc)
        yield "MedicationRequest", {
            "resourceType": "MedicationRequest", "id": request, "status": "completed", "intent": "order",
            "medicationCodeableConcept": _concept(ATC, atc, DRUGS[atc]), "subject": subject,
            "authoredOn": zoned(course.cycles[0], "09:00:00"), "reasonReference": record.focus,
        }  # fmt: skip
        for cycle in course.cycles:
            yield "MedicationAdministration", {
                "resourceType": "MedicationAdministration", "id": record.new("MedicationAdministration", atc, str(cycle)),
                "status": "completed", "medicationCodeableConcept": _concept(ATC, atc, DRUGS[atc]), "subject": subject,
                "context": record.encounter(cycle), "effectiveDateTime": zoned(cycle, "10:00:00"),
                "request": {"reference": f"MedicationRequest/{request}"},
            }  # fmt: skip


def _observation(identifier: str, subject: Resource, category: str, result: Result) -> Resource:
    loinc = result.loinc
    return {
        "resourceType": "Observation", "id": identifier, "status": "final",
        "category": [_concept("http://terminology.hl7.org/CodeSystem/observation-category", category)],
        "code": _concept(LOINC, loinc, LOINC_NAMES[loinc]) | {"text": LABS[loinc][0] if loinc in LABS else LOINC_NAMES[loinc]},
        "subject": subject, "effectiveDateTime": result.time, "issued": result.time,
        "valueQuantity": {"value": result.value, "unit": result.unit, "system": UCUM, "code": result.unit},
    }  # fmt: skip


def _concept(system: str, code: str, display: str = "") -> Resource:
    coding = {"system": system, "code": code}
    if display:
        coding["display"] = display
    return {"coding": [coding]}
