"""Samples and the subjects they come from: sample sheets, sample maps, and the door from source names to staging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.reasons import UNKNOWN_PATIENT
from unibase.groundwork.tables import EVENTS, QUARANTINE, SAMPLE_MAP, TIMESTAMP
from unibase.omics.reasons import NO_COLLECTION_DATE, NOT_IN_MATRIX, NOT_ON_SHEET, UNKNOWN_SAMPLE_TYPE
from unibase.omics.samples.sheet_file import collection_interval
from unibase.privacy.dates import shift_interval
from unibase.privacy.keys import Key
from unibase.privacy.pseudonyms import token
from unibase.privacy.subjects import SubjectLookup

if TYPE_CHECKING:
    from anndata import AnnData

PATIENT_SYSTEM = "ipp"


def column_name(key: Key, assay: str, centre: str, sample: str) -> str:
    """Keyed pseudonym of a `sample` of an `assay` of a `centre` under the `key`: stands for it in every table after staging.

    >>> from unibase.privacy.keys import Key
    >>> column_name(Key(bytes(32)), "rna", "lyon", "S1") != column_name(Key(bytes(32)), "rna", "CHU-été", "S1")
    True
    """
    return token(key, f"sample/{assay}", f"{centre}/{sample}")


def sample_map(
    assay: str,
    samples: pl.DataFrame,
    centre: str,
    lookup: SubjectLookup,
    key: Key,
    refused: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return the SAMPLE_MAP of one assay of one centre.

    Samples whose patient the identity ledger does not know have no row: `unknown_samples` lists them.

    Args:
        assay: Name of the assay.
        samples: As `read_samples` gives it.
        centre: Name of the centre.
        lookup: Finds the subject behind a hospital number.
        key: The study's key.
        refused: Reasons of samples that are not used, by sample name; their status is `quarantined`.
    """
    refused = refused or {}
    rows = []
    for row in samples.iter_rows(named=True):
        subject = lookup.find(centre, PATIENT_SYSTEM, row["patient"])
        if subject is None:
            continue
        interval = collection_interval(row["collected"])
        first = last = exact = None
        if interval is not None:
            first, last = shift_interval(*interval, subject.shift_days)
            # A whole day is known to the day: its time is the beginning of that day.
            exact = first if (interval[1] - interval[0]).days == 0 else None
        reason = refused.get(row["sample"]) or row["problem"]
        rows.append(
            {
                "assay": assay,
                "primary": subject.subject_id,
                "colname": column_name(key, assay, centre, row["sample"]),
                "centre": centre,
                "sample_time": exact,
                "sample_time_min": first,
                "sample_time_max": last,
                "sample_type": row["sample_type"],
                "status": "quarantined" if reason else "used",
                "reason": reason,
            }
        )
    return SAMPLE_MAP.conform(pl.DataFrame(rows, schema=SAMPLE_MAP.schema()))


def unknown_samples(assay: str, samples: pl.DataFrame, centre: str, lookup: SubjectLookup, key: Key) -> pl.DataFrame:
    """Return QUARANTINE rows of samples whose patient the identity ledger does not know.

    Args:
        assay, centre: Of the samples.
        samples: What `read_samples` gave.
        lookup, key: The ledger, and the key of the samples' names in the rows.
    """
    names = [
        row["sample"]
        for row in samples.iter_rows(named=True)
        if lookup.find(centre, PATIENT_SYSTEM, row["patient"]) is None
        # Of who objects nothing is told.
        and not lookup.objects(centre, PATIENT_SYSTEM, row["patient"])
    ]
    why = UNKNOWN_PATIENT
    return _quarantine(assay, centre, key, [(name, why, why.meaning, why.remedy) for name in names])


def sample_events(mapping: pl.DataFrame) -> pl.DataFrame:
    """Return one EVENTS row per sample of a SAMPLE_MAP, `mapping`, that is used, coded `SAMPLE//<assay>`, on its shifted date."""
    used = mapping.filter(pl.col("status") == "used")
    events = used.select(
        pl.col("primary").alias("subject_id"),
        pl.col("sample_time").alias("time"),
        ("SAMPLE//" + pl.col("assay")).alias("code"),
        pl.lit(None, pl.Float32()).alias("numeric_value"),
        pl.col("sample_type").alias("text_value"),
        pl.col("sample_time_min").alias("time_min"),
        pl.col("sample_time_max").alias("time_max"),
        pl.lit(None, TIMESTAMP).alias("end_time"),
        pl.lit(None, pl.String()).alias("unit"),
        pl.lit(None, TIMESTAMP).alias("recorded_time"),
        (pl.col("centre") + "/omics/" + pl.col("assay")).alias("source"),
        pl.lit(None, pl.Int64()).alias("source_row"),
    )
    return EVENTS.conform(events.sort("subject_id", "time", "code", "text_value", nulls_last=False))


@dataclass(frozen=True)
class Staged:
    """One assay of one centre behind the door: no source name is left in it.

    Attributes:
        adata: The samples that are used, rows named by their keyed pseudonyms and ordered by them; `obs` has
            subject_id, centre, sample_time, sample_type.
        sample_map: SAMPLE_MAP, refused samples included.
        quarantine: QUARANTINE rows of all samples that are not used.
    """

    adata: AnnData
    sample_map: pl.DataFrame
    quarantine: pl.DataFrame


def stage(
    adata: AnnData,
    samples: pl.DataFrame,
    *,
    assay: str,
    centre: str,
    lookup: SubjectLookup,
    key: Key,
    refused: Mapping[str, tuple[str, str, str]] | None = None,
    keep_obs: Sequence[str] = (),
) -> Staged:
    """Give samples their keyed names and subjects; set aside what is refused, not on the sheet, or of no known patient.

    Every sample of the sheet and of the matrix ends in `adata` or in `quarantine`.

    Args:
        adata: Samples x features; `obs_names` are source names.
        samples: The sheet, as `read_samples` gives it.
        assay: Name of the assay.
        centre: Name of the centre.
        lookup: Finds the subject behind a hospital number.
        key: The study's key.
        refused: `{source name: (reason, message, remedy)}` from the gates (`GateReport.staging_reasons`).
        keep_obs: Columns of `obs` that hold computed values, such as `tmb`, and go along.
    """
    sheet = set(samples["sample"])
    present = [str(name) for name in adata.obs_names]
    problems = _problems(present, sheet, _unclear(samples) | dict(refused or {}))
    # Of a sample that the sheet lacks nobody knows the person: it has a quarantine row alone.
    reasons = {name: reason for name, reason, _, _ in problems if reason != NOT_ON_SHEET}
    mapping = sample_map(assay, samples, centre, lookup, key, reasons)
    unknown = unknown_samples(assay, samples.filter(~pl.col("sample").is_in(list(reasons))), centre, lookup, key)
    by_colname = {row["colname"]: row for row in mapping.iter_rows(named=True)}
    rows = sorted((column_name(key, assay, centre, name), i) for i, name in enumerate(present))
    used = [(name, i) for name, i in rows if name in by_colname and by_colname[name]["status"] == "used" and present[i] in sheet]
    staged = adata[[i for _, i in used]].copy()
    staged.obs = _described(staged, [by_colname[name] for name, _ in used], keep_obs)
    return Staged(staged, mapping, QUARANTINE.conform(pl.concat([_quarantine(assay, centre, key, problems), unknown])))


def named_variants(variants: pl.DataFrame, mapping: pl.DataFrame, centre: str, key: Key) -> pl.DataFrame:
    """Return rows of `MAF` under the pseudonyms of their samples and persons; those of samples that are not used are left out.

    Args:
        variants: Rows by the samples' own names.
        mapping: SAMPLE_MAP of the matrix.
        centre, key: As in `stage`.
    """
    subjects = dict(mapping.filter(pl.col("status") == "used").select("colname", "primary").iter_rows())
    own = variants["Tumor_Sample_Barcode"].unique().to_list()
    names = {name: found for name in own if (found := column_name(key, "mutations", centre, name)) in subjects}
    kept = variants.filter(pl.col("Tumor_Sample_Barcode").is_in(list(names)))
    return kept.with_columns(pl.col("Tumor_Sample_Barcode").replace(names)).with_columns(
        pl.col("Tumor_Sample_Barcode").replace_strict(subjects, return_dtype=pl.Int64(), default=None).alias("subject_id")
    )


def _unclear(samples: pl.DataFrame) -> dict[str, tuple[str, str, str]]:
    """Return reason, message and remedy of the samples of which the sheet says what is not understood."""
    return {
        name: (why, why.meaning, why.remedy)
        for why in (UNKNOWN_SAMPLE_TYPE, NO_COLLECTION_DATE)
        for name in samples.filter(pl.col("problem") == why)["sample"]
    }


def _problems(
    present: list[str], sheet: set[str], refused: Mapping[str, tuple[str, str, str]]
) -> list[tuple[str, str, str, str]]:
    """Return name, reason, message and remedy of the samples that are not used, but for those of unknown persons."""
    found = [(name, *what) for name, what in refused.items()]
    strange = [name for name in present if name not in sheet and name not in refused]
    absent = sorted(name for name in sheet if name not in present and name not in refused)
    for names, why in ((strange, NOT_ON_SHEET), (absent, NOT_IN_MATRIX)):
        found += [(name, why, why.meaning, why.remedy) for name in names]
    return found


def _described(staged: AnnData, entries: list[dict[str, Any]], keep_obs: Sequence[str]) -> pd.DataFrame:
    """Return `obs` of staged samples from their rows of the sample map."""
    # The columns of the source are not taken over: nobody knows what they hold. What a reader of ours computed stays.
    return pd.DataFrame(
        {
            "subject_id": np.array([entry["primary"] for entry in entries], dtype=np.int64),
            "centre": np.array([entry["centre"] for entry in entries], dtype=object),
            "sample_time": np.array(
                ["" if entry["sample_time"] is None else entry["sample_time"].isoformat() for entry in entries], dtype=object
            ),
            "sample_type": np.array([entry["sample_type"] or "" for entry in entries], dtype=object),
            **{name: staged.obs[name].to_numpy() for name in keep_obs},
        },
        index=pd.Index([entry["colname"] for entry in entries], name="colname", dtype=object),
    )


def _quarantine(assay: str, centre: str, key: Key, problems: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    rows = [
        {
            "stage": f"omics/{assay}",
            "centre": centre,
            "unit": column_name(key, assay, centre, name),
            "reason": reason,
            "message": message,
            "remedy": remedy,
        }
        for name, reason, message, remedy in problems
    ]
    return QUARANTINE.conform(pl.DataFrame(rows, schema=QUARANTINE.schema()))


def overlaps(mapping: pl.DataFrame) -> pl.DataFrame:
    """Count subjects of a SAMPLE_MAP, `mapping`, by the set of assays of their used samples: assays (joined by `&`), subjects.

    >>> overlaps(pl.DataFrame({"primary": [1, 1, 2], "assay": ["rna", "methylation", "rna"]})).rows()
    [('methylation&rna', 1), ('rna', 1)]
    """
    used = mapping.filter(pl.col("status") == "used") if "status" in mapping.columns else mapping
    per_subject = used.group_by("primary").agg(pl.col("assay").unique().sort().str.join("&").alias("assays"))
    return per_subject.group_by("assays").agg(pl.len().alias("subjects")).sort("subjects", "assays", descending=[True, False])
