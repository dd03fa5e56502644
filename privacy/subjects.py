"""The door of staging: from an identifier of a centre to the pseudonym and shift of its person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Subject(NamedTuple):
    """What a room may know of a person: the keyed pseudonym and the shift of all dates, in days."""

    subject_id: int
    shift_days: int


@dataclass(frozen=True)
class SubjectLookup:
    """Finds the subject behind an identifier; small, picklable, and sent to the workers once.

    Attributes:
        by_identifier: `{(centre, system, identifier): Subject}`, for the identifiers in the ledger.
    """

    by_identifier: Mapping[tuple[str, str, str], Subject] = field(repr=False)

    def find(self, centre: str, system: str, identifier: str) -> Subject | None:
        """Return the subject behind an identifier, or None when the ledger does not know it.

        Args:
            centre: Name of the centre, as in the study file.
            system: Kind of identifier: `ipp` for hospital numbers (DICOM PatientID, sample sheets, OMOP
                person_source_value), `omop` for person_id, `fhir` for Patient.id, `osiris` for the patient number.
            identifier: As the source writes it; surrounding blanks do not count.
        """
        return self.by_identifier.get((centre, system, identifier.strip()))
