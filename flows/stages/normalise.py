"""Stage `normalise`: whose samples they are, then each assay of all centres on one scale.

Counts are scaled by a frozen model. It is learned once, on the samples of the first build, and kept in staging; a later
night transforms the matrices that are new and leaves every earlier row as it was. A new fit is an explicit act, which the
release records: the key `assays.rna.model: refit`, another method, or `unibase refit`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.stages.clinical import scan_records
from flows.stages.run import Run, files_below
from flows.study import RnaOptions
from groundwork.files import digest_of, sha256_folder, write_json
from groundwork.problems import Unusable, UserError
from groundwork.tables import EVENTS, QUARANTINE, SAMPLE_MAP
from groundwork.work import Outcome, Unit
from omics import store
from omics.names import AssayName

if TYPE_CHECKING:
    from anndata import AnnData

FIRST = "first-fit"
CHANGED = "other-method"
ASKED = "asked-for"
EVERY_TIME = "refit-in-every-build"


def normalise_assays(run: Run) -> dict[str, Path]:
    """Bring each assay of all centres together: counts on one scale, mutations in one table.

    Samples whose expression says another sex than their subject's records are set aside first.

    Returns:
        The AnnData store of each assay; also writes the sample map of the study.
    """
    staging = run.study.work.staging / "omics"
    done: dict[str, Path] = {}
    maps = [SAMPLE_MAP.empty()]
    refused = [QUARANTINE.empty()]
    for assay in sorted({assay for centre in run.study.centres.values() for assay in centre.omics}):
        stores: list[Path] = []
        excluded: dict[str, str] = {}
        for name in run.study.centres:
            mine = sorted((staging / assay / name).glob("*/matrix.zarr"))
            stores += mine
            excluded |= sex_conflicts(run, mine) if assay == "rna" and mine else {}
            maps += [SAMPLE_MAP.read(part) for part in sorted((staging / assay / name).glob("*/sample_map.parquet"))]
        refused.append(_sample_rows(assay, {name: (reason, *_SEX) for name, reason in excluded.items()}, maps))
        outcome: Outcome | None = None
        if stores and assay == "rna":
            scaled = _scaled(run, stores, frozenset(excluded))
            excluded |= {name: why[0] for name, why in scaled.unfit.items()}
            refused.append(_sample_rows(assay, scaled.unfit, maps))
            outcome = scaled.failed or _together(run, assay, scaled.stores, frozenset(), scaled.inputs)
        elif stores:
            inputs = digest_of([*(sha256_folder(path) for path in stores), sorted(excluded)])
            outcome = _together(run, assay, stores, frozenset(excluded), inputs)
        maps = [_mark(part, assay, excluded) for part in maps]
        if outcome is None:
            shutil.rmtree(staging / assay / "all.zarr", ignore_errors=True)
            continue
        refused.append(run.quarantine_rows(f"normalise-{assay}", None, [outcome]))
        if outcome.status == "done":
            done[assay] = staging / assay / "all.zarr"
            held = f", {len(excluded)} set aside" if excluded else ""
            run.say(f"normalise: {assay}: {outcome.result['samples']} samples x {outcome.result['features']} features{held}")
        else:
            # What an earlier build left must not pass for this one's.
            shutil.rmtree(staging / assay / "all.zarr", ignore_errors=True)
            run.say(f"normalise: {assay}: quarantined, {outcome.reason}. {outcome.message} {outcome.remedy}")
    QUARANTINE.write(pl.concat(refused), run.quarantine_file("normalise"))
    SAMPLE_MAP.write(pl.concat(maps), staging / "sample_map.parquet")
    return done


# Counts on one scale -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FrozenModel:
    """Where the model of an assay is kept, and whether somebody asked for a new fit."""

    folder: Path

    @classmethod
    def of(cls, staging: Path, assay: str) -> FrozenModel:
        """Return the model of an assay of a study."""
        return cls(staging / "models" / assay)

    @property
    def asked(self) -> Path:
        """A file that stands for a new fit that was asked for; it goes with the fit."""
        return self.folder.with_name(f"{self.folder.name}-refit.json")

    def record(self) -> dict[str, Any] | None:
        """Return what is written down of it, or None before the first fit."""
        path = self.folder / "frozen.json"
        found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        return found


def ask_for_refit(staging: Path, assay: str) -> bool:
    """Make the next build fit the model of an assay again; return whether there is a model that this will replace."""
    model = FrozenModel.of(staging, assay)
    record = model.record()
    if record is None:
        return False
    write_json(model.asked, {"replaces": record["digest"]})
    return True


def released_models(staging: Path) -> dict[str, Any]:
    """Return what a release says of each frozen model: digest, method, samples of the fit, and every fit before it."""
    out = {}
    for path in sorted((staging / "models").glob("*/frozen.json")):
        record = FrozenModel(path.parent).record() or {}
        out[path.parent.name] = {name: record[name] for name in ("digest", "method", "samples", "history")}
    return out


@dataclass(frozen=True)
class _Scaled:
    """What became of the matrices of an assay: transformed stores and their digest, samples that the model cannot take, a failed fit."""

    stores: list[Path]
    inputs: str
    unfit: dict[str, tuple[str, str, str]]
    failed: Outcome | None = None


def _scaled(run: Run, stores: list[Path], excluded: frozenset[str]) -> _Scaled:
    """Fit when that is due, transform what is new."""
    from omics.frozen import fitted_samples

    staging, options = run.study.work.staging, run.study.assays.rna
    model = FrozenModel.of(staging, "rna")
    inputs = digest_of([*(_stamp(path, staging) for path in stores), sorted(excluded)])
    record = model.record()
    reason = _fit_is_due(model, record, options, inputs)
    if reason:
        before = record["digest"] if record else None
        unit = Unit("rna", digest_of([inputs, reason, before]), (stores, excluded, options, model.folder, reason, inputs))
        (fitted,) = run.units(
            "fit-rna",
            fit_model,
            [unit],
            settings=options.model_dump(mode="json"),
            code=("omics",),
            still_there=lambda result: (model.record() or {}).get("digest") == result["digest"],
        )
        if fitted.status != "done":
            return _Scaled([], "", {}, fitted)
        model.asked.unlink(missing_ok=True)
        record = model.record()
        if fitted.result["digest"] != before:
            run.say(
                f"normalise: rna: model {fitted.result['digest'][:12]} fitted on {fitted.result['samples']} samples ({reason})"
            )
    assert record is not None
    _check_model(model, record)
    gone = len(set(fitted_samples(model.folder)) - {name for path in stores for name in _names(path) - excluded})
    if gone:
        run.say(
            f"normalise: rna: the model was fitted on {gone} samples that are no longer used; fit it again with unibase refit."
        )
    home = staging / "normalised" / "rna"
    units = []
    for path in stores:
        own = _names(path) & excluded
        target = home / path.parent.parent.name / f"{path.parent.name}.zarr"
        digest = digest_of([_stamp(path, staging), sorted(own), record["digest"]])
        units.append(Unit(f"{target.parent.name}/{target.stem}", digest, (path, own, model.folder, target)))
    _remove_others(home, {unit.arguments[3] for unit in units})
    outcomes = run.units(
        "normalise-rna",
        transform_matrix,
        units,
        settings=None,
        code=("omics",),
        still_there=lambda result: not result["samples"] or (home / result["store"]).exists(),
    )
    unfit: dict[str, tuple[str, str, str]] = {}
    for unit, outcome in zip(units, outcomes, strict=True):
        if outcome.status == "quarantined":
            run.say(f"normalise: rna: {outcome.key}: quarantined, {outcome.reason}. {outcome.message} {outcome.remedy}")
            why = (outcome.reason, outcome.message, outcome.remedy)
            unfit |= dict.fromkeys(_names(unit.arguments[0]) - excluded, why)
    done = [outcome for outcome in outcomes if outcome.status == "done" and outcome.result["samples"]]
    return _Scaled([home / outcome.result["store"] for outcome in done], digest_of([o.input_digest for o in done]), unfit)


def _check_model(model: FrozenModel, record: dict[str, Any]) -> None:
    """Refuse to go on with a model that cannot be read: a release without the assay is not what anybody asked for.

    Raises:
        UserError: With what is wrong of it.
    """
    from omics import frozen

    try:
        frozen.load(model.folder, record)
    except Unusable as problem:
        raise UserError(
            f"The model of expression in {model.folder} cannot be used. {problem.message} {problem.remedy} "
            "To fit it on all samples there are now, which changes every value: unibase refit STUDY, then build."
        ) from None


def _fit_is_due(model: FrozenModel, record: dict[str, Any] | None, options: RnaOptions, inputs: str) -> str:
    """Return why a fit is due; empty when the model stays."""
    if record is None:
        return FIRST
    if model.asked.exists():
        return ASKED
    if record["method"] != options.method:
        return CHANGED
    return EVERY_TIME if options.model == "refit" and record["inputs"] != inputs else ""


type _FitWork = tuple[list[Path], frozenset[str], RnaOptions, Path, str, str]


def fit_model(_: None, work: _FitWork) -> dict[str, Any]:
    """Learn the model of all matrices together, and keep it with the list of the fits before it."""
    from omics import frozen
    from omics.counts import combine

    stores, excluded, options, folder, reason, inputs = work
    adata = combine(_parts(stores, excluded))
    model = frozen.fit(adata, options.method)
    history = (FrozenModel(folder).record() or {}).get("history", [])
    if not history or history[-1]["digest"] != model.digest:
        entry = {"digest": model.digest, "method": options.method, "samples": adata.n_obs, "reason": reason}
        history = [*history, entry]
    further = {
        "method": options.method,
        "samples": adata.n_obs,
        "genes_left_out": int(adata.uns["genes_left_out"]),
        "inputs": inputs,
        "history": history,
    }
    model.save(folder, further)
    return {"digest": model.digest, "samples": adata.n_obs}


type _TransformWork = tuple[Path, frozenset[str], Path, Path]


def transform_matrix(_: None, work: _TransformWork) -> dict[str, Any]:
    """Transform the samples of one staged matrix with the frozen model."""
    from omics import frozen

    path, excluded, folder, target = work
    parts = _parts([path], excluded, may_be_empty=True)
    if parts:
        record = FrozenModel(folder).record() or {}
        store.write_zarr(frozen.load(folder, record).transform(parts[0]), target)
    return {"store": f"{target.parent.name}/{target.name}", "samples": parts[0].n_obs if parts else 0}


def _parts(stores: list[Path], excluded: frozenset[str], may_be_empty: bool = False) -> list[AnnData]:
    parts = []
    for path in stores:
        part = store.read_zarr(path)
        part = part[~part.obs_names.isin(list(excluded))].copy()
        if part.n_obs:
            parts.append(part)
    if not parts and not may_be_empty:
        raise Unusable("no-sample-left", "No centre has a sample of this assay that can be used.", "Look at the quarantine.")
    return parts


def _names(path: Path) -> frozenset[str]:
    """Samples of a staged matrix."""
    mapping = SAMPLE_MAP.read(path.parent / "sample_map.parquet")
    return frozenset(mapping.filter(pl.col("status") == "used")["colname"])


def _stamp(path: Path, staging: Path) -> str:
    """Tell a staged store from another one by names, sizes and times: its content is not read again every night."""
    files = [(file, file.stat()) for file in files_below(path)]
    return digest_of([(file.relative_to(staging).as_posix(), at.st_size, at.st_mtime_ns) for file, at in files])


def _remove_others(home: Path, kept: set[Path]) -> None:
    for path in home.glob("*/*.zarr"):
        if path not in kept:
            shutil.rmtree(path)


# All samples of an assay in one store ------------------------------------------------------------------------------


def _together(run: Run, assay: AssayName, stores: list[Path], excluded: frozenset[str], inputs: str) -> Outcome:
    destination = run.study.work.staging / "omics" / assay / "all.zarr"
    (outcome,) = run.units(
        f"together-{assay}",
        put_together,
        [Unit(assay, inputs, (assay, stores, excluded, destination))],
        settings=None,
        code=("omics",),
        still_there=lambda result: destination.exists(),
    )
    return outcome


type _TogetherWork = tuple[AssayName, list[Path], frozenset[str], Path]


def put_together(_: None, work: _TogetherWork) -> dict[str, Any]:
    """Write all samples of an assay into one store; no value is changed."""
    from omics.assays import together
    from omics.counts import stack

    assay, stores, excluded, destination = work
    parts = _parts(stores, excluded)
    adata = stack(parts) if assay == "rna" else together(assay, parts)
    store.write_zarr(adata, destination)
    return {"samples": adata.n_obs, "features": adata.n_vars}


# Whose samples they are --------------------------------------------------------------------------------------------


def sex_conflicts(run: Run, matrices: list[Path]) -> dict[str, str]:
    """Return samples of one centre whose expression contradicts their subject's records, with the reason.

    Two such samples of opposite sex in one centre are `swapped-samples`; others `sex-discordant` or `sex-mixed`.
    """
    from omics.identity import sex_findings

    recorded = dict(_recorded_sex(run).iter_rows())
    maps = pl.concat([SAMPLE_MAP.read(path.parent / "sample_map.parquet") for path in matrices])
    subjects = dict(maps.select("colname", "primary").iter_rows())
    calls = pl.concat([pl.read_parquet(path.parent / "sex.parquet") for path in matrices])
    declared = {name: recorded.get(subjects[name]) for name in calls["sample"]}
    findings = sex_findings(calls, declared)
    return {
        row["sample"]: "swapped-samples" if row["other"] else row["finding"]
        for row in findings.to_dicts()
        if row["finding"] in ("sex-discordant", "sex-mixed")
    }


def _recorded_sex(run: Run) -> pl.DataFrame:
    """Return `subject_id, sex` (M or F) from the clinical records; subjects whose records disagree are left out."""
    frames = [EVENTS.empty().lazy(), *(frame for name in run.study.centres if (frame := scan_records(run, name)) is not None)]
    said = pl.concat(frames).filter(pl.col("code").str.starts_with("SEX//")).collect()
    sexes = said.select("subject_id", pl.col("code").str.split("//").list.last().alias("sex"))
    return sexes.unique().filter(pl.len().over("subject_id") == 1).sort("subject_id")


def _mark(mapping: pl.DataFrame, assay: str, excluded: dict[str, str]) -> pl.DataFrame:
    mine = pl.col("colname").is_in(list(excluded)) & (pl.col("assay") == assay)
    return mapping.with_columns(
        pl.when(mine).then(pl.lit("quarantined")).otherwise("status").alias("status"),
        pl.when(mine).then(pl.col("colname").replace(excluded)).otherwise("reason").alias("reason"),
    )


_SEX = (
    "The expression of XIST and the Y chromosome contradicts the sex in the subject's records.",
    "Compare the sample sheet with the laboratory's list; two samples may have changed places.",
)


def _sample_rows(assay: str, excluded: dict[str, tuple[str, str, str]], maps: list[pl.DataFrame]) -> pl.DataFrame:
    """Return QUARANTINE rows of samples that are set aside, from `{name: (reason, message, remedy)}`."""
    centre_of = dict(pl.concat(maps).filter(pl.col("assay") == assay).select("colname", "centre").iter_rows())
    rows = [
        {
            "stage": f"normalise-{assay}",
            "centre": centre_of.get(name),
            "unit": name,
            "reason": reason,
            "message": message,
            "remedy": remedy,
        }
        for name, (reason, message, remedy) in sorted(excluded.items())
    ]
    return QUARANTINE.conform(pl.DataFrame(rows, schema=QUARANTINE.schema()))
