"""Stage `segment`: masks that models make on the images, and how far they agree with those that people drew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from unibase.flows.runs.run import Run, summary
from unibase.flows.runs.stage import Stage
from unibase.flows.stages.index_pet import with_facts
from unibase.flows.study.places import DICOM, PET_FACTS, SEGMENTED_MASKS
from unibase.flows.study.places import MASK_AGREEMENT as AGREEMENT_TABLE
from unibase.flows.study.places import SEGMENTED as SEGMENTED_TABLE
from unibase.flows.study.places import SERIES as SERIES_TABLE
from unibase.groundwork.files import digest_of, sha256_file, sha256_folder
from unibase.groundwork.image_tables import MASK_AGREEMENT, SEGMENTED
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import QUARANTINE, SERIES
from unibase.groundwork.work import Job, Outcome, Output, Unit
from unibase.imaging.radiomics.plan import plan_units, stage_settings
from unibase.imaging.radiomics.settings import read_settings
from unibase.imaging.radiomics.task import Asked, FeatureTask
from unibase.imaging.reasons import MASK_WITHOUT_IMAGE
from unibase.imaging.regions.machine_made import Made
from unibase.imaging.segmenting.beside_people import compare_series
from unibase.imaging.segmenting.model_run import Command
from unibase.imaging.segmenting.segmented_series import Segmented, SegmentTask, segment_series


def segment_images(run: Run) -> list[Outcome]:
    """Make the masks of every model on the series that it is for, and compare them with people's.

    Args:
        run: The run.

    Raises:
        UserError: If a command, a folder or weights are not there.
    """
    folder = run.place(SEGMENTED_MASKS)
    units = [unit for name in run.study.segmenters for unit in _units_of(run, name, folder)]
    job = Job("segment", _segment, settings=_settings(run), leaves=lambda result: [Output(folder / result["folder"])])
    outcomes = run.units(job, units, code=("unibase.imaging.segmenting.segmented_series",))
    done = [outcome.result for outcome in outcomes if outcome.status == "done"]
    _keep_only(folder, {one["folder"] for one in done}, list(run.study.segmenters))
    rows = [row for one in done for row in one["masks"]]
    SEGMENTED.write(pl.DataFrame(rows, schema=SEGMENTED.schema()), run.place(SEGMENTED_TABLE))
    _compare(run)
    refused = [*outcomes, *_parts(outcomes), *_strays(run)]
    QUARANTINE.write(run.quarantine_rows("segment", None, refused), run.quarantine_file("segment"))
    if run.study.segmenters:
        run.say(f"{summary('segment', outcomes)}; {len(rows)} masks by models")
    return outcomes


def _units_of(run: Run, name: str, folder: Path) -> list[Unit]:
    """Return a unit for each series that a model is for."""
    model = run.study.segmenters[name]
    made = Made(name, model.version, weights_digest(run, name), model.labels)
    command = _command(run, name)
    elsewhere = _elsewhere(run, name)
    units = []
    for unit, row in _series(run, model.modalities):
        said = {key: row[key] for key in ("subject_id", "centre", "SeriesInstanceUID")}
        mine = tuple(path for part, path in elsewhere if part == row["SeriesInstanceUID"])
        task = SegmentTask(unit.arguments, said, made, folder / name, command, mine, model.ignore_others)
        digest = digest_of([unit.input_digest, [sha256_file(path) for path in mine]])
        units.append(Unit(f"{name}:{unit.key}", digest, task))
    return units


def _series(run: Run, modalities: Sequence[str]) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """Yield each image series of some modalities as a unit of features, with its row."""
    series = SERIES.read(run.place(SERIES_TABLE))
    rows = {f"{row['folder']}:{row['SeriesInstanceUID']}": row for row in series.to_dicts()}
    plan = plan_units(series, run.study.work.staging, run.place(SEGMENTED_MASKS), asked_of(run), modalities)
    yield from ((unit, rows[unit.key]) for unit in with_facts(run, plan.units))


def asked_of(run: Run) -> Asked:
    """Return what the study asks of regions. `run`: a run of a study with features."""
    options = run.study.features
    assert options is not None  # the study file is refused otherwise
    regions = {target: list(patterns) for target, patterns in options.regions.items()}
    # No mask depends on the deep model, whose path is relative to the study file.
    choices = options.choices.model_copy(update={"deep_model": ""})
    return Asked(read_settings(run.study.path(options.settings)), regions, choices)


def _command(run: Run, name: str) -> Command | None:
    """Return the command of a model, its program and the files that it names by their paths.

    Raises:
        UserError: If the program is not there.
    """
    model = run.study.segmenters[name]
    if not model.command:
        return None
    words = [str(path) if (path := _beside(run, word)) else word for word in model.command]
    if shutil.which(words[0]) is None:
        raise UserError(f"segmenters.{name}.command: there is no program {model.command[0]} here. Install it, or give its path.")
    return Command(tuple(words), 60 * model.minutes, tuple(model.environment))


def _beside(run: Run, word: str) -> Path | None:
    """Return the file beside the study file that a word of a command names, or None."""
    if "{" in word or word.startswith("-"):
        return None
    path = run.study.home / word
    return path if path.is_file() else None


def _elsewhere(run: Run, name: str) -> list[tuple[str, Path]]:
    """Return each part of the path of a mask of a model's folder that may be a SeriesInstanceUID, with the mask.

    Raises:
        UserError: If the folder is not there.
    """
    model = run.study.segmenters[name]
    if not model.folder:
        return []
    root = run.study.path(model.folder)
    if not root.is_dir():
        raise UserError(f"segmenters.{name}.folder: there is no folder {root}. Correct the path.")
    found = []
    for path in sorted(one for one in root.rglob("*") if one.is_file()):
        stem = path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".nrrd").removesuffix(".mha")
        found += [(part, path) for part in sorted({stem, *path.relative_to(root).parts[:-1]})]
    return found


def weights_digest(run: Run, name: str) -> str:
    """Return the SHA-256 of a model's weights, of a folder over its names and contents; empty where none are named.

    Weights are large: what did not change since the last run is not read again.

    Args:
        run: The run.
        name: Name of the model.

    Raises:
        UserError: If they are not there.
    """
    named = run.study.segmenters[name].weights
    if named is None:
        return ""
    path = run.study.path(named)
    if not path.exists():
        raise UserError(f"segmenters.{name}.weights: nothing at {path}. Correct the path.")
    content = run.content(f"weights-{name}", [path])
    known = run.ledger.remembered(f"weights {name}")
    if not known or known["content"] != content:
        known = {"content": content, "sha256": sha256_folder(path) if path.is_dir() else sha256_file(path)}
        run.ledger.remember(f"weights {name}", known)
    return str(known["sha256"])


def _settings(run: Run) -> list[object]:
    """Return all that changes masks beside the images: each model, its weights, and the files that its command names."""
    found: list[object] = []
    for name, model in run.study.segmenters.items():
        files = [sha256_file(path) for word in model.command if (path := _beside(run, word))]
        found.append([name, model.model_dump(mode="json", exclude={"folder", "weights"}), weights_digest(run, name), files])
    if run.study.features is not None:
        found.append(stage_settings(asked_of(run)))
    return found


def _segment(_: None, task: SegmentTask) -> Segmented:
    return segment_series(task)


def _parts(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """Yield how single volumes ended of series that were done."""
    for outcome in outcomes:
        for one in outcome.result["left_out"] if outcome.status == "done" else ():
            told = one["reason"], one["message"], one["remedy"]
            yield Outcome(f"{outcome.key}:{one['part']}", "", "quarantined", None, *told)


def _strays(run: Run) -> Iterator[Outcome]:
    """Yield the masks made elsewhere that go with no series."""
    known = set(SERIES.read(run.place(SERIES_TABLE))["SeriesInstanceUID"])
    for name in run.study.segmenters:
        found = _elsewhere(run, name)
        for path in sorted({path for _, path in found} - {path for part, path in found if part in known}):
            why = "A mask of the folder bears the SeriesInstanceUID of no series.", "Name it as staging names the series."
            yield Outcome(f"{name}:{path.name}", "", "quarantined", None, MASK_WITHOUT_IMAGE, *why)


def _keep_only(folder: Path, kept: set[str], models: Sequence[str]) -> None:
    """Remove masks of series and models that are no more."""
    for path in sorted(folder.glob("*")):
        if path.name not in models:
            shutil.rmtree(path)
    for path in sorted(folder.glob("*/*")):
        if path.name != "logs" and path.relative_to(folder).as_posix() not in kept:
            shutil.rmtree(path)


def with_machine_masks(run: Run, units: Sequence[Unit], empty: bool = False) -> list[Unit]:
    """Return units of features with the masks that models made of their series.

    Args:
        run: The run.
        units: Units whose arguments are `FeatureTask`.
        empty: Whether masks in which nothing is marked come along.
    """
    rows = SEGMENTED.read(run.place(SEGMENTED_TABLE)).filter(pl.lit(empty) | (pl.col("found") != ""))
    masks: dict[str, list[Path]] = {}
    for series, path in rows.select("SeriesInstanceUID", "path").iter_rows():
        masks.setdefault(series, []).append(run.place(SEGMENTED_MASKS) / path)
    return [_with(unit, masks.get(unit.arguments.series_uid or "", [])) for unit in units]


def _with(unit: Unit, masks: Sequence[Path]) -> Unit:
    if not masks:
        return unit
    task: FeatureTask = unit.arguments
    digest = digest_of([unit.input_digest, [[sha256_file(path), sha256_file(path.parent / "dataset.json")] for path in masks]])
    return Unit(unit.key, digest, replace(task, mask_paths=(*task.mask_paths, *masks)))


def _compare(run: Run) -> None:
    """Write how far the masks of models agree with people's, where an image has both."""
    units = []
    if run.study.segmenters:
        modalities = sorted({one for model in run.study.segmenters.values() for one in model.modalities})
        planned = [unit for unit, _ in _series(run, modalities) if unit.arguments.mask_paths]
        marked = with_machine_masks(run, planned, empty=True)
        units = [new for new, old in zip(marked, planned, strict=True) if new is not old]
    settings = stage_settings(asked_of(run)) if units else None
    outcomes = run.units(Job("agreement", _agree, settings=settings), units, code=("unibase.imaging.segmenting.beside_people",))
    rows = [row for outcome in outcomes if outcome.status == "done" for row in outcome.result]
    MASK_AGREEMENT.write(pl.DataFrame(rows, schema=MASK_AGREEMENT.schema()), run.place(AGREEMENT_TABLE))
    if units:
        run.say(f"segment: {len(rows)} masks of models beside those that people drew of the same images")


def _agree(_: None, task: FeatureTask) -> list[dict[str, object]]:
    said = {"subject_id": task.subject_id, "centre": task.centre, "SeriesInstanceUID": task.series_uid}
    return [{**said, **row} for row in compare_series(task)]


def released_segmenters(run: Run) -> Iterator[tuple[str, object]]:
    """Yield what a manifest says of each model, by its name: no path, and no word of its command.

    Args:
        run: The run.
    """
    for name, model in run.study.segmenters.items():
        yield (
            name,
            {
                "version": model.version,
                "weights": weights_digest(run, name) or None,
                "labels": {str(value): label for value, label in sorted(model.labels.items())},
                "modalities": model.modalities,
                "masks": "made by the command of the study" if model.command else "made elsewhere",
            },
        )


STAGE = Stage(
    "segment",
    "Let models make masks, and compare them",
    reads=(DICOM, SERIES_TABLE, PET_FACTS),
    leaves=(SEGMENTED_TABLE, SEGMENTED_MASKS, AGREEMENT_TABLE),
    run=segment_images,
)
