"""The tables of an analysis: one room works them out, and a release holds them. Declared once, below both."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.tables import TIMESTAMP, Column, Table

ADTTE = Table(
    "adtte",
    "Time to one endpoint of one subject, in the manner of CDISC ADaM ADTTE.",
    (
        Column("STUDYID", pl.String(), "Name of the study."),
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; positive.", nullable=False),
        Column("centre", pl.String(), "Name of the centre, as in the study file."),
        Column("USUBJID", pl.String(), "subject_id as text."),
        Column("PARAMCD", pl.String(), "Endpoint: OS, PFS, ...", nullable=False),
        Column("PARAM", pl.String(), "Endpoint in words."),
        Column("AVAL", pl.Int64(), "Time from STARTDT to ADT."),
        Column("AVALU", pl.String(), "Unit of AVAL."),
        Column("STARTDT", pl.Date(), "Index date of the subject, shifted."),
        Column("ADT", pl.Date(), "Date of event or censoring, shifted."),
        Column(
            "CNSR", pl.Int64(), "0 when the event was observed, 1 when the time is censored, 2 when a competing event ended it."
        ),
        Column("EVNTDESC", pl.String(), "What ended the follow-up."),
        Column("CNSDTDSC", pl.String(), "What the censoring date is."),
        Column("STARTDT_MIN", pl.Date(), "Earliest day the index can be."),
        Column("STARTDT_MAX", pl.Date(), "Latest day the index can be."),
        Column("ADT_MIN", pl.Date(), "Earliest day of event or censoring."),
        Column("ADT_MAX", pl.Date(), "Latest day of event or censoring."),
        Column("AVAL_MIN", pl.Int64(), "Shortest time that the known dates allow."),
        Column("AVAL_MAX", pl.Int64(), "Longest time that the known dates allow."),
        Column("ENTRYDT", pl.Date(), "First image or sample that the cohort asks for, the latest when several; shifted."),
        Column("ENTRY", pl.Int64(), "Days from STARTDT at which the subject comes under observation (left truncation).", "d"),
        Column("problem", pl.String(), "Code of what contradicts the row; empty when nothing does."),
        Column("SRCDOM", pl.String(), "Table the analysis date was read from."),
        Column("SRCVAR", pl.String(), "Column the analysis date was read from."),
        Column("SRCSEQ", pl.Int64(), "Row the analysis date was read from."),
    ),
    key=("subject_id", "PARAMCD"),
)

ADRS = Table(
    "adrs",
    "Tumour response of one subject at one visit, or the best of them, in the manner of CDISC ADaM ADRS.",
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
    key=("subject_id", "PARAMCD", "ADT"),
)

BDS = Table(
    "bds",
    "One measure of one subject, in the manner of CDISC ADaM BDS.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; positive.", nullable=False),
        Column("PARAMCD", pl.String(), "Variable of the analysis table, in at most 8 characters.", nullable=False),
        Column("PARAM", pl.String(), "Variable of the analysis table, with its unit when the study asks for one."),
        Column("AVAL", pl.Float64(), "The value as a number; empty when it is a text or a code."),
        Column("AVALC", pl.String(), "The value as text or code, where it is no number."),
        Column("AVALU", pl.String(), "Unit of AVAL."),
        Column("ADT", pl.Date(), "Shifted date of the measure."),
        Column("ADY", pl.Int64(), "Day from the index; the index day is 1, the day before it -1."),
        Column("ABLFL", pl.String(), "Y for the row that the analysis table holds."),
        Column("BASE", pl.Float64(), "AVAL of the row flagged by ABLFL."),
        Column("CHG", pl.Float64(), "AVAL less BASE, after the baseline."),
        Column("SRCDOM", pl.String(), "Table the value was read from."),
        Column("SRCSEQ", pl.Int64(), "Row the value was read from."),
    ),
    key=("subject_id", "PARAMCD", "ADT", "SRCDOM", "SRCSEQ"),
)

TRACE = Table(
    "trace",
    "Where one value of the analysis table comes from.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; positive."),
        Column(
            "variable", pl.String(), "Column of the analysis table; a name that ends in * stands for all columns that begin so."
        ),
        Column("kind", pl.String(), "clinical, sample or imaging."),
        Column("source", pl.String(), "Centre and table the value comes from, such as A/omop/measurement."),
        Column("source_row", pl.Int64(), "Row in that table, header not counted, from 1."),
        Column("code", pl.String(), "Code of the event the value was read from."),
        Column("StudyInstanceUID", pl.String(), "Keyed pseudonym of the study."),
        Column("SeriesInstanceUID", pl.String(), "Keyed pseudonym of the series."),
        Column("roi_name", pl.String(), "Cleaned name of the region."),
        Column("sample", pl.String(), "Keyed pseudonym of the sample: colname of the sample map."),
        Column("time", TIMESTAMP, "Shifted time of the source row."),
        Column("time_min", TIMESTAMP, "Earliest instant the source row can have happened."),
        Column("time_max", TIMESTAMP, "Latest instant the source row can have happened."),
        Column("recorded_time", TIMESTAMP, "When the source learned of it; null when unknown."),
        Column("days_from_index", pl.Float64(), "Time of the source row in days from the index."),
    ),
    key=(),
)

MISSING = Table(
    "missing",
    "Why one cell of the analysis table is empty, where no rule says it.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; positive.", nullable=False),
        Column(
            "variable",
            pl.String(),
            "Column of the analysis table; a name that ends in * stands for all that begin so.",
            nullable=False,
        ),
        Column("reason", pl.String(), "Why its cell is empty, where no row of the trace and no other rule says it."),
    ),
    key=("subject_id", "variable"),
)

SPLITS = Table(
    "splits",
    "Which part of one split a subject is in.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; positive.", nullable=False),
        Column(
            "scheme", pl.String(), "parts (by subject), folds (cross-validation), centre (leave one out) or time.", nullable=False
        ),
        Column("held_out", pl.String(), "Fold or centre that is tested on; empty for parts and time.", nullable=False),
        Column(
            "part",
            pl.String(),
            "Part of the subject: by keyed draw for parts and folds; by true index date for time, of which it tells one bit.",
        ),
    ),
    key=("subject_id", "scheme", "held_out"),
)
