"""A study file harmonises and splits: through stage `link` and the release, over staged tables of 90 subjects in 3 centres."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
import polars as pl
import pytest

from unibase.clinical.timelines.meds import write_dataset
from unibase.flows.runs.run import open_run
from unibase.flows.stages.link import Linked, link
from unibase.flows.stages.link_harmonise import read_records
from unibase.flows.stages.release import release_inputs
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS, FEATURES, SAMPLE_MAP, SERIES
from unibase.methods.combat import ComBat, fit_combat
from unibase.omics.stores.store import write_zarr
from unibase.privacy.keys import Key, write_key_file
from unibase.releases.content.publish import publish_release

STUDY = """\
study: trial
release: {version: 1.0.0, min_cell: 5}
key: {file: vault.key}
centres: {A: {}, B: {}, C: {}}
assays: {genes: [G3]}
index: {concept: treatment_start}
windows:
  imaging: {from_days: -60}
  rna: {from_days: -60}
splits: {parts: {train: 0.7, test: 0.3}, folds: 3, by_centre: true}
"""
HARMONISE = """\
harmonise:
  imaging: {covariates: [AGE, SEX]}
  rna: {reference: B}
"""
NAMES = ["firstorder_Mean", "firstorder_Entropy", "shape_MeshVolume", "glcm_Contrast"]
SUBJECTS = 90
INDEX = datetime(2020, 6, 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harmonise")
    write_key_file(Key(b"h" * 32), folder / "vault.key")
    staging = folder / "work" / "staging"
    rng = np.random.default_rng(3)
    centre = np.array(["A", "B", "C"])[np.arange(SUBJECTS) % 3]
    shift, scale = {"A": 0.0, "B": 2.0, "C": -1.0}, {"A": 1.0, "B": 2.0, "C": 0.5}
    events, images, features, samples = [], [], [], []
    for subject in range(1, SUBJECTS + 1):
        place = centre[subject - 1]
        common: dict[str, Any] = {"subject_id": subject, "source": f"{place}/csv", "source_row": subject}
        birth = datetime(1950 + subject % 20, 1, 1)
        events += [
            common | {"code": "SEX//" + "FM"[subject // 3 % 2]},
            common | {"code": "MEDS_BIRTH", "time": birth, "time_min": birth, "time_max": birth},
            common | {"code": "ATC//L01", "time": INDEX, "time_min": INDEX, "time_max": INDEX + timedelta(hours=23)},
        ]
        uid = f"2.25.{subject}"
        image = {
            "subject_id": subject, "centre": place, "StudyInstanceUID": uid, "SeriesInstanceUID": uid, "Modality": "CT",
            "series_time": INDEX - timedelta(days=10),
        }  # fmt: skip
        images.append(image | {"Manufacturer": f"M{place}", "folder": uid, "input_digest": uid})
        values = rng.normal(0, 1, len(NAMES)) * scale[place] + shift[place] + 0.05 * (subject % 20)
        features.append(
            image | {"region": "GTV", "image_type": "original", "roi_name": "gtv", "engine": "unibase", "mode": "ibsi",
                     "settings_digest": "s", "source_digest": uid} | dict(zip(NAMES, values.tolist(), strict=True))
        )  # fmt: skip
        samples.append(
            {"assay": "rna", "primary": subject, "colname": f"s{subject:03}", "centre": place, "status": "used", "reason": "",
             "sample_time": INDEX - timedelta(days=5), "sample_type": "tumour"}
        )  # fmt: skip
    write_dataset(EVENTS.conform(pl.DataFrame(events, schema=EVENTS.schema())), staging / "timeline")
    SERIES.write(pl.DataFrame(images), staging / "imaging" / "series.parquet")
    FEATURES.write(pl.DataFrame(features), staging / "imaging" / "features.parquet")
    SAMPLE_MAP.write(pl.DataFrame(samples), staging / "omics" / "sample_map.parquet")
    genes = pd.DataFrame({"symbol": [f"G{n}" for n in range(40)]}, index=[f"ENSG{n}" for n in range(40)])
    values = rng.normal(5, 1, (SUBJECTS, 40)) + np.array([shift[c] for c in centre])[:, None]
    write_zarr(
        anndata.AnnData(values, obs=pd.DataFrame(index=[row["colname"] for row in samples]), var=genes),
        staging / "omics" / "rna" / "all.zarr",
    )
    return folder


def linked(home: Path, text: str) -> Linked:
    (home / "study.yaml").write_text(text, encoding="utf-8")
    with open_run(read_study(home / "study.yaml")) as run:
        return link(run)


def numbers(table: pl.DataFrame, columns: list[str]) -> np.ndarray:
    return table.select(pl.col(columns).cast(pl.Float64)).to_numpy()


def test_columns_stand_beside_the_raw_ones_fitted_on_training_subjects_only(home: Path) -> None:
    tables = linked(home, STUDY + HARMONISE)
    analysis, subjects = tables.table("analysis"), tables.table("subjects")
    columns = [c for c in analysis.columns if c.startswith("CT_GTV_")]
    assert len(columns) == len(NAMES)
    train = (subjects["split"] == "train").to_numpy()
    assert 40 < train.sum() < SUBJECTS
    covariates = {"AGE": subjects["AGE"], "SEX": subjects["SEX"]}
    model = fit_combat(
        numbers(analysis, columns)[train], subjects.filter(train)["centre"].to_list(), columns,
        covariates={name: values.filter(train) for name, values in covariates.items()},
    )  # fmt: skip
    expected = model.apply(numbers(analysis, columns), subjects["centre"].to_list(), covariates)
    np.testing.assert_array_equal(numbers(analysis, [f"combat_{c}" for c in columns]), expected)
    # The rows of the trace are those of the raw values.
    trace = tables.table("trace")
    raw, harmonised = (trace.filter(pl.col("variable") == f"{p}CT_GTV_original_*") for p in ("", "combat_"))
    assert raw.height == SUBJECTS and harmonised.drop("variable").equals(raw.drop("variable"))
    raw_rna, rna = numbers(analysis, ["rna_G3"])[:, 0], numbers(analysis, ["combat_rna_G3"])[:, 0]
    reference = (subjects["centre"] == "B").to_numpy()
    np.testing.assert_array_equal(rna[reference], raw_rna[reference])
    assert not np.array_equal(rna[~reference], raw_rna[~reference])


def test_the_release_holds_layers_parameters_splits_and_what_was_done(home: Path, tmp_path: Path) -> None:
    tables = linked(home, STUDY + HARMONISE)
    with open_run(read_study(home / "study.yaml")) as run:
        folder = publish_release(release_inputs(run, "1.0.0"), tmp_path)
    cohort = mudata.read_h5mu(folder / "cohort.h5mu")
    analysis = tables.table("analysis")
    radiomics = cohort["radiomics"]
    assert [name for name in radiomics.var_names if name.startswith("combat_")] == []
    np.testing.assert_array_equal(
        radiomics.layers["combat"], numbers(analysis, [f"combat_{name}" for name in radiomics.var_names])
    )
    assert cohort["rna"].layers["combat"].shape == (SUBJECTS, 40)
    splits = pl.read_parquet(folder / "tables" / "splits.parquet")
    held = splits.filter((pl.col("scheme") == "centre") & (pl.col("held_out") == "A"))
    assert dict(held.group_by("part").len().iter_rows()) == {"test": 30, "train": 60}
    assert splits.filter(pl.col("scheme") == "folds").height == 3 * SUBJECTS
    described = pl.read_parquet(folder / "dictionary" / "dictionary.parquet")
    words = dict(described.filter(pl.col("table") == "analysis").select("column", "derivation").iter_rows())
    assert "Harmonised by ComBat over centres, effects of AGE, SEX kept" in words["combat_CT_GTV_original_firstorder_Mean"]
    assert "layers/combat" in described.filter(pl.col("table") == "radiomics")["column"].to_list()
    assert "harmonised by ComBat between 3 centres, with B as reference" in (folder / "methods.txt").read_text(encoding="utf-8")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="harmonisation"' in page and "held out" in page
    # Stored parameters bring the same subjects to the same values.
    parameters = json.loads((folder / "harmonisation" / "CT_GTV.json").read_text(encoding="utf-8"))["parameters"]
    model = ComBat.from_json(parameters)
    subjects = tables.table("subjects")
    again = model.apply(
        numbers(analysis, list(model.features)), subjects["centre"].to_list(), {"AGE": subjects["AGE"], "SEX": subjects["SEX"]}
    )
    np.testing.assert_array_equal(again, numbers(analysis, [f"combat_{name}" for name in model.features]))
    stored = f"harmonise: {{imaging: {{covariates: [AGE, SEX], parameters: {folder / 'harmonisation'}}}}}\n"
    reused = linked(home, STUDY.replace("{train: 0.7, test: 0.3}", "{train: 0.5, test: 0.5}") + stored)
    columns = [c for c in analysis.columns if c.startswith("combat_CT")]
    assert reused.table("analysis").select(columns).equals(analysis.select(columns))


def test_centres_that_cannot_be_harmonised_are_refused_or_left_empty_and_counted(home: Path) -> None:
    # Of the training subjects 16 are of centre C.
    with pytest.raises(UserError, match=r"imaging \(CT_GTV\): too few training subjects of the centre C \(16\); at least 17 are"):
        linked(home, STUDY + "harmonise: {imaging: {least_per_centre: 17}}\n")
    with pytest.raises(UserError, match="at least two centres"):
        linked(home, STUDY + "harmonise: {imaging: {least_per_centre: 25, others: leave_out}}\n")
    tables = linked(home, STUDY + "harmonise: {imaging: {least_per_centre: 17, others: leave_out}}\n")
    empty = tables.table("analysis")["combat_CT_GTV_original_firstorder_Mean"].is_null()
    assert empty.equals(tables.table("subjects")["centre"] == "C", check_names=False)
    record = read_records(tables.folder / "harmonisation")["CT_GTV"]["record"]
    assert (record["subjects"], record["left_out"]) == (60, 30)


def test_scanners_may_be_what_is_harmonised(home: Path) -> None:
    by_scanner = linked(home, STUDY + "harmonise: {imaging: {batch: scanner}}\n")
    by_centre = linked(home, STUDY + "harmonise: {imaging: {batch: centre}}\n")
    assert by_scanner.table("analysis").equals(by_centre.table("analysis"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("harmonise: {imaging: {fit_on: dev}}\n", "fit_on names the part 'dev' and splits.parts has train, test"),
        ("harmonise: {imaging: {covariates: [OS]}}\n", "OS is an outcome of the study"),
        ("harmonise: {imaging: {covariates: [WEIGHT]}}\n", "covariate 'WEIGHT' is not allowed; allowed: SEX, AGE, OS"),
        ("harmonise: {rna: {batch: scanner}}\n", "samples have no scanner"),
        ("harmonise: {imaging: {parameters: nowhere}}\n", "harmonise.imaging.parameters: nothing at"),
    ],
)
def test_what_the_study_file_may_not_say(home: Path, text: str, said: str) -> None:
    from unibase.flows.study.named_sources import check_sources

    (home / "study.yaml").write_text(STUDY + text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        check_sources(read_study(home / "study.yaml"))
