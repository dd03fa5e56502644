"""The chain of revisions of an identity ledger on disk: read as of any of them, and written one further."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from unibase.groundwork.files import atomic_folder, digest_of, json_text, sha256_file, write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE, write_parquet
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.edges import Edge
from unibase.privacy.ledger.people_file import DECISIONS
from unibase.privacy.tables import CHANGES, EDGES

UNDONE = "undone"
"""Rule of a row of edges that takes an earlier link back: what it rested on was changed."""
REPLACED = "replaced"
"""Action of a record whose number the centre gave to another person."""

_EDGES, _CHANGES = EDGES.schema(), CHANGES.schema()
_CONTENT = [column.name for column in PEOPLE.columns if column.name not in {"source", "source_row"}]


class Change(NamedTuple):
    """A record that belongs to another person than before: `new`, `join`, `merge`, `split` or `replaced`."""

    centre: str
    person_key: str
    person: str
    previous: str | None
    action: str


@dataclass(frozen=True)
class Revision:
    """What one update adds to a ledger."""

    rows: pl.DataFrame
    changes: list[Change]
    made: list[Edge]
    decisions: pl.DataFrame
    review: list[Edge]
    counts: Mapping[str, Any]
    max_shift_days: int


@dataclass
class State:
    """The ledger as of one revision.

    `replaced` counts how often a record's number was given to another person: its name then differs from before.
    """

    revision: int = 0
    people: pl.DataFrame = field(default_factory=PEOPLE.empty)
    assignment: dict[RecordKey, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    decisions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DECISIONS))
    max_shift_days: int = 0
    review_count: int = 0
    digest: str = ""
    replaced: Counter[RecordKey] = field(default_factory=Counter)

    @classmethod
    def load(cls, folder: Path, revision: int | None = None) -> State:
        """Read the ledger in `folder` up to a `revision` (all by default), and check on the way that it is whole.

        Raises:
            UserError: If a revision is missing or was changed by hand, or there is none of that number.
        """
        state = cls()
        edges: dict[tuple[RecordKey, RecordKey], Edge] = {}
        decisions = [state.decisions]
        for path in revision_folders(folder):
            if revision is not None and state.revision == revision:
                break
            state._follow(path, folder)
            state.people = merge_rows(state.people, PEOPLE.conform(pl.read_parquet(path / "people.parquet")))
            for centre, person_key, person, action in (
                pl.read_parquet(path / "changes.parquet").select("centre", "person_key", "person", "action").iter_rows()
            ):
                state.assignment[(centre, person_key)] = person
                state.replaced[(centre, person_key)] += action == REPLACED
            for lc, lk, rc, rk, rule, score in pl.read_parquet(path / "edges.parquet").iter_rows():
                edges.pop(((lc, lk), (rc, rk)), None)
                if rule != UNDONE:
                    edges[((lc, lk), (rc, rk))] = Edge(_rank(rule, score), (lc, lk), (rc, rk), rule, score)
            decisions.append(pl.read_parquet(path / "decisions.parquet"))
        if revision is not None and state.revision != revision:
            raise UserError(f"The ledger {folder} has no revision {revision}; its newest is {state.revision}.")
        state.edges, state.decisions = list(edges.values()), _latest(pl.concat(decisions))
        return state

    def _follow(self, path: Path, folder: Path) -> None:
        about = about_revision(path)
        self.revision += 1
        if about["revision"] != self.revision or about["previous"] != self.digest:
            raise UserError(f"The ledger {folder} is not whole: {path.name} does not follow the one before. Restore a backup.")
        for name, expected in about["files"].items():
            if not (path / name).is_file() or sha256_file(path / name) != expected:
                raise UserError(f"{path / name} was changed after it was written. Restore a backup of the ledger.")
        self.digest = sha256_file(path / "revision.json")
        self.max_shift_days, self.review_count = about["max_shift_days"], about["counts"]["review"]


def revision_folders(folder: Path) -> list[Path]:
    """Return the folders of the revisions of the ledger in `folder`, oldest first.

    >>> (getfixture("tmp_path") / "revision-000001").mkdir()
    >>> [path.name for path in revision_folders(getfixture("tmp_path"))]
    ['revision-000001']
    """
    return sorted(path for path in folder.glob("revision-[0-9]*") if path.is_dir())


def about_revision(folder: Path) -> dict[str, Any]:
    """Return the content of the `revision.json` of a revision.

    Args:
        folder: Folder of the revision.

    Raises:
        UserError: If it is not as it was written; ledgers of earlier versions carry no seal.
    """
    file = folder / "revision.json"
    try:
        about = dict(json.loads(file.read_bytes()))
    except ValueError:
        about = {"seal": ""}
    seal = about.pop("seal", None)
    if seal is not None and seal != digest_of(about):
        raise UserError(f"{file} was changed after it was written. Restore a backup of the ledger.")
    return about


def merge_rows(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return the PEOPLE rows `old` and `new` with the newest content of each identifier."""
    return pl.concat([old, new]).unique(list(PEOPLE.key), keep="last", maintain_order=True).sort(PEOPLE.key)


def rows_not_in(people: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the PEOPLE rows of `people` that are not `known` with this content; their place in a file does not count."""
    return people.join(known.select(_CONTENT), on=_CONTENT, how="anti", nulls_equal=True).sort(PEOPLE.key)


def write_revision(folder: Path, state: State, new: Revision) -> None:
    """Write one further revision into `folder`, which holds what `state` says: `new`, whole or not at all, closed to others."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = state.revision + 1
    with atomic_folder(folder / f"revision-{number:06d}") as temporary:
        temporary.chmod(0o700)
        write_parquet(new.rows, temporary / "people.parquet")
        write_parquet(pl.DataFrame(new.changes, schema=_CHANGES, orient="row"), temporary / "changes.parquet")
        write_parquet(_edge_frame(new.made), temporary / "edges.parquet")
        write_parquet(new.decisions, temporary / "decisions.parquet")
        write_parquet(_edge_frame(new.review), temporary / "review.parquet")
        files = {path.name: sha256_file(path) for path in sorted(temporary.glob("*.parquet"))}
        about = {
            "revision": number,
            "previous": state.digest,
            "max_shift_days": new.max_shift_days,
            "counts": new.counts,
            "files": files,
        }
        write_json(temporary / "revision.json", {**about, "seal": digest_of(json.loads(json_text(about)))})
        for path in temporary.iterdir():
            path.chmod(0o600)


def _rank(rule: str, score: float) -> float:
    return {"decision": -1.0, "centre-merge": -1.0, "ins": 0.0, "same-traits": 1.0}.get(rule, 1_000.0 - score)


def _latest(decisions: pl.DataFrame) -> pl.DataFrame:
    pair = ["left_centre", "left_key", "right_centre", "right_key"]
    return decisions.unique(pair, keep="last", maintain_order=True).sort(pair)


def _edge_frame(edges: Iterable[Edge]) -> pl.DataFrame:
    rows = sorted((*edge.left, *edge.right, edge.rule, edge.score) for edge in edges)
    return pl.DataFrame(rows, schema=_EDGES, orient="row")
