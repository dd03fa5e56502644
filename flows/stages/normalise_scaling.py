"""Expression on one scale: every matrix transformed with the kept model, a block of samples at a time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.flows.runs.run import Run
from unibase.flows.stages.normalise_models import FrozenModel, keep_model
from unibase.flows.study.places import MODELS, NORMALISED
from unibase.groundwork.files import digest_of
from unibase.groundwork.tables import SAMPLE_MAP
from unibase.groundwork.work import Job, Outcome, Output, Unit


@dataclass(frozen=True)
class Scaled:
    """What became of the matrices of an assay: transformed stores and their digest, samples that the model cannot take, a failed fit."""

    stores: list[Path]
    inputs: str
    unfit: dict[str, tuple[str, str, str]]
    failed: Outcome | None = None


def scale_matrices(run: Run, stores: list[Path], excluded: frozenset[str]) -> Scaled:
    """Fit the model when that is due, transform what is new.

    Args:
        run: The run.
        stores: Matrices of the centres.
        excluded: Samples that are left out.

    Raises:
        UserError: If the model that is kept cannot be read.
    """
    failed = keep_model(run, stores, excluded, digest_of([*(_content(run, path) for path in stores), sorted(excluded)]))
    if failed:
        return Scaled([], "", {}, failed)
    model = FrozenModel.of(run.place(MODELS), "rna")
    _tell_of_gone(run, model, {name for path in stores for name in _names(path) - excluded})
    digest = (model.record() or {})["digest"]
    home = run.place(NORMALISED) / "rna"
    units = [_transform(path, excluded, model, home, digest_of([_content(run, path), digest])) for path in stores]
    _remove_others(home, {unit.arguments[3] for unit in units})
    job = Job(
        "normalise-rna",
        _transform_matrix,
        leaves=lambda result: [Output(home / result["store"])] if result["samples"] else [],
    )
    outcomes = run.units(job, units, code=("unibase.omics",))
    unfit = _unfit(run, units, outcomes, excluded)
    done = [outcome for outcome in outcomes if outcome.status == "done" and outcome.result["samples"]]
    return Scaled([home / outcome.result["store"] for outcome in done], digest_of([o.input_digest for o in done]), unfit)


def _transform(path: Path, excluded: frozenset[str], model: FrozenModel, home: Path, inputs: str) -> Unit:
    """Return the unit that transforms one staged matrix; `inputs` is the digest of the matrix and the model."""
    own = _names(path) & excluded
    target = home / path.parent.parent.name / f"{path.parent.name}.zarr"
    return Unit(f"{target.parent.name}/{target.stem}", digest_of([inputs, sorted(own)]), (path, own, model.folder, target))


def _unfit(run: Run, units: list[Unit], outcomes: list[Outcome], excluded: frozenset[str]) -> dict[str, tuple[str, str, str]]:
    """Return the samples of matrices that the model cannot take, and why."""
    unfit: dict[str, tuple[str, str, str]] = {}
    for unit, outcome in zip(sorted(units, key=lambda unit: unit.key), outcomes, strict=True):
        if outcome.status == "quarantined":
            run.say(f"normalise: rna: {outcome.key}: quarantined, {outcome.reason}. {outcome.message} {outcome.remedy}")
            why = (outcome.reason, outcome.message, outcome.remedy)
            unfit |= dict.fromkeys(_names(unit.arguments[0]) - excluded, why)
    return unfit


def _tell_of_gone(run: Run, model: FrozenModel, used: set[str]) -> None:
    from unibase.omics.models.frozen import fitted_samples

    gone = len(set(fitted_samples(model.folder)) - used)
    if gone:
        run.say(
            f"normalise: rna: the model was fitted on {gone} samples that are no longer used; fit it again with unibase refit."
        )


type _TransformWork = tuple[Path, frozenset[str], Path, Path]


@dataclass(frozen=True)
class _Transformed:
    """Where the transformed samples of a matrix stand, below the folder of all of them, and how many there are."""

    store: str
    samples: int


def _transform_matrix(_: None, work: _TransformWork) -> _Transformed:
    """Transform the samples of one staged matrix with the frozen model."""
    from unibase.omics.models import frozen

    path, excluded, folder, target = work
    record = FrozenModel(folder).record() or {}
    samples = frozen.load(folder, record).transform_store(path, excluded, target)
    return _Transformed(f"{target.parent.name}/{target.name}", samples)


def _names(path: Path) -> frozenset[str]:
    """Samples of a staged matrix."""
    mapping = SAMPLE_MAP.read(path.parent / "sample_map.parquet")
    return frozenset(mapping.filter(pl.col("status") == "used")["colname"])


def _content(run: Run, path: Path) -> str:
    """Tell a staged store from another one by its content, which is not read again every night."""
    return digest_of([path.relative_to(run.study.work.staging).as_posix(), run.content("normalise", [path])])


def _remove_others(home: Path, kept: set[Path]) -> None:
    for path in home.glob("*/*.zarr"):
        if path not in kept:
            shutil.rmtree(path)
