"""What the rights desk says of minors who come of age: whom to ask, and by when."""

from __future__ import annotations

import getpass
from datetime import date
from pathlib import Path

from unibase.flows.vault.rights_desk import with_ledger
from unibase.flows.vault.who_objects import objecting
from unibase.groundwork.problems import UserError
from unibase.privacy.custody.minors import of_age_between
from unibase.privacy.ledger import persons


def coming_of_age(study_file: Path, since: date, until: date) -> str:
    """Return who comes of age between two days, by their hospital numbers, without those who object already.

    Args:
        study_file: The study file.
        since: First day.
        until: Last day.

    Raises:
        UserError: If the days are the wrong way round, or there is no ledger.
    """
    if since > until:
        raise UserError(f"--since {since} lies after --until {until}. Exchange them.")
    study = with_ledger(study_file)
    people = persons.ledger_people(study.work.identity).filter(~persons.is_same_as())
    known, out = persons.open_lookup(study.work.identity, study.read_key()), objecting(study)
    rows = of_age_between(people, since, until).iter_rows()
    found = [row for row in rows if known.by_identifier[row[:3]].subject_id not in out]
    study.audit.append(getpass.getuser(), "person-of-age", len(found), {"since": str(since), "until": str(until)})
    if not found:
        return f"Nobody of the ledger comes of age from {since} to {until}."
    days = [str(first) if first == last else f"{first} to {last}" for *_, first, last in found]
    lines = [f"  {centre}: {system} {number}  {day}" for (centre, system, number, *_), day in zip(found, days, strict=True)]
    last = "Inform each of them. Who objects then: unibase person exclude."
    return "\n".join([f"From {since} to {until} {len(found)} numbers come of age:", *lines, last])
