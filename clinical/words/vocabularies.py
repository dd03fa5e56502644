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
    "http://hl7.org/fhir/sid/icd-9-cm/diagnosis": "ICD9CM",
    "http://hl7.org/fhir/sid/icd-9-cm/procedure": "ICD9PROC",
    "http://terminology.hl7.org/codesystem/icd-o-3": "ICDO3",
    "http://hl7.org/fhir/sid/icd-o": "ICDO3",
    "http://hl7.org/fhir/sid/icd-o-3": "ICDO3",
    "https://smt.esante.gouv.fr/terminologie-cim-o": "ICDO3",
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
    "http://fhir.de/codesystem/bfarm/icd-10-gm": "ICD10GM",
    "http://fhir.de/codesystem/dimdi/icd-10-gm": "ICD10GM",
    "http://hl7.org/fhir/sid/icd-10-gm": "ICD10GM",
    "http://fhir.de/codesystem/bfarm/ops": "OPS",
    "http://fhir.de/codesystem/dimdi/ops": "OPS",
    "http://fhir.de/codesystem/bfarm/atc": "ATC",
    "http://fhir.de/codesystem/dimdi/atc": "ATC",
    "http://fhir.de/codesystem/ifa/pzn": "PZN",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/icd-9": "ICD9CM",
    "http://hl7.org/fhir/sid/icd-10-who": "ICD10",
    "http://id.who.int/icd/release/10": "ICD10",
    "http://id.who.int/icd/release/11/mms": "ICD11",
    "http://www.cms.gov/medicare/coding/icd10": "ICD10PCS",
    "http://hl7.org/fhir/sid/icd-9-procedure": "ICD9PROC",
    "https://www.uicc.org/resources/tnm": "UICC",
    "http://www.uicc.org/resources/tnm": "UICC",
    "http://ncicb.nci.nih.gov/xml/owl/evs/thesaurus.owl": "NCIT",
    "http://ncithesaurus-stage.nci.nih.gov": "NCIT",
    "http://ncimeta.nci.nih.gov": "NCIM",
    "http://fdasis.nlm.nih.gov": "UNII",
    "http://terminology.hl7.org/codesystem/v3-participationmode": "PARTICIPATIONMODE",
    "http://hl7.org/fhir/uv/ips/codesystem/absent-unknown-uv-ips": "IPS",
    "2.16.840.1.113883.6.96": "SNOMED",
    "2.16.840.1.113883.6.1": "LOINC",
    "2.16.840.1.113883.6.3": "ICD10",
    "2.16.840.1.113883.6.90": "ICD10CM",
    "2.16.840.1.113883.6.4": "ICD10PCS",
    "2.16.840.1.113883.6.42": "ICD9CM",
    "2.16.840.1.113883.6.103": "ICD9CM",
    "2.16.840.1.113883.6.104": "ICD9PROC",
    "2.16.840.1.113883.6.43.1": "ICDO3",
    "2.16.840.1.113883.6.73": "ATC",
    "2.16.840.1.113883.6.88": "RxNorm",
    "2.16.840.1.113883.6.69": "NDC",
    "2.16.840.1.113883.6.12": "CPT4",
    "2.16.840.1.113883.6.8": "UCUM",
    "2.16.840.1.113883.6.86": "UMLS",
    "1.2.250.1.213.2.5": "CCAM",
    "urn:unibase:code": "",
}
"""Addresses of code systems (compared in lower case, without a trailing slash, OIDs without `urn:oid:`) and their short names."""


WHOLE = ""
"""Vocabulary of whole codes of ours, such as `LAST_CONTACT`, in what a release was exported to (OMOP, FHIR)."""


def whole_code(vocabulary: str, code: str) -> str:
    """Return `VOCABULARY//code`; a code that is a whole one of ours stays as it is.

    Args:
        vocabulary: Its short name; `WHOLE` for one of ours.
        code: The code in it.

    >>> whole_code("LOINC", "718-7"), whole_code(WHOLE, "LAST_CONTACT")
    ('LOINC//718-7', 'LAST_CONTACT')
    """
    return code if vocabulary == WHOLE else f"{vocabulary}//{code}"


def _address(system: str) -> str:
    return system.strip().lower().rstrip("/").removeprefix("urn:oid:")


CODE_SHAPES: dict[str, str] = {
    "ICD10": r"^[A-Z]\d{2}(?:\.?[0-9A-Z+*†!-]{1,5})?$",
    "ICDO3": r"^(?:C\d{2}(?:\.?[0-9X])?|\d{4}[/-]\d{1,2}(?:-C\d{2}(?:\.?[0-9X])?)?)$",
    "ATC": r"^[A-Z](?:\d{2}(?:[A-Z]{1,2}(?:\d{2})?)?)?$",
    "LOINC": r"^(?:\d{1,7}|L[APG]\d{1,6})-\d$",
    "CCAM": r"^[A-Z]{4}(?:\d{3}(?:-\d{1,4}){0,3})?$",
    "SNOMED": r"^\d{6,18}(?:[:+][\d:+=,(){} ]*)?$",
}
"""The shape of a code of each vocabulary; a cell without it is no code of that vocabulary and never travels. SNOMED may be an expression."""
_DOTTED = ("ICD10", "ICD10CM", "ICD10GM")
"""Vocabularies whose codes hospitals write with and without the dot: `C341` is `C34.1`."""
_CAPITALS = (*_DOTTED, "ICDO3", "ATC", "CCAM")
"""Vocabularies whose codes have capital letters alone."""
_ACT = re.compile(r"([A-Z]{4}\d{3})((?:[ /.-]*\d{1,4}){1,3})")
"""A code of CCAM with what PMSI writes behind it: extension, activity, phase."""
_MARKED = re.compile(r"(\S+?) *([+*†!])")
"""A code of ICD-10 with dagger, asterisk or exclamation mark behind it."""
MARKS = ("+", "*", "!")
"""What stands behind a code of ICD-10 that is one of a pair; the dagger is `+`."""


def spelled(vocabulary: str, code: str) -> str:
    """Return a code in the one spelling of its vocabulary, that concepts and other centres use.

    Args:
        vocabulary: Its short name.
        code: The code, as a source writes it.

    Example:
        >>> spelled("ICD10", "c341"), spelled("ICDO3", "8140/3"), spelled("LOCAL", "c341")
        ('C34.1', '8140/3', 'c341')
        >>> spelled("ICD10", "G01 *"), spelled("ICD10", "A170†"), spelled("CCAM", "HHFA001 01"), spelled("CCAM", "HHFA0011")
        ('G01*', 'A17.0+', 'HHFA001-01', 'HHFA001-1')
    """
    written = code.strip()
    if vocabulary not in _CAPITALS:
        return written
    written = written.upper()
    if vocabulary == "CCAM" and (act := _ACT.fullmatch(written)):
        return "-".join([act[1], *re.findall(r"\d+", act[2])])
    if vocabulary in _DOTTED and (marked := _MARKED.fullmatch(written)):
        written = marked[1] + marked[2].replace("†", "+")
    return re.sub(r"^([A-Z]\d[0-9A-Z])([0-9A-Z])", r"\1.\2", written) if vocabulary in _DOTTED else written


def plain(code: str) -> str:
    """Return a `code` without what a hospital adds to it: the extension and activity of CCAM, the dagger and asterisk of ICD-10.

    >>> plain("CCAM//HHFA001-01"), plain("ICD10//C50.9+"), plain("LOCAL//HB-01")
    ('CCAM//HHFA001', 'ICD10//C50.9', 'LOCAL//HB-01')
    """
    vocabulary = code.partition("//")[0]
    if vocabulary == "CCAM":
        return code.partition("-")[0]
    return code.rstrip("".join(MARKS)) if vocabulary in _DOTTED else code


def is_known(system: str | None) -> bool:
    """Tell whether a code system is one of those above.

    >>> is_known("http://loinc.org"), is_known(None)
    (True, False)
    """
    return _address(system or "") in SYSTEMS


def vocabulary_name(system: str | None) -> str:
    """Return the short name of a code system; an unknown one gets the last part of its address, in capitals.

    >>> vocabulary_name("http://loinc.org"), vocabulary_name("http://chu.example/local")
    ('LOINC', 'LOCAL')
    """
    if not system:
        return "LOCAL"
    address = _address(system)
    known = SYSTEMS.get(address)
    if known is not None:
        return known
    # The parts of an OID say nothing alone.
    last = re.split(r"[/:]", address)[-1]
    return re.sub(r"[^A-Z0-9]+", "_", last.upper()).strip("_") or "LOCAL"
