"""The tables that a release holds: columns, types, words and key of each; the dictionary says which further ones a study has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from unibase.groundwork.analysis_tables import ADRS, ADTTE, BDS, MISSING, SPLITS, TRACE
from unibase.groundwork.image_tables import IMAGES, MASK_AGREEMENT, REPORT_VALUES, VOXELS
from unibase.groundwork.tables import CENTRE, EVENTS, FEATURES, MAF, QUARANTINE, SAMPLE_MAP, SUBJECT, Column, Table

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
        *(Column(f"{kind}_text", pl.String(), f"{kind} as the timeline has it.") for kind in ("T", "N", "M", "STAGE")),
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

HOW_GOOD = (
    "SliceThickness",
    "ConvolutionKernel",
    "KVP",
    "MagneticFieldStrength",
    "motion",
    "uptake",
    "filled_slices",
    "notes",
    "noise",
    "truncation",
)
"""What the table of stores repeats of the table of volumes: how an image was made, and how good it is."""
RELEASED_IMAGES = Table(
    "images",
    VOXELS.text,
    (
        *VOXELS.columns,
        *(column for column in IMAGES.columns if column.name in HOW_GOOD),
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
    MASK_AGREEMENT,
    REPORT_VALUES,
    MAF,
    TRACE,
    MISSING,
    RELEASED_SAMPLES,
    QUARANTINE,
    RELEASED_IMAGES,
    SPLITS,
    RELEASED_EVENTS,
)
"""Every table of a release, in the order of its dictionary; those that other rooms write are declared in `groundwork`."""
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
