"""Which earlier releases hold a person they should no longer hold: who has left since, or is another person than was thought."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from pathlib import Path

import polars as pl

from unibase.flows.study.study_file import Study
from unibase.privacy import pseudonyms
from unibase.privacy.keys import Key
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.comparable import RecordKey
from unibase.releases.catalogue.marked_versions import Mark, write_marks
from unibase.releases.catalogue.site import published
from unibase.releases.content import manifest

_NEWEST = 0


def mark_releases(study: Study, key: Key, known: Collection[int]) -> bool:
    """Mark the releases of a study that hold persons who left, or whose identity was corrected; return whether that is news.

    Releases under another key are not looked at: whose pseudonyms they hold needs that key (`unibase person register`).

    Args:
        study: The study.
        key: Its key.
        known: Subjects who are in the study now.
    """
    folder = study.path(study.releases) / study.study
    mine = {path: manifest.read(path) for path in published(folder.parent) if path.parent == folder}
    if not mine or study.custodians:
        return False
    people = cache(partial(_people, study))
    return write_marks(folder, {path.name: _marks(path, about, key, people, known) for path, about in mine.items()})


def _marks(
    release: Path, about: Mapping[str, object], key: Key, people: Callable[[int], dict[RecordKey, str]], known: Collection[int]
) -> tuple[Mark, ...]:
    if about.get("key_fingerprint") != key.fingerprint:
        return ()
    ids = set(pl.read_parquet(release / "tables" / "subjects.parquet", columns=["subject_id"])["subject_id"].to_list())
    then = people(int(str(about.get("ledger_revision") or _NEWEST)))
    return marks_of(ids, {name: pseudonyms.subject_id(key, name) for name in then.values()}, then, people(_NEWEST), known)


def _people(study: Study, revision: int) -> dict[RecordKey, str]:
    """Return the person of each record, as of a revision of the ledger."""
    rows = persons.persons(study.work.identity, revision=None if revision == _NEWEST else revision).iter_rows()
    return {(centre, person_key): person for centre, person_key, person in rows}


def marks_of(
    ids: Collection[int],
    number: Mapping[str, int],
    then: Mapping[RecordKey, str],
    now: Mapping[RecordKey, str],
    known: Collection[int],
) -> tuple[Mark, ...]:
    """Return the marks of one release.

    Args:
        ids: Its subjects.
        number: The subject of each person of the ledger as it was then.
        then: The person of each record when it was made.
        now: The person of each record now.
        known: Subjects who are in the study now.

    Example:
        >>> record, other = ("lyon", "1"), ("CHU-été", "7")
        >>> marks_of({11}, {"a": 11}, {record: "a", other: "a"}, {record: "a", other: "b"}, {11, 12})
        ('identity',)
        >>> marks_of({11}, {"a": 11}, {record: "a"}, {record: "a"}, set())
        ('left',)
    """
    names: dict[int, set[str | None]] = defaultdict(set)
    for record, person in then.items():
        if number[person] in ids:
            names[number[person]].add(now.get(record))
    person_of = {one: person for person, one in number.items()}
    other = {one for one, mine in names.items() if len(mine) > 1 or not mine <= {person_of[one], None}}
    gone = {one for one in ids if one not in known} - other
    return (*(("identity",) if other else ()), *(("left",) if gone else ()))
