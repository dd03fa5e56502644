"""Stage `normalise`: samples that are not their subject's set aside, then each assay of all centres together on one scale."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from unibase.flows.runs.run import Run
from unibase.flows.stages import normalise_sex
from unibase.flows.stages.normalise_scaling import scale_matrices
from unibase.groundwork.files import digest_of, sha256_folder
from unibase.groundwork.tables import QUARANTINE, SAMPLE_MAP
from unibase.groundwork.work import Outcome, Unit
from unibase.omics.assays.gates import no_sample_left
from unibase.omics.options import AssayName
from unibase.omics.stores import store

if TYPE_CHECKING:
    from anndata import AnnData


def normalise_assays(run: Run) -> dict[str, Path]:
    """Bring each assay of all centres together: counts on one scale, mutations in one table.

    Samples whose expression or methylation says another sex than their subject's records are set aside first.

    Returns:
        The AnnData store of each assay; also writes the sample map of the study.
    """
    staging = run.study.work.staging / "omics"
    done: dict[str, Path] = {}
    maps = [SAMPLE_MAP.empty()]
    refused = [QUARANTINE.empty()]
    assays = sorted({assay for centre in run.study.centres.values() for assay in centre.omics})
    recorded = normalise_sex.recorded_sex(run) if set(assays) & set(normalise_sex.WHY) else {}
    for assay in assays:
        stores: list[Path] = []
        excluded: dict[str, str] = {}
        for name in run.study.centres:
            mine = sorted((staging / assay / name).glob("*/matrix.zarr"))
            stores += mine
            excluded |= normalise_sex.sex_conflicts(mine, recorded) if assay in normalise_sex.WHY else {}
            maps += [SAMPLE_MAP.read(part) for part in sorted((staging / assay / name).glob("*/sample_map.parquet"))]
        refused.append(
            _sample_rows(assay, {name: (reason, *normalise_sex.WHY[assay]) for name, reason in excluded.items()}, maps)
        )
        outcome: Outcome | None = None
        if stores and assay == "rna":
            scaled = scale_matrices(run, stores, frozenset(excluded))
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


def _together(run: Run, assay: AssayName, stores: list[Path], excluded: frozenset[str], inputs: str) -> Outcome:
    destination = run.study.work.staging / "omics" / assay / "all.zarr"
    (outcome,) = run.units(
        f"together-{assay}",
        put_together,
        [Unit(assay, inputs, (assay, stores, excluded, destination))],
        settings=None,
        code=("unibase.omics",),
        still_there=lambda result: destination.exists(),
    )
    return outcome


type _TogetherWork = tuple[AssayName, list[Path], frozenset[str], Path]


def put_together(_: None, work: _TogetherWork) -> dict[str, Any]:
    """Write all samples of an assay into one store; no value is changed. Expression goes through a block at a time."""
    from unibase.omics.assays.registry import together
    from unibase.omics.stores import blocks

    assay, stores, excluded, destination = work
    if assay == "rna":
        if not stores:
            raise no_sample_left()
        samples, features = blocks.stack(stores, destination)
        return {"samples": samples, "features": features}
    adata = together(assay, _parts(stores, excluded))
    store.write_zarr(adata, destination)
    return {"samples": adata.n_obs, "features": adata.n_vars}


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
