"""The identity ledger: who is who across sources and centres, in the vault.

A *record* is one person as one centre knows them (`centre`, `person_key`); a *person* is a set of records. The
ledger is a chain of revisions, each a folder that never changes once written:

    ledger/revision-000001/people.parquet   rows first seen, or seen with other content
                           changes.parquet  which record belongs to which person from this revision on
                           edges.parquet    the links that say so, with rule and score; `undone` takes one back
                           decisions.parquet  what people decided: `same`, `different` or `related`
                           review.parquet   pairs that a person should decide
                           revision.json    settings, counts, digests of these files and of the revision before

A link rests on the rows of its two records. When a centre corrects one of them, the links of that record are judged
again, and those that no longer hold are undone. A number that the centre gave to another person gets a new person.

Validity is counted in revisions, so any past state can be opened again (`revision=`). A person is named after one
of its records, which stays the person's name when records join; pseudonyms derive from that name and the key.
Rotating the key therefore changes every pseudonym and no link.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE
from unibase.privacy import dates, pseudonyms
from unibase.privacy.keys import Key
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.corrections import changed_records, other_persons, taken_back
from unibase.privacy.ledger.decided import SAME_AS, centre_merges, new_decisions, pairs_said
from unibase.privacy.ledger.edges import ACCEPT_BITS, Edge
from unibase.privacy.ledger.groups import Groups, join_all
from unibase.privacy.ledger.known_persons import known_persons
from unibase.privacy.ledger.naming import changes_between, name_persons
from unibase.privacy.ledger.revisions import (
    UNDONE,
    Change,
    Revision,
    State,
    about_revision,
    merge_rows,
    revision_folders,
    rows_not_in,
    write_revision,
)
from unibase.privacy.ledger.traits import valid_ins
from unibase.privacy.options import DEFAULT_MAX_SHIFT_DAYS
from unibase.privacy.subjects import Subject, SubjectLookup

OTHER_ROWS = "decision-on-other-rows"
"""Rule of a pair for review: a person decided it, and then the number of one record was given to somebody else."""


@dataclass(frozen=True)
class LinkReport:
    """What one update of the ledger did; holds counts and pseudonyms, no identifier.

    Attributes:
        revision: Number of the ledger's newest revision; the same as before when nothing changed.
        records: Records (centre, person_key) in the ledger.
        persons: Persons in the ledger.
        new_persons: Persons first seen in this update.
        links: Links made in this update, by rule.
        merges: Persons that became part of another one.
        splits: Persons that were cut off another one.
        undone: Links taken back because what they rested on was changed.
        replaced: Numbers under which another person stands now.
        refused: Links not made because they contradict an INS or a decision, by reason.
        review: Pairs that wait for a person's decision.
        changed_subjects: Pseudonyms of persons that gained or lost records or came new: what must be built again.
        gone_subjects: Pseudonyms that stand for nobody any more, because the person merged into another.
    """

    revision: int
    records: int
    persons: int
    new_persons: int = 0
    links: Mapping[str, int] = field(default_factory=dict)
    merges: int = 0
    splits: int = 0
    undone: int = 0
    replaced: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    review: int = 0
    changed_subjects: tuple[int, ...] = ()
    gone_subjects: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Update:
    """What an update is about: rows and decisions that are new, and which records changed."""

    known: pl.DataFrame
    rows: pl.DataFrame
    decisions: pl.DataFrame
    changed: set[RecordKey]
    others: set[RecordKey]
    accept_bits: float


@dataclass(frozen=True)
class _Judged:
    """Who is who after an update, and the links that were made, refused, undone or wait for a person."""

    assignment: dict[RecordKey, str]
    made: list[Edge]
    undone: list[Edge]
    review: list[Edge]
    reasons: Counter[str]


def update_ledger(
    folder: Path | str,
    people: pl.DataFrame,
    key: Key,
    *,
    max_shift_days: int = DEFAULT_MAX_SHIFT_DAYS,
    links: pl.DataFrame | None = None,
    accept_bits: float = ACCEPT_BITS,
) -> LinkReport:
    """Add what the centres now say of their persons to the ledger, and say who is who.

    Rules, strongest first: one person_key of one centre; a decision or `same_as` row; one valid INS, unless birth
    and names contradict it; equal names, sex, full date and place of birth; a score of the evidence. Records with
    two INS, or said to be different, never become one person; a record that fits both of two such persons goes to
    neither. Links of a record whose rows changed are judged again. Equal input leaves the ledger as it is.

    Args:
        folder: The ledger's folder in the vault; made with mode 0700 when absent.
        people: Rows of PEOPLE from all centres at hand, in any order; records seen before may be there or not.
        key: Pseudonymises the persons in the report; the ledger itself does not depend on it.
        max_shift_days: Largest date shift, kept in the revision.
        links: Decisions from `people_file.read_links`.
        accept_bits: Score from which two records are one person.

    Raises:
        UserError: If a link names a record that is not there, or the ledger was changed by hand.
    """
    folder = Path(folder)
    state = State.load(folder)
    people = PEOPLE.conform(people)
    rows = rows_not_in(people, state.people)
    decisions = new_decisions(state, people, links)
    if rows.is_empty() and decisions.is_empty() and state.revision and state.max_shift_days == max_shift_days:
        return LinkReport(state.revision, len(state.assignment), len(set(state.assignment.values())), review=state.review_count)
    rows = PEOPLE.conform(pl.concat([rows, taken_back(state.people, people, rows)]))
    changed = changed_records(state.people, rows)
    known = merge_rows(state.people, rows)
    others = other_persons(state.people, known, changed)
    judged = _judge(state, _Update(known, rows, decisions, changed, others, accept_bits))
    changes = changes_between(judged.assignment, state.assignment, others)
    counts = _counts(judged, changes)
    write_revision(folder, state, Revision(
        rows, changes, [*judged.made, *judged.undone], decisions, judged.review, asdict(counts), max_shift_days,
    ))  # fmt: skip
    return _report(state, judged, changes, counts, key)


def _judge(state: State, update: _Update) -> _Judged:
    """Say who is who: what held before, but for persons of whom a record changed or two were said to be different."""
    before = state.assignment
    records = _ins_of_records(update.known)
    for record in before:
        # A record whose identifiers all moved to another one still names its person.
        records.setdefault(record, set())
    scored, review = _matched(update)
    same = pairs_said(update.decisions, "same")
    # The latest word of a person on a pair counts.
    two = ("different", "related")
    apart = (pairs_said(update.decisions, *two) | pairs_said(state.decisions, *two)) - same
    groups = Groups(records, apart)
    dissolved = {before[one] for one, two in apart if one in before and before.get(two) == before[one]}
    dissolved |= {before[record] for record in update.changed if record in before}
    _join_undisturbed(groups, before, dissolved)
    decided = [Edge(-1.0, left, right, "decision", 99.0) for left, right in sorted(same)]
    decided += centre_merges(state, update.rows)
    inside = [e for e in state.edges if before.get(e.left) in dissolved and before.get(e.left) == before.get(e.right)]
    kept = [edge for edge in inside if _still_stands(edge, update)]
    joined = join_all(groups, [*decided, *kept, *scored])
    assignment = name_persons(groups, state, update.others)
    known = {(edge.left, edge.right): edge for edge in state.edges}
    again = {(edge.left, edge.right) for edge in joined.made}
    undone = [edge for edge in inside if (edge.left, edge.right) not in again and edge not in kept]
    asked = [*review, *joined.refused, *_lost_decisions(inside, update.others)]
    return _Judged(
        assignment,
        [edge for edge in joined.made if known.get((edge.left, edge.right)) != edge],
        [Edge(0.0, edge.left, edge.right, UNDONE, 0.0) for edge in undone],
        _still_open(asked, apart | again, assignment),
        joined.reasons,
    )


_TRAITS = ("ins", "birth_family_name", "used_family_name", "given_names", "birth_date")


def _matched(update: _Update) -> tuple[list[Edge], list[Edge]]:
    """Return the links by evidence and the pairs to review; none where a source knows numbers alone."""
    known = update.known
    if not known["system"].eq("ins").any() and all(known[one].null_count() == known.height for one in _TRAITS):
        return [], []
    # Loads compiled code: half a second, for whoever has no traits to match.
    from unibase.privacy.ledger.matching import edges_between

    fresh = {*update.rows.select("centre", "person_key").iter_rows(), *update.changed}
    return edges_between(known, fresh, accept=update.accept_bits)


def _join_undisturbed(groups: Groups, before: Mapping[RecordKey, str], dissolved: set[str]) -> None:
    """Join again what was one person before, but for the persons that are judged anew."""
    members: dict[str, list[RecordKey]] = defaultdict(list)
    for record, person in sorted(before.items()):
        members[person].append(record)
    for person, mine in members.items():
        if person not in dissolved:
            groups.join_known(mine)


def _still_open(
    asked: Iterable[Edge], settled: set[tuple[RecordKey, RecordKey]], assignment: Mapping[RecordKey, str]
) -> list[Edge]:
    """Return the pairs that a person should decide: not settled, still two persons, each once with its strongest reason."""
    left = [e for e in asked if (e.left, e.right) not in settled and assignment[e.left] != assignment[e.right]]
    return list({(edge.left, edge.right): edge for edge in sorted(left, key=lambda one: -one.rank)}.values())


def _still_stands(edge: Edge, update: _Update) -> bool:
    """Return whether an earlier link needs no new judgement: no row of its records changed, or a person decided it."""
    ends = {edge.left, edge.right}
    if edge.rule in {"decision", "centre-merge"}:
        return not ends & update.others
    return not ends & update.changed


def _lost_decisions(edges: Iterable[Edge], others: set[RecordKey]) -> list[Edge]:
    lost = [edge for edge in edges if edge.rule == "decision" and {edge.left, edge.right} & others]
    return [Edge(0.0, edge.left, edge.right, OTHER_ROWS, edge.score) for edge in lost]


@dataclass(frozen=True)
class _Counts:
    """Counts of a revision: links by rule, refusals by reason, changes by action."""

    records: int
    persons: int
    links: dict[str, int]
    refused: dict[str, int]
    undone: int
    changes: dict[str, int]
    review: int


def _counts(judged: _Judged, changes: list[Change]) -> _Counts:
    return _Counts(
        records=len(judged.assignment),
        persons=len(set(judged.assignment.values())),
        links=dict(sorted(Counter(edge.rule for edge in judged.made).items())),
        refused=dict(sorted(judged.reasons.items())),
        undone=len(judged.undone),
        changes=dict(sorted(Counter(change.action for change in changes).items())),
        review=len(judged.review),
    )


def _report(state: State, judged: _Judged, changes: list[Change], counts: _Counts, key: Key) -> LinkReport:
    now, then = set(judged.assignment.values()), set(state.assignment.values())
    touched = {change.person for change in changes} | {change.previous for change in changes if change.previous}
    subjects = {person: pseudonyms.subject_id(key, person) for person in touched | now}
    if len(set(subjects.values())) < len(subjects):
        raise UserError("Two persons have the same pseudonym under this key (a chance below 1 in 10,000,000). Rotate the key.")
    return LinkReport(
        revision=state.revision + 1,
        records=len(judged.assignment),
        persons=len(now),
        new_persons=len(now - then),
        links=counts.links,
        merges=len({change.previous for change in changes if change.action == "merge"} - now),
        splits=len({change.person for change in changes if change.action == "split"} - then),
        undone=len(judged.undone),
        replaced=counts.changes.get("replaced", 0),
        refused=counts.refused,
        review=len(judged.review),
        changed_subjects=tuple(sorted(subjects[person] for person in touched & now)),
        gone_subjects=tuple(sorted(subjects[person] for person in touched - now)),
    )


def open_lookup(folder: Path | str, key: Key, *, revision: int | None = None) -> SubjectLookup:
    """Return the way from identifiers to pseudonyms and date shifts, as of a revision of the ledger (the newest by default).

    Args:
        folder, revision: The ledger, and the revision to look at.
        key: The study's key, of which pseudonyms and shifts are made.

    Raises:
        UserError: If there is no ledger, no such revision, or a file of it was changed by hand.
    """
    state = State.load(Path(folder), revision)
    if not state.revision:
        raise UserError(f"There is no identity ledger at {folder}. Make it: unibase link PEOPLE... OUT")
    subjects: dict[str, Subject] = {}
    for person in set(state.assignment.values()):
        number = pseudonyms.subject_id(key, person)
        subjects[person] = Subject(number, dates.shift_days(key, number, state.max_shift_days))
    found = {
        (centre, system, identifier): subjects[state.assignment[(centre, person_key)]]
        for centre, person_key, system, identifier in state.people.select(
            "centre", "person_key", "system", "identifier"
        ).iter_rows()
        if system != SAME_AS
    }
    return SubjectLookup(found, persons=known_persons(state, subjects))


def revisions(folder: Path | str) -> list[dict[str, Any]]:
    """Return the content of every `revision.json` of the ledger in `folder`, oldest first.

    >>> revisions(getfixture("tmp_path") / "no-ledger")
    []
    """
    return [about_revision(path) for path in revision_folders(Path(folder))]


def persons(folder: Path | str, *, revision: int | None = None) -> pl.DataFrame:
    """Return `centre, person_key, person` of all records of the ledger in `folder` as of a `revision`; vault only."""
    state = State.load(Path(folder), revision)
    rows = [(centre, person_key, person) for (centre, person_key), person in sorted(state.assignment.items())]
    return pl.DataFrame(rows, schema={"centre": pl.String, "person_key": pl.String, "person": pl.String}, orient="row")


def ledger_people(folder: Path | str, *, revision: int | None = None) -> pl.DataFrame:
    """Return the PEOPLE rows of the ledger in `folder` as of a `revision`; vault only."""
    return State.load(Path(folder), revision).people


def unlisted(folder: Path | str, people: pl.DataFrame, centres: Collection[str]) -> frozenset[tuple[str, str, str]]:
    """Return centre, system and identifier of the records in the ledger that their hospital lists no more; vault only.

    Args:
        folder: The ledger.
        people: PEOPLE rows that the hospitals give now.
        centres: Hospitals that list everybody, each time.
    """
    known = ledger_people(folder).filter(pl.col("centre").is_in(list(centres)), ~is_same_as())
    gone = known.join(people, on=["centre", "person_key"], how="anti")
    return frozenset(gone.select("centre", "system", "identifier").iter_rows())


def first_seen(folder: Path | str) -> pl.DataFrame:
    """Return `centre, system, identifier, revision`: which revision of the ledger in `folder` first knew each; vault only."""
    key = ["centre", "system", "identifier"]
    parts = [
        pl.read_parquet(path / "people.parquet", columns=key).with_columns(pl.lit(number, pl.Int64).alias("revision"))
        for number, path in enumerate(revision_folders(Path(folder)), start=1)
    ]
    schema = {**dict.fromkeys(key, pl.String), "revision": pl.Int64}
    return pl.concat([pl.DataFrame(schema=schema), *parts]).unique(key, keep="first", maintain_order=True).sort(key)


def is_same_as() -> pl.Expr:
    """Return whether a row of PEOPLE is a link to another record, not an identifier."""
    return pl.col("system") == SAME_AS


def _ins_of_records(people: pl.DataFrame) -> dict[RecordKey, set[str]]:
    """Return every record with the valid INS that its rows hold."""
    written = people["ins"].drop_nulls().unique().to_list()
    valid = {text: valid_ins(text) for text in written}
    records: dict[RecordKey, set[str]] = {}
    rows = people.select("centre", "person_key", "ins")
    for centre, person_key, ins in rows.iter_rows():
        found = records.setdefault((centre, person_key), set())
        if ins is not None and valid[ins] is not None:
            found.add(valid[ins])  # type: ignore[arg-type]
    return records
