"""The identity ledger: who is who across sources and centres, in the vault.

A *record* is one person as one centre knows them (`centre`, `person_key`); a *person* is a set of records. The
ledger is a chain of revisions, each a folder that never changes once written:

    ledger/revision-000001/people.parquet   rows first seen, or seen with other content
                           changes.parquet  which record belongs to which person from this revision on
                           edges.parquet    the links that say so, with rule and score
                           decisions.parquet  what people decided: `same` or `different`
                           review.parquet   pairs that a person should decide
                           revision.json    settings, counts, digests of these files and of the revision before

Validity is counted in revisions, so any past state can be opened again (`revision=`). A person is named after one
of its records, which stays the person's name when records join; pseudonyms derive from that name and the key.
Rotating the key therefore changes every pseudonym and no link.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.files import atomic_folder, sha256_file, write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE, write_parquet
from unibase.privacy import dates, pseudonyms
from unibase.privacy.keys import Key
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.matching import ACCEPT_BITS, Edge, edges_between
from unibase.privacy.ledger.traits import valid_ins
from unibase.privacy.subjects import Subject, SubjectLookup

SAME_AS = "same_as"
"""System of the rows whose identifier names another record: `CENTRE/SYSTEM/IDENTIFIER`."""

_SEXES = {
    "M": "M", "H": "M", "1": "M", "MALE": "M", "HOMME": "M", "MASCULIN": "M", "8507": "M",
    "F": "F", "2": "F", "FEMALE": "F", "FEMME": "F", "FEMININ": "F", "8532": "F",
    "": None, "U": None, "I": None, "O": None, "UNKNOWN": None, "OTHER": None, "INCONNU": None, "0": None, "9": None, "8551": None,
}  # fmt: skip
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_EDGE_SCHEMA = pl.Schema(
    {
        "left_centre": pl.String(),
        "left_key": pl.String(),
        "right_centre": pl.String(),
        "right_key": pl.String(),
        "rule": pl.String(),
        "score": pl.Float64(),
    }
)
_CHANGE_SCHEMA = pl.Schema(
    {
        "centre": pl.String(),
        "person_key": pl.String(),
        "person": pl.String(),
        "previous": pl.String(),
        "action": pl.String(),
    }
)
_DECISION_SCHEMA = pl.Schema(
    {
        "left_centre": pl.String(),
        "left_key": pl.String(),
        "right_centre": pl.String(),
        "right_key": pl.String(),
        "relation": pl.String(),
    }
)


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
    refused: Mapping[str, int] = field(default_factory=dict)
    review: int = 0
    changed_subjects: tuple[int, ...] = ()
    gone_subjects: tuple[int, ...] = ()


def read_people(path: Path | str, centre: str) -> pl.DataFrame:
    """Read the persons a centre knows from CSV or Parquet with columns of the PEOPLE table.

    `identifier` must be there. `system` is `ipp` where absent, `person_key` the identifier, `centre` the argument.
    CSV may use commas, semicolons or tabs and UTF-8 or Windows-1252.

    Returns:
        A frame that conforms to PEOPLE.

    Raises:
        UserError: If the file is absent or a column or value cannot be used; names file, row and column, no value.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"No people file at {path}. Check the key `people` of centre {centre} in the study file.")
    frame = pl.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    known = {column.name for column in PEOPLE.columns}
    strange = [name for name in frame.columns if name not in known]
    if strange:
        raise UserError(f"{path}: unknown column {strange[0]!r}. Columns of a people file: {', '.join(sorted(known))}.")
    if "identifier" not in frame.columns:
        raise UserError(f"{path}: there is no column `identifier` (the hospital number). Add it.")
    frame = frame.with_columns(
        pl.col(name).cast(pl.String()).str.strip_chars().replace("", None) for name in frame.columns if name not in {"source_row"}
    )
    defaults = {
        "centre": pl.lit(centre),
        "system": pl.lit("ipp"),
        "person_key": pl.col("identifier"),
        "source": pl.lit(path.name),
    }
    for name, value in defaults.items():
        if name in frame.columns:
            frame = frame.with_columns(pl.coalesce(pl.col(name), value).alias(name))
        else:
            frame = frame.with_columns(value.alias(name))
    if "source_row" not in frame.columns:
        frame = frame.with_row_index("source_row", offset=1)
    _refuse(frame, pl.col("identifier").is_null(), path, "identifier", "is empty", "Give the hospital number.")
    _refuse(
        frame, pl.col("centre") != centre, path, "centre", f"is not {centre}", "Put each centre's people in a file of its own."
    )
    if "birth_date" in frame.columns:
        real = pl.col("birth_date").map_elements(_is_date, return_dtype=pl.Boolean, skip_nulls=True)
        _refuse(frame, ~real, path, "birth_date", "is not a date", "Write YYYY-MM-DD, or YYYY-MM or YYYY when no more is known.")
    if "sex" in frame.columns:
        folded = pl.col("sex").str.to_uppercase().str.replace_all("É", "E").fill_null("")
        _refuse(frame, ~folded.is_in(list(_SEXES)), path, "sex", "is not understood", "Write M, F or leave it empty.")
        frame = frame.with_columns(folded.replace_strict(_SEXES, return_dtype=pl.String()).alias("sex"))
    twice = pl.struct("centre", "system", "identifier").is_duplicated()
    repeated = frame.filter(twice).unique([c for c in frame.columns if c != "source_row"], keep="first", maintain_order=True)
    if repeated.height > repeated.select("centre", "system", "identifier").unique().height:
        row = repeated.filter(pl.struct("centre", "system", "identifier").is_duplicated())["source_row"][1]
        raise UserError(f"{path}, row {row}, column identifier: this identifier occurs before with other content. Keep one row.")
    return PEOPLE.conform(frame.unique(["centre", "system", "identifier"], keep="first", maintain_order=True))


def read_links(path: Path | str) -> pl.DataFrame:
    """Read decisions on pairs of records from CSV.

    Columns: `left_centre, left_key, right_centre, right_key` (keys are person_key) and, if wanted, `relation`: `same`
    (the default) or `different`.

    Raises:
        UserError: If a column is missing or a cell empty; names file, row and column.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"No table of links at {path}. Check its name.")
    frame = _read_csv(path).with_row_index("row", offset=1)
    for name in ("left_centre", "left_key", "right_centre", "right_key"):
        if name not in frame.columns:
            raise UserError(f"{path}: there is no column `{name}`. A table of links has {', '.join(_DECISION_SCHEMA)}.")
    if "relation" not in frame.columns:
        frame = frame.with_columns(pl.lit("same").alias("relation"))
    frame = frame.with_columns(
        pl.col("relation").fill_null("same").str.to_lowercase(),
        *(pl.col(name).str.strip_chars() for name in _DECISION_SCHEMA if name != "relation"),
    )
    for name in _DECISION_SCHEMA:
        empty = frame.filter(pl.col(name).is_null() | (pl.col(name) == ""))
        if empty.height:
            raise UserError(f"{path}, row {empty['row'][0]}, column {name}: is empty. Fill it or remove the row.")
    wrong = frame.filter(~pl.col("relation").is_in(["same", "different"]))
    if wrong.height:
        raise UserError(f"{path}, row {wrong['row'][0]}, column relation: must be `same` or `different`.")
    return frame.select(_DECISION_SCHEMA.names())


def update_ledger(
    folder: Path | str,
    people: pl.DataFrame,
    key: Key,
    *,
    max_shift_days: int = dates.DEFAULT_MAX_SHIFT_DAYS,
    links: pl.DataFrame | None = None,
    accept_bits: float = ACCEPT_BITS,
) -> LinkReport:
    """Add what the centres now say of their persons to the ledger, and say who is who.

    Rules, strongest first: one person_key of one centre; a decision or `same_as` row; one valid INS, unless birth
    and names contradict it; equal names, sex, full date and place of birth; a score of the evidence. Records with
    two INS, or said to be different, never become one person. Equal input leaves the ledger as it is.

    Args:
        folder: The ledger's folder in the vault; made with mode 0700 when absent.
        people: Rows of PEOPLE from all centres at hand, in any order; rows seen before may be there or not.
        key: Pseudonymises the persons in the report; the ledger itself does not depend on it.
        max_shift_days: Largest date shift, kept in the revision.
        links: Decisions from `read_links`.
        accept_bits: Score from which two records are one person.

    Raises:
        UserError: If a link names a record that is not there, or the ledger was changed by hand.
    """
    folder = Path(folder)
    state = _State.load(folder)
    people = PEOPLE.conform(people)
    new_rows = _rows_not_in(people, state.people)
    decisions = _decisions(state, people, links)
    if new_rows.is_empty() and decisions.is_empty() and state.revision and state.max_shift_days == max_shift_days:
        return LinkReport(state.revision, len(state.assignment), len(set(state.assignment.values())), review=state.review_count)
    known = _merge_rows(state.people, new_rows)
    records = _ins_of_records(known)
    for record in state.assignment:
        # A record whose identifiers all moved to another one still names its person.
        records.setdefault(record, set())
    fresh = {(centre, person_key) for centre, person_key in new_rows.select("centre", "person_key").iter_rows()}
    before = state.assignment
    scored, review = edges_between(known, fresh, accept=accept_bits)
    apart = _pairs(decisions, "different") | _pairs(state.decisions, "different")
    decided = [Edge(-1.0, left, right, "decision", 99.0) for left, right in sorted(_pairs(decisions, "same"))]
    decided += _centre_merges(state, new_rows)
    # The latest word of a person on a pair counts.
    apart -= _pairs(decisions, "same")
    groups = _Groups(records, apart)
    dissolved = {before[one] for one, two in apart if one in before and before.get(two) == before[one]}
    for record, person in sorted(before.items()):
        if person not in dissolved:
            groups.join_known(record, _record_of(person))
    inside = [e for e in state.edges if before.get(e.left) in dissolved and before.get(e.left) == before.get(e.right)]
    made: list[Edge] = []
    refused: Counter[str] = Counter()
    for edge in sorted([*decided, *inside, *scored]):
        problem = groups.join(edge.left, edge.right)
        if problem is None:
            made.append(edge)
        else:
            refused[problem] += 1
            if problem != "said-to-be-different":
                review.append(edge)
    assignment = _name_persons(groups, before)
    changes = _changes(assignment, before)
    known_edges = {(edge.left, edge.right) for edge in state.edges}
    made = [edge for edge in made if (edge.left, edge.right) not in known_edges]
    settled = apart | {(edge.left, edge.right) for edge in made}
    review = [e for e in review if (e.left, e.right) not in settled and assignment[e.left] != assignment[e.right]]
    now, then = set(assignment.values()), set(before.values())
    touched = {change["person"] for change in changes} | {change["previous"] for change in changes if change["previous"]}
    actions = Counter(change["action"] for change in changes)
    counts = {
        "records": len(assignment),
        "persons": len(now),
        "links": dict(sorted(Counter(edge.rule for edge in made).items())),
        "refused": dict(sorted(refused.items())),
        "changes": dict(sorted(actions.items())),
        "review": len(review),
    }
    _write_revision(folder, state, new_rows, changes, made, decisions, review, counts, max_shift_days)
    subjects = {person: pseudonyms.subject_id(key, person) for person in touched | now}
    if len(set(subjects.values())) < len(subjects):
        raise UserError("Two persons have the same pseudonym under this key (a chance below 1 in 10,000,000). Rotate the key.")
    return LinkReport(
        revision=state.revision + 1,
        records=len(assignment),
        persons=len(now),
        new_persons=len(now - then),
        links=counts["links"],  # type: ignore[arg-type]
        merges=len({c["previous"] for c in changes if c["action"] == "merge"} - now),
        splits=len({c["person"] for c in changes if c["action"] == "split"} - then),
        refused=counts["refused"],  # type: ignore[arg-type]
        review=len(review),
        changed_subjects=tuple(sorted(subjects[person] for person in touched & now)),
        gone_subjects=tuple(sorted(subjects[person] for person in touched - now)),
    )


def open_lookup(folder: Path | str, key: Key, *, revision: int | None = None) -> SubjectLookup:
    """Return the way from identifiers to pseudonyms and date shifts, as of a revision of the ledger (the newest by default).

    Raises:
        UserError: If there is no ledger, no such revision, or a file of it was changed by hand.
    """
    state = _State.load(Path(folder), revision)
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
    return SubjectLookup(found)


def revisions(folder: Path | str) -> list[dict[str, Any]]:
    """Return the content of every `revision.json` of a ledger, oldest first."""
    return [json.loads((path / "revision.json").read_text(encoding="utf-8")) for path in _revision_folders(Path(folder))]


def persons(folder: Path | str, *, revision: int | None = None) -> pl.DataFrame:
    """Return `centre, person_key, person` of all records as of a revision; vault only."""
    state = _State.load(Path(folder), revision)
    rows = [(centre, person_key, person) for (centre, person_key), person in sorted(state.assignment.items())]
    return pl.DataFrame(rows, schema={"centre": pl.String, "person_key": pl.String, "person": pl.String}, orient="row")


def ledger_people(folder: Path | str, *, revision: int | None = None) -> pl.DataFrame:
    """Return the PEOPLE rows of a ledger as of a revision; vault only."""
    return _State.load(Path(folder), revision).people


def links_that_hold(records: Mapping[RecordKey, set[str]], links: Iterable[Edge]) -> tuple[list[Edge], list[Edge]]:
    """Return (links that hold together, links that would put two INS into one person), taken in the order of `links`.

    Args:
        records: Every record with its INS, or tokens of them.
        links: Links, the strongest first.
    """
    groups = _Groups(records, ())
    hold: list[Edge] = []
    refused: list[Edge] = []
    for edge in links:
        problem = groups.join(edge.left, edge.right)
        if problem is None:
            hold.append(edge)
        else:
            refused.append(replace(edge, rule=problem))
    return hold, refused


def is_same_as() -> pl.Expr:
    """Return whether a row of PEOPLE is a link to another record, not an identifier."""
    return pl.col("system") == SAME_AS


def _read_csv(path: Path) -> pl.DataFrame:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    header = [name.strip() for name in next(rows, [])]
    if len(set(header)) < len(header):
        raise UserError(f"{path}: a column name occurs twice in its first line. Rename one.")
    columns: list[list[str]] = [[] for _ in header]
    for number, row in enumerate(rows, start=1):
        if not row:
            continue
        if len(row) != len(header):
            raise UserError(f"{path}, row {number}: has {len(row)} fields where the header has {len(header)}. Correct the row.")
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return pl.DataFrame(dict(zip(header, columns, strict=True)), schema=dict.fromkeys(header, pl.String))


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text)) and _possible(text)


def _possible(text: str) -> bool:
    from datetime import date

    parts = [int(part) for part in text.split("-")]
    try:
        date(*[*parts, 1, 1][:3])
    except ValueError:
        return False
    return 1850 <= parts[0] <= 2200


def _refuse(frame: pl.DataFrame, wrong: pl.Expr, path: Path, column: str, what: str, remedy: str) -> None:
    rows = frame.filter(wrong)
    if rows.height:
        others = f" (and {rows.height - 1} more rows)" if rows.height > 1 else ""
        raise UserError(f"{path}, row {rows['source_row'][0]}, column {column}: {what}{others}. {remedy}")


def _record_of(person: str) -> RecordKey:
    centre, _, person_key = person.partition("/")
    return centre, person_key


@dataclass
class _State:
    """The ledger as of one revision."""

    revision: int
    people: pl.DataFrame
    assignment: dict[RecordKey, str]
    edges: list[Edge]
    decisions: pl.DataFrame
    max_shift_days: int
    review_count: int
    digest: str

    @classmethod
    def load(cls, folder: Path, revision: int | None = None) -> _State:
        people = PEOPLE.empty()
        assignment: dict[RecordKey, str] = {}
        edges: list[Edge] = []
        decisions = [pl.DataFrame(schema=_DECISION_SCHEMA)]
        number, digest, max_shift_days, review_count = 0, "", 0, 0
        for path in _revision_folders(folder):
            if revision is not None and number == revision:
                break
            about = json.loads((path / "revision.json").read_text(encoding="utf-8"))
            number += 1
            if about["revision"] != number or about["previous"] != digest:
                raise UserError(
                    f"The ledger {folder} is not whole: {path.name} does not follow the one before. Restore a backup."
                )
            for name, expected in about["files"].items():
                if not (path / name).is_file() or sha256_file(path / name) != expected:
                    raise UserError(f"{path / name} was changed after it was written. Restore a backup of the ledger.")
            digest = sha256_file(path / "revision.json")
            max_shift_days, review_count = about["max_shift_days"], about["counts"]["review"]
            people = _merge_rows(people, pl.read_parquet(path / "people.parquet"))
            for centre, person_key, person in (
                pl.read_parquet(path / "changes.parquet").select("centre", "person_key", "person").iter_rows()
            ):
                assignment[(centre, person_key)] = person
            for lc, lk, rc, rk, rule, score in pl.read_parquet(path / "edges.parquet").iter_rows():
                edges.append(Edge(_rank(rule, score), (lc, lk), (rc, rk), rule, score))
            decisions.append(pl.read_parquet(path / "decisions.parquet"))
        if revision is not None and number != revision:
            raise UserError(f"The ledger {folder} has no revision {revision}; its newest is {number}.")
        return cls(number, people, assignment, edges, _latest(pl.concat(decisions)), max_shift_days, review_count, digest)


def _rank(rule: str, score: float) -> float:
    return {"decision": -1.0, "centre-merge": -1.0, "ins": 0.0, "same-traits": 1.0}.get(rule, 1_000.0 - score)


def _revision_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("revision-[0-9]*") if path.is_dir())


def _latest(decisions: pl.DataFrame) -> pl.DataFrame:
    pair = ["left_centre", "left_key", "right_centre", "right_key"]
    return decisions.unique(pair, keep="last", maintain_order=True).sort(pair)


def _merge_rows(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([old, new]).unique(list(PEOPLE.key), keep="last", maintain_order=True).sort(PEOPLE.key)


_CONTENT = [column.name for column in PEOPLE.columns if column.name not in {"source", "source_row"}]


def _rows_not_in(people: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    return people.join(known.select(_CONTENT), on=_CONTENT, how="anti", nulls_equal=True).sort(PEOPLE.key)


def _ins_of_records(people: pl.DataFrame) -> dict[RecordKey, set[str]]:
    """Return every record with the valid INS that its rows hold."""
    valid = {text: valid_ins(text) for text in people["ins"].drop_nulls().unique().to_list()}
    records: dict[RecordKey, set[str]] = {}
    for centre, person_key, ins in people.select("centre", "person_key", "ins").iter_rows():
        found = records.setdefault((centre, person_key), set())
        if ins is not None and valid[ins] is not None:
            found.add(valid[ins])  # type: ignore[arg-type]
    return records


def _decisions(state: _State, people: pl.DataFrame, links: pl.DataFrame | None) -> pl.DataFrame:
    """Return the decisions not known yet, from the table of links and the `same_as` rows, each with left < right."""
    every = pl.concat(
        [
            state.people.select("centre", "system", "identifier", "person_key"),
            people.select("centre", "system", "identifier", "person_key"),
        ]
    )
    key_of = {(c, s, i): k for c, s, i, k in every.iter_rows()}
    known_records = {(centre, person_key) for (centre, _, _), person_key in key_of.items()}
    rows: list[tuple[RecordKey, RecordKey, str]] = []
    for centre, identifier, person_key, number in (
        people.filter(pl.col("system") == SAME_AS).select("centre", "identifier", "person_key", "source_row").iter_rows()
    ):
        parts = identifier.split("/", 2)
        other = key_of.get((parts[0], parts[1], parts[2])) if len(parts) == 3 else None
        if other is None:
            raise UserError(
                f"people of centre {centre}, row {number}: a `same_as` row must name a known CENTRE/SYSTEM/IDENTIFIER. Correct it."
            )
        rows.append(((centre, person_key), (parts[0], other), "same"))
    if links is not None:
        for number, (lc, lk, rc, rk, relation) in enumerate(links.select(_DECISION_SCHEMA.names()).iter_rows(), start=1):
            for record in ((lc, lk), (rc, rk)):
                if record not in known_records:
                    raise UserError(f"table of links, row {number}: no such person_key in centre {record[0]}. Correct the row.")
            rows.append(((lc, lk), (rc, rk), relation))
    found: dict[tuple[RecordKey, RecordKey], str] = {}
    for one, two, relation in rows:
        if one != two:
            left, right = sorted((one, two))
            found[(left, right)] = relation
    known = {((lc, lk), (rc, rk)): relation for lc, lk, rc, rk, relation in state.decisions.iter_rows()}
    fresh = [(*pair[0], *pair[1], relation) for pair, relation in sorted(found.items()) if known.get(pair) != relation]
    return pl.DataFrame(fresh, schema=_DECISION_SCHEMA, orient="row")


def _centre_merges(state: _State, new_rows: pl.DataFrame) -> list[Edge]:
    """Return a link for every record all of whose identifiers a centre has moved to one other record of its own."""
    old = {(c, s, i): k for c, s, i, k in state.people.select("centre", "system", "identifier", "person_key").iter_rows()}
    size = Counter((centre, person_key) for (centre, _, _), person_key in old.items())
    moved: Counter[tuple[RecordKey, RecordKey]] = Counter()
    for centre, system, identifier, person_key in new_rows.select("centre", "system", "identifier", "person_key").iter_rows():
        previous = old.get((centre, system, identifier))
        if previous is not None and previous != person_key:
            moved[((centre, previous), (centre, person_key))] += 1
    edges = []
    for (gone, into), count in sorted(moved.items()):
        if count == size[gone]:
            left, right = sorted((gone, into))
            edges.append(Edge(-1.0, left, right, "centre-merge", 99.0))
    return edges


def _pairs(decisions: pl.DataFrame, relation: str) -> set[tuple[RecordKey, RecordKey]]:
    return {((lc, lk), (rc, rk)) for lc, lk, rc, rk, what in decisions.iter_rows() if what == relation}


class _Groups:
    """Records joined into persons, unless that would put two INS or two records said to be different together."""

    def __init__(self, records: Mapping[RecordKey, set[str]], apart: Iterable[tuple[RecordKey, RecordKey]]) -> None:
        self._parent = {record: record for record in records}
        self._ins = dict(records)
        self._apart: dict[RecordKey, set[RecordKey]] = defaultdict(set)
        for one, two in apart:
            if one in self._parent and two in self._parent:
                self._apart[one].add(two)
                self._apart[two].add(one)

    def root(self, record: RecordKey) -> RecordKey:
        parent = self._parent
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    def join(self, one: RecordKey, two: RecordKey) -> str | None:
        """Make two persons one; return None, or why it must not be."""
        left, right = self.root(one), self.root(two)
        if left == right:
            return None
        if self._ins[left] and self._ins[right] and self._ins[left] != self._ins[right]:
            return "two-ins"
        if any(self.root(other) == right for other in self._apart[left]):
            return "said-to-be-different"
        self._unite(left, right)
        return None

    def join_known(self, one: RecordKey, two: RecordKey) -> None:
        """Make one what an earlier revision held to be one person."""
        left, right = self.root(one), self.root(two)
        if left != right:
            self._unite(left, right)

    def _unite(self, left: RecordKey, right: RecordKey) -> None:
        left, right = sorted((left, right))
        self._parent[right] = left
        self._ins[left] = self._ins[left] | self._ins[right]
        self._apart[left] |= self._apart.pop(right, set())

    def members(self) -> dict[RecordKey, list[RecordKey]]:
        groups: dict[RecordKey, list[RecordKey]] = defaultdict(list)
        for record in sorted(self._parent):
            groups[self.root(record)].append(record)
        return groups


def _name_persons(groups: _Groups, before: Mapping[RecordKey, str]) -> dict[RecordKey, str]:
    """Name every group: by the person whose naming record it holds, the most records first; else by its first record."""
    assignment: dict[RecordKey, str] = {}
    for members in groups.members().values():
        inside = set(members)
        held = Counter(before[record] for record in members if record in before)
        kept = [person for person in held if _record_of(person) in inside]
        person = min(kept, key=lambda name: (-held[name], name)) if kept else "/".join(members[0])
        assignment.update(dict.fromkeys(members, person))
    return assignment


def _changes(assignment: Mapping[RecordKey, str], before: Mapping[RecordKey, str]) -> list[dict[str, Any]]:
    still = set(assignment.values())
    known = set(before.values())
    changes = []
    for record, person in sorted(assignment.items()):
        previous = before.get(record)
        if previous == person:
            continue
        if previous is None:
            action = "join" if person in known or "/".join(record) != person else "new"
        else:
            action = "split" if previous in still and person not in known else "merge"
        changes.append({"centre": record[0], "person_key": record[1], "person": person, "previous": previous, "action": action})
    return changes


def _edge_frame(edges: Iterable[Edge]) -> pl.DataFrame:
    rows = sorted((*edge.left, *edge.right, edge.rule, edge.score) for edge in edges)
    return pl.DataFrame(rows, schema=_EDGE_SCHEMA, orient="row")


def _write_revision(
    folder: Path,
    state: _State,
    new_rows: pl.DataFrame,
    changes: list[dict[str, Any]],
    made: list[Edge],
    decisions: pl.DataFrame,
    review: list[Edge],
    counts: dict[str, Any],
    max_shift_days: int,
) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = state.revision + 1
    with atomic_folder(folder / f"revision-{number:06d}") as temporary:
        temporary.chmod(0o700)
        write_parquet(new_rows, temporary / "people.parquet")
        write_parquet(pl.DataFrame(changes, schema=_CHANGE_SCHEMA), temporary / "changes.parquet")
        write_parquet(_edge_frame(made), temporary / "edges.parquet")
        write_parquet(decisions, temporary / "decisions.parquet")
        write_parquet(_edge_frame(review), temporary / "review.parquet")
        files = {path.name: sha256_file(path) for path in sorted(temporary.glob("*.parquet"))}
        about = {
            "revision": number,
            "previous": state.digest,
            "max_shift_days": max_shift_days,
            "counts": counts,
            "files": files,
        }
        write_json(temporary / "revision.json", about)
        for path in temporary.iterdir():
            path.chmod(0o600)
