"""Who the Patients of a FHIR export are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from unibase.clinical.formats import fhir
from unibase.clinical.formats.declaration import Asked
from unibase.clinical.formats.fhir_fields import Resource
from unibase.clinical.formats.people_rows import PersonRow, person_row

_PLACE_CODE = "fr-core-address-insee-code"


def fhir_people(asked: Asked) -> Iterator[PersonRow]:
    """Yield a row for each identifier of every Patient: names, birth, sex, place of birth, INS.

    Args:
        asked: The export.

    Raises:
        UserError: If there is no file of FHIR.
    """
    for file, number, patient in fhir.resource_files(fhir.find_files(asked.folder), "Patient"):
        identifiers = fhir.patient_identifiers(patient)
        ins = next((one.value for one in identifiers if one.system == "ins"), None)
        known = {
            "ins": ins,
            **_names(patient.get("name") or [])._asdict(),
            "birth_date": patient.get("birthDate"),
            "sex": {"male": "M", "female": "F"}.get(str(patient.get("gender"))),
            "birth_place_code": _birth_place(patient),
        }
        for one in identifiers:
            yield person_row(asked.centre, str(patient.get("id")), one, (file.name, number), **known)


class _Names(NamedTuple):
    """Names of a person, as the traits of the ledger are called."""

    birth_family_name: str | None
    used_family_name: str | None
    given_names: str | None


def _names(names: list[Resource]) -> _Names:
    """Return the family name at birth, the one in use and the given names (FR Core: `official` is the name at birth)."""
    by_use = {str(name.get("use", "")): name for name in reversed(names)}
    birth = by_use.get("official") or by_use.get("maiden") or (names[0] if names else {})
    used = by_use.get("usual") or birth
    given = [part for part in birth.get("given") or used.get("given") or [] if part]
    maiden = (by_use.get("maiden") or birth).get("family")
    return _Names(maiden, used.get("family"), " ".join(given) or None)


def _birth_place(patient: Resource) -> str | None:
    """Return the INSEE code of the place of birth, which FR Core keeps in an extension of the address."""
    for extension in patient.get("extension") or []:
        if str(extension.get("url", "")).endswith("patient-birthPlace"):
            for inner in (extension.get("valueAddress") or {}).get("extension") or []:
                if str(inner.get("url", "")).endswith(_PLACE_CODE):
                    code = (inner.get("valueCoding") or {}).get("code") or inner.get("valueString")
                    return str(code) if code else None
    return None
