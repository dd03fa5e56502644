"""A table in which a study gives weight, dose and time of injection of PET whose header lacks them."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.dicom.body import HEIGHT, WEIGHT
from unibase.imaging.dicom.read_as import PetFacts
from unibase.imaging.dicom.suv_times import parse
from unibase.imaging.dicom.tracers import DOSES, named

NAMES = ("SeriesInstanceUID", "StudyInstanceUID", "PatientID")
"""Columns that say which PET a row is of; the first of them that is filled counts."""

FACTS = (
    "PatientWeight",
    "PatientSize",
    "PatientSex",
    "RadionuclideTotalDose",
    "RadiopharmaceuticalStartDateTime",
    "Radionuclide",
)
"""Columns that say something of it, in the units of DICOM: kg, m, M or F, Bq, a date and time, such as F-18."""

COLUMNS = ("centre", *NAMES, "StudyDate", *FACTS)
"""All columns; a table need not have each."""


@dataclass(frozen=True)
class PetRow:
    """One row of the table.

    Attributes:
        row: Its number, the header not counted, from 1.
        centre: Name of the centre; empty when the table has no such column.
        column: Which of `NAMES` says which PET it is.
        name: What stands there.
        day: StudyDate as the source has it, or an empty text: it tells the PET of one person apart.
        facts: What it says.
    """

    row: int
    centre: str
    column: str
    name: str
    day: str
    facts: PetFacts


def read_pet_table(path: Path) -> list[PetRow]:
    """Read the table: CSV with commas, semicolons or tabs, in UTF-8.

    Args:
        path: The file.

    Raises:
        UserError: If it cannot be read, lacks a column that names the PET, has an unknown column, or a cell is wrong; the
            text names row and column, never the value.
    """
    rows = _cells(path)
    header = rows[0]
    unknown = sorted(set(header) - set(COLUMNS))
    if unknown or not set(header) & set(NAMES) or not set(header) & set(FACTS) or len(set(header)) < len(header):
        what = f"has unknown columns ({', '.join(unknown)})" if unknown else "does not name a PET and what is known of it"
        raise UserError(f"{path.name} {what}. Its columns are some of {', '.join(COLUMNS)}, each once.")
    return [
        _row(path.name, number, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
        for number, cells in enumerate(rows[1:], 1)
    ]


def _cells(path: Path) -> list[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UserError(
            f"{path.name} cannot be read as a table in UTF-8. Give the path of a CSV beside the study file."
        ) from None
    separator = max(",;\t", key=(lines or [""])[0].count)
    rows = [row for row in csv.reader(lines, delimiter=separator) if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise UserError(f"{path.name} holds no row. Give a header and a row for each PET.")
    return [[name.strip() for name in rows[0]], *rows[1:]]


def _row(file: str, number: int, cells: Mapping[str, str]) -> PetRow:
    column = next((name for name in NAMES if cells.get(name)), "")
    if not column:
        raise UserError(f"{file}, row {number}: none of {', '.join(NAMES)} is filled. Say which PET the row is of.")
    try:
        facts = PetFacts(
            _number(cells, "PatientWeight", *WEIGHT, "kg"),
            _number(cells, "PatientSize", *HEIGHT, "m"),
            _sex(cells.get("PatientSex", "")),
            _number(cells, "RadionuclideTotalDose", *DOSES, "Bq; 300 MBq is 300000000"),
            _moment(cells.get("RadiopharmaceuticalStartDateTime", "")),
            named(cells["Radionuclide"]).name if cells.get("Radionuclide") else "",
        )
    except Unusable as problem:
        raise UserError(f"{file}, row {number}: Radionuclide. {problem.message}") from None
    except ValueError as problem:
        raise UserError(f"{file}, row {number}: {problem}.") from None
    if cells.get("StudyDate") and parse(cells["StudyDate"].replace("-", "") + "000000") is None:
        raise UserError(f"{file}, row {number}: StudyDate is no date. Write YYYYMMDD or YYYY-MM-DD.")
    day = cells.get("StudyDate", "").replace("-", "")
    return PetRow(number, cells.get("centre", ""), column, cells[column], day, facts)


def _number(cells: Mapping[str, str], column: str, low: float, high: float, unit: str) -> float | None:
    text = cells.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{column} is no number (a decimal point, no unit)") from None
    if not low <= value <= high:
        raise ValueError(f"{column} is not within {low:g} to {high:g}. It is in {unit}")
    return value


def _sex(text: str) -> str:
    if text.upper() not in ("", "M", "F"):
        raise ValueError("PatientSex is none of M, F")
    return text.upper()


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    moment = parse(text) or parse(text.replace("-", "").replace(":", "").replace("T", "").replace(" ", ""))
    if moment is None or moment.offset is not None:
        raise ValueError("RadiopharmaceuticalStartDateTime is no date and time of the scanner's clock, such as 2024-05-02 09:20")
    return moment.clock


@dataclass(frozen=True)
class Given:
    """What the table gives one PET series.

    Attributes:
        series_uid: Its SeriesInstanceUID.
        study_uid: Its StudyInstanceUID.
        rows: Numbers of the rows that are of it; a table is sound when it is one.
        facts: What the first of them says.
    """

    series_uid: str
    study_uid: str
    rows: tuple[int, ...]
    facts: PetFacts


def given(rows: Sequence[PetRow], names: Mapping[str, str], day: str = "") -> Given | None:
    """Return what the table says of one PET series; None when no row is of it.

    Args:
        rows: Rows of the table, with names as they stand in the files at hand.
        names: What each column of `NAMES` holds for the series.
        day: Its study date as YYYYMMDD.

    Example:
        >>> row = PetRow(1, "lyon", "PatientID", "7", "", PetFacts(weight=70.0))
        >>> given([row], {"PatientID": "7", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3"}).facts.weight
        70.0
    """
    mine = [row for row in rows if names.get(row.column) == row.name and row.day in ("", day)]
    if not mine:
        return None
    numbers = tuple(row.row for row in mine)
    return Given(names["SeriesInstanceUID"], names["StudyInstanceUID"], numbers, mine[0].facts)


def check_given(found: Sequence[Given], rows: Sequence[PetRow]) -> list[int]:
    """Return the numbers of rows that are of no PET.

    Args:
        found: What every PET series was given.
        rows: Rows of the table.

    Raises:
        UserError: If two rows are of one PET, or a row that names a person is of several studies.
    """
    studies: dict[int, set[str]] = defaultdict(set)
    for one in found:
        if len(one.rows) > 1:
            told = " and ".join(str(number) for number in one.rows)
            raise UserError(f"features.pet_table: rows {told} are of one PET. Leave out all but one.")
        studies[one.rows[0]].add(one.study_uid)
    for row in rows:
        if row.column == "PatientID" and len(studies[row.row]) > 1:
            text = f"features.pet_table: row {row.row} is of a person with several PET studies."
            raise UserError(f"{text} Give StudyDate, or name the StudyInstanceUID.")
    return [row.row for row in rows if not studies[row.row]]
