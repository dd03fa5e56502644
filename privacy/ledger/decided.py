"""What people say of pairs of records: decisions, `same_as` rows, and numbers that a centre moved from one record to another."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.edges import Edge
from unibase.privacy.ledger.people_file import DECISIONS
from unibase.privacy.ledger.revisions import State, revision_folders

SAME_AS = "same_as"
"""System of the rows whose identifier names another record: `CENTRE/SYSTEM/IDENTIFIER`."""


def new_decisions(state: State, people: pl.DataFrame, links: pl.DataFrame | None) -> pl.DataFrame:
    """Return the decisions not known yet, from the table of links and the `same_as` rows, each with left < right.

    Args:
        state: The ledger before.
        people: PEOPLE that the centres give now.
        links: Columns of `DECISIONS`, or None.

    Raises:
        UserError: If a row names a record that nobody knows.
    """
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
    rows += _of_table(links, known_records) if links is not None else []
    found: dict[tuple[RecordKey, RecordKey], str] = {}
    for one, two, relation in rows:
        if one != two:
            left, right = sorted((one, two))
            found[(left, right)] = relation
    known = {((lc, lk), (rc, rk)): relation for lc, lk, rc, rk, relation in state.decisions.iter_rows()}
    fresh = [(*pair[0], *pair[1], relation) for pair, relation in sorted(found.items()) if known.get(pair) != relation]
    return pl.DataFrame(fresh, schema=DECISIONS, orient="row")


def _of_table(links: pl.DataFrame, known: set[RecordKey]) -> list[tuple[RecordKey, RecordKey, str]]:
    """Return the pairs of a table of links.

    Raises:
        UserError: If a row names a record that nobody knows.
    """
    rows = []
    for number, (lc, lk, rc, rk, relation) in enumerate(links.select(DECISIONS.names()).iter_rows(), start=1):
        for record in ((lc, lk), (rc, rk)):
            if record not in known:
                raise UserError(f"table of links, row {number}: no such person_key in centre {record[0]}. Correct the row.")
        rows.append(((lc, lk), (rc, rk), relation))
    return rows


def centre_merges(state: State, new_rows: pl.DataFrame) -> list[Edge]:
    """Return a link for every record all of whose identifiers a centre has moved to one other record of its own.

    Args:
        state: The ledger before.
        new_rows: PEOPLE that are new or have other content.
    """
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


def pairs_said(decisions: pl.DataFrame, *relations: str) -> set[tuple[RecordKey, RecordKey]]:
    """Return the pairs that are said to be so.

    `decisions`: columns of `DECISIONS`; `relations`: some of `same`, `different` and `related`.
    """
    return {((lc, lk), (rc, rk)) for lc, lk, rc, rk, what in decisions.iter_rows() if what in relations}


def families(folder: Path | str, revision: int | None = None) -> pl.DataFrame:
    """Return `centre, system, identifier, family`: a number shared by the records that are said to be related; vault only.

    Records of persons of whom no relative is known are not in it.

    Args:
        folder: Ledger.
        revision: Which revision of it; the newest by default.

    Raises:
        UserError: If the ledger is not whole.
    """
    said = [pl.read_parquet(path / "decisions.parquet") for path in revision_folders(Path(folder))]
    if not any(pairs_said(one, "related") for one in said):
        # A ledger of a million persons is read whole only where there is a reason.
        return pl.DataFrame(schema={"centre": pl.String, "system": pl.String, "identifier": pl.String, "family": pl.Int64})
    state = State.load(Path(folder), revision)
    person = state.assignment
    number: dict[str, int] = {}
    for at, (left, right) in enumerate(sorted(pairs_said(state.decisions, "related"))):
        joined = {person[left], person[right]}
        known = {number[one] for one in joined if one in number}
        joined |= {one for one, family in number.items() if family in known}
        number.update(dict.fromkeys(joined, at))
    rows = [(*record, number[one]) for record, one in person.items() if one in number]
    schema = {"centre": pl.String, "person_key": pl.String, "family": pl.Int64}
    of = pl.DataFrame(rows, schema=schema, orient="row")
    records = state.people.select("centre", "person_key", "system", "identifier").join(of, on=["centre", "person_key"])
    return records.select("centre", "system", "identifier", "family").sort(pl.all())
