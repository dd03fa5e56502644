"""The model of expression is learned once: a night's new patient changes no earlier row, and a new fit is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import polars as pl
import pytest

from tests.known_keys import known_key
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.stages.normalise_models import ask_for_refit, released_models
from unibase.flows.study.validation import read_study
from unibase.groundwork.files import sha256_folder
from unibase.groundwork.problems import UserError
from unibase.privacy.keys import write_key_file
from unibase.releases.content.methods_text import methods_paragraph
from unibase.simulation.cohort import add_person, simulate


@pytest.fixture
def first(tmp_path: Path) -> Path:
    home = tmp_path / "hospitals"
    simulate(home, persons=40, imaging=False)
    write_key_file(known_key("vault.key"), home / "vault.key")
    return home


def build(home: Path) -> list[str]:
    """Run the stages that expression needs; return what they said of it."""
    said: list[str] = []
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study, say=said.append) as run:
        for name in ("people", "omics", "clinical", "normalise"):
            stage(name)(run)
    return [line for line in said if line.startswith("normalise: rna")]


def released(home: Path) -> anndata.AnnData:
    return anndata.read_zarr(home / "work" / "staging" / "omics" / "rna" / "all.zarr")


def stores(home: Path) -> dict[str, str]:
    folder = home / "work" / "staging" / "normalised" / "rna"
    return {path.relative_to(folder).as_posix(): sha256_folder(path) for path in sorted(folder.glob("*/*.zarr"))}


def change(home: Path, old: str, new: str) -> None:
    text = (home / "study.yaml").read_text(encoding="utf-8")
    assert old in text
    (home / "study.yaml").write_text(text.replace(old, new), encoding="utf-8")


def test_a_new_patient_changes_no_earlier_byte_until_a_fit_is_asked_for(first: Path) -> None:
    said = build(first)
    assert any("fitted on" in line and "first-fit" in line for line in said)
    before, parts, staging = released(first), stores(first), first / "work" / "staging"
    models = dict(released_models(staging / "models"))["rna"]
    assert before.obs["in_fit"].all() and models["samples"] == before.n_obs
    # What the frozen model gives to the samples of its fit is what a fit of that day gives.
    from unibase.omics.models.normalised import normalise

    counts = before.copy()
    counts.X = before.layers["counts"]
    np.testing.assert_array_equal(normalise(counts, "tmm").X, before.X)

    add_person(first)
    assert not any("fitted" in line for line in build(first))
    after, later = released(first), stores(first)
    assert after.n_obs == before.n_obs + 1
    assert after.obs["in_fit"].sum() == before.n_obs
    kept = after[before.obs_names]
    assert np.asarray(kept.X).tobytes() == np.asarray(before.X).tobytes()
    assert kept.obs.equals(before.obs.assign(**{c: before.obs[c].astype(kept.obs[c].dtype) for c in before.obs}))
    assert {name: later[name] for name in parts} == parts and len(later) == len(parts) + 1
    assert dict(released_models(staging / "models"))["rna"] == models

    assert ask_for_refit(staging / "models", "rna")
    assert any(f"fitted on {after.n_obs} samples (asked-for)" in line for line in build(first))
    again = released(first)
    assert again.obs["in_fit"].all() and not np.array_equal(again[before.obs_names].X, before.X)
    record = dict(released_models(staging / "models"))["rna"]
    assert [fit["reason"] for fit in record["history"]] == ["first-fit", "asked-for"]
    assert record["history"][0]["digest"] == models["digest"] != record["digest"]
    # Asked once, done once.
    assert not any("fitted" in line for line in build(first))

    about = {
        "version": "1.0.0", "title": "T", "study": "t", "modalities": {"rna": {"variables": 5}},
        "settings": {"assays": {"rna": {"method": "tmm"}}, "models": {"rna": record}},
    }  # fmt: skip
    said_of_it = methods_paragraph(about, {})
    assert f"Its model {record['digest'][:12]} was learned on at least {after.n_obs} samples" in said_of_it
    assert "fit number 2" in said_of_it


def test_other_method_gene_list_and_refit(first: Path) -> None:
    build(first)
    change(first, "method: tmm", "method: vst")
    assert any("other-method" in line for line in build(first))
    adata = released(first)
    assert dict(released_models(first / "work" / "staging" / "models"))["rna"]["method"] == "vst"

    # A later matrix that lacks genes of the model is set aside with all its samples, not filled up.
    before = set((first / "centre_a" / "omics").glob("counts*.tsv.gz"))
    add_person(first)
    (new,) = set((first / "centre_a" / "omics").glob("counts*.tsv.gz")) - before
    table = pl.read_csv(new, separator="\t")
    table.head(table.height - 3).write_csv(new.with_suffix(""), separator="\t")
    new.unlink()
    change(first, "counts*.tsv.gz", "counts*.tsv*")
    said = build(first)
    assert any("missing-genes" in line for line in said)
    after = released(first)
    assert np.asarray(after.X).tobytes() == np.asarray(adata.X).tobytes()
    staging = first / "work" / "staging"
    mapping = pl.read_parquet(staging / "omics" / "sample_map.parquet").filter(pl.col("assay") == "rna")
    refused = pl.read_parquet(staging / "quarantine" / "normalise.parquet").filter(pl.col("reason") == "missing-genes")
    assert refused.height == mapping.filter(pl.col("reason") == "missing-genes").height == 1
    assert set(mapping.filter(pl.col("status") == "used")["colname"]) == set(after.obs_names)

    # To fit again in every build is a setting.
    change(first, "method: vst", "method: vst, model: refit")
    # The matrix with fewer genes, which the frozen model could not take, is in the new fit.
    assert any("refit-in-every-build" in line for line in build(first))
    record = dict(released_models(staging / "models"))["rna"]
    assert "missing-genes" not in pl.read_parquet(staging / "quarantine" / "normalise.parquet")["reason"]
    assert not any("fitted" in line for line in build(first)), "the same samples give the same model"
    add_person(first)
    assert any("refit-in-every-build" in line for line in build(first))
    assert dict(released_models(staging / "models"))["rna"]["samples"] == record["samples"] + 1


def test_a_model_that_cannot_be_read_stops_the_build(first: Path) -> None:
    build(first)
    before, folder = stores(first), first / "work" / "staging" / "models" / "rna"
    file = folder / "frozen.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**record, "format": 1}), encoding="utf-8")
    with pytest.raises(UserError, match=r"Another version of unibase wrote the model\..*unibase refit"):
        build(first)
    file.write_text(json.dumps({**record, "digest": "0" * 64}), encoding="utf-8")
    with pytest.raises(UserError, match=r"not those that were written\. Restore them.*unibase refit"):
        build(first)
    assert stores(first) == before
    assert ask_for_refit(first / "work" / "staging" / "models", "rna")
    assert any("asked-for" in line for line in build(first))
    assert released(first).n_obs == record["samples"]
