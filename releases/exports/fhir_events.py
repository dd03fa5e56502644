"""Events of a timeline as resources of FHIR R4: which type each becomes, and what is written of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import cast

from unibase.releases.exports.fhir_forms import UCUM, Json, concept, moment, partial, subject, worlds

_CANCER = re.compile(r"ICD10(CM)?//C|ICDO3//")
_CANCER_PROFILE = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-primary-cancer-condition"
_CONDITIONS = ("ICD10", "ICD10CM", "ICD9CM", "ICDO3")
_DRUGS = ("ATC", "RxNorm")
_ACTS = ("CCAM", "CPT4", "ICD10PCS", "RADIOTHERAPY", "SURGERY")
_OF_DRUGS = {"PRESCRIBED": "MedicationRequest", "DISPENSED": "MedicationDispense", "STATED": "MedicationStatement",
            "ASSERTED": "MedicationStatement"}  # fmt: skip
_PATIENT = re.compile(r"(MEDS_BIRTH|MEDS_DEATH|(SEX|GENDER)//.*)$")
_CLASSES = {"Visit//IP": "IMP", "Visit//OP": "AMB", "Visit//ER": "EMER"}
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9._-]*$")
COMPARATORS = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Event:
    """An event of a subject, as FHIR needs it.

    Attributes:
        subject: The subject_id.
        code: `VOCABULARY//code`.
        start: Its date as FHIR writes it, as exact as it is known; None for none.
        end: The date of its end.
        number: Its value, the shortest decimal; None for none.
        unit: UCUM unit of the value.
        text: Its coded or controlled text.
        recorded: When the source learned of it.
        between: Whether bounds of its date are known that no date of FHIR can tell.
    """

    subject: int
    code: str
    start: str | None
    end: str | None = None
    number: float | None = None
    unit: str | None = None
    text: str | None = None
    recorded: str | None = None
    between: bool = False

    @classmethod
    def of(cls, row: Mapping[str, object]) -> Event:
        """Return the event of a `row` of EVENTS."""
        known, first, last = (cast(datetime | None, row[name]) for name in ("time", "time_min", "time_max"))
        start = moment(known) or partial(first, last)
        number = cast(float | None, row["numeric_value"])
        return cls(
            cast(int, row["subject_id"]),
            str(row["code"]),
            start,
            moment(cast(datetime | None, row["end_time"])),
            None if number is None or not isfinite(number) else shortest(number),
            cast(str | None, row["unit"]),
            cast(str | None, row["text_value"]),
            moment(cast(datetime | None, row["recorded_time"])),
            start is None and first is not None,
        )

    def when(self, stem: str) -> Json:
        """Return the date under the name that `stem` gives it, as an interval where the event has an end."""
        if self.start is not None and self.end is not None:
            return {f"{stem}Period": {"start": self.start, "end": self.end}}
        return {f"{stem}DateTime": self.start}

    def base(self, kind: str) -> Json:
        """Return what resources of all types, such as `kind`, begin with."""
        return {"resourceType": kind, "subject": subject(self.subject)}


def shortest(number: float) -> float:
    """Return the shortest decimal that a number of 32 bits stands for.

    >>> shortest(10.300000190734863)
    10.3
    """
    return float(f"{number:.7g}")


def resource_of(event: Event) -> Json | None:
    """Return the resource of an event; None for what Patient holds.

    >>> resource_of(Event(7, "CCAM//GFFA009", "2016-01-02"))["resourceType"]
    'Procedure'
    """
    if _PATIENT.match(event.code):
        return None
    vocabulary, _, rest = event.code.partition("//")
    plain = event.number is None and event.text is None
    if vocabulary in _CONDITIONS and plain:
        return _condition(event)
    if vocabulary in _OF_DRUGS and rest and event.text is None:
        return _drug(event, _OF_DRUGS[vocabulary], rest)
    if vocabulary in _DRUGS and event.text is None and event.start is not None:
        return _drug(event, "MedicationAdministration", event.code)
    if vocabulary in _ACTS and plain:
        return {**event.base("Procedure"), "status": "completed", "code": concept(event.code), **event.when("performed")}
    if vocabulary == "VISIT" and plain and _CLASS.match(_CLASSES.get(rest, rest)):
        return _visit(event, _CLASSES.get(rest, rest))
    if vocabulary == "SPECIMEN" and plain and "//" in rest:
        return {**event.base("Specimen"), "type": concept(rest), "collection": event.when("collected")}
    return _observation(event)


def _condition(event: Event) -> Json:
    """Return a Condition; its `abatement` is the end of the event, and a cancer has what mCODE asks for."""
    profile = {"meta": {"profile": [_CANCER_PROFILE]}} if _CANCER.match(event.code) else {}
    return {
        **event.base("Condition"),
        **profile,
        "clinicalStatus": worlds("condition-clinical", "inactive") if event.end else None,
        "verificationStatus": worlds("condition-ver-status", "confirmed"),
        "category": [worlds("condition-category", "encounter-diagnosis")],
        "code": concept(event.code),
        "onsetDateTime": event.start,
        "abatementDateTime": event.end if event.start else None,
        "recordedDate": event.recorded,
    }


def _drug(event: Event, kind: str, code: str) -> Json:
    start = {"authoredOn": event.start, "intent": "order"} if kind == "MedicationRequest" else event.when("effective")
    if kind == "MedicationDispense":
        start = {"whenHandedOver": event.start}
    if event.code.startswith("ASSERTED//"):
        start = {"dateAsserted": event.start}
    dose = {"dose": {"value": event.number, "unit": event.unit, "system": UCUM, "code": event.unit}}
    given = {"dosage": dose} if kind == "MedicationAdministration" and event.number is not None else {}
    return {**event.base(kind), "status": "completed", "medicationCodeableConcept": concept(code), **start, **given}


def _visit(event: Event, kind: str) -> Json:
    act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": kind}
    return {**event.base("Encounter"), "status": "finished", "class": act, "period": {"start": event.start, "end": event.end}}


def _observation(event: Event) -> Json:
    return {
        **event.base("Observation"),
        "status": "final",
        "code": concept(event.code),
        **event.when("effective"),
        "issued": event.recorded if event.recorded and "T" in event.recorded else None,
        **_value(event),
    }


def _value(event: Event) -> Json:
    """Return the value of an Observation: a quantity, with its sign; else the word, a code of our own unless it is one."""
    if event.number is None:
        return {} if event.text is None else {"valueCodeableConcept": concept(event.text)}
    sign = event.text if event.text in COMPARATORS else None
    quantity = {"value": event.number, "comparator": sign, "unit": event.unit, "system": UCUM if event.unit else None}
    # A word beside a number, which a value has no room for.
    said = [concept(event.text)] if event.text is not None and sign is None else None
    return {"valueQuantity": {**quantity, "code": event.unit}, "interpretation": said}
