"""The sample sheet of a centre as it is written: packed, encoded, titled and dated in the ways of hospitals."""

from __future__ import annotations

import calendar
import io
import re
from datetime import datetime
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.readers.tabular import content
from unibase.omics.reasons import NO_COLLECTION_DATE, UNKNOWN_SAMPLE_TYPE
from unibase.omics.recognise.names import plain
from unibase.omics.tables import SHEET

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
        (tumour, normal, metastasis or null), source_row (from 1), and problem: `no-collection-date` or `unknown-sample-type` of a sample
        of which something is said that is not understood, else empty; in the order of the file.

    Raises:
        UserError: If a column is missing, a sample or patient is blank, a sample is listed twice, or a column that is not read
            may be the day of collection or the type of the samples.

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
    _refuse_unread(frame, path)
    frame = frame.with_row_index("source_row", offset=1)
    frame = frame.select(
        *[
            pl.col(name).cast(pl.String()).str.strip_chars() if name in frame.columns else pl.lit(None, pl.String()).alias(name)
            for name in ("sample", "patient", "collected", "sample_type")
        ],
        pl.col("source_row").cast(pl.Int64()),
    )
    _check_names(frame, path)
    days = _collection_dates(frame["collected"], path)
    said = frame["sample_type"].str.to_lowercase().replace(dict.fromkeys(_NOTHING))
    types = said.replace_strict(SAMPLE_TYPES, default=None, return_dtype=pl.String())
    problems = [
        NO_COLLECTION_DATE if day == "" else UNKNOWN_SAMPLE_TYPE if word and kind is None else ""
        for day, word, kind in zip(days, said, types, strict=True)
    ]
    found = pl.Series("collected", [day or None for day in days], pl.String)
    return SHEET.conform(frame.with_columns(found, types.alias("sample_type"), pl.Series("problem", problems, pl.String)))


_CLOCK = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?\s*(?:Z|[+-]\d{2}:?\d{2})?")
_DAY_AND_MONTH = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ T]+(\d{2}:\d{2}(?::\d{2})?))?$")


def _collection_dates(column: pl.Series, path: Path) -> list[str | None]:
    """Return the days of collection as ISO writes them; None where nothing is said, empty where it is no date.

    `20/05/2021` and `20210520` are known; whether the day or the month comes first is told by all cells together.

    Raises:
        UserError: With the row, when no cell tells the day from the month.
    """
    cells = [(cell or "").strip() for cell in column.to_list()]
    found = [_DAY_AND_MONTH.match(cell) for cell in cells]
    firsts, seconds = ({int(match[place]) for match in found if match} for place in (1, 2))
    day_first = max(firsts, default=0) > 12
    if any(found) and day_first == (max(seconds, default=0) > 12):
        row = next(number for number, match in enumerate(found, start=1) if match)
        raise UserError(f"Row {row} of {path}: nothing tells the day of collection from the month. Write it as 2021-05-20.")
    return [_iso(cell, match, day_first) for cell, match in zip(cells, found, strict=True)]


def _iso(cell: str, match: re.Match[str] | None, day_first: bool) -> str | None:
    if cell.lower() in _NOTHING:
        return None
    if match:
        day, month = (match[1], match[2]) if day_first else (match[2], match[1])
        cell = f"{match[3]}-{int(month):02d}-{int(day):02d}" + (f"T{match[4]}" if match[4] else "")
    elif re.fullmatch(r"(19|20)\d{6}", cell):
        cell = f"{cell[:4]}-{cell[4:6]}-{cell[6:]}"
    if clock := _CLOCK.fullmatch(cell):
        # Local time, as everywhere. A clock at midnight is that of a day whose time nobody knows.
        cell = clock[1] if clock[2] in ("00:00", "00:00:00") else f"{clock[1]}T{clock[2]}"
    return cell if collection_interval(cell) else ""


_NOTHING = frozenset(
    ("", "na", "nan", "null", "none", "n/a", "nd", "unknown", "inconnu", "inconnue", "not reported", "not available", ".")
)


def _cells(path: Path) -> pl.DataFrame:
    """Return the cells of a sheet, texts where it is no Parquet."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    try:
        data, _ = content(path)
    except Unusable as problem:
        raise UserError(f"The sample sheet {path}: {problem.message} {problem.remedy}") from None
    titles = data.partition(b"\n")[0].decode().strip()
    separator = max("\t,;|", key=titles.count)
    try:
        frame = pl.read_csv(io.BytesIO(data), separator=separator, infer_schema_length=0, null_values=[""])
    except pl.exceptions.PolarsError:  # its text quotes cells
        raise UserError(
            f"The sample sheet {path} is no table: a row is longer than the titles, or a quote stays open. Export it again."
        ) from None
    if any("_duplicated_" in name and name.partition("_duplicated_")[0] in _TITLES for name in frame.columns):
        raise UserError(f"The sample sheet {path} has two columns of one title. Keep the one that counts.")
    return frame.rename(_known_titles(frame.columns, path))


_TITLES = {
    "sample": ("sample", "sampleid", "samplename", "echantillon"),
    "patient": ("patient", "patientid", "ipp"),
    "collected": (
        "collected", "collectiondate", "collectedon", "datecollected", "dateofcollection", "dateofsamplecollection", "samplecollectiondate",
        "samplingdate", "dateofsampling", "datesampled", "sampledon", "sampledate", "dateofsample", "specimendate", "specimencollectiondate",
        "collectionday", "dayofcollection", "biopsydate", "dateofbiopsy", "datebiopsie", "datedelabiopsie", "resectiondate", "dateofresection",
        "dateprelevement", "datedeprelevement", "dateduprelevement", "prelevele", "preleve", "jourdeprelevement", "entnahmedatum", "fechatoma",
    ),
    "sample_type": ("sampletype", "typeechantillon", "typedechantillon", "tissuetype", "specimentype", "tumornormal", "tumournormal"),
}  # fmt: skip
_A_DAY = re.compile(r"date|^day|day$|^jour|datum|fecha")
_OTHER_DAY = re.compile(
    r"birth|naiss|dob|ddn|death|deces|seq|extra|recei|recep|arriv|ship|run|libr|report|rendu|diag|analy|updat|maj|scan|array|process|store|freez|creat"
)
"""Titles of columns that are days, and of those that tell another day than that of collection."""


def _known_titles(titles: list[str], path: Path) -> dict[str, str]:
    """Return the names of the columns that are written otherwise; a title as it should be is never taken for another.

    Raises:
        UserError: If two columns may be the one that is needed.
    """
    renamed: dict[str, str] = {}
    for wanted, spellings in _TITLES.items():
        other = [title for title in titles if plain(title) in spellings and title != wanted]
        if wanted not in titles and len(other) > 1:
            raise UserError(
                f"The sample sheet {path} has two columns that may be {wanted}: {', '.join(other)}. Title one {wanted}."
            )
        if wanted not in titles and other:
            renamed[other[0]] = wanted
    return renamed


def _refuse_unread(frame: pl.DataFrame, path: Path) -> None:
    """Refuse a sheet of which a column may be the day of collection, or tell tumours from normals, and is not read.

    Raises:
        UserError: With the title of the column.
    """
    said = [title for title in frame.columns if frame.schema[title] != pl.Null and frame[title].null_count() < frame.height]
    days = [title for title in said if _A_DAY.search(plain(title)) and not _OTHER_DAY.search(plain(title))]
    if "collected" not in frame.columns and days:
        raise UserError(
            f"The sample sheet {path} has no column collected, and nobody can tell whether {days[0]} is the day of collection. "
            "Title it collected if it is, and else what it is (such as sequencing_date)."
        )
    kinds = [title for title in said if _tells_tumours(frame[title])]
    if "sample_type" not in frame.columns and kinds:
        raise UserError(f"The sample sheet {path} has no column sample_type, and {kinds[0]} says it. Title that sample_type.")


def _tells_tumours(column: pl.Series) -> bool:
    """Whether all cells are words for tumour or normal; single letters, and `blood`, may mean something else."""
    if column.dtype != pl.String:
        return False
    words = set(column.drop_nulls().str.strip_chars().str.to_lowercase().to_list()) - _NOTHING
    return bool(words) and words <= SAMPLE_TYPES.keys() and any(len(word) > 1 and word not in ("blood", "sang") for word in words)


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
