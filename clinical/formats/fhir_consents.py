"""Whom a FHIR Consent denies the use of records for research."""

from __future__ import annotations

from collections.abc import Iterator

from unibase.clinical.formats import fhir
from unibase.clinical.formats.declaration import Asked, Objecting
from unibase.clinical.formats.fhir_fields import Resource

_RESEARCH = frozenset(
    {"research", "patient-privacy", "rsreid", "rsdid", "hresch", "research-project", "infa", "59284-0", "59284-6"}
)
"""Codes of scope and category (HL7 consentscope, consentcategorycodes, v3-ActCode, LOINC) of consents to research or privacy."""


_OTHER_SCOPES = frozenset({"treatment", "adr", "acd", "dnr", "polst", "emrgonly", "hcd", "npp", "hipaa-npp", "rsdid-c"})
"""Scopes and categories of consents to care and of advance directives: they say nothing of research."""


_IN_FORCE = frozenset({"active", "rejected"})


def objecting_by_consent(asked: Asked) -> Iterator[Objecting]:
    """Yield whom an active Consent of FHIR R4 or R5 denies research for.

    Args:
        asked: The export.

    Raises:
        UserError: If there is no file of FHIR.
    """
    for _, _, consent in fhir.resource_files(fhir.find_files(asked.folder), "Consent"):
        if _denies(consent):
            yield from _persons(consent)


def _denies(consent: Resource) -> bool:
    if str(consent.get("status")) not in _IN_FORCE:
        return False
    codes = {code.lower() for concept in [consent.get("scope"), *_list(consent.get("category"))] for code in _codes(concept)}
    if codes & _OTHER_SCOPES and not codes & _RESEARCH:
        return False
    # R4 has one provision, R5 a list and a decision; provisions within may take back what stands above them.
    return (
        consent.get("status") == "rejected"
        or consent.get("decision") == "deny"
        or any(_provision_denies(one) for one in _list(consent.get("provision")))
    )


def _provision_denies(provision: object) -> bool:
    if not isinstance(provision, dict):
        return False
    inner = any(_provision_denies(one) for one in _list(provision.get("provision")) if _of_research(one))
    return (provision.get("type") == "deny" and _of_research(provision)) or inner


def _of_research(provision: object) -> bool:
    """Return whether a provision is about research: by its purpose, or because it names none."""
    if not isinstance(provision, dict):
        return False
    purposes = {str(one.get("code")).upper() for one in _list(provision.get("purpose")) if isinstance(one, dict)}
    return not purposes or any("RESCH" in code or "RESEARCH" in code for code in purposes)


def _persons(consent: Resource) -> Iterator[Objecting]:
    about = consent.get("patient") or consent.get("subject") or {}
    reference = about.get("reference") if isinstance(about, dict) else None
    if reference:
        number = str(reference).split("/_history/")[0].rsplit("/", 1)[-1]
        yield Objecting("fhir", number.removeprefix("urn:uuid:"), "fhir-consent")
    identifier = about.get("identifier") if isinstance(about, dict) else None
    if isinstance(identifier, dict) and identifier.get("value"):
        yield Objecting("ipp", str(identifier["value"]), "fhir-consent")


def _codes(concept: object) -> set[str]:
    coding = _list(concept.get("coding")) if isinstance(concept, dict) else []
    return {str(one.get("code")) for one in coding if isinstance(one, dict) and one.get("code")}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
