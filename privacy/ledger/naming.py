"""What persons are called in the ledger: after one of their records, and what changed from one revision to the next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.groups import Groups
from unibase.privacy.ledger.revisions import REPLACED, Change, State

_AGAIN = "\t"
"""Between the record and a count in the name of a person whose record's number was another person's before."""


def name_persons(groups: Groups, state: State, others: set[RecordKey]) -> dict[RecordKey, str]:
    """Name every group: by the person whose naming record it holds, the most records first; else by its first record.

    Args:
        groups: The records of each person.
        state: The ledger before.
        others: Records under whose number another person stands now: they take no name along.
    """
    members = list(groups.members().values())
    held = [Counter(state.assignment[r] for r in mine if r in state.assignment and r not in others) for mine in members]
    naming = {r for r, person in state.assignment.items() if r not in others and _record_of(person) == r}
    owner = dict(_owners(members, held, naming))
    assignment: dict[RecordKey, str] = {}
    for at, mine in enumerate(members):
        kept = [person for person in held[at] if owner.get(person) == at]
        person = min(kept, key=lambda name: (-held[at][name], name)) if kept else _new_name(mine[0], state, others)
        assignment.update(dict.fromkeys(mine, person))
    return assignment


def changes_between(assignment: Mapping[RecordKey, str], before: Mapping[RecordKey, str], others: set[RecordKey]) -> list[Change]:
    """Return every record that belongs to another person than before, in order.

    Args:
        assignment, before: Person of each record, now and before.
        others: Records under whose number another person stands now.
    """
    still, known = set(assignment.values()), set(before.values())
    changes = []
    for record, person in sorted(assignment.items()):
        previous = before.get(record)
        if previous == person:
            continue
        if previous is None:
            action = "join" if person in known or "/".join(record) != person else "new"
        elif record in others:
            action = REPLACED
        else:
            action = "split" if previous in still and person not in known else "merge"
        changes.append(Change(*record, person, previous, action))
    return changes


def _owners(members: list[list[RecordKey]], held: list[Counter[str]], naming: set[RecordKey]) -> Iterator[tuple[str, int]]:
    """Yield each person, and which group goes on under that name: that of the naming record, else the one with most records.

    Args:
        members: The records of each group.
        held: How many records of each person each group has.
        naming: Records that belong to the person named after them.
    """
    home = {record: at for at, mine in enumerate(members) for record in mine}
    claims: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for at, counts in enumerate(held):
        for person, count in counts.items():
            claims[person].append((-count, at))
    for person, found in claims.items():
        record = _record_of(person)
        yield person, home[record] if record in naming else min(found)[1]


def _new_name(record: RecordKey, state: State, others: set[RecordKey]) -> str:
    before = state.replaced[record] + (record in others)
    return "/".join(record) + (f"{_AGAIN}{before + 1}" if before else "")


def _record_of(person: str) -> RecordKey:
    centre, _, person_key = person.partition(_AGAIN)[0].partition("/")
    return centre, person_key
