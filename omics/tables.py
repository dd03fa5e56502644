"""The tables that the omics room leaves: columns, types, words and keys. The matrices themselves are AnnData in zarr."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.tables import QUARANTINE, SAMPLE_MAP, Column, Table

SHEET = Table(
    "samples",
    "One sample as the sheet of a centre lists it, before the door of staging.",
    (
        Column("sample", pl.String(), "Name of the sample, as its matrix writes it.", nullable=False),
        Column("patient", pl.String(), "Hospital number of the person.", nullable=False),
        Column("collected", pl.String(), "ISO date of collection; may be partial."),
        Column("sample_type", pl.String(), "tumour, normal, metastasis or null."),
        Column("source_row", pl.Int64(), "Row of the sheet, header not counted, from 1."),
        Column("problem", pl.String(), "Code of what is not understood of it; empty when all is.", nullable=False),
    ),
)

SAMPLE_FINDINGS = Table(
    "sample_findings",
    "One sample, or pair of samples, whose data contradict what is said of it.",
    (
        Column("check", pl.String(), "Name of the check."),
        Column("sample", pl.String(), "Keyed pseudonym of the sample."),
        Column("other", pl.String(), "Keyed pseudonym of the sample it was compared with; empty when alone."),
        Column("expected", pl.String(), "What is said of it."),
        Column("observed", pl.String(), "What its data tell."),
        Column("finding", pl.String(), "Code of the finding."),
        Column("value", pl.Float64(), "The measure behind it: how alike, 0 to 1, or a ratio of expressions."),
    ),
)

TABLES = (SAMPLE_MAP, SHEET, SAMPLE_FINDINGS, QUARANTINE)
