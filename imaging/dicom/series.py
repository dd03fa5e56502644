"""What image series a folder holds: one row per DICOM series, and the events that they are in a subject's timeline."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import polars as pl

from unibase.groundwork.files import blake3_file, digest_of
from unibase.groundwork.tables import EVENTS, SERIES
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.opened import begins_as_dicom, read_dataset

if TYPE_CHECKING:
    from pydicom import FileDataset

CentreOf = Callable[[str], str | None] | Mapping[str, str] | str | None
"""The centre of a series: by its folder (relative, POSIX) through a function or a mapping, or one name for all."""

NOT_IMAGES = frozenset({"RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SEG", "SR", "PR", "KO", "REG", "FID", "DOC", "RWV"})
"""Modalities that are no image of a patient: they make no imaging event."""

_TAGS = [
    "PatientID",
    "PatientSex",
    "PatientAge",
    "PatientWeight",
    "Manufacturer",
    "ManufacturerModelName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Modality",
    "FrameOfReferenceUID",
    "SeriesDate",
    "SeriesTime",
    "StudyDate",
    "StudyTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "BodyPartExamined",
    "SeriesDescription",
    "ReferencedSeriesSequence",
    "ReferencedFrameOfReferenceSequence",
]


@dataclass(frozen=True)
class Index:
    """What a folder holds.

    Attributes:
        series: SERIES frame.
        not_dicom: Files that are no DICOM, or cannot be parsed; relative to the folder.
        not_staged: DICOM files whose PatientID is no pseudonym (a positive integer), so they are not in `series`.
    """

    series: pl.DataFrame
    not_dicom: list[str] = field(default_factory=list)
    not_staged: list[str] = field(default_factory=list)


def index_folder(
    folder: Path | str,
    centre_of: CentreOf = None,
    *,
    relative_to: Path | str | None = None,
    digests: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return the SERIES frame of a folder of de-identified DICOM.

    Args:
        folder: Searched with all that is below it, links not followed.
        centre_of: Centre of a series by its folder relative to `folder`: a function, a mapping, or one name.
        relative_to: What the `folder` column is relative to; `folder` itself by default.
        digests: BLAKE3 of files by their path relative to `folder`, where they are known already (de-identification
            returns them); all others are read to the last byte.

    A series that lies in several folders is an error of staging and raises ValueError.
    """
    return read_index(folder, centre_of, relative_to=relative_to, digests=digests).series


def read_index(
    folder: Path | str,
    centre_of: CentreOf = None,
    *,
    relative_to: Path | str | None = None,
    subject_of: Callable[[str], int | None] | None = None,
    digests: Mapping[str, str] | None = None,
    parts: bool = False,
) -> Index:
    """Return the series of a folder and the files that are in none; arguments as `index_folder`.

    Args:
        folder: As `index_folder`.
        centre_of: As `index_folder`.
        relative_to: As `index_folder`.
        subject_of: From PatientID to subject_id; by default PatientID itself, which is the pseudonym after staging.
        digests: As `index_folder`.
        parts: A series may lie in several folders, as on a CD, or as copies: it then has a row for each.
    """
    folder = Path(folder)
    base = Path(relative_to) if relative_to is not None else folder
    subject = subject_of or _pseudonym
    found = _members(folder, subject)
    rows = [
        {
            "subject_id": subject(str(_first(headers).get("PatientID"))),
            "centre": _centre(centre_of, place),
            **asdict(_said_of_series(headers)),
            "folder": (folder / place).relative_to(base).as_posix(),
            "input_digest": _input_digest(folder, paths, digests or {}),
        }
        for (_, place), (headers, paths) in found.series.items()
    ]
    frame = pl.DataFrame(rows, schema=SERIES.schema()) if rows else SERIES.empty()
    table = replace(SERIES, key=(*SERIES.key, "folder")) if parts else SERIES
    return Index(table.conform(frame), found.not_dicom, found.not_staged)


@dataclass(frozen=True)
class _Found:
    """The files of a folder: headers and paths of each series by UID and folder, and the files that are in none."""

    series: dict[tuple[str, str], tuple[list[Header], list[Path]]] = field(default_factory=dict)
    not_dicom: list[str] = field(default_factory=list)
    not_staged: list[str] = field(default_factory=list)


def _members(folder: Path, subject: Callable[[str], int | None]) -> _Found:
    found = _Found()
    # Hidden names are half-written files of a killed run.
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        name = path.relative_to(folder).as_posix()
        header = read_header(path)
        if header is None or not header.get("SeriesInstanceUID"):
            found.not_dicom.append(name)
        elif subject(str(header.get("PatientID", ""))) is None:
            found.not_staged.append(name)
        else:
            place = PurePosixPath(name).parent.as_posix()
            headers, paths = found.series.setdefault((str(header.get("SeriesInstanceUID")), place), ([], []))
            headers.append(header)
            paths.append(path)
    return found


def _first(headers: Sequence[Header]) -> Header:
    return min(headers, key=lambda header: str(header.get("SOPInstanceUID", "")))


@dataclass(frozen=True)
class _SaidOfSeries:
    """The columns of SERIES that stand in the headers of a series."""

    StudyInstanceUID: str
    SeriesInstanceUID: str
    Modality: str | None
    SOPClassUID: str | None
    PatientSex: str | None
    Manufacturer: str | None
    ManufacturerModelName: str | None
    BodyPartExamined: str | None
    SeriesDescription: str | None
    FrameOfReferenceUID: str | None
    series_time: datetime | None
    PatientAge: float | None
    PatientWeight: float | None
    ReferencedSeriesInstanceUID: str | None
    instances: int


_TEXTS = (
    "Modality", "SOPClassUID", "PatientSex", "Manufacturer", "ManufacturerModelName", "BodyPartExamined", "SeriesDescription",
)  # fmt: skip


def _said_of_series(headers: Sequence[Header]) -> _SaidOfSeries:
    """Return what the instances of one series say of it."""
    first = _first(headers)
    moments = [moment for header in headers if (moment := series_moment(header)) is not None]
    return _SaidOfSeries(
        StudyInstanceUID=str(first.get("StudyInstanceUID", "")),
        SeriesInstanceUID=str(first.get("SeriesInstanceUID")),
        **{keyword: _text(first, keyword) for keyword in _TEXTS},
        FrameOfReferenceUID=_frame_of_reference(first),
        series_time=min(moments, default=None),
        PatientAge=_age_in_years(str(first.get("PatientAge", "") or "")),
        PatientWeight=_positive(first, "PatientWeight"),
        ReferencedSeriesInstanceUID=_referenced_series(first),
        instances=len(headers),
    )


def _input_digest(folder: Path, paths: Sequence[Path], known: Mapping[str, str]) -> str:
    return digest_of(sorted(known.get(path.relative_to(folder).as_posix()) or blake3_file(path) for path in paths))


def study_events(series: pl.DataFrame) -> pl.DataFrame:
    """Return the EVENTS of a SERIES frame: one `IMAGING//<Modality>` per study and modality, at its first series.

    Objects that are no images (RTSTRUCT, SEG, SR, ...) make no event. Nor does a study without any date: an event
    without a time would read as a fact known from birth. Such studies stay visible in SERIES, with a null time.
    """
    images = series.filter(~pl.col("Modality").is_in(sorted(NOT_IMAGES)) & pl.col("series_time").is_not_null())
    events = (
        images.group_by("subject_id", "StudyInstanceUID", "Modality")
        .agg(pl.col("series_time").min().alias("time"), pl.col("centre").drop_nulls().min())
        .sort("subject_id", "time", "Modality", "StudyInstanceUID")
        .select(
            "subject_id",
            "time",
            pl.format("IMAGING//{}", "Modality").alias("code"),
            pl.col("time").alias("time_min"),
            pl.col("time").alias("time_max"),
            pl.concat_str(pl.col("centre").fill_null(""), pl.lit("/dicom")).str.strip_prefix("/").alias("source"),
        )
    )
    return EVENTS.conform(events)


def read_header(path: Path) -> FileDataset | None:
    """Return the header fields of a DICOM file that an index needs, or None when the file is not DICOM. `path`: any file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if not begins_as_dicom(path):
                return None
            header = read_dataset(path, _TAGS)
            for element in header:
                # Values are parsed when they are first read: a broken one must show here, not later.
                element.value  # noqa: B018
        except Exception:
            return None
    return header


def series_moment(header: Header) -> datetime | None:
    """Return when the series was taken: series date and time, else those of the study, else of the acquisition.

    A date without a time is the start of that day, as in the rest of DICOM's study-level times.

    Args:
        header: Header of an instance.
    """
    for level in ("Series", "Study", "Acquisition"):
        day = str(header.get(f"{level}Date", "") or "").strip()
        clock = str(header.get(f"{level}Time", "") or "").strip()
        try:
            moment = datetime.strptime(day, "%Y%m%d")
        except ValueError:
            continue
        whole, _, fraction = clock.partition(".")
        try:
            time = datetime.strptime(whole.ljust(6, "0"), "%H%M%S")
        except ValueError:
            return moment
        microsecond = int(fraction[:6].ljust(6, "0")) if fraction.isdigit() else 0
        return moment.replace(hour=time.hour, minute=time.minute, second=time.second, microsecond=microsecond)
    return None


def _referenced_series(header: Header) -> str | None:
    """Return the image series that a SEG or RTSTRUCT marks; the first by name when there are several.

    `header`: header of a SEG or RTSTRUCT.
    """
    found = {str(item.get("SeriesInstanceUID", "")) for item in header.get("ReferencedSeriesSequence") or []}
    for frame in header.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            found |= {str(item.get("SeriesInstanceUID", "")) for item in study.get("RTReferencedSeriesSequence") or []}
    return min(found - {""}, default=None)


def _frame_of_reference(header: Header) -> str | None:
    """Return the frame of reference of an object; that of its first reference for an RTSTRUCT.

    `header`: header of an instance.
    """
    own = _text(header, "FrameOfReferenceUID")
    if own:
        return own
    items = header.get("ReferencedFrameOfReferenceSequence") or []
    found = {str(item.get("FrameOfReferenceUID", "")) for item in items}
    return min(found - {""}, default=None)


def _text(header: Header, keyword: str) -> str | None:
    return str(header.get(keyword, "") or "").strip() or None


def _age_in_years(text: str) -> float | None:
    """Return a DICOM age string (034Y, 018M, 006W, 010D) in years; None when it is none.

    Args:
        text: PatientAge as it stands in the header.
    """
    found = re.fullmatch(r"(\d{1,3})([YMWD])", text.strip())
    if found is None:
        return None
    return int(found[1]) / {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}[found[2]]


def _positive(header: Header, keyword: str) -> float | None:
    value = header.get(keyword)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _pseudonym(patient_id: str) -> int | None:
    text = patient_id.strip()
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 2**63 else None


def _centre(centre_of: CentreOf, place: str) -> str | None:
    if centre_of is None or isinstance(centre_of, str):
        return centre_of
    return centre_of(place) if callable(centre_of) else centre_of.get(place)
