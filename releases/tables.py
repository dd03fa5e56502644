"""The tables that a release holds: columns, types, words and key of each; the dictionary says which further ones a study has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from unibase.groundwork.tables import (
    CENTRE,
    EVENTS,
    FEATURES,
    IMAGES,
    QUARANTINE,
    SAMPLE_MAP,
    SUBJECT,
    TIMESTAMP,
    VOXELS,
    Column,
    Table,
)

SUBJECTS = Table(
    "subjects",
    "One subject of the cohort, and what describes the subject.",
    (
        SUBJECT,
        CENTRE,
        *(
            Column(
                f"{kind}_prefix",
                pl.String(),
                f"What stands before {kind} in the source: c clinical, p pathological, y after treatment, r recurrence.",
            )
            for kind in ("T", "N", "M")
        ),
        *(Column(f"{kind}_text", pl.String(), f"{kind} as the source writes it.") for kind in ("T", "N", "M", "STAGE")),
    ),
    key=("subject_id",),
    open=True,
)
ANALYSIS = Table(
    "analysis",
    "One subject of the cohort, and the values that the join chose.",
    (SUBJECT, CENTRE),
    key=("subject_id",),
    open=True,
)
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
        Column("CNSR", pl.Int64(), "0 when the event was observed, else 1 or more."),
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
RELEASED_SAMPLES = Table(
    SAMPLE_MAP.name,
    SAMPLE_MAP.text,
    (
        *SAMPLE_MAP.columns,
        Column("chosen", pl.Boolean(), "Whether the sample is the row of its subject in the cohort file."),
    ),
    key=SAMPLE_MAP.key,
)
ROBUSTNESS = Table(
    "robustness",
    "How stable one radiomic feature is over perturbed copies or repeated scans.",
    (),
    key=("kind", "Modality", "region", "image_type", "feature"),
    open=True,
)

RELEASED_IMAGES = Table(
    "images",
    VOXELS.text,
    (
        *VOXELS.columns,
        Column("days_from_index", pl.Int64(), "Whole days from the subject's index to the image.", "d"),
    ),
    key=VOXELS.key,
)
RELEASED_VOLUMES = replace(IMAGES, name="volumes")
RELEASED_EVENTS = replace(EVENTS, name="timeline")

TABLES = (
    SUBJECTS,
    ANALYSIS,
    ADTTE,
    ADRS,
    BDS,
    FEATURES,
    ROBUSTNESS,
    RELEASED_VOLUMES,
    TRACE,
    MISSING,
    RELEASED_SAMPLES,
    QUARANTINE,
    RELEASED_IMAGES,
    SPLITS,
    RELEASED_EVENTS,
)
"""Every table of a release, in the order of its dictionary; those that other rooms write are declared in `groundwork.tables`."""
BY_NAME: Mapping[str, Table] = {table.name: table for table in TABLES}

LABELS: Mapping[str, Mapping[str, str]] = {
    "adtte": {
        "STUDYID": "Study identifier",
        "subject_id": "Subject",
        "centre": "Centre",
        "USUBJID": "Unique subject identifier",
        "PARAMCD": "Parameter code",
        "PARAM": "Parameter",
        "AVAL": "Analysis value",
        "AVALU": "Analysis value unit",
        "STARTDT": "Time-to-event origin date",
        "ADT": "Analysis date",
        "CNSR": "Censor",
        "EVNTDESC": "Event or censoring description",
        "CNSDTDSC": "Censor date description",
        "STARTDT_MIN": "Earliest origin date",
        "STARTDT_MAX": "Latest origin date",
        "ADT_MIN": "Earliest analysis date",
        "ADT_MAX": "Latest analysis date",
        "AVAL_MIN": "Least analysis value",
        "AVAL_MAX": "Greatest analysis value",
        "ENTRYDT": "Date of entry",
        "ENTRY": "Time of entry",
        "problem": "Problem",
        "SRCDOM": "Source data",
        "SRCVAR": "Source variable",
        "SRCSEQ": "Source sequence number",
    },
    "adrs": {
        "subject_id": "Subject",
        "PARAMCD": "Parameter code",
        "PARAM": "Parameter",
        "STARTDT": "Origin date",
        "ADT": "Analysis date",
        "AVALC": "Analysis value (C)",
        "AVAL": "Analysis value",
        "TRGRESP": "Target response",
        "NTRGRESP": "Non-target response",
        "NEWLPROG": "New lesion progression",
        "SUMDIAM": "Sum of diameters",
        "SRCDOM": "Source data",
        "SRCSEQ": "Source sequence number",
        "problem": "Problem",
    },
    "bds": {
        "subject_id": "Subject",
        "PARAMCD": "Parameter code",
        "PARAM": "Parameter",
        "AVAL": "Analysis value",
        "AVALC": "Analysis value (C)",
        "AVALU": "Analysis value unit",
        "ADT": "Analysis date",
        "ADY": "Analysis relative day",
        "ABLFL": "Baseline record flag",
        "BASE": "Baseline value",
        "CHG": "Change from baseline",
        "SRCDOM": "Source data",
        "SRCSEQ": "Source sequence number",
    },
}
"""The labels that CDISC ADaM gives, by table and column; columns of other tables are labelled by their names."""
