"""The tables that the privacy room leaves in the vault: columns, types, words and keys."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.tables import PEOPLE, Column, Table

_RECORD = (
    Column("left_centre", pl.String(), "Centre of one record."),
    Column("left_key", pl.String(), "Its key in the centre's list of people."),
    Column("right_centre", pl.String(), "Centre of the other record."),
    Column("right_key", pl.String(), "Its key."),
)
EDGES = Table(
    "edges",
    "One link between two records that a revision of the identity ledger made, asked about or undid.",
    (
        *_RECORD,
        Column("rule", pl.String(), "What it rests on: `ins`, `same-traits`, `scored`, a decision, or why it was not made."),
        Column("score", pl.Float64(), "Evidence that the two are one person.", "bit"),
    ),
)
CHANGES = Table(
    "changes",
    "One record whose person changed with a revision of the identity ledger.",
    (
        Column("centre", pl.String(), "Centre of the record."),
        Column("person_key", pl.String(), "Its key in the centre's list of people."),
        Column("person", pl.String(), "The person whom it belongs to now."),
        Column("previous", pl.String(), "The person whom it belonged to before."),
        Column("action", pl.String(), "What happened: `new`, `join`, `merge`, `split` or `replaced`."),
    ),
)
TABLES: tuple[Table, ...] = (PEOPLE, EDGES, CHANGES)
"""The tables of the privacy room."""
