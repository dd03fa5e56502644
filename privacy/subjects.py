"""The door of staging: from an identifier of a centre to the pseudonym and shift of its person."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from unibase.privacy.ledger.erased_numbers import Erased


class Subject(NamedTuple):
    """What a room may know of a person: the keyed pseudonym and the shift of all dates, in days."""

    subject_id: int
    shift_days: int


class Person(NamedTuple):
    """What the ledger knows of a person from all centres together: sought in texts and compared with headers; vault only.

    Attributes:
        family_names: At birth and in use, as the sources write them.
        given_names: All given names of each source, in one text each.
        birth_dates: ISO dates, cut to what is known.
        sexes: `M`, `F`.
        numbers: Every identifier, and the INS.
    """

    family_names: tuple[str, ...] = ()
    given_names: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubjectLookup:
    """Finds the subject behind an identifier; small, picklable, and sent to the workers once.

    Attributes:
        by_identifier: `{(centre, system, identifier): Subject}`, for the identifiers in the ledger.
        objecting: Identifiers of persons who object: they have no subject, and a room says nothing of them.
        erased: Whether a number is one of a person who was erased, of whom a room says nothing either.
        persons: What the ledger knows of each subject, by `subject_id`; what must be found in texts to be removed.
    """

    by_identifier: Mapping[tuple[str, str, str], Subject] = field(repr=False)
    objecting: frozenset[tuple[str, str, str]] = field(default=frozenset(), repr=False)
    persons: Mapping[int, Person] = field(default_factory=dict, repr=False)
    erased: Erased = field(default=Erased(), repr=False)

    def find(self, centre: str, system: str, identifier: str) -> Subject | None:
        """Return the subject behind an identifier, or None when the ledger does not know it.

        Args:
            centre: Name of the centre, as in the study file.
            system: Kind of identifier: `ipp` for hospital numbers (DICOM PatientID, sample sheets, OMOP
                person_source_value), `omop` for person_id, `fhir` for Patient.id, `osiris` for the patient number.
            identifier: As the source writes it; surrounding blanks do not count.
        """
        return self.by_identifier.get((centre, system, identifier.strip()))

    def objects(self, centre: str, system: str, identifier: str) -> bool:
        """Return whether the person behind an identifier objects, or was erased; arguments as of `find`.

        Args:
            centre: Name of the centre.
            system: Kind of identifier.
            identifier: As the source writes it.
        """
        return (centre, system, identifier.strip()) in self.objecting or self.erased.knows(centre, system, identifier)

    def without(self, identifiers: Collection[tuple[str, str, str]]) -> SubjectLookup:
        """Return the lookup without the persons behind some identifiers, whatever other identifiers they have.

        Example:
            >>> lookup = SubjectLookup({("lyon", "ipp", "1"): Subject(7, -3), ("Tours", "ipp", "9"): Subject(7, -3)})
            >>> less = lookup.without([("lyon", "ipp", "1")])
            >>> less.find("Tours", "ipp", "9"), less.objects("Tours", "ipp", "9")
            (None, True)
        """
        gone = {self.by_identifier[one] for one in identifiers if one in self.by_identifier}
        if not gone:
            return replace(self, objecting=self.objecting | frozenset(identifiers))
        kept = {one: subject for one, subject in self.by_identifier.items() if subject not in gone}
        objecting = self.objecting | frozenset(identifiers) | frozenset(self.by_identifier.keys() - kept.keys())
        return SubjectLookup(kept, objecting, self._persons_of(kept), self.erased)

    def within(self, centre: str, identifiers: Collection[str] | None = None) -> SubjectLookup:
        """Return the lookup for one centre, and of it for some identifiers; with what all centres know of these persons."""

        def mine(one: tuple[str, str, str]) -> bool:
            return one[0] == centre and (identifiers is None or one[2] in identifiers)

        known = {one: subject for one, subject in self.by_identifier.items() if mine(one)}
        objecting = frozenset(one for one in self.objecting if mine(one))
        return SubjectLookup(known, objecting, self._persons_of(known), self.erased)

    def _persons_of(self, known: Mapping[tuple[str, str, str], Subject]) -> dict[int, Person]:
        numbers = {subject.subject_id for subject in known.values()}
        return {number: person for number, person in self.persons.items() if number in numbers}
