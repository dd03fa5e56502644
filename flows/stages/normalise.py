"""Stage `normalise`: samples that are not their subject's set aside, then each assay of all centres together on one scale."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.flows.runs.run import Run
from unibase.flows.runs.stage import Stage
from unibase.flows.stages import normalise_sex
from unibase.flows.stages.normalise_scaling import scale_matrices
from unibase.flows.study.places import ASSAYS, MATRICES, MODELS, NORMALISED, RECORDS, SAMPLES
from unibase.groundwork.files import digest_of
from unibase.groundwork.tables import QUARANTINE, SAMPLE_MAP
from unibase.groundwork.work import Job, Outcome, Output, Unit
from unibase.omics.assays.gates import no_sample_left
from unibase.omics.options import LISTED, AssayName
from unibase.omics.stores import store

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass
class _Assay:
    """What the stage knows of one assay of all centres.

    Attributes:
        name: Of the assay.
        stores: Its staged matrices.
        samples: SAMPLE_MAP of each.
        excluded: Samples that are set aside, and why.
        refused: QUARANTINE rows.
    """

    name: AssayName
    stores: list[Path]
    samples: list[pl.DataFrame]
    excluded: dict[str, str]
    refused: list[pl.DataFrame]


def _normalise_assays(run: Run) -> dict[str, Path]:
    """Bring each assay of all centres together: counts on one scale, mutations in one table.

    Samples whose expression or methylation says another sex than their subject's records are set aside first.

    Returns:
        The AnnData store of each assay; also writes the sample map of the study.
    """
    done: dict[str, Path] = {}
    maps = [SAMPLE_MAP.empty()]
    refused = [QUARANTINE.empty()]
    named = sorted({assay for centre in run.study.centres.values() for assay in centre.omics})
    recorded = normalise_sex.recorded_sex(run) if set(named) & set(normalise_sex.WHY) else {}
    for name in named:
        assay = _staged(run, name, recorded)
        outcome = _on_one_scale(run, assay)
        if outcome is None or outcome.status != "done":
            # What an earlier build left must not pass for this one's.
            shutil.rmtree(run.place(ASSAYS, assay=name), ignore_errors=True)
        else:
            done[name] = run.place(ASSAYS, assay=name)
        if outcome is not None:
            assay.refused.append(run.quarantine_rows(f"normalise-{name}", None, [outcome]))
            run.say(f"normalise: {name}: {_in_words(outcome, len(assay.excluded))}")
        maps += [_mark(part, name, assay.excluded) for part in assay.samples]
        refused += assay.refused
    QUARANTINE.write(pl.concat(refused), run.quarantine_file("normalise"))
    SAMPLE_MAP.write(pl.concat(maps), run.place(SAMPLES))
    return done


def _staged(run: Run, name: AssayName, recorded: dict[int, str]) -> _Assay:
    """Return what the centres staged of an assay, samples of another sex than their subject's set aside."""
    assay = _Assay(name, [], [], {}, [])
    for centre in run.study.centres:
        folder = run.place(MATRICES, assay=name, centre=centre)
        mine = sorted(folder.glob("*/matrix.zarr"))
        assay.stores += mine
        assay.samples += [SAMPLE_MAP.read(part) for part in sorted(folder.glob("*/sample_map.parquet"))]
        if name in normalise_sex.WHY:
            assay.excluded |= normalise_sex.sex_conflicts(mine, recorded)
    why = {sample: (reason, *normalise_sex.WHY[name]) for sample, reason in assay.excluded.items()}
    assay.refused.append(_sample_rows(assay, why))
    return assay


def _on_one_scale(run: Run, assay: _Assay) -> Outcome | None:
    """Put the matrices of an assay together, expression transformed first; return how that ended, None without a matrix."""
    if not assay.stores:
        return None
    if assay.name != "rna":
        inputs = digest_of([*(run.content(f"normalise-{assay.name}", [path]) for path in assay.stores), sorted(assay.excluded)])
        return _together(run, assay.name, assay.stores, frozenset(assay.excluded), inputs)
    scaled = scale_matrices(run, assay.stores, frozenset(assay.excluded))
    assay.excluded |= {name: why[0] for name, why in scaled.unfit.items()}
    assay.refused.append(_sample_rows(assay, scaled.unfit))
    return scaled.failed or _together(run, assay.name, scaled.stores, frozenset(), scaled.inputs)


def _in_words(outcome: Outcome, excluded: int) -> str:
    if outcome.status != "done":
        return f"quarantined, {outcome.reason}. {outcome.message} {outcome.remedy}"
    held = f", {excluded} set aside" if excluded else ""
    return f"{outcome.result['samples']} samples x {outcome.result['features']} features{held}"


def _together(run: Run, assay: AssayName, stores: list[Path], excluded: frozenset[str], inputs: str) -> Outcome:
    destination = run.place(ASSAYS, assay=assay)
    job = Job(f"together-{assay}", _put_together, leaves=lambda result: [Output(destination)])
    (outcome,) = run.units(job, [Unit(assay, inputs, (assay, stores, excluded, destination))], code=("unibase.omics",))
    return outcome


type _TogetherWork = tuple[AssayName, list[Path], frozenset[str], Path]


@dataclass(frozen=True)
class _PutTogether:
    """Size of a store that holds all samples of an assay."""

    samples: int
    features: int


def _put_together(_: None, work: _TogetherWork) -> _PutTogether:
    """Write all samples of an assay into one store; no value is changed. Most go through by blocks."""
    from unibase.omics.assays.mutations import combined
    from unibase.omics.assays.registry import together
    from unibase.omics.stores import arrays_together, blocks

    assay, stores, excluded, destination = work
    if assay == "rna":
        if not stores:
            raise no_sample_left()
        samples, features = blocks.stack(stores, destination)
        return _PutTogether(samples, features)
    if assay == "methylation":
        samples, features = arrays_together.put_together(stores, excluded, destination)
        return _PutTogether(samples, features)
    if assay in LISTED:
        whole = combined(_parts(stores, excluded))
        blocks.write_rows(destination, whole.obs, whole.var, whole.blocks)
        return _PutTogether(len(whole.obs), len(whole.var))
    adata = together(assay, _parts(stores, excluded))
    store.write_zarr(adata, destination)
    return _PutTogether(adata.n_obs, adata.n_vars)


def _parts(stores: list[Path], excluded: frozenset[str]) -> list[AnnData]:
    parts = []
    for path in stores:
        part = store.read_zarr(path)
        part = part[~part.obs_names.isin(list(excluded))].copy()
        if part.n_obs:
            parts.append(part)
    if not parts:
        raise no_sample_left()
    return parts


def _mark(mapping: pl.DataFrame, assay: str, excluded: dict[str, str]) -> pl.DataFrame:
    mine = pl.col("colname").is_in(list(excluded)) & (pl.col("assay") == assay)
    return mapping.with_columns(
        pl.when(mine).then(pl.lit("quarantined")).otherwise("status").alias("status"),
        pl.when(mine).then(pl.col("colname").replace(excluded)).otherwise("reason").alias("reason"),
    )


def _sample_rows(assay: _Assay, excluded: dict[str, tuple[str, str, str]]) -> pl.DataFrame:
    """Return QUARANTINE rows of samples that are set aside, from `{name: (reason, message, remedy)}`."""
    maps = pl.concat([SAMPLE_MAP.empty(), *assay.samples])
    centre_of = dict(maps.select("colname", "centre").iter_rows())
    rows = [
        {
            "stage": f"normalise-{assay.name}",
            "centre": centre_of.get(name),
            "unit": name,
            "reason": reason,
            "message": message,
            "remedy": remedy,
        }
        for name, (reason, message, remedy) in sorted(excluded.items())
    ]
    return QUARANTINE.conform(pl.DataFrame(rows, schema=QUARANTINE.schema()))


STAGE = Stage(
    "normalise",
    "Check whose samples they are, and normalise assays over all centres",
    reads=(MATRICES, RECORDS),
    leaves=(MODELS, NORMALISED, ASSAYS, SAMPLES),
    run=_normalise_assays,
    derived=True,
)
