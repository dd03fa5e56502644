"""Samples and the subjects they come from: sample sheets, sample maps, and the door from source names to staging."""

from __future__ import annotations

import calendar
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import UNKNOWN_PATIENT
from unibase.groundwork.tables import EVENTS, QUARANTINE, SAMPLE_MAP, TIMESTAMP
from unibase.omics.readers.tabular import content
from unibase.omics.reasons import NOT_IN_MATRIX, NOT_ON_SHEET
from unibase.omics.recognise.names import plain
from unibase.omics.tables import SHEET
from unibase.privacy.dates import shift_interval
from unibase.privacy.keys import Key
from unibase.privacy.pseudonyms import token
from unibase.privacy.subjects import SubjectLookup

if TYPE_CHECKING:
    from anndata import AnnData

PATIENT_SYSTEM = "ipp"
SAMPLE_TYPES = {
    "tumour": "tumour", "tumor": "tumour", "primary": "tumour", "primary tumour": "tumour", "primary tumor": "tumour", "t": "tumour",
    "normal": "normal", "n": "normal", "adjacent normal": "normal", "germline": "normal", "blood": "normal",
    "metastasis": "metastasis", "metastatic": "metastasis", "m": "metastasis",
    "primary solid tumor": "tumour", "recurrent tumor": "tumour", "recurrent solid tumor": "tumour", "tumeur": "tumour", "tumorale": "tumour",
    "tumoral": "tumour", "tumeur primitive": "tumour", "primitif": "tumour", "solid tissue normal": "normal", "blood derived normal": "normal",
    "normal tissue": "normal", "sain": "normal", "tissu sain": "normal", "sang": "normal", "constitutionnel": "normal", "germinal": "normal",
    "métastase": "metastasis", "metastase": "metastasis", "métastatique": "metastasis",
}  # fmt: skip
_DATE = re.compile(r"^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?)?)?)?$")


def read_samples(path: Path | str) -> pl.DataFrame:
    r"""Read the sample sheet at `path` (CSV, TSV or Parquet).

    Returns:
        Columns sample, patient (hospital number), collected (ISO date, may be partial or null), sample_type
        (tumour, normal, metastasis or null) and source_row (from 1); in the order of the file.

    Raises:
        UserError: If a column is missing, a sample or patient is blank, or a sample is listed twice.

    >>> path = getfixture("tmp_path") / "samples.csv"
    >>> _ = path.write_text("sample,patient,collected\nS1,12,2024-03\n")
    >>> read_samples(path).select("sample", "patient", "collected").rows()
    [('S1', '12', '2024-03')]
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no sample sheet at {path}. Check the path in the study file.")
    frame = _cells(path)
    missing = [name for name in ("sample", "patient") if name not in frame.columns]
    if missing:
        raise UserError(
            f"The sample sheet {path} lacks the column {', '.join(missing)}. It needs sample, patient, collected, sample_type."
        )
    frame = frame.with_row_index("source_row", offset=1)
    frame = frame.select(
        *[
            pl.col(name).cast(pl.String()).str.strip_chars() if name in frame.columns else pl.lit(None, pl.String()).alias(name)
            for name in ("sample", "patient", "collected", "sample_type")
        ],
        pl.col("source_row").cast(pl.Int64()),
    )
    _check_names(frame, path)
    frame = frame.with_columns(iso_dates(frame["collected"], path))
    types = frame["sample_type"].str.to_lowercase().replace_strict(SAMPLE_TYPES, default=None, return_dtype=pl.String())
    return SHEET.conform(frame.with_columns(types.alias("sample_type")))


_DAY_AND_MONTH = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ T]+(\d{2}:\d{2}(?::\d{2})?))?$")


def iso_dates(column: pl.Series, path: Path | str) -> pl.Series:
    """Return dates of collection as ISO writes them.

    `20/05/2021` and `20210520` are known; whether the day or the month comes first is told by all cells together.

    Args:
        column: Cells of the column `collected`.
        path: The sheet, for messages.

    Raises:
        UserError: With the row, when a cell is no date, or no cell tells the day from the month.
    """
    cells = [(cell or "").strip() for cell in column.to_list()]
    found = [_DAY_AND_MONTH.match(cell) for cell in cells]
    firsts, seconds = ({int(match[place]) for match in found if match} for place in (1, 2))
    day_first = max(firsts, default=0) > 12
    if any(found) and day_first == (max(seconds, default=0) > 12):
        row = next(number for number, match in enumerate(found, start=1) if match)
        raise UserError(f"Row {row} of {path}: nothing tells the day of collection from the month. Write it as 2021-05-20.")
    return pl.Series(
        "collected", [_iso(*cell, day_first, path) for cell in zip(range(1, len(cells) + 1), cells, found, strict=True)]
    )


def _iso(row: int, cell: str, match: re.Match[str] | None, day_first: bool, path: Path | str) -> str | None:
    if cell.lower() in _NO_DATE:
        return None
    if match:
        day, month = (match[1], match[2]) if day_first else (match[2], match[1])
        cell = f"{match[3]}-{int(month):02d}-{int(day):02d}" + (f"T{match[4]}" if match[4] else "")
    elif re.fullmatch(r"(19|20)\d{6}", cell):
        cell = f"{cell[:4]}-{cell[4:6]}-{cell[6:]}"
    if collection_interval(cell) is None:
        raise UserError(f"Row {row} of {path} has no date as its day of collection. Write it as 2021-05-20, or leave it empty.")
    return cell


_NO_DATE = frozenset(("", "na", "nan", "null", "none", "n/a", "nd", "unknown", "inconnu", "inconnue", "."))


def _cells(path: Path) -> pl.DataFrame:
    """Return the cells of a sheet, texts where it is no Parquet."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    try:
        data, _ = content(path)
    except Unusable as problem:
        raise UserError(f"The sample sheet {path}: {problem.message} {problem.remedy}") from None
    separator = max("\t,;", key=data.partition(b"\n")[0].decode().count)
    frame = pl.read_csv(io.BytesIO(data), separator=separator, infer_schema_length=0, null_values=[""])
    return frame.rename(_known_titles(frame.columns))


_TITLES = {"sample": ("sample", "sampleid", "samplename", "echantillon"), "patient": ("patient", "patientid", "ipp"),
           "collected": ("collected", "collectiondate", "collectedon", "dateprelevement", "datedeprelevement", "prelevele"),
           "sample_type": ("sampletype", "typeechantillon", "typedechantillon", "tissuetype")}  # fmt: skip


def _known_titles(titles: list[str]) -> dict[str, str]:
    """Return the names of the columns that are written otherwise; a title as it should be is never taken for another."""
    renamed: dict[str, str] = {}
    for wanted, spellings in _TITLES.items():
        other = [title for title in titles if plain(title) in spellings]
        if wanted not in titles and len(other) == 1:
            renamed[other[0]] = wanted
    return renamed


def _check_names(frame: pl.DataFrame, path: Path) -> None:
    """Refuse a sheet with a blank sample or patient, or a sample that comes twice."""
    blank = frame.filter(
        pl.col("sample").is_null() | pl.col("patient").is_null() | (pl.col("sample") == "") | (pl.col("patient") == "")
    )
    if blank.height:
        raise UserError(f"Row {blank['source_row'][0]} of {path} has no sample or no patient. Fill it in, or remove the row.")
    twice = frame.filter(pl.col("sample").is_duplicated())
    if twice.height:
        raise UserError(f"Row {twice['source_row'][1]} of {path} lists a sample a second time. Keep one row per sample.")


def collection_interval(text: str | None) -> tuple[datetime, datetime] | None:
    """Earliest and latest instant of an ISO date, `text`, that may be partial; None when absent or not a date.

    >>> [str(moment) for moment in collection_interval("2024-02")]
    ['2024-02-01 00:00:00', '2024-02-29 23:59:59.999999']
    """
    match = _DATE.match(text.strip()) if text else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups())
    assert year is not None
    try:
        if hour is not None and month is not None and day is not None:
            moment = datetime(year, month, day, hour, minute or 0, second or 0)
            return moment, moment
        first = datetime(year, month or 1, day or 1)
        last_month = month or 12
        last_day = day or calendar.monthrange(year, last_month)[1]
        return first, datetime(year, last_month, last_day, 23, 59, 59, 999_999)
    except ValueError:
        return None


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
        reason = refused.get(row["sample"], "")
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
    problems = _problems(present, sheet, refused or {})
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
