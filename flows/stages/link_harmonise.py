"""Part of stage `link`: harmonise what the join chose across centres, as the study file says, beside the raw values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from unibase.flows.runs.run import Run
from unibase.flows.study.places import ASSAYS, HARMONISATION, HARMONISED
from unibase.groundwork.files import write_json
from unibase.groundwork.problems import UserError
from unibase.linking.harmonised.beside_raw import (
    PREFIX,
    Asked,
    Harmonised,
    Sample,
    covariate,
    harmonise_values,
    harmonised_values,
    imaging_batch,
    imaging_groups,
    sample_batch,
    traced,
    training_subjects,
)
from unibase.linking.options import HarmoniseRule
from unibase.methods.combat import ComBat
from unibase.methods.feature_blocks import OnDisk, Room, Table, in_memory
from unibase.omics.stores.blocks import X, take_samples, write_store


@dataclass(frozen=True)
class Material:
    """The tables that harmonisation looks into, all of the cohort."""

    subjects: pl.DataFrame
    series: pl.DataFrame
    features: pl.DataFrame
    samples: pl.DataFrame
    adtte: pl.DataFrame
    splits: pl.DataFrame


def harmonise(run: Run, analysis: pl.DataFrame, trace: pl.DataFrame, material: Material) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return analysis and trace with harmonised columns beside the raw ones.

    Parameters and what is said of them go to `linked/harmonisation/<group>.json`, matrices with a layer `combat` to
    `linked/harmonised/<assay>.zarr`.

    Args:
        run: The run.
        analysis: The analysis table.
        trace: The trace of its cells.
        material: What is harmonised.

    Raises:
        UserError: When a rule of the study file cannot be followed.
    """
    folder, stores = run.place(HARMONISATION), run.place(HARMONISED)
    for old in (folder, stores):
        shutil.rmtree(old, ignore_errors=True)
    rule = run.study.harmonise.imaging
    if rule is not None:
        for name, prefixes in imaging_groups(analysis.columns, material.features).items():
            columns = [c for c in analysis.columns if c.startswith(prefixes)]
            batch = imaging_batch(trace, prefixes, material.series, rule)
            values = analysis.select(pl.col(columns).cast(pl.Float64).fill_null(np.nan)).to_numpy()
            sample = _sample(run, analysis, batch, rule, material)
            found = _harmonise(run, values, columns, sample, _asked(run, "imaging", name, rule))
            analysis = analysis.with_columns(
                [pl.Series(f"{PREFIX}{column}", found.values[:, columns.index(column)]).fill_nan(None) for column in found.fitted]
            )
            trace = traced(trace, [f"{prefix}*" for prefix in prefixes])
            _keep(run, folder, name, found)
    rule = run.study.harmonise.rna
    if rule is not None:
        analysis, said = _harmonise_assay(run, "rna", analysis, rule, material)
        trace = traced(trace, ["rna_*"]) if said else trace
    return analysis, trace


def read_records(folder: Path) -> dict[str, dict[str, object]]:
    """Return by group what `harmonise` left in its folder (`places.HARMONISATION`): `record` and `parameters`."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def _read_parameters(path: Path, group: str) -> ComBat:
    """Read the parameters of one group from a file, or from `<group>.json` in a folder of them.

    Raises:
        UserError: If there is none.
    """
    file = path / f"{group}.json" if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"No parameters of {group} at {file}. They are in the folder `harmonisation` of a release.")
    try:
        return ComBat.from_json(json.loads(file.read_text(encoding="utf-8"))["parameters"])
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{file} holds no parameters of a harmonisation. Name a file of the folder `harmonisation` of a release."
        ) from None


def _sample(run: Run, analysis: pl.DataFrame, batch: Mapping[int, str], rule: HarmoniseRule, material: Material) -> Sample:
    """Return batch, part and covariates of each row of `analysis`."""
    return Sample(
        [batch.get(subject) for subject in analysis["subject_id"].to_list()],
        training_subjects(analysis, material.splits, rule),
        {name: covariate(name, analysis, material.subjects, material.adtte) for name in rule.covariates},
        run.study.endpoints,
    )


def _asked(run: Run, key: str, group: str, rule: HarmoniseRule, room: Room = in_memory) -> Asked:
    stored = _read_parameters(run.study.path(rule.parameters), group) if rule.parameters else None
    return Asked(f"harmonise.{key} ({group})", rule, stored, room)


def _harmonise(run: Run, values: Table, features: Sequence[str], sample: Sample, asked: Asked) -> Harmonised:
    found = harmonise_values(values, features, sample, asked)
    record = found.record
    left = f", {record['left_out']} left out" if record["left_out"] else ""
    run.say(f"link: {asked.where}: {record['features']} features of {record['subjects']} subjects{left}")
    return found


def _keep(run: Run, folder: Path, name: str, found: Harmonised) -> None:
    write_json(folder / f"{name}.json", {"record": found.record, "parameters": found.model.to_json()})


def _harmonise_assay(
    run: Run, assay: str, analysis: pl.DataFrame, rule: HarmoniseRule, material: Material
) -> tuple[pl.DataFrame, bool]:
    """Harmonise the chosen samples of an assay, in files beside the store that is made: a matrix may be larger than memory.

    Returns:
        The table, with the genes that it names beside the raw ones, and whether it names any.
    """
    stores = run.place(HARMONISED)
    column = f"{assay}_sample"
    store = run.place(ASSAYS, assay=assay)
    rows = analysis.filter(pl.col(column).is_not_null())
    if not store.exists() or not rows.height:
        raise UserError(f"harmonise.{assay}: no subject of the cohort has a sample of it. Remove the key.")
    stores.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".tmp-", dir=stores) as scratch:
        stored = take_samples(store, rows[column].to_list(), Path(scratch))
        genes = [str(name) for name in stored.var.index]
        batch = sample_batch(rows, material.samples, assay)
        matrix: Any = stored.arrays[X]
        sample = _sample(run, rows, batch, rule, material)
        found = _harmonise(run, matrix, genes, sample, _asked(run, assay, assay, rule, OnDisk(Path(scratch))))
        arrays: Any = {**stored.arrays, "layers/combat": found.values}
        write_store(stores / f"{assay}.zarr", replace(stored, arrays=arrays))
        _keep(run, run.place(HARMONISATION), assay, found)
        symbols = [str(symbol) or gene for symbol, gene in zip(stored.var["symbol"], genes, strict=True)]
        wanted = [gene for gene in run.study.assays.genes if gene in symbols]
        named = harmonised_values(rows, assay, {gene: found.values[:, symbols.index(gene)] for gene in wanted})
    return analysis.join(named, on="subject_id", how="left", maintain_order="left"), bool(wanted)
