"""Names of vocabularies: from the address a FHIR coding carries to the short name before `//` in a code."""

from __future__ import annotations

import re

SYSTEMS: dict[str, str] = {
    "http://snomed.info/sct": "SNOMED",
    "http://loinc.org": "LOINC",
    "http://hl7.org/fhir/sid/icd-10": "ICD10",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10CM",
    "http://hl7.org/fhir/sid/icd-10-fr": "ICD10",
    "https://smt.esante.gouv.fr/terminologie-cim-10": "ICD10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD9CM",
    "http://terminology.hl7.org/codesystem/icd-o-3": "ICDO3",
    "http://hl7.org/fhir/sid/icd-o": "ICDO3",
    "http://hl7.org/fhir/sid/icd-o-3": "ICDO3",
    "https://smt.esante.gouv.fr/terminologie-cim-o": "ICDO3",
    "urn:oid:2.16.840.1.113883.6.43.1": "ICDO3",
    "http://www.whocc.no/atc": "ATC",
    "https://smt.esante.gouv.fr/terminologie-atc": "ATC",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "https://smt.esante.gouv.fr/terminologie-ccam": "CCAM",
    "https://mos.esante.gouv.fr/nos/tre_r264-ccam/fhir/tre-r264-ccam": "CCAM",
    "http://unitsofmeasure.org": "UCUM",
    "http://cancerstaging.org": "AJCC",
    "http://www.genenames.org": "HGNC",
    "http://terminology.hl7.org/codesystem/umls": "UMLS",
    "http://www.nlm.nih.gov/research/umls": "UMLS",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://www.ama-assn.org/go/cpt": "CPT4",
    "http://terminology.hl7.org/codesystem/v3-actcode": "ACTCODE",
    "http://terminology.hl7.org/codesystem/v3-observationinterpretation": "INTERPRETATION",
    "http://dicom.nema.org/resources/ontology/dcm": "DCM",
}
"""Addresses of code systems (compared in lower case, without a trailing slash) and their short names."""


def vocabulary_name(system: str | None) -> str:
    """Return the short name of a code system; an unknown one gets the last part of its address, in capitals."""
    if not system:
        return "LOCAL"
    address = system.strip().lower().rstrip("/")
    known = SYSTEMS.get(address)
    if known:
        return known
    last = re.split(r"[/:]", address)[-1]
    return re.sub(r"[^A-Z0-9]+", "_", last.upper()).strip("_") or "LOCAL"
