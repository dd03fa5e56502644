"""Stage `features`: radiomic features of the regions of every image series, what was matched, and what withstands perturbation."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from unibase.flows.runs.run import Run, summary
from unibase.flows.runs.stage import Stage
from unibase.flows.stages.index_pet import with_facts
from unibase.flows.stages.segment import with_machine_masks
from unibase.flows.study.places import (
    CONTACT_SHEET,
    DIAGNOSTICS,
    DICOM,
    FEATURE_FILES,
    LOOKS,
    MAPS,
    PERTURBED,
    PET_FACTS,
    REGIONS,
    SEGMENTED_MASKS,
)
from unibase.flows.study.places import FEATURES as FEATURES_TABLE
from unibase.flows.study.places import IMAGES as IMAGES_TABLE
from unibase.flows.study.places import SEGMENTED as SEGMENTED_TABLE
from unibase.flows.study.places import SERIES as SERIES_TABLE
from unibase.flows.study.places import VOLUMES as VOLUMES_TABLE
from unibase.groundwork.image_tables import IMAGES, VOLUMES
from unibase.groundwork.tables import FEATURES, QUARANTINE, SERIES, write_parquet
from unibase.groundwork.work import Job, Outcome, Output, Unit
from unibase.imaging import reasons
from unibase.imaging.dicom.inventory import images_frame
from unibase.imaging.engine import ahead
from unibase.imaging.engine.kernel_maps import check_maps
from unibase.imaging.looks.unit import FOLDER, gather_looks
from unibase.imaging.options import Choices, Features
from unibase.imaging.radiomics.diagnostics import FOLDER as DIAGNOSTICS_FOLDER
from unibase.imaging.radiomics.diagnostics import gather_diagnostics
from unibase.imaging.radiomics.maps import FOLDER as MAPS_FOLDER
from unibase.imaging.radiomics.maps import gather_maps
from unibase.imaging.radiomics.plan import DOSE_OF_NOTHING, Row
from unibase.imaging.radiomics.robustness import RobustnessTask, extract_perturbed, stability_table
from unibase.imaging.radiomics.series_features import (
    Asked,
    FeatureTask,
    collect,
    extract_series,
    list_regions,
    plan_units,
    stage_settings,
)
from unibase.imaging.radiomics.settings import FeatureSettings, read_settings
from unibase.imaging.radiomics.task import MapWay
from unibase.imaging.radiomics.verdicts import Judged, Verdict, judged, read_verdicts
from unibase.imaging.tables import STABILITY


def extract_features(run: Run) -> list[Outcome]:
    """Extract the features of every region of every image series of the asked modalities.

    Args:
        run: The run of the study.
    """
    options = run.study.features
    if options is None:
        FEATURES.write(FEATURES.empty(), run.place(FEATURES_TABLE))
        _write_images(run, [])
        return []
    asked = _asked(run, options)
    series = SERIES.read(run.place(SERIES_TABLE))
    folder = run.place(FEATURE_FILES)
    plan = plan_units(series, run.study.work.staging, folder, asked, options.modalities)
    plan = replace(plan, units=with_machine_masks(run, with_facts(run, plan.units)))
    loops = ahead(asked.settings, asked.choices.mode) if asked.choices.engine == "unibase" else []
    job = Job("features", _extract, settings=stage_settings(asked), leaves=partial(_left, folder), ahead=loops)
    outcomes = run.units(job, plan.units, code=("unibase.imaging.radiomics.series_features",))
    done = [folder / outcome.result["path"] for outcome in outcomes if outcome.status == "done"]
    _only(folder, outcomes)
    left = judged(collect(done, run.place(FEATURES_TABLE)), _verdicts(run))
    FEATURES.write(left.features, run.place(FEATURES_TABLE))
    _write_images(run, outcomes)
    matches = _decided(_matches(series, outcomes), left)
    write_parquet(matches, run.place(REGIONS))
    _gather_beside(run, options, done)
    aside = [*(_stray(row) for row in plan.unplaced), *_overruled(series, left)]
    refused = _refused(run, series, "features", [*outcomes, *aside])
    _say_unmatched(run, left)
    run.say(summary("features", outcomes) + _in_words(matches))
    if options.robustness:
        used = {outcome.key for outcome in outcomes if outcome.status == "done"}
        perturbed = _perturb(run, [unit for unit in plan.units if unit.key in used], stage_settings(asked))
        refused += _refused(run, series, "robustness", perturbed)
    QUARANTINE.write(pl.concat([QUARANTINE.empty(), *refused]), run.quarantine_file("features"))
    return outcomes


def _asked(run: Run, options: Features) -> Asked:
    settings = read_settings(run.study.path(options.settings))
    for sentence in settings.told:
        run.say(f"features: {sentence}")
    regions = {target: list(patterns) for target, patterns in options.regions.items()}
    return Asked(settings, regions, _choices(run, options), _maps(run, options, settings))


def _maps(run: Run, options: Features, settings: FeatureSettings) -> MapWay | None:
    """Return how maps are made, by default with the `settings` of the features."""
    if options.maps is None:
        return None
    way = MapWay(read_settings(run.study.path(options.maps.settings)) if options.maps.settings else settings, options.maps.form)
    check_maps(way.settings)
    return way


def _choices(run: Run, options: Features) -> Choices:
    """Return what is chosen about every region, with the deep model by its place."""
    model = str(run.study.path(options.deep_model)) if options.deep_model else ""
    return options.choices.model_copy(update={"deep_model": model})


def _say_unmatched(run: Run, left: Judged) -> None:
    if left.unmatched:
        rows = ", ".join(str(row) for row in left.unmatched)
        run.say(f"features: verdicts that name no region (its mask was changed, or it is not here): rows {rows}")


def _write_images(run: Run, outcomes: list[Outcome]) -> None:
    """Write what every volume is and how good, with noise and truncation of those that were measured."""
    measured = [
        {"SeriesInstanceUID": outcome.key.rpartition(":")[2], **volume}
        for outcome in outcomes
        if outcome.status == "done"
        for volume in outcome.result["volumes"]
    ]
    IMAGES.write(images_frame(VOLUMES.read(run.place(VOLUMES_TABLE)), measured), run.place(IMAGES_TABLE))


def _verdicts(run: Run) -> list[Verdict]:
    """Return what a reviewer decided of the masks of the study."""
    options = run.study.features
    return [] if options is None or options.verdicts is None else read_verdicts(run.study.path(options.verdicts))


def _overruled(series: pl.DataFrame, left: Judged) -> list[Outcome]:
    """Return how the regions stand in quarantine that a reviewer refused."""
    folders = {row["SeriesInstanceUID"]: row["folder"] for row in series.iter_rows(named=True)}
    return [
        Outcome(
            f"{folders.get(one.series, '')}:{one.series}:{one.region}:{one.roi_name}",
            "",
            "quarantined",
            None,
            why.reason,
            why.message,
            why.remedy,
        )
        for one, why in left.refused
    ]


def _decided(matches: pl.DataFrame, left: Judged) -> pl.DataFrame:
    """Return the list of matches with those as refused that a reviewer refused."""
    told = pl.DataFrame(
        [(one.series, one.region, one.roi_name, str(why.reason), why.message, why.remedy) for one, why in left.refused],
        schema={name: pl.String for name in ("SeriesInstanceUID", "target", "roi_name", "_reason", "_message", "_remedy")},
        orient="row",
    )
    joined = matches.join(told, on=["SeriesInstanceUID", "target", "roi_name"], how="left", maintain_order="left")
    return joined.with_columns(
        status=pl.when(pl.col("_reason").is_not_null()).then(pl.lit("refused")).otherwise(pl.col("status")),
        **{name: pl.coalesce(f"_{name}", name) for name in ("reason", "message", "remedy")},
    ).drop("_reason", "_message", "_remedy")


def _gather_beside(run: Run, options: Features, done: list[Path]) -> None:
    """Write one table of all series for what is asked for beside the features; remove what an earlier study file asked for."""
    for place in (LOOKS, CONTACT_SHEET, DIAGNOSTICS, MAPS):
        run.place(place).unlink(missing_ok=True)
    if options.pictures:
        _gather_looks(run, done)
    if options.diagnostics:
        gather_diagnostics((path.parent / DIAGNOSTICS_FOLDER / path.name for path in done), run.place(DIAGNOSTICS))
    if options.maps is not None:
        tables = (path.parent / MAPS_FOLDER / path.name for path in done)
        frame = gather_maps(tables, run.place(MAPS), f"{run.place(FEATURE_FILES).name}/{MAPS_FOLDER}", _verdicts(run))
        run.say(f"features: {frame.height} maps of features: {run.place(MAPS)}")


def _gather_looks(run: Run, done: list[Path]) -> None:
    """Write the looks of all series as one table and one contact sheet."""
    folder = run.place(FEATURE_FILES)
    looked = [folder / FOLDER / f"{path.stem}.parquet" for path in done]
    sheet, pictures = run.place(CONTACT_SHEET), f"{folder.name}/{FOLDER}"
    gather_looks(looked, run.place(LOOKS), sheet, pictures, _verdicts(run))
    run.say(f"features: pictures of all masks, the most suspect first: {sheet}")


def _only(folder: Path, outcomes: list[Outcome]) -> None:
    """Remove what an earlier night left of series that are no more: their hospital took them back, or their person objects."""
    done = [outcome.result for outcome in outcomes if outcome.status == "done"]
    keep = {output.path for result in done for output in _left(folder, result)}
    for path in sorted(folder.rglob("*"), reverse=True):
        if not keep.isdisjoint((path, *path.parents)):
            continue
        if path.is_file():
            path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()


def _left(folder: Path, result: dict[str, Any]) -> list[Output]:
    """Return the files that a series left: its features, and what was asked for beside them."""
    return [Output(folder / name) for name in (result["path"], *result.get("beside", ()))]


def _stray(row: Row) -> Outcome:
    """Return how a structure set, segmentation or dose stands in quarantine that goes with no image series."""
    unit = f"{row['folder']}:{row['SeriesInstanceUID']}"
    if row["Modality"] == "RTDOSE":
        return Outcome(unit, "", "quarantined", None, reasons.NO_DOSE, DOSE_OF_NOTHING, reasons.NO_DOSE.remedy)
    message = "The structure set or segmentation was drawn on no image series of the study."
    remedy = "Send the series that it was drawn on, or leave it out."
    return Outcome(unit, "", "quarantined", None, reasons.MASK_WITHOUT_IMAGE, message, remedy)


def _extract(_: None, task: FeatureTask) -> dict[str, Any]:
    result = extract_series(task)
    return {**result, "path": Path(result["path"]).name}


def _perturb_one(_: None, task: RobustnessTask) -> dict[str, object]:
    result = extract_perturbed(task)
    return {**result, "path": Path(result["path"]).name}


def _perturb(run: Run, units: list[Unit], settings: dict[str, object]) -> list[Outcome]:
    """Extract perturbed copies of the regions of every series that has features."""
    assert run.study.features is not None and run.study.features.robustness is not None
    plan = tuple(run.study.features.robustness.perturbations)
    folder = run.place(PERTURBED)
    tasks = []
    for unit in units:
        task: FeatureTask = unit.arguments
        moved = replace(task, destination=folder / task.destination.name)
        tasks.append(Unit(unit.key, unit.input_digest, RobustnessTask(moved, plan)))
    asked = {**settings, "perturbations": [one.model_dump(mode="json") for one in plan]}
    job = Job("robustness", _perturb_one, settings=asked, leaves=partial(_left, folder))
    outcomes = run.units(job, tasks, code=("unibase.imaging.radiomics.robustness",))
    _only(folder, outcomes)
    run.say(summary("robustness", outcomes))
    return outcomes


def stability(run: Run, members: pl.DataFrame) -> pl.DataFrame:
    """Return how stable every feature of `run` is over the perturbed copies and repeated scans of the subjects in `members`."""
    options = run.study.features.robustness if run.study.features else None
    if options is None:
        return STABILITY.empty()
    features = FEATURES.read(run.place(FEATURES_TABLE)).join(members, on="subject_id", how="semi")
    series = set(features["SeriesInstanceUID"].drop_nulls())
    # What the ledger says: a file of an earlier plan may still lie beside those of this one.
    done = [outcome.result["path"] for _, outcome in run.ledger.known("robustness").values() if outcome.status == "done"]
    paths = [run.place(PERTURBED) / name for name in sorted(done) if Path(name).stem in series]
    return stability_table(paths, features, least=options.least, retest_days=options.retest_days)


def _matches(series: pl.DataFrame, outcomes: list[Outcome]) -> pl.DataFrame:
    """Return every match and miss of names of regions, with the subject and series they stand in."""
    listed = list_regions({outcome.key: outcome.result for outcome in outcomes if outcome.result})
    keys = pl.concat_str("folder", pl.lit(":"), "SeriesInstanceUID").alias("unit")
    named = series.select(keys, "subject_id", "centre", "Modality", "SeriesInstanceUID")
    return named.join(listed, on="unit", how="inner", maintain_order="right").drop("unit")


def _in_words(matches: pl.DataFrame) -> str:
    """Return how the regions of all series ended, for the line of the stage."""
    counts = dict(matches["status"].value_counts().iter_rows())
    told = [f"{counts[status]} {status}" for status in ("done", "refused", "missing", "unused") if status in counts]
    return f"; regions: {', '.join(told)} (unibase regions lists them)" if told else ""


def _refused(run: Run, series: pl.DataFrame, stage: str, outcomes: list[Outcome]) -> list[pl.DataFrame]:
    """Return the quarantine rows of whole series and, inside series that were done, of single regions."""
    centre_of = {f"{row['folder']}:{row['SeriesInstanceUID']}": row["centre"] for row in series.to_dicts()}
    regions = [
        Outcome(f"{outcome.key}:{region['target']}:{_part(region)}", "", "quarantined", None, *_why(region))
        for outcome in outcomes
        if outcome.status == "done"
        for region in outcome.result["regions"]
        if region["status"] == "refused"
    ]
    by_centre: dict[str | None, list[Outcome]] = defaultdict(list)
    for outcome in [*outcomes, *regions]:
        # The key begins with folder and series; names of regions may hold colons.
        by_centre[centre_of.get(":".join(outcome.key.split(":", 2)[:2]))].append(outcome)
    return [run.quarantine_rows(stage, centre, mine) for centre, mine in by_centre.items()]


def _part(region: dict[str, Any]) -> str:
    """Return what was refused inside a series: a region, of a series of several volumes with its volume."""
    return " ".join(text for text in (region["roi_name"], region.get("volume", "")) if text)


def _why(region: dict[str, Any]) -> tuple[str, str, str]:
    return region["reason"], region["message"], region["remedy"]


STAGE = Stage(
    "features",
    "Extract radiomic features",
    reads=(DICOM, SERIES_TABLE, VOLUMES_TABLE, PET_FACTS, SEGMENTED_TABLE, SEGMENTED_MASKS),
    leaves=(FEATURES_TABLE, IMAGES_TABLE, FEATURE_FILES, REGIONS, LOOKS, CONTACT_SHEET, DIAGNOSTICS, MAPS, PERTURBED),
    run=extract_features,
    derived=True,
)
