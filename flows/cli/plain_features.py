"""Features of plain files: what the command says while and after it measures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from unibase.flows.looks.matches import in_words, parse_regions
from unibase.flows.runs.progress import ProgressBoard
from unibase.groundwork.cluster import dask_client
from unibase.groundwork.files import sha256_file
from unibase.groundwork.outputs import TABLES, check_file
from unibase.groundwork.plain_csv import write_plain_csv
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.commands import PlainResult, PlainRun, extract_plain
from unibase.imaging.dose.histogram import Fractions
from unibase.imaging.dose.measured import Wanted, measure_doses
from unibase.imaging.dose.metric_names import USUAL_METRICS
from unibase.imaging.options import Choices, MapFormat
from unibase.imaging.radiomics.maps import MapRun, write_maps
from unibase.imaging.radiomics.plain_units import Source
from unibase.imaging.radiomics.settings import default_settings, read_settings
from unibase.imaging.radiomics.task import MapWay


@dataclass(frozen=True)
class FeatureCommand:
    """What `unibase features` was given.

    Attributes:
        out: Table to write: Parquet, or CSV by its name.
        settings: A PyRadiomics parameter file, or None for its defaults.
        choices: What is chosen about regions and features.
        regions: TARGET=PATTERN each, or None.
        regions_csv: CSV of every match and miss, or None.
        robustness: Parquet file of how stable features are, or None.
        pictures: Folder of pictures and contact sheet, or None.
        verdicts: CSV of what a reviewer decided, or None.
        workers: Processes that measure.
        pet_table: CSV of what is known of PET whose header lacks it, or None.
        diagnostics: Table of PyRadiomics' diagnostics to write, or None.
    """

    out: Path
    settings: Path | None
    choices: Choices
    regions: list[str] | None
    regions_csv: Path | None
    robustness: Path | None
    pictures: Path | None
    verdicts: Path | None
    workers: int
    pet_table: Path | None = None
    diagnostics: Path | None = None


def features_of(source: Source, command: FeatureCommand) -> object:
    """Extract the features of plain files, and say what became of each series and region.

    Args:
        source: The files.
        command: What was asked on the command line.
    """
    _check_places(command)
    options = read_settings(command.settings) if command.settings else default_settings()
    for sentence in options.told:
        print(f"note: {sentence}", file=sys.stderr)
    with ProgressBoard() as board, dask_client(workers=command.workers) if command.workers > 1 else nullcontext() as client:
        run = PlainRun(
            command.choices,
            parse_regions(command.regions) if command.regions else None,
            command.pictures,
            command.robustness,
            command.verdicts,
            board.of("features"),
            client,
            command.pet_table,
            command.diagnostics,
        )
        result = _as_named(extract_plain(source, command.out, options, run), command.out)
    for refused in result.quarantined:
        print(f"quarantined: {refused['unit']}: {refused['reason']}. {refused['message']} {refused['remedy']}", file=sys.stderr)
    print(f"{command.out}: {result.rows} rows; {len(result.quarantined)} series or files quarantined")
    # Names of plain files may tell a person: they go to a file that is asked for, never to the screen.
    print(in_words(result.regions, names=False))
    if command.regions_csv:
        write_plain_csv(result.regions, command.regions_csv)
        print(f"{command.regions_csv}: every match and miss")
    _tell_beside(command)
    return {"rows": result.rows, "sha256": result.sha256, "quarantined": result.quarantined}


def _check_places(command: FeatureCommand) -> None:
    check_file(command.out, TABLES)
    for file in filter(None, (command.robustness, command.regions_csv, command.diagnostics)):
        check_file(file)
    if command.pictures and command.pictures.exists() and not command.pictures.is_dir():
        raise UserError(f"{command.pictures} is a file, and pictures go to a folder. Name another place.")


def _tell_beside(command: FeatureCommand) -> None:
    """Say what stands beside the table."""
    if command.pictures:
        print(f"{command.pictures / 'contact-sheet.html'}: every region on its image, the most suspect first")
    if command.diagnostics:
        print(f"{command.diagnostics}: PyRadiomics' diagnostics of every region")
    if command.robustness:
        print(f"{command.robustness}: ICC of every feature over eleven perturbed copies of each region")


def _as_named(result: PlainResult, out: Path) -> PlainResult:
    """Write the table as CSV where its name says so."""
    if out.suffix.lower() != ".csv":
        return result
    write_plain_csv(pl.read_parquet(out), out)
    return replace(result, sha256=sha256_file(out))


def maps_asked(settings: Path | None, regions: list[str] | None, form: MapFormat) -> MapRun:
    """Return how maps are made, from what the command line gives.

    Args:
        settings: A PyRadiomics parameter file, or None for its defaults.
        regions: TARGET=PATTERN each, or None.
        form: `nrrd` or `ome-zarr`.
    """
    options = read_settings(settings) if settings else default_settings()
    return MapRun(MapWay(options, form), parse_regions(regions) if regions else None)


def maps_of(source: Source, folder: Path, run: MapRun) -> object:
    """Write maps of features of plain files, and say what has none.

    Args:
        source: The files.
        folder: Where the maps go.
        run: How they are made.
    """
    frame, refused = write_maps(source, folder, run)
    for place, problem in refused:
        print(f"no maps: {place}: {problem.reason}. {problem.message} {problem.remedy}", file=sys.stderr)
    regions = frame.select("source_digest", "region").n_unique()
    print(f"{folder / 'maps.parquet'}: {frame.height} maps of {regions} regions; {len(refused)} refused")
    return {"maps": frame.height, "regions": regions, "refused": _told(refused)}


def doses_of(
    places: tuple[Path, Path], regions: list[str] | None, metrics: list[str] | None, eqd2: tuple[int, float] | None
) -> object:
    """Measure the dose of regions of plain files, and say what was not used.

    Args:
        places: The folder to read, and the table to write.
        regions: TARGET=PATTERN each, or None.
        metrics: Metrics, or None for the usual ones.
        eqd2: Number of fractions and alpha over beta in Gy, or None.

    Raises:
        UserError: As `measure_doses`, and for fractions or alpha over beta that are not above 0.
    """
    if eqd2 is not None and not (eqd2[0] > 0 and eqd2[1] > 0):
        raise UserError("--eqd2 takes the number of fractions and alpha over beta in Gy, both above 0, such as 20 10.")
    wanted = Wanted(tuple(metrics or USUAL_METRICS), Fractions(*eqd2) if eqd2 else None)
    frame, refused = measure_doses(*places, parse_regions(regions) if regions else None, wanted)
    for place, problem in refused:
        print(f"not measured: {place}: {problem.reason}. {problem.message} {problem.remedy}", file=sys.stderr)
    measured = frame.select("SeriesInstanceUID", "source_digest", "DoseSOPInstanceUID").n_unique()
    print(f"{places[1]}: {frame.height} metrics of {measured} regions and doses; {len(refused)} not measured")
    return {"metrics": frame.height, "regions": measured, "refused": _told(refused)}


def _told(refused: Sequence[tuple[str, Unusable]]) -> list[dict[str, str]]:
    """Return what was refused as rows: place, reason, message, remedy."""
    return [
        {"unit": str(place), "reason": problem.reason, "message": problem.message, "remedy": problem.remedy}
        for place, problem in refused
    ]
