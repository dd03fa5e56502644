"""Masks that models made, in a release: table, manifest, methods and page say whose they are, and no value of few persons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.image_tables import MASK_AGREEMENT
from unibase.releases.content.methods_text import methods_paragraph
from unibase.releases.content.publish import publish_release

MODELS = {
    "net": {"version": "1.2", "weights": "ab" * 32, "labels": {"1": "gtv"}, "modalities": ["CT"], "masks": "made elsewhere"}
}


def agreement(subjects: pl.DataFrame) -> pl.DataFrame:
    """Two readers of each subject; a second label that only three subjects have."""
    rows = [
        {
            "subject_id": subject,
            "centre": centre,
            "SeriesInstanceUID": f"1.2.{place}",
            "volume": "",
            "segmenter": "net",
            "model": "net 1.2 (weights abababababab)",
            "label": label,
            "target": "GTV",
            "roi_name": "gtv",
            "dice": 0.5 + place / 200,
            "mean_distance": 1.0 + place / 10,
            "source_digest": f"{place}{reader}",
        }
        for place, (subject, centre) in enumerate(subjects.select("subject_id", "centre").iter_rows())
        for reader in (0, 1)
        for label in (["gtv", "rare"] if place < 3 else ["gtv"])
    ]
    return MASK_AGREEMENT.conform(pl.DataFrame(rows))


def test_a_release_says_which_masks_a_machine_made(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "assays", subjects=40)
    table = agreement(inputs.subjects)
    stranger = table.head(1).with_columns(pl.lit(99, dtype=pl.Int64).alias("subject_id"))
    made = replace(inputs, mask_agreement=pl.concat([table, stranger]), min_cell=5, settings={"segmenters": MODELS})
    folder = publish_release(made, tmp_path / "releases")
    released = pl.read_parquet(folder / "tables/mask_agreement.parquet")
    assert set(released["subject_id"]) == set(inputs.subjects["subject_id"]) and released.height == table.height
    words = pl.read_parquet(folder / "dictionary/dictionary.parquet").filter(pl.col("table") == "mask_agreement")
    assert set(words["column"]) == set(released.columns)
    assert json.loads((folder / "manifest.json").read_text())["settings"]["segmenters"]["net"]["weights"] == "ab" * 32
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="mask_agreement"' in page and "net 1.2" in page and "gtv / GTV" in page
    section = page[page.index('id="mask_agreement"') :]
    assert "Dice coefficient" in section and "Hausdorff distance" not in section
    assert "made by models, not people: net 1.2" in (folder / "methods.txt").read_text()


def test_without_models_nothing_is_said(tmp_path: Path) -> None:
    folder = publish_release(make_inputs(tmp_path / "assays", subjects=20), tmp_path / "releases")
    assert not (folder / "tables/mask_agreement.parquet").exists()
    assert 'id="mask_agreement"' not in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("weights", "said"), [(None, "net 1.2."), ("cd" * 32, "net 1.2 (SHA-256 of its weights cdcdcdcdcdcd).")])
def test_methods_name_the_weights_where_they_are_known(weights: str | None, said: str) -> None:
    settings = {"segmenters": {"net": {"version": "1.2", "weights": weights}}}
    assert said in methods_paragraph({"version": "1", "title": "t", "study": "s", "settings": settings}, {})
