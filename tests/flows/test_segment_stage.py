"""The stage `segment` over a small study: a model's masks beside people's, marked as a machine's wherever they go."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from tests.imaging.dicom_maker import write_rtstruct, write_series
from tests.known_keys import known_key
from unibase.flows.runs.run import open_run
from unibase.flows.stages.deidentify import deidentify_centre
from unibase.flows.stages.features import extract_features
from unibase.flows.stages.images import store_images
from unibase.flows.stages.index import index_series
from unibase.flows.stages.people import resolve_people
from unibase.flows.stages.segment import asked_of, released_segmenters, segment_images
from unibase.flows.study.validation import read_study
from unibase.groundwork.image_tables import MASK_AGREEMENT, SEGMENTED, VOXELS
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import FEATURES, QUARANTINE
from unibase.imaging.options import Features
from unibase.imaging.radiomics.plan import stage_settings
from unibase.privacy.keys import write_key_file

STUDY = f"""\
study: models
release: {{version: 1.0.0, images: volumes}}
key: {{file: vault.key}}
centres:
  CHU-été: {{people: people.csv, dicom: dicom}}
features:
  settings: params.yaml
  regions: {{GTV: ["gtv"], GTV_NET: ["net:gtv"]}}
segmenters:
  net:
    command: ["{sys.executable}", model.py, "{{image}}", "{{mask}}"]
    version: "1.0"
    weights: weights.bin
    labels: {{1: gtv}}
index: {{concept: treatment_start}}
"""
MODEL = """\
import sys, SimpleITK as sitk
image = sitk.ReadImage(sys.argv[1])
if sitk.GetArrayViewFromImage(image).max() > 2000:
    sys.exit(3)
sitk.WriteImage(sitk.Cast(image > 300, sitk.sitkUInt8), sys.argv[2])
"""
SQUARE = [np.array([[10.0, 12, 2 * z], [20, 12, 2 * z], [20, 22, 2 * z], [10, 22, 2 * z]]) for z in range(3, 7)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A tumour that the model sees one voxel aside, one that nobody drew, and an image that the model fails on."""
    for person in (1, 2, 3):
        image = np.zeros((10, 40, 40), dtype=np.int16)
        # Voxel centres of the drawn square: columns 10 to 19, rows 12 to 21.
        image[3:7, 12:22, 11:21] = 500 if person < 3 else 3000
        own = {"patient": f"IPP{person}", "study": 100 + person, "number": person, "BodyPartExamined": "CHEST"}
        write_series(tmp_path / f"dicom/{person}/ct", image, spacing=(1, 1, 2), **own)
        if person != 2:
            marks = {"patient": f"IPP{person}", "study": 100 + person, "number": 500 + person}
            write_rtstruct(tmp_path / f"dicom/{person}/rs.dcm", [("GTV", SQUARE)], series=person, **marks)
    (tmp_path / "people.csv").write_text("identifier\nIPP1\nIPP2\nIPP3\n")
    (tmp_path / "params.yaml").write_text("imageType: {Original: {}}\nfeatureClass: {shape: [VoxelVolume]}\n")
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "weights.bin").write_bytes(b"weights")
    (tmp_path / "study.yaml").write_text(STUDY)
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    return tmp_path


def night(home: Path) -> list[bool]:
    """Run the stages up to `images`; return which masks were made now."""
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as run:
        resolve_people(run)
        deidentify_centre(run, "CHU-été")
        index_series(run)
        outcomes = segment_images(run)
        extract_features(run)
        store_images(run)
        told = dict(released_segmenters(run))
    assert "model.py" not in json.dumps(told) and str(home) not in json.dumps(told)
    return [outcome.repeated for outcome in outcomes if outcome.status == "done"]


def test_masks_of_a_model_are_marked_compared_and_kept(home: Path) -> None:
    assert night(home) == [True, True]
    staging = home / "work/staging"
    masks = SEGMENTED.read(staging / "imaging/segmented.parquet")
    assert masks["found"].to_list() == ["gtv", "gtv"] and masks["weights"].n_unique() == 1
    refused = QUARANTINE.read(staging / "quarantine/segment.parquet")
    assert refused["reason"].to_list() == ["model-failed"] and "code 3" in refused["message"][0]

    features = FEATURES.read(staging / "imaging/features.parquet").sort("region", "mask_model")
    said = features.select("region", "roi_name", "mask_algorithm").unique(maintain_order=True).rows()
    assert said == [("GTV", "GTV", "MANUAL"), ("GTV_NET", "net:gtv", "AUTOMATIC")]
    assert set(features["mask_model"].drop_nulls()) == {f"net 1.0 (weights {masks['weights'][0][:12]})"}
    volumes = dict(features.group_by("region").agg(pl.col("shape_VoxelVolume").first()).iter_rows())
    assert volumes == {"GTV": 800.0, "GTV_NET": 800.0}

    (row,) = MASK_AGREEMENT.read(staging / "imaging/mask_agreement.parquet").to_dicts()
    assert (row["label"], row["target"], row["roi_name"]) == ("gtv", "GTV", "GTV")
    assert row["dice"] == pytest.approx(0.9) and row["hausdorff"] == 1.0
    assert row["volume_machine"] == row["volume_people"] == 800.0

    stores = VOXELS.read(staging / "imaging/voxels.parquet")
    said = sorted(stores.select("regions", "machine_regions", "unknown_regions").rows(), key=str)
    assert said == [("GTV", None, "GTV_NET"), ("GTV, GTV_NET", "GTV_NET", None), ("GTV_NET", "GTV_NET", "GTV")]

    assert night(home) == [False, False]
    (home / "weights.bin").write_bytes(b"others")
    assert night(home) == [True, True]


def test_a_study_that_names_no_model_any_more_keeps_no_mask(home: Path) -> None:
    night(home)
    text = (home / "study.yaml").read_text()
    (home / "study.yaml").write_text(text[: text.index("segmenters")] + text[text.index("index:") :])
    night(home)
    assert not list((home / "work/staging/imaging/segmented").iterdir())
    assert FEATURES.read(home / "work/staging/imaging/features.parquet")["region"].unique().to_list() == ["GTV"]


# What a study says that cannot be meant, and what it is told.
WRONG = {
    '"{image}", ': ("", r"names neither \{image\} nor"),
    '"{mask}"]': ('"{mask}"]\n    folder: x', "exactly one of command and folder"),
    "{1: gtv}": ("{0: gtv}", "0 is background"),
    "  net:\n": ("  Net:\n", "no name of a model"),
    "weights.bin": ("none.bin", "segmenters.net.weights"),
    sys.executable: ("no-such-program", "there is no program no-such-program"),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_cannot_be_meant_is_told_before_anything_runs(home: Path, said: str) -> None:
    other, told = WRONG[said]
    (home / "study.yaml").write_text(STUDY.replace(said, other))
    with pytest.raises(UserError, match=told):
        study = read_study(home / "study.yaml")
        with open_run(study) as run:
            segment_images(run)


def test_a_deep_model_beside_the_study_file_is_no_matter_of_masks(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("featureClass: {firstorder: [Mean]}")
    features = Features(settings="p.yaml", regions={"GTV": ["gtv"]}, deep_model="tiny.onnx")
    run = SimpleNamespace(study=SimpleNamespace(features=features, path=lambda name: tmp_path / name))
    assert stage_settings(asked_of(run))["deep_model"] == ""  # type: ignore[arg-type]  # what it reads of a run
