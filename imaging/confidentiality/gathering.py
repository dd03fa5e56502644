"""What a header says of persons, places and days, gathered while it is read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from unibase.imaging.confidentiality.attributes import DEVICE_AND_VOCABULARY_DATES
from unibase.imaging.confidentiality.charsets import decode
from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.texts.known import Knowledge, merged
from unibase.privacy.subjects import Person, SubjectLookup

PATIENT_NAMES = frozenset({0x00100010, 0x00101001, 0x00101005, 0x00101060, 0x00100012, 0x00102297})
NUMBERS = frozenset(
    {
        0x00080050,  # Accession Number
        0x00100020,  # Patient ID
        0x00101000,  # Other Patient IDs
        0x00101050,  # Insurance Plan Identification
        0x00101090,  # Medical Record Locator
        0x00120040,  # Clinical Trial Subject ID
        0x00120042,  # Clinical Trial Subject Reading ID
        0x00200010,  # Study ID
        0x00380010,  # Admission ID
        0x00400009,  # Scheduled Procedure Step ID
        0x00400253,  # Performed Procedure Step ID
        0x00400512,  # Container Identifier
        0x00400551,  # Specimen Identifier
        0x00401001,  # Requested Procedure ID
        0x00402016,  # Placer Order Number
        0x00402017,  # Filler Order Number
        0x00080094,  # Referring Physician's Telephone Numbers
        0x00102154,  # Patient's Telephone Numbers
        0x00401103,  # Person's Telephone Numbers
    }
)
DEVICE_NUMBERS = frozenset({0x00181000, 0x00081010})
# Numbers that are often a small count or a label (`1`, `CT2`): taken only when they have four digits.
_OFTEN_SHORT = frozenset({0x00200010, 0x00400009, 0x00400253, 0x00401001}) | DEVICE_NUMBERS
PHRASES = frozenset(
    {
        0x00080092,  # Referring Physician's Address
        0x00101040,  # Patient's Address
        0x00102152,  # Region of Residence
        0x00401102,  # Person's Address
        0x00102299,  # Responsible Organization
        0x00081048,  # (PN; also gathered as a staff name)
    }
)
INSTITUTION = frozenset({0x00080080, 0x00080081, 0x00081040})
BIRTH_DATE = 0x00100030
_IDENTITY = PATIENT_NAMES | NUMBERS | DEVICE_NUMBERS | PHRASES | INSTITUTION | {BIRTH_DATE}
_DAYS = frozenset({"DA", "DT"})
_UNKNOWN_BIRTHS = frozenset({"19000101", "18000101", "11111111", "00000000", "99991231"})
"""Birth dates that stand for none."""


@lru_cache(maxsize=8192)
def wants(tag: int, vr: str) -> bool:
    """Return whether a value of this attribute may identify a person, or is a day of the file.

    Args:
        tag: The attribute.
        vr: Its VR in the file.
    """
    return vr == "PN" or tag in _IDENTITY or (vr in _DAYS and tag not in DEVICE_AND_VOCABULARY_DATES)


class Gatherer:
    """Collects identifying values while a header is read, then makes the `Identifiers`, remembered by their values.

    Args:
        retained: Options of PS3.15 in force: a device or an institution that is retained identifies nobody.
        extra: Folded words that the study allows in texts.
    """

    def __init__(self, retained: frozenset[str], extra: frozenset[str] = frozenset()) -> None:
        self._retained = retained
        self._extra = extra
        self._values: set[tuple[int, str, bytes]] = set()
        self._days: set[bytes] = set()

    def add(self, tag: int, vr: str, raw: bytes) -> None:
        """Take one value of the source.

        Args:
            tag: The attribute.
            vr: Its VR in the file.
            raw: The value as the file holds it.
        """
        if vr in _DAYS and tag != BIRTH_DATE:
            if "full_dates" in self._retained:
                return
            # The days alone: times differ in every file of a series, days do not.
            if b"\\" in raw:
                self._days.update(one.strip()[:10] for one in raw.split(b"\\"))
            else:
                self._days.add(raw[:10] if raw[4:5] == b"." else raw[:8])
        elif raw.strip(b" \0"):
            self._values.add((tag, vr, raw))

    def identifiers(self, encodings: tuple[str, ...], known: tuple[Knowledge, ...] = ()) -> Identifiers:
        """Return the identifiers of what was added and of `known`, which the ledger and the task say.

        Args:
            encodings: Python encodings of the Specific Character Set.
            known: What the ledger and the task say.
        """
        return _identifiers(frozenset(self._values), frozenset(self._days), encodings, known, self._retained, self._extra)


@lru_cache(maxsize=256)
def _identifiers(
    values: frozenset[tuple[int, str, bytes]],
    days: frozenset[bytes],
    encodings: tuple[str, ...],
    known: tuple[Knowledge, ...],
    retained: frozenset[str],
    extra: frozenset[str],
) -> Identifiers:
    said, raw = _said(sorted(values), encodings, retained)
    seen = Knowledge(days=tuple(sorted(re.sub(r"\D", "", day.decode("latin-1"))[:8] for day in days)))
    return Identifiers(merged([said, seen, *known]), raw, extra)


def _said(
    values: Iterable[tuple[int, str, bytes]], encodings: tuple[str, ...], retained: frozenset[str]
) -> tuple[Knowledge, list[bytes]]:
    """Return what a header says, and the bytes of names as it holds them."""
    patients, staff, numbers, phrases, births, raws = [], [], [], [], [], []
    for tag, vr, raw in values:
        text = decode(raw, vr, encodings)
        readable = (text if text is not None else raw.decode("latin-1")).strip(" \0")
        if tag == BIRTH_DATE:
            births.append(re.sub(r"\D", "", readable))
        elif tag in NUMBERS or (tag in DEVICE_NUMBERS and "device" not in retained):
            parts = readable.split("\\")
            numbers += [one for one in parts if tag not in _OFTEN_SHORT or sum(map(str.isdigit, one)) >= 4]
        elif tag in INSTITUTION:
            phrases += [readable] if "institution" not in retained else []
        elif tag in PHRASES and vr != "PN":
            phrases.append(readable)
        elif tag in PATIENT_NAMES:
            patients += readable.split("\\")
            raws.append(raw)
        elif vr == "PN":
            staff += readable.split("\\")
            raws.append(raw)
    births = [one for one in births if one not in _UNKNOWN_BIRTHS]
    return Knowledge(tuple(patients), tuple(staff), tuple(numbers), tuple(phrases), tuple(births)), raws


def knowledge_of(lookup: SubjectLookup) -> dict[int, Knowledge]:
    """Return what the ledger knows of each subject, as it is sought in texts. `lookup`: the door to the identity ledger."""
    numbers: dict[int, set[str]] = {}
    for (_, _, identifier), subject in lookup.by_identifier.items():
        numbers.setdefault(subject.subject_id, set()).add(identifier)
    return {number: _known_of(lookup.persons.get(number, Person()), found) for number, found in numbers.items()}


def _known_of(person: Person, numbers: set[str]) -> Knowledge:
    # One name of all family names and all given names: every two of them may stand together in a text.
    names = " ".join((*person.family_names, *person.given_names))
    births = tuple(day.replace("-", "") for day in person.birth_dates if len(day) == 10)
    return Knowledge(
        patient_names=(names,) if names else (),
        numbers=tuple(sorted({*numbers, *person.numbers, *person.phones})),
        phrases=person.addresses,
        birth_dates=births,
    )
