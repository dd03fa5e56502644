"""Plain R reads a release and finds the numbers that Python finds."""

from __future__ import annotations

import json
import runpy
import subprocess
from dataclasses import replace
from pathlib import Path

import mudata
import numpy as np
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from tests.releases.r import rscript
from unibase.methods.survival import kaplan_meier
from unibase.releases.content.publish import publish_release

SCRIPT = """
source(file.path(folder, "load_release.R")); r <- load_release(folder)
d <- merge(r$adtte[r$adtte$PARAMCD == "OS", ], data.frame(subject_id = r$clinical$obs$subject_id, age = r$clinical$obs$age_at_index))
x <- data.frame(subject_id = colnames(r$radiomics$X), volume = log(r$radiomics$X["CT_GTV_original_shape_MeshVolume", ]))
d <- merge(d, x)
fit <- survival::coxph(survival::Surv(AVAL, CNSR == 0) ~ volume + age, d, ties = "efron")
out <- list(
  median = unname(quantile(survival::survfit(r$Surv$OS ~ 1, conf.type = "log-log"), 0.5)$quantile),
  hazard_ratio = unname(exp(coef(fit))),
  radiomics = unname(rowMeans(r$radiomics$X)), rna = unname(rowMeans(r$rna$X)),
  mutations = unname(rowMeans(r$mutations$X, na.rm = TRUE)),
  sequenced = sum(r$rna$obs$sequenced), subjects = r$subjects$subject_id, index = format(r$analysis$index_time, "%Y-%m-%dT%H:%M:%S"), start = format(r$adtte$STARTDT, "%Y-%m-%d"),
  samples = r$sample_map$colname[r$sample_map$chosen],
  columns = colnames(r$rna$X), owners = r$sample_map$primary[match(colnames(r$rna$X), r$sample_map$colname)], people = r$rna$obs$subject_id,
  rows = rownames(r$subjects), ldh = r$analysis$ldh)
writeLines(jsonlite::toJSON(out, digits = NA, auto_unbox = FALSE), "out.json")
"""


@pytest.mark.slow
def test_r_reproduces_median_hazard_ratio_and_means(tmp_path: Path) -> None:
    program = rscript("rhdf5", "survival", "jsonlite")
    inputs = make_inputs(tmp_path / "in", subjects=90, seed=3)
    folder = publish_release(inputs, tmp_path / "out")
    done = subprocess.run(
        [program, "-e", f"folder <- '{folder}'; {SCRIPT}"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))

    adtte = pl.read_parquet(folder / "tables" / "adtte.parquet")
    median = kaplan_meier(adtte["AVAL"].to_numpy(), (adtte["CNSR"] == 0).to_numpy()).median()[0]
    assert answer["median"] == [pytest.approx(median, rel=1e-9)]

    whole = mudata.read_h5mu(folder / "cohort.h5mu")
    for name in ("radiomics", "rna", "mutations"):
        means = np.nanmean(whole[name].X.astype(np.float64), axis=0)
        np.testing.assert_allclose(answer[name], means, rtol=1e-9)

    from lifelines import CoxPHFitter

    radiomics = whole["radiomics"].to_df()["CT_GTV_original_shape_MeshVolume"]
    table = whole["clinical"].obs[["OS_AVAL", "OS_CNSR", "age_at_index"]].join(np.log(radiomics), how="inner")
    table["OS_CNSR"] = table["OS_CNSR"] == 0
    fitter = CoxPHFitter().fit(
        table.astype(float), "OS_AVAL", "OS_CNSR", fit_options={"precision": 1e-14, "r_precision": 1e-14, "max_steps": 100}
    )
    ratio = np.exp(fitter.params_[["CT_GTV_original_shape_MeshVolume", "age_at_index"]])
    np.testing.assert_allclose(answer["hazard_ratio"], ratio, rtol=1e-9)

    assert answer["sequenced"] == [whole["rna"].obs["sequenced"].sum()]
    assert answer["subjects"] == [str(s) for s in adtte["subject_id"]]
    assert answer["index"] == inputs.analysis.sort("subject_id")["index_time"].dt.strftime("%Y-%m-%dT%H:%M:%S").to_list()
    assert answer["start"] == [d.isoformat() for d in adtte["STARTDT"]]
    chosen = pl.read_parquet(folder / "tables" / "sample_map.parquet").filter("chosen")["colname"].to_list()
    assert answer["samples"] == chosen
    # A MultiAssayExperiment takes the sample map as it is: every column of an assay is a `colname` of its `primary`.
    assert answer["columns"] == whole["rna"].obs["sample"].to_list()
    assert answer["owners"] == answer["people"] == list(whole["rna"].obs_names)
    assert answer["rows"] == answer["subjects"]
    assert answer["ldh"] == ["NA" if v is None else v for v in inputs.analysis.sort("subject_id")["ldh"].to_list()]


HELD_OUT = """
library(survival); source(file.path(folder, "load_release.R")); r <- load_release(folder); data <- r$data$OS
out <- lapply(r$held_out, function(sides) {
  side <- lapply(sides, function(ids) data[data$subject_id %in% ids, ])
  model <- coxph(Surv(entry, time, event) ~ ldh, side$train, ties = "efron")
  list(train = sides$train, test = sides$test, c = concordance(model, newdata = side$test)$concordance)
})
writeLines(jsonlite::toJSON(out, digits = NA, auto_unbox = TRUE), "out.json", useBytes = TRUE)
"""


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_r_holds_centres_out_as_python_does(tmp_path: Path, several: bool, split: bool) -> None:
    from lifelines import CoxPHFitter

    program = rscript("rhdf5", "survival", "jsonlite")
    inputs = make_inputs(tmp_path / "in", subjects=120, seed=8)
    names = dict(zip("ABC", ("lyon", "CHU-été", "F"), strict=True))
    own, row = pl.col("centre").replace_strict(names), pl.int_range(pl.len())
    known = pl.when(row % 10 == 0).then(pl.lit("lyon;F")).otherwise(own)
    subjects = inputs.subjects.with_columns(own, *([known.alias("centres")] if several else []))
    words = pl.DataFrame([{"column": "centres", "label": "Centres", "derivation": "All that know the subject."}])
    splits = centre_splits(subjects) if split else None
    folder = publish_release(
        replace(inputs, subjects=subjects, dictionary=[*inputs.dictionary, words], splits=splits), tmp_path / "out"
    )
    command = [program, "-e", f"folder <- '{folder}'; {HELD_OUT}"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    release = runpy.run_path(str(folder / "load_release.py"))["Release"](folder)
    outcome, ldh = release.outcome("OS"), release.analysis[["ldh"]].dropna()
    assert list(found) == ["CHU-été", "F", "lyon"]
    for centre, train, test in release.held_out("centre"):
        assert found[centre]["train"] == [str(i) for i in train] and found[centre]["test"] == [str(i) for i in test]
        seen, unseen = (ldh.reindex(ids).dropna().join(outcome, how="inner") for ids in (train, test))
        model = CoxPHFitter().fit(seen, "time", "event", entry_col="entry")
        assert found[centre]["c"] == pytest.approx(model.score(unseen, "concordance_index"), abs=1e-9)
    assert several == any(len(one["train"]) + len(one["test"]) < 120 for one in found.values())


def centre_splits(subjects: pl.DataFrame) -> pl.DataFrame:
    """Each centre held out; who is of several is in no part where one of them is."""
    known = "centres" if "centres" in subjects.columns else "centre"
    rows = [
        (subject, "centre", centre, "test" if of == [centre] else "train")
        for subject, of in subjects.select("subject_id", pl.col(known).str.split(";")).iter_rows()
        for centre in ("CHU-été", "F", "lyon")
        if of == [centre] or centre not in of
    ]
    return pl.DataFrame(rows, ["subject_id", "scheme", "held_out", "part"], orient="row")


@pytest.mark.slow
def test_r_counts_late_entries_as_the_page_does(tmp_path: Path) -> None:
    program = rscript("rhdf5", "survival", "jsonlite")
    inputs = make_inputs(tmp_path / "in", subjects=60, seed=4)
    late = pl.when(pl.int_range(pl.len()) % 3 == 0).then(30).otherwise(0).cast(pl.Int64)
    adtte = inputs.adtte.with_columns(ENTRYDT=pl.col("STARTDT") + pl.duration(days=30), ENTRY=late)
    # One who was never at risk: the entry is after the end.
    adtte = adtte.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(9_999).otherwise("ENTRY").alias("ENTRY"))
    women = inputs.subjects.with_columns(sex=pl.lit("F"))  # alone, R would read FALSE
    folder = publish_release(replace(inputs, adtte=adtte, subjects=women), tmp_path / "out")
    script = f"""
    source(file.path("{folder}", "load_release.R")); r <- load_release("{folder}")
    f <- survival::survfit(r$Surv$OS ~ 1, conf.type = "log-log")
    out <- list(type = attr(r$Surv$OS, "type"), names = names(r$Surv$OS), n = sum(f$n.event), surv = f$surv, entered = class(r$adtte$ENTRYDT), sex = unique(r$subjects$sex))
    writeLines(jsonlite::toJSON(out, digits = NA), "out.json")
    """
    done = subprocess.run([program, "-e", script], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    rows = pl.read_parquet(folder / "tables" / "adtte.parquet")
    curve = kaplan_meier(rows["AVAL"].to_numpy(), (rows["CNSR"] == 0).to_numpy(), rows["ENTRY"].to_numpy())
    assert answer["type"] == ["counting"]
    assert answer["names"] == [str(s) for s in rows["subject_id"]]
    assert (answer["entered"], answer["sex"]) == (["Date"], ["F"])
    np.testing.assert_allclose(answer["surv"], curve.survival, rtol=1e-12)
    assert answer["n"] == [int(curve.events.sum())]
    obs = mudata.read_h5mu(folder / "cohort.h5mu")["clinical"].obs
    assert obs["OS_ENTRY"].to_list() == rows["ENTRY"].to_list()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "(left truncation)" in page
    assert "left truncation; Tsai" in (folder / "methods.txt").read_text(encoding="utf-8")


EXPERIMENTS = """
suppressMessages(library(MultiAssayExperiment))
source(file.path(folder, "load_release.R")); r <- load_release(folder)
m <- MultiAssayExperiment(list(rna = r$rna$X, mutations = r$mutations$X), colData = r$subjects, sampleMap = r$sample_map)
held <- lapply(experiments(m), ncol)
one <- sampleMap(m)[sampleMap(m)$assay == "rna", ]
writeLines(jsonlite::toJSON(list(held = unlist(held), people = nrow(colData(m)), primary = one$primary, colname = one$colname)), "out.json")
"""


@pytest.mark.slow
def test_a_multi_assay_experiment_keeps_every_sample_by_the_sample_map_as_it_is(tmp_path: Path) -> None:
    program = rscript("rhdf5", "survival", "jsonlite", "MultiAssayExperiment")
    folder = publish_release(make_inputs(tmp_path / "in", subjects=60, seed=6), tmp_path / "out")
    done = subprocess.run(
        [program, "-e", f"folder <- '{folder}'; {EXPERIMENTS}"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    whole = mudata.read_h5mu(folder / "cohort.h5mu")
    assert answer["held"] == [whole["rna"].n_obs, whole["mutations"].n_obs]
    owners = dict(zip(answer["colname"], answer["primary"], strict=True))
    assert owners == dict(zip(whole["rna"].obs["sample"], whole["rna"].obs_names, strict=True))
    assert answer["people"] == [len({*whole["rna"].obs_names, *whole["mutations"].obs_names})]


def test_the_script_is_short() -> None:
    from unibase.releases.content import publish

    assert len(publish.LOAD_SCRIPT.read_text(encoding="utf-8").splitlines()) <= 70
