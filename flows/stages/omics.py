"""Stages `omics` and `normalise`: matrices of every centre through the gates, then all centres on one scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.stages.run import Run, sources_digest, stamp
from flows.study import Assays, AssaySource
from groundwork.files import digest_of
from groundwork.problems import Unusable, UserError
from groundwork.tables import EVENTS, QUARANTINE, SAMPLE_MAP
from groundwork.work import Outcome, Unit
from omics import samples, store
from privacy.keys import Key
from privacy.subjects import SubjectLookup

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class AssayTask:
    """One assay of one centre."""

    assay: str
    centre: str
    matrices: tuple[Path, ...]
    sheet: Path
    profiled: Path | None
    destination: Path
    key: Key
    lookup: SubjectLookup


def stage_assay(_: None, task: AssayTask) -> dict[str, Any]:
    """Read one assay of one centre, gate it, and leave it in staging under pseudonyms.

    Returns:
        `path` of the folder with `matrix.zarr`, `sample_map.parquet` and `quarantine.parquet`, and counts.
    """
    try:
        sheet = samples.read_samples(task.sheet)
    except UserError as problem:
        raise Unusable("unusable-sample-sheet", str(problem)) from None
    read = _read_rna if task.assay == "rna" else _read_mutations
    adata, refused, notes, keep = read(task, dict(sheet.select("sample", "patient").iter_rows()))
    if task.assay == "mutations":
        # One sheet serves several assays; of a sample that was never sequenced nothing is missing.
        sheet = sheet.filter(pl.col("sample").is_in(list(adata.obs_names)))
    staged = samples.stage(
        adata, sheet, assay=task.assay, centre=task.centre, lookup=task.lookup, key=task.key, refused=refused, keep_obs=keep
    )
    store.write_zarr(staged.adata, task.destination / "matrix.zarr")
    SAMPLE_MAP.write(staged.sample_map, task.destination / "sample_map.parquet")
    QUARANTINE.write(staged.quarantine, task.destination / "quarantine.parquet")
    used = int((staged.sample_map["status"] == "used").sum())
    return {"path": str(task.destination), "samples": used, "quarantined": staged.quarantine.height, "notes": list(notes)}


type _Read = tuple[AnnData, dict[str, tuple[str, str, str]], tuple[str, ...], tuple[str, ...]]


def _read_rna(task: AssayTask, patients: dict[str, str]) -> _Read:
    from omics.counts import combine, read_counts
    from omics.gates import check_counts

    matrices = [read_counts(path) for path in task.matrices]
    adata = matrices[0] if len(matrices) == 1 else combine(matrices)
    report = check_counts(adata, {name: patients[name] for name in adata.obs_names if name in patients})
    return report.apply(adata), report.staging_reasons(), report.notes, ()


def _read_mutations(task: AssayTask, patients: dict[str, str]) -> _Read:
    from omics.mutations import read_maf, read_profiled

    profiled = read_profiled(task.profiled) if task.profiled else None
    parts = [read_maf(path, profiled) for path in task.matrices]
    whole = replace(
        parts[0],
        variants=pl.concat([part.variants for part in parts]),
        profiled=tuple(sorted(set().union(*(part.profiled for part in parts)))),
    )
    notes = tuple(note for part in parts for note in part.notes)
    return whole.gene_table(), {}, notes, ("profiled", "variants", "tmb")


def stage_omics(run: Run, name: str) -> list[Outcome]:
    """Stage every assay of one centre."""
    centre = run.study.centres[name]
    mine = SubjectLookup({k: v for k, v in run.lookup.by_identifier.items() if k[0] == name})
    units = []
    for assay, source in sorted(centre.omics.items()):
        paths = _sources(run, source)
        task = AssayTask(
            assay,
            name,
            tuple(run.study.paths(source.matrix)),
            run.study.path(source.samples),
            run.study.path(source.profiled) if source.profiled else None,
            run.study.work.staging / "omics" / assay / name,
            run.key,
            mine,
        )
        # The subjects behind a sheet may change with the ledger, so the ledger's view of the centre counts as input.
        ledger = digest_of(sorted([*k, s.subject_id] for k, s in mine.by_identifier.items() if k[1] == samples.PATIENT_SYSTEM))
        units.append(Unit(f"{name}/{assay}", digest_of([stamp(paths), ledger]), task))
    outcomes = run.units(
        f"omics-{name}", stage_assay, units, settings=None, code=("omics",), still_there=lambda r: Path(r["path"]).exists()
    )
    rows = [run.quarantine_rows("omics", name, outcomes)]
    rows += [QUARANTINE.read(Path(o.result["path"]) / "quarantine.parquet") for o in outcomes if o.status == "done"]
    QUARANTINE.write(pl.concat(rows), run.quarantine_file("omics", name))
    for outcome in outcomes:
        if outcome.status == "done":
            run.say(
                f"omics: {outcome.key}: {outcome.result['samples']} samples used, {outcome.result['quarantined']} quarantined"
            )
        else:
            run.say(f"omics: {outcome.key}: quarantined, {outcome.reason}. {outcome.message} {outcome.remedy}")
    return outcomes


def _sources(run: Run, source: AssaySource) -> list[Path]:
    named = [source.samples, source.profiled] if source.profiled else [source.samples]
    return [*run.study.paths(source.matrix), *(run.study.path(name) for name in named)]


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
        stores = []
        excluded: dict[str, str] = {}
        for name in run.study.centres:
            folder = staging / assay / name
            if not (folder / "matrix.zarr").exists():
                continue
            stores.append(folder / "matrix.zarr")
            excluded |= sex_conflicts(run, folder / "matrix.zarr", name) if assay == "rna" else {}
            maps.append(_mark(SAMPLE_MAP.read(folder / "sample_map.parquet"), excluded))
        refused.append(_excluded_rows(assay, excluded, maps))
        if not stores:
            continue
        destination = staging / assay / "all.zarr"
        inputs = digest_of([*(sources_digest(path) for path in stores), sorted(excluded)])
        unit = Unit(assay, inputs, (assay, stores, frozenset(excluded), destination, run.study.assays))
        (outcome,) = run.units(
            f"normalise-{assay}",
            normalise_assay,
            [unit],
            settings=run.study.assays.model_dump(mode="json"),
            code=("omics",),
            still_there=lambda result: Path(result["path"]).exists(),
        )
        refused.append(run.quarantine_rows(f"normalise-{assay}", None, [outcome]))
        if outcome.status == "done":
            done[assay] = destination
            held = f", {len(excluded)} set aside for their sex" if excluded else ""
            run.say(f"normalise: {assay}: {outcome.result['samples']} samples x {outcome.result['features']} features{held}")
        else:
            run.say(f"normalise: {assay}: quarantined, {outcome.reason}. {outcome.message} {outcome.remedy}")
    QUARANTINE.write(pl.concat(refused), run.quarantine_file("normalise"))
    SAMPLE_MAP.write(pl.concat(maps), staging / "sample_map.parquet")
    return done


def sex_conflicts(run: Run, matrix: Path, centre: str) -> dict[str, str]:
    """Return samples whose expression contradicts their subject's records, with the reason.

    Two such samples of opposite sex in one centre are `swapped-samples`; others `sex-discordant` or `sex-mixed`.
    """
    from omics.identity import sex_findings, sex_from_expression

    adata = store.read_zarr(matrix)
    recorded = dict(_recorded_sex(run).iter_rows())
    declared = {str(name): recorded.get(int(subject)) for name, subject in adata.obs["subject_id"].items()}
    findings = sex_findings(sex_from_expression(adata), declared)
    return {
        row["sample"]: "swapped-samples" if row["other"] else row["finding"]
        for row in findings.to_dicts()
        if row["finding"] in ("sex-discordant", "sex-mixed")
    }


def _recorded_sex(run: Run) -> pl.DataFrame:
    """Return `subject_id, sex` (M or F) from the clinical records; subjects whose records disagree are left out."""
    frames = [
        EVENTS.read(run.study.work.staging / "clinical" / name / "events.parquet").filter(pl.col("code").str.starts_with("SEX//"))
        for name in run.study.centres
    ]
    sexes = pl.concat([EVENTS.empty(), *frames]).select("subject_id", pl.col("code").str.split("//").list.last().alias("sex"))
    return sexes.unique().filter(pl.len().over("subject_id") == 1).sort("subject_id")


def _mark(mapping: pl.DataFrame, excluded: dict[str, str]) -> pl.DataFrame:
    mine = pl.col("colname").is_in(list(excluded))
    return mapping.with_columns(
        pl.when(mine).then(pl.lit("quarantined")).otherwise("status").alias("status"),
        pl.when(mine).then(pl.col("colname").replace(excluded)).otherwise("reason").alias("reason"),
    )


def _excluded_rows(assay: str, excluded: dict[str, str], maps: list[pl.DataFrame]) -> pl.DataFrame:
    centre_of = dict(pl.concat(maps).filter(pl.col("assay") == assay).select("colname", "centre").iter_rows())
    rows = [
        {
            "stage": f"normalise-{assay}",
            "centre": centre_of.get(name),
            "unit": name,
            "reason": reason,
            "message": "The expression of XIST and the Y chromosome contradicts the sex in the subject's records.",
            "remedy": "Compare the sample sheet with the laboratory's list; two samples may have changed places.",
        }
        for name, reason in sorted(excluded.items())
    ]
    return QUARANTINE.conform(pl.DataFrame(rows, schema=QUARANTINE.schema()))


type _NormaliseWork = tuple[str, list[Path], frozenset[str], Path, Assays]


def normalise_assay(_: None, work: _NormaliseWork) -> dict[str, Any]:
    """Combine one assay of all centres and write it; counts are normalised, mutations only put side by side."""
    assay, stores, excluded, destination, options = work
    parts = []
    for path in stores:
        part = store.read_zarr(path)
        part = part[~part.obs_names.isin(list(excluded))].copy()
        if part.n_obs:
            parts.append(part)
    if not parts:
        raise Unusable("no-sample-left", "No centre has a sample of this assay that can be used.", "Look at the quarantine.")
    if assay == "rna":
        from omics.counts import combine
        from omics.normalise import normalise

        adata = normalise(combine(parts), options.rna.method)
    else:
        from omics.mutations import combine_tables

        adata = combine_tables(parts)
    store.write_zarr(adata, destination)
    return {"path": str(destination), "samples": adata.n_obs, "features": adata.n_vars}
