"""Whom the register of objections means, as a build takes it: by number, by what is left of a number, by INS."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from unibase.flows.study.places import OBJECTIONS
from unibase.flows.study.study_file import Study
from unibase.privacy.custody.objections import identifiers, read_register
from unibase.privacy.ledger.persons import open_lookup


class Entry(NamedTuple):
    """A row of the register."""

    centre: str
    system: str
    identifier: str
    channel: str


def objecting(study: Study) -> dict[int, list[Entry]]:
    """Return the rows of the register that mean each subject who objects, by pseudonym.

    Args:
        study: A study with a ledger.
    """
    register = read_register(OBJECTIONS.of(study.work.root))
    meant = open_lookup(study.work.identity, study.read_key()).meant(identifiers(register))
    found: dict[int, list[Entry]] = defaultdict(list)
    for row in register.sort("centre", "system", "identifier", "channel").iter_rows():
        entry = Entry(*row)
        for subject in meant[entry[:3]]:
            found[subject.subject_id].append(entry)
    return found
