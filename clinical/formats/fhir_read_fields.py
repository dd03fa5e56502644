"""Which fields of FHIR R4 resources are read, which hold nothing of a person, and so which are left to be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unibase.clinical.formats.fhir_fields import UNREAD_VALUES, Resource

NOT_EVENTS: dict[str, str] = {
    "Organization": "about places and staff, not persons",
    "Location": "about places and staff, not persons",
    "Practitioner": "about places and staff, not persons",
    "PractitionerRole": "about places and staff, not persons",
    "Medication": "read where a MedicationRequest or MedicationAdministration names it",
    "Consent": "says who objects, which is obeyed and never an event",
    "DocumentReference": "free text",
    "Provenance": "about records",
    "Group": "about records",
    "RelatedPerson": "about another person",
    "OperationOutcome": "about the export; errors are told",
}
"""Resource types that hold no event of a person, and why."""

_EVERYWHERE = (
    "resourceType id meta implicitRules language text identifier extension modifierExtension deleted status subject patient "
    "encounter context focus doNotPerform"
)
_ABOUT_RECORDS = (
    "category performer participant recorder asserter requester informationSource serviceProvider location basedOn partOf "
    "managingOrganization generalPractitioner name telecom address photo contact communication active"
)
"""Places, staff, links between records and the identity of a person, which no event holds."""
_DRUG = "medicationCodeableConcept medicationReference contained effectiveDateTime effectivePeriod authoredOn whenHandedOver dateAsserted"

READ: Mapping[str, frozenset[str]] = {
    kind: frozenset(f"{_EVERYWHERE} {_ABOUT_RECORDS} {names}".split())
    for kind, names in {
        "Patient": "gender birthDate deceasedDateTime deceasedBoolean link",
        "Condition": "code clinicalStatus verificationStatus onsetDateTime onsetPeriod abatementDateTime abatementPeriod recordedDate stage bodySite",
        "Observation": (
            "code effectiveDateTime effectivePeriod effectiveInstant issued valueQuantity valueCodeableConcept valueInteger valueDecimal "
            "valueBoolean valueString dataAbsentReason component bodySite method "
            + " ".join(f"value{one}" for one in UNREAD_VALUES)
        ),
        "Procedure": "code performedDateTime performedPeriod bodySite",
        "MedicationRequest": f"intent {_DRUG}",
        "MedicationAdministration": _DRUG,
        "MedicationDispense": _DRUG,
        "MedicationStatement": _DRUG,
        "Encounter": "class period hospitalization",
        "ImagingStudy": "started modality series",
        "Specimen": "type collection receivedTime",
        "DiagnosticReport": "code effectiveDateTime effectivePeriod issued result",
        "Immunization": "vaccineCode occurrenceDateTime",
    }.items()
}
"""By type, the fields that are read, and those without a fact of a person. Values of other types are told row by row."""


_DATES = ("onset", "abatement", "performed", "effective", "occurrence")
"""What the names of fields begin with that date a resource in some form."""


def unread_fields(resource: Resource, dates: bool = True) -> Iterable[str]:
    """Return the fields of a resource that may say something of its person, and are not read.

    Args:
        resource: The resource.
        dates: Whether those that date it count; of a resource without a date that is told by itself.

    Example:
        >>> unread_fields({"resourceType": "Condition", "code": {}, "severity": {}})
        ['severity']
    """
    known = READ[resource["resourceType"]]
    left = [name for name in resource if name not in known and (dates or not name.startswith(_DATES))]
    # The dose of one administration is read; a list of dosages is a plan.
    return [name for name in left if name != "dosage" or not isinstance(resource[name], dict)]
