"""Images in a release: the stores of its subjects and no other's, the copies, and the program that loads them."""

from __future__ import annotations

import json
import pickle
import runpy
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk
import zarr

from tests.releases.describe_example import DESCRIPTION
from tests.releases.examples import make_inputs
from unibase.groundwork.files import sha256_folder
from unibase.groundwork.image_tables import IMAGES, VOXELS
from unibase.releases.catalogue.croissant import croissant
from unibase.releases.catalogue.described_release import open_release
from unibase.releases.catalogue.description import read_description
from unibase.releases.content.publish import publish_release
from unibase.releases.disclosure.disclosure_policy import DisclosurePolicy
from unibase.releases.images import nnunet, patch_dataset
from unibase.releases.images.shipped import Voxels, released

SHAPE = (20, 70, 66)
MODALITIES = ("CT", "PT")


def write_store(folder: Path, subject: int, place: int) -> np.ndarray:
    """Write a store as staging does: an image, a tumour, and a lymph node that overlaps it."""
    array = np.random.default_rng([subject, place]).integers(-1000, 1500, SHAPE).astype(np.int16)
    root: Any = zarr.create_group(folder, zarr_format=3)
    moved = {"origin": [1.0, 2.0, 3.0], "spacing": [0.5, 0.5, 2.0], "direction": [1, 0, 0, 0, 1, 0, 0, 0, 1]}
    root.attrs.update({"ome": {"version": "0.5"}, "unibase": moved})
    root.create_array("0", shape=SHAPE, dtype="int16", chunks=(64,) * 3, shards=(64, 128, 128))[...] = array
    labels = root.create_group("labels")
    labels.attrs["ome"] = {"labels": ["regions", "regions-2"]}
    for name, region, box in (("regions", "GTV", (5, 10, 20)), ("regions-2", "NODE", (6, 12, 30))):
        group = labels.create_group(name)
        map_of = np.zeros(SHAPE, dtype=np.uint8)
        ends = [(start, start + 8) for start in box]
        map_of[tuple(slice(*end) for end in ends)] = 1
        group.create_array("0", shape=SHAPE, dtype="uint8", chunks=(64,) * 3)[...] = map_of
        one = {"label-value": 1, "name": region, "roi_name": region.lower(), "box": ends}
        group.attrs["ome"] = {"image-label": {"properties": [one]}}
    return array


def staged(folder: Path, subjects: list[int]) -> tuple[Voxels, dict[str, np.ndarray]]:
    """Return stores of each subject, a CT and a PET, and their arrays by path."""
    rows, arrays = [], {}
    for subject in subjects:
        for place, modality in enumerate(MODALITIES):
            path = f"2.25.{subject}{place}/volume.ome.zarr"
            arrays[path] = write_store(folder / path, subject, place)
            row: dict[str, Any] = {column.name: None for column in VOXELS.columns}
            row |= {"subject_id": subject, "centre": "CHU-été", "SeriesInstanceUID": f"2.25.{subject}{place}", "path": path}
            row |= {
                "Modality": modality,
                "volume": "",
                "region": "",
                "regions": "GTV, NODE",
                "digest": sha256_folder(folder / path),
            }
            rows.append(row)
    frame = VOXELS.conform(pl.DataFrame(rows, schema=VOXELS.schema()))
    return Voxels(frame, folder, ("nifti", "nnunet"), ("GTV", "NODE")), arrays


def splits_of(subjects: list[int]) -> pl.DataFrame:
    rows = [
        *((s, "folds", str(fold), "test" if n % 2 == fold else "train") for n, s in enumerate(subjects) for fold in (0, 1)),
        *((s, "parts", "", "test" if n == 0 else "train") for n, s in enumerate(subjects)),
    ]
    return pl.DataFrame(rows, schema=["subject_id", "scheme", "held_out", "part"], orient="row").with_columns(
        pl.col("subject_id").cast(pl.Int64)
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, np.ndarray], list[int]]:
    """A release with images of six of its subjects, and of one who is in no cohort."""
    folder = tmp_path_factory.mktemp("images")
    inputs = make_inputs(folder / "in", subjects=40)
    with_outcome = set(inputs.adtte.filter(pl.col("PARAMCD") == "OS")["subject_id"])
    subjects = [s for s in inputs.subjects["subject_id"].sort().to_list() if s in with_outcome][:6]
    voxels, arrays = staged(folder / "stores", [*subjects, 12345])
    made = make_inputs(folder / "again", subjects=40, voxels=voxels, splits=splits_of(subjects))
    return publish_release(made, folder / "out"), arrays, subjects


def test_a_release_holds_the_stores_of_its_subjects_and_no_other(release: Any) -> None:
    folder, arrays, subjects = release
    table = pl.read_parquet(folder / "tables" / "images.parquet")
    assert table["subject_id"].unique().sort().to_list() == subjects
    assert not (folder / "images" / "12345").exists()
    for path, digest in table.select("path", "digest").iter_rows():
        assert sha256_folder(folder / path) == digest
        store: Any = zarr.open_group(folder / path, mode="r")
        assert np.array_equal(store["0"][...], arrays[path.split("/", 2)[2]])
    described = pl.read_parquet(folder / "dictionary" / "dictionary.parquet").filter(pl.col("table") == "images")
    assert set(described["column"]) == set(table.columns)


def test_the_day_of_an_image_is_counted_from_the_index() -> None:
    row: dict[str, Any] = {column.name: None for column in VOXELS.columns}
    row |= {"subject_id": 1, "SeriesInstanceUID": "1", "volume": "", "region": "", "path": "1/v", "digest": "d"}
    late = pl.Series("series_time", ["2020-03-01T23:50:00"]).str.to_datetime("%Y-%m-%dT%H:%M:%S")
    frame = VOXELS.conform(pl.DataFrame([row], schema=VOXELS.schema()).with_columns(late))
    subjects = pl.DataFrame({"subject_id": [1], "INDEXDT": ["2020-03-04"]}).with_columns(pl.col("INDEXDT").str.to_date())
    table = released(Voxels(frame, Path()), subjects)
    assert table["days_from_index"].to_list() == [-3]
    assert table["path"].to_list() == ["images/1/1/v"]
    assert released(Voxels(frame, Path()), subjects.drop("INDEXDT"))["days_from_index"].to_list() == [None]


def test_a_store_says_how_its_volume_was_made_and_how_good_it_is() -> None:
    row: dict[str, Any] = {column.name: None for column in VOXELS.columns}
    row |= {"subject_id": 1, "SeriesInstanceUID": "1", "region": "", "digest": "d"}
    names = ("phase 1 of 2", "phase 2 of 2")
    rows = [{**row, "volume": name, "path": f"1/{n}"} for n, name in enumerate(names)]
    frame = VOXELS.conform(pl.DataFrame(rows, schema=VOXELS.schema()))
    about: dict[str, Any] = {"subject_id": 1, "centre": "lyon", "SeriesInstanceUID": "1", "volume": names[1], "noise": 7.5}
    volumes = IMAGES.conform(pl.DataFrame([about | {"notes": "tilt-resampled"}], schema=IMAGES.schema()))
    table = released(Voxels(frame, Path()), pl.DataFrame({"subject_id": [1]}), volumes)
    assert table.select("volume", "noise", "notes").rows() == [(names[0], None, None), (names[1], 7.5, "tilt-resampled")]


def test_the_day_is_counted_from_the_index_and_not_from_what_a_policy_makes_of_it(tmp_path: Path) -> None:
    plain = make_inputs(tmp_path / "in", subjects=40)
    dated = plain.subjects.with_columns(pl.col("index_time").dt.date().alias("INDEXDT"))
    subject, index = dated.sort("subject_id").select("subject_id", "INDEXDT").row(0)
    voxels, _ = staged(tmp_path / "stores", [subject])
    later = pl.lit(datetime.combine(index, time(9)) + timedelta(days=12)).cast(pl.Datetime("us"))
    voxels = replace(voxels, table=voxels.table.with_columns(later.alias("series_time")), copies=())
    coarse = DisclosurePolicy(dates={"INDEXDT": "year"})
    said = {"column": "INDEXDT", "label": "Index", "type": "date", "unit": "", "derivation": "", "source": "linking"}
    words = [*plain.dictionary, pl.DataFrame([said])]
    made = replace(plain, subjects=dated, voxels=voxels, policy=coarse, dictionary=words)
    folder = publish_release(made, tmp_path / "out")
    assert pl.read_parquet(folder / "tables" / "images.parquet")["days_from_index"].unique().to_list() == [12]


def test_nnunet_gets_one_label_a_voxel_and_the_folds_of_the_release(release: Any) -> None:
    folder, _, subjects = release
    home = folder / "nnunet" / "Dataset001_CT"
    about = json.loads((home / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "GTV": 1, "NODE": 2}
    assert about["channel_names"] == {"0": "CT"}
    assert about["numTraining"] == 5
    cases = sorted(path.name.removesuffix("_0000.nii.gz") for path in (home / "imagesTr").iterdir())
    assert cases == sorted(path.name.removesuffix(".nii.gz") for path in (home / "labelsTr").iterdir())
    assert [path.name for path in (home / "imagesTs").iterdir()] == [f"s{subjects[0]}_01_0000.nii.gz"]
    for fold in json.loads((home / "splits_final.json").read_text()):
        assert sorted(fold["train"] + fold["val"]) == cases
        assert not set(fold["train"]) & set(fold["val"])
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(home / "labelsTr" / f"{cases[0]}.nii.gz")))
    gtv, node = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    gtv[5:13, 10:18, 20:28] = True
    node[6:14, 12:20, 30:38] = True
    assert np.array_equal(label == 1, gtv)
    assert np.array_equal(label == 2, node & ~gtv)


def test_one_dataset_has_one_unit_and_a_target_is_no_lesion_of_another(tmp_path: Path) -> None:
    voxels, _ = staged(tmp_path, [1, 2])
    units = pl.Series("unit", ["HU", "SUVbw", "HU", "BQML"])
    labels: Any = zarr.open_group(tmp_path / voxels.table["path"][0], mode="a")["labels/regions-2"]
    labels.attrs["ome"] = {"image-label": {"properties": [{"label-value": 1, "name": "GTV-2", "roi_name": "n", "box": []}]}}
    regions = pl.Series("regions", ["GTV, GTV-2", *["GTV, NODE"] * 3])
    nnunet.write_datasets(tmp_path, voxels.table.with_columns(units, regions), None, ("GTV", "GTV-2"))
    assert sorted(path.name for path in (tmp_path / "nnunet").iterdir()) == [
        "Dataset001_CT",
        "Dataset002_PT_BQML",
        "Dataset003_PT_SUVbw",
    ]
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "nnunet/Dataset001_CT/labelsTr/s1_01.nii.gz")))
    assert np.bincount(label.ravel())[1:].tolist() == [512, 512]


# Regions that are held, those that are unknown, of each of two images; then the labels, and what is behind the tumour in each.
NNUNET = {
    "all drawn": (("GTV, NODE", None), ("GTV, NODE", None), {"background": 0, "GTV": 1, "NODE": 2}, [0, 0]),
    "one not drawn": (("GTV, NODE", None), ("GTV", "NODE"), {"background": 0, "GTV": 1, "NODE": 2, "ignore": 3}, [0, 3]),
    "one drawn on none": (("GTV", "NODE"), ("GTV", "NODE"), {"background": 0, "GTV": 1}, [0, 0]),
    "a lesion refused": (("GTV, NODE", "GTV"), ("GTV, NODE", None), {"background": 0, "GTV": 1, "NODE": 2, "ignore": 3}, [3, 0]),
    "each lacks one": (("GTV", "NODE"), ("NODE", "GTV"), {"background": 0, "GTV": 1, "NODE": 2, "ignore": 3}, [3, 3]),
    "no box meets it": (("GTV", None), ("GTV, NODE", None), {"background": 0, "GTV": 1, "NODE": 2}, [0, 0]),
}


@pytest.mark.parametrize("kind", NNUNET)
def test_what_nobody_drew_is_no_background(tmp_path: Path, kind: str) -> None:
    *said, labels, behind = NNUNET[kind]
    voxels, _ = staged(tmp_path, [1, 2])
    table = voxels.table.filter(pl.col("Modality") == "CT").sort("subject_id")
    told = [pl.Series(name, [one[n] for one in said]) for n, name in enumerate(("regions", "unknown_regions"))]
    nnunet.write_datasets(tmp_path, table.with_columns(told), None, ("GTV", "NODE"))
    home = tmp_path / "nnunet/Dataset001_CT"
    about = json.loads((home / "dataset.json").read_text())
    assert about["labels"] == labels
    maps = [sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in sorted((home / "labelsTr").iterdir())]
    assert [int(one[0, 0, 0]) for one in maps] == behind
    (line,) = nnunet.told_of_datasets(tmp_path)
    assert ("ignore" in line) == ("ignore" in labels)
    assert ("No image has background" in line) == (behind == [3, 3])
    assert ("No image has NODE" in line) == ("NODE" not in labels)


# Regions of the data set, held and unknown of one image, and whether each region is known in it.
KNOWN = [
    ("GTV, NODE", None, [True, True, True]),
    ("GTV", "NODE", [True, True, False]),
    ("NODE", "GTV", [False, False, True]),
    ("GTV, NODE", "GTV", [False, False, True]),
    ("GTV-2", "GTV", [False, True, True]),
    ("", "GTV, NODE", [False, False, False]),
]


@pytest.mark.parametrize(("held", "unknown", "known"), KNOWN)
def test_a_mask_says_whether_its_zeros_are_background(held: str, unknown: str | None, known: list[bool]) -> None:
    data: Any = object.__new__(runpy.run_path(str(Path(patch_dataset.__file__)))["Patches"])
    data.regions = ["GTV", "GTV-2", "NODE"]
    assert data._mask_known({"regions": held, "unknown_regions": unknown or ""}).tolist() == known


def test_a_nifti_copy_holds_the_values_and_lies_where_the_store_lies(release: Any) -> None:
    folder, arrays, _ = release
    (path,) = pl.read_parquet(folder / "tables" / "images.parquet")["path"][:1].to_list()
    image = sitk.ReadImage(str(folder / path.replace(".ome.zarr", ".nii.gz")))
    assert np.array_equal(sitk.GetArrayFromImage(image), arrays[path.split("/", 2)[2]])
    assert image.GetOrigin() == (1.0, 2.0, 3.0)
    assert image.GetSpacing() == (0.5, 0.5, 2.0)
    mask = sitk.ReadImage(str(folder / path.replace(".ome.zarr", "-regions-2.nii.gz")))
    assert sitk.GetArrayFromImage(mask).sum() == 8**3


def patches(folder: Path, *arguments: Any, **options: Any) -> Any:
    return runpy.run_path(str(folder / "dataset.py"))["Patches"](folder, *arguments, **options)


def test_a_patch_is_the_image_at_its_place(release: Any) -> None:
    folder, arrays, _ = release
    data = patches(folder, "CT", size=(16, 32, 32), each=2)
    assert len(data) == 12
    assert data.regions == ["GTV", "NODE"]
    for place in range(len(data)):
        item = data[place]
        z, y, x = item["start"]
        whole = arrays[data.images[place // 2]["path"].split("/", 2)[2]]
        assert np.array_equal(item["image"][0], whole[z : z + 16, y : y + 32, x : x + 32])
    assert data.whole(0)["mask"].sum(axis=(1, 2, 3)).tolist() == [512, 512]


# Shape, shards and type of arrays that a program of ours or another one wrote, and whether the quick way is taken.
LAYOUTS: dict[str, tuple[dict[str, Any], bool]] = {
    "one shard": ({"chunks": (8,) * 3, "shards": (24, 24, 32)}, True),
    "larger than its shard": ({"chunks": (8,) * 3, "shards": (16,) * 3}, False),
    "no shard": ({"chunks": (8,) * 3}, False),
    "another codec": ({"chunks": (8,) * 3, "shards": (24, 24, 32), "compressors": [zarr.codecs.ZstdCodec()]}, False),
    "fill of its own": ({"chunks": (8,) * 3, "shards": (24, 24, 32), "fill_value": 7}, False),
}


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("dtype", ["int16", "float32", "uint8"])
def test_chunks_are_read_as_zarr_reads_them(tmp_path: Path, kind: str, dtype: str) -> None:
    about, quick = LAYOUTS[kind]
    about = {"compressors": [zarr.codecs.BloscCodec(cname="zstd", shuffle="bitshuffle")], "fill_value": 0, **about}
    array = np.random.default_rng(1).integers(0, 250, (20, 21, 30)).astype(dtype)
    array[8:16, :16, 16:24] = 0  # a chunk that is not written
    group: Any = zarr.create_group(tmp_path / "x", zarr_format=3)
    group.attrs["unibase"] = {"origin": [0, 0, 0], "spacing": [1, 1, 1], "direction": [1, 0, 0, 0, 1, 0, 0, 0, 1]}
    for name, values in (("0", array), ("zeros", np.zeros_like(array))):
        group.create_array(name, shape=array.shape, dtype=dtype, **about)[...] = values
    store = patch_dataset._Store(tmp_path / "x")
    assert isinstance(store["0"], patch_dataset._OneShard) == quick
    random = np.random.default_rng(2)
    for _ in range(12):
        ends = [sorted(random.choice(n + 1, 2, replace=False)) for n in array.shape]
        box = tuple(slice(int(low), int(high)) for low, high in ends)
        assert np.array_equal(store["0"][box], array[box]) and store["0"][box].dtype == array.dtype
        assert not store["zeros"][box].any()


def test_the_affine_of_a_patch_is_that_of_the_nifti_copy(release: Any) -> None:
    folder, _, _ = release
    data = patches(folder, "CT", size=(4, 8, 8))
    item = data[2]
    image = sitk.ReadImage(str(folder / data.images[2]["path"].replace(".ome.zarr", ".nii.gz")))
    for corner in ((0, 0, 0), (3, 0, 0), (0, 7, 2)):
        place = np.array(item["start"]) + corner
        x, y, z = image.TransformIndexToPhysicalPoint([int(one) for one in place[::-1]])
        assert np.allclose((item["affine"] @ (*corner, 1))[:3], (-x, -y, z))


def test_an_oblique_store_keeps_its_direction() -> None:
    turned = [0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0]
    about = {"direction": turned, "spacing": [0.5, 1.0, 2.0], "origin": [1.0, 2.0, 3.0]}
    image = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    image.SetDirection(turned), image.SetSpacing(about["spacing"]), image.SetOrigin(about["origin"])
    x, y, z = image.TransformIndexToPhysicalPoint((1, 2, 3))
    assert np.allclose((patch_dataset._affine(about) @ (3, 2, 1, 1))[:3], (-x, -y, z))


def test_a_patch_around_a_region_meets_it_and_is_filled_beyond_the_image(release: Any) -> None:
    folder, _, _ = release
    data = patches(folder, "CT", size=(40, 32, 32), around="NODE", matrices=("radiomics", "rna"))
    for place in range(len(data)):
        item = data[place]
        assert item["mask"][1].any()
        assert (item["image"] == -1024).any()
        assert np.isfinite(item["radiomics"]).all()
    assert data[0]["rna"].shape == (len(data.variables["rna"]),)
    assert data[0]["mask_known"].tolist() == [True, True]
    assert {"time", "event", "rna_known", "days_from_index"} <= set(data[0])


def test_the_same_seed_and_epoch_draw_the_same_patch_in_every_worker(release: Any) -> None:
    folder, _, _ = release
    import sys

    sys.path.insert(0, str(folder))
    try:
        from dataset import Patches  # type: ignore[import-not-found]

        data = Patches(folder, "PT", size=(8, 8, 8), seed=3)
        first = data[4]
        again = pickle.loads(pickle.dumps(data))[4]
        assert all(np.array_equal(first[key], again[key], equal_nan=True) for key in first)
        data.set_epoch(1)
        assert not np.array_equal(first["start"], data[4]["start"])
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("dataset", None)


def test_a_split_gives_its_subjects_and_a_wrong_one_says_which_there_are(release: Any) -> None:
    folder, _, subjects = release
    trained = patches(folder, "CT", split=("folds", "0", "train"))
    assert {int(row["subject_id"]) for row in trained.images} == set(subjects[1::2])
    with pytest.raises(ValueError, match="folds"):
        patches(folder, "CT", split=("folds", "9", "train"))
    with pytest.raises(ValueError, match="CT, PT"):
        patches(folder, "MR")


def test_croissant_names_the_stores_as_one_set_of_files(release: Any, tmp_path: Path) -> None:
    import mlcroissant

    (tmp_path / "description.yaml").write_text(DESCRIPTION)
    record = croissant(open_release(release[0]), read_description(tmp_path / "description.yaml"))
    (tmp_path / "croissant.json").write_text(json.dumps(record), encoding="utf-8")
    assert not mlcroissant.Dataset(tmp_path / "croissant.json").metadata.ctx.issues.errors
    (stores,) = [one for one in record["distribution"] if one["@type"] == "cr:FileSet"]
    assert stores["includes"] == "images/**"
