"""Two custodians, two keys: neither can go from a pseudonym to a person, or back, without the other.

- The *identity custodian* holds the identity ledger and the first key. Out of the ledger it makes tokens, one a person,
  and hands them on without any identity.
- The *study custodian* holds the second key and no identity. It makes of each token the subject's pseudonym and shift.

The first knows persons and tokens, but cannot compute a pseudonym; the second knows tokens and pseudonyms, but no
person. Whoever stages data needs the answer of both for the identifiers it meets (`assemble`), and keeps it no longer
than staging runs. To find the person behind a pseudonym, both must act: the study custodian names the token, the
identity custodian the person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from unibase.groundwork.files import write_text
from unibase.groundwork.problems import UserError
from unibase.privacy import dates, pseudonyms
from unibase.privacy.keys import Key
from unibase.privacy.ledger import persons
from unibase.privacy.options import DEFAULT_MAX_SHIFT_DAYS
from unibase.privacy.subjects import Subject, SubjectLookup


def person_tokens(folder: Path | str, first_key: Key, *, revision: int | None = None) -> dict[tuple[str, str], str]:
    """Identity custodian: return the token of every record `(centre, person_key)` of the ledger in `folder`.

    Args:
        folder, revision: The ledger, and its revision; the newest by default.
        first_key: The identity custodian's key, of which tokens are made.
    """
    frame = persons.persons(folder, revision=revision)
    return {(centre, person_key): _token(first_key, person) for centre, person_key, person in frame.iter_rows()}


def subjects_of_tokens(
    tokens: Iterable[str], second_key: Key, max_shift_days: int = DEFAULT_MAX_SHIFT_DAYS
) -> dict[str, Subject]:
    """Study custodian: return pseudonym and date shift of each of the `tokens`; it sees nothing else.

    Args:
        second_key: The study custodian's key.
        max_shift_days: Dates move back by 1 to this many days.

    >>> sorted(subjects_of_tokens(["a1", "b2", "a1"], Key(bytes(32))))
    ['a1', 'b2']
    """
    subjects = {}
    for token in sorted(set(tokens)):
        number = pseudonyms.subject_id(second_key, token)
        subjects[token] = Subject(number, dates.shift_days(second_key, number, max_shift_days))
    return subjects


def assemble(
    folder: Path | str, tokens: Mapping[tuple[str, str], str], subjects: Mapping[str, Subject], *, revision: int | None = None
) -> SubjectLookup:
    """Staging: return the lookup from identifiers to subjects, out of the answers of both custodians.

    Args:
        folder, revision: The ledger, and its revision; the newest by default.
        tokens, subjects: What the identity custodian and what the study custodian answered.

    Raises:
        UserError: If the study custodian's answer lacks a token: the ledger has grown since.
    """
    people = persons.ledger_people(folder, revision=revision).filter(~persons.is_same_as())
    unknown = set(people.select("centre", "person_key").iter_rows()) - set(tokens)
    if unknown:
        raise UserError(
            f"{len(unknown)} records have no token yet. Make the tokens again (unibase custodian tokens), and send them to the "
            "study custodian."
        )
    missing = set(tokens.values()) - set(subjects)
    if missing:
        raise UserError(f"{len(missing)} persons have no pseudonym yet. Send the new tokens to the study custodian.")
    return _lookup(people, tokens, subjects)


def revealed(folder: Path | str, tokens: Mapping[tuple[str, str], str], subjects: Mapping[str, Subject]) -> SubjectLookup:
    """Both together, on the way back: return the lookup of those `subjects` alone that the study custodian gave.

    `folder`, `tokens`: the ledger, and the token of each of its records.
    """
    people = persons.ledger_people(folder).filter(~persons.is_same_as())
    return _lookup(people, tokens, subjects)


def only(subjects: Mapping[str, Subject], asked: Collection[int]) -> dict[str, Subject]:
    """Study custodian: return the `subjects`, by token, whose pseudonym is `asked` for; those it lacks are left out.

    >>> only({"a1": Subject(7, -3), "b2": Subject(8, -5)}, {8, 9})
    {'b2': Subject(subject_id=8, shift_days=-5)}
    """
    return {token: subject for token, subject in subjects.items() if subject.subject_id in asked}


def _lookup(people: pl.DataFrame, tokens: Mapping[tuple[str, str], str], subjects: Mapping[str, Subject]) -> SubjectLookup:
    found = {}
    rows = people.select("centre", "person_key", "system", "identifier")
    for centre, person_key, system, identifier in rows.iter_rows():
        subject = subjects.get(tokens.get((centre, person_key), ""))
        if subject is not None:
            found[centre, system, identifier] = subject
    return SubjectLookup(found)


def read_tokens(path: Path) -> dict[tuple[str, str], str]:
    """Read the tokens of records from `path`, where `write_tokens` wrote them: `centre, person_key, token`."""
    rows = _read(path, "centre", "person_key", "token").iter_rows()
    return {(centre, person_key): token for centre, person_key, token in rows}


def read_subjects(path: Path) -> dict[str, Subject]:
    """Read the study custodian's answer from `path`, where `write_subjects` wrote it: `token, subject_id, shift_days`.

    Raises:
        UserError: If a row is none; names file and row.
    """
    frame = _read(path, "token", "subject_id", "shift_days")
    numbers = frame.select("token", pl.col("subject_id", "shift_days").cast(pl.Int64, strict=False))
    wrong = numbers.with_row_index("row", 1).filter(pl.any_horizontal(pl.all().is_null()))
    if wrong.height:
        raise UserError(
            f"{path}, row {wrong['row'][0]}: is not token, subject_id, shift_days. Ask the study custodian for the file again."
        )
    return {token: Subject(subject, shift) for token, subject, shift in numbers.iter_rows()}


def write_tokens(tokens: Mapping[tuple[str, str], str], path: Path) -> None:
    """Write the `tokens` of records to `path`, mode 0600: vault only.

    >>> path = getfixture("tmp_path") / "tokens.csv"
    >>> write_tokens({("lyon", "12"): "a1"}, path)
    >>> read_tokens(path)
    {('lyon', '12'): 'a1'}
    """
    rows = [(*record, token) for record, token in sorted(tokens.items())]
    _write(path, ("centre", "person_key", "token"), rows)


def write_subjects(subjects: Mapping[str, Subject], path: Path) -> None:
    """Write pseudonym and shift of every token in `subjects` to `path`, mode 0600.

    >>> write_subjects({"a1": Subject(7, -3)}, getfixture("tmp_path") / "subjects.csv")
    >>> read_subjects(getfixture("tmp_path") / "subjects.csv")
    {'a1': Subject(subject_id=7, shift_days=-3)}
    """
    _write(path, ("token", "subject_id", "shift_days"), [(token, *subject) for token, subject in sorted(subjects.items())])


def read_token_list(path: Path) -> list[str]:
    """Read the tokens that the identity custodian handed on: the column `token` of the table at `path`."""
    return _read(path, "token")["token"].to_list()


def write_token_list(tokens: Iterable[str], path: Path) -> None:
    """Write distinct `tokens` to `path` without any identity, sorted, so that their order tells nothing.

    >>> write_token_list(["b2", "a1", "b2"], getfixture("tmp_path") / "list.csv")
    >>> read_token_list(getfixture("tmp_path") / "list.csv")
    ['a1', 'b2']
    """
    _write(path, ("token",), [(token,) for token in sorted(set(tokens))])


def _read(path: Path, *columns: str) -> pl.DataFrame:
    if not path.is_file():
        raise UserError(f"No file of a custodian at {path}. Make it: unibase custodian --help")
    frame = pl.read_csv(path, infer_schema=False)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise UserError(f"{path}: there is no column `{missing[0]}`. The file comes from `unibase custodian`.")
    return frame.select(columns)


def _write(path: Path, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    write_text(path, pl.DataFrame(rows, schema=list(columns), orient="row", infer_schema_length=None).write_csv(), mode=0o600)


def _token(key: Key, person: str) -> str:
    return key.mac("custodian-token", person).hex()
