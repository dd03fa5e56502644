"""Voxels for training: turned as ITK turns them, stored to the bit, masks to the voxel, the same bytes each time."""

from __future__ import annotations

import gzip
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk
import zarr
from hypothesis import given
from hypothesis import strategies as st

from tests.imaging.deidentify_help import ct, save
from unibase.groundwork.files import sha256_folder
from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.series import read_index
from unibase.imaging.dicom.volume import read_series
from unibase.imaging.grid import Grid
from unibase.imaging.radiomics.plan import plan_units
from unibase.imaging.radiomics.selection import Region
from unibase.imaging.radiomics.settings import FeatureSettings, read_settings
from unibase.imaging.radiomics.task import Asked
from unibase.imaging.regions.masks import open_masks
from unibase.imaging.voxels.canonical import turn_of
from unibase.imaging.voxels.faces import may_show_a_face, names_the_head, says_of_faces
from unibase.imaging.voxels.layers import NamedRegion, layers_of
from unibase.imaging.voxels.ome_zarr import Stored, exact, write_store
from unibase.imaging.voxels.stored_series import VoxelTask, store_series

ORIENTATIONS = [
    np.array(rows)[list(order)] * np.array(signs)[:, None]
    for rows in [np.eye(3)]
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]
"""All 48 ways in which axes can lie along the patient's."""


def grid_of(direction: np.ndarray) -> Grid:
    return Grid((4, 5, 6), (0.7, 1.1, 2.5), (-12.0, 30.0, 7.0), tuple(float(value) for value in direction.ravel()))


@pytest.mark.parametrize("direction", ORIENTATIONS, ids=range(len(ORIENTATIONS)))
def test_a_volume_is_turned_as_itk_turns_it(direction: np.ndarray) -> None:
    grid = grid_of(direction)
    array = np.random.default_rng(1).integers(-1000, 1000, grid.shape).astype(np.float64)
    turn = turn_of(grid)
    if np.linalg.det(direction) < 0:  # ITK's filter takes no left-handed axes; ours keeps every voxel where it was
        turned = turn.grid
        assert np.allclose(turned.matrix, np.eye(3))
        corner = np.array(turned.origin) + np.array(turned.spacing) * (np.array(turned.size) - 1)
        ends = [grid.centres(np.array([[0, 0, 0], [3, 4, 5]]))]
        assert np.allclose(np.sort(np.array([turned.origin, corner]), axis=0), np.sort(ends[0], axis=0))
        return
    image = sitk.DICOMOrient(grid.to_sitk(array), "LPS")
    assert np.array_equal(turn.array(array), sitk.GetArrayFromImage(image))
    assert turn.grid.size == image.GetSize()
    assert np.allclose(turn.grid.spacing, image.GetSpacing())
    assert np.allclose(turn.grid.origin, image.GetOrigin())
    assert np.allclose(turn.grid.direction, image.GetDirection())


def test_an_oblique_volume_stays_oblique_and_every_voxel_stays_where_it_was() -> None:
    angle = np.deg2rad(20)
    tilted = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    grid = grid_of(tilted @ ORIENTATIONS[13])
    array = np.arange(4 * 5 * 6, dtype=np.float64).reshape(grid.shape)
    turn = turn_of(grid)
    turned = turn.array(array)
    for value in (0, 17, 119):
        before = np.argwhere(array == value)[0][::-1]
        after = np.argwhere(turned == value)[0][::-1]
        assert np.allclose(grid.centres(before[None].astype(float)), turn.grid.centres(after[None].astype(float)))


@given(st.integers(0, 47), st.integers(0, 2**32 - 1))
def test_a_region_is_turned_with_its_volume(which: int, seed: int) -> None:
    turn = turn_of(grid_of(ORIENTATIONS[which]))
    mask = np.random.default_rng(seed).random((6, 5, 4)) > 0.9
    if mask.any():
        assert np.array_equal(turn.region(Boxed.of(mask)).full(), turn.array(mask))


@given(st.integers(0, 2**32 - 1))
def test_label_maps_hold_every_voxel_of_every_region(seed: int) -> None:
    random = np.random.default_rng(seed)
    masks = [random.random((3, 4, 5)) > 0.6 for _ in range(4)]
    regions = [NamedRegion(f"R{n}", f"r{n}", Boxed.of(mask)) for n, mask in enumerate(masks) if mask.any()]
    layers = layers_of(regions, (slice(0, 3), slice(0, 4), slice(0, 5)))
    found = {one.name: layer.array == value for layer in layers for value, one in enumerate(layer.regions, 1)}
    assert sorted(found) == sorted(one.name for one in regions)
    assert all(np.array_equal(found[f"R{n}"], mask) for n, mask in enumerate(masks) if mask.any())
    boxes = {one.name: box for layer in layers for one, box in zip(layer.regions, layer.boxes(), strict=True)}
    for name, ((z, z_end), (y, y_end), (x, x_end)) in boxes.items():
        assert found[name][z:z_end, y:y_end, x:x_end].sum() == found[name].sum()


@pytest.mark.parametrize("value", [0.0, 255.0, -1024.0, 40000.0, 2.0**40, 0.5, 0.1, 1e300])
def test_a_value_is_stored_exactly(value: float) -> None:
    array = np.array([[[0.0, value]]])
    assert np.array_equal(exact(array).astype(np.float64), array)


def stored(shape: tuple[int, int, int]) -> Stored:
    array = np.random.default_rng(7).integers(-1024, 3000, shape).astype(np.int16)
    mask = np.zeros(shape, dtype=bool)
    mask[2:5, 10:20, 30:50] = True
    grid = replace(grid_of(np.eye(3)), size=(shape[2], shape[1], shape[0]))
    layers = layers_of([NamedRegion("GTV", "Tumeur", Boxed.of(mask))], tuple(slice(0, n) for n in shape))
    return Stored(array, grid, "HU", layers, {"Modality": "CT"})


def test_a_store_reads_back_to_the_bit_in_few_files_and_is_written_alike(tmp_path: Path) -> None:
    one = stored((70, 65, 130))
    write_store(one, tmp_path / "a.ome.zarr")
    write_store(one, tmp_path / "b.ome.zarr")
    assert sha256_folder(tmp_path / "a.ome.zarr") == sha256_folder(tmp_path / "b.ome.zarr")
    root: Any = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    assert np.array_equal(root["0"][...], one.array)
    assert np.array_equal(root["labels/regions/0"][...], one.layers[0].array)
    files = [path for path in (tmp_path / "a.ome.zarr").rglob("*") if path.is_file()]
    assert len(files) == 7  # a text and a shard for image and labels, and the texts of three groups


def _of_scanner(kind: str) -> np.ndarray:
    """Return an image of a CT (noise in HU) or of a PET (whole numbers times a slope, most of them small)."""
    random = np.random.default_rng(5)
    if kind == "CT":
        return random.normal(0, 25, (64, 64, 64)).astype(np.int16)
    return random.gamma(0.5, 300, (64, 64, 64)).astype(np.int16) * 0.00123456789


@pytest.mark.parametrize("kind", ["CT", "PET"])
def test_a_store_is_no_larger_than_the_image_in_gzip(kind: str, tmp_path: Path) -> None:
    array = _of_scanner(kind)
    write_store(Stored(array, Grid((64, 64, 64), (1, 1, 1), (0, 0, 0), tuple(np.eye(3).ravel())), "", [], {}), tmp_path / "s")
    size = sum(path.stat().st_size for path in (tmp_path / "s").rglob("*") if path.is_file())
    assert size < 1.1 * len(gzip.compress(array.tobytes(), 6))


def test_a_store_says_where_its_voxels_lie_as_ome_zarr_asks(tmp_path: Path) -> None:
    write_store(stored((8, 25, 60)), tmp_path / "a.ome.zarr")
    root: Any = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    ome = root.attrs["ome"]
    (image,) = ome["multiscales"]
    assert ome["version"] == "0.5"
    assert [axis["name"] for axis in image["axes"]] == ["z", "y", "x"]
    assert image["datasets"][0]["coordinateTransformations"] == [
        {"type": "scale", "scale": [2.5, 1.1, 0.7]},
        {"type": "translation", "translation": [7.0, 30.0, -12.0]},
    ]
    assert root["labels"].attrs["ome"]["labels"] == ["regions"]
    label = root["labels/regions"].attrs["ome"]["image-label"]
    assert label["properties"] == [{"label-value": 1, "name": "GTV", "roi_name": "Tumeur", "box": [[2, 5], [10, 20], [30, 50]]}]
    assert root.attrs["unibase"]["unit"] == "HU"


@pytest.mark.parametrize(
    ("body_part", "height", "shown"),
    [
        ("CHEST", 400, False),
        ("Abdomen Pelvis", 500, False),
        ("PROSTATE", 90, False),
        ("HEADNECK", 250, True),
        ("WHOLEBODY", 1100, True),
        ("CHEST", 1100, True),
        ("", 300, True),
        (None, 300, True),
        ("TEST", 300, True),
    ],
)
def test_what_may_show_a_face(body_part: str | None, height: float, shown: bool) -> None:
    assert may_show_a_face(body_part, height) is shown


OF_THE_HEAD = ("CT Head Neck 2.0", "Scanner cérébral", "Onco corps entier", "TAP + cou", "CERVICO-THORACIQUE", "SINUS", "TEP WB", "AC_CT_WholeBody", "H&N", "Crâne", "tête", "ORL", "Angio TSA", "rachis cervical", "Facial bones", "Orbits", "HeadNeck", "Hals Thorax", "CT Kopf", "Schädel nativ", "cuello y tórax", "cabeza", "TC collo torace", "Ganzkörper CT", "PET total body", "hoofd hals", "cabeça", "CTA H/N", "NEURO", "rochers")  # fmt: skip
OF_OTHER_PARTS = ("Thorax C+", "Abdomen Pelvis", "TAP", "Lung 1.25mm HRCT", "femoral head", "Têtes fémorales", "tête du pancréas", "cou de pied", "coude", "WBC", "ventral", "neuroendocrine", "colon", "IRM prostate", "Center", "")  # fmt: skip


@pytest.mark.parametrize("text", OF_THE_HEAD)
def test_a_description_of_the_head_outweighs_the_body_part(text: str, tmp_path: Path) -> None:
    save(ct(SeriesInstanceUID="1.2.3", SeriesDescription="Thorax", StudyDescription=text), tmp_path / "1.dcm")
    said = says_of_faces([tmp_path / "1.dcm"], "1.2.3")
    assert said == "YES"
    assert may_show_a_face("CHEST", 350, said)


def test_descriptions_of_other_parts_say_nothing_of_faces() -> None:
    assert not [text for text in OF_OTHER_PARTS if names_the_head(text)]


@pytest.fixture(scope="module")
def sarcoma(real_data: Path) -> tuple[Path, pl.DataFrame]:
    """The folder of the sarcoma patients, and its series."""
    folder = real_data / "dicom" / "sts"
    return folder, read_index(folder, subject_of=lambda _: 7, parts=True).series


def plain_settings(folder: Path) -> FeatureSettings:
    (folder / "params.yaml").write_text("imageType: {Original: {}}\n")
    return read_settings(folder / "params.yaml")


def test_real_series_are_stored_to_the_bit_and_their_masks_to_the_voxel(
    sarcoma: tuple[Path, pl.DataFrame], tmp_path: Path
) -> None:
    """Six patients, CT, PET and MR; ITK turns the values that our reader gives, plain NumPy compares."""
    folder, series = sarcoma
    plan = plan_units(series, folder, tmp_path, Asked(plain_settings(tmp_path), {"GTV": ["gtv.*"]}))
    rows = {f"{row['folder']}:{row['SeriesInstanceUID']}": row for row in series.to_dicts()}
    units = [unit for unit in plan.units if unit.arguments.mask_paths]
    assert len(units) == 18
    for unit in units[::5]:
        task = VoxelTask(unit.arguments, {**rows[unit.key], "subject_id": 7}, tmp_path, "volumes", 20, True)
        (row,) = store_series(task).stores
        root: Any = zarr.open_group(tmp_path / row["path"], mode="r")
        volume = read_series(unit.arguments.image_folder, unit.arguments.series_uid)
        image = sitk.DICOMOrient(volume.to_sitk(), "LPS")
        assert np.array_equal(root["0"][...].astype(np.float64), sitk.GetArrayFromImage(image))
        assert np.allclose(root.attrs["unibase"]["origin"], image.GetOrigin())
        (mask,) = [one.read() for one in open_masks(unit.arguments.mask_paths[0], volume, unit.arguments.mask_rules)]
        drawn = sitk.DICOMOrient(volume.grid.to_sitk(mask.array.astype(np.uint8)), "LPS")
        assert np.array_equal(root["labels/regions/0"][...], sitk.GetArrayFromImage(drawn))
        assert row["unit"] == volume.unit and row["regions"] == "GTV"


def test_boxes_of_regions_are_the_parts_of_the_volume_around_them(sarcoma: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    folder, series = sarcoma
    unit = next(u for u in plan_units(series, folder, tmp_path, Asked(plain_settings(tmp_path))).units if u.arguments.mask_paths)
    row = next(r for r in series.to_dicts() if unit.key == f"{r['folder']}:{r['SeriesInstanceUID']}")
    found = {}
    for kind in ("volumes", "regions"):
        task = VoxelTask(unit.arguments, {**row, "subject_id": 7}, tmp_path / kind, kind, 8.0, True)
        (store,) = store_series(task).stores
        found[kind] = zarr.open_group(tmp_path / kind / store["path"], mode="r")
    whole: Any = found["volumes"]
    part: Any = found["regions"]
    apart = np.array(part.attrs["unibase"]["origin"]) - np.array(whole.attrs["unibase"]["origin"])
    start = np.rint(apart / np.array(whole.attrs["unibase"]["spacing"])).astype(int)[::-1]
    place = tuple(slice(at, at + n) for at, n in zip(start, part["0"].shape, strict=True))
    assert np.array_equal(part["0"][...], whole["0"][place])
    assert np.array_equal(part["labels/regions/0"][...], whole["labels/regions/0"][place])
    assert part["labels/regions/0"][...].sum() == whole["labels/regions/0"][...].sum()


def test_a_series_whose_images_may_show_a_face_is_left_out_unless_the_study_says_why(
    sarcoma: tuple[Path, pl.DataFrame], tmp_path: Path
) -> None:
    folder, series = sarcoma
    unit = plan_units(series, folder, tmp_path, Asked(plain_settings(tmp_path))).units[0]
    row = next(r for r in series.to_dicts() if unit.key == f"{r['folder']}:{r['SeriesInstanceUID']}")
    head = {**row, "subject_id": 7, "BodyPartExamined": "HEAD"}
    with pytest.raises(Unusable, match="may-show-a-face"):
        store_series(VoxelTask(unit.arguments, head, tmp_path / "out", "volumes", 20, False))
    assert not list((tmp_path / "out").glob("*"))
    assert store_series(VoxelTask(unit.arguments, head, tmp_path / "out", "volumes", 20, True)).stores


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["NO", "NO"], "NO"),
        (["NO", "YES"], "YES"),
        (["YES", "NO"], "YES"),
        (["NO", None], None),
        ([None, "NO"], None),
        ([], None),
    ],
)
def test_a_face_is_removed_only_where_every_header_says_so(said: list[str | None], expected: str | None, tmp_path: Path) -> None:
    for number, one in enumerate(said):
        ds = ct(SeriesInstanceUID="1.2.3")
        if one is not None:
            ds.RecognizableVisualFeatures = one
        save(ds, tmp_path / f"{number}.dcm")
    save(ct(SeriesInstanceUID="1.2.4", RecognizableVisualFeatures="YES"), tmp_path / "other.dcm")
    assert says_of_faces(sorted(tmp_path.iterdir()), "1.2.3") == expected
    assert may_show_a_face("HEAD", 200, expected) is (expected != "NO")
    assert may_show_a_face("CHEST", 200, expected) is (expected == "YES")


def test_a_region_that_cannot_be_read_is_told_and_its_volume_is_stored(
    sarcoma: tuple[Path, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, series = sarcoma
    unit = next(u for u in plan_units(series, folder, tmp_path, Asked(plain_settings(tmp_path))).units if u.arguments.mask_paths)
    row = next(r for r in series.to_dicts() if unit.key == f"{r['folder']}:{r['SeriesInstanceUID']}")

    def broken(region: Any, volume: Any) -> None:
        raise Unusable("broken-contour", "Contour Data (3006,0050) is not made of points.", "Export it again.")

    monkeypatch.setattr(Region, "read", broken)
    made = store_series(VoxelTask(unit.arguments, {**row, "subject_id": 7}, tmp_path / "out", "volumes", 20, True))
    assert [store["regions"] for store in made.stores] == [None]
    assert [one.reason for one in made.left_out] == ["broken-contour"]
    with pytest.raises(Unusable, match="broken-contour"):
        store_series(VoxelTask(unit.arguments, {**row, "subject_id": 7}, tmp_path / "out", "regions", 20, True))
