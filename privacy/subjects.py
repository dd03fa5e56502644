"""The door of staging: from an identifier of a centre to the pseudonym and shift of its person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from unibase.privacy.custody.objections import ANY_SYSTEM, plain_number
from unibase.privacy.ledger.erased_numbers import Erased
from unibase.privacy.ledger.traits import valid_ins


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
        addresses, phones: Where one lives and is called, as the sources write it.
    """

    family_names: tuple[str, ...] = ()
    given_names: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()


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

        `centre`: name of the centre; `system`: kind of identifier; `identifier`: as the source writes it.
        """
        ways = {(centre, system, identifier.strip()), (centre, ANY_SYSTEM, plain_number(identifier))}
        return not self.objecting.isdisjoint(ways) or self.erased.knows(centre, system, identifier)

    def meant(self, identifiers: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], frozenset[Subject]]:
        """Return whom each entry of a register means; nobody where the ledger does not know the number.

        A number of `ANY_SYSTEM` was written down by a person. It is sought among all numbers of the centre as it is
        written, then without the zeros that a spreadsheet takes away; and as an INS, which is one person's everywhere.
        A number of a system that nobody has is sought without these zeros too, and in every system of a centre that lists
        no number of its own.

        Args:
            identifiers: Centre, system and identifier of each entry.

        Example:
            >>> lookup = SubjectLookup({("lyon", "nip", "0801"): Subject(7, -3)})
            >>> entry = ("lyon", ANY_SYSTEM, "801")
            >>> lookup.meant([entry])[entry] == {Subject(7, -3)}
            True
        """
        nobodys = [one for one in identifiers if one[1] != ANY_SYSTEM and one not in self.by_identifier]
        near = self._near(nobodys) if nobodys else {}
        by_hand = any(system == ANY_SYSTEM for _, system, _ in identifiers)
        exact, plain = (self._numbers(form) if by_hand else {} for form in (str.strip, plain_number))
        of_ins = self._of_ins() if by_hand else {}
        found: dict[tuple[str, str, str], frozenset[Subject]] = {}
        for entry in identifiers:
            centre, system, identifier = entry
            if system == ANY_SYSTEM:
                ways = (exact.get((centre, identifier.strip())), plain.get((centre, plain_number(identifier))))
                found[entry] = frozenset(next((one for one in (*ways, of_ins.get(valid_ins(identifier) or "")) if one), set()))
            else:
                found[entry] = frozenset({self.by_identifier[entry]} if entry in self.by_identifier else near.get(entry, ()))
        return found

    def _near(self, entries: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], set[Subject]]:
        """Return whom entries mean that no number equals: by the number without zeros, in their system or where there is none."""
        systems = {(centre, system) for centre, system, _ in self.by_identifier}
        wanted: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
        for entry in entries:
            wanted[(entry[0], plain_number(entry[2]))].append(entry)
        found: dict[tuple[str, str, str], set[Subject]] = defaultdict(set)
        for (centre, system, identifier), subject in self.by_identifier.items():
            for entry in wanted.get((centre, plain_number(identifier)), ()):
                if entry[1] == system or (centre, entry[1]) not in systems:
                    found[entry].add(subject)
        return found

    def _numbers(self, form: Callable[[str], str]) -> dict[tuple[str, str], set[Subject]]:
        """Return the subjects of each number of each centre, of whatever system, in some form."""
        found: dict[tuple[str, str], set[Subject]] = defaultdict(set)
        for (centre, _, identifier), subject in self.by_identifier.items():
            found[(centre, form(identifier))].add(subject)
        return found

    def _of_ins(self) -> dict[str, set[Subject]]:
        """Return the subjects of each INS."""
        of_number = {subject.subject_id: subject for subject in self.by_identifier.values()}
        found: dict[str, set[Subject]] = defaultdict(set)
        for number, person in self.persons.items():
            for one in person.numbers:
                if number in of_number and (ins := valid_ins(one)):
                    found[ins].add(of_number[number])
        return found

    def without(self, identifiers: Collection[tuple[str, str, str]]) -> SubjectLookup:
        """Return the lookup without the persons behind some identifiers, whatever other identifiers they have.

        Args:
            identifiers: Centre, system and identifier of each; of `ANY_SYSTEM` where a person wrote it down.

        Example:
            >>> lookup = SubjectLookup({("lyon", "ipp", "1"): Subject(7, -3), ("Tours", "ipp", "9"): Subject(7, -3)})
            >>> less = lookup.without([("lyon", "ipp", "1")])
            >>> less.find("Tours", "ipp", "9"), less.objects("Tours", "ipp", "9")
            (None, True)
        """
        gone = frozenset().union(*self.meant(identifiers).values())
        entries = {(one[0], ANY_SYSTEM, plain_number(one[2])) if one[1] == ANY_SYSTEM else one for one in identifiers}
        kept = {one: subject for one, subject in self.by_identifier.items() if subject not in gone}
        objecting = self.objecting | entries | (self.by_identifier.keys() - kept.keys())
        return SubjectLookup(kept, objecting, self._persons_of(kept) if gone else self.persons, self.erased)

    def unaware_of(self, numbers: Collection[tuple[str, str, str]]) -> SubjectLookup:
        """Return the lookup without some numbers; a person who has others is still found by these.

        Args:
            numbers: Centre, system and identifier of each.

        Example:
            >>> lookup = SubjectLookup({("lyon", "ipp", "1"): Subject(7, -3), ("Tours", "ipp", "9"): Subject(7, -3)})
            >>> less = lookup.unaware_of([("lyon", "ipp", "1")])
            >>> less.find("lyon", "ipp", "1"), less.find("Tours", "ipp", "9")
            (None, Subject(subject_id=7, shift_days=-3))
        """
        gone = set(numbers)
        if gone.isdisjoint(self.by_identifier):
            return self
        kept = {one: subject for one, subject in self.by_identifier.items() if one not in gone}
        return SubjectLookup(kept, self.objecting, self._persons_of(kept), self.erased)

    def within(self, centre: str, identifiers: Collection[str] | None = None) -> SubjectLookup:
        """Return the lookup for one centre, and of it for some identifiers; with what all centres know of these persons."""

        def mine(one: tuple[str, str, str]) -> bool:
            return one[0] == centre and (identifiers is None or one[1] == ANY_SYSTEM or one[2] in identifiers)

        known = {one: subject for one, subject in self.by_identifier.items() if mine(one)}
        objecting = frozenset(one for one in self.objecting if mine(one))
        return SubjectLookup(known, objecting, self._persons_of(known), self.erased)

    def _persons_of(self, known: Mapping[tuple[str, str, str], Subject]) -> dict[int, Person]:
        numbers = {subject.subject_id for subject in known.values()}
        return {number: person for number, person in self.persons.items() if number in numbers}
