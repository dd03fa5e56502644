"""How stable features are, from the robustness table to the dictionary, the variables and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mudata
import numpy as np
import polars as pl

from tests.releases.examples import FEATURE_NAMES, make_inputs
from unibase.releases.content.publish import publish_release
from unibase.releases.content.stability_words import of_columns
from unibase.releases.report.sections.stability import summary

COLUMNS = ("kind", "Modality", "region", "image_type", "feature", "persons", "icc_2_1", "icc_2_1_low", "stable")
WORDS = pl.DataFrame(
    [{"table": "robustness", "column": "*", "label": "Agreement", "derivation": "Over perturbed copies, or two scans."}]
)


def table() -> pl.DataFrame:
    rows = [
        ("perturbation", "CT", "GTV", "original", name, 30, 0.6 + 0.08 * place, 0.5 + 0.08 * place, place >= 4)
        for place, name in enumerate(FEATURE_NAMES)
    ]
    rows += [("retest", "CT", "GTV", "original", FEATURE_NAMES[0], 3, 0.9, 0.7, False)]
    return pl.DataFrame(rows, schema=list(COLUMNS), orient="row")


def test_a_reader_finds_the_stability_of_a_feature_wherever_the_feature_is(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "assays", subjects=40)
    measured = replace(inputs, robustness=table().reverse(), dictionary=[*inputs.dictionary, WORDS])
    folder = publish_release(measured, tmp_path / "releases")
    released = pl.read_parquet(folder / "tables/robustness.parquet")
    assert released["feature"].to_list() == [*sorted(FEATURE_NAMES), FEATURE_NAMES[0]]
    wanted = {f"CT_GTV_{name}": 0.5 + 0.08 * place for place, name in enumerate(FEATURE_NAMES)}
    words = pl.read_parquet(folder / "dictionary/dictionary.parquet").filter(pl.col("icc_2_1_low").is_not_null())
    assert set(words["table"]) == {"analysis", "radiomics"}
    for name in ("analysis", "radiomics"):
        assert dict(words.filter(pl.col("table") == name).select("column", "icc_2_1_low").iter_rows()) == wanted
    var = mudata.read_h5mu(folder / "cohort.h5mu")["radiomics"].var
    assert np.allclose(var["icc_2_1_low"], [wanted[name] for name in var.index])
    assert [name for name in var.index if var.loc[name, "stable"]] == [f"CT_GTV_{name}" for name in FEATURE_NAMES[4:]]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="stability"' in page
    # Families are told apart; what three persons gave is not told on the page.
    assert "Too few subjects to tell anything here" in page
    plain = publish_release(inputs, tmp_path / "plain")
    assert not (plain / "tables/robustness.parquet").exists()
    assert 'id="stability"' not in (plain / "report.html").read_text(encoding="utf-8")


def test_the_summary_counts_families_and_hides_few_persons() -> None:
    few, many = summary(table(), min_cell=4), summary(table(), min_cell=3)
    assert [(group["kind"], group["persons"]) for group in few] == [("perturbation", "≥ 28"), ("retest", None)]
    assert few[1]["families"] == []
    assert many[1]["families"][0].total == 1
    assert sum(family.stable for family in few[0]["families"]) == 2
    assert sum(family.total for family in few[0]["families"]) == len(FEATURE_NAMES)
    assert summary(None, 11) == []


def test_columns_are_named_as_the_join_names_them() -> None:
    frame = pl.DataFrame(
        [("perturbation", "PT", "GTV shell 0-5 mm", "wavelet-LLH", "glcm_Contrast", 9, 0.9, None, False)],
        schema=list(COLUMNS),
        orient="row",
    )
    assert of_columns(frame) == {"PT_GTV shell 0-5 mm_wavelet-LLH_glcm_Contrast": (0.9, None, False)}
    assert of_columns(None) == {}
