"""The same patient lying otherwise, stored otherwise, named otherwise: the same mask and the same features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pydicom
import pytest
import SimpleITK as sitk

from unibase.imaging.dicom.volume import read_series
from unibase.imaging.radiomics.series_features import FeatureTask, extract_series
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.regions.masks import read_masks
from unibase.methods.agreement import feature_columns

SETTINGS = make_settings({"imageType": {"Original": {}, "LoG": {"sigma": [6.0]}}, "setting": {"binWidth": 0.25}})


@pytest.fixture(scope="module")
def patient(real_data: Path) -> tuple[Path, Path]:
    folder = real_data / "dicom/sts/STS_008/PET"
    return folder / "image", next((folder / "mask").iterdir())


def features(images: Path, mask: Path, out: Path) -> pl.DataFrame:
    extract_series(FeatureTask(images, (mask,), SETTINGS, {"GTV": [".*"]}, out))
    frame = pl.read_parquet(out)
    return frame.select("image_type", *feature_columns(frame))


def same(one: pl.DataFrame, other: pl.DataFrame, but: tuple[str, ...] = ()) -> None:
    assert one["image_type"].to_list() == other["image_type"].to_list()
    for name in one.columns[1:]:
        if not any(word in name for word in but):
            assert np.allclose(one[name].to_numpy(), other[name].to_numpy(), rtol=1e-7, atol=0, equal_nan=True), name


@pytest.fixture(scope="module")
def as_it_is(patient: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return features(*patient, tmp_path_factory.mktemp("f") / "f.parquet")


def rewritten(
    patient: tuple[Path, Path], out: Path, turn: np.ndarray, shift: np.ndarray, reverse: bool = False, flip: bool = False
) -> tuple[Path, Path]:
    """Turn and shift image and contours together; store the slices in opposite order of names, or the rows upside down."""
    (out / "image").mkdir(parents=True)
    paths = sorted(patient[0].iterdir())
    for number, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        orientation = np.array(dataset.ImageOrientationPatient, dtype=float)
        place = np.array(dataset.ImagePositionPatient, dtype=float)
        if flip:
            # Rows from below: the position is that of the last row, and its direction points the other way.
            place = place + orientation[3:] * float(dataset.PixelSpacing[0]) * (dataset.Rows - 1)
            orientation[3:] *= -1
            dataset.PixelData = np.ascontiguousarray(dataset.pixel_array[::-1]).tobytes()
        dataset.ImageOrientationPatient = [f"{x:.12f}" for x in np.concatenate([turn @ orientation[:3], turn @ orientation[3:]])]
        dataset.ImagePositionPatient = [f"{x:.11g}" for x in turn @ place + shift]
        dataset.save_as(out / "image" / f"{len(paths) - number if reverse else number:03d}.dcm")
    structure = pydicom.dcmread(patient[1])
    for item in structure.ROIContourSequence[0].ContourSequence:
        points = np.array(item.ContourData, dtype=float).reshape(-1, 3) @ turn.T + shift
        item.ContourData = [f"{x:.11g}" for x in points.ravel()]
    structure.save_as(out / "rs.dcm")
    return out / "image", out / "rs.dcm"


def test_turned_and_shifted_in_the_room(patient: tuple[Path, Path], as_it_is: pl.DataFrame, tmp_path: Path) -> None:
    angle = np.deg2rad(33.0)
    about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    images, structure = rewritten(patient, tmp_path / "t", about_x @ about_z, np.array([120.0, -70.0, 55.5]), reverse=True)
    (mask,), (before,) = read_masks(structure, read_series(images)), read_masks(patient[1], read_series(patient[0]))
    assert np.array_equal(mask.array, before.array)
    same(as_it_is, features(images, structure, tmp_path / "f.parquet"))


def test_quarter_turns(patient: tuple[Path, Path], as_it_is: pl.DataFrame, tmp_path: Path) -> None:
    turn = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    same(as_it_is, features(*rewritten(patient, tmp_path / "t", turn, np.zeros(3)), tmp_path / "f.parquet"))


def test_rows_stored_upside_down(patient: tuple[Path, Path], as_it_is: pl.DataFrame, tmp_path: Path) -> None:
    images, structure = rewritten(patient, tmp_path / "t", np.eye(3), np.zeros(3), flip=True)
    volume, before = read_series(images), read_series(patient[0])
    (mask,), (drawn,) = read_masks(structure, volume), read_masks(patient[1], before)
    # The normal turned with the rows, so the slices are in the opposite order too.
    assert np.array_equal(volume.array, before.array[::-1, ::-1])
    assert np.array_equal(mask.array, drawn.array[::-1, ::-1])
    same(as_it_is, features(images, structure, tmp_path / "f.parquet"))


def test_other_labels_and_formats(patient: tuple[Path, Path], as_it_is: pl.DataFrame, tmp_path: Path) -> None:
    volume = read_series(patient[0])
    (mask,) = read_masks(patient[1], volume)
    for label, suffix in ((1, "nrrd"), (7, "nii.gz")):
        path = tmp_path / f"mask{label}.{suffix}"
        sitk.WriteImage(volume.grid.to_sitk((mask.array * label).astype(np.uint8)), str(path))
        same(as_it_is, features(patient[0], path, tmp_path / "f.parquet"))
        sitk.WriteImage(volume.to_sitk(), str(tmp_path / f"image.{suffix}"))
        same(as_it_is, features(tmp_path / f"image.{suffix}", path, tmp_path / "f.parquet"))
