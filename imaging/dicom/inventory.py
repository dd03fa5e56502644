"""What volumes a series holds, told from its headers alone, before anything is extracted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.image_tables import IMAGES, VOLUMES
from unibase.groundwork.problems import Unusable
from unibase.groundwork.tables import EVENTS
from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.motion import motion_of
from unibase.imaging.dicom.planes import Plane
from unibase.imaging.dicom.projections import projected, spacing_of
from unibase.imaging.dicom.read_as import USUAL, Reading
from unibase.imaging.dicom.rescale import of_volume
from unibase.imaging.dicom.series import NOT_IMAGES, series_moment
from unibase.imaging.dicom.stacks import Stack
from unibase.imaging.dicom.suv import headers_of, suv_of, uptake_of
from unibase.imaging.dicom.suv_times import parse
from unibase.imaging.dicom.volume import open_files, place
from unibase.imaging.reasons import UNSUPPORTED_IMAGE


@dataclass(frozen=True)
class Described:
    """One volume, or what is set aside; attributes as the columns of VOLUMES."""

    volume: str = ""
    status: str = "volume"
    reason: str = ""
    message: str = ""
    remedy: str = ""
    volume_time: datetime | None = None
    unit: str | None = None
    slices: int | None = None
    Rows: int | None = None
    Columns: int | None = None
    spacing_x: float | None = None
    spacing_y: float | None = None
    spacing_z: float | None = None
    coverage: float | None = None
    SliceThickness: float | None = None
    ConvolutionKernel: str | None = None
    KVP: float | None = None
    MagneticFieldStrength: float | None = None
    EchoTime: float | None = None
    RepetitionTime: float | None = None
    motion: str | None = None
    nuclide: str | None = None
    uptake: float | None = None
    PatientWeight: float | None = None
    RadionuclideTotalDose: float | None = None
    filled_slices: int | None = None
    notes: str | None = None


def describe_series(paths: Iterable[Path], series_uid: str | None = None, reading: Reading = USUAL) -> list[Described]:
    """Return what volumes the image files of one series hold; a series that cannot be split is one refused entry.

    Args:
        paths: Files; those of other series are passed over when `series_uid` is given.
        series_uid: The SeriesInstanceUID.
        reading: How its volumes are read.
    """
    files = list(paths)
    try:
        images = projected(files, series_uid)
        stacks = () if images else open_files(files, series_uid).stacks
    except Unusable as problem:
        return [_refused(Described(), problem)]
    return [_projection(name, plane) for name, plane in images] or [_described(stack, reading) for stack in stacks]


def _projection(name: str, plane: Plane) -> Described:
    """Return an image of one plane that has no place in the patient: what it is, or why it cannot be measured."""
    told = replace(_told(Stack(name, (plane,))), status="image")
    try:
        spacing_y, spacing_x = spacing_of(plane.header)
        if int(plane.header.get("SamplesPerPixel") or 1) != 1:
            raise Unusable(UNSUPPORTED_IMAGE, "The image is in colour.", "Use a series of grey values.")
        return replace(told, spacing_x=spacing_x, spacing_y=spacing_y, unit=of_volume([plane], None) or None)
    except Unusable as problem:
        return _refused(told, problem)


def volumes_frame(
    series: pl.DataFrame, files: Mapping[str, list[Path]], reading_of: Callable[[Mapping[str, Any]], Reading] = lambda _: USUAL
) -> pl.DataFrame:
    """Return the VOLUMES frame of the image series of a SERIES frame.

    Args:
        series: SERIES frame.
        files: The files of each folder of it.
        reading_of: How the volumes of a row of it are read.
    """
    rows: list[dict[str, Any]] = []
    for row in series.to_dicts():
        if row["Modality"] in NOT_IMAGES:
            continue
        same = ("centre", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "folder", "subject_id")
        identity = {name: row[name] for name in same}
        found = describe_series(files[row["folder"]], row["SeriesInstanceUID"], reading_of(row))
        rows += [{**identity, **asdict(one)} for one in found]
    return VOLUMES.conform(pl.DataFrame(rows, schema=VOLUMES.schema()) if rows else VOLUMES.empty())


def images_frame(volumes: pl.DataFrame, measured: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Return the IMAGES frame: the volumes that can be used, with what the pixels of the measured ones tell.

    Args:
        volumes: VOLUMES frame.
        measured: `SeriesInstanceUID`, `volume`, `noise` and `truncation` of each volume that was measured.
    """
    schema = {"SeriesInstanceUID": pl.String, "volume": pl.String, "noise": pl.Float64, "truncation": pl.Float64}
    pixels = pl.DataFrame(list(measured), schema=schema)
    used = volumes.filter(pl.col("status") == "volume")
    joined = used.join(pixels, on=["SeriesInstanceUID", "volume"], how="left", maintain_order="left")
    return IMAGES.conform(joined.select(column.name for column in IMAGES.columns))


def volume_events(volumes: pl.DataFrame) -> pl.DataFrame:
    """Return the EVENTS of volumes: one `IMAGING//<Modality>//<volume>` for each volume of a series that holds several.

    A volume that is alone in its series is told by the event of its study (`series.study_events`). One without a time
    makes no event: it would read as a fact known from birth.
    """
    several = volumes.filter((pl.col("status") == "volume") & (pl.col("volume") != "") & pl.col("volume_time").is_not_null())
    events = several.sort("subject_id", "volume_time", "SeriesInstanceUID", "volume").select(
        "subject_id",
        pl.col("volume_time").alias("time"),
        pl.format("IMAGING//{}//{}", "Modality", "volume").alias("code"),
        pl.col("volume_time").alias("time_min"),
        pl.col("volume_time").alias("time_max"),
        pl.concat_str(pl.col("centre").fill_null(""), pl.lit("/dicom")).str.strip_prefix("/").alias("source"),
    )
    return EVENTS.conform(events)


def _described(stack: Stack, reading: Reading) -> Described:
    planes = stack.planes
    told = _told(stack)
    try:
        lies = place(planes, reading)
        x, y, z = lies.grid.spacing
        told = replace(told, spacing_x=x, spacing_y=y, spacing_z=z, coverage=z * lies.grid.size[2])
        told = replace(told, unit=of_volume(planes, reading.suv) or None, filled_slices=len(lies.seen.filled))
        told = replace(told, notes=", ".join(lies.notes(planes)) or None)
        suv = suv_of(planes, reading)
        if suv:
            told = replace(_with_tracer(told, planes, reading), notes=", ".join((*lies.notes(planes), *suv.notes)) or None)
    except Unusable as problem:
        return told if stack.aside else _refused(told, problem)
    except (TypeError, ValueError):
        # What is set aside may have no place at all.
        return told
    return told


def _told(stack: Stack) -> Described:
    """Return what the header of a volume tells without any look at its geometry."""
    planes = stack.planes
    first = planes[0]
    return Described(
        stack.name,
        "aside" if stack.aside else "volume",
        volume_time=min((moment for plane in planes if (moment := _plane_time(plane)) is not None), default=None),
        slices=len(planes),
        Rows=first.shape[0],
        Columns=first.shape[1],
        SliceThickness=_number(first, "SliceThickness"),
        ConvolutionKernel=first.text("ConvolutionKernel") or None,
        KVP=_number(first, "KVP"),
        MagneticFieldStrength=_number(first, "MagneticFieldStrength"),
        EchoTime=_number(first, "EffectiveEchoTime") or _number(first, "EchoTime"),
        RepetitionTime=_number(first, "RepetitionTime"),
        motion=motion_of(first.header),
    )


def _with_tracer(told: Described, planes: Sequence[Plane], reading: Reading) -> Described:
    """Return a PET with what its SUV was computed from, wherever that came from."""
    headers, _ = headers_of(planes, reading)
    nuclide, seconds = uptake_of(headers)
    items = headers[0].get("RadiopharmaceuticalInformationSequence") or ()
    return replace(
        told,
        nuclide=nuclide,
        uptake=None if seconds is None else seconds / 60,
        PatientWeight=_number_of(headers[0], "PatientWeight"),
        RadionuclideTotalDose=_number_of(items[0], "RadionuclideTotalDose") if items else None,
    )


def _refused(told: Described, problem: Unusable) -> Described:
    return replace(told, status="refused", reason=problem.reason, message=problem.message, remedy=problem.remedy, unit=None)


def _plane_time(plane: Plane) -> datetime | None:
    """Return when a plane was acquired, on its own clock; else when its series was."""
    said = plane.header.get
    exact = parse(said("FrameAcquisitionDateTime") or said("AcquisitionDateTime"))
    if exact is not None:
        return exact.clock
    days = map(plane.text, ("AcquisitionDate", "SeriesDate", "StudyDate"))
    date = next(filter(None, days), "")
    acquired = parse(date + plane.text("AcquisitionTime"))
    return acquired.clock if acquired is not None else series_moment(plane.header)


def _number(plane: Plane, keyword: str) -> float | None:
    return _number_of(plane.header, keyword)


def _number_of(header: Header, keyword: str) -> float | None:
    """Return a value as a number; None when it is absent or none.

    Args:
        header: Header header.
        keyword: Its DICOM keyword.
    """
    value = header.get(keyword)
    try:
        return float(value) if value not in (None, "") else None
    except (TypeError, ValueError):
        return None
