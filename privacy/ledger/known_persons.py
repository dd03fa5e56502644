"""What the ledger knows of each person from all centres together: sought in texts, compared with headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unibase.privacy.ledger.decided import SAME_AS
from unibase.privacy.ledger.revisions import State
from unibase.privacy.subjects import Person, Subject


def known_persons(state: State, subjects: Mapping[str, Subject]) -> dict[int, Person]:
    """Return what is known of each subject, by `subject_id`.

    Args:
        state: The ledger as of a revision.
        subjects: The subject of each person of the ledger.
    """
    known: dict[int, list[set[str]]] = {}
    for row in state.people.iter_rows(named=True):
        person = state.assignment[(row["centre"], row["person_key"])]
        sets = known.setdefault(subjects[person].subject_id, [set() for _ in Person._fields])
        for found, told in zip(sets, _told(row), strict=True):
            found.update(value for value in told if value)
    return {number: Person(*(tuple(sorted(one)) for one in sets)) for number, sets in known.items()}


def _told(row: Mapping[str, str | None]) -> Iterator[tuple[str | None, ...]]:
    """Yield what a row of PEOPLE tells of each field of a `Person`, in order."""
    yield row["birth_family_name"], row["used_family_name"]
    for column in ("given_names", "birth_date", "sex"):
        yield (row[column],)
    yield (row["ins"],) if row["system"] == SAME_AS else (row["identifier"], row["ins"])
    yield (row["address"],)
    yield (row["phone"],)
