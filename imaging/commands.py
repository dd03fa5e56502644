"""Features of plain files, without a study: a folder of DICOM, of plain images with masks beside them, a list, or one pair."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import polars as pl

from unibase.groundwork.files import digest_of, sha256_file
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import FEATURES, VOLUMES, Column, Table
from unibase.groundwork.work import Outcome, Unit, WorkLedger, run_units
from unibase.imaging.dicom.inventory import volumes_frame
from unibase.imaging.dicom.series import NOT_IMAGES, read_index
from unibase.imaging.looks.unit import FOLDER, gather_looks
from unibase.imaging.options import Regions
from unibase.imaging.plain.layout import Layout, Unplaced, find_pairs
from unibase.imaging.plain.listing import Listed, is_listing, read_listing
from unibase.imaging.plain.whole import suffix_of
from unibase.imaging.radiomics.features import collect, extract_series, ordered, plan_units, stage_settings
from unibase.imaging.radiomics.plan import Row
from unibase.imaging.radiomics.robustness import STABILITY, RobustnessTask, extract_perturbed, stability_table
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.radiomics.task import Choices, FeatureTask
from unibase.imaging.radiomics.told import REGION_LIST, list_regions

if TYPE_CHECKING:
    from distributed import Client

Progress = Callable[[int, int], None]
"""Called as `progress(finished, total)`."""

Source = Path | str | tuple[Path | str, Path | str]


EACH = Choices(several="each")
"""What holds for plain files: every region of one target has a row of its own."""


@dataclass(frozen=True)
class PlainRun:
    """How plain files are measured.

    Attributes:
        choices: What is chosen about regions and features.
        regions: Target to patterns of ROI names; None makes every ROI its own region.
        pictures: Draw each region into this folder, with a contact sheet, the most suspect first.
        robustness: Perturb every region too, and write the table of how stable each feature is to this Parquet file.
        progress: Told after each series.
        client: Dask client that maps the series; None measures them here, one after the other.
    """

    choices: Choices = EACH
    regions: Regions | None = None
    pictures: Path | None = None
    robustness: Path | str | None = None
    progress: Progress | None = None
    client: Client | None = None


AS_IT_IS = PlainRun()
"""Every region under its own name, measured here."""


@dataclass(frozen=True)
class PlainResult:
    """What became of plain files.

    Attributes:
        rows: Rows of the table.
        sha256: Digest of the Parquet file.
        series: Results of `extract_series` of every series that has features, each with its `unit`.
        quarantined: Series, masks and rows of a list that were not used: `unit`, `reason`, `message`, `remedy`. `unit` is a path
            relative to the source, or the row of a list.
        regions: The frame of `features.list_regions`.
    """

    rows: int
    sha256: str
    series: list[dict[str, Any]]
    quarantined: list[dict[str, str]]
    regions: pl.DataFrame


@dataclass(frozen=True)
class _Plan:
    """The units of a source, what can go into none, and the columns that a list adds to the rows of each unit."""

    units: list[Unit]
    refused: list[dict[str, str]] = field(default_factory=list)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)


def extract_plain(
    source: Source,
    destination: Path | str,
    settings: FeatureSettings,
    run: PlainRun = PlainRun(),
) -> PlainResult:
    """Extract the features of plain files into one Parquet table.

    Beside the table stands `<name>.work` while it is made: a run that was killed goes on where it stopped.

    Args:
        source: A folder of DICOM (any layout, with RTSTRUCT or SEG) and of plain images and masks, a list file (columns
            Image and Mask, and Label, as PyRadiomics' command line takes it; further columns are kept), or one pair
            `(image, mask)`; the image of a pair may be a DICOM folder.
        destination: The Parquet file to write.
        settings: Extraction settings.
        run: How they are measured.

    Raises:
        UserError: If the source holds no image, or no series could be used at all.
    """
    destination = Path(destination)
    run.choices.check()
    run = replace(run, choices=replace(run.choices, pictures=run.pictures is not None))
    work = destination.with_name(f"{destination.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    plan = _plan(source, work, settings, run)
    with WorkLedger(work / "work.sqlite") as ledger:
        outcomes = _measured(plan.units, ledger, run, stage_settings(settings, run.regions, run.choices))
        perturbed = _perturbed(plan.units, outcomes, ledger, run, settings) if run.robustness is not None else []
    done = [{"unit": outcome.key, **outcome.result} for outcome in outcomes if outcome.status == "done"]
    told = [
        {"unit": outcome.key, "reason": outcome.reason, "message": outcome.message, "remedy": outcome.remedy}
        for outcome in outcomes
        if outcome.status == "quarantined"
    ]
    refused = told + plan.refused
    if not done:
        first = refused[0]
        raise UserError(f"No features: {first['unit']}: {first['message']} {first['remedy']}")
    frame = _collected(done, destination, plan)
    if run.pictures is not None:
        _pictured(done, run.pictures)
    if run.robustness is not None:
        STABILITY.write(stability_table(perturbed, frame), run.robustness)
    matches = list_regions({outcome.key: outcome.result for outcome in outcomes if outcome.result})
    aside = pl.DataFrame([{**one, "status": "refused"} for one in refused], schema=REGION_LIST)
    listed = (
        pl.concat([matches, aside]).unique(maintain_order=True).sort("unit", "status", "target", "roi_name", maintain_order=True)
    )
    for result in done:
        result.pop("path")
    shutil.rmtree(work, ignore_errors=True)
    return PlainResult(frame.height, sha256_file(destination), done, refused, listed)


def _pictured(done: Sequence[dict[str, Any]], folder: Path) -> None:
    """Move the pictures of all series into a folder, and write their table and contact sheet there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for result in done:
        looks = Path(result["path"]).parent / FOLDER
        files.append(looks / Path(result["path"]).name)
        for picture in sorted(looks.glob(f"{Path(result['path']).stem}-*.png")):
            shutil.move(picture, folder / picture.name)
    gather_looks(files, folder / "looks.parquet", folder / "contact-sheet.html", ".")


def _measure(_: object, task: FeatureTask) -> dict[str, Any]:
    return extract_series(task)


def _perturb(_: object, task: RobustnessTask) -> dict[str, Any]:
    return extract_perturbed(task)


def _measured(units: list[Unit], ledger: WorkLedger, run: PlainRun, settings: Any) -> list[Outcome]:
    told = run.progress
    return run_units(
        "features",
        _measure,
        units,
        ledger,
        settings=settings,
        client=run.client,
        progress=None if told is None else lambda stage, finished, total, quarantined: told(finished, total),
        still_there=lambda result: Path(result["path"]).exists(),
    )


def _perturbed(
    units: list[Unit], outcomes: list[Outcome], ledger: WorkLedger, run: PlainRun, settings: FeatureSettings
) -> list[Path]:
    """Extract the perturbed copies of every series that has features; one whose copies cannot be had has no part in the table."""
    used = {outcome.key for outcome in outcomes if outcome.status == "done"}
    tasks = []
    for unit in units:
        if unit.key in used:
            task: FeatureTask = unit.arguments
            moved = replace(task, destination=task.destination.with_suffix(".perturbed.parquet"))
            tasks.append(Unit(unit.key, unit.input_digest, RobustnessTask(moved)))
    chosen = stage_settings(settings, run.regions, run.choices)
    ended = run_units("robustness", _perturb, tasks, ledger, settings=chosen, client=run.client)
    return [Path(outcome.result["path"]) for outcome in ended if outcome.status == "done"]


def _collected(done: Sequence[dict[str, Any]], destination: Path, plan: _Plan) -> pl.DataFrame:
    """Write the tables of all units as one; those of a list with its columns before them."""
    if not plan.kept:
        return collect([result["path"] for result in done], destination)
    names = list(dict.fromkeys(name for kept in plan.kept.values() for name in kept))
    columns = tuple(
        Column(
            name,
            pl.Int64() if name == LIST_ROW else pl.String(),
            "Row of the list, from 1." if name == LIST_ROW else "Of the list.",
        )
        for name in names
    )
    table = Table("features", FEATURES.text, (*columns, *FEATURES.columns), (LIST_ROW, *FEATURES.key), open=True)
    frames = []
    for result in done:
        kept = plan.kept[result["unit"]]
        literals = [pl.lit(kept.get(column.name), dtype=column.dtype).alias(column.name) for column in columns]
        frames.append(pl.read_parquet(result["path"]).with_columns(*literals))
    return table.write(ordered(pl.concat(frames, how="diagonal"), table), destination)


LIST_ROW = "list_row"


def _plan(source: Source, work: Path, settings: FeatureSettings, run: PlainRun) -> _Plan:
    if isinstance(source, tuple):
        image, mask = Path(source[0]), Path(source[1])
        return _Plan([_unit(image.name, image, (mask,), work, settings, run)])
    source = Path(source)
    if is_listing(source):
        return _of_list(source, work, settings, run)
    if not source.is_dir():
        raise UserError(
            f"{source} is no folder. Name a folder of DICOM, NIfTI or NRRD files, a list (CSV with the columns Image and Mask), "
            "or an image and a mask."
        )
    return _of_folder(source, work, settings, run)


def _unit(name: str, image: Path, masks: tuple[Path, ...], work: Path, settings: FeatureSettings, run: PlainRun) -> Unit:
    files = [image, *masks] if image.is_file() else masks
    digest = digest_of([name, [f"{path.stat().st_size}-{path.stat().st_mtime_ns}" for path in files if path.exists()]])
    # A DICOM folder names its series itself; a plain image is named by its path.
    series = None if image.is_dir() else name
    place = work / f"{digest_of(name)[:16]}.parquet"
    return Unit(name, digest, FeatureTask(image, masks, settings, run.regions, place, run.choices, series_uid=series))


def _of_list(source: Path, work: Path, settings: FeatureSettings, run: PlainRun) -> _Plan:
    """Return a unit for every row of a list; its label and layer stand over those of the parameter file."""
    rows = read_listing(source)
    plan = _Plan([])
    taken = {column.name for column in FEATURES.columns} | {LIST_ROW}
    for row in rows:
        name = f"row {row.row}: {_said(row.image, source)}"
        if row.problem:
            plan.refused.append({"unit": name, "reason": "unreadable-row", "message": row.problem, "remedy": "Correct the row."})
            continue
        unit = _unit(name, row.image, (row.mask,), work, _of_row(settings, row), run)
        task: FeatureTask = unit.arguments
        named = replace(task, series_uid=None if row.image.is_dir() else _said(row.image, source))
        plan.units.append(
            replace(unit, input_digest=digest_of([unit.input_digest, row.label, row.label_channel]), arguments=named)
        )
        # A column of the list that has a name of ours keeps both apart.
        kept = {f"list_{key}" if key in taken else key: value for key, value in (row.kept or {}).items()}
        plan.kept[name] = {LIST_ROW: row.row, **kept}
    return plan


def _said(path: Path, beside: Path) -> str:
    """Return a path relative to the list, or as it is when it lies elsewhere."""
    return path.relative_to(beside.parent).as_posix() if path.is_relative_to(beside.parent) else path.as_posix()


def _of_row(settings: FeatureSettings, row: Listed) -> FeatureSettings:
    setting = dict(settings.setting)
    if row.label is not None:
        setting["label"] = row.label
    if row.label_channel is not None:
        setting["label_channel"] = row.label_channel
    return replace(settings, setting=setting, label=row.label if row.label is not None else settings.label)


def _of_folder(source: Path, work: Path, settings: FeatureSettings, run: PlainRun) -> _Plan:
    """Return a unit for every image of a folder, plain or DICOM, with its masks of either kind."""
    layout = find_pairs(source, run.choices.resample)
    # Plain DICOM carries no pseudonym: one stand-in lets the index group it, and no row tells it.
    index = read_index(source, subject_of=lambda _: 1, parts=True)
    planned = plan_units(index.series, source, work, settings, run.regions, choices=run.choices)
    mixed = _Mixed(source, layout, index.series.to_dicts(), list(planned.unplaced))
    mixed.match()
    units = []
    for name, masks in sorted(mixed.pairs.items()):
        units.append(_unit(name, source / name, masks, work, settings, run))
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
        for one in [*mixed.unplaced, *_broken(source, index.not_dicom)]
    ]
    if not units:
        if refused:
            first = refused[0]
            raise UserError(f"No features: {first['unit']}: {first['message']} {first['remedy']}")
        raise UserError(f"{source} holds no DICOM series and no NIfTI or NRRD image with a mask. Check the folder.")
    return _Plan(units, refused)


def _distinct(units: list[Unit]) -> Iterator[Unit]:
    """Return units with names of their own: series that share a folder are told by their number in it."""
    names = [unit.key for unit in units]
    count: dict[str, int] = {}
    for unit in sorted(units, key=lambda unit: (unit.key, unit.arguments.series_uid or "")):
        count[unit.key] = count.get(unit.key, 0) + 1
        yield unit if names.count(unit.key) == 1 else replace(unit, key=f"{unit.key} (series {count[unit.key]})")


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
            told.append(Unplaced(name, "The DICOM file cannot be read.", "Copy or export the file again.", "unreadable-dicom"))
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
            place = self._case_folder(PurePosixPath(mask.place).parent)
            near = [uid for uid, folder in self._images() if folder.is_relative_to(place)]
            if not near or (str(place) == "." and len(set(near)) > 1 and len(self.layout.unplaced) > 1):
                self.unplaced.append(mask)
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
    from unibase.imaging.dicom.series import read_header

    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return [
        path
        for path in files
        if (header := read_header(path)) is not None and str(header.get("SeriesInstanceUID", "")) == series_uid
    ]


def index_plain(source: Path | str, destination: Path | str | None = None) -> pl.DataFrame:
    """Return what volumes a folder of DICOM holds, as a VOLUMES frame, before anything is extracted.

    Args:
        source: Searched with all that is below it.
        destination: Where to write the table too: Parquet, or CSV by its name.

    Raises:
        UserError: If the source is no folder or holds no DICOM image.
    """
    source = Path(source)
    if not source.is_dir():
        raise UserError(f"{source} is no folder. Name a folder of DICOM.")
    series = read_index(source, subject_of=lambda _: 1, parts=True).series
    files = {
        folder: sorted(path for path in (source / folder).iterdir() if path.is_file() and not path.name.startswith("."))
        for folder in series["folder"].unique()
    }
    volumes = volumes_frame(series, files).with_columns(pl.lit(None, dtype=pl.Int64).alias("subject_id"))
    if not volumes.height:
        raise UserError(f"{source} holds no DICOM image. Check the folder.")
    if destination is not None and str(destination).lower().endswith(".csv"):
        volumes.write_csv(destination)
    elif destination is not None:
        VOLUMES.write(volumes, destination)
    return volumes
