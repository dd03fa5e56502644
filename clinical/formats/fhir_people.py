"""Who the Patients of a FHIR export are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unibase.clinical.formats import fhir
from unibase.clinical.formats.declaration import Asked
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
            **_names(patient.get("name") or []),
            "birth_date": patient.get("birthDate"),
            "sex": {"male": "M", "female": "F"}.get(str(patient.get("gender"))),
            "birth_place_code": _birth_place(patient),
        }
        for one in identifiers:
            yield person_row(asked.centre, str(patient.get("id")), one, (file.name, number), **known)


def _names(names: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return the family name at birth, the one in use and the given names (FR Core: `official` is the name at birth)."""
    by_use = {str(name.get("use", "")): name for name in reversed(names)}
    birth = by_use.get("official") or by_use.get("maiden") or (names[0] if names else {})
    used = by_use.get("usual") or birth
    given = [part for part in birth.get("given") or used.get("given") or [] if part]
    maiden = (by_use.get("maiden") or birth).get("family")
    return {
        "birth_family_name": maiden,
        "used_family_name": used.get("family"),
        "given_names": " ".join(given) or None,
    }


def _birth_place(patient: dict[str, Any]) -> str | None:
    """Return the INSEE code of the place of birth, which FR Core keeps in an extension of the address."""
    for extension in patient.get("extension") or []:
        if str(extension.get("url", "")).endswith("patient-birthPlace"):
            for inner in (extension.get("valueAddress") or {}).get("extension") or []:
                if str(inner.get("url", "")).endswith(_PLACE_CODE):
                    code = (inner.get("valueCoding") or {}).get("code") or inner.get("valueString")
                    return str(code) if code else None
    return None
