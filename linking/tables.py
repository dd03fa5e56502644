"""The tables that linking leaves: columns, types, words and keys. What a release holds of them is declared below both rooms."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.analysis_tables import BDS, MISSING, SPLITS, TRACE
from unibase.groundwork.tables import SUBJECT, TIMESTAMP, Column, Table

INDEX = Table(
    "index",
    "The index event of one subject: the instant from which every window is counted.",
    (
        SUBJECT,
        Column("index_time", TIMESTAMP, "Shifted instant of the index event."),
        Column("lower", TIMESTAMP, "Instant from which the first days of windows are counted."),
        Column("upper", TIMESTAMP, "Instant from which the last days of windows are counted."),
        Column("code", pl.String(), "Code of the event."),
        Column("source", pl.String(), "Centre and table of the event."),
        Column("source_row", pl.Int64(), "Row in that table, header not counted, from 1."),
    ),
    key=("subject_id",),
)

COHORT = Table(
    "cohort",
    "One known subject: in the cohort, or the first rule that left the subject out.",
    (
        SUBJECT,
        Column("included", pl.Boolean(), "Whether the subject is in the cohort.", nullable=False),
        Column("reason", pl.String(), "The first rule that left the subject out; empty when included.", nullable=False),
        Column("index_time", TIMESTAMP, "Shifted instant of the index; null without one."),
        Column("age", pl.Float64(), "Age at the index.", "a"),
        Column("entry_time", TIMESTAMP, "When the last thing was there that the rules ask for; at the earliest the index."),
    ),
    key=("subject_id",),
)

FLOW = Table(
    "flow",
    "One rule of the cohort, and how many subjects it removed: a step of the flow diagram.",
    (
        Column("step", pl.Int64(), "Order of the rule; 0 is everybody known.", nullable=False),
        Column("rule", pl.String(), "The rule, as the study file writes it."),
        Column("reason", pl.String(), "The rule in words."),
        Column("before", pl.Int64(), "Subjects before the rule."),
        Column("removed", pl.Int64(), "Subjects that it removed."),
        Column("after", pl.Int64(), "Subjects that are left."),
    ),
    key=("step",),
)

FINDINGS = Table(
    "findings",
    "One disagreement of two modalities on one subject: a link that may be wrong.",
    (
        SUBJECT,
        Column("check", pl.String(), "Name of the check.", nullable=False),
        Column("score", pl.Float64(), "How sure it is, 0 to 1."),
        Column("modality", pl.String(), "Modality of the item that disagrees."),
        Column("item", pl.String(), "Pseudonym of the series or sample that disagrees."),
        Column("message", pl.String(), "What disagrees, without a value."),
    ),
)

TABLES = (INDEX, COHORT, FLOW, FINDINGS, BDS, MISSING, SPLITS, TRACE)
