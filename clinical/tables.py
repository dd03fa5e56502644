"""The tables that the clinical room leaves: columns, types, words and keys."""

from __future__ import annotations

import polars as pl

from unibase.groundwork import analysis_tables
from unibase.groundwork.analysis_tables import ADRS
from unibase.groundwork.tables import EVENTS, Column, Table

ACCOUNT = Table(
    "account",
    "One table of a source: `rows = used + refused + silent`; a silent row holds nothing that is an event.",
    (
        Column("source", pl.String(), "Centre, format and table.", nullable=False),
        Column("rows", pl.Int64(), "Rows of the table."),
        Column("used", pl.Int64(), "Rows that made an event."),
        Column("refused", pl.Int64(), "Rows that were set aside, each with a reason."),
        Column("silent", pl.Int64(), "Rows that hold no event of a person."),
        Column("events", pl.Int64(), "Events that the rows made."),
    ),
    key=("source",),
)


ADTTE = analysis_tables.ADTTE.of(
    [
        "subject_id",
        "PARAMCD",
        "PARAM",
        "STARTDT",
        "STARTDT_MIN",
        "STARTDT_MAX",
        "ADT",
        "ADT_MIN",
        "ADT_MAX",
        "AVAL",
        "AVAL_MIN",
        "AVAL_MAX",
        "AVALU",
        "CNSR",
        "EVNTDESC",
        "CNSDTDSC",
        "SRCDOM",
        "SRCSEQ",
        "problem",
    ],
    key=("PARAMCD", "subject_id"),
)
"""What the clinical room works out of it; the release adds study, centre and entry."""

CHECKS = Table(
    "quality",
    "One check of data quality in one centre, table, field and year.",
    (
        Column("category", pl.String(), "Kind of the check (Kahn 2016): conformance, completeness, plausibility."),
        Column("check", pl.String(), "Name of the check."),
        Column("centre", pl.String(), "Name of the centre."),
        Column("table", pl.String(), "Table of the source; empty for checks of persons."),
        Column("field", pl.String(), "Code of the value; empty where a check is of whole rows."),
        Column("year", pl.Int64(), "Year of the rows; null for all years."),
        Column("rows", pl.Int64(), "Rows that were looked at."),
        Column("violations", pl.Int64(), "Rows at fault."),
        Column("kept_out", pl.Int64(), "Rows that the check keeps out of every table."),
        Column("share", pl.Float64(), "Share of rows at fault.", "%"),
        Column("threshold", pl.Float64(), "Largest share that passes.", "%"),
        Column("passed", pl.Boolean(), "Whether the check passed."),
        Column("stops_release", pl.Boolean(), "Whether its failure stops a release."),
    ),
)

CODES = Table(
    "codes",
    "One code in one centre, and the concepts that take it.",
    (
        Column("code", pl.String(), "The code, after its vocabulary.", nullable=False),
        Column("centre", pl.String(), "Name of the centre.", nullable=False),
        Column("events", pl.Int64(), "Events with the code."),
        Column("persons", pl.Int64(), "Persons with the code."),
        Column("concepts", pl.String(), "Concepts that take it, with some value or with any."),
        Column("nearest", pl.String(), "A concept that would, with a few letters less, where none takes it."),
    ),
)

COVERAGE = Table(
    "coverage",
    "One concept in one centre; 0 where a centre has none.",
    (
        Column("concept", pl.String(), "Name of the concept.", nullable=False),
        Column("centre", pl.String(), "Name of the centre.", nullable=False),
        Column("events", pl.Int64(), "Events of the concept."),
        Column("persons", pl.Int64(), "Persons with such an event."),
        Column("asked_by", pl.String(), "What asks for it: the index, variables, endpoints."),
    ),
)

TABLES = (EVENTS, ACCOUNT, ADTTE, ADRS, CHECKS, CODES, COVERAGE)
"""Every table that this room leaves; EVENTS is read by other rooms, too."""
