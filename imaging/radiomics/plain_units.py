"""Where the units of plain files come from: a folder, a list, or one pair of image and mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import FEATURES
from unibase.groundwork.work import Unit
from unibase.imaging import reasons
from unibase.imaging.dicom.series import NOT_IMAGES, read_header, read_index
from unibase.imaging.engine.setting import Setting
from unibase.imaging.plain.listing import Listed, is_listing, read_listing
from unibase.imaging.plain.paired_by_name import Layout, Unplaced, find_pairs, tells_no_case
from unibase.imaging.plain.whole import suffix_of
from unibase.imaging.radiomics.plan import DOSE_OF_NOTHING, Row, plan_units
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.radiomics.task import Asked, FeatureTask

Source = Path | str | tuple[Path | str, Path | str]

LIST_ROW = "list_row"
"""Column that tells the row of the list."""


@dataclass(frozen=True)
class SourcePlan:
    """The units of a source.

    Attributes:
        units: One for each image, or row of a list.
        refused: Masks, files and rows that can go into none: `unit`, `reason`, `message`, `remedy`.
        kept: For each unit of a list, the columns that it adds to its rows, by name.
    """

    units: list[Unit]
    refused: list[dict[str, str]] = field(default_factory=list)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)


def nothing_left(refused: Sequence[dict[str, str]]) -> UserError:
    """Return what is said when no series has features: every one that was refused, by place."""
    return UserError("No features: " + "\n".join(f"{one['unit']}: {one['message']} {one['remedy']}" for one in refused))


def plan_source(source: Source, work: Path, asked: Asked) -> SourcePlan:
    """Return the units of a source.

    Args:
        source: A folder, a list file, or one pair `(image, mask)`.
        work: Where each unit writes its table.
        asked: What is asked of every unit.

    Raises:
        UserError: If the source is none of these, or holds no image.
    """
    if isinstance(source, tuple):
        image, mask = Path(source[0]), Path(source[1])
        return SourcePlan([_unit(image.name, image, (mask,), work, asked)])
    source = Path(source)
    if is_listing(source):
        return _of_list(source, work, asked)
    if not source.is_dir():
        raise UserError(
            f"{source} is no folder. Name a folder of DICOM, NIfTI or NRRD files, a list (CSV with the columns Image and Mask), "
            "or an image and a mask."
        )
    return _of_folder(source, work, asked)


def _unit(name: str, image: Path, masks: tuple[Path, ...], work: Path, asked: Asked) -> Unit:
    files = [image, *masks] if image.is_file() else masks
    digest = digest_of([name, [f"{path.stat().st_size}-{path.stat().st_mtime_ns}" for path in files if path.exists()]])
    # A DICOM folder names its series itself; a plain image is named by its path.
    series = None if image.is_dir() else name
    place = work / f"{digest_of(name)[:16]}.parquet"
    return Unit(name, digest, FeatureTask(image, masks, asked.settings, asked.regions, place, asked.choices, series_uid=series))


def _of_list(source: Path, work: Path, asked: Asked) -> SourcePlan:
    """Return a unit for every row of a list; its label and layer stand over those of the parameter file."""
    rows = read_listing(source)
    plan = SourcePlan([])
    taken = {column.name for column in FEATURES.columns} | {LIST_ROW}
    for row in rows:
        name = f"row {row.row}: {_said(row.image, source)}"
        if row.problem:
            plan.refused.append(
                {"unit": name, "reason": reasons.UNREADABLE_ROW, "message": row.problem, "remedy": "Correct the row."}
            )
            continue
        unit = _unit(name, row.image, (row.mask,), work, replace(asked, settings=_of_row(asked.settings, row)))
        task: FeatureTask = unit.arguments
        named = replace(task, series_uid=None if row.image.is_dir() else _said(row.image, source))
        plan.units.append(
            replace(unit, input_digest=digest_of([unit.input_digest, row.label, row.label_channel]), arguments=named)
        )
        kept = row.kept or {}
        named_apart = names_apart(kept, taken)
        plan.kept[name] = {LIST_ROW: row.row, **{named_apart[key]: value for key, value in kept.items()}}
    return plan


def names_apart(names: Iterable[str], taken: Set[str]) -> dict[str, str]:
    """Return a name in the table of features for each column of a list: its own, behind `list_` where that is taken.

    Args:
        names: Names of the columns of the list.
        taken: Names of columns that are not of the list.

    >>> names_apart(["age", "region", "list_region"], {"region"})
    {'age': 'age', 'region': 'list_region', 'list_region': 'list_list_region'}
    """
    apart: dict[str, str] = {}
    for name in names:
        new = name
        while new in taken or new in apart.values():
            new = f"list_{new}"
        apart[name] = new
    return apart


def _said(path: Path, beside: Path) -> str:
    """Return a path relative to the list, or as it is when it lies elsewhere."""
    return path.relative_to(beside.parent).as_posix() if path.is_relative_to(beside.parent) else path.as_posix()


def _of_row(settings: FeatureSettings, row: Listed) -> FeatureSettings:
    setting: Setting = {**settings.setting}
    if row.label is not None:
        setting["label"] = row.label
    if row.label_channel is not None:
        setting["label_channel"] = row.label_channel
    return replace(settings, setting=setting, label=row.label if row.label is not None else settings.label)


def _of_folder(source: Path, work: Path, asked: Asked) -> SourcePlan:
    """Return a unit for every image of a folder, plain or DICOM, with its masks of either kind."""
    layout = find_pairs(source, asked.choices.resample)
    # Plain DICOM carries no pseudonym: one stand-in lets the index group it, and no row tells it.
    index = read_index(source, subject_of=lambda _: 1, parts=True)
    planned = plan_units(index.series, source, work, asked)
    strays = [row for row in planned.unplaced if row["Modality"] != "RTDOSE"]
    mixed = _Mixed(source, layout, index.series.to_dicts(), strays)
    mixed.match()
    units = []
    for name, masks in sorted(mixed.pairs.items()):
        units.append(_unit(name, source / name, masks, work, asked))
    for unit in planned.units:
        task: FeatureTask = unit.arguments
        name = task.image_folder.relative_to(source).as_posix()
        more = mixed.further.get(task.series_uid or "", ())
        mine = replace(task, subject_id=None, mask_paths=(*task.mask_paths, *more))
        digest = digest_of([unit.input_digest, [sha256_file(path) for path in more]])
        units.append(Unit(name, digest, mine))
    units = list(_distinct(units))
    refused = [
        {"unit": one.place, "reason": one.reason, "message": one.message, "remedy": one.remedy}
        for one in [*mixed.unplaced, *_doses_of_nothing(source, planned.unplaced), *_broken(source, index.not_dicom)]
    ]
    if not units:
        if refused:
            raise nothing_left(refused)
        raise UserError(f"{source} holds no DICOM series and no NIfTI or NRRD image with a mask. Check the folder.")
    return SourcePlan(units, refused)


def _distinct(units: list[Unit]) -> Iterator[Unit]:
    """Return units with names of their own: series that share a folder are told by their number in it."""
    names = [unit.key for unit in units]
    count: dict[str, int] = {}
    for unit in sorted(units, key=lambda unit: (unit.key, unit.arguments.series_uid or "")):
        count[unit.key] = count.get(unit.key, 0) + 1
        name = f"{unit.key} (series {count[unit.key]})"
        yield unit if names.count(unit.key) == 1 else replace(unit, key=name)


def _doses_of_nothing(source: Path, unplaced: Sequence[Row]) -> Iterator[Unplaced]:
    """Yield the doses that go with no image."""
    for row in unplaced:
        if row["Modality"] == "RTDOSE":
            for path in _dicom_files(source / row["folder"], row["SeriesInstanceUID"]):
                place = path.relative_to(source).as_posix()
                yield Unplaced(place, DOSE_OF_NOTHING, reasons.NO_DOSE.remedy, reasons.NO_DOSE)


def _broken(source: Path, not_dicom: Sequence[str]) -> list[Unplaced]:
    """Return the files that are DICOM by their name or first bytes and cannot be read as such."""
    told = []
    for name in not_dicom:
        path = source / name
        if suffix_of(path):
            continue
        with path.open("rb") as stream:
            marked = stream.read(132)[128:] == b"DICM"
        if marked or path.suffix.lower() in (".dcm", ".dicom", ".ima"):
            told.append(
                Unplaced(name, "The DICOM file cannot be read.", "Copy or export the file again.", reasons.UNREADABLE_DICOM)
            )
    return told


@dataclass
class _Mixed:
    """Plain masks of DICOM images, and DICOM masks of plain images: they go together by the folder in which they lie.

    Attributes:
        source: The folder.
        layout: What it holds of plain images.
        series: Rows of its DICOM series.
        strays: Rows of RTSTRUCT and SEG series that go with no DICOM image.
        pairs: Plain image to its masks of either kind; filled by `match`.
        further: SeriesInstanceUID to plain masks; filled by `match`.
        unplaced: Masks of either kind that go with nothing; filled by `match`.
    """

    source: Path
    layout: Layout
    series: list[dict[str, Any]]
    strays: list[Row]
    pairs: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    further: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    unplaced: list[Unplaced] = field(default_factory=list)

    def match(self) -> None:
        """Match masks and images of different kinds."""
        self.pairs = dict(self.layout.pairs)
        for mask in self.layout.unplaced:
            folder = PurePosixPath(mask.place).parent
            place = self._case_folder(folder)
            near = [uid for uid, image in self._images() if image.is_relative_to(place)]
            if not near or not tells_no_case(folder.relative_to(place).parts):
                self.unplaced.append(mask)
                continue
            for uid in dict.fromkeys(near):
                self.further[uid] = (*self.further.get(uid, ()), self.source / mask.place)
        for row in self.strays:
            self._stray(row)

    def _images(self) -> list[tuple[str, PurePosixPath]]:
        rows = [row for row in self.series if row["Modality"] not in NOT_IMAGES]
        return [(row["SeriesInstanceUID"], PurePosixPath(row["folder"])) for row in rows]

    def _case_folder(self, folder: PurePosixPath) -> PurePosixPath:
        """Return the nearest folder at or above one that holds DICOM images below it."""
        for place in (folder, *folder.parents):
            if any(image.is_relative_to(place) for _, image in self._images()):
                return place
        return folder

    def _stray(self, row: Row) -> None:
        folder = PurePosixPath(row["folder"])
        files = _dicom_files(self.source / row["folder"], row["SeriesInstanceUID"])
        images = [name for name in self.pairs if PurePosixPath(name).parent in (folder, *folder.parents[:1])]
        images = [name for name in images if PurePosixPath(name).parent == folder] or images
        if len(images) == 1:
            self.pairs[images[0]] = (*self.pairs[images[0]], *files)
            return
        for path in files:
            message = "The structure set or segmentation was drawn on no image series of this folder."
            remedy = "Add the series that it was drawn on, or leave the file out."
            self.unplaced.append(Unplaced(path.relative_to(self.source).as_posix(), message, remedy))


def _dicom_files(folder: Path, series_uid: str) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return [
        path
        for path in files
        if (header := read_header(path)) is not None and str(header.get("SeriesInstanceUID", "")) == series_uid
    ]
