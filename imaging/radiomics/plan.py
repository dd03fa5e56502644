"""Which masks go with which series: one unit per image series, and the masks that belong to nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Unit
from unibase.imaging.dicom.series import NOT_IMAGES, read_header
from unibase.imaging.radiomics.extraction import engine_name
from unibase.imaging.radiomics.task import Asked, FeatureTask

Row = Mapping[str, Any]
"""A row of a SERIES frame."""


DOSE_OF_NOTHING = "The dose has the frame of reference of no image with regions."
"""What is said of a dose that goes with no image."""


@dataclass(frozen=True)
class Plan:
    """The units of a SERIES frame.

    Attributes:
        units: One per image series.
        unplaced: Rows of RTSTRUCT and SEG series, and of RTDOSE when doses are asked for, that go with no image of the frame.
    """

    units: list[Unit]
    unplaced: list[Row]


def plan_units(
    series: pl.DataFrame,
    root: Path | str,
    destination: Path | str,
    asked: Asked,
    modalities: Sequence[str] | None = None,
) -> Plan:
    """Return one unit per image series of a SERIES frame, with the masks that belong to it.

    A mask belongs to the series that it references. A series that no mask references takes those of the same study and
    frame of reference (contours drawn on the CT of a PET/CT serve the PET too); reading them says so, and refuses a SEG of
    another lattice. A series without any mask is a unit as well, and ends in quarantine as `no-mask`: in = out + quarantined.
    A series that lies in several folders, in parts or as copies, is one unit.

    Args:
        series: SERIES frame.
        root: What its `folder` column is relative to.
        destination: Folder of the FEATURES files, `<SeriesInstanceUID>.parquet` each.
        asked: What is asked of every unit.
        modalities: Which modalities to extract from; None takes all images.
    """
    rows = series.to_dicts()
    place = _Place(Path(root), Path(destination), _shared_folders(rows))
    images = _parts_of_series(rows, lambda modality: modality not in NOT_IMAGES)
    masks = _parts_of_series(rows, lambda modality: modality in ("RTSTRUCT", "SEG"))
    doses = _parts_of_series(rows, lambda modality: asked.choices.dose and modality == "RTDOSE")
    units, used = [], set()
    for parts in images:
        own = _masks_of(parts[0], masks)
        used |= {_key(mask[0]) for mask in own}
        if modalities is None or parts[0]["Modality"] in modalities:
            unit = _unit_of(parts, [part for mask in own for part in mask], place, asked)
            given = _doses_of(parts[0], own, doses)
            used |= {_key(dose[0]) for dose in given}
            units.append(_with_doses(unit, [part for dose in given for part in dose], place))
    return Plan(units, [part for one in (*masks, *doses) if _key(one[0]) not in used for part in one])


@dataclass(frozen=True)
class _Place:
    """Where series lie and tables go, and the folders that several series share."""

    root: Path
    destination: Path
    shared: set[str]

    def files(self, parts: Sequence[Row]) -> tuple[Path, ...]:
        """Return the files of a series in all its folders."""
        return tuple(path for part in parts for path in _files_of(self.root, part, self.shared))


def _unit_of(parts: Sequence[Row], masks: Sequence[Row], place: _Place, asked: Asked) -> Unit:
    """Return the unit of an image series, from its rows (one for each folder) and those of its masks."""
    row = parts[0]
    task = FeatureTask(
        place.root / row["folder"],
        place.files(masks),
        asked.settings,
        asked.regions,
        place.destination / f"{row['SeriesInstanceUID']}.parquet",
        asked.choices,
        row["subject_id"],
        row["centre"],
        row["series_time"],
        row["SeriesInstanceUID"],
        place.files(parts) if len(parts) > 1 else (),
        maps=asked.maps,
    )
    images = row["input_digest"] if len(parts) == 1 else sorted(part["input_digest"] for part in parts)
    digest = digest_of([images, sorted(part["input_digest"] for part in masks)])
    return Unit(f"{row['folder']}:{row['SeriesInstanceUID']}", digest, task)


def _doses_of(image: Row, masks: Sequence[list[Row]], doses: Sequence[list[Row]]) -> list[list[Row]]:
    """Return the doses of the person and frame of reference of an image, when it is a CT, or what its masks were drawn on."""
    drawn_on = {mask[0]["ReferencedSeriesInstanceUID"] for mask in masks}
    if not masks or (image["Modality"] != "CT" and image["SeriesInstanceUID"] not in drawn_on):
        return []
    same = ("subject_id", "FrameOfReferenceUID")
    return [dose for dose in doses if all(dose[0][name] == image[name] for name in same)]


def _with_doses(unit: Unit, doses: Sequence[Row], place: _Place) -> Unit:
    if not doses:
        return unit
    digest = digest_of([unit.input_digest, sorted(dose["input_digest"] for dose in doses)])
    return replace(unit, input_digest=digest, arguments=replace(unit.arguments, doses=place.files(doses)))


def _key(row: Row) -> tuple[object, ...]:
    return row["subject_id"], row["SeriesInstanceUID"]


def _parts_of_series(rows: Sequence[Row], wanted: Callable[[str], bool]) -> list[list[Row]]:
    """Return the rows of each series of the wanted modalities: one for every folder that it lies in."""
    parts: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if wanted(row["Modality"]):
            parts[_key(row)].append(row)
    return [sorted(members, key=lambda row: str(row["folder"])) for members in parts.values()]


def _masks_of(image: Row, masks: Sequence[list[Row]]) -> list[list[Row]]:
    """Return the masks of an image series: those that reference it, else those of its study and frame of reference."""
    mine = [mask for mask in masks if mask[0]["subject_id"] == image["subject_id"]]
    own = [mask for mask in mine if mask[0]["ReferencedSeriesInstanceUID"] == image["SeriesInstanceUID"]]
    if own:
        return own
    frame, study = image["FrameOfReferenceUID"], image["StudyInstanceUID"]
    return [mask for mask in mine if frame and mask[0]["FrameOfReferenceUID"] == frame and mask[0]["StudyInstanceUID"] == study]


def _shared_folders(rows: Sequence[Row]) -> set[str]:
    """Return the folders in which several series lie."""
    count: dict[str, int] = defaultdict(int)
    for row in rows:
        count[row["folder"]] += 1
    return {folder for folder, number in count.items() if number > 1}


def _files_of(root: Path, row: Row, shared: set[str]) -> list[Path]:
    folder = root / row["folder"]
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if row["folder"] not in shared and row["Modality"] not in ("RTSTRUCT", "SEG", "RTDOSE"):
        return files
    # A mask shares its folder with files that are no DICOM, too.
    return [
        path
        for path in files
        if (header := read_header(path)) is not None and str(header.get("SeriesInstanceUID", "")) == row["SeriesInstanceUID"]
    ]


def stage_settings(asked: Asked) -> dict[str, Any]:
    """Return all that changes the result of a unit beside its input, as JSON: the `settings` of `run_units`.

    `asked`: what is asked of every unit.

    Raises:
        UserError: If there is no file of the deep model.
    """
    regions, choices = asked.regions, asked.choices
    model = Path(choices.deep_model)
    if choices.deep_model and not model.is_file():
        raise UserError(f"No model at {model}. Name an ONNX file (deep_model).")
    return {
        "settings": asked.settings.digest,
        "regions": None if regions is None else {target: list(patterns) for target, patterns in regions.items()},
        **choices.model_dump(mode="json"),
        "deep_model": sha256_file(model) if choices.deep_model else "",
        "maps": None if asked.maps is None else asked.maps.digest,
        "engine": engine_name(choices.engine),
        "code": version("unibase"),
    }
