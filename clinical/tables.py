"""The tables that the clinical room leaves: columns, types, words and keys."""

from __future__ import annotations

import polars as pl

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

ADTTE = Table(
    "adtte",
    "One time to an event of one subject (ADaM's ADTTE), with the bounds that partial dates leave.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; positive.", nullable=False),
        Column("PARAMCD", pl.String(), "Endpoint: OS, PFS, ...", nullable=False),
        Column("PARAM", pl.String(), "Endpoint in words."),
        Column("STARTDT", pl.Date(), "Index date of the subject, shifted."),
        Column("STARTDT_MIN", pl.Date(), "Earliest day the index can be."),
        Column("STARTDT_MAX", pl.Date(), "Latest day the index can be."),
        Column("ADT", pl.Date(), "Date of event or censoring, shifted."),
        Column("ADT_MIN", pl.Date(), "Earliest day of event or censoring."),
        Column("ADT_MAX", pl.Date(), "Latest day of event or censoring."),
        Column("AVAL", pl.Int64(), "Time from STARTDT to ADT.", "d"),
        Column("AVAL_MIN", pl.Int64(), "Shortest time that the known dates allow.", "d"),
        Column("AVAL_MAX", pl.Int64(), "Longest time that the known dates allow.", "d"),
        Column("AVALU", pl.String(), "Unit of AVAL."),
        Column(
            "CNSR", pl.Int64(), "0 when the event was observed, 1 when the time is censored, 2 when a competing event ended it."
        ),
        Column("EVNTDESC", pl.String(), "What ended the follow-up."),
        Column("CNSDTDSC", pl.String(), "What the censoring date is."),
        Column("SRCDOM", pl.String(), "Table the analysis date was read from."),
        Column("SRCSEQ", pl.Int64(), "Row the analysis date was read from."),
        Column("problem", pl.String(), "Code of what contradicts the row; empty when nothing does."),
    ),
    key=("PARAMCD", "subject_id"),
)

ADRS = Table(
    "adrs",
    "One response of one subject: at a visit, or the best of them (ADaM's ADRS).",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; positive.", nullable=False),
        Column("PARAMCD", pl.String(), "OVR: overall response at a visit; BOR, CBOR, ...: the best of them.", nullable=False),
        Column("PARAM", pl.String(), "Response in words."),
        Column("STARTDT", pl.Date(), "Day from which responses count, shifted; empty when known in part."),
        Column("ADT", pl.Date(), "Day of the response, shifted: for progression the first of its visit, else the last."),
        Column("AVALC", pl.String(), "Response; MISSING without an assessment, empty where none can be given."),
        Column("AVAL", pl.Int64(), "Number of the response from 1 (CR) to 7 (MISSING), as admiralonco has it."),
        Column("TRGRESP", pl.String(), "Response of the target lesions by RECIST 1.1."),
        Column("NTRGRESP", pl.String(), "Response of the non-target lesions by RECIST 1.1."),
        Column("NEWLPROG", pl.String(), "Y when an unequivocal new lesion was seen."),
        Column("SUMDIAM", pl.Float64(), "Longest diameters of the target lesions, short axes of nodes.", "mm"),
        Column("SRCDOM", pl.String(), "Table the first row of the visit was read from."),
        Column("SRCSEQ", pl.Int64(), "First row of the visit in that table."),
        Column("problem", pl.String(), "Code of what stands against the row; empty when nothing does."),
    ),
)

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
    ),
)

TABLES = (EVENTS, ACCOUNT, ADTTE, ADRS, CHECKS, CODES, COVERAGE)
"""Every table that this room leaves; EVENTS is read by other rooms, too."""
