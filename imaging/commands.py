"""Features of plain files, without a study: a folder of DICOM, of plain images with masks beside them, a list, or one pair."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from unibase.groundwork.files import sha256_file
from unibase.groundwork.image_tables import REPORT_VALUES, VOLUMES
from unibase.groundwork.outputs import TABLES, check_file
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import FEATURES, Column, Table, write_parquet
from unibase.groundwork.work import Job, Outcome, Output, Unit, WorkLedger, run_units
from unibase.imaging.dicom.inventory import volumes_frame
from unibase.imaging.dicom.pet_table import read_pet_table
from unibase.imaging.dicom.report_values import REPORTING, report_frame, report_values
from unibase.imaging.dicom.series import read_index
from unibase.imaging.looks.unit import FOLDER, gather_looks
from unibase.imaging.options import Choices, Regions
from unibase.imaging.radiomics.diagnostics import FOLDER as DIAGNOSTICS_FOLDER
from unibase.imaging.radiomics.diagnostics import gather_diagnostics
from unibase.imaging.radiomics.pet_of_files import with_pet_table
from unibase.imaging.radiomics.plain_units import LIST_ROW, Source, SourcePlan, names_apart, nothing_left, plan_source
from unibase.imaging.radiomics.robustness import RobustnessTask, extract_perturbed, stability_table
from unibase.imaging.radiomics.series_features import collect, extract_series, ordered, stage_settings
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.radiomics.task import Asked, FeatureTask
from unibase.imaging.radiomics.told import REGION_LIST, list_regions
from unibase.imaging.radiomics.verdicts import Judged, Verdict, judged, read_verdicts
from unibase.imaging.reasons import VERDICT_WITHOUT_REGION
from unibase.imaging.tables import STABILITY

if TYPE_CHECKING:
    from distributed import Client

Progress = Callable[[int, int], None]
"""Called as `progress(finished, total)`."""


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
        verdicts: CSV of what a reviewer decided of masks (`radiomics.verdicts`).
        progress: Told after each series.
        pet_table: CSV with weight, dose and injection of PET whose header lacks them.
        diagnostics: Write PyRadiomics' `diagnostics_` of every region to this file, Parquet or CSV by its name.
        client: Dask client that maps the series; None measures them here, one after the other.
    """

    choices: Choices = EACH
    regions: Regions | None = None
    pictures: Path | None = None
    robustness: Path | str | None = None
    verdicts: Path | None = None
    progress: Progress | None = None
    client: Client | None = None
    pet_table: Path | None = None
    diagnostics: Path | None = None

    @property
    def all_choices(self) -> Choices:
        """The choices, with what is asked for by naming where it goes."""
        named = {"pictures": self.pictures is not None, "diagnostics": self.diagnostics is not None}
        return self.choices.model_copy(update=named)


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
    verdicts = read_verdicts(run.verdicts) if run.verdicts is not None else []
    work = destination.with_name(f"{destination.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    try:
        asked = Asked(settings, run.regions, run.all_choices)
        plan = plan_source(source, work, asked)
        if run.pet_table is not None:
            plan = replace(plan, units=with_pet_table(plan.units, read_pet_table(run.pet_table)))
        with WorkLedger(work / "work.sqlite") as ledger:
            outcomes = _measured(plan.units, ledger, run, stage_settings(asked))
            perturbed = _perturbed(plan.units, outcomes, ledger, run, asked) if run.robustness is not None else []
        result = _told(outcomes, plan, destination, verdicts)
    except UserError:
        # There is nothing to go on with.
        shutil.rmtree(work, ignore_errors=True)
        raise
    _gather_beside([Path(one.result["path"]) for one in outcomes if one.status == "done"], run, verdicts)
    if run.robustness is not None:
        STABILITY.write(stability_table(perturbed, pl.read_parquet(destination)), run.robustness)
    shutil.rmtree(work, ignore_errors=True)
    return result


def _told(outcomes: Sequence[Outcome], plan: SourcePlan, destination: Path, verdicts: Sequence[Verdict]) -> PlainResult:
    """Write the table of all units, and return what became of each.

    Raises:
        UserError: If no unit has features.
    """
    refused = [
        {"unit": outcome.key, "reason": outcome.reason, "message": outcome.message, "remedy": outcome.remedy}
        for outcome in outcomes
        if outcome.status == "quarantined"
    ] + plan.refused
    done = [{"unit": outcome.key, **outcome.result} for outcome in outcomes if outcome.status == "done"]
    if not done:
        raise nothing_left(refused)
    table = _collected(done, destination, plan)
    left = judged(table, verdicts)
    if verdicts:
        write_parquet(left.features, destination)
    refused += _by_verdict(left)
    matches = list_regions({outcome.key: outcome.result for outcome in outcomes if outcome.result})
    # A unit that was refused for its regions is told of once, by region.
    known = {(row["unit"], row["reason"]) for row in matches.iter_rows(named=True)}
    alone = [one for one in refused if (one["unit"], one["reason"]) not in known]
    aside = pl.DataFrame([{**one, "status": "refused"} for one in alone], schema=REGION_LIST)
    listed = pl.concat([matches, aside]).unique(maintain_order=True)
    listed = listed.sort("unit", "status", "target", "roi_name", maintain_order=True)
    series = [{key: value for key, value in result.items() if key not in ("path", "beside")} for result in done]
    return PlainResult(left.features.height, sha256_file(destination), series, refused, listed)


def _by_verdict(left: Judged) -> Iterator[dict[str, str]]:
    """Yield the regions that a person's verdict leaves out, and the verdicts that fall on no region."""
    for one, why in left.refused:
        yield {"unit": f"{one.series}: {one.region}", "reason": why.reason, "message": why.message, "remedy": why.remedy}
    message = "The verdict names a region that is not here: its mask or image was changed, or left out."
    for row in left.unmatched:
        reason = VERDICT_WITHOUT_REGION
        yield {"unit": f"verdict {row}", "reason": reason, "message": message, "remedy": reason.remedy}


def _gather_beside(done: Sequence[Path], run: PlainRun, verdicts: Sequence[Verdict]) -> None:
    """Write what is asked for beside the features of all series."""
    if run.pictures is not None:
        _pictured(done, run.pictures, verdicts)
    if run.diagnostics is not None:
        gather_diagnostics([path.parent / DIAGNOSTICS_FOLDER / path.name for path in done], run.diagnostics)


def _pictured(done: Sequence[Path], folder: Path, verdicts: Sequence[Verdict]) -> None:
    """Move the pictures of all series into a folder, and write their table and contact sheet there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for path in done:
        looks = path.parent / FOLDER
        files.append(looks / path.name)
        for picture in sorted(looks.glob(f"{path.stem}-*.png")):
            shutil.move(picture, folder / picture.name)
    gather_looks(files, folder / "looks.parquet", folder / "contact-sheet.html", ".", verdicts)


def _measure(_: object, task: FeatureTask) -> dict[str, object]:
    return extract_series(task)


def _left(result: dict[str, Any]) -> list[Output]:
    table = Path(result["path"])
    return [Output(table), *(Output(table.parent / name) for name in result["beside"])]


def _perturb(_: object, task: RobustnessTask) -> dict[str, object]:
    return extract_perturbed(task)


def _measured(units: list[Unit], ledger: WorkLedger, run: PlainRun, settings: object) -> list[Outcome]:
    told = run.progress
    return run_units(
        Job("features", _measure, settings=settings, leaves=_left),
        units,
        ledger,
        client=run.client,
        progress=None if told is None else lambda stage, finished, total, quarantined: told(finished, total),
    )


def _perturbed(units: list[Unit], outcomes: list[Outcome], ledger: WorkLedger, run: PlainRun, asked: Asked) -> list[Path]:
    """Extract the perturbed copies of every series that has features; one whose copies cannot be had has no part in the table."""
    used = {outcome.key for outcome in outcomes if outcome.status == "done"}
    tasks = []
    for unit in units:
        if unit.key in used:
            task: FeatureTask = unit.arguments
            moved = replace(task, destination=task.destination.with_suffix(".perturbed.parquet"))
            tasks.append(Unit(unit.key, unit.input_digest, RobustnessTask(moved)))
    ended = run_units(Job("robustness", _perturb, settings=stage_settings(asked)), tasks, ledger, client=run.client)
    return [Path(outcome.result["path"]) for outcome in ended if outcome.status == "done"]


def _collected(done: Sequence[dict[str, Any]], destination: Path, plan: SourcePlan) -> pl.DataFrame:
    """Write the tables of all units as one; those of a list with its columns before them."""
    if not plan.kept:
        return collect([result["path"] for result in done], destination)
    frames = [pl.read_parquet(result["path"]) for result in done]
    measured = {name for frame in frames for name in frame.columns}
    apart = names_apart(dict.fromkeys(name for kept in plan.kept.values() for name in kept), measured)
    columns = {
        name: Column(apart[name], pl.Int64(), "Row of the list, from 1.")
        if name == LIST_ROW
        else Column(apart[name], pl.String(), "Of the list.")
        for name in apart
    }
    table = Table("features", FEATURES.text, (*columns.values(), *FEATURES.columns), (LIST_ROW, *FEATURES.key), open=True)
    listed = []
    for result, frame in zip(done, frames, strict=True):
        kept = plan.kept[result["unit"]]
        literals = [pl.lit(kept.get(name), dtype=column.dtype).alias(column.name) for name, column in columns.items()]
        listed.append(frame.with_columns(*literals))
    return table.write(ordered(pl.concat(listed, how="diagonal"), table), destination)


def index_plain(source: Path | str, destination: Path | str | None = None) -> pl.DataFrame:
    """Return what volumes a folder of DICOM holds, as a VOLUMES frame, before anything is extracted.

    Args:
        source: Searched with all that is below it.
        destination: Where to write the table too: Parquet, or CSV by its name.

    Raises:
        UserError: If the source is no folder or holds no DICOM image.
    """
    source = Path(source)
    _check_place(source, destination)
    series = read_index(source, subject_of=lambda _: 1, parts=True).series
    files = {
        folder: sorted(path for path in (source / folder).iterdir() if path.is_file() and not path.name.startswith("."))
        for folder in series["folder"].unique()
    }
    volumes = volumes_frame(series, files).with_columns(pl.lit(None, dtype=pl.Int64).alias("subject_id"))
    if not volumes.height:
        raise UserError(f"{source} holds no DICOM image. Check the folder.")
    _written(volumes, VOLUMES, destination)
    return volumes


def _check_place(source: Path, destination: Path | str | None) -> None:
    if not source.is_dir():
        raise UserError(f"{source} is no folder. Name a folder of DICOM.")
    if destination is not None:
        check_file(destination, TABLES)


def _written(frame: pl.DataFrame, table: Table, destination: Path | str | None) -> None:
    """Write a table as its name says: Parquet, or CSV."""
    if destination is not None and str(destination).lower().endswith(".csv"):
        frame.write_csv(destination)
    elif destination is not None:
        table.write(frame, destination)


def reports_plain(source: Path, destination: Path | None = None) -> pl.DataFrame:
    """Return what the reports in a folder of DICOM hold as numbers and codes, as a REPORT_VALUES frame.

    Args:
        source: Searched with all that is below it.
        destination: Where to write the table too: Parquet, or CSV by its name.

    Raises:
        UserError: If the source is no folder or holds no report.
    """
    _check_place(source, destination)
    series = read_index(source, subject_of=lambda _: 1, parts=True).series.with_columns(subject_id=pl.lit(None, dtype=pl.Int64))
    told = [row for row in series.sort("folder", "SeriesInstanceUID").to_dicts() if row["Modality"] in REPORTING]
    if not told:
        raise UserError(f"{source} holds no report (SR) and no presentation state (PR). Check the folder.")
    rows = [one for row in told for one in report_values(row, filter(Path.is_file, (source / row["folder"]).iterdir()))]
    frame = report_frame(rows)
    _written(frame, REPORT_VALUES, destination)
    return frame
