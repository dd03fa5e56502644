"""Simulated series of several volumes: their names, units and tumours are those of the truth."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from unibase.imaging.dicom.volume import open_folder
from unibase.imaging.regions.masks import read_masks
from unibase.simulation.cohort import simulate


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("acquisitions") / "demo"
    simulate(out, persons=1, centres=1, genes=20, broken=False, acquisitions=True)
    return out


def test_volumes_are_named_and_hold_what_the_truth_says(tree: Path) -> None:
    truth = pl.read_parquet(tree / "truth/volumes.parquet")
    assert truth["volume"].n_unique() == 3 + 3 + 6 + 8
    units = {"CT": "HU", "MR": "arbitrary", "PT": "SUVbw"}
    for (kind, modality), rows in truth.group_by("kind", "modality"):
        folder = next(tree.glob(f"centre_a/dicom/*/*_{kind}/{kind}"))
        outlines = next(folder.parent.glob("rtstruct-*/*.dcm"))
        series = open_folder(folder)
        wanted = dict(rows.select("volume", "tumour_mean").iter_rows())
        assert {stack.name for stack in series.volumes} == set(wanted)
        for stack in series.volumes:
            volume = series.read(stack)
            tumour = read_masks(outlines, volume)[0]
            assert volume.unit == units[str(modality)]
            assert float(tumour.region.values(volume.array).mean()) == pytest.approx(wanted[stack.name], rel=0.01)


def test_the_study_file_asks_for_every_volume(tree: Path) -> None:
    text = (tree / "study.yaml").read_text(encoding="utf-8")
    assert "modalities: [CT, PT, MR]" in text and "volumes: all" in text


def test_without_them_the_tree_is_as_before(tmp_path: Path) -> None:
    simulate(tmp_path / "demo", persons=1, centres=1, genes=20, broken=False)
    assert pl.read_parquet(tmp_path / "demo/truth/volumes.parquet").is_empty()
    assert not list((tmp_path / "demo").glob("centre_a/dicom/*/*_dwi"))
