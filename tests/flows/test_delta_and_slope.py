"""The change between two studies and the slope of a laboratory value: through a whole build, and told by `unibase explain`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.wrong_links import subjects_of_persons, truth_table
from tests.flows import demo
from tests.imaging.test_deep import model

VOLUME = "delta_CT_GTV_original_shape_VoxelVolume"
PARAMETERS = (
    "imageType: {Original: {}}\nfeatureClass: {shape: , firstorder: }\nsetting: {binCount: 32, geometryTolerance: 0.001}\n"
)


@pytest.fixture(scope="module")
def home(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's hospitals with the progression as index: two examinations and several blood tests lie before it."""
    home = demo.copy_sources(sources, tmp_path_factory.mktemp("delta") / "home")
    study = home / "study.yaml"
    text = study.read_text(encoding="utf-8")
    for old, new in (
        ("index: {concept: treatment_start, which: first}", "index: {concept: progression, which: first}"),
        ("  modalities: [CT, PT]\n", "  modalities: [CT, PT]\n  deep_model: tiny.onnx\n"),
        ("imaging: {from_days: -60, to_days: 0, choose: latest}", "imaging: {choose: delta}"),
        ("  clinical:\n    ldh:", "  clinical:\n    ldh_slope: {concept: ldh, choose: slope, unit: U/L}\n    ldh:"),
    ):
        assert old in text
        text = text.replace(old, new)
    study.write_text(text, encoding="utf-8")
    (home / "params.yaml").write_text(PARAMETERS, encoding="utf-8")
    model(home / "tiny.onnx")
    demo.build(home, "--no-prefect")
    return home


def analysis(home: Path) -> pl.DataFrame:
    return pl.read_parquet(home / "work" / "linked" / "analysis.parquet")


def traced(home: Path, subject: int, variable: str) -> pl.DataFrame:
    trace = pl.read_parquet(home / "work" / "linked" / "trace.parquet")
    return trace.filter((pl.col("subject_id") == subject) & (pl.col("variable") == variable))


def explained(home: Path, subject: int, variable: str) -> str:
    ended = demo.unibase("explain", demo.release(home), subject, variable)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_change_of_volume_is_that_of_the_simulated_tumour(home: Path) -> None:
    subject = subjects_of_persons(home)
    volumes: dict[int, dict[str, float]] = {}
    images = truth_table(home, "imaging").filter(pl.col("modality") == "CT")
    for person, visit, volume in images.select("person", "visit", "tumour_mm3").iter_rows():
        volumes.setdefault(subject[person], {})[visit] = volume
    found = analysis(home).select("subject_id", VOLUME).drop_nulls()
    assert found.height >= 2
    for number, change in found.iter_rows():
        # The second study is the follow-up, or one of another centre. Masks come from contours: a voxel more or less.
        known = volumes[number]
        grown = [known[visit] - known["baseline"] for visit in ("follow-up", "elsewhere") if visit in known]
        assert any(change == pytest.approx(expected, rel=0.01) for expected in grown)
        rows = traced(home, number, "delta_CT_GTV_original_*")
        assert rows["SeriesInstanceUID"].n_unique() == rows.height == 2
        assert (rows["days_from_index"] < 0).all()
        said = explained(home, number, VOLUME)
        assert "the latest series less that of the first" in said
        assert all(uid in said for uid in rows["SeriesInstanceUID"])


def test_what_an_onnx_model_returns_goes_through_the_build_with_the_digest_of_the_model(home: Path) -> None:
    digest = hashlib.sha256((home / "tiny.onnx").read_bytes()).hexdigest()
    features = pl.read_parquet(home / "work/staging/imaging/features.parquet")
    deep = features.filter(pl.col("image_type") == f"onnx-{digest[:16]}")
    measured = features.filter(image_type="original", Modality="CT")
    assert set(measured["source_digest"]) <= set(deep["source_digest"])
    assert deep["image_notes"].str.contains(f"model-{digest}").all() and deep["deep_0019"].null_count() == 0
    first = f"delta_CT_GTV_onnx-{digest[:16]}_deep_0000"
    by_series = dict(deep.select("SeriesInstanceUID", "deep_0000").iter_rows())
    for number, change in analysis(home).select("subject_id", first).drop_nulls().iter_rows():
        rows = traced(home, number, "delta_CT_GTV_original_*").sort("days_from_index")
        then, now = (by_series[uid] for uid in rows["SeriesInstanceUID"])
        assert change == pytest.approx(now - then, abs=1e-9)
    dictionary = pl.read_csv(demo.release(home) / "dictionary" / "dictionary.csv", infer_schema=False)
    assert first in dictionary["column"].to_list()


def test_the_slope_is_that_of_the_rows_it_is_traced_to(home: Path) -> None:
    files = sorted((home / "work" / "staging" / "timeline" / "data").rglob("*.parquet"))
    events = pl.concat([pl.read_parquet(file) for file in files])
    found = analysis(home).select("subject_id", "ldh_slope").drop_nulls()
    assert found.height >= 10
    for number, slope in found.iter_rows():
        rows = traced(home, number, "ldh_slope")
        assert (rows["days_from_index"] <= 0).all()
        values = events.join(
            rows.select("subject_id", "source", "source_row", "code"), on=["subject_id", "source", "source_row", "code"]
        )
        assert values.height == rows.height >= 2
        days = (values["time"] - values["time"].min()).dt.total_seconds().to_numpy() / 86_400
        assert slope == pytest.approx(np.polyfit(days, values["numeric_value"].to_numpy(), 1)[0], rel=1e-5)
    said = explained(home, number, "ldh_slope")
    assert "U/L/d" in said and "slope (least squares, per day)" in said
    assert said.count("Read from: source") == rows.height
