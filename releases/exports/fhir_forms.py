"""Small forms of FHIR R4: codings, references, dates, quantities."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta

Json = Mapping[str, object]
"""A part of a resource, as JSON has it."""
OWN = "urn:unibase:code"
"""Code system of whole codes of the timeline, for which the world has none; `unibase.clinical` reads them back."""
UCUM = "http://unitsofmeasure.org"
SYSTEMS = {
    "LOINC": "http://loinc.org",
    "SNOMED": "http://snomed.info/sct",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD9CM": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICDO3": "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "ATC": "http://www.whocc.no/atc",
    "RxNorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "CCAM": "https://smt.esante.gouv.fr/terminologie-ccam",
    "HGNC": "http://www.genenames.org",
}
"""Vocabularies of codes and the addresses of their code systems."""
_WORLDS = "http://terminology.hl7.org/CodeSystem/"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"


_CODE = re.compile(r"\S+( \S+)*\Z")
"""What a code of FHIR may be: no blank at its ends, and no two of them together."""


def concept(code: str) -> Json:
    """Return a CodeableConcept of a code of the timeline.

    >>> concept("LOINC//718-7")
    {'coding': [{'system': 'http://loinc.org', 'code': '718-7'}]}
    >>> concept("LAST_CONTACT")
    {'coding': [{'system': 'urn:unibase:code', 'code': 'LAST_CONTACT'}]}
    >>> concept("stage  IV")  # no code of FHIR has two blanks together
    {'text': 'stage  IV'}
    """
    if not _CODE.match(code):
        return {"text": code}
    vocabulary, _, rest = code.partition("//")
    system = SYSTEMS.get(vocabulary)
    known = system is not None and _CODE.match(rest) is not None
    return {"coding": [{"system": system, "code": rest} if known else {"system": OWN, "code": code}]}


def worlds(name: str, code: str) -> Json:
    """Return a CodeableConcept of a code system of HL7.

    Args:
        name: Last part of its address.
        code: The code.

    >>> worlds("condition-category", "encounter-diagnosis")["coding"][0]["code"]
    'encounter-diagnosis'
    """
    return {"coding": [{"system": _WORLDS + name, "code": code}]}


def subject(number: object) -> Json:
    """Return a reference to the Patient of a subject_id, `number`.

    >>> subject(7)
    {'reference': 'Patient/7'}
    """
    return {"reference": f"Patient/{number}"}


def moment(value: datetime | None) -> str | None:
    """Return a `value` as FHIR writes it: a date, with a clock where it is not midnight; None for None.

    >>> moment(datetime(2016, 1, 2)), moment(datetime(2016, 1, 2, 23, 30))
    ('2016-01-02', '2016-01-02T23:30:00Z')
    """
    if value is None:
        return None
    if value.time() == time():
        return value.date().isoformat()
    # FHIR wants a zone with a clock; the timeline has local clocks.
    return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds") + "Z"


def partial(first: datetime | None, last: datetime | None) -> str | None:
    """Return the month or the year that bounds are those of; None where they are of neither.

    Args:
        first: The earliest instant.
        last: The latest instant.

    >>> partial(datetime(2016, 2, 1), datetime(2016, 2, 29, 23, 59)), partial(datetime(2016, 1, 1), datetime(2016, 12, 31))
    ('2016-02', '2016')
    """
    if first is None or last is None or first.day != 1 or first.year != last.year:
        return None
    ends_month = (last + timedelta(days=1)).day == 1
    if ends_month and first.month == last.month:
        return f"{first:%Y-%m}"
    return f"{first:%Y}" if ends_month and (first.month, last.month) == (1, 12) else None


def without_nothing(part: object) -> object:
    """Return a part of a resource without what is None or empty, which FHIR forbids.

    >>> without_nothing({"a": None, "b": [{"c": None}, 1], "d": 0})
    {'b': [1], 'd': 0}
    """
    if isinstance(part, Mapping):
        kept = {key: without_nothing(value) for key, value in part.items()}
        return {key: value for key, value in kept.items() if value is not None and value != {} and value != []}
    if isinstance(part, list):
        return [one for one in map(without_nothing, part) if one is not None and one != {}]
    return part
